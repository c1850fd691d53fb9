import type { BytesVector, Vector } from "../vector.ts";
import type { ByteSink } from "./bytes.ts";
import { ParquetError } from "./errors.ts";
import type { Live } from "./levels.ts";

/*
 * PLAIN (parquet-format Encodings.md): values one after another, little-endian.
 *
 *   BOOLEAN               a bit each, least significant first
 *   INT32, FLOAT          4 bytes
 *   INT64, DOUBLE         8 bytes
 *   BYTE_ARRAY            4 bytes length, then the bytes
 *   FIXED_LEN_BYTE_ARRAY  the bytes
 */

/** Below this many bytes a word loop is faster than `TypedArray.set`. */
const SHORT = 80;

/** Appends the live values `from` to `to` (positions in `live`); not for booleans. */
export function writePlain(
	sink: ByteSink,
	vector: Vector,
	live: Live,
	from: number,
	to: number,
): void {
	switch (vector.kind) {
		case "bytes":
			writeBytes(sink, vector, live, from, to);
			return;
		case "i32":
		case "f32":
			writeWords(sink, wordsOf(vector.values), 1, live, from, to);
			return;
		case "i64":
		case "f64":
			writeWords(sink, wordsOf(vector.values), 2, live, from, to);
			return;
		case "fixed16":
			writeFixed16(sink, vector.values, live, from, to);
			return;
		default:
			throw new ParquetError(
				"PARQUET_INVALID",
				`a vector of kind ${vector.kind} has no PLAIN values`,
			);
	}
}

/** Bytes that `writePlain` would append; booleans count a bit each. */
export function plainSize(
	vector: Vector,
	live: Live,
	from: number,
	to: number,
): number {
	const count = to - from;
	switch (vector.kind) {
		case "bool":
			return count >>> 3;
		case "i32":
		case "f32":
			return count * 4;
		case "i64":
		case "f64":
			return count * 8;
		case "fixed16":
			return count * 16;
		case "bytes": {
			const { slots, base } = live;
			const { offsets } = vector;
			if (slots === undefined) {
				return (
					count * 4 +
					(offsets[base + to] as number) -
					(offsets[base + from] as number)
				);
			}
			let size = count * 4;
			for (let i = from; i < to; i++) {
				const slot = slots[i] as number;
				size += (offsets[slot + 1] as number) - (offsets[slot] as number);
			}
			return size;
		}
		default:
			return 0;
	}
}

/** The 32-bit words of numbers; little-endian as every machine that Node runs on. */
export function wordsOf(
	values: Int32Array | Float32Array | BigInt64Array | Float64Array,
): Int32Array {
	return new Int32Array(
		values.buffer,
		values.byteOffset,
		values.byteLength >>> 2,
	);
}

function writeWords(
	sink: ByteSink,
	words: Int32Array,
	stride: 1 | 2,
	live: Live,
	from: number,
	to: number,
): void {
	const count = to - from;
	const size = count * 4 * stride;
	sink.reserve(size);
	const { slots, base } = live;
	if (slots === undefined) {
		sink.bytes.set(
			new Uint8Array(
				words.buffer,
				words.byteOffset + (base + from) * 4 * stride,
				size,
			),
			sink.length,
		);
	} else {
		const { view } = sink;
		let at = sink.length;
		if (stride === 1) {
			for (let i = from; i < to; i++) {
				view.setInt32(at, words[slots[i] as number] as number, true);
				at += 4;
			}
		} else {
			for (let i = from; i < to; i++) {
				const word = (slots[i] as number) * 2;
				view.setInt32(at, words[word] as number, true);
				view.setInt32(at + 4, words[word + 1] as number, true);
				at += 8;
			}
		}
	}
	sink.length += size;
}

function writeFixed16(
	sink: ByteSink,
	values: Uint8Array,
	live: Live,
	from: number,
	to: number,
): void {
	const { slots, base } = live;
	if (slots === undefined) {
		sink.append(values.subarray((base + from) * 16, (base + to) * 16));
		return;
	}
	sink.reserve((to - from) * 16);
	const { bytes } = sink;
	let at = sink.length;
	for (let i = from; i < to; i++) {
		const start = (slots[i] as number) * 16;
		for (let j = 0; j < 16; j++) bytes[at++] = values[start + j] as number;
	}
	sink.length = at;
}

function writeBytes(
	sink: ByteSink,
	vector: BytesVector,
	live: Live,
	from: number,
	to: number,
): void {
	const { data, offsets } = vector;
	const { slots, base } = live;
	// Words are copied whole: up to 3 bytes too many, which the next value overwrites.
	sink.reserve(plainSize(vector, live, from, to) + 4);
	const input = new DataView(data.buffer, data.byteOffset, data.byteLength);
	const output = sink.view;
	const readable = data.byteLength - 4;
	let at = sink.length;
	for (let i = from; i < to; i++) {
		const slot = slots === undefined ? base + i : (slots[i] as number);
		const start = offsets[slot] as number;
		const end = offsets[slot + 1] as number;
		const length = end - start;
		output.setInt32(at, length, true);
		at += 4;
		if (length <= SHORT && end <= readable) {
			for (let j = 0; j < length; j += 4)
				output.setInt32(at + j, input.getInt32(start + j, true), true);
		} else {
			sink.bytes.set(data.subarray(start, end), at);
		}
		at += length;
	}
	sink.length = at;
}
