import { expect, test } from "vitest";
import { ExpressionError } from "../../../src/expression/errors.ts";
import {
	columnsOf,
	type Expression,
	partsOf,
} from "../../../src/expression/expression.ts";
import { parseExpression } from "../../../src/expression/parse.ts";

/** The tree in prefix form. */
function shape(expression: Expression): string {
	const parts = partsOf(expression).map(shape).join(" ");
	switch (expression.kind) {
		case "literal": {
			const { value, type } = expression;
			if (typeof value === "object" && value !== null && "unscaled" in value)
				return `${value.unscaled}e-${value.scale}:${type}`;
			return `${value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value}:${type}`;
		}
		case "column":
			return expression.path.join("/");
		case "compare":
		case "arithmetic":
			return `(${expression.operator} ${parts})`;
		case "is":
			return `(is${expression.negated ? "-not" : ""}-${expression.what} ${parts})`;
		case "in":
		case "between":
			return `(${expression.negated ? "not-" : ""}${expression.kind} ${parts})`;
		case "like":
			return `(${expression.negated ? "not-" : ""}like${expression.escape} ${parts})`;
		case "cast":
			return `(cast ${expression.to} ${parts})`;
		case "call":
			return `(${expression.name} ${parts})`;
		default:
			return `(${expression.kind} ${parts})`;
	}
}

function failure(text: string): ExpressionError {
	try {
		parseExpression(text);
	} catch (error) {
		if (error instanceof ExpressionError) return error;
		throw error;
	}
	throw new Error(`${text} parses`);
}

test.each([
	[
		"a = 1 OR b = 2 AND NOT c",
		"(or (= a 1:integer) (and (= b 2:integer) (not c)))",
	],
	["NOT a = b", "(not (= a b))"],
	["a + b * c - d", "(- (+ a (* b c)) d)"],
	["a - b - c", "(- (- a b) c)"],
	["(a - (b - c))", "(- a (- b c))"],
	["a || b || 'x'", "(concat (concat a b) x:string)"],
	["-a * 2", "(* (negate a) 2:integer)"],
	["a -1", "(- a 1:integer)"],
	["a BETWEEN 1 AND 2 AND b", "(and (between a 1:integer 2:integer) b)"],
	["a not in (1, 2)", "(not-in a 1:integer 2:integer)"],
	["a IS NOT NULL and b is true", "(and (is-not-null a) (is-true b))"],
	["a IS NOT DISTINCT FROM b", "(<=> a b)"],
	["a LIKE 'x!%' ESCAPE '!'", "(like! a x!%:string)"],
	["a.b.`c d``e`.f", "a/b/c d`e/f"],
	["CASE WHEN a THEN 1 ELSE 2 END", "(case a 1:integer 2:integer)"],
	["case a when 1 then 'x' end", "(case a 1:integer x:string)"],
	["CAST(a AS decimal(10, 2))", "(cast decimal(10,2) a)"],
	["DATE '1970-01-02'", "1:date"],
	["timestamp'1970-01-01T00:00:00.000001Z'", "1:timestamp"],
	["date = date '1970-01-02'", "(= date 1:date)"],
	["X'0aFF'", "0aff:binary"],
	["current_timestamp", "(current_timestamp )"],
	["a /* b */ -- c\n = 1", "(= a 1:integer)"],
	["! a", "(not a)"],
	["day = 3", "(= day 3:integer)"],
])("%s keeps its precedence", (text, wanted) => {
	expect(shape(parseExpression(text))).toBe(wanted);
});

test.each([
	["2147483647", "2147483647:integer"],
	["2147483648", "2147483648:long"],
	["-2147483648", "-2147483648:integer"],
	["-9223372036854775808", "-9223372036854775808:long"],
	["9223372036854775808", "9223372036854775808e-0:decimal(19,0)"],
	["9007199254740993", "9007199254740993:long"],
	["0.1", "1e-1:decimal(1,1)"],
	["1.50", "150e-2:decimal(3,2)"],
	[".5", "5e-1:decimal(1,1)"],
	["1e3", "1000:double"],
	["1.5D", "1.5:double"],
	["5L", "5:long"],
	["5Y", "5:byte"],
	["1e3BD", "1000e-0:decimal(4,0)"],
	["'it''s \\n\\'q\\' \\u00e9 \\\\'", "it's \n'q' é \\:string"],
	["r'a\\n'", "a\\n:string"],
	["'100\\%'", "100\\%:string"],
])("the literal %s loses nothing", (text, wanted) => {
	expect(shape(parseExpression(text))).toBe(wanted);
});

test.each([
	["a =", 3, "expected a column"],
	["(a", 2, "expected )"],
	["a b", 2, "expected an operator"],
	["a = 'x", 4, "not closed"],
	["a IN 1", 5, "expected ("],
	["a IS 1", 5, "NULL, TRUE"],
	["a LIKE 'x' ESCAPE 'ab'", 18, "one character"],
	["CASE a END", 7, "expected WHEN"],
	["DATE '2026-02-30'", 0, "is no date"],
	["200Y", 0, "no byte"],
	["5a", 0, "is no number"],
	["", 0, "found the end"],
	["length()", 0, "1 arguments, not 0"],
	["CAST(a AS decimal(39, 0))", 10, "38 digits"],
	["and", 0, "expected a column"],
	["a = €", 4, "back ticks"],
])("%s says where and what is wrong", (text, position, message) => {
	const error = failure(text);
	expect(error.code).toBe("EXPRESSION_INVALID");
	expect(error.position).toBe(position);
	expect(error.message).toContain(message);
	expect(error.message).toContain(`character ${position + 1}`);
});

test.each([
	["regexp_replace(a, 'x', 'y')", "regexp_replace"],
	["constructor(a)", "constructor"],
	["a RLIKE 'x'", "RLIKE"],
	["a DIV 2", "DIV"],
	["a & 1", "&"],
	["m['k']", "["],
	["a IN (SELECT 1)", "SELECT"],
	["EXISTS (x)", "EXISTS"],
	["INTERVAL 1 DAY", "INTERVAL"],
	["(a, b) = (1, 2)", "lists of values"],
	["CAST(a AS array)", "array"],
	["a::int", "::"],
])("%s is refused as outside of the subset, by name", (text, name) => {
	const error = failure(text);
	expect(error.code).toBe("EXPRESSION_UNSUPPORTED");
	expect(error.message).toContain(name);
});

test("deep nesting ends with an error, not with a crash", () => {
	for (const text of [
		`${"(".repeat(100_000)}a${")".repeat(100_000)}`,
		`${"NOT ".repeat(100_000)}a`,
		`${"- ".repeat(100_000)}a`,
		`a${" + a".repeat(100_000)}`,
		`${"CASE WHEN ".repeat(5000)}a`,
		`${"abs(".repeat(5000)}a`,
	])
		expect(failure(text).code).toBe("EXPRESSION_INVALID");
	expect(shape(parseExpression(`${"(".repeat(150)}a${")".repeat(150)}`))).toBe(
		"a",
	);
});

test("a chain of 20,000 OR is one level", () => {
	const text = Array.from({ length: 20_000 }, (_, i) => `a = ${i}`).join(
		" OR ",
	);
	expect(partsOf(parseExpression(text))).toHaveLength(20_000);
});

test("the columns of an expression come once each, as spelled", () => {
	expect(
		columnsOf(parseExpression("a.B > 1 AND (a.B < length(`x y`) OR z IN (c))")),
	).toEqual([["a", "B"], ["x y"], ["z"], ["c"]]);
});

test("random token soup gives a tree or a typed error, quickly", () => {
	const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9));
	let state = seed >>> 0 || 1;
	const random = (n: number): number => {
		state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
		return Math.floor((state / 2 ** 32) * n);
	};
	const pieces =
		"a b.c `x` 1 2.5 1e3 'str' ( ) , . = <> <=> < + - * / % || AND OR NOT IS NULL TRUE IN BETWEEN LIKE ESCAPE CASE WHEN THEN ELSE END CAST AS int length ' ` -- /* DATE X \\ é 😀".split(
			" ",
		);
	let parsed = 0;
	for (let run = 0; run < 5000; run++) {
		const text = Array.from(
			{ length: 1 + random(8) },
			() => pieces[random(pieces.length)],
		).join(random(3) === 0 ? "" : " ");
		try {
			parseExpression(text);
			parsed++;
		} catch (error) {
			if (!(error instanceof ExpressionError))
				throw new Error(`seed ${seed}: ${text}`, { cause: error });
		}
	}
	expect(parsed, `seed ${seed}`).toBeGreaterThan(20);
});
