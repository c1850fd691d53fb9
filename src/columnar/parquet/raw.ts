import { deltaBinaryUnpack } from "hyparquet/src/delta.js";
import type { BytesVector, Vector } from "../vector.ts";
import { ParquetError } from "./errors.ts";
import { decodeHybrid } from "./rle.ts";

/** Values of a page as they lie in the file, without nulls. INT96 has 12 bytes. */
export type RawValues =
	| Extract<Vector, { kind: "bool" | "i32" | "i64" | "f32" | "f64" | "bytes" }>
	| FixedValues;

export interface FixedValues {
	readonly kind: "fixed";
	readonly length: number;
	readonly width: number;
	readonly values: Uint8Array;
}

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
				const values = new Int32Array(count);
				if (count > 0) deltaBinaryUnpack(readerOf(bytes), count, values);
				return { kind: "i32", length: count, validity: undefined, values };
			}
			if (physical === "INT64") {
				const values = new BigInt64Array(count);
				if (count > 0) deltaBinaryUnpack(readerOf(bytes), count, values);
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
			return decodePlain(physical, width, joined, count);
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
	const slots = { length: count, validity: undefined };
	if (physical === "BYTE_ARRAY") return decodePlainBytes(bytes, count);
	if (physical === "BOOLEAN") {
		if (bytes.length * 8 < count) throw truncated(physical);
		const values = new Uint8Array(count);
		for (let i = 0; i < count; i++)
			values[i] = ((bytes[i >>> 3] as number) >>> (i & 7)) & 1;
		return { kind: "bool", ...slots, values };
	}
	const size = plainWidth(physical, width);
	if (size === undefined) {
		throw new ParquetError(
			"PARQUET_UNSUPPORTED",
			`the physical type ${physical} of width ${width} is not known; rewrite the file`,
		);
	}
	if (bytes.length < count * size) throw truncated(physical);
	// A copy: it is aligned, and keeps no page alive. (`slice` of a Buffer would be a view.)
	const values = new Uint8Array(bytes.subarray(0, count * size));
	switch (physical) {
		case "INT32":
			return { kind: "i32", ...slots, values: new Int32Array(values.buffer) };
		case "INT64":
			return {
				kind: "i64",
				...slots,
				values: new BigInt64Array(values.buffer),
			};
		case "FLOAT":
			return { kind: "f32", ...slots, values: new Float32Array(values.buffer) };
		case "DOUBLE":
			return { kind: "f64", ...slots, values: new Float64Array(values.buffer) };
		default:
			return { kind: "fixed", length: count, width: size, values };
	}
}

function plainWidth(physical: string, width: number): number | undefined {
	switch (physical) {
		case "INT32":
		case "FLOAT":
			return 4;
		case "INT64":
		case "DOUBLE":
			return 8;
		case "INT96":
			return 12;
		case "FIXED_LEN_BYTE_ARRAY":
			return width > 0 ? width : undefined;
		default:
			return undefined;
	}
}

function decodePlainBytes(bytes: Uint8Array, count: number): BytesVector {
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	const offsets = new Int32Array(count + 1);
	const end = bytes.length;
	let at = 0;
	let size = 0;
	for (let i = 0; i < count; i++) {
		if (at + 4 > end) throw truncated("BYTE_ARRAY");
		const length = view.getInt32(at, true);
		if (length < 0 || length > end - at - 4) throw truncated("BYTE_ARRAY");
		at += 4 + length;
		size += length;
		offsets[i + 1] = size;
	}
	const data = new Uint8Array(size);
	for (let i = 0; i < count; i++) {
		const start = offsets[i] as number;
		copy(bytes, start + 4 * (i + 1), data, start, offsets[i + 1] as number);
	}
	return { kind: "bytes", length: count, validity: undefined, offsets, data };
}

/** Copies to `out[start…end)`; a loop beats `set` for short runs. */
function copy(
	bytes: Uint8Array,
	from: number,
	out: Uint8Array,
	start: number,
	end: number,
): void {
	if (end - start > 48) {
		out.set(bytes.subarray(from, from + end - start), start);
		return;
	}
	const shift = from - start;
	for (let i = start; i < end; i++) out[i] = bytes[i + shift] as number;
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
	const reader = readerOf(bytes);
	const lengths = new Int32Array(count);
	if (count > 0) deltaBinaryUnpack(reader, count, lengths);
	return joinSuffixes(bytes, reader.offset, lengths);
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

/** Each value is the start of the one before it and a suffix. */
function decodeDeltaBytes(bytes: Uint8Array, count: number): BytesVector {
	const reader = readerOf(bytes);
	const prefixes = new Int32Array(count);
	const suffixes = new Int32Array(count);
	if (count > 0) {
		deltaBinaryUnpack(reader, count, prefixes);
		deltaBinaryUnpack(reader, count, suffixes);
	}
	if (prefixes.every((prefix) => prefix === 0))
		return joinSuffixes(bytes, reader.offset, suffixes);
	const offsets = new Int32Array(count + 1);
	let size = 0;
	for (let i = 0; i < count; i++) {
		const prefix = prefixes[i] as number;
		const suffix = suffixes[i] as number;
		const before = i === 0 ? 0 : size - (offsets[i - 1] as number);
		if (prefix < 0 || suffix < 0 || prefix > before)
			throw truncated("BYTE_ARRAY");
		size += prefix + suffix;
		offsets[i + 1] = size;
	}
	const data = new Uint8Array(size);
	let from = reader.offset;
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

function readerOf(bytes: Uint8Array): { view: DataView; offset: number } {
	const { buffer, byteOffset, byteLength } = bytes;
	return { view: new DataView(buffer, byteOffset, byteLength), offset: 0 };
}

function truncated(physical: string): ParquetError {
	return new ParquetError(
		"PARQUET_INVALID",
		`a page's ${physical} values end too early or contradict their lengths; the file is damaged`,
	);
}
