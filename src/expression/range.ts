import type { Value } from "../columnar/vector.ts";
import { compareValues } from "./compare.ts";
import type { Comparison } from "./expression.ts";

/** What is known of the values that something has in some rows. */
export interface Range {
	readonly nulls: "none" | "some" | "all";
	/** No value but NaN is below or above; `undefined` when that is not known. */
	readonly low: Value | undefined;
	readonly high: Value | undefined;
	/** NaN, which is above all, may be among the values. */
	readonly nan: boolean;
}

/** Which of SQL's three values a condition may have in some rows. */
export interface Outcome {
	readonly true: boolean;
	readonly false: boolean;
	readonly null: boolean;
}

export const ANYTHING: Range = {
	nulls: "some",
	low: undefined,
	high: undefined,
	nan: true,
};
export const ANY_OUTCOME: Outcome = { true: true, false: true, null: true };

export function rangeOfValue(value: Value): Range {
	if (value === null) return { ...ANYTHING, nulls: "all", nan: false };
	if (Number.isNaN(value)) return { ...ANYTHING, nulls: "none" };
	return { nulls: "none", low: value, high: value, nan: false };
}

/** The one value that every row has; `undefined` when there may be several. */
export function onlyValue(range: Range): Value | undefined {
	const { nulls, low, high, nan } = range;
	if (nulls === "all") return null;
	if (nulls === "some" || nan || low === undefined || high === undefined)
		return undefined;
	// −0 and 0 are equal, and not the same to a cast.
	if (typeof low === "number") return Object.is(low, high) ? low : undefined;
	return compareValues(low, high) === 0 ? low : undefined;
}

/** Everything that is in one of them. */
export function union(ranges: readonly Range[]): Range {
	const filled = ranges.filter(({ nulls }) => nulls !== "all");
	const [first] = filled;
	if (first === undefined) return ranges[0] ?? ANYTHING;
	const end = (side: "low" | "high", sign: number): Value | undefined =>
		filled
			.map((range) => range[side])
			.reduce((a, b) => {
				if (a === undefined || b === undefined) return undefined;
				return compareValues(a, b) * sign <= 0 ? a : b;
			});
	const none = ranges.every(({ nulls }) => nulls === "none");
	return {
		nulls: none ? "none" : "some",
		low: end("low", 1),
		high: end("high", -1),
		nan: filled.some(({ nan }) => nan),
	};
}

/** What nulls the result of an operation has that is null where one of its operands is. */
export function nullsOf(ranges: readonly Range[]): Range["nulls"] {
	if (ranges.some(({ nulls }) => nulls === "all")) return "all";
	return ranges.every(({ nulls }) => nulls === "none") ? "none" : "some";
}

/** What `a operator b` may be. */
export function compareRanges(
	operator: Comparison,
	a: Range,
	b: Range,
): Outcome {
	const nulls = nullsOf([a, b]);
	if (operator === "<=>") {
		if (nulls !== "all") {
			const same = compareRanges("=", a, b);
			const both = a.nulls === "some" && b.nulls === "some";
			return {
				true: same.true || both,
				false: same.false || nulls === "some",
				null: false,
			};
		}
		const other = a.nulls === "all" ? b.nulls : a.nulls;
		return { true: other !== "none", false: other !== "all", null: false };
	}
	if (nulls === "all") return { true: false, false: false, null: true };
	return {
		true: possible(operator, a, b),
		false: possible(OPPOSITE[operator], a, b),
		null: nulls !== "none",
	};
}

export function andOutcomes(outcomes: readonly Outcome[]): Outcome {
	return {
		true: outcomes.every((each) => each.true),
		false: outcomes.some((each) => each.false),
		null:
			outcomes.some((each) => each.null) &&
			outcomes.every((each) => each.true || each.null),
	};
}

export function notOutcome(outcome: Outcome): Outcome {
	return { true: outcome.false, false: outcome.true, null: outcome.null };
}

export function orOutcomes(outcomes: readonly Outcome[]): Outcome {
	return notOutcome(andOutcomes(outcomes.map(notOutcome)));
}

export function outcomeOfRange({ nulls, low, high }: Range): Outcome {
	const filled = nulls !== "all";
	return {
		true: filled && high !== false,
		false: filled && low !== true,
		null: nulls !== "none",
	};
}

export function rangeOfOutcome(outcome: Outcome): Range {
	const filled = outcome.true || outcome.false;
	return {
		nulls: !filled ? "all" : outcome.null ? "some" : "none",
		low: filled ? !outcome.false : undefined,
		high: filled ? outcome.true : undefined,
		nan: false,
	};
}

const OPPOSITE = {
	"=": "<>",
	"<>": "=",
	"<": ">=",
	"<=": ">",
	">": "<=",
	">=": "<",
} as const;

/** Whether some value of `a` and some value of `b` are so. */
function possible(
	operator: Exclude<Comparison, "<=>">,
	a: Range,
	b: Range,
): boolean {
	switch (operator) {
		case "<":
			// NaN is above everything but NaN.
			return b.nan || !atLeast(a.low, b.high, 0);
		case "<=":
			return b.nan || !atLeast(a.low, b.high, 1);
		case ">":
			return possible("<", b, a);
		case ">=":
			return possible("<=", b, a);
		case "=":
			return (
				(a.nan && b.nan) ||
				!(atLeast(a.low, b.high, 1) || atLeast(b.low, a.high, 1))
			);
		case "<>": {
			if (a.nan || b.nan) return true;
			const { low, high } = a;
			return (
				low === undefined ||
				high === undefined ||
				b.low === undefined ||
				b.high === undefined ||
				compareValues(low, high) !== 0 ||
				compareValues(b.low, b.high) !== 0 ||
				compareValues(low, b.low) !== 0
			);
		}
	}
}

/** `a ≥ b`, or `a > b` when `least` is 1; false when one is not known. */
function atLeast(
	a: Value | undefined,
	b: Value | undefined,
	least: 0 | 1,
): boolean {
	return (
		a !== undefined &&
		b !== undefined &&
		Math.sign(compareValues(a, b)) >= least
	);
}
