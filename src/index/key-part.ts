import type { DataType } from "../columnar/types.ts";
import { decimalText, isDecimal, valueAt } from "../columnar/value.ts";
import type { Value, Vector } from "../columnar/vector.ts";
import { rescuedInside, rescuedText } from "./rescued.ts";

export interface KeyColumn {
	readonly name: string;
	readonly type: DataType;
	readonly vector: Vector;
}

/**
 * What a column gives to a key: a whole number, text, or bytes that begin with their class, so that values
 * of two classes never look the same. A value keeps its part when its column is widened.
 */
export type KeyPart = bigint | string | Uint8Array;

/**
 * What a row's column gives to its key; `undefined` for null. `rescued` are the rows' JSON of values that
 * did not fit their column.
 */
export function partOf(
	{ name, type, vector }: KeyColumn,
	row: number,
	rescued: Vector | undefined,
): KeyPart | undefined {
	const value = valueAt(vector, type, row);
	if (value === null) {
		const text = rescuedText(name, rescued, row);
		return text === undefined ? undefined : textOf(CLASS.rescued, text);
	}
	switch (typeof value) {
		case "string":
		case "bigint":
			return value;
		case "boolean":
			return Uint8Array.of(CLASS.boolean, value ? 1 : 0);
		case "number":
			return Number.isInteger(value) && Math.abs(value) < 2 ** 63
				? BigInt(value)
				: textOf(CLASS.float, String(value));
	}
	if (value instanceof Uint8Array)
		return Buffer.concat([Uint8Array.of(CLASS.binary), value]);
	if (isDecimal(value)) return decimalPart(value.unscaled, value.scale);
	return textOf(
		CLASS.document,
		canonicalText(value) + rescuedInside(name, rescued, row),
	);
}

/**
 * The parts of several columns, each with its length before it, so that no two tuples look the same;
 * `undefined` where one of them is null.
 */
export function tupleOf(
	columns: readonly KeyColumn[],
	row: number,
	rescued: Vector | undefined,
): Uint8Array | undefined {
	const parts: Uint8Array[] = [Uint8Array.of(CLASS.tuple)];
	for (const column of columns) {
		const part = partOf(column, row, rescued);
		if (part === undefined) return undefined;
		const bytes =
			typeof part === "bigint"
				? integerBytes(part)
				: typeof part === "string"
					? Buffer.concat([Uint8Array.of(CLASS.text), Buffer.from(part)])
					: part;
		parts.push(lengthBytes(bytes.length), bytes);
	}
	return columns.length === 0 ? undefined : Buffer.concat(parts);
}

/** What the bytes of a part begin with, and those of a tuple of parts. */
const CLASS = {
	tuple: 0x74,
	integer: 0x69,
	text: 0x73,
	float: 0x66,
	boolean: 0x62,
	binary: 0x78,
	decimal: 0x64,
	document: 0x6a,
	rescued: 0x72,
} as const;

/** Without the scale's trailing zeros, which widening adds. */
function decimalPart(unscaled: bigint, scale: number): bigint | Uint8Array {
	let value = unscaled;
	let digits = scale;
	while (digits > 0 && value % 10n === 0n) {
		value /= 10n;
		digits--;
	}
	if (digits === 0 && BigInt.asIntN(64, value) === value) return value;
	return textOf(CLASS.decimal, decimalText(value, digits));
}

/**
 * JSON with fields in the order of their names and without null ones: a document keeps its text when
 * its column gets another field.
 */
function canonicalText(value: Value): string {
	if (value === null) return "null";
	switch (typeof value) {
		case "string":
			return JSON.stringify(value);
		case "bigint":
		case "number":
		case "boolean":
			return String(value);
	}
	if (value instanceof Uint8Array)
		return `x${Buffer.from(value).toString("hex")}`;
	if (isDecimal(value)) {
		const part = decimalPart(value.unscaled, value.scale);
		return typeof part === "bigint"
			? String(part)
			: Buffer.from(part.subarray(1)).toString();
	}
	if (Array.isArray(value))
		return `[${value.map((inner: Value) => canonicalText(inner)).join(",")}]`;
	const entries: [string, Value][] =
		value instanceof Map
			? [...value].map(([key, inner]): [string, Value] => [
					canonicalText(key),
					inner,
				])
			: Object.entries(value as Readonly<Record<string, Value>>)
					.filter(([, inner]) => inner !== null)
					.map(([key, inner]) => [JSON.stringify(key), inner]);
	return `{${entries
		.map(([key, inner]) => `${key}:${canonicalText(inner)}`)
		.sort()
		.join(",")}}`;
}

function textOf(kind: number, text: string): Uint8Array {
	return Buffer.concat([Uint8Array.of(kind), Buffer.from(text)]);
}

/** As few bytes as two's complement needs. */
function integerBytes(value: bigint): Uint8Array {
	const bytes = [CLASS.integer as number];
	let rest = value;
	do {
		bytes.push(Number(rest & 0xffn));
		rest >>= 8n;
	} while (
		!(
			(rest === 0n && (bytes.at(-1) as number) < 128) ||
			(rest === -1n && (bytes.at(-1) as number) >= 128)
		)
	);
	return Uint8Array.from(bytes);
}

function lengthBytes(length: number): Uint8Array {
	if (length < 255) return Uint8Array.of(length);
	const bytes = Buffer.alloc(5, 255);
	bytes.writeUInt32LE(length, 1);
	return bytes;
}
