import { bytesOf } from "../change/base64.ts";
import {
	type Reading,
	setBigInteger,
	setDecimal,
	widen,
} from "../change/document.ts";
import { LONG, type Slot } from "../change/slot.ts";
import type { F64Builder, I64Builder } from "../columnar/builder.ts";
import type { DataType } from "../columnar/types.ts";
import { parseDecimal } from "../expression/number.ts";
import { parseDate, parseTimestamp } from "../expression/time.ts";

const INTEGER = /^[+-]?\d+$/;
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const DATE = /^[+-]?\d{4,}-\d{1,2}-\d{1,2}$/;
const TIME =
	/^[+-]?\d{4,}-\d{1,2}-\d{1,2}(?:[ T]\d{1,2}:\d{1,2}(?::\d{1,2}(?:\.\d*)?)?\s?(Z|[A-Za-z+-].*)?)?$/;
const SPECIAL: ReadonlyMap<string, number> = new Map([
	["nan", Number.NaN],
	["infinity", Number.POSITIVE_INFINITY],
	["+infinity", Number.POSITIVE_INFINITY],
	["inf", Number.POSITIVE_INFINITY],
	["+inf", Number.POSITIVE_INFINITY],
	["-infinity", Number.NEGATIVE_INFINITY],
	["-inf", Number.NEGATIVE_INFINITY],
]);

/**
 * Sets a text in a column of any plain type, by its meaning there: numbers in decimal, dates and times in
 * ISO 8601 (a timestamp without a zone is UTC), booleans as true and false, binary in base64. Nothing is
 * rounded. Returns whether the column took it; numeric columns may get wider for it.
 */
export function setText(
	reading: Reading,
	slot: Slot,
	row: number,
	text: string,
): boolean {
	const { builder } = slot;
	switch (builder?.kind) {
		case "bytes": {
			if (builder.type === "string") {
				builder.setText(row, text);
				return true;
			}
			const bytes = bytesOf(text);
			if (bytes !== undefined) builder.set(row, bytes);
			return bytes !== undefined;
		}
		case "bool": {
			const lower = text.trim().toLowerCase();
			if (lower !== "true" && lower !== "false") return false;
			builder.set(row, lower === "true");
			return true;
		}
		case "i32":
			if (builder.type === "date") {
				const day = text.trim();
				const days = DATE.test(day) ? parseDate(day) : undefined;
				if (days !== undefined) builder.set(row, days);
				return days !== undefined;
			}
			return setNumber(reading, slot, row, text.trim());
		case "i64":
			if (builder.type === "timestamp" || builder.type === "timestamp_ntz")
				return setTime(builder, row, text.trim());
			return setNumber(reading, slot, row, text.trim());
		case "f64":
		case "fixed16":
			return setNumber(reading, slot, row, text.trim());
		default:
			return false;
	}
}

/** The narrowest type that takes all of these texts; they must not be none. */
export function typeOfTexts(texts: readonly string[]): DataType {
	const all = (test: (text: string) => boolean): boolean => texts.every(test);
	if (all((text) => /^(?:true|false)$/i.test(text))) return "boolean";
	if (all(isPlainInteger)) return "long";
	if (all((text) => isPlainInteger(text) || isPlainNumber(text)))
		return "double";
	if (all((text) => DATE.test(text) && parseDate(text) !== undefined))
		return "date";
	if (all((text) => text.includes(":") && isTime(text))) {
		const zoned = texts.map((text) => TIME.exec(text)?.[1] !== undefined);
		if (zoned.every(Boolean)) return "timestamp";
		if (!zoned.some(Boolean)) return "timestamp_ntz";
	}
	return "string";
}

/** No code such as 007, whose zeros count, and nothing beyond 64 bits. */
function isPlainInteger(text: string): boolean {
	if (!/^-?(?:0|[1-9]\d{0,18})$/.test(text)) return false;
	return text.length < 19 || BigInt.asIntN(64, BigInt(text)) === BigInt(text);
}

function isPlainNumber(text: string): boolean {
	return (
		/^-?(?:0|[1-9]\d*)?\.?\d+(?:[eE][+-]?\d+)?$/.test(text) &&
		!/^-?0\d/.test(text) &&
		/[.eE]/.test(text) &&
		Number.isFinite(Number(text))
	);
}

function isTime(text: string): boolean {
	return TIME.test(text) && parseTimestamp(text) !== undefined;
}

function setTime(builder: I64Builder, row: number, text: string): boolean {
	const match = TIME.exec(text);
	if (match === null) return false;
	if (builder.type === "timestamp_ntz" && match[1] !== undefined) return false;
	const micros = parseTimestamp(text);
	if (micros === undefined) return false;
	builder.setBigInt(row, micros);
	return true;
}

function setNumber(
	reading: Reading,
	slot: Slot,
	row: number,
	text: string,
): boolean {
	if (INTEGER.test(text)) {
		if (slot.code === LONG && text.length <= 15) {
			(slot.builder as I64Builder).set(row, Number(text));
			return true;
		}
		return setBigInteger(reading, slot, row, BigInt(text.replace("+", "")));
	}
	const whole = /^([+-]?\d+)\.0*$/.exec(text)?.[1];
	if (whole !== undefined && slot.builder?.kind !== "f64")
		return setNumber(reading, slot, row, whole);
	if (slot.decimal !== undefined) {
		const value = NUMBER.test(text) ? parseDecimal(text) : undefined;
		if (value === undefined) return false;
		let { unscaled, scale } = value;
		while (scale > slot.decimal.scale && unscaled % 10n === 0n) {
			unscaled /= 10n;
			scale--;
		}
		return setDecimal(slot, row, unscaled, scale);
	}
	const value = NUMBER.test(text)
		? Number(text)
		: SPECIAL.get(text.toLowerCase());
	if (value === undefined || (NUMBER.test(text) && !Number.isFinite(value)))
		return false;
	return setDouble(reading, slot, row, value);
}

function setDouble(
	reading: Reading,
	slot: Slot,
	row: number,
	value: number,
): boolean {
	if (slot.code === LONG && !slot.settled) {
		// No file has this column yet, so it can still become what holds both.
		const doubles = (slot.builder as I64Builder).asDoubles();
		if (doubles !== undefined) reading.journal.assign(slot, doubles);
	}
	if (slot.builder?.kind !== "f64" && !widen(reading, slot, "double"))
		return false;
	(slot.builder as F64Builder).set(row, value);
	return true;
}
