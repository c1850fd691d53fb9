import { COPY_SLACK, copyRange, viewOf } from "../copy.ts";
import type { BytesVector, Vector } from "../vector.ts";
import { ParquetError } from "./errors.ts";

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

/** PLAIN values (plain.ts shows the layout) that are taken from the front, as many as are wanted. */
export class PlainValues {
	readonly bytes: Uint8Array;
	/** Where the next value begins. */
	offset = 0;

	constructor(bytes: Uint8Array) {
		this.bytes = bytes;
	}
}

/** So many values of a page. */
export interface PlainPart {
	readonly values: PlainValues;
	readonly count: number;
}

/**
 * Takes values of pages one after another: each byte is copied once, to where it stays. Not for
 * booleans.
 * @throws ParquetError when there are fewer, or the type isn't known
 */
export function takePlain(
	physical: string,
	width: number,
	parts: readonly PlainPart[],
): RawValues {
	let length = 0;
	for (const { count } of parts) length += count;
	if (physical === "BYTE_ARRAY") return takeBytes(parts, length);
	const size = plainWidth(physical, width);
	if (size === undefined) {
		throw new ParquetError(
			"PARQUET_UNSUPPORTED",
			`the physical type ${physical} of width ${width} is not known; rewrite the file`,
		);
	}
	for (const { values, count } of parts)
		if (count * size > values.bytes.length - values.offset)
			throw truncated(physical);
	const joined = new Uint8Array(length * size);
	let at = 0;
	for (const { values, count } of parts) {
		const end = values.offset + count * size;
		joined.set(values.bytes.subarray(values.offset, end), at);
		values.offset = end;
		at += count * size;
	}
	return fixedWidth(physical, size, joined);
}

/** Values of a fixed width that lie one after another in memory of their own. */
export function fixedWidth(
	physical: string,
	width: number,
	values: Uint8Array<ArrayBuffer>,
): RawValues {
	const { buffer } = values;
	const length = values.length / width;
	const slots = { length, validity: undefined };
	switch (physical) {
		case "INT32":
			return { kind: "i32", ...slots, values: new Int32Array(buffer) };
		case "INT64":
			return { kind: "i64", ...slots, values: new BigInt64Array(buffer) };
		case "FLOAT":
			return { kind: "f32", ...slots, values: new Float32Array(buffer) };
		case "DOUBLE":
			return { kind: "f64", ...slots, values: new Float64Array(buffer) };
		default:
			return { kind: "fixed", length, width, values };
	}
}

/** Bytes of a value; `undefined` where values differ in size, or of an unknown type. */
export function plainWidth(
	physical: string,
	width: number,
): number | undefined {
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

export function truncated(physical: string): ParquetError {
	return new ParquetError(
		"PARQUET_INVALID",
		`a page's ${physical} values end too early or contradict their lengths; the file is damaged`,
	);
}

function takeBytes(parts: readonly PlainPart[], length: number): BytesVector {
	// Each value has its length before it, so this is what there is at most.
	let room = 0;
	for (const { values, count } of parts) {
		const left = values.bytes.length - values.offset - 4 * count;
		if (left < 0) throw truncated("BYTE_ARRAY");
		room += left;
	}
	const offsets = new Int32Array(length + 1);
	const data = new Uint8Array(room + COPY_SLACK);
	const output = viewOf(data);
	let slot = 0;
	let size = 0;
	for (const { values, count } of parts) {
		const input = viewOf(values.bytes);
		const end = values.bytes.length;
		let at = values.offset;
		for (let i = 0; i < count; i++) {
			if (at + 4 > end) throw truncated("BYTE_ARRAY");
			const bytes = input.getInt32(at, true);
			at += 4;
			if (bytes < 0 || bytes > end - at) throw truncated("BYTE_ARRAY");
			copyRange(input, at, output, size, bytes);
			at += bytes;
			size += bytes;
			offsets[++slot] = size;
		}
		values.offset = at;
	}
	return {
		kind: "bytes",
		length,
		validity: undefined,
		offsets,
		data: data.subarray(0, size),
	};
}
