import { BoolBuilder, F64Builder, I64Builder } from "../columnar/builder.ts";
import { BytesBuilder } from "../columnar/bytes-builder.ts";
import type { DataType, DecimalType } from "../columnar/types.ts";
import {
	canWiden,
	commonType,
	decimalType,
	widenedBuilder,
} from "../columnar/widening.ts";
import { type Decimal, digitsOf } from "./decimal-text.ts";
import type { JsonReader } from "./json.ts";
import { HUGE, type NumberReader, SMALL, WIDE } from "./number.ts";
import {
	BOOLEAN,
	DOUBLE_COLUMN,
	type Journal,
	LONG,
	OTHER,
	type Slot,
	STRING,
	UNTYPED,
} from "./slot.ts";

/** What readers of single values share. */
export interface Reading {
	readonly json: JsonReader;
	readonly numbers: NumberReader;
	readonly journal: Journal;
	/** Whether a column of the table may get a wider type. */
	readonly widens: boolean;
	/** What a new column of MongoDB's decimals is; of strings without it. */
	readonly decimals: DecimalType | undefined;
}

/**
 * Reads a value that is no object, array or null; its kind decides a new column's type. Returns whether
 * the column could take it; if not, the reader may stand anywhere in the value.
 * @throws JsonSyntaxError
 */
export function readScalar(
	reading: Reading,
	slot: Slot,
	row: number,
	first: number,
): boolean {
	switch (first) {
		case 0x22:
		case 0x5c:
			return readString(reading, slot, row);
		case 0x74:
			reading.json.true();
			return setBoolean(reading, slot, row, true);
		case 0x66:
			reading.json.false();
			return setBoolean(reading, slot, row, false);
		default:
			return readNumber(reading, slot, row);
	}
}

/** Copies a string into a column of strings. */
export function readString(
	{ json, journal }: Reading,
	slot: Slot,
	row: number,
): boolean {
	if (slot.code !== STRING) {
		if (slot.code !== UNTYPED) return false;
		journal.assign(slot, new BytesBuilder("string"));
	}
	const builder = slot.builder as BytesBuilder;
	json.openString();
	builder.begin(row);
	if (!json.copyString(builder)) return false;
	builder.end(row);
	return true;
}

export function setBoolean(
	{ journal }: Reading,
	slot: Slot,
	row: number,
	value: boolean,
): boolean {
	if (slot.code !== BOOLEAN) {
		if (slot.code !== UNTYPED) return false;
		journal.assign(slot, new BoolBuilder("boolean"));
	}
	(slot.builder as BoolBuilder).set(row, value);
	return true;
}

function readNumber(reading: Reading, slot: Slot, row: number): boolean {
	const { numbers } = reading;
	const kind = numbers.read(reading.json);
	switch (kind) {
		case SMALL:
		case WIDE:
			if (slot.code === UNTYPED)
				reading.journal.assign(slot, new I64Builder("long"));
			return setInteger(reading, slot, row, kind);
		case HUGE:
			return setBigInteger(
				reading,
				slot,
				row,
				BigInt(numbers.text(reading.json)),
			);
		default:
			return setDouble(reading, slot, row);
	}
}

/** Sets the integer that was read last. */
export function setInteger(
	reading: Reading,
	slot: Slot,
	row: number,
	kind: typeof SMALL | typeof WIDE,
): boolean {
	const { json, numbers } = reading;
	if (slot.code === LONG) {
		const builder = slot.builder as I64Builder;
		if (kind === SMALL) builder.set(row, numbers.value);
		else builder.setWords(row, numbers.low, numbers.high);
		return true;
	}
	if (slot.code === DOUBLE_COLUMN && kind === SMALL) {
		(slot.builder as F64Builder).set(row, numbers.value);
		return true;
	}
	return setBigInteger(reading, slot, row, BigInt(numbers.text(json)));
}

const RANGE: Readonly<Record<string, number>> = {
	byte: 0x7f,
	short: 0x7fff,
	integer: 0x7fff_ffff,
};

/** Sets an integer in a column of any numeric type that holds it exactly, or can be widened to one. */
export function setBigInteger(
	reading: Reading,
	slot: Slot,
	row: number,
	value: bigint,
): boolean {
	return (
		holdInteger(slot, row, value) ||
		(widen(reading, slot, integerType(slot, value)) &&
			holdInteger(slot, row, value))
	);
}

/** The type that a column which can't hold an integer would need. */
function integerType(
	{ builder, decimal }: Slot,
	value: bigint,
): DataType | undefined {
	if (decimal !== undefined)
		return decimalType(
			Math.max(decimal.precision - decimal.scale, digitsOf(value)),
			decimal.scale,
		);
	return builder?.type === "float" ? "double" : "long";
}

/** Gives a column a wider type; false when that is no wider one, or the table's has to stay. */
export function widen(
	{ journal, widens }: Pick<Reading, "journal" | "widens">,
	slot: Slot,
	type: DataType | undefined,
): boolean {
	const { builder } = slot;
	if (
		type === undefined ||
		builder === undefined ||
		builder.kind === "struct" ||
		builder.kind === "list" ||
		builder.kind === "document" ||
		builder.type === type ||
		!canWiden(builder.type, type) ||
		(slot.settled && !widens)
	)
		return false;
	journal.assign(slot, widenedBuilder(builder, type));
	return true;
}

function holdInteger(slot: Slot, row: number, value: bigint): boolean {
	const { builder } = slot;
	switch (slot.code) {
		case LONG:
			if (BigInt.asIntN(64, value) !== value) return false;
			(builder as I64Builder).setBigInt(row, value);
			return true;
		case DOUBLE_COLUMN: {
			const number = Number(value);
			if (!Number.isFinite(number) || BigInt(number) !== value) return false;
			(builder as F64Builder).set(row, number);
			return true;
		}
		case OTHER:
			break;
		default:
			return false;
	}
	if (slot.decimal !== undefined) return setDecimal(slot, row, value, 0);
	if (builder?.kind !== "i32") return false;
	const limit = RANGE[String(builder.type)];
	const number = Number(value);
	if (limit === undefined || number > limit || number < -limit - 1)
		return false;
	builder.set(row, number);
	return true;
}

/** Sets `unscaled` × 10^−`scale` in a column of decimals that has the digits for it. */
export function setDecimal(
	slot: Slot,
	row: number,
	unscaled: bigint,
	scale: number,
): boolean {
	const { builder, decimal } = slot;
	if (decimal === undefined || decimal.scale < scale) return false;
	const value = unscaled * 10n ** BigInt(decimal.scale - scale);
	const limit = 10n ** BigInt(decimal.precision);
	if (value >= limit || value <= -limit) return false;
	if (builder?.kind !== "i64" && builder?.kind !== "fixed16") return false;
	builder.setBigInt(row, value);
	return true;
}

/**
 * Sets a decimal in a column that holds it exactly, or can be widened to one that does; of integers, to
 * the type that new columns of decimals have.
 */
export function holdDecimal(
	reading: Reading,
	slot: Slot,
	row: number,
	{ unscaled, scale }: Decimal,
): boolean {
	const { decimal, builder } = slot;
	if (setDecimal(slot, row, unscaled, scale)) return true;
	const wider =
		decimal === undefined
			? widerOf(builder, reading.decimals)
			: decimalType(
					Math.max(
						decimal.precision - decimal.scale,
						digitsOf(unscaled) - scale,
					),
					Math.max(decimal.scale, scale),
				);
	return widen(reading, slot, wider) && setDecimal(slot, row, unscaled, scale);
}

function widerOf(
	builder: Slot["builder"],
	decimals: DecimalType | undefined,
): DataType | undefined {
	return builder?.kind === "i32" || builder?.kind === "i64"
		? decimals && commonType(builder.type, decimals)
		: undefined;
}

/** Sets the double that was read last. */
function setDouble(reading: Reading, slot: Slot, row: number): boolean {
	const { json, numbers, journal } = reading;
	const { value } = numbers;
	if (!Number.isFinite(value)) return false;
	if (slot.code === UNTYPED) journal.assign(slot, new F64Builder("double"));
	if (slot.code === LONG && !slot.settled) {
		// No file has this column yet, so it can still become what holds both.
		const doubles = (slot.builder as I64Builder).asDoubles();
		if (doubles !== undefined) journal.assign(slot, doubles);
	}
	if (slot.code === DOUBLE_COLUMN || widen(reading, slot, "double")) {
		(slot.builder as F64Builder).set(row, value);
		return true;
	}
	if (slot.code !== LONG) return false;
	// `3.0` is the integer 3; anything finer would lose digits.
	if (!Number.isSafeInteger(value) || Object.is(value, -0)) return false;
	if (!/^-?\d+\.0+$/.test(numbers.text(json))) return false;
	(slot.builder as I64Builder).set(row, value);
	return true;
}
