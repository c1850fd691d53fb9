import { type DataType, decimalParts } from "../columnar/types.ts";
import {
	dateText,
	decimalText,
	isDecimal,
	timestampText,
} from "../columnar/value.ts";
import type { Value } from "../columnar/vector.ts";
import { failed } from "./errors.ts";
import {
	type Decimal,
	doubleOf,
	fits,
	javaNumberText,
	parseDecimal,
	rescale,
} from "./number.ts";
import { DAY_MICROS, dayOf, parseDate, parseTimestamp } from "./time.ts";
import { typeText } from "./type-name.ts";

/**
 * A value as another type, with the rules of Spark's ANSI mode (the default of Spark 4): what has no
 * exact place is an error, except that fractions are cut on the way to an integer and rounded half
 * up on the way to a decimal. The zone is UTC.
 * @throws ExpressionError EXPRESSION_FAILED
 */
export function castValue(value: Value, from: DataType, to: DataType): Value {
	if (value === null || from === to) return value;
	switch (to) {
		case "string":
			return stringOf(value, from);
		case "binary":
			if (typeof value === "string") return new Uint8Array(Buffer.from(value));
			break;
		case "boolean":
			return booleanOf(value, from);
		case "byte":
		case "short":
		case "integer":
			return Number(integerOf(value, from, to));
		case "long":
			return integerOf(value, from, to);
		case "float":
			return Math.fround(doubleFrom(value, from, to));
		case "double":
			return doubleFrom(value, from, to);
		case "date":
			return dateOf(value, from);
		case "timestamp":
		case "timestamp_ntz":
			return timestampOf(value, from, to);
	}
	if (decimalParts(to) !== undefined) return decimalOf(value, from, to);
	throw cannot(value, from, to);
}

/** Whether there is a rule at all. */
export function canCast(from: DataType, to: DataType): boolean {
	if (from === to || from === "void") return true;
	const source = familyOf(from);
	const target = familyOf(to);
	return (
		source !== undefined &&
		target !== undefined &&
		(CASTS[source]?.includes(target) ?? false)
	);
}

/** Whether some value of `from` has no place in `to`. */
export function castCanFail(from: DataType, to: DataType): boolean {
	if (from === to || from === "void" || to === "string") return false;
	const source = familyOf(from);
	const target = familyOf(to);
	if (source === "string") return target !== "binary";
	if (source === target && source !== "integer" && source !== "decimal")
		return false;
	if (target === "boolean" || target === "float" || to === "date") return false;
	if (source === "integer" && target === "integer")
		return bitsOf(from) > bitsOf(to);
	// Digits before the point that a value may have, and that always have a place.
	const decimal = decimalParts(from);
	const wide = decimalParts(to);
	const digits =
		source === "boolean"
			? 1
			: decimal === undefined
				? INTEGERS[typeText(from)]?.[1]
				: decimal.precision -
					decimal.scale +
					// Rounding up may carry.
					(wide !== undefined && wide.scale < decimal.scale ? 1 : 0);
	const room =
		wide === undefined
			? (INTEGERS[typeText(to)]?.[1] ?? 0) - 1
			: wide.precision - wide.scale;
	return digits === undefined || digits > room;
}

/** Characters up to the space go, at both ends, as Spark trims before it casts. */
export function trimmed(text: string): string {
	let from = 0;
	let to = text.length;
	while (from < to && text.charCodeAt(from) <= 32) from++;
	while (to > from && text.charCodeAt(to - 1) <= 32) to--;
	return text.slice(from, to);
}

type Family =
	| "integer"
	| "float"
	| "decimal"
	| "boolean"
	| "string"
	| "binary"
	| "date"
	| "time";

const NUMBERS = ["integer", "float", "decimal", "boolean", "string"] as const;
const CASTS: Readonly<Record<Family, readonly Family[]>> = {
	integer: [...NUMBERS, "time"],
	float: [...NUMBERS, "time"],
	decimal: [...NUMBERS, "time"],
	boolean: NUMBERS,
	string: [...NUMBERS, "binary", "date", "time"],
	binary: ["string", "binary"],
	date: ["string", "date", "time"],
	time: ["integer", "float", "decimal", "string", "date", "time"],
};

const INTEGERS: Readonly<
	Record<string, readonly [bits: number, digits: number]>
> = { byte: [8, 3], short: [16, 5], integer: [32, 10], long: [64, 19] };
const FLOATING = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?[dDfF]?$/;
const SPECIAL: Readonly<Record<string, number>> = {
	nan: Number.NaN,
	inf: Number.POSITIVE_INFINITY,
	"+inf": Number.POSITIVE_INFINITY,
	infinity: Number.POSITIVE_INFINITY,
	"+infinity": Number.POSITIVE_INFINITY,
	"-inf": Number.NEGATIVE_INFINITY,
	"-infinity": Number.NEGATIVE_INFINITY,
};

function familyOf(type: DataType): Family | undefined {
	if (typeof type !== "string") return undefined;
	switch (type) {
		case "byte":
		case "short":
		case "integer":
		case "long":
			return "integer";
		case "float":
		case "double":
			return "float";
		case "boolean":
		case "string":
		case "binary":
		case "date":
			return type;
		case "timestamp":
		case "timestamp_ntz":
			return "time";
		case "variant":
		case "void":
			return undefined;
		default:
			return "decimal";
	}
}

function bitsOf(type: DataType): number {
	return INTEGERS[typeText(type)]?.[0] ?? 64;
}

function stringOf(value: Value, from: DataType): string {
	if (typeof value === "string") return value;
	if (typeof value === "boolean") return String(value);
	if (value instanceof Uint8Array) return Buffer.from(value).toString("utf8");
	if (isDecimal(value)) return decimalText(value.unscaled, value.scale);
	if (typeof value === "number") {
		if (from === "date") return dateText(value);
		return from === "float" || from === "double"
			? javaNumberText(value, from === "float")
			: String(value);
	}
	if (typeof value === "bigint")
		return from === "long"
			? String(value)
			: timestampText(value)
					.replace("T", " ")
					.replace(/\.?0+$/, "");
	throw cannot(value, from, "string");
}

function booleanOf(value: Value, from: DataType): boolean {
	if (typeof value === "boolean") return value;
	if (typeof value === "number") return value !== 0;
	if (typeof value === "bigint") return value !== 0n;
	if (isDecimal(value)) return value.unscaled !== 0n;
	if (typeof value === "string") {
		const text = trimmed(value).toLowerCase();
		if (/^(?:t|true|y|yes|1)$/.test(text)) return true;
		if (/^(?:f|false|n|no|0)$/.test(text)) return false;
	}
	throw cannot(value, from, "boolean");
}

function integerOf(value: Value, from: DataType, to: DataType): bigint {
	const whole = wholeOf(value, from);
	if (whole === undefined || whole !== BigInt.asIntN(bitsOf(to), whole))
		throw cannot(value, from, to);
	return whole;
}

function wholeOf(value: Value, from: DataType): bigint | undefined {
	if (typeof value === "boolean") return value ? 1n : 0n;
	if (typeof value === "number")
		return Number.isFinite(value) && from !== "date"
			? BigInt(Math.trunc(value))
			: undefined;
	if (typeof value === "bigint")
		return from === "long" ? value : floorDivide(value, 1_000_000n);
	if (isDecimal(value)) return value.unscaled / 10n ** BigInt(value.scale);
	if (typeof value === "string") {
		const text = trimmed(value);
		return /^[+-]?\d{1,40}$/.test(text)
			? BigInt(text.replace("+", ""))
			: undefined;
	}
	return undefined;
}

function doubleFrom(value: Value, from: DataType, to: DataType): number {
	if (typeof value === "boolean") return Number(value);
	if (typeof value === "number" && from !== "date") return value;
	if (typeof value === "bigint")
		return from === "long" ? Number(value) : Number(value) / 1e6;
	if (isDecimal(value)) return doubleOf(value);
	if (typeof value === "string") {
		const text = trimmed(value);
		if (FLOATING.test(text)) return Number(text.replace(/[dDfF]$/, ""));
		const special = text.toLowerCase();
		if (Object.hasOwn(SPECIAL, special)) return SPECIAL[special] ?? 0;
	}
	throw cannot(value, from, to);
}

function decimalOf(value: Value, from: DataType, to: DataType): Decimal {
	const { precision, scale } = decimalParts(to) ?? { precision: 0, scale: 0 };
	const exact = exactOf(value, from);
	if (exact === undefined) throw cannot(value, from, to);
	const unscaled = rescale(exact.unscaled, exact.scale, scale);
	if (!fits(unscaled, precision)) throw cannot(value, from, to);
	return { unscaled, scale };
}

function exactOf(value: Value, from: DataType): Decimal | undefined {
	if (isDecimal(value)) return value;
	if (typeof value === "boolean")
		return { unscaled: value ? 1n : 0n, scale: 0 };
	if (typeof value === "bigint")
		return { unscaled: value, scale: from === "long" ? 0 : 6 };
	if (typeof value === "number")
		return Number.isFinite(value) && from !== "date"
			? parseDecimal(String(value))
			: undefined;
	return typeof value === "string" ? parseDecimal(trimmed(value)) : undefined;
}

function dateOf(value: Value, from: DataType): number {
	const days =
		typeof value === "bigint" && from !== "long"
			? dayOf(value).days
			: typeof value === "string"
				? parseDate(trimmed(value))
				: undefined;
	if (days === undefined) throw cannot(value, from, "date");
	return days;
}

function timestampOf(value: Value, from: DataType, to: DataType): bigint {
	let micros: bigint | undefined;
	if (from === "date" && typeof value === "number")
		micros = BigInt(value) * DAY_MICROS;
	else if (typeof value === "string") micros = parseTimestamp(trimmed(value));
	else if (typeof value === "bigint")
		micros = from === "long" ? value * 1_000_000n : value;
	else if (from === "float" || from === "double")
		micros =
			typeof value === "number" && Number.isFinite(value)
				? BigInt(Math.trunc(value * 1e6))
				: undefined;
	else if (typeof value === "number") micros = BigInt(value) * 1_000_000n;
	else if (isDecimal(value))
		micros = (value.unscaled * 1_000_000n) / 10n ** BigInt(value.scale);
	if (micros === undefined || micros !== BigInt.asIntN(64, micros))
		throw cannot(value, from, to);
	return micros;
}

function floorDivide(value: bigint, by: bigint): bigint {
	const quotient = value / by;
	return value % by < 0n ? quotient - 1n : quotient;
}

function cannot(value: Value, from: DataType, to: DataType): Error {
	const shown =
		typeof value === "object" && !isDecimal(value)
			? typeText(from)
			: `${typeText(from)} ${JSON.stringify(stringOf(value, from)).slice(0, 60)}`;
	return failed(
		`the ${shown} can't be cast to ${typeText(to)}; guard it with CASE, or correct the row`,
	);
}
