import type { DataType } from "../columnar/types.ts";
import type { Value } from "../columnar/vector.ts";
import type { Arithmetic, Comparison } from "./expression.ts";

/**
 * An expression whose columns are found and whose types fit each other: every conversion is a
 * `cast` of its own, literals have the type they are compared with.
 */
export type Bound =
	| (Typed & {
			readonly kind: "literal";
			readonly value: Value;
			/** Its type was given to it; an integer as it was written counts by its digits. */
			readonly converted?: boolean;
	  })
	| (Typed & {
			readonly kind: "column";
			/** As the schema spells it; the first is a column of the table, the rest are its fields. */
			readonly path: readonly string[];
			/** Places in the schema's fields, one a level. */
			readonly places: readonly number[];
	  })
	| (Typed & {
			readonly kind: "and" | "or";
			readonly operands: readonly Bound[];
	  })
	| (Typed & { readonly kind: "not" | "negate"; readonly operand: Bound })
	| (Typed & {
			/** Both sides have the same type. */
			readonly kind: "compare";
			readonly operator: Comparison;
			readonly left: Bound;
			readonly right: Bound;
	  })
	| (Typed & {
			/** Both sides have the result's type, except that decimals keep theirs. */
			readonly kind: "arithmetic";
			readonly operator: Arithmetic;
			readonly left: Bound;
			readonly right: Bound;
	  })
	| (Typed & {
			readonly kind: "is";
			readonly what: "null" | "true" | "false";
			readonly operand: Bound;
	  })
	| (Typed & {
			readonly kind: "in";
			readonly operand: Bound;
			readonly values: readonly Bound[];
	  })
	| (Typed & {
			readonly kind: "like";
			readonly operand: Bound;
			readonly pattern: Bound;
			readonly escape: string;
	  })
	| (Typed & {
			readonly kind: "case";
			/** Conditions are compared with it; they have its type. */
			readonly operand: Bound | undefined;
			readonly branches: readonly {
				readonly condition: Bound;
				readonly result: Bound;
			}[];
			readonly otherwise: Bound;
	  })
	| (Typed & { readonly kind: "cast"; readonly operand: Bound })
	| (Typed & {
			readonly kind: "call";
			readonly name: string;
			readonly args: readonly Bound[];
	  });

interface Typed {
	readonly type: DataType;
	/**
	 * Some value may have no result (EXPRESSION_FAILED); such a node is only evaluated for the rows
	 * that `AND`, `OR`, `CASE` and `coalesce` before it leave open.
	 */
	readonly fallible: boolean;
}

/** A bound node; it is fallible when `fallible` says so, or one below it is. */
export function node(made: Unfinished, fallible = false): Bound {
	const bound: Bound = { ...made, fallible };
	return fallible || boundPartsOf(bound).every((part) => !part.fallible)
		? bound
		: { ...bound, fallible: true };
}

type Unfinished = Bound extends infer B
	? B extends Bound
		? Omit<B, "fallible">
		: never
	: never;

/** The nodes directly below, from left to right. */
export function boundPartsOf(bound: Bound): readonly Bound[] {
	switch (bound.kind) {
		case "literal":
		case "column":
			return [];
		case "and":
		case "or":
			return bound.operands;
		case "not":
		case "negate":
		case "is":
		case "cast":
			return [bound.operand];
		case "compare":
		case "arithmetic":
			return [bound.left, bound.right];
		case "in":
			return [bound.operand, ...bound.values];
		case "like":
			return [bound.operand, bound.pattern];
		case "case":
			return [
				...(bound.operand === undefined ? [] : [bound.operand]),
				...bound.branches.flatMap(({ condition, result }) => [
					condition,
					result,
				]),
				bound.otherwise,
			];
		case "call":
			return bound.args;
	}
}
