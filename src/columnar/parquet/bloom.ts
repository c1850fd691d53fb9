import type { Vector } from "../vector.ts";
import { ParquetError } from "./errors.ts";
import type { Live } from "./levels.ts";
import { CompactWriter } from "./thrift.ts";
import { CompactReader } from "./thrift-read.ts";
import type { Hash64 } from "./xxhash64.ts";
import { xxhash64 } from "./xxhash64.ts";

/*
 * A split block Bloom filter (parquet-format BloomFilter.md) stands before the page index:
 *
 *   BloomFilterHeader   Thrift: bytes of the bits, and that they are blocks, of XXH64, not compressed
 *   blocks              of 8 words of 32 bits, little-endian
 *
 * The high half of a value's hash picks a block, the low half one bit in each of its words. What is
 * hashed is the PLAIN encoding, of bytes without their length.
 */
const BLOCK_BYTES = 32;
/** What other readers take at most. */
const MAX_BYTES = 128 * 1024 * 1024;

const SALT = Int32Array.of(
	0x47b6137b,
	0x44974d91,
	0x8824ad5b,
	0xa2b7289d,
	0x705495c7,
	0x2df1424b,
	0x9efc4947,
	0x5c6bfb31,
);

/** Finds every value that was added, and hardly any other. */
export class BloomFilter {
	readonly #words: Int32Array;
	readonly #blocks: number;
	readonly #hash: Hash64 = { low: 0, high: 0 };

	constructor(words: Int32Array) {
		this.#words = words;
		this.#blocks = words.length / 8;
	}

	/** A filter that `distinct` values fill up to a probability of false positives. */
	static sized(distinct: number, falsePositives: number): BloomFilter {
		const bits = (-8 * distinct) / Math.log(1 - falsePositives ** (1 / 8));
		// Some readers know powers of two only.
		const wanted = 2 ** Math.ceil(Math.log2(Math.max(bits / 8, BLOCK_BYTES)));
		return new BloomFilter(new Int32Array(Math.min(wanted, MAX_BYTES) / 4));
	}

	/** Adds the live values `from` to `to` of a vector that isn't nested. */
	add(vector: Vector, live: Live, from: number, to: number): void {
		eachHash(vector, live, from, to, this.#hash, () => {
			const at = this.#block();
			for (let i = 0; i < 8; i++) {
				this.#words[at + i] =
					(this.#words[at + i] as number) | this.#bit(SALT[i] as number);
			}
		});
	}

	/** Whether the bytes, as PLAIN has them, may have been added. */
	mayContain(plain: Uint8Array): boolean {
		const { buffer, byteOffset, byteLength } = plain;
		const view = new DataView(buffer, byteOffset, byteLength);
		xxhash64(view, 0, byteLength, this.#hash);
		const at = this.#block();
		return SALT.every(
			(salt, i) => ((this.#words[at + i] as number) & this.#bit(salt)) !== 0,
		);
	}

	encode(): Uint8Array<ArrayBuffer> {
		const { buffer, byteOffset, byteLength } = this.#words;
		const writer = new CompactWriter();
		writer.i32(1, byteLength);
		for (const field of [2, 3, 4])
			writer.struct(field, () => writer.struct(1, () => {}));
		const header = writer.finish();
		const bytes = new Uint8Array(header.length + byteLength);
		bytes.set(header);
		bytes.set(new Uint8Array(buffer, byteOffset, byteLength), header.length);
		return bytes;
	}

	/** Index of the block's first word: of the hash's high half times the blocks, the high half. */
	#block(): number {
		// In two steps: the product could have more bits than a double holds.
		const top = (this.#hash.high >>> 16) * this.#blocks;
		const rest = (this.#hash.high & 0xffff) * this.#blocks;
		return Math.floor((top + Math.floor(rest / 0x10000)) / 0x10000) * 8;
	}

	#bit(salt: number): number {
		return 1 << (Math.imul(this.#hash.low, salt) >>> 27);
	}
}

/** Bytes of a header, at most. */
export const BLOOM_HEADER_BYTES = 64;

/**
 * Reads a header: the filter's bytes after it. `undefined` for one that isn't of this kind.
 * @throws ParquetError when the header is damaged
 */
export function readBloomHeader(
	bytes: Uint8Array,
): { readonly start: number; readonly size: number } | undefined {
	const reader = new CompactReader(bytes);
	let size = 0;
	const kinds: number[] = [];
	reader.struct((id) => {
		if (id === 1) size = reader.integer();
		else if (id >= 2 && id <= 4)
			reader.struct((kind) => {
				kinds.push(kind);
			});
	});
	if (kinds.join() !== "1,1,1") return undefined;
	if (!(size > 0 && size % BLOCK_BYTES === 0 && size <= MAX_BYTES))
		throw new ParquetError(
			"PARQUET_INVALID",
			`a Bloom filter of ${size} bytes is none of whole blocks; the file is damaged`,
		);
	return { start: reader.offset, size };
}

/** A filter of the bytes that follow a header. */
export function bloomOf(bytes: Uint8Array): BloomFilter {
	return new BloomFilter(new Int32Array(new Uint8Array(bytes).buffer));
}

function eachHash(
	vector: Vector,
	live: Live,
	from: number,
	to: number,
	hash: Hash64,
	add: () => void,
): void {
	const { slots, base } = live;
	if (vector.kind === "bytes") {
		const { data, offsets } = vector;
		const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
		for (let i = from; i < to; i++) {
			const slot = slots === undefined ? base + i : (slots[i] as number);
			const end = offsets[slot + 1] as number;
			xxhash64(view, offsets[slot] as number, end, hash);
			add();
		}
		return;
	}
	const width = WIDTHS[vector.kind];
	if (width === undefined || !("values" in vector) || vector.kind === "map")
		throw new ParquetError(
			"PARQUET_UNSUPPORTED",
			`a vector of kind ${vector.kind} has no Bloom filter; leave the column out of bloom`,
		);
	const { buffer, byteOffset, byteLength } = vector.values;
	const view = new DataView(buffer, byteOffset, byteLength);
	for (let i = from; i < to; i++) {
		const slot = slots === undefined ? base + i : (slots[i] as number);
		xxhash64(view, slot * width, slot * width + width, hash);
		add();
	}
}

/** Bytes of a value in memory, which are its PLAIN encoding. */
const WIDTHS: Partial<Record<Vector["kind"], number>> = {
	i32: 4,
	f32: 4,
	i64: 8,
	f64: 8,
	fixed16: 16,
};
