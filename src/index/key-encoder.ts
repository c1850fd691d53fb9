import { createHash } from "node:crypto";
import type { Vector } from "../columnar/vector.ts";
import { hashBytes, permuteBlock, type Seed, state } from "./chaskey.ts";
import { type KeyBatch, MAX_TAIL } from "./key-batch.ts";
import { type KeyColumn, partOf, tupleOf } from "./key-part.ts";

/*
 * Kinds. The 16 bytes of an inline key, before the permutation:
 *
 *   1        a whole number in int64, 8 bytes little-endian: integers of any width, and doubles and
 *            decimals that are whole, so that a widened column keeps its keys
 *   2        24 digits of lower-case hexadecimal text (an ObjectId) as 12 bytes
 *   3        the text of a UUID in lower case as 16 bytes
 *   16 + n   n bytes of UTF-8 text
 *   64 + n   n bytes that begin with their class (key-part.ts)
 *
 * and of a hashed key, whose bytes stand in the tail:
 *
 *   128      text
 *   129      bytes that begin with their class
 *   130, 131 as these two, too long for a tail: their SHA-512 stands for them
 */
const INTEGER = 1;
const OBJECT_ID = 2;
const UUID = 3;
const TEXT = 16;
const BYTES = 64;
const HASHED_TEXT = 128;
const HASHED_BYTES = 129;
const DIGESTED = 2;

/** The seed of a table's keys. */
export function seedOfTable(tableId: string): Seed {
	const digest = createHash("sha256").update(`key index ${tableId}`).digest();
	return Uint32Array.from([0, 4, 8, 12], (at) => digest.readUInt32LE(at));
}

/**
 * Keys of the rows of a batch; a row of which a part is null has none. `rescued` are the rows' JSON
 * of values that did not fit their column, where such a part is looked for.
 */
export function encodeKeys(
	columns: readonly KeyColumn[],
	length: number,
	options: { readonly seed: Seed; readonly rescued?: Vector | undefined },
): KeyBatch {
	const encoder = new KeyEncoder(length, options.seed);
	const { rescued } = options;
	const [first] = columns;
	if (columns.length === 1 && first !== undefined)
		for (let row = 0; row < length; row++) single(encoder, first, row, rescued);
	else
		for (let row = 0; row < length; row++)
			encoder.bytes(row, tupleOf(columns, row, rescued));
	return encoder.finish();
}

function single(
	encoder: KeyEncoder,
	column: KeyColumn,
	row: number,
	rescued: Vector | undefined,
): void {
	const { vector, type } = column;
	const present = vector.validity === undefined || vector.validity[row] === 1;
	if (present)
		switch (vector.kind) {
			case "i32":
				encoder.integer(
					row,
					vector.values[row] as number,
					(vector.values[row] as number) >> 31,
				);
				return;
			case "bytes":
				if (type !== "string") break;
				encoder.text(
					row,
					vector.data,
					vector.offsets[row] as number,
					vector.offsets[row + 1] as number,
				);
				return;
		}
	const part = partOf(column, row, rescued);
	if (part === undefined) return;
	if (typeof part === "bigint")
		encoder.integer(
			row,
			Number(BigInt.asIntN(32, part)),
			Number(part >> 32n) | 0,
		);
	else if (typeof part === "string") {
		const bytes = Buffer.from(part);
		encoder.text(row, bytes, 0, bytes.length);
	} else encoder.bytes(row, part);
}

class KeyEncoder {
	readonly #seed: Seed;
	readonly #words: Uint32Array;
	readonly #kinds: Uint8Array;
	readonly #tailEnds: Uint32Array;
	readonly #scratch = new Uint8Array(16);
	readonly #scratchWords = new Uint32Array(this.#scratch.buffer);
	#tails: Uint8Array = new Uint8Array(0);
	#tailSize = 0;
	/** Rows before this one have their tail's end. */
	#next = 0;

	constructor(length: number, seed: Seed) {
		this.#seed = seed;
		this.#words = new Uint32Array(length * 4);
		this.#kinds = new Uint8Array(length);
		this.#tailEnds = new Uint32Array(length);
	}

	integer(row: number, low: number, high: number): void {
		permuteBlock(this.#seed, low, high, 0, 0);
		this.#set(row, INTEGER);
	}

	text(row: number, data: Uint8Array, from: number, to: number): void {
		const length = to - from;
		if (length === 24 && this.#packHex(data, from, 24)) {
			this.#inline(row, OBJECT_ID);
			return;
		}
		if (length === 36 && this.#packUuid(data, from)) {
			this.#inline(row, UUID);
			return;
		}
		if (length <= 16) {
			this.#scratch.fill(0);
			for (let i = 0; i < length; i++)
				this.#scratch[i] = data[from + i] as number;
			this.#inline(row, TEXT + length);
			return;
		}
		this.#hashed(row, HASHED_TEXT, data.subarray(from, to));
	}

	bytes(row: number, bytes: Uint8Array | undefined): void {
		if (bytes === undefined) return;
		if (bytes.length > 16) {
			this.#hashed(row, HASHED_BYTES, bytes);
			return;
		}
		this.#scratch.fill(0);
		this.#scratch.set(bytes);
		this.#inline(row, BYTES + bytes.length);
	}

	finish(): KeyBatch {
		const length = this.#kinds.length;
		this.#endTails(length);
		return {
			length,
			words: this.#words,
			kinds: this.#kinds,
			tails: this.#tails.subarray(0, this.#tailSize),
			tailEnds: this.#tailEnds,
		};
	}

	#hashed(row: number, kind: number, bytes: Uint8Array): void {
		hashBytes(this.#seed, bytes);
		this.#set(row, bytes.length > MAX_TAIL ? kind + DIGESTED : kind);
		const tail =
			bytes.length > MAX_TAIL
				? createHash("sha512").update(bytes).digest()
				: bytes;
		this.#endTails(row);
		if (this.#tailSize + tail.length > this.#tails.length) {
			const larger = new Uint8Array(
				Math.max(4096, (this.#tailSize + tail.length) * 2),
			);
			larger.set(this.#tails.subarray(0, this.#tailSize));
			this.#tails = larger;
		}
		this.#tails.set(tail, this.#tailSize);
		this.#tailSize += tail.length;
		this.#endTails(row + 1);
	}

	#endTails(to: number): void {
		while (this.#next < to) this.#tailEnds[this.#next++] = this.#tailSize;
	}

	#inline(row: number, kind: number): void {
		const words = this.#scratchWords;
		permuteBlock(
			this.#seed,
			words[0] as number,
			words[1] as number,
			words[2] as number,
			words[3] as number,
		);
		this.#set(row, kind);
	}

	#set(row: number, kind: number): void {
		this.#words.set(state, row * 4);
		this.#kinds[row] = kind;
	}

	/** Lower-case digits only: text in another case is another key. */
	#packHex(data: Uint8Array, from: number, length: number): boolean {
		this.#scratch.fill(0);
		for (let i = 0; i < length; i += 2) {
			const high = DIGIT[data[from + i] as number] as number;
			const low = DIGIT[data[from + i + 1] as number] as number;
			if (high > 15 || low > 15) return false;
			this.#scratch[i >> 1] = (high << 4) | low;
		}
		return true;
	}

	#packUuid(data: Uint8Array, from: number): boolean {
		let at = 0;
		for (let i = 0; i < 36; ) {
			if (i === 8 || i === 13 || i === 18 || i === 23) {
				if (data[from + i] !== 0x2d) return false;
				i++;
				continue;
			}
			const high = DIGIT[data[from + i] as number] as number;
			const low = DIGIT[data[from + i + 1] as number] as number;
			if (high > 15 || low > 15) return false;
			this.#scratch[at++] = (high << 4) | low;
			i += 2;
		}
		return true;
	}
}

const DIGIT = Uint8Array.from({ length: 256 }, (_, code) => {
	const digit = "0123456789abcdef".indexOf(String.fromCharCode(code));
	return digit < 0 ? 255 : digit;
});
