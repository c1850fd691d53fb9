import { decimalParts } from "../columnar/types.ts";
import { valueAt } from "../columnar/value.ts";
import type { Value } from "../columnar/vector.ts";
import { type Bound, boundPartsOf } from "./bound.ts";
import { compareValues } from "./compare.ts";
import { ExpressionError } from "./errors.ts";
import { evaluate } from "./evaluate.ts";
import { likePattern, likePrefix } from "./like.ts";
import {
	ANY_OUTCOME,
	ANYTHING,
	andOutcomes,
	compareRanges,
	notOutcome,
	nullsOf,
	type Outcome,
	onlyValue,
	orOutcomes,
	outcomeOfRange,
	type Range,
	rangeOfOutcome,
	rangeOfValue,
	union,
} from "./range.ts";
import { civilOf, dayOf } from "./time.ts";

export type ColumnBound = Extract<Bound, { kind: "column" }>;

/** What is known of the columns of some rows; `now` as for `evaluate`. */
export interface Known {
	readonly column: (column: ColumnBound) => Range;
	readonly now?: number;
}

/**
 * What a condition may be in rows of which only this much is known. It errs to the side of possible;
 * a row for which the condition fails counts as one for which it is not true.
 */
export function outcomeOf(bound: Bound, known: Known): Outcome {
	switch (bound.kind) {
		case "and":
			return andOutcomes(bound.operands.map((part) => outcomeOf(part, known)));
		case "or":
			return orOutcomes(bound.operands.map((part) => outcomeOf(part, known)));
		case "not":
			return notOutcome(outcomeOf(bound.operand, known));
		case "compare": {
			const left = rangeOf(bound.left, known);
			return compareRanges(bound.operator, left, rangeOf(bound.right, known));
		}
		case "is": {
			if (bound.what === "null") {
				const { nulls } = rangeOf(bound.operand, known);
				return { true: nulls !== "none", false: nulls !== "all", null: false };
			}
			const inner = outcomeOf(bound.operand, known);
			return bound.what === "true"
				? { true: inner.true, false: inner.false || inner.null, null: false }
				: { true: inner.false, false: inner.true || inner.null, null: false };
		}
		case "in": {
			const operand = rangeOf(bound.operand, known);
			return orOutcomes(
				bound.values.map((value) =>
					compareRanges("=", operand, rangeOf(value, known)),
				),
			);
		}
		case "like":
			return like(bound, known);
		default:
			return outcomeOfRange(rangeOf(bound, known));
	}
}

/** What values an expression may have. */
export function rangeOf(bound: Bound, known: Known): Range {
	switch (bound.kind) {
		case "literal":
			return rangeOfValue(bound.value);
		case "column":
			return known.column(bound);
		case "case":
			return cases(bound, known);
		case "and":
		case "or":
		case "not":
		case "compare":
		case "is":
		case "in":
		case "like":
			return rangeOfOutcome(outcomeOf(bound, known));
	}
	const parts = boundPartsOf(bound).map((part) => rangeOf(part, known));
	if (bound.kind === "call" && bound.name === "coalesce") return first(parts);
	const only = parts.map(onlyValue);
	if (only.every((value) => value !== undefined)) {
		const value = computed(bound, only, known);
		return value === undefined ? ANYTHING : rangeOfValue(value);
	}
	const nulls = nullsOf(parts);
	if (nulls === "all") return rangeOfValue(null);
	const unknown: Range = { ...ANYTHING, nulls, nan: mayBeNaN(bound, parts) };
	const way = directionOf(bound, parts);
	if (way === undefined) return unknown;
	const end = (side: "low" | "high"): Value | undefined => {
		const ends = parts.map((part, i) => {
			const other = side === "low" ? "high" : "low";
			return part[way[i] === -1 ? other : side];
		});
		if (!ends.every((value) => value !== undefined)) return undefined;
		const value = computed(bound, ends, known);
		return value === null || Number.isNaN(value) ? undefined : value;
	};
	return { ...unknown, low: end("low"), high: end("high") };
}

function mayBeNaN(bound: Bound, parts: readonly Range[]): boolean {
	if (bound.type !== "float" && bound.type !== "double") return false;
	return (
		bound.kind === "arithmetic" ||
		parts.some(({ nan }) => nan) ||
		boundPartsOf(bound).some(({ type }) => type === "string")
	);
}

/**
 * For each operand 1 when the result never falls as the operand rises, −1 when it never rises;
 * `undefined` when there is no such rule.
 */
function directionOf(
	bound: Bound,
	parts: readonly Range[],
): readonly (1 | -1)[] | undefined {
	switch (bound.kind) {
		case "cast": {
			const from = orderedFamily(bound.operand.type);
			return from !== undefined && from === orderedFamily(bound.type)
				? [1]
				: undefined;
		}
		case "negate":
			return [-1];
		case "arithmetic":
			if (bound.operator === "+") return [1, 1];
			return bound.operator === "-" ? [1, -1] : undefined;
		case "call":
			break;
		default:
			return undefined;
	}
	switch (bound.name) {
		case "year":
			return [1];
		case "date_trunc":
			return [1, 1];
		case "date_format":
			return ascending(parts) ? [1, 1] : undefined;
		case "substring": {
			// A prefix: the order of texts is that of their first difference.
			const [, at, size] = parts.map(onlyValue);
			const fromStart = at === 1;
			const enough =
				parts.length === 2 || (typeof size === "number" && size > 0);
			return fromStart && enough ? parts.map(() => 1) : undefined;
		}
		default:
			return undefined;
	}
}

/** A format from the year down, while years have four digits. */
function ascending([moments, format]: readonly Range[]): boolean {
	const text = format === undefined ? undefined : onlyValue(format);
	if (typeof text !== "string" || !/^yyyy(?:-MM(?:-dd(?:-HH)?)?)?$/.test(text))
		return false;
	return [moments?.low, moments?.high].every((micros) => {
		if (typeof micros !== "bigint") return false;
		const { year } = civilOf(dayOf(micros).days);
		return year > 0 && year < 10_000;
	});
}

/** Types between which casts keep the order. */
function orderedFamily(type: Bound["type"]): string | undefined {
	switch (type) {
		case "byte":
		case "short":
		case "integer":
		case "long":
		case "float":
		case "double":
			return "number";
		case "date":
		case "timestamp":
		case "timestamp_ntz":
			return "time";
		default:
			return decimalParts(type) === undefined ? undefined : "number";
	}
}

/** The node's value for these operands; `undefined` when it has none. */
function computed(
	bound: Bound,
	operands: readonly Value[],
	{ now }: Known,
): Value | undefined {
	const literals = boundPartsOf(bound).map(
		({ type }, i): Bound => ({
			kind: "literal",
			value: operands[i] as Value,
			type,
			fallible: false,
		}),
	);
	const made = withOperands(bound, literals);
	try {
		const vector = evaluate(made, ONE_ROW, now === undefined ? {} : { now });
		return valueAt(vector, made.type, 0);
	} catch (error) {
		if (error instanceof ExpressionError) return undefined;
		throw error;
	}
}

const ONE_ROW = {
	schema: { type: "struct", fields: [] },
	length: 1,
	columns: [],
} as const;

function withOperands(bound: Bound, operands: readonly Bound[]): Bound {
	const [first, second] = operands as [Bound, Bound];
	switch (bound.kind) {
		case "cast":
		case "negate":
			return { ...bound, operand: first };
		case "arithmetic":
			return { ...bound, left: first, right: second };
		case "call":
			return { ...bound, args: operands };
		default:
			return bound;
	}
}

function first(ranges: readonly Range[]): Range {
	const end = ranges.findIndex(({ nulls }) => nulls === "none");
	const asked = end < 0 ? ranges : ranges.slice(0, end + 1);
	const all = union(asked);
	return end < 0 ? all : { ...all, nulls: "none" };
}

function cases(bound: Extract<Bound, { kind: "case" }>, known: Known): Range {
	const { operand, branches, otherwise } = bound;
	const subject = operand === undefined ? undefined : rangeOf(operand, known);
	const chosen: Range[] = [];
	for (const { condition, result } of branches) {
		const outcome =
			subject === undefined
				? outcomeOf(condition, known)
				: compareRanges("=", subject, rangeOf(condition, known));
		if (outcome.true) chosen.push(rangeOf(result, known));
		if (!outcome.false && !outcome.null) return union(chosen);
	}
	return union([...chosen, rangeOf(otherwise, known)]);
}

function like(
	{ operand, pattern, escape: mark }: Extract<Bound, { kind: "like" }>,
	known: Known,
): Outcome {
	const text = rangeOf(operand, known);
	const wanted = onlyValue(rangeOf(pattern, known));
	if (text.nulls === "all" || wanted === null)
		return { true: false, false: false, null: true };
	if (typeof wanted !== "string") return ANY_OUTCOME;
	let parts: ReturnType<typeof likePattern>;
	try {
		parts = likePattern(wanted, mark);
	} catch (error) {
		if (error instanceof ExpressionError) return ANY_OUTCOME;
		throw error;
	}
	const prefix = likePrefix(parts);
	if (!parts.some((part) => typeof part === "string"))
		return compareRanges("=", text, rangeOfValue(prefix));
	const { low, high } = text;
	const below = typeof high === "string" && compareValues(high, prefix) < 0;
	const above =
		typeof low === "string" &&
		compareValues(low, prefix) > 0 &&
		!low.startsWith(prefix);
	// Between two texts with a prefix every text has it.
	const always =
		parts.at(-1) === "any" &&
		parts.every(
			(part, i) => typeof part !== "string" || i === parts.length - 1,
		) &&
		typeof low === "string" &&
		typeof high === "string" &&
		low.startsWith(prefix) &&
		high.startsWith(prefix);
	return {
		true: !below && !above,
		false: !always,
		null: text.nulls !== "none",
	};
}
