import {
	F64Builder,
	I64Builder,
	type LeafBuilder,
} from "../columnar/builder.ts";
import { BytesBuilder } from "../columnar/bytes-builder.ts";
import { bytesOf } from "./base64.ts";
import { decimalOf } from "./decimal-text.ts";
import {
	holdDecimal,
	type Reading,
	setBigInteger,
	setInteger,
	widen,
} from "./document.ts";
import { BACKSLASH } from "./escape.ts";
import { Words } from "./field.ts";
import type { JsonReader } from "./json.ts";
import { isJsonNumber, SMALL, WIDE } from "./number.ts";
import {
	DOUBLE_COLUMN,
	LONG,
	newBuilder,
	type Slot,
	STRING,
	TIMESTAMP,
	UNTYPED,
} from "./slot.ts";

/** Whether the object at the reader's position has a first name that starts with `$`. */
export function opensExtended(json: JsonReader): boolean {
	const { bytes, pos, nested } = json;
	let name = nested ? pos + 3 : pos + 2;
	if (bytes[name - 1] !== 0x22) {
		json.pos++;
		if (!json.atString()) {
			json.pos = pos;
			return false;
		}
		name = json.pos + (nested ? 2 : 1);
	}
	let opens = bytes[name] === 0x24;
	if (bytes[name] === BACKSLASH) {
		// The `$` may be written as an escape.
		json.pos = pos + 1;
		json.key();
		opens = json.text().startsWith("$");
	}
	json.pos = pos;
	return opens;
}

/**
 * Reads a BSON value in the Extended JSON that Debezium's MongoDB connector writes, such as
 * `{"$oid": "…"}` or `{"$date": 1767323045678}`. False when the object is a document after all, a
 * value that no type holds exactly, or none that the column takes.
 */
export function readExtended(
	reading: Reading,
	slot: Slot,
	row: number,
): boolean {
	const { json } = reading;
	const from = json.pos;
	if (readCommon(reading, slot, row)) return true;
	json.pos = from;
	json.skip();
	const value = bsonValue(json.slice(from, json.pos));
	return value !== undefined && setValue(reading, slot, row, value);
}

const openings = new Words();

interface Opening {
	readonly plain: number;
	readonly nested: number;
}

function opening(name: string): Opening {
	return {
		plain: openings.add(Buffer.from(`{"${name}":`)),
		nested: openings.add(Buffer.from(`{\\"${name}\\":`)),
	};
}

const OID = opening("$oid");
const DATE = opening("$date");
const NUMBER_LONG = opening("$numberLong");
const NUMBER_DECIMAL = opening("$numberDecimal");

function opens(json: JsonReader, { plain, nested }: Opening): boolean {
	return json.acceptWords(openings.values, json.nested ? nested : plain);
}

/**
 * The values that nearly every document has, for a column of their type, without a text of their own.
 * If it returns false, the reader may stand anywhere in the value.
 */
export function readCommon(reading: Reading, slot: Slot, row: number): boolean {
	const { json } = reading;
	switch (slot.code) {
		case STRING:
			if (opens(json, OID)) return readOid(reading, slot, row);
			return opens(json, NUMBER_DECIMAL) && readDecimal(reading, slot, row);
		case LONG:
			return opens(json, NUMBER_LONG) && readLong(reading, slot, row);
		case TIMESTAMP:
			return opens(json, DATE) && readDate(reading, slot, row);
		default:
			// A column's first value, or one that needs care.
			return (
				slot.decimal !== undefined &&
				opens(json, NUMBER_DECIMAL) &&
				readExactDecimal(reading, slot, row)
			);
	}
}

function readOid({ json }: Reading, slot: Slot, row: number): boolean {
	if (!json.atString()) return false;
	json.openString();
	const from = json.pos;
	const { bytes } = json;
	for (let i = 0; i < 24; i++)
		if (LOWER_HEX[bytes[from + i] as number] === 0) return false;
	json.pos = from + 24;
	if (!json.closesString() || !json.accept(0x7d)) return false;
	(slot.builder as BytesBuilder).setRange(row, bytes, from, from + 24);
	return true;
}

const LOWER_HEX = new Uint8Array(256);
for (const digit of "0123456789abcdef") LOWER_HEX[digit.charCodeAt(0)] = 1;

function readDecimal({ json }: Reading, slot: Slot, row: number): boolean {
	if (!json.atString()) return false;
	json.string();
	const { start, stop, escaped } = json;
	if (escaped || !json.accept(0x7d)) return false;
	(slot.builder as BytesBuilder).setRange(row, json.bytes, start, stop);
	return true;
}

function readExactDecimal(reading: Reading, slot: Slot, row: number): boolean {
	const { json } = reading;
	if (!json.atString()) return false;
	json.string();
	const value = decimalOf(json.text());
	return (
		value !== undefined &&
		json.accept(0x7d) &&
		holdDecimal(reading, slot, row, value)
	);
}

function readLong(reading: Reading, slot: Slot, row: number): boolean {
	const { json, numbers } = reading;
	if (!json.atString()) return false;
	json.openString();
	const { bytes, pos } = json;
	let end = bytes[pos] === 0x2d ? pos + 1 : pos;
	for (const from = end; isDigit(bytes[end]); end++)
		if (end - from === 19) return false;
	if (!isDigit(bytes[end - 1])) return false;
	if (bytes[end] !== 0x22 && bytes[end] !== BACKSLASH) return false;
	const kind = numbers.read(json);
	if (kind !== SMALL && kind !== WIDE) return false;
	if (!json.closesString() || !json.accept(0x7d)) return false;
	return setInteger(reading, slot, row, kind);
}

function readDate(
	{ json, numbers }: Reading,
	slot: Slot,
	row: number,
): boolean {
	const first = json.peek();
	if (first !== 0x2d && !isDigit(first)) return false;
	if (numbers.read(json) !== SMALL) return false;
	const micros = numbers.value * 1000;
	if (!Number.isSafeInteger(micros) || !json.accept(0x7d)) return false;
	(slot.builder as I64Builder).set(row, micros);
	return true;
}

function isDigit(byte: number | undefined): boolean {
	return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

/** Doubles that JSON has no numbers for. */
export const SPECIAL_DOUBLES: ReadonlyMap<string, number> = new Map([
	["NaN", Number.NaN],
	["Infinity", Number.POSITIVE_INFINITY],
	["-Infinity", Number.NEGATIVE_INFINITY],
]);

export type ExtendedValue =
	| { readonly type: "string"; readonly value: string }
	| { readonly type: "binary"; readonly value: Uint8Array }
	| { readonly type: "timestamp"; readonly value: bigint }
	| { readonly type: "long"; readonly value: bigint }
	| { readonly type: "double"; readonly value: number }
	| { readonly type: "decimal"; readonly value: string };

/** `text` is the JSON of an object whose first name starts with `$`; `undefined` when that is a document. */
export function bsonValue(text: string): ExtendedValue | undefined {
	const object = JSON.parse(text) as Record<string, unknown>;
	const names = Object.keys(object);
	const [first = ""] = names;
	const value = object[first];
	const only = names.length === 1;
	switch (first) {
		case "$oid":
			return only && typeof value === "string" && /^[\da-f]{24}$/i.test(value)
				? { type: "string", value: value.toLowerCase() }
				: undefined;
		case "$numberInt":
		case "$numberLong":
			return only && typeof value === "string" && /^-?\d{1,19}$/.test(value)
				? { type: "long", value: BigInt(value) }
				: undefined;
		case "$numberDouble": {
			if (!only || typeof value !== "string") return undefined;
			const special = SPECIAL_DOUBLES.get(value);
			const double = special ?? Number(isJsonNumber(value) ? value : "?");
			if (special === undefined && !Number.isFinite(double)) return undefined;
			return { type: "double", value: double };
		}
		case "$numberDecimal":
			return only && typeof value === "string"
				? { type: "decimal", value }
				: undefined;
		case "$date": {
			if (!only) return undefined;
			const ms = dateMs(value);
			return ms === undefined || BigInt.asIntN(64, ms * 1000n) !== ms * 1000n
				? undefined
				: { type: "timestamp", value: ms * 1000n };
		}
		case "$uuid":
			return only && typeof value === "string"
				? { type: "string", value: value.toLowerCase() }
				: undefined;
		case "$binary":
			return binary(object);
		case "$regularExpression":
		case "$regex":
		case "$timestamp":
		case "$minKey":
		case "$maxKey":
		case "$symbol":
		case "$code":
		case "$undefined":
		case "$dbPointer":
			// Values without a counterpart keep their Extended JSON.
			return { type: "string", value: text };
		default:
			return undefined;
	}
}

function setValue(
	reading: Reading,
	slot: Slot,
	row: number,
	extended: ExtendedValue,
): boolean {
	if (extended.type === "decimal")
		return setDecimalText(reading, slot, row, extended.value);
	const { type, value } = extended;
	if (slot.code === UNTYPED) reading.journal.assign(slot, newColumn(type));
	const { builder } = slot;
	switch (type) {
		case "long":
			return setBigInteger(reading, slot, row, value);
		case "double":
			if (slot.code !== DOUBLE_COLUMN && !widen(reading, slot, "double"))
				return false;
			(slot.builder as F64Builder).set(row, value);
			return true;
		case "timestamp":
			if (builder?.kind !== "i64" || builder.type !== "timestamp") return false;
			builder.setBigInt(row, value);
			return true;
		default:
			if (builder?.kind !== "bytes" || builder.type !== type) return false;
			if (typeof value !== "string") builder.set(row, value);
			else return setString(builder, row, value);
			return true;
	}
}

function setString(builder: BytesBuilder, row: number, text: string): boolean {
	if (!text.isWellFormed()) return false;
	builder.setText(row, text);
	return true;
}

/** The exact text in a column of strings, the number in any other that holds it. */
function setDecimalText(
	reading: Reading,
	slot: Slot,
	row: number,
	text: string,
): boolean {
	const { journal, decimals } = reading;
	if (
		slot.code === STRING ||
		(slot.code === UNTYPED && decimals === undefined)
	) {
		if (slot.code === UNTYPED) journal.assign(slot, new BytesBuilder("string"));
		return setString(slot.builder as BytesBuilder, row, text);
	}
	const value = decimalOf(text);
	if (value === undefined) return false;
	if (slot.code === UNTYPED && decimals !== undefined)
		journal.assign(slot, newBuilder(decimals, { settled: false }));
	return holdDecimal(reading, slot, row, value);
}

function newColumn(
	type: Exclude<ExtendedValue["type"], "decimal">,
): LeafBuilder {
	switch (type) {
		case "long":
		case "timestamp":
			return new I64Builder(type);
		case "double":
			return new F64Builder(type);
		default:
			return new BytesBuilder(type);
	}
}

function dateMs(value: unknown): bigint | undefined {
	if (typeof value === "number" && Number.isSafeInteger(value))
		return BigInt(value);
	if (typeof value === "string") {
		const ms = Date.parse(value);
		return Number.isNaN(ms) ? undefined : BigInt(ms);
	}
	if (typeof value === "object" && value !== null && "$numberLong" in value) {
		const text = value.$numberLong;
		return typeof text === "string" && /^-?\d{1,16}$/.test(text)
			? BigInt(text)
			: undefined;
	}
	return undefined;
}

/** Both forms: `{"$binary": "…", "$type": "00"}` and `{"$binary": {"base64": …, "subType": …}}`. */
function binary(object: Record<string, unknown>): ExtendedValue | undefined {
	let base64 = object.$binary;
	let subType = object.$type;
	if (typeof base64 === "object" && base64 !== null && "base64" in base64) {
		subType = "subType" in base64 ? base64.subType : undefined;
		base64 = base64.base64;
	}
	if (typeof base64 !== "string" || typeof subType !== "string")
		return undefined;
	const bytes = bytesOf(base64);
	if (bytes === undefined) return undefined;
	if (/^0?4$/.test(subType) && bytes.length === 16)
		return {
			type: "string",
			value: Buffer.from(bytes)
				.toString("hex")
				.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5"),
		};
	return { type: "binary", value: bytes };
}
