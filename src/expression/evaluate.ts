import { takeVector } from "../columnar/batch.ts";
import { nullVector, vectorOf } from "../columnar/literal.ts";
import type { Batch, Vector } from "../columnar/vector.ts";
import { arithmetic, signed } from "./arithmetic.ts";
import type { Bound } from "./bound.ts";
import {
	bytesOf,
	type Column,
	expanded,
	integersOf,
	isValid,
	shapeOf,
	type Truth,
	truthColumn,
	truthOf,
	validityOf,
} from "./column.ts";
import { orderOf } from "./compare.ts";
import { castColumn } from "./conversion.ts";
import { invalid } from "./errors.ts";
import type { Comparison } from "./expression.ts";
import { callFunction } from "./function.ts";
import { type LikePattern, likePattern, likes } from "./like.ts";
import { Pieces } from "./pieces.ts";
import { batchRows, type Rows, someRows } from "./rows.ts";

/**
 * The value of an expression for every row of a batch, which has to have the columns of the schema
 * that it was bound to, by name. Booleans have SQL's three values. `now` is in milliseconds since the
 * epoch; without it the expression must not ask for the time.
 * @throws ExpressionError EXPRESSION_FAILED when a row has no result
 */
export function evaluate(
	bound: Bound,
	batch: Batch,
	options: { readonly now?: number } = {},
): Vector {
	if (batch.length === 0) return nullVector(bound.type, 0);
	const column = columnOf(bound, batchRows(batch, options.now));
	return expanded(column, batch.length);
}

function columnOf(bound: Bound, rows: Rows): Column {
	const { length } = rows;
	const inner = (part: Bound): Column => columnOf(part, rows);
	switch (bound.kind) {
		case "literal":
			return { vector: vectorOf(bound.type, [bound.value]), step: 0 };
		case "column":
			return { vector: rows.column(bound), step: 1 };
		case "and":
			return combined(bound.operands, rows, 0);
		case "or":
			return combined(bound.operands, rows, 1);
		case "not": {
			const column = inner(bound.operand);
			const truth = truthOf(column);
			return truths([column], length, (i) => {
				const value = truth(i);
				return value === 2 ? 2 : value === 1 ? 0 : 1;
			});
		}
		case "negate":
			return signed("negate", inner(bound.operand), {
				type: bound.type,
				length,
			});
		case "compare":
			return compared(
				bound.operator,
				inner(bound.left),
				inner(bound.right),
				length,
			);
		case "arithmetic":
			return arithmetic(
				bound.operator,
				{ ...inner(bound.left), type: bound.left.type },
				{ ...inner(bound.right), type: bound.right.type },
				{ type: bound.type, length },
			);
		case "is": {
			const column = inner(bound.operand);
			if (bound.what === "null")
				return truths([column], length, (i) => (isValid(column, i) ? 0 : 1));
			const truth = truthOf(column);
			const wanted = bound.what === "true" ? 1 : 0;
			return truths([column], length, (i) => (truth(i) === wanted ? 1 : 0));
		}
		case "in":
			return member(bound, rows);
		case "like":
			return like(bound, rows);
		case "case":
			return cases(bound, rows);
		case "cast":
			return castColumn(
				inner(bound.operand),
				bound.operand.type,
				bound.type,
				length,
			);
		case "call":
			return call(bound, rows);
	}
}

function truths(
	columns: readonly Column[],
	rows: number,
	truth: (i: number) => Truth,
): Column {
	const { length, step } = shapeOf(columns, rows);
	const values = new Uint8Array(length);
	for (let i = 0; i < length; i++) values[i] = truth(i);
	return truthColumn(values, step);
}

function compared(
	operator: Comparison,
	left: Column,
	right: Column,
	rows: number,
): Column {
	const order = orderOf(left, right);
	if (operator === "<=>")
		return truths([left, right], rows, (i) => {
			const has = isValid(left, i);
			if (!has || !isValid(right, i)) return has === isValid(right, i) ? 1 : 0;
			return order(i) === 0 ? 1 : 0;
		});
	const { length, step } = shapeOf([left, right], rows);
	const validity = validityOf([left, right], length);
	const values = new Uint8Array(length);
	const test = TESTS[operator];
	for (let i = 0; i < length; i++)
		if ((validity === undefined || validity[i] !== 0) && test(order(i)))
			values[i] = 1;
	return { vector: { kind: "bool", length, validity, values }, step };
}

const TESTS: Readonly<
	Record<Exclude<Comparison, "<=>">, (order: number) => boolean>
> = {
	"=": (order) => order === 0,
	"<>": (order) => order !== 0,
	"<": (order) => order < 0,
	"<=": (order) => order <= 0,
	">": (order) => order > 0,
	">=": (order) => order >= 0,
};

/**
 * AND (`decided` 0) or OR (`decided` 1) from left to right. An operand that may fail is asked only
 * about the rows that those before it left open.
 */
function combined(
	operands: readonly Bound[],
	rows: Rows,
	decided: 0 | 1,
): Column {
	const { length } = rows;
	const result = new Uint8Array(length).fill(1 - decided);
	for (const operand of operands) {
		const open = operand.fallible ? openRows(result, decided) : undefined;
		if (open?.length === 0) continue;
		const some = open === undefined || open.length === length;
		const truth = truthOf(
			columnOf(operand, some ? rows : someRows(rows, open)),
		);
		const asked = some ? length : open.length;
		for (let k = 0; k < asked; k++) {
			const i = some ? k : (open[k] as number);
			const value = truth(k);
			if (result[i] !== decided && value !== 1 - decided) result[i] = value;
		}
	}
	return truthColumn(result, 1);
}

function openRows(result: Uint8Array, decided: 0 | 1): Int32Array {
	const open = new Int32Array(result.length);
	let count = 0;
	for (let i = 0; i < result.length; i++)
		if (result[i] !== decided) open[count++] = i;
	return open.subarray(0, count);
}

function member(
	{ operand, values }: Extract<Bound, { kind: "in" }>,
	rows: Rows,
): Column {
	const column = columnOf(operand, rows);
	if (!values.every(({ kind }) => kind === "literal")) {
		const found = values.map((value) =>
			compared("=", column, columnOf(value, rows), rows.length),
		);
		const each = found.map(truthOf);
		return truths([column, ...found], rows.length, (i) => {
			let result: Truth = 0;
			for (const truth of each) {
				const value = truth(i);
				if (value === 1) return 1;
				if (value === 2) result = 2;
			}
			return result;
		});
	}
	const keys = new Set<unknown>();
	let missing: Truth = 0;
	for (const value of values) {
		const constant = columnOf(value, rows);
		if (isValid(constant, 0)) keys.add(keyOf(constant)(0));
		else missing = 2;
	}
	const key = keyOf(column);
	return truths([column], rows.length, (i) =>
		!isValid(column, i) ? 2 : keys.has(key(i)) ? 1 : missing,
	);
}

/** What a `Set` tells apart as SQL does: −0 is 0 there, and NaN is NaN. */
function keyOf(column: Column): (i: number) => unknown {
	const { vector, step } = column;
	switch (vector.kind) {
		case "bool":
		case "i32":
		case "f32":
		case "f64":
			return (i) => vector.values[i * step];
		case "bytes": {
			const { data, from, to } = bytesOf(column);
			const buffer = Buffer.from(data.buffer, data.byteOffset, data.length);
			return (i) => buffer.toString("latin1", from(i), to(i));
		}
		default:
			return integersOf(column);
	}
}

function like(bound: Extract<Bound, { kind: "like" }>, rows: Rows): Column {
	const operand = columnOf(bound.operand, rows);
	const pattern = columnOf(bound.pattern, rows);
	const { data, from, to } = bytesOf(operand);
	const text = bytesOf(pattern);
	const compile = (i: number): LikePattern =>
		likePattern(
			Buffer.from(text.data.subarray(text.from(i), text.to(i))).toString(),
			bound.escape,
		);
	const constant =
		pattern.step === 0 && isValid(pattern, 0) ? compile(0) : undefined;
	return truths([operand, pattern], rows.length, (i) => {
		if (!isValid(operand, i) || !isValid(pattern, i)) return 2;
		return likes(constant ?? compile(i), data, from(i), to(i)) ? 1 : 0;
	});
}

function cases(bound: Extract<Bound, { kind: "case" }>, rows: Rows): Column {
	const pieces = new Pieces(bound.type, rows.length);
	const operand =
		bound.operand === undefined
			? undefined
			: expanded(columnOf(bound.operand, rows), rows.length);
	let open = allRows(rows.length);
	for (const { condition, result } of bound.branches) {
		if (open.length === 0) break;
		const asked = someRows(rows, open);
		const value = columnOf(condition, asked);
		const truth = truthOf(
			operand === undefined
				? value
				: compared(
						"=",
						{ vector: takeVector(operand, open), step: 1 },
						value,
						open.length,
					),
		);
		const chosen = open.filter((_, k) => truth(k) === 1);
		if (chosen.length === 0) continue;
		pieces.put(chosen, columnOf(result, someRows(rows, chosen)));
		open = open.filter((_, k) => truth(k) !== 1);
	}
	if (open.length > 0)
		pieces.put(open, columnOf(bound.otherwise, someRows(rows, open)));
	return { vector: pieces.joined(), step: 1 };
}

function coalesce(
	{ args, type }: Extract<Bound, { kind: "call" }>,
	rows: Rows,
): Column {
	const pieces = new Pieces(type, rows.length);
	let open = allRows(rows.length);
	for (const arg of args) {
		if (open.length === 0) break;
		const column = columnOf(arg, someRows(rows, open));
		pieces.put(open, column);
		open = open.filter((_, k) => !isValid(column, k));
	}
	return { vector: pieces.joined(), step: 1 };
}

function allRows(length: number): Int32Array {
	return Int32Array.from({ length }, (_, i) => i);
}

function call(bound: Extract<Bound, { kind: "call" }>, rows: Rows): Column {
	const { name, args, type } = bound;
	if (name === "coalesce") return coalesce(bound, rows);
	if (name === "current_timestamp" || name === "current_date") {
		if (rows.now === undefined)
			throw invalid(
				`${name}() has no place here: what it says would change by itself`,
			);
		const value =
			name === "current_date"
				? Math.floor(rows.now / 86_400_000)
				: BigInt(Math.floor(rows.now * 1000));
		return { vector: vectorOf(type, [value]), step: 0 };
	}
	return callFunction(
		name,
		args.map((arg) => columnOf(arg, rows)),
		{
			type,
			argument: args[0]?.type ?? type,
			length: rows.length,
		},
	);
}
