import { type DataType, decimalParts } from "../columnar/types.ts";
import type { Vector } from "../columnar/vector.ts";
import {
	type Column,
	integersOf,
	integerVector,
	numbersOf,
	overflow,
	shapeOf,
	validityOf,
} from "./column.ts";
import { failed } from "./errors.ts";
import type { Arithmetic } from "./expression.ts";
import { divideHalfUp, rescale } from "./number.ts";

/**
 * `left operator right` in Spark's ANSI mode: overflow and division by zero, of doubles too, are
 * errors. Both sides are of `type`, except that decimals have types of their own.
 * @throws ExpressionError EXPRESSION_FAILED
 */
export function arithmetic(
	operator: Arithmetic,
	left: Column & { readonly type: DataType },
	right: Column & { readonly type: DataType },
	options: { readonly type: DataType; readonly length: number },
): Column {
	const { type } = options;
	const { length, step } = shapeOf([left, right], options.length);
	const validity = validityOf([left, right], length);
	if (type === "long" || decimalParts(type) !== undefined) {
		const compute =
			type === "long"
				? longs(operator, integersOf(left), integersOf(right))
				: decimals(operator, left, right, type);
		return { vector: integerVector(type, length, validity, compute), step };
	}
	const compute = doubles(operator);
	const x = numbersOf(left);
	const y = numbersOf(right);
	const p = left.step;
	const q = right.step;
	return {
		vector: numberVector(type, length, validity, (i) =>
			compute(x[i * p] as number, y[i * q] as number),
		),
		step,
	};
}

/** `-operand`, or its absolute value. */
export function signed(
	what: "negate" | "abs",
	operand: Column,
	options: { readonly type: DataType; readonly length: number },
): Column {
	const { type } = options;
	const { length, step } = shapeOf([operand], options.length);
	const { validity } = operand.vector;
	if (operand.vector.kind === "bool")
		// NULL without a type.
		return operand;
	if (operand.vector.kind === "i64" || operand.vector.kind === "fixed16") {
		const value = integersOf(operand);
		const compute = (i: number): bigint => {
			const each = value(i);
			return what === "abs" && each >= 0n ? each : -each;
		};
		return { vector: integerVector(type, length, validity, compute), step };
	}
	const values = numbersOf(operand);
	const compute = (i: number): number => {
		const each = values[i] as number;
		return what === "abs" ? Math.abs(each) : -each;
	};
	return { vector: numberVector(type, length, validity, compute), step };
}

function doubles(operator: Arithmetic): (a: number, b: number) => number {
	switch (operator) {
		case "+":
			return (a, b) => a + b;
		case "-":
			return (a, b) => a - b;
		case "*":
			return (a, b) => a * b;
		case "/":
			return (a, b) => {
				if (b === 0) throw byZero();
				return a / b;
			};
		case "%":
			return (a, b) => {
				if (b === 0) throw byZero();
				return a % b;
			};
	}
}

function longs(
	operator: Arithmetic,
	x: (i: number) => bigint,
	y: (i: number) => bigint,
): (i: number) => bigint {
	switch (operator) {
		case "+":
			return (i) => x(i) + y(i);
		case "-":
			return (i) => x(i) - y(i);
		case "*":
			return (i) => x(i) * y(i);
		default:
			return (i) => {
				const divisor = y(i);
				if (divisor === 0n) throw byZero();
				return operator === "%" ? x(i) % divisor : x(i) / divisor;
			};
	}
}

function decimals(
	operator: Arithmetic,
	left: Column & { readonly type: DataType },
	right: Column & { readonly type: DataType },
	type: DataType,
): (i: number) => bigint {
	const a = decimalParts(left.type)?.scale ?? 0;
	const b = decimalParts(right.type)?.scale ?? 0;
	const scale = decimalParts(type)?.scale ?? 0;
	const x = integersOf(left);
	const y = integersOf(right);
	if (operator === "*") return (i) => rescale(x(i) * y(i), a + b, scale);
	if (operator === "/") {
		const shift = scale + b - a;
		const up = 10n ** BigInt(Math.max(shift, 0));
		const down = 10n ** BigInt(Math.max(-shift, 0));
		return (i) => {
			const divisor = y(i);
			if (divisor === 0n) throw byZero();
			return divideHalfUp(x(i) * up, divisor * down);
		};
	}
	const wide = Math.max(a, b);
	const compute = longs(
		operator,
		(i) => rescale(x(i), a, wide),
		(i) => rescale(y(i), b, wide),
	);
	return (i) => rescale(compute(i), wide, scale);
}

function numberVector(
	type: DataType,
	length: number,
	validity: Uint8Array | undefined,
	compute: (i: number) => number,
): Vector {
	const fill = <A extends Int32Array | Float32Array | Float64Array>(
		values: A,
	): A => {
		for (let i = 0; i < length; i++)
			if (validity === undefined || validity[i] !== 0) values[i] = compute(i);
		return values;
	};
	if (type === "double") {
		const values = fill(new Float64Array(length));
		return { kind: "f64", length, validity, values };
	}
	if (type === "float") {
		const values = fill(new Float32Array(length));
		return { kind: "f32", length, validity, values };
	}
	const limit = type === "byte" ? 2 ** 7 : type === "short" ? 2 ** 15 : 2 ** 31;
	const unchecked = compute;
	compute = (i) => {
		const value = unchecked(i);
		if (value >= limit || value < -limit) throw overflow(type);
		return value;
	};
	return {
		kind: "i32",
		length,
		validity,
		values: fill(new Int32Array(length)),
	};
}

function byZero(): Error {
	return failed(
		"division by zero; guard it with CASE WHEN divisor <> 0, or correct the row",
	);
}
