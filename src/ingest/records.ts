import { isUtf8 } from "node:buffer";
import { FileError } from "./errors.ts";

/** A record may not be longer: it is held whole. */
export const MAX_RECORD_BYTES = 64 * 2 ** 20;

/** Finds where the records of a format end. Reset to the start of a record whenever one has ended. */
export interface Boundary {
	/**
	 * Looks at `bytes` from `at` on, which are the next ones of a record or between two.
	 * @returns the end of the record (exclusive), or -1 when it goes on behind these bytes
	 */
	end(bytes: Buffer, at: number): number;
	/** Whether what is left at the end of the file is no whole record. */
	readonly open: boolean;
}

/**
 * Cuts a file's bytes into records; a record that lies within one chunk is a view of it.
 * @throws FileError INGEST_FILE_INVALID for a record without its end, INGEST_RECORD_TOO_LARGE
 */
export class Records {
	readonly #boundary: Boundary;
	readonly #path: string;
	/** Of a record that began in chunks before. */
	#pieces: Buffer[] = [];
	#held = 0;
	#started = false;

	constructor(path: string, boundary: Boundary) {
		this.#path = path;
		this.#boundary = boundary;
	}

	*push(chunk: Uint8Array): Generator<Buffer> {
		let bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
		if (!this.#started) {
			this.#started = true;
			if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf)
				bytes = bytes.subarray(3);
		}
		let from = 0;
		while (from < bytes.length) {
			const end = this.#boundary.end(bytes, from);
			if (end < 0) break;
			const tail = bytes.subarray(from, end);
			from = end;
			if (this.#held === 0) yield tail;
			else {
				this.#pieces.push(tail);
				const record = Buffer.concat(this.#pieces);
				this.#forget();
				yield record;
			}
		}
		if (from === bytes.length) return;
		this.#pieces.push(bytes.subarray(from));
		this.#held += bytes.length - from;
		if (this.#held > MAX_RECORD_BYTES)
			throw new FileError(
				"INGEST_RECORD_TOO_LARGE",
				`${this.#path} has a record of more than ${MAX_RECORD_BYTES} bytes: check format and delimiters, or split it`,
			);
	}

	/** What is left at the end of the file. */
	*end(): Generator<Buffer> {
		if (this.#boundary.open)
			throw new FileError(
				"INGEST_FILE_INVALID",
				`${this.#path} ends inside a record: it is cut off; upload it again, whole`,
			);
		if (this.#held === 0) return;
		const record = Buffer.concat(this.#pieces);
		this.#forget();
		yield record;
	}

	#forget(): void {
		this.#pieces = [];
		this.#held = 0;
	}
}

/** Lines; what is between them is not looked at. */
export function lineBoundary(): Boundary {
	return {
		open: false,
		end: (bytes, at) => bytes.indexOf(0x0a, at) + 1 || -1,
	};
}

/** Whether a record has nothing but white space. */
export function isBlank(record: Uint8Array): boolean {
	for (const byte of record)
		if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d)
			return false;
	return true;
}

/** @throws FileError INGEST_FILE_INVALID naming the record */
export function checkUtf8(record: Uint8Array, path: string, row: number): void {
	if (!isUtf8(record))
		throw new FileError(
			"INGEST_FILE_INVALID",
			`${path}: record ${row} is not valid UTF-8: convert the file to UTF-8`,
		);
}
