import { type DataType, decimalParts } from "../columnar/types.ts";
import { isDecimal } from "../columnar/value.ts";
import type { Bound } from "./bound.ts";
import { canCast, castCanFail, castValue } from "./cast.ts";
import { ExpressionError, invalid, unsupported } from "./errors.ts";
import type { Arithmetic } from "./expression.ts";
import { MAX_PRECISION, parseDecimal, typeOfDecimal } from "./number.ts";
import { typeText } from "./type-name.ts";

/**
 * A node as another type: a literal is converted now, anything else gets a `cast`.
 * @throws ExpressionError EXPRESSION_INVALID when there is no such conversion, or the literal has no
 *   place in the type
 */
export function coerce(bound: Bound, to: DataType, at: number): Bound {
	if (sameType(bound.type, to)) return bound;
	if (!canCast(bound.type, to))
		throw invalid(
			`a ${typeText(bound.type)} can't be taken as ${typeText(to)}`,
			at,
		);
	if (bound.kind !== "literal")
		return {
			kind: "cast",
			operand: bound,
			type: to,
			fallible: bound.fallible || castCanFail(bound.type, to),
		};
	try {
		const value = castValue(bound.value, bound.type, to);
		return {
			kind: "literal",
			value,
			type: to,
			converted: true,
			fallible: false,
		};
	} catch (error) {
		if (error instanceof ExpressionError) throw invalid(error.message, at);
		throw error;
	}
}

/**
 * The type that values of both can be compared in, as Spark's ANSI mode chooses it; literals have a
 * say by their value, so that nothing of them is lost. `undefined` when there is none.
 */
export function commonType(a: Bound, b: Bound): DataType | undefined {
	if (sameType(a.type, b.type)) return a.type;
	if (a.type === "void") return b.type;
	if (b.type === "void") return a.type;
	if (a.type === "string") return withString(a, b);
	if (b.type === "string") return withString(b, a);
	if (isNumeric(a.type) && isNumeric(b.type)) return widerNumber(a, b);
	const times = ["date", "timestamp_ntz", "timestamp"];
	const place = Math.max(
		times.indexOf(typeText(a.type)),
		times.indexOf(typeText(b.type)),
	);
	return times.includes(typeText(a.type)) && times.includes(typeText(b.type))
		? (times[place] as DataType)
		: undefined;
}

/** Nodes of one type, which has room for the values of each. */
export function alike(
	nodes: readonly Bound[],
	at: number,
	doing: "compared" | "mixed",
): Bound[] {
	const [head, ...rest] = (
		doing === "compared"
			? nodes
			: // Spark goes by the digits of a literal only where it meets one other value.
				nodes.map(({ type }) => typed(type))
	) as [Bound, ...Bound[]];
	let seen = head;
	for (const each of rest) {
		const type = commonType(seen, each);
		if (type === undefined)
			throw invalid(
				`a ${typeText(seen.type)} and a ${typeText(each.type)} can't be ${doing}; CAST one of them`,
				at,
			);
		if (
			!sameType(type, seen.type) ||
			(seen.kind === "literal" && each.kind === "literal")
		)
			seen = typed(type);
	}
	const type =
		seen.type === "void" && doing === "compared" ? "boolean" : seen.type;
	if (doing === "compared" && (typeof type !== "string" || type === "variant"))
		throw unsupported(
			`values of type ${typeText(type)} can't be compared; compare their fields`,
			at,
		);
	return nodes.map((each) => coerce(each, type, at));
}

/**
 * The types of `a operator b` as Spark has them: of both operands and of the result.
 * `undefined` when these types have no such operation.
 */
export function arithmeticTypes(
	operator: Arithmetic,
	a: Bound,
	b: Bound,
): { left: DataType; right: DataType; result: DataType } | undefined {
	const types = [a, b].map(({ type }) => type);
	if (!types.every((type) => isNumeric(type) || type === "void"))
		return undefined;
	const known = types.find((type) => type !== "void") ?? "integer";
	const left = a.type === "void" ? known : a.type;
	const right = b.type === "void" ? known : b.type;
	const same = (type: DataType) => ({ left: type, right: type, result: type });
	const floating = [left, right].some(
		(type) => type === "float" || type === "double",
	);
	if (floating || (operator === "/" && isInteger(left) && isInteger(right))) {
		return operator !== "/" && left === "float" && right === "float"
			? same("float")
			: same("double");
	}
	if (isInteger(left) && isInteger(right))
		return same(SIZES.indexOf(left) > SIZES.indexOf(right) ? left : right);
	const x = decimalFor({ ...a, type: left });
	const y = decimalFor({ ...b, type: right });
	return {
		left: decimalType(x),
		right: decimalType(y),
		result: resultDecimal(operator, x, y),
	};
}

export function isNumeric(type: DataType): boolean {
	return (
		isInteger(type) ||
		type === "float" ||
		type === "double" ||
		decimalParts(type) !== undefined
	);
}

/** Something of a type. */
function typed(type: DataType): Bound {
	return { kind: "literal", value: null, type, fallible: false };
}

interface Digits {
	readonly precision: number;
	readonly scale: number;
}

const SIZES: readonly DataType[] = ["byte", "short", "integer", "long"];
const INTEGER_DIGITS = [3, 5, 10, 20];
/** What Spark keeps of the digits after the point when a result has more than 38. */
const MINIMUM_SCALE = 6;

export function isInteger(type: DataType): boolean {
	return SIZES.includes(type);
}

function sameType(a: DataType, b: DataType): boolean {
	return (
		a === b ||
		(typeof a !== "string" && JSON.stringify(a) === JSON.stringify(b))
	);
}

function withString(text: Bound, other: Bound): DataType | undefined {
	const { type } = other;
	const literal =
		text.kind === "literal" && typeof text.value === "string"
			? text.value
			: undefined;
	if (isInteger(type)) return "long";
	if (decimalParts(type) !== undefined) {
		// The literal's own digits; a column's are not known, so that Spark takes doubles.
		const value =
			literal === undefined ? undefined : parseDecimal(literal.trim());
		const own = value === undefined ? undefined : typeOfDecimal(value);
		return own === undefined || value === undefined
			? "double"
			: widerNumber(other, {
					kind: "literal",
					value,
					type: own,
					fallible: false,
				});
	}
	if (type === "float") return "double";
	return typeof type === "string" && type !== "variant" ? type : undefined;
}

/** `undefined` when no decimal has room for both. */
function widerNumber(a: Bound, b: Bound): DataType | undefined {
	if (isInteger(a.type) && isInteger(b.type))
		return SIZES.indexOf(a.type) > SIZES.indexOf(b.type) ? a.type : b.type;
	const types = [a.type, b.type];
	if (types.includes("double")) return "double";
	if (types.includes("float"))
		return types.every(
			(type) => type === "float" || type === "byte" || type === "short",
		)
			? "float"
			: "double";
	const x = decimalFor(a);
	const y = decimalFor(b);
	const scale = Math.max(x.scale, y.scale);
	const whole = Math.max(x.precision - x.scale, y.precision - y.scale);
	return whole + scale > MAX_PRECISION
		? undefined
		: decimalType({ precision: whole + scale, scale });
}

/** The digits of a number that is no float: a literal has its own, an integer column the most. */
function decimalFor(bound: Bound): Digits {
	const decimal = decimalParts(bound.type);
	if (decimal !== undefined) return decimal;
	if (
		bound.kind === "literal" &&
		bound.converted !== true &&
		bound.value !== null &&
		!isDecimal(bound.value)
	) {
		const digits = String(bound.value).replace("-", "").length;
		return { precision: digits, scale: 0 };
	}
	const precision = INTEGER_DIGITS[SIZES.indexOf(bound.type)] ?? MAX_PRECISION;
	return { precision, scale: 0 };
}

function resultDecimal(operator: Arithmetic, x: Digits, y: Digits): DataType {
	const scale = Math.max(x.scale, y.scale);
	const whole = Math.max(x.precision - x.scale, y.precision - y.scale);
	switch (operator) {
		case "+":
		case "-":
			return decimalType(bounded(whole + scale + 1, scale));
		case "*":
			return decimalType(
				bounded(x.precision + y.precision + 1, x.scale + y.scale),
			);
		case "/": {
			const after = Math.max(MINIMUM_SCALE, x.scale + y.precision + 1);
			const before = x.precision - x.scale + y.scale;
			return decimalType(bounded(before + after, after));
		}
		case "%": {
			const before = Math.min(x.precision - x.scale, y.precision - y.scale);
			return decimalType(bounded(before + scale, scale));
		}
	}
}

/** Spark's DecimalType.adjustPrecisionScale: digits before the point go before those after it. */
function bounded(precision: number, scale: number): Digits {
	if (precision <= MAX_PRECISION) return { precision, scale };
	const whole = precision - scale;
	const least = Math.min(scale, MINIMUM_SCALE);
	return {
		precision: MAX_PRECISION,
		scale: Math.max(MAX_PRECISION - whole, least),
	};
}

function decimalType({ precision, scale }: Digits): DataType {
	return `decimal(${precision},${scale})`;
}
