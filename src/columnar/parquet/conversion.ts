import type { DataType } from "../types.ts";
import { decimalParts } from "../types.ts";
import type { Vector } from "../vector.ts";
import { ParquetError } from "./errors.ts";
import type { SchemaElement } from "./metadata.ts";
import type { RawValues } from "./plain-read.ts";
import type { FileNode } from "./projection.ts";

/** Turns values as they lie in a file into a vector of the wanted type. */
export type Conversion = (raw: RawValues) => Vector;

/**
 * How a leaf is read as a type: the same type, or one that Delta's type widening allows. INT96 and
 * timestamps of any unit become µs, nanoseconds rounded down.
 *
 * @throws ParquetError when the type can't hold the leaf's values, and out of the conversion when
 * a value doesn't fit
 */
export function conversion(type: DataType, file: FileNode): Conversion {
	const { element } = file;
	const meaning = meaningOf(element);
	const refuse = (): ParquetError =>
		new ParquetError(
			"PARQUET_UNSUPPORTED",
			`the column ${file.path.join(".")} holds ${describe(element)} in the file, which can't be read as ${JSON.stringify(type)}; correct the schema`,
		);
	const decimal = decimalParts(type);
	if (decimal !== undefined)
		return decimalConversion(decimal, element, meaning, refuse);
	switch (type) {
		case "boolean":
			return expect(meaning.kind === "boolean", refuse);
		case "byte":
		case "short":
			if (meaning.kind !== "int") throw refuse();
			return ranged(type === "byte" ? 0x80 : 0x8000, refuse);
		case "integer":
			return expect(meaning.kind === "int", refuse);
		case "date":
			return expect(meaning.kind === "date", refuse);
		case "float":
			return expect(meaning.kind === "float", refuse);
		case "double":
			if (meaning.kind === "double") return same;
			if (meaning.kind !== "float" && meaning.kind !== "int") throw refuse();
			return toDouble;
		case "long":
			if (meaning.kind === "long") return same;
			if (meaning.kind === "uint32")
				return longs((value) => BigInt(value) & 0xffffffffn);
			if (meaning.kind !== "int") throw refuse();
			return longs(BigInt);
		case "timestamp":
		case "timestamp_ntz":
			return timestampConversion(type, meaning, file.path.join("."), refuse);
		case "string":
			return expect(meaning.kind === "bytes", refuse);
		case "binary":
			if (meaning.kind === "fixed") return fixedToBytes;
			return expect(meaning.kind === "bytes", refuse);
		default:
			throw refuse();
	}
}

export type Meaning =
	| {
			readonly kind:
				| "boolean"
				| "int"
				| "uint32"
				| "long"
				| "uint64"
				| "float"
				| "double"
				| "date"
				| "int96"
				| "bytes"
				| "fixed"
				| "other";
	  }
	| {
			readonly kind: "timestamp";
			readonly unit: "MILLIS" | "MICROS" | "NANOS";
			readonly utc: boolean;
	  }
	| { readonly kind: "decimal"; readonly scale: number };

/** What the values of a leaf are. */
export function meaningOf(element: SchemaElement): Meaning {
	const { type, logical, converted } = element;
	const other = logical?.type === "OTHER" ? logical.name : undefined;
	if (logical?.type === "DECIMAL")
		return { kind: "decimal", scale: logical.scale };
	if (converted === "DECIMAL")
		return { kind: "decimal", scale: element.scale ?? 0 };
	switch (type) {
		case "BOOLEAN":
			return { kind: "boolean" };
		case "INT32":
			if (other === "DATE" || converted === "DATE") return { kind: "date" };
			if (logical?.type === "INTEGER" && !logical.signed)
				return { kind: logical.bits < 32 ? "int" : "uint32" };
			if (converted === "UINT_32") return { kind: "uint32" };
			if (other === "TIME" || converted === "TIME_MILLIS")
				return { kind: "other" };
			return { kind: "int" };
		case "INT64":
			if (logical?.type === "TIMESTAMP")
				return {
					kind: "timestamp",
					unit: logical.unit,
					utc: logical.utc,
				};
			if (converted === "TIMESTAMP_MILLIS")
				return { kind: "timestamp", unit: "MILLIS", utc: true };
			if (converted === "TIMESTAMP_MICROS")
				return { kind: "timestamp", unit: "MICROS", utc: true };
			if (logical?.type === "INTEGER" && !logical.signed)
				return { kind: "uint64" };
			if (converted === "UINT_64") return { kind: "uint64" };
			if (other === "TIME" || converted === "TIME_MICROS")
				return { kind: "other" };
			return { kind: "long" };
		case "INT96":
			return { kind: "int96" };
		case "FLOAT":
			return { kind: "float" };
		case "DOUBLE":
			return { kind: "double" };
		case "BYTE_ARRAY":
			return { kind: "bytes" };
		case "FIXED_LEN_BYTE_ARRAY":
			return {
				kind:
					other === "FLOAT16" || converted === "INTERVAL" ? "other" : "fixed",
			};
		default:
			return { kind: "other" };
	}
}

function describe(element: SchemaElement): string {
	const { logical, converted } = element;
	const annotation =
		logical?.type === "OTHER" ? logical.name : (logical?.type ?? converted);
	return annotation === undefined
		? String(element.type)
		: `${element.type} (${annotation})`;
}

function same(raw: RawValues): Vector {
	if (raw.kind === "fixed")
		throw new ParquetError(
			"PARQUET_INVALID",
			"fixed-length bytes where the footer announces another type; the file is damaged",
		);
	return raw;
}

function expect(fits: boolean, refuse: () => ParquetError): Conversion {
	if (!fits) throw refuse();
	return same;
}

function ranged(limit: number, refuse: () => ParquetError): Conversion {
	return (raw) => {
		if (raw.kind !== "i32") throw refuse();
		for (const value of raw.values) {
			if (value < -limit || value >= limit) throw refuse();
		}
		return raw;
	};
}

function toDouble(raw: RawValues): Vector {
	if (raw.kind !== "f32" && raw.kind !== "i32") return same(raw);
	return {
		kind: "f64",
		length: raw.length,
		validity: undefined,
		values: Float64Array.from(raw.values),
	};
}

function longs(convert: (value: number) => bigint): Conversion {
	return (raw) => {
		if (raw.kind !== "i32") return same(raw);
		const values = new BigInt64Array(raw.length);
		for (let i = 0; i < raw.length; i++)
			values[i] = convert(raw.values[i] as number);
		return { kind: "i64", length: raw.length, validity: undefined, values };
	};
}

const DAY_MICROS = 86_400_000_000n;

function timestampConversion(
	type: "timestamp" | "timestamp_ntz",
	meaning: Meaning,
	column: string,
	refuse: () => ParquetError,
): Conversion {
	if (meaning.kind === "int96") return int96ToMicros(column, refuse);
	if (meaning.kind === "date" && type === "timestamp_ntz")
		return longs((days) => BigInt(days) * DAY_MICROS);
	if (meaning.kind !== "timestamp") throw refuse();
	// The instant of a timestamp with a zone isn't a wall clock's time.
	if (meaning.utc && type === "timestamp_ntz") throw refuse();
	const { unit } = meaning;
	if (unit === "MICROS") return same;
	return (raw) => {
		if (raw.kind !== "i64") throw refuse();
		const values = new BigInt64Array(raw.length);
		for (let i = 0; i < raw.length; i++) {
			const value = raw.values[i] as bigint;
			values[i] =
				unit === "MILLIS"
					? inLong(value * 1000n, column)
					: floorDivide(value, 1000n);
		}
		return { kind: "i64", length: raw.length, validity: undefined, values };
	};
}

/** INT96: 8 bytes nanoseconds of the day, 4 bytes Julian day, little-endian. */
function int96ToMicros(column: string, refuse: () => ParquetError): Conversion {
	const EPOCH = 2_440_588n;
	return (raw) => {
		if (raw.kind !== "fixed") throw refuse();
		const { buffer, byteOffset, byteLength } = raw.values;
		const view = new DataView(buffer, byteOffset, byteLength);
		const values = new BigInt64Array(raw.length);
		for (let i = 0; i < raw.length; i++) {
			const nanos = view.getBigInt64(i * 12, true);
			const day = BigInt(view.getInt32(i * 12 + 8, true)) - EPOCH;
			values[i] = inLong(day * DAY_MICROS + floorDivide(nanos, 1000n), column);
		}
		return { kind: "i64", length: raw.length, validity: undefined, values };
	};
}

function floorDivide(value: bigint, by: bigint): bigint {
	const quotient = value / by;
	return value % by < 0n ? quotient - 1n : quotient;
}

function inLong(micros: bigint, column: string): bigint {
	if (BigInt.asIntN(64, micros) !== micros)
		throw new ParquetError(
			"PARQUET_UNSUPPORTED",
			`a timestamp of the column ${column} is ${micros} µs from 1970, more than 64 bits hold; correct the file`,
		);
	return micros;
}

function fixedToBytes(raw: RawValues): Vector {
	if (raw.kind !== "fixed") return raw;
	const { length, width, values: data } = raw;
	const offsets = Int32Array.from({ length: length + 1 }, (_, i) => i * width);
	return { kind: "bytes", length, validity: undefined, offsets, data };
}

function decimalConversion(
	wanted: { precision: number; scale: number },
	element: SchemaElement,
	meaning: Meaning,
	refuse: () => ParquetError,
): Conversion {
	const wide = wanted.precision > 18;
	const whole = ["int", "uint32", "long", "uint64"].includes(meaning.kind);
	if (meaning.kind !== "decimal" && !whole) throw refuse();
	const scale = meaning.kind === "decimal" ? meaning.scale : 0;
	if (scale > wanted.scale) throw refuse();
	const filePrecision = element.precision ?? 0;
	const exact =
		meaning.kind === "decimal" &&
		scale === wanted.scale &&
		filePrecision > 0 &&
		filePrecision <= wanted.precision;
	const factor = 10n ** BigInt(wanted.scale - scale);
	const limit = 10n ** BigInt(wanted.precision);
	return (raw) => {
		if (exact && !wide && raw.kind === "i64") return raw;
		const { length } = raw;
		if (exact && wide && raw.kind === "fixed" && raw.width === 16)
			return {
				kind: "fixed16",
				length,
				validity: undefined,
				values: raw.values,
			};
		const read = unscaledReader(raw, meaning.kind, refuse);
		const longs = new BigInt64Array(wide ? 0 : length);
		const bytes = new Uint8Array(wide ? length * 16 : 0);
		const view = new DataView(bytes.buffer);
		for (let i = 0; i < length; i++) {
			const unscaled = read(i) * factor;
			if (unscaled >= limit || unscaled <= -limit) throw refuse();
			if (wide) {
				view.setBigInt64(i * 16, unscaled >> 64n);
				view.setBigUint64(i * 16 + 8, BigInt.asUintN(64, unscaled));
			} else {
				longs[i] = unscaled;
			}
		}
		return wide
			? { kind: "fixed16", length, validity: undefined, values: bytes }
			: { kind: "i64", length, validity: undefined, values: longs };
	};
}

function unscaledReader(
	raw: RawValues,
	meaning: Meaning["kind"],
	refuse: () => ParquetError,
): (i: number) => bigint {
	switch (raw.kind) {
		case "i32":
			return meaning === "uint32"
				? (i) => BigInt((raw.values[i] as number) >>> 0)
				: (i) => BigInt(raw.values[i] as number);
		case "i64":
			return meaning === "uint64"
				? (i) => BigInt.asUintN(64, raw.values[i] as bigint)
				: (i) => raw.values[i] as bigint;
		case "fixed":
			return (i) => bigEndian(raw.values, i * raw.width, (i + 1) * raw.width);
		case "bytes":
			return (i) =>
				bigEndian(
					raw.data,
					raw.offsets[i] as number,
					raw.offsets[i + 1] as number,
				);
		default:
			throw refuse();
	}
}

/** A big-endian integer in two's complement of any length. */
function bigEndian(bytes: Uint8Array, start: number, end: number): bigint {
	if (start === end) return 0n;
	let value = BigInt(((bytes[start] as number) << 24) >> 24);
	for (let i = start + 1; i < end; i++)
		value = (value << 8n) | BigInt(bytes[i] as number);
	return value;
}
