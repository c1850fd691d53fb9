import { unescapeJson } from "./escape.ts";

/** Raised inside the decoder for input that is no JSON; becomes a dead letter. */
export class JsonSyntaxError extends Error {}

/** Raised where a document inside a string has to be unescaped before it can be read. */
export const UNESCAPE_FIRST = new Error("unescape first");

const INITIAL = 1024;
/** A larger input's room is given back after it. */
const KEPT = 1024 * 1024;
/** Zeros after the input: no value goes on past one, and words can be read up to the end. */
const SLACK = 16;

/**
 * The bytes of a JSON text, and a position in them. They are copied, so that they end with zeros: a
 * zero is part of no JSON text, which spares a check of the end with every byte.
 */
export class JsonInput {
	bytes = new Uint8Array(INITIAL);
	view = new DataView(this.bytes.buffer);
	#buffer = Buffer.from(this.bytes.buffer);
	pos = 0;
	end = 0;
	/** The JSON read is the content of a string, still escaped. */
	nested = false;

	load(source: Uint8Array): void {
		this.#room(source.length);
		this.bytes.set(source);
		this.#ends(source.length);
	}

	/**
	 * Takes the unescaped content of a string of `source`.
	 * @throws JsonSyntaxError
	 */
	loadString(source: Uint8Array, from: number, to: number): void {
		this.#room(to - from);
		const end = unescapeJson(source, from, to, this.bytes, 0);
		if (end < 0) throw new JsonSyntaxError("a bad escape in a document");
		this.#ends(end);
	}

	/** Gives back the room that an unusually large input took. */
	release(): void {
		if (this.bytes.length <= KEPT) return;
		this.#allocate(INITIAL);
		this.#ends(0);
	}

	fail(message: string): never {
		throw this.nested ? UNESCAPE_FIRST : new JsonSyntaxError(message);
	}

	/** Passes over white space; the next byte, or 0 at the end. */
	peek(): number {
		let byte = this.bytes[this.pos] as number;
		while (
			byte <= 0x20 &&
			(byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09)
		) {
			// A string has no line feed or tab as such, a document in it neither.
			if (byte !== 0x20 && this.nested) this.fail("white space in a string");
			byte = this.bytes[++this.pos] as number;
		}
		return byte;
	}

	expect(byte: number): void {
		if (this.peek() !== byte)
			this.fail(`expected ${String.fromCharCode(byte)} at byte ${this.pos}`);
		this.pos++;
	}

	/** Whether `byte` comes next; it is passed over if so. */
	accept(byte: number): boolean {
		if (this.peek() !== byte) return false;
		this.pos++;
		return true;
	}

	/** Whether the text at `at` of these words comes next; passes over it. */
	acceptWords(words: Int32Array, at: number): boolean {
		const { view, pos } = this;
		const length = words[at] as number;
		// The last word overlaps the one before unless the length is a multiple of four.
		const last = (length - 1) >> 2;
		for (let i = 0; i < last; i++)
			if (view.getInt32(pos + 4 * i, true) !== words[at + 1 + i]) return false;
		if (view.getInt32(pos + length - 4, true) !== words[at + 1 + last])
			return false;
		this.pos = pos + length;
		return true;
	}

	/** Whether this text, which may be long, stands at `at`. */
	isText(text: Uint8Array, at: number): boolean {
		const length = text.length;
		return this.#buffer.compare(text, 0, length, at, at + length) === 0;
	}

	/** The JSON text of `bytes[from, to)`. */
	slice(from: number, to: number): string {
		if (!this.nested) return this.#buffer.toString("utf8", from, to);
		const target = Buffer.alloc(to - from);
		const end = unescapeJson(this.bytes, from, to, target, 0);
		if (end < 0) this.fail("a bad escape");
		return target.toString("utf8", 0, end);
	}

	/** ASCII text, such as a number. */
	ascii(from: number, to: number): string {
		return this.#buffer.toString("latin1", from, to);
	}

	#room(length: number): void {
		if (length + SLACK > this.bytes.length)
			this.#allocate(Math.max(length + SLACK, this.bytes.length * 2));
	}

	#allocate(capacity: number): void {
		this.bytes = new Uint8Array(capacity);
		this.view = new DataView(this.bytes.buffer);
		this.#buffer = Buffer.from(this.bytes.buffer);
	}

	#ends(end: number): void {
		this.view.setFloat64(end, 0);
		this.view.setFloat64(end + 8, 0);
		this.pos = 0;
		this.end = end;
		this.nested = false;
	}
}
