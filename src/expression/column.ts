import { takeVector } from "../columnar/batch.ts";
import { type DataType, decimalParts } from "../columnar/types.ts";
import { readFixed16 } from "../columnar/value.ts";
import type { Vector } from "../columnar/vector.ts";
import { failed, invalid } from "./errors.ts";

/** A vector with a slot a row, or with one slot that stands for every row. */
export interface Column {
	readonly vector: Vector;
	/** 1, or 0 when slot 0 stands for every row. */
	readonly step: 0 | 1;
}

/** The slots that a result of these columns has: a constant of constants is computed once. */
export function shapeOf(
	columns: readonly Column[],
	length: number,
): { readonly length: number; readonly step: 0 | 1 } {
	return columns.every(({ step }) => step === 0)
		? { length: 1, step: 0 }
		: { length, step: 1 };
}

/** Where every column has a value; `undefined` when that is everywhere. */
export function validityOf(
	columns: readonly Column[],
	length: number,
): Uint8Array | undefined {
	let all: Uint8Array | undefined;
	for (const { vector, step } of columns) {
		const { validity } = vector;
		if (validity === undefined) continue;
		if (all === undefined) {
			all = new Uint8Array(length);
			for (let i = 0; i < length; i++) all[i] = validity[i * step] as number;
		} else
			for (let i = 0; i < length; i++) if (validity[i * step] === 0) all[i] = 0;
	}
	return all;
}

export function isValid({ vector, step }: Column, i: number): boolean {
	return vector.validity === undefined || vector.validity[i * step] !== 0;
}

/** 0 false, 1 true, 2 null. */
export type Truth = 0 | 1 | 2;

export function truthOf(column: Column): (i: number) => Truth {
	const { vector, step } = column;
	if (vector.kind !== "bool") throw mismatch(vector, "bool");
	const { validity, values } = vector;
	return validity === undefined
		? (i) => values[i * step] as Truth
		: (i) => (validity[i * step] === 0 ? 2 : (values[i * step] as Truth));
}

/** A boolean column of truths. */
export function truthColumn(truths: Uint8Array, step: 0 | 1): Column {
	let validity: Uint8Array | undefined;
	const values = new Uint8Array(truths.length);
	for (let i = 0; i < truths.length; i++) {
		if (truths[i] === 2) {
			validity ??= new Uint8Array(truths.length).fill(1);
			validity[i] = 0;
		} else values[i] = truths[i] as number;
	}
	const { length } = truths;
	return { vector: { kind: "bool", length, validity, values }, step };
}

/** The unscaled value of a decimal, or the integer, of row `i`. */
export function integersOf({ vector, step }: Column): (i: number) => bigint {
	switch (vector.kind) {
		case "i32":
			return (i) => BigInt(vector.values[i * step] as number);
		case "i64":
			return (i) => vector.values[i * step] as bigint;
		case "fixed16":
			return (i) => readFixed16(vector.values, i * step);
		default:
			throw mismatch(vector, "integer");
	}
}

/** The numbers of an integer column of at most 32 bits, of a date, or of a float. */
export function numbersOf({
	vector,
}: Column): Int32Array | Float32Array | Float64Array {
	if (vector.kind === "i32" || vector.kind === "f32" || vector.kind === "f64")
		return vector.values;
	throw mismatch(vector, "number");
}

/** The bytes of a text or binary column. */
export function bytesOf({ vector, step }: Column): {
	readonly data: Uint8Array;
	readonly from: (i: number) => number;
	readonly to: (i: number) => number;
} {
	if (vector.kind !== "bytes") throw mismatch(vector, "bytes");
	const { data, offsets } = vector;
	return {
		data,
		from: (i) => offsets[i * step] as number,
		to: (i) => offsets[i * step + 1] as number,
	};
}

/**
 * A vector of unscaled decimals or 64-bit integers, `compute` called where there is a value.
 * @throws ExpressionError EXPRESSION_FAILED when one has no place in the type
 */
export function integerVector(
	type: DataType,
	length: number,
	validity: Uint8Array | undefined,
	compute: (i: number) => bigint,
): Vector {
	const decimal = decimalParts(type);
	const limit =
		decimal === undefined ? 2n ** 63n : 10n ** BigInt(decimal.precision);
	const least = decimal === undefined ? -limit : 1n - limit;
	const checked = (i: number): bigint => {
		const value = compute(i);
		if (value >= limit || value < least) throw overflow(type);
		return value;
	};
	const has = (i: number): boolean =>
		validity === undefined || validity[i] !== 0;
	if (decimal === undefined || decimal.precision <= 18) {
		const values = new BigInt64Array(length);
		for (let i = 0; i < length; i++) if (has(i)) values[i] = checked(i);
		return { kind: "i64", length, validity, values };
	}
	const values = new Uint8Array(length * 16);
	const view = new DataView(values.buffer);
	for (let i = 0; i < length; i++) {
		if (!has(i)) continue;
		const value = checked(i);
		view.setBigInt64(i * 16, value >> 64n);
		view.setBigUint64(i * 16 + 8, BigInt.asUintN(64, value));
	}
	return { kind: "fixed16", length, validity, values };
}

/** A slot a row. */
export function expanded({ vector, step }: Column, length: number): Vector {
	return step === 1 ? vector : takeVector(vector, new Int32Array(length));
}

export function overflow(type: DataType): Error {
	return failed(
		`a result has no place in ${typeof type === "string" ? type : type.type}; CAST an operand to a wider type, or correct the row`,
	);
}

function mismatch(vector: Vector, wanted: string): Error {
	return invalid(
		`a column is stored as ${vector.kind} where ${wanted} was expected; its batch has another schema than the expression was bound to`,
	);
}
