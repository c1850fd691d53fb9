import type {
	F64Builder,
	I32Builder,
	I64Builder,
} from "../columnar/builder.ts";
import type { BytesBuilder } from "../columnar/bytes-builder.ts";
import { decimalText } from "../columnar/value.ts";
import { canWiden } from "../columnar/widening.ts";
import { bytesOf, decodeBase64 } from "./base64.ts";
import type { TypedField } from "./connect-schema.ts";
import {
	type Reading,
	readString,
	setBoolean,
	setDecimal,
} from "./document.ts";
import { SPECIAL_DOUBLES } from "./extended-json.ts";
import { DOUBLE, HUGE, SMALL } from "./number.ts";
import { LONG, type Slot, STRING } from "./slot.ts";
import { readZoned, setMicros, setTime } from "./temporal.ts";

/**
 * Reads a value, not null, whose type a Connect schema gives. A column of the table that has another
 * type takes what it can hold exactly. Returns whether it did; if not, the reader may stand anywhere
 * in the value.
 * @throws JsonSyntaxError
 */
export function readTyped(
	reading: Reading,
	slot: Slot,
	row: number,
	field: TypedField,
	first: number,
): boolean {
	const { json } = reading;
	switch (first) {
		case 0x22:
			return readText(reading, slot, row, field);
		case 0x74:
		case 0x66:
			if (field.conversion === "text") return readJson(reading, slot, row);
			if (first === 0x74) json.true();
			else json.false();
			return (
				field.conversion === "plain" &&
				setBoolean(reading, slot, row, first === 0x74)
			);
		case 0x7b:
			if (field.conversion === "variable-decimal")
				return readVariableDecimal(reading, slot, row);
			return field.conversion === "text" && readJson(reading, slot, row);
		case 0x5b:
			return field.conversion === "text" && readJson(reading, slot, row);
		default:
			return field.conversion === "text"
				? readJson(reading, slot, row)
				: readNumber(reading, slot, row, field);
	}
}

function readText(
	reading: Reading,
	slot: Slot,
	row: number,
	field: TypedField,
): boolean {
	switch (field.conversion) {
		case "plain":
			return field.type === "double" || field.type === "float"
				? readSpecial(reading, slot, row)
				: readString(reading, slot, row);
		case "text":
			return readString(reading, slot, row);
		case "decimal":
			return readDecimal(reading, slot, row, field);
		case "base64":
			return readBytes(reading, slot, row);
		case "zoned":
			return readZoned(reading.json, slot, row);
		default:
			return false;
	}
}

/** The JSON itself, for types without a counterpart. */
function readJson({ json }: Reading, slot: Slot, row: number): boolean {
	if (slot.code !== STRING) return false;
	const from = json.pos;
	json.skip();
	(slot.builder as BytesBuilder).setRange(row, json.bytes, from, json.pos);
	return true;
}

/** NaN and the infinities, which JsonConverter writes as strings. */
function readSpecial({ json }: Reading, slot: Slot, row: number): boolean {
	json.string();
	const value = SPECIAL_DOUBLES.get(json.text());
	const { builder } = slot;
	if (value === undefined || builder?.kind !== "f64") return false;
	builder.set(row, value);
	return true;
}

function readBytes({ json }: Reading, slot: Slot, row: number): boolean {
	const { builder } = slot;
	if (builder?.kind !== "bytes" || builder.type !== "binary") return false;
	json.string();
	if (json.escaped) {
		const bytes = bytesOf(json.text());
		if (bytes !== undefined) builder.set(row, bytes);
		return bytes !== undefined;
	}
	builder.begin(row);
	builder.room(builder.size + json.stop - json.start);
	const end = decodeBase64(
		json.bytes,
		json.start,
		json.stop,
		builder.data,
		builder.size,
	);
	if (end < 0) return false;
	builder.size = end;
	builder.end(row);
	return true;
}

const unscaledBytes = new Uint8Array(24);

/** Two's complement, big-endian, in base64. */
function readDecimal(
	{ json }: Reading,
	slot: Slot,
	row: number,
	field: TypedField,
): boolean {
	json.string();
	const { start, stop } = json;
	const { decimal } = slot;
	if (decimal?.scale !== field.scale || stop - start > 12 || json.escaped)
		return setUnscaled(slot, row, json.text(), field.scale);
	const length = decodeBase64(json.bytes, start, stop, unscaledBytes, 0);
	if (length < 0) return false;
	// Up to 48 bits a double holds the value too.
	if (length > 6 || slot.builder?.kind !== "i64")
		return setUnscaled(slot, row, json.text(), field.scale);
	let low = (unscaledBytes[0] as number) & 0x80 && length > 0 ? -1 : 0;
	let high = low;
	for (let i = 0; i < length; i++) {
		high = (high << 8) | (low >>> 24);
		low = (low << 8) | (unscaledBytes[i] as number);
	}
	const value = Math.abs(high * 2 ** 32 + (low >>> 0));
	if (value >= (LIMITS[decimal.precision] as number)) return false;
	slot.builder.setWords(row, low, high);
	return true;
}

/** By precision, the least number with more digits. */
const LIMITS = Float64Array.from({ length: 39 }, (_, i) => Number(`1e${i}`));

function readVariableDecimal(
	{ json }: Reading,
	slot: Slot,
	row: number,
): boolean {
	const from = json.pos;
	json.skip();
	const { scale, value } = JSON.parse(json.slice(from, json.pos)) as {
		readonly scale?: unknown;
		readonly value?: unknown;
	};
	return (
		typeof scale === "number" &&
		Number.isInteger(scale) &&
		Math.abs(scale) < 100_000 &&
		typeof value === "string" &&
		setUnscaled(slot, row, value, scale)
	);
}

function setUnscaled(
	slot: Slot,
	row: number,
	base64: string,
	scale: number,
): boolean {
	const bytes = bytesOf(base64);
	if (bytes === undefined) return false;
	const unscaled =
		bytes.length === 0
			? 0n
			: BigInt.asIntN(
					bytes.length * 8,
					BigInt(`0x${Buffer.from(bytes).toString("hex")}`),
				);
	if (slot.code !== STRING) return setDecimal(slot, row, unscaled, scale);
	(slot.builder as BytesBuilder).setText(row, decimalText(unscaled, scale));
	return true;
}

function readNumber(
	reading: Reading,
	slot: Slot,
	row: number,
	field: TypedField,
): boolean {
	const { json, numbers } = reading;
	const kind = numbers.read(json);
	const { builder } = slot;
	if (builder?.kind === "f64")
		return (
			field.conversion === "plain" &&
			canWiden(field.type, builder.type) &&
			setDouble(builder, row, kind, reading)
		);
	if (kind === DOUBLE || kind === HUGE) return false;
	switch (field.conversion) {
		case "plain":
			if (slot.code === LONG) {
				setWide(builder as I64Builder, row, kind, reading);
				return true;
			}
			if (slot.decimal !== undefined)
				return setDecimal(slot, row, BigInt(numbers.text(json)), 0);
			return (
				builder?.kind === "i32" &&
				kind === SMALL &&
				canWiden(field.type, builder.type) &&
				setNarrow(builder, row, numbers.value, RANGE[String(builder.type)])
			);
		case "date":
			if (builder?.kind === "i32" && builder.type === "date")
				return (
					kind === SMALL && setNarrow(builder, row, numbers.value, 2 ** 31)
				);
			return setMicros(reading, slot, row, kind, 86_400_000_000);
		case "micros":
			return setMicros(reading, slot, row, kind, 1);
		case "millis":
			return setMicros(reading, slot, row, kind, 1000);
		case "nanos":
			return setMicros(reading, slot, row, kind, 0.001);
		case "time-millis":
			return setTime(reading, slot, row, kind, 3);
		case "time-micros":
			return setTime(reading, slot, row, kind, 6);
		case "time-nanos":
			return setTime(reading, slot, row, kind, 9);
		default:
			return false;
	}
}

function setDouble(
	builder: F64Builder,
	row: number,
	kind: number,
	{ json, numbers }: Reading,
): boolean {
	const value = kind === HUGE ? Number(numbers.text(json)) : numbers.value;
	const stored = builder.type === "float" ? Math.fround(value) : value;
	if (!Number.isFinite(stored)) return false;
	builder.set(row, value);
	return true;
}

function setWide(
	builder: I64Builder,
	row: number,
	kind: number,
	{ numbers }: Reading,
): void {
	if (kind === SMALL) builder.set(row, numbers.value);
	else builder.setWords(row, numbers.low, numbers.high);
}

/** By type, the least positive number that it can't hold. */
const RANGE: Readonly<Record<string, number>> = {
	byte: 2 ** 7,
	short: 2 ** 15,
	integer: 2 ** 31,
};

function setNarrow(
	builder: I32Builder,
	row: number,
	value: number,
	limit: number | undefined,
): boolean {
	if (limit === undefined || value >= limit || value < -limit) return false;
	builder.set(row, value);
	return true;
}
