import type { DataType, StructField, StructType } from "../columnar/types.ts";
import { type Bound, node } from "./bound.ts";
import { bindCall } from "./call.ts";
import { canCast, castCanFail } from "./cast.ts";
import {
	alike,
	arithmeticTypes,
	coerce,
	isInteger,
	isNumeric,
} from "./coerce.ts";
import { invalid, unsupported } from "./errors.ts";
import type { Comparison, Expression } from "./expression.ts";
import { likePattern } from "./like.ts";
import { typeText } from "./type-name.ts";

/**
 * Finds the columns of an expression in a schema, without regard to case, and gives every node its
 * type; literals become values of the type that they meet, losslessly.
 * @throws ExpressionError EXPRESSION_INVALID when a column is not there or types don't go together,
 *   EXPRESSION_UNSUPPORTED for operations outside of the subset
 */
export function bind(expression: Expression, schema: StructType): Bound {
	const inner = (part: Expression): Bound => bind(part, schema);
	const { at } = expression;
	switch (expression.kind) {
		case "literal": {
			const { value, type } = expression;
			return { kind: "literal", value, type, fallible: false };
		}
		case "column":
			return column(expression.path, schema, at);
		case "and":
		case "or":
			return node({
				kind: expression.kind,
				operands: expression.operands.map((part) => condition(part, schema)),
				type: "boolean",
			});
		case "not":
			return not(condition(expression.operand, schema));
		case "negate": {
			const operand = inner(expression.operand);
			if (!isNumeric(operand.type) && operand.type !== "void")
				throw invalid(`there is no − of a ${typeText(operand.type)}`, at);
			const { type } = operand;
			return node({ kind: "negate", operand, type }, isInteger(type));
		}
		case "compare":
			return compare(
				expression.operator,
				inner(expression.left),
				inner(expression.right),
				at,
			);
		case "arithmetic": {
			const left = inner(expression.left);
			const right = inner(expression.right);
			const { operator } = expression;
			const types = arithmeticTypes(operator, left, right);
			if (types === undefined)
				throw invalid(
					`there is no ${typeText(left.type)} ${operator} ${typeText(right.type)}; use CAST where a text is a number`,
					at,
				);
			return node(
				{
					kind: "arithmetic",
					operator,
					left: coerce(left, types.left, at),
					right: coerce(right, types.right, at),
					type: types.result,
				},
				operator === "/" ||
					operator === "%" ||
					(types.result !== "double" && types.result !== "float"),
			);
		}
		case "is": {
			const { what } = expression;
			const operand =
				what === "null"
					? inner(expression.operand)
					: condition(expression.operand, schema);
			const is = node({ kind: "is", what, operand, type: "boolean" });
			return expression.negated ? not(is) : is;
		}
		case "in": {
			const [operand, ...values] = alike(
				[expression.operand, ...expression.values].map(inner),
				at,
				"compared",
			) as [Bound, ...Bound[]];
			const found = node({ kind: "in", operand, values, type: "boolean" });
			return expression.negated ? not(found) : found;
		}
		case "between": {
			// Each comparison has a common type of its own, as in Spark.
			const operand = inner(expression.operand);
			const found = node({
				kind: "and",
				operands: [
					compare(">=", operand, inner(expression.low), at),
					compare("<=", operand, inner(expression.high), at),
				],
				type: "boolean",
			});
			return expression.negated ? not(found) : found;
		}
		case "like": {
			const operand = coerce(inner(expression.operand), "string", at);
			const pattern = coerce(inner(expression.pattern), "string", at);
			const { escape: mark } = expression;
			if (pattern.kind === "literal" && typeof pattern.value === "string")
				likePattern(pattern.value, mark, expression.pattern.at);
			const like = node(
				{ kind: "like", operand, pattern, escape: mark, type: "boolean" },
				pattern.kind !== "literal",
			);
			return expression.negated ? not(like) : like;
		}
		case "case":
			return cases(expression, schema);
		case "cast": {
			const operand = inner(expression.operand);
			const { to } = expression;
			if (!canCast(operand.type, to))
				throw unsupported(
					`a ${typeText(operand.type)} can't be cast to ${typeText(to)}`,
					at,
				);
			if (operand.type === to) return operand;
			if (operand.kind === "literal") return coerce(operand, to, at);
			return node(
				{ kind: "cast", operand, type: to },
				castCanFail(operand.type, to),
			);
		}
		case "call":
			return bindCall(expression.name, expression.args.map(inner), at);
	}
}

/**
 * As `bind`, of something that is true or not.
 * @throws ExpressionError EXPRESSION_INVALID when the expression is not a boolean
 */
export function bindPredicate(
	expression: Expression,
	schema: StructType,
): Bound {
	return condition(expression, schema);
}

function compare(
	operator: Comparison,
	left: Bound,
	right: Bound,
	at: number,
): Bound {
	const [one, other] = alike([left, right], at, "compared") as [Bound, Bound];
	return node({
		kind: "compare",
		operator,
		left: one,
		right: other,
		type: "boolean",
	});
}

function column(
	path: readonly string[],
	schema: StructType,
	at: number,
): Bound {
	const found: string[] = [];
	const places: number[] = [];
	let type: DataType = schema;
	for (const name of path) {
		if (typeof type === "string" || type.type !== "struct")
			throw found.length > 0 && typeof type !== "string"
				? unsupported(
						`${found.join(".")} is a ${type.type}; its elements can't be used`,
						at,
					)
				: invalid(
						`${found.join(".")} is a ${typeText(type)} and has no field ${name}`,
						at,
					);
		const fields: readonly StructField[] = type.fields;
		const place = placeOf(fields, name);
		const field = fields[place];
		if (field === undefined)
			throw invalid(
				`there is no ${found.length === 0 ? "column" : "field"} ${[...found, name].join(".")}; there are ${listed(fields)}`,
				at,
			);
		found.push(field.name);
		places.push(place);
		type = field.type;
	}
	return { kind: "column", path: found, places, type, fallible: false };
}

/** The same spelling counts more than the same letters. */
function placeOf(fields: readonly StructField[], name: string): number {
	const exact = fields.findIndex((field) => field.name === name);
	if (exact >= 0) return exact;
	const lower = name.toLowerCase();
	return fields.findIndex((field) => field.name.toLowerCase() === lower);
}

function listed(fields: readonly StructField[]): string {
	const names = fields.slice(0, 20).map(({ name }) => name);
	if (names.length === 0) return "none";
	return `${names.join(", ")}${fields.length > 20 ? ` and ${fields.length - 20} more` : ""}`;
}

function condition(expression: Expression, schema: StructType): Bound {
	const bound = bind(expression, schema);
	if (bound.type === "void") return coerce(bound, "boolean", expression.at);
	if (bound.type !== "boolean")
		throw invalid(
			`expected something true or false, found a ${typeText(bound.type)}`,
			expression.at,
		);
	return bound;
}

function cases(
	expression: Extract<Expression, { kind: "case" }>,
	schema: StructType,
): Bound {
	const { at, branches } = expression;
	const results = alike(
		[
			...branches.map(({ result }) => bind(result, schema)),
			expression.otherwise === undefined
				? { kind: "literal", value: null, type: "void", fallible: false }
				: bind(expression.otherwise, schema),
		],
		at,
		"mixed",
	);
	const conditions =
		expression.operand === undefined
			? branches.map((branch) => condition(branch.condition, schema))
			: alike(
					[
						bind(expression.operand, schema),
						...branches.map((branch) => bind(branch.condition, schema)),
					],
					at,
					"compared",
				);
	const operand =
		expression.operand === undefined ? undefined : conditions.shift();
	const otherwise = results.pop() as Bound;
	return node({
		kind: "case",
		operand,
		branches: conditions.map((each, i) => ({
			condition: each,
			result: results[i] as Bound,
		})),
		otherwise,
		type: otherwise.type,
	});
}

function not(operand: Bound): Bound {
	return node({ kind: "not", operand, type: "boolean" });
}
