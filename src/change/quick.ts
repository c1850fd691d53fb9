import type {
	BoolBuilder,
	F64Builder,
	I32Builder,
	I64Builder,
} from "../columnar/builder.ts";
import type { BytesBuilder } from "../columnar/bytes-builder.ts";
import type { Reading } from "./document.ts";
import { BACKSLASH } from "./escape.ts";
import { readCommon } from "./extended-json.ts";
import { DOUBLE, SMALL, WIDE } from "./number.ts";
import {
	BOOLEAN,
	DOUBLE_COLUMN,
	INTEGER,
	LONG,
	type Slot,
	STRING,
} from "./slot.ts";

const QUOTE = 0x22;

/**
 * Reads the value that a column of a simple type nearly always has. False, with the reader where it
 * was, for anything else, such as null.
 * @throws JsonSyntaxError
 */
export function readQuickly(
	reading: Reading,
	slot: Slot,
	row: number,
	extended: boolean,
): boolean {
	const { json } = reading;
	const { bytes, pos } = json;
	let first = bytes[pos] as number;
	if (first === 0x20) {
		json.pos = pos + 1;
		first = bytes[pos + 1] as number;
	}
	let done = false;
	if (first === 0x7b) done = extended && readCommon(reading, slot, row);
	else
		switch (slot.quick) {
			case STRING:
				done = readString(reading, slot.builder as BytesBuilder, row, first);
				break;
			case LONG:
				done =
					isNumber(first) && readLong(reading, slot.builder as I64Builder, row);
				break;
			case DOUBLE_COLUMN:
				done =
					isNumber(first) &&
					readDouble(reading, slot.builder as F64Builder, row);
				break;
			case INTEGER:
				done =
					isNumber(first) &&
					readInteger(reading, slot.builder as I32Builder, row);
				break;
			case BOOLEAN:
				if (first === 0x74) json.true();
				else if (first === 0x66) json.false();
				else break;
				(slot.builder as BoolBuilder).set(row, first === 0x74);
				done = true;
		}
	if (!done) json.pos = pos;
	return done;
}

function isNumber(first: number): boolean {
	return (first >= 0x30 && first <= 0x39) || first === 0x2d;
}

function readString(
	{ json }: Reading,
	builder: BytesBuilder,
	row: number,
	first: number,
): boolean {
	if (json.nested) {
		if (first !== BACKSLASH || json.bytes[json.pos + 1] !== QUOTE) return false;
		json.pos += 2;
	} else {
		if (first !== QUOTE) return false;
		json.pos++;
	}
	builder.begin(row);
	if (!json.copyString(builder)) {
		builder.truncate(row);
		return false;
	}
	builder.end(row);
	return true;
}

function readLong(
	{ json, numbers }: Reading,
	builder: I64Builder,
	row: number,
): boolean {
	const kind = numbers.read(json);
	if (kind === SMALL) builder.set(row, numbers.value);
	else if (kind === WIDE) builder.setWords(row, numbers.low, numbers.high);
	else return false;
	return true;
}

function readDouble(
	{ json, numbers }: Reading,
	builder: F64Builder,
	row: number,
): boolean {
	const kind = numbers.read(json);
	if (kind !== SMALL && (kind !== DOUBLE || !Number.isFinite(numbers.value)))
		return false;
	builder.set(row, numbers.value);
	return true;
}

function readInteger(
	{ json, numbers }: Reading,
	builder: I32Builder,
	row: number,
): boolean {
	const kind = numbers.read(json);
	const { value } = numbers;
	if (kind !== SMALL || (value | 0) !== value) return false;
	builder.set(row, value);
	return true;
}
