import type { I64Builder } from "../columnar/builder.ts";
import type { BytesBuilder } from "../columnar/bytes-builder.ts";
import type { Reading } from "./document.ts";
import type { JsonReader } from "./json.ts";
import { SMALL } from "./number.ts";
import { type Slot, STRING, TIMESTAMP } from "./slot.ts";

/**
 * Sets the integer that was read last, in units of `scale` microseconds, in a column of timestamps
 * without a zone. Finer units are cut, not rounded.
 */
export function setMicros(
	{ json, numbers }: Reading,
	slot: Slot,
	row: number,
	kind: number,
	scale: 1 | 1000 | 0.001 | 86_400_000_000,
): boolean {
	const { builder } = slot;
	if (builder?.kind !== "i64" || builder.type !== "timestamp_ntz") return false;
	if (scale === 1 && kind !== SMALL) {
		builder.setWords(row, numbers.low, numbers.high);
		return true;
	}
	if (kind === SMALL) {
		const micros =
			scale === 0.001
				? Math.trunc(numbers.value / 1000)
				: numbers.value * scale;
		if (Number.isSafeInteger(micros)) {
			builder.set(row, micros);
			return true;
		}
	}
	const value = BigInt(numbers.text(json));
	const micros = scale === 0.001 ? value / 1000n : value * BigInt(scale);
	if (BigInt.asIntN(64, micros) !== micros) return false;
	builder.setBigInt(row, micros);
	return true;
}

/** Sets the integer that was read last, in units of 10^−`digits` seconds, as a time of day in text. */
export function setTime(
	{ numbers }: Reading,
	slot: Slot,
	row: number,
	kind: number,
	digits: 3 | 6 | 9,
): boolean {
	if (slot.code !== STRING || kind !== SMALL) return false;
	// Nothing finer than microseconds is kept, as in timestamps.
	const shown = Math.min(digits, 6);
	const units = Math.trunc(Math.abs(numbers.value) / 10 ** (digits - shown));
	const seconds = Math.trunc(units / 10 ** shown);
	const two = (part: number): string => String(part).padStart(2, "0");
	const fraction = String(units % 10 ** shown).padStart(shown, "0");
	(slot.builder as BytesBuilder).setText(
		row,
		`${numbers.value < 0 ? "-" : ""}${two(Math.trunc(seconds / 3600))}:${two(Math.trunc(seconds / 60) % 60)}:${two(seconds % 60)}.${fraction}`,
	);
	return true;
}

/** Sets a string such as `2026-11-21T01:30:41.279572Z` in a column of timestamps. */
export function readZoned(json: JsonReader, slot: Slot, row: number): boolean {
	json.string();
	if (slot.code !== TIMESTAMP) return false;
	const builder = slot.builder as I64Builder;
	const quick = zonedMicros(json.bytes, json.start, json.stop);
	if (!Number.isNaN(quick)) {
		builder.set(row, quick);
		return true;
	}
	const micros = parseZoned(json.text());
	if (micros === undefined) return false;
	builder.setBigInt(row, micros);
	return true;
}

/** Microseconds of a UTC time of years 1 to 9999 with up to six decimals; NaN for other forms. */
function zonedMicros(bytes: Uint8Array, from: number, to: number): number {
	if (to - from < 20 || bytes[to - 1] !== 0x5a) return Number.NaN;
	const year = digitsAt(bytes, from, 4);
	const month = digitsAt(bytes, from + 5, 2);
	const day = digitsAt(bytes, from + 8, 2);
	const hour = digitsAt(bytes, from + 11, 2);
	const minute = digitsAt(bytes, from + 14, 2);
	const second = digitsAt(bytes, from + 17, 2);
	if (
		bytes[from + 4] !== 0x2d ||
		bytes[from + 7] !== 0x2d ||
		bytes[from + 10] !== 0x54 ||
		bytes[from + 13] !== 0x3a ||
		bytes[from + 16] !== 0x3a
	)
		return Number.NaN;
	// A day that not every month has, or anything out of range, is for the slower way.
	if (
		!(year >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= 28) ||
		!(hour <= 23 && minute <= 59 && second <= 59)
	)
		return Number.NaN;
	let fraction = 0;
	if (to - from > 20) {
		const digits = to - from - 21;
		if (bytes[from + 19] !== 0x2e || digits < 1 || digits > 6)
			return Number.NaN;
		fraction = digitsAt(bytes, from + 20, digits) * 10 ** (6 - digits);
	}
	const seconds =
		daysOf(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
	const micros = seconds * 1e6 + fraction;
	return Number.isSafeInteger(micros) ? micros : Number.NaN;
}

/** NaN unless all are digits. */
function digitsAt(bytes: Uint8Array, at: number, count: number): number {
	let value = 0;
	for (let i = at; i < at + count; i++) {
		const digit = (bytes[i] as number) - 0x30;
		if (digit < 0 || digit > 9) return Number.NaN;
		value = value * 10 + digit;
	}
	return value;
}

/** Days since the epoch (after Howard Hinnant's days_from_civil). */
function daysOf(year: number, month: number, day: number): number {
	const shifted = month <= 2 ? year - 1 : year;
	const era = Math.floor(shifted / 400);
	const ofEra = shifted - era * 400;
	const ofYear =
		Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
	return (
		era * 146_097 +
		ofEra * 365 +
		Math.floor(ofEra / 4) -
		Math.floor(ofEra / 100) +
		ofYear -
		719_468
	);
}

/** Any form of ISO 8601 with a zone; finer digits than microseconds are cut. */
function parseZoned(text: string): bigint | undefined {
	const match =
		/^([-+]?\d{4,6}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[-+]\d\d:\d\d)$/.exec(
			text,
		);
	const [, local = "", fraction = "", zone] = match ?? [];
	const ms = Date.parse(`${local}${zone}`);
	// JavaScript takes 29 February of any year, and 24 o'clock, for the day after.
	if (Number.isNaN(ms) || !exists(local)) return undefined;
	return BigInt(ms) * 1000n + BigInt(fraction.padEnd(6, "0").slice(0, 6));
}

function exists(local: string): boolean {
	const ms = Date.parse(`${local}Z`);
	return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(local);
}
