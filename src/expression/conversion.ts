import { vectorOf } from "../columnar/literal.ts";
import type { DataType } from "../columnar/types.ts";
import { valueAt } from "../columnar/value.ts";
import type { Value, Vector } from "../columnar/vector.ts";
import { castValue } from "./cast.ts";
import { type Column, shapeOf } from "./column.ts";
import { DAY_MICROS, dayOf } from "./time.ts";

/**
 * A column as another type; common conversions without a look at each value's type.
 * @throws ExpressionError EXPRESSION_FAILED
 */
export function castColumn(
	column: Column,
	from: DataType,
	to: DataType,
	rows: number,
): Column {
	const { vector, step } = column;
	const { length } = shapeOf([column], rows);
	const quick = quickly(vector, from, to, length);
	if (quick !== undefined) return { vector: quick, step };
	const values: Value[] = [];
	for (let i = 0; i < length; i++)
		values.push(castValue(valueAt(vector, from, i), from, to));
	return { vector: vectorOf(to, values), step };
}

const INTEGERS: readonly DataType[] = ["byte", "short", "integer"];
const BYTES: readonly DataType[] = ["string", "binary"];
const TIMES: readonly DataType[] = ["timestamp", "timestamp_ntz"];

function quickly(
	vector: Vector,
	from: DataType,
	to: DataType,
	length: number,
): Vector | undefined {
	const { validity } = vector;
	// Bytes and microseconds are stored alike; an integer that gets wider is, too.
	if (
		(BYTES.includes(from) && BYTES.includes(to)) ||
		(TIMES.includes(from) && TIMES.includes(to)) ||
		(INTEGERS.includes(from) && INTEGERS.indexOf(to) >= INTEGERS.indexOf(from))
	)
		return vector;
	if (vector.kind === "i32" && from === "date" && TIMES.includes(to)) {
		// Only days that stay within int64.
		if (vector.values.some((days) => Math.abs(days) > 100_000_000))
			return undefined;
		const values = BigInt64Array.from(
			vector.values,
			(days) => BigInt(days) * DAY_MICROS,
		);
		return { kind: "i64", length, validity, values };
	}
	if (vector.kind === "i64" && TIMES.includes(from) && to === "date") {
		const values = Int32Array.from(
			vector.values,
			(micros) => dayOf(micros).days,
		);
		return { kind: "i32", length, validity, values };
	}
	if (to === "long" && vector.kind === "i32" && INTEGERS.includes(from)) {
		const values = BigInt64Array.from(vector.values, BigInt);
		return { kind: "i64", length, validity, values };
	}
	if (to !== "double") return undefined;
	if (
		vector.kind === "f32" ||
		(vector.kind === "i32" && INTEGERS.includes(from))
	) {
		const values = Float64Array.from(vector.values);
		return { kind: "f64", length, validity, values };
	}
	if (vector.kind === "i64" && from === "long") {
		const values = Float64Array.from(vector.values, Number);
		return { kind: "f64", length, validity, values };
	}
	return undefined;
}
