import { TributaryError } from "../errors.ts";
import { MAX_DEPTH } from "./variant.ts";

/**
 * A JSON value whose numbers keep their digits: integers as `bigint`, others as decimals; and what else a
 * variant holds: doubles that stay doubles, timestamps (µs, UTC), bytes.
 */
export type JsonValue =
	| null
	| boolean
	| number
	| bigint
	| string
	| { readonly unscaled: bigint; readonly scale: number }
	| { readonly double: number }
	| { readonly micros: bigint }
	| Uint8Array
	| readonly JsonValue[]
	| ReadonlyMap<string, JsonValue>;

export interface Variant {
	readonly metadata: Uint8Array;
	readonly value: Uint8Array;
}

/**
 * A JSON text as a variant: integers in the fewest bytes, other plain numbers of up to 38 digits as
 * decimals, the rest as doubles, which is what Spark's `parse_json` does.
 * @throws TributaryError `VARIANT_INVALID` for text that is no JSON
 */
export function parseVariant(text: string): Variant {
	let json: unknown;
	try {
		json = parse(text, (_, value, { source }) =>
			typeof value === "number" && source !== undefined
				? numberOf(source)
				: value,
		);
	} catch (cause) {
		throw invalid("the text is no JSON", cause);
	}
	return encodeVariant(jsonValue(json, 0));
}

/** @throws TributaryError `VARIANT_INVALID` for what no variant holds */
export function encodeVariant(json: JsonValue): Variant {
	const names = new Set<string>();
	collect(json, names, 0);
	const keys = [...names]
		.map((name) => ({ name, bytes: encoder.encode(name) }))
		.sort((a, b) => Buffer.compare(a.bytes, b.bytes));
	const ids = new Map(keys.map(({ name }, id) => [name, id]));
	const size = keys.reduce((sum, { bytes }) => sum + bytes.length, 0);
	const width = widthOf(Math.max(size, keys.length));
	const metadata = Buffer.concat([
		// Version 1, sorted names.
		Uint8Array.of(1 | (1 << 4) | ((width - 1) << 6)),
		unsigned([keys.length], width),
		unsigned(offsetsOf(keys.map(({ bytes }) => bytes.length)), width),
		...keys.map(({ bytes }) => bytes),
	]);
	return { metadata, value: Buffer.concat(valueBytes(json, ids)) };
}

type Reviver = (
	key: string,
	value: unknown,
	context: { readonly source?: string },
) => unknown;
const parse = JSON.parse as (text: string, reviver: Reviver) => unknown;

class Decimal {
	readonly unscaled: bigint;
	readonly scale: number;
	constructor(unscaled: bigint, scale: number) {
		this.unscaled = unscaled;
		this.scale = scale;
	}
}

function numberOf(source: string): bigint | Decimal | number {
	const match = /^(-?)(\d+)(?:\.(\d+))?$/.exec(source);
	// A double has a negative zero, the others don't.
	if (match === null || /^-0(\.0*)?$/.test(source)) return Number(source);
	const [, sign, whole = "", fraction = ""] = match;
	const unscaled = BigInt(`${sign}${whole}${fraction}`);
	const digits = String(unscaled).replace("-", "").length;
	if (fraction === "" && BigInt.asIntN(64, unscaled) === unscaled)
		return unscaled;
	return digits <= 38 && fraction.length <= 38
		? new Decimal(unscaled, fraction.length)
		: Number(source);
}

function jsonValue(json: unknown, depth: number): JsonValue {
	if (depth > MAX_DEPTH) throw tooDeep();
	if (Array.isArray(json))
		return (json as unknown[]).map((item) => jsonValue(item, depth + 1));
	if (typeof json === "object" && json !== null && !(json instanceof Decimal))
		return new Map(
			Object.entries(json).map(([name, value]) => [
				name,
				jsonValue(value, depth + 1),
			]),
		);
	return json as JsonValue;
}

function collect(json: JsonValue, names: Set<string>, depth: number): void {
	if (depth > MAX_DEPTH) throw tooDeep();
	if (typeof json !== "object" || json === null) return;
	if (isArray(json)) for (const item of json) collect(item, names, depth + 1);
	else if (isObject(json))
		for (const [name, value] of json) {
			if (!name.isWellFormed())
				throw invalid(`the name ${JSON.stringify(name)} is no Unicode text`);
			names.add(name);
			collect(value, names, depth + 1);
		}
}

const NULL = 0;
const TRUE = 1;
const FALSE = 2;
const DOUBLE = 7;
const TIMESTAMP = 12;
const BINARY = 15;
const STRING = 16;
const MAX_SHORT_STRING = 63;

/** A value in pieces. */
function valueBytes(
	json: JsonValue,
	ids: ReadonlyMap<string, number>,
): Uint8Array[] {
	if (json === null) return [Uint8Array.of(NULL << 2)];
	if (typeof json === "boolean")
		return [Uint8Array.of((json ? TRUE : FALSE) << 2)];
	if (typeof json === "bigint") return [integerBytes(json)];
	if (typeof json === "number")
		return [
			Number.isSafeInteger(json) && !Object.is(json, -0)
				? integerBytes(BigInt(json))
				: doubleBytes(json),
		];
	if (typeof json === "string") return stringBytes(json);
	if (isArray(json)) {
		const parts = json.map((item) => valueBytes(item, ids));
		return container(parts, 3, (large, width) => ({
			header: (width - 1) | (large << 2),
			ids: new Uint8Array(0),
		}));
	}
	if (isObject(json)) {
		const fields = [...json]
			.map(([name, value]) => ({ id: ids.get(name) ?? 0, value }))
			.sort((a, b) => a.id - b.id);
		const idWidth = widthOf(fields.at(-1)?.id ?? 0);
		return container(
			fields.map(({ value }) => valueBytes(value, ids)),
			2,
			(large, width) => ({
				header: (width - 1) | ((idWidth - 1) << 2) | (large << 4),
				ids: unsigned(
					fields.map(({ id }) => id),
					idWidth,
				),
			}),
		);
	}
	if (json instanceof Uint8Array)
		return [Uint8Array.of(BINARY << 2), unsigned([json.length], 4), json];
	if ("double" in json) return [doubleBytes(json.double)];
	if ("micros" in json)
		return [Uint8Array.of(TIMESTAMP << 2, ...little(json.micros, 8))];
	return [decimalBytes(json)];
}

function container(
	parts: readonly Uint8Array[][],
	basic: number,
	shape: (
		large: number,
		width: number,
	) => { readonly header: number; readonly ids: Uint8Array },
): Uint8Array[] {
	const sizes = parts.map((pieces) =>
		pieces.reduce((sum, piece) => sum + piece.length, 0),
	);
	const width = widthOf(sizes.reduce((sum, size) => sum + size, 0));
	const large = parts.length > 0xff ? 1 : 0;
	const { header, ids } = shape(large, width);
	return [
		Uint8Array.of(basic | (header << 2)),
		unsigned([parts.length], large === 1 ? 4 : 1),
		ids,
		unsigned(offsetsOf(sizes), width),
		...parts.flat(),
	];
}

function integerBytes(value: bigint): Uint8Array {
	for (const [type, size] of [
		[3, 1],
		[4, 2],
		[5, 4],
		[6, 8],
	] as const)
		if (BigInt.asIntN(size * 8, value) === value)
			return Uint8Array.of(type << 2, ...little(value, size));
	return decimalBytes({ unscaled: value, scale: 0 });
}

function decimalBytes(decimal: {
	readonly unscaled: bigint;
	readonly scale: number;
}): Uint8Array {
	const { unscaled, scale } = decimal;
	const digits = String(unscaled < 0n ? -unscaled : unscaled).length;
	if (digits > 38 || scale < 0 || scale > 38 || !Number.isInteger(scale))
		throw invalid(
			`a decimal of ${digits} digits and scale ${scale} is more than the 38 that a variant holds`,
		);
	const precision = Math.max(digits, scale);
	const [type, size] =
		precision <= 9 ? [8, 4] : precision <= 18 ? [9, 8] : [10, 16];
	return Uint8Array.of(type << 2, scale, ...little(unscaled, size));
}

function doubleBytes(value: number): Uint8Array {
	const bytes = new Uint8Array(9);
	bytes[0] = DOUBLE << 2;
	new DataView(bytes.buffer).setFloat64(1, value, true);
	return bytes;
}

function stringBytes(value: string): Uint8Array[] {
	if (!value.isWellFormed())
		throw invalid(`the text ${JSON.stringify(value)} is no Unicode text`);
	const bytes = encoder.encode(value);
	return bytes.length <= MAX_SHORT_STRING
		? [Uint8Array.of(1 | (bytes.length << 2)), bytes]
		: [Uint8Array.of(STRING << 2), unsigned([bytes.length], 4), bytes];
}

function little(value: bigint, size: number): Uint8Array {
	const bytes = new Uint8Array(size);
	for (let i = 0; i < size; i++)
		bytes[i] = Number(BigInt.asUintN(8, value >> BigInt(8 * i)));
	return bytes;
}

function unsigned(values: readonly number[], size: number): Uint8Array {
	const bytes = new Uint8Array(values.length * size);
	let at = 0;
	for (const value of values) {
		let rest = value;
		for (let i = 0; i < size; i++) {
			bytes[at++] = rest % 256;
			rest = Math.floor(rest / 256);
		}
	}
	return bytes;
}

/** Where each of these begins, and where the last ends. */
function offsetsOf(sizes: readonly number[]): number[] {
	const offsets = [0];
	let end = 0;
	for (const size of sizes) {
		end += size;
		offsets.push(end);
	}
	return offsets;
}

function widthOf(value: number): number {
	return value < 0x100 ? 1 : value < 0x10000 ? 2 : value < 0x1000000 ? 3 : 4;
}

function isArray(json: JsonValue): json is readonly JsonValue[] {
	return Array.isArray(json);
}

function isObject(json: JsonValue): json is ReadonlyMap<string, JsonValue> {
	return json instanceof Map;
}

const encoder = new TextEncoder();

function tooDeep(): TributaryError {
	return invalid(`it nests deeper than ${MAX_DEPTH} levels`);
}

function invalid(what: string, cause?: unknown): TributaryError {
	return new TributaryError(
		"VARIANT_INVALID",
		`a value can't be made a variant: ${what}`,
		{ cause },
	);
}
