import type { BytesVector } from "../vector.ts";
import { unpackDelta32, unpackDelta64 } from "./delta-read.ts";
import { ParquetError } from "./errors.ts";
import type { RawValues } from "./plain-read.ts";
import {
	fixedWidth,
	PlainValues,
	plainWidth,
	takePlain,
	truncated,
} from "./plain-read.ts";
import { decodeHybrid } from "./rle.ts";

/**
 * Decodes `count` values of a physical type (names of parquet.thrift) in any encoding but a
 * dictionary's.
 * @throws ParquetError when the bytes end too early or the encoding isn't known
 */
export function decodeValues(
	encoding: string,
	physical: string,
	width: number,
	bytes: Uint8Array,
	count: number,
): RawValues {
	switch (encoding) {
		case "PLAIN":
			return decodePlain(physical, width, bytes, count);
		case "RLE":
			if (physical === "BOOLEAN") return decodeRleBooleans(bytes, count);
			break;
		case "DELTA_BINARY_PACKED":
			if (physical === "INT32") {
				const { values } = unpackDelta32(bytes, 0, count);
				return { kind: "i32", length: count, validity: undefined, values };
			}
			if (physical === "INT64") {
				const { values } = unpackDelta64(bytes, 0, count);
				return { kind: "i64", length: count, validity: undefined, values };
			}
			break;
		case "DELTA_LENGTH_BYTE_ARRAY":
			if (physical === "BYTE_ARRAY") return decodeDeltaLengths(bytes, count);
			break;
		case "DELTA_BYTE_ARRAY":
			if (physical === "BYTE_ARRAY") return decodeDeltaBytes(bytes, count);
			if (physical === "FIXED_LEN_BYTE_ARRAY") {
				const { data, offsets } = decodeDeltaBytes(bytes, count);
				for (let i = 0; i < count; i++) {
					if ((offsets[i + 1] as number) !== (i + 1) * width)
						throw truncated(physical);
				}
				return { kind: "fixed", length: count, width, values: data };
			}
			break;
		case "BYTE_STREAM_SPLIT": {
			const size = plainWidth(physical, width);
			if (size === undefined) break;
			if (bytes.length < count * size) throw truncated(physical);
			const joined = new Uint8Array(count * size);
			for (let b = 0; b < size; b++) {
				for (let i = 0; i < count; i++)
					joined[i * size + b] = bytes[b * count + i] as number;
			}
			return fixedWidth(physical, size, joined);
		}
	}
	throw new ParquetError(
		"PARQUET_UNSUPPORTED",
		`the encoding ${encoding} of ${physical} values is not known; rewrite the file with PLAIN or dictionary encoding`,
	);
}

function decodePlain(
	physical: string,
	width: number,
	bytes: Uint8Array,
	count: number,
): RawValues {
	if (physical !== "BOOLEAN")
		return takePlain(physical, width, [
			{ values: new PlainValues(bytes), count },
		]);
	if (bytes.length * 8 < count) throw truncated(physical);
	const values = new Uint8Array(count);
	for (let i = 0; i < count; i++)
		values[i] = ((bytes[i >>> 3] as number) >>> (i & 7)) & 1;
	return { kind: "bool", length: count, validity: undefined, values };
}

function decodeRleBooleans(bytes: Uint8Array, count: number): RawValues {
	const values = new Uint8Array(count);
	if (count > 0) {
		if (bytes.length < 4) throw truncated("BOOLEAN");
		const view = new DataView(bytes.buffer, bytes.byteOffset, 4);
		const end = 4 + view.getUint32(0, true);
		if (end > bytes.length || !decodeHybrid(bytes, 4, end, 1, values, count))
			throw truncated("BOOLEAN");
	}
	return { kind: "bool", length: count, validity: undefined, values };
}

function decodeDeltaLengths(bytes: Uint8Array, count: number): BytesVector {
	const { values: lengths, end } = unpackDelta32(bytes, 0, count);
	return joinSuffixes(bytes, end, lengths);
}

/** The values of these lengths that lie one after another from `start`. */
function joinSuffixes(
	bytes: Uint8Array,
	start: number,
	lengths: Int32Array,
): BytesVector {
	const count = lengths.length;
	const offsets = new Int32Array(count + 1);
	let size = 0;
	for (let i = 0; i < count; i++) {
		const length = lengths[i] as number;
		if (length < 0) throw truncated("BYTE_ARRAY");
		size += length;
		offsets[i + 1] = size;
	}
	if (start + size > bytes.length) throw truncated("BYTE_ARRAY");
	const data = new Uint8Array(bytes.subarray(start, start + size));
	return { kind: "bytes", length: count, validity: undefined, offsets, data };
}

const MAX_BYTES = 1 << 30;

/** Each value is the start of the one before it and a suffix. */
function decodeDeltaBytes(bytes: Uint8Array, count: number): BytesVector {
	const { values: prefixes, end } = unpackDelta32(bytes, 0, count);
	const { values: suffixes, end: rest } = unpackDelta32(bytes, end, count);
	if (prefixes.every((prefix) => prefix === 0))
		return joinSuffixes(bytes, rest, suffixes);
	const offsets = new Int32Array(count + 1);
	let size = 0;
	for (let i = 0; i < count; i++) {
		const prefix = prefixes[i] as number;
		const suffix = suffixes[i] as number;
		const before = i === 0 ? 0 : size - (offsets[i - 1] as number);
		if (prefix < 0 || suffix < 0 || prefix > before)
			throw truncated("BYTE_ARRAY");
		size += prefix + suffix;
		// Values that share all can be many times the page.
		if (size > MAX_BYTES)
			throw new ParquetError(
				"PARQUET_UNSUPPORTED",
				`a page in DELTA_BYTE_ARRAY holds more than ${MAX_BYTES} bytes; rewrite the file with smaller pages`,
			);
		offsets[i + 1] = size;
	}
	const data = new Uint8Array(size);
	let from = rest;
	for (let i = 0; i < count; i++) {
		const start = offsets[i] as number;
		const prefix = prefixes[i] as number;
		const suffix = suffixes[i] as number;
		if (from + suffix > bytes.length) throw truncated("BYTE_ARRAY");
		if (prefix > 0) {
			const before = offsets[i - 1] as number;
			data.copyWithin(start, before, before + prefix);
		}
		data.set(bytes.subarray(from, from + suffix), start + prefix);
		from += suffix;
	}
	return { kind: "bytes", length: count, validity: undefined, offsets, data };
}
