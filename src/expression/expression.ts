import type { DataType } from "../columnar/types.ts";
import type { Value } from "../columnar/vector.ts";

/** What a text says, before columns and types are known; `at` is its place in the text, from 0. */
export type Expression =
	| {
			readonly kind: "literal";
			readonly value: Value;
			readonly type: DataType;
			readonly at: number;
	  }
	| {
			readonly kind: "column";
			readonly path: readonly string[];
			readonly at: number;
	  }
	| {
			/** Any number of operands: a thousand `OR` are one node, not a thousand levels. */
			readonly kind: "and" | "or";
			readonly operands: readonly Expression[];
			readonly at: number;
	  }
	| {
			readonly kind: "not" | "negate";
			readonly operand: Expression;
			readonly at: number;
	  }
	| {
			readonly kind: "compare";
			readonly operator: Comparison;
			readonly left: Expression;
			readonly right: Expression;
			readonly at: number;
	  }
	| {
			readonly kind: "arithmetic";
			readonly operator: Arithmetic;
			readonly left: Expression;
			readonly right: Expression;
			readonly at: number;
	  }
	| {
			readonly kind: "is";
			readonly what: "null" | "true" | "false";
			readonly negated: boolean;
			readonly operand: Expression;
			readonly at: number;
	  }
	| {
			readonly kind: "in";
			readonly negated: boolean;
			readonly operand: Expression;
			readonly values: readonly Expression[];
			readonly at: number;
	  }
	| {
			readonly kind: "between";
			readonly negated: boolean;
			readonly operand: Expression;
			readonly low: Expression;
			readonly high: Expression;
			readonly at: number;
	  }
	| {
			readonly kind: "like";
			readonly negated: boolean;
			readonly operand: Expression;
			readonly pattern: Expression;
			/** One character. */
			readonly escape: string;
			readonly at: number;
	  }
	| {
			readonly kind: "case";
			/** `CASE operand WHEN …`: branches are compared with it. */
			readonly operand: Expression | undefined;
			readonly branches: readonly {
				readonly condition: Expression;
				readonly result: Expression;
			}[];
			readonly otherwise: Expression | undefined;
			readonly at: number;
	  }
	| {
			readonly kind: "cast";
			readonly operand: Expression;
			readonly to: DataType;
			readonly at: number;
	  }
	| {
			readonly kind: "call";
			/** In lower case. */
			readonly name: string;
			readonly args: readonly Expression[];
			readonly at: number;
	  };

export type Comparison = "=" | "<>" | "<" | "<=" | ">" | ">=" | "<=>";
export type Arithmetic = "+" | "-" | "*" | "/" | "%";

/** The columns that an expression names, each once, as they are spelled there. */
export function columnsOf(expression: Expression): string[][] {
	const found = new Map<string, string[]>();
	const open: Expression[] = [expression];
	for (let next = open.pop(); next !== undefined; next = open.pop()) {
		if (next.kind === "column")
			found.set(JSON.stringify(next.path), [...next.path]);
		for (const part of partsOf(next).toReversed()) open.push(part);
	}
	return [...found.values()];
}

/** The expressions directly below, from left to right. */
export function partsOf(expression: Expression): readonly Expression[] {
	switch (expression.kind) {
		case "literal":
		case "column":
			return [];
		case "and":
		case "or":
			return expression.operands;
		case "not":
		case "negate":
		case "is":
		case "cast":
			return [expression.operand];
		case "compare":
		case "arithmetic":
			return [expression.left, expression.right];
		case "in":
			return [expression.operand, ...expression.values];
		case "between":
			return [expression.operand, expression.low, expression.high];
		case "like":
			return [expression.operand, expression.pattern];
		case "case":
			return [
				...(expression.operand === undefined ? [] : [expression.operand]),
				...expression.branches.flatMap(({ condition, result }) => [
					condition,
					result,
				]),
				...(expression.otherwise === undefined ? [] : [expression.otherwise]),
			];
		case "call":
			return expression.args;
	}
}

/** Levels of nesting, counted without recursion. */
export function depthOf(expression: Expression): number {
	let depth = 0;
	for (
		let level: readonly Expression[] = [expression];
		level.length > 0;
		level = level.flatMap(partsOf)
	)
		depth++;
	return depth;
}
