import { FileError } from "./errors.ts";
import type { Boundary } from "./records.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * Objects of a JSON file: one array of them, or one object after another, over any number of lines.
 * The array's own brackets and commas are left out; everything else between objects is an error.
 */
export class JsonBoundary implements Boundary {
	readonly #path: string;
	#depth = 0;
	#inString = false;
	#escaped = false;
	#array: "none" | "open" | "closed" = "none";
	#objects = 0;
	/** Between two objects of an array a comma has come. */
	#comma = false;

	constructor(path: string) {
		this.#path = path;
	}

	get open(): boolean {
		return this.#depth > 0 || this.#array === "open";
	}

	/**
	 * The record ends behind its closing brace; white space, commas and brackets before an object are part
	 * of it until `objectOf` takes them off.
	 */
	end(bytes: Buffer, at: number): number {
		for (let i = at; i < bytes.length; i++) {
			const byte = bytes[i] as number;
			if (this.#inString) {
				if (this.#escaped) this.#escaped = false;
				else if (byte === BACKSLASH) this.#escaped = true;
				else if (byte === QUOTE) this.#inString = false;
				continue;
			}
			if (this.#depth > 0) {
				if (byte === QUOTE) this.#inString = true;
				else if (byte === 0x7b || byte === 0x5b) this.#depth++;
				else if (byte === 0x7d || byte === 0x5d) {
					if (--this.#depth > 0) continue;
					this.#objects++;
					return i + 1;
				}
				continue;
			}
			this.#between(byte);
		}
		return -1;
	}

	#between(byte: number): void {
		if (byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d)
			return;
		if (byte === 0x7b && this.#array !== "closed") {
			if (this.#array === "open" && this.#objects > 0 && !this.#comma)
				this.#fail("two objects without a comma between them");
			this.#depth = 1;
			this.#comma = false;
		} else if (byte === 0x5b && this.#array === "none" && this.#objects === 0)
			this.#array = "open";
		else if (
			byte === 0x2c &&
			this.#array === "open" &&
			this.#objects > 0 &&
			!this.#comma
		)
			this.#comma = true;
		else if (byte === 0x5d && this.#array === "open" && !this.#comma)
			this.#array = "closed";
		else
			this.#fail(
				`${JSON.stringify(String.fromCharCode(byte))} ${this.#objects === 0 ? "at its start" : `behind object ${this.#objects}`}`,
			);
	}

	#fail(what: string): never {
		throw new FileError(
			"INGEST_FILE_INVALID",
			`${this.#path} has ${what}: a JSON file is an array of objects, or objects one after another`,
		);
	}
}

/** The object of a record, from its brace on; empty when there is none. */
export function objectOf(record: Buffer): Buffer {
	const at = record.indexOf(0x7b);
	return at < 0 ? record.subarray(0, 0) : record.subarray(at);
}
