import { ParquetError } from "./errors.ts";
import type { FileMetadata } from "./metadata.ts";
import { readMetadata } from "./metadata.ts";

/** A file that is read in ranges. */
export interface RandomAccess {
	readonly size: number;
	/** The bytes `[start, end)`, all of them. */
	readonly read: (start: number, end: number) => Promise<Uint8Array>;
}

/** A file of bytes in memory. */
export function bytesFile(bytes: Uint8Array): RandomAccess {
	return {
		size: bytes.length,
		read: async (start, end) => bytes.subarray(start, end),
	};
}

/** Bytes read from the end at first: most footers fit. */
const TAIL = 64 * 1024;

/** A file whose footer was read. */
export interface OpenedFile {
	readonly metadata: FileMetadata;
	/** The file; what came with the footer isn't read again, so a small file is read once. */
	readonly file: RandomAccess;
}

/**
 * The file's footer.
 * @throws ParquetError when it is damaged or encrypted
 */
export async function readFooter(file: RandomAccess): Promise<FileMetadata> {
	return (await openFile(file)).metadata;
}

/** @throws ParquetError when the footer is damaged or encrypted */
export async function openFile(file: RandomAccess): Promise<OpenedFile> {
	if (file.size < 12)
		throw damaged(`${file.size} bytes are too few for a Parquet file`);
	let start = Math.max(0, file.size - TAIL);
	let tail = await readRange(file, start, file.size);
	const end = tail.length;
	const magic = Buffer.from(tail.subarray(end - 4)).toString("latin1");
	if (magic === "PARE") {
		throw new ParquetError(
			"PARQUET_UNSUPPORTED",
			"the file's footer is encrypted, which can't be read; write it without encryption",
		);
	}
	if (magic !== "PAR1")
		throw damaged(
			`it ends in ${JSON.stringify(magic)} instead of "PAR1": it is cut off or no Parquet file`,
		);
	const view = new DataView(tail.buffer, tail.byteOffset, end);
	const length = view.getUint32(end - 8, true);
	if (length + 12 > file.size)
		throw damaged(
			`its footer of ${length} bytes is larger than the file of ${file.size}`,
		);
	if (length + 8 > end) {
		start = file.size - length - 8;
		tail = await readRange(file, start, file.size);
	}
	const metadata = readMetadata(
		tail.subarray(tail.length - 8 - length, tail.length - 8),
	);
	const rows = metadata.rowGroups.reduce((sum, group) => sum + group.rows, 0);
	if (rows !== metadata.rows)
		throw damaged(
			`its row groups have ${rows} rows, but its footer says ${metadata.rows}`,
		);
	const [from, bytes] = [start, tail];
	return {
		metadata,
		file: {
			size: file.size,
			read: async (start, end) =>
				start >= from
					? bytes.subarray(start - from, end - from)
					: await file.read(start, end),
		},
	};
}

/** The bytes `[start, end)` of a file, which have to be there. */
export async function readRange(
	file: RandomAccess,
	start: number,
	end: number,
): Promise<Uint8Array> {
	const bytes = await file.read(start, end);
	if (bytes.length !== end - start)
		throw damaged(
			`the bytes ${start} to ${end} were asked for, ${bytes.length} came`,
		);
	return bytes;
}

export function damaged(what: string, cause?: unknown): ParquetError {
	return new ParquetError(
		"PARQUET_INVALID",
		`the Parquet file is damaged: ${what}`,
		{ cause },
	);
}
