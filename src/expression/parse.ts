import { Cursor, FOREIGN_WORDS } from "./cursor.ts";
import { invalid, unsupported } from "./errors.ts";
import type { Arithmetic, Comparison, Expression } from "./expression.ts";
import { depthOf } from "./expression.ts";
import { numberLiteral, stringLiteral } from "./literal.ts";
import { FUNCTIONS, functionNames, SYNONYMS } from "./signature.ts";
import { tokens } from "./token.ts";
import { typeNamed } from "./type-name.ts";

/** Levels of parentheses and the like in a text. */
const MAX_NESTING = 200;
/** Levels of the tree: a chain of `+` is one level a link, `AND` and `OR` chains are one level. */
const MAX_DEPTH = 1000;

/**
 * The expression that a text of Spark's SQL says; docs/reference/expressions.md has the subset.
 * @throws ExpressionError EXPRESSION_INVALID with the place and what was expected there,
 *   EXPRESSION_UNSUPPORTED for SQL outside of the subset
 */
export function parseExpression(text: string): Expression {
	const parser = new Parser(tokens(text));
	const expression = parser.expression();
	parser.end();
	if (depthOf(expression) > MAX_DEPTH)
		throw invalid(
			`the expression has more than ${MAX_DEPTH} levels; set parentheses so that operators of a chain are grouped, or split it`,
		);
	return expression;
}

/** Words that can't be a name unless they stand in back ticks. */
const RESERVED = new Set(
	"AND OR NOT NULL TRUE FALSE CASE WHEN THEN ELSE IN IS LIKE BETWEEN CAST".split(
		" ",
	),
);
const LEVELS: Readonly<Record<string, number>> = {
	"=": 1,
	"==": 1,
	"<>": 1,
	"!=": 1,
	"<": 1,
	"<=": 1,
	">": 1,
	">=": 1,
	"<=>": 1,
	"+": 2,
	"-": 2,
	"||": 2,
	"*": 3,
	"/": 3,
	"%": 3,
};

class Parser extends Cursor {
	#nesting = 0;

	expression(): Expression {
		if (++this.#nesting > MAX_NESTING)
			throw invalid(
				`the expression is nested deeper than ${MAX_NESTING} levels; simplify it`,
				this.token().at,
			);
		const expression = this.#chain("OR", () =>
			this.#chain("AND", () => this.#not()),
		);
		this.#nesting--;
		return expression;
	}

	end(): void {
		const token = this.token();
		if (token.kind !== "end")
			throw this.unexpected("an operator, AND, OR or the end");
	}

	#chain(word: "AND" | "OR", operand: () => Expression): Expression {
		const { at } = this.token();
		const first = operand();
		if (!this.isWord(word)) return first;
		const operands = [first];
		while (this.takeWord(word)) operands.push(operand());
		return { kind: word === "AND" ? "and" : "or", operands, at };
	}

	#not(): Expression {
		const places: number[] = [];
		for (let { at } = this.token(); ; { at } = this.token()) {
			if (!this.takeWord("NOT") && !this.takeSymbol("!")) break;
			places.push(at);
		}
		return places.reduceRight<Expression>(
			(operand, at) => ({ kind: "not", operand, at }),
			this.#predicate(),
		);
	}

	#predicate(): Expression {
		const operand = this.#binary(1);
		const { at } = this.token();
		if (this.takeWord("IS")) return this.#is(operand, at);
		const negated = this.takeWord("NOT");
		if (this.takeWord("BETWEEN")) {
			const low = this.#binary(1);
			this.expectWord("AND");
			const high = this.#binary(1);
			return { kind: "between", negated, operand, low, high, at };
		}
		if (this.takeWord("IN")) {
			this.expectSymbol("(");
			const values = this.#list();
			return { kind: "in", negated, operand, values, at };
		}
		if (this.takeWord("LIKE")) {
			if (this.isWord("ANY") || this.isWord("ALL") || this.isWord("SOME"))
				throw unsupported(
					"LIKE ANY, ALL and SOME are not supported; join LIKE with AND or OR",
					at,
				);
			const pattern = this.#binary(1);
			const mark = this.takeWord("ESCAPE") ? this.#escape() : "\\";
			return { kind: "like", negated, operand, pattern, escape: mark, at };
		}
		if (negated) throw this.unexpected("IN, BETWEEN or LIKE after NOT");
		return operand;
	}

	#is(operand: Expression, at: number): Expression {
		const negated = this.takeWord("NOT");
		if (this.takeWord("DISTINCT")) {
			this.expectWord("FROM");
			const right = this.#binary(1);
			const same: Expression = {
				kind: "compare",
				operator: "<=>",
				left: operand,
				right,
				at,
			};
			return negated ? same : { kind: "not", operand: same, at };
		}
		for (const what of ["null", "true", "false"] as const)
			if (this.takeWord(what.toUpperCase()))
				return { kind: "is", what, negated, operand, at };
		if (this.takeWord("UNKNOWN"))
			return { kind: "is", what: "null", negated, operand, at };
		throw this.unexpected("NULL, TRUE, FALSE or DISTINCT FROM after IS");
	}

	#escape(): string {
		const token = this.token();
		if (token.kind !== "string" || [...token.text].length !== 1)
			throw this.unexpected("a string of one character after ESCAPE");
		this.next++;
		return token.text;
	}

	/** Precedence climbing; every operator binds to the left. */
	#binary(least: number): Expression {
		let left = this.#unary();
		for (;;) {
			const token = this.token();
			const level =
				token.kind === "symbol" && Object.hasOwn(LEVELS, token.text)
					? (LEVELS[token.text] ?? 0)
					: 0;
			if (token.kind !== "symbol" || level < Math.max(least, 1)) return left;
			this.next++;
			const right = this.#binary(level + 1);
			left = joined(token, left, right);
		}
	}

	#unary(): Expression {
		const places: number[] = [];
		for (let { at } = this.token(); ; { at } = this.token()) {
			if (this.takeSymbol("+")) continue;
			if (!this.takeSymbol("-")) break;
			places.push(at);
		}
		const token = this.token();
		const sign = places.at(-1);
		// -9223372036854775808 is a long, though 9223372036854775808 is none.
		if (token.kind === "number" && sign !== undefined) {
			this.next++;
			places.pop();
			return negated(
				places,
				numberLiteral(token, { negative: true, at: sign }),
			);
		}
		return negated(places, this.#primary());
	}

	#primary(): Expression {
		const token = this.token();
		switch (token.kind) {
			case "number":
				this.next++;
				return numberLiteral(token, { negative: false, at: token.at });
			case "string":
				this.next++;
				return {
					kind: "literal",
					value: token.text,
					type: "string",
					at: token.at,
				};
			case "quoted":
				return this.#column();
			case "word":
				return this.#word(token.text, token.at);
			case "symbol":
				if (this.takeSymbol("(")) {
					const inner = this.expression();
					if (this.isSymbol(","))
						throw unsupported(
							"lists of values are not supported except after IN",
							token.at,
						);
					this.expectSymbol(")");
					if (this.isSymbol("."))
						throw unsupported(
							"a field of an expression in parentheses is not supported; write column.field",
							this.token().at,
						);
					return inner;
				}
		}
		throw this.unexpected("a column, a literal, a function or (");
	}

	#word(text: string, at: number): Expression {
		const word = text.toUpperCase();
		const next = this.following();
		if (next?.kind === "string") {
			const literal = stringLiteral(word, next.text, at);
			if (literal !== undefined) {
				this.next += 2;
				return literal;
			}
		}
		const call = next?.kind === "symbol" && next.text === "(";
		switch (word) {
			case "NULL":
				this.next++;
				return { kind: "literal", value: null, type: "void", at };
			case "TRUE":
			case "FALSE":
				this.next++;
				return { kind: "literal", value: word === "TRUE", type: "boolean", at };
			case "CASE":
				this.next++;
				return this.#case(at);
			case "CURRENT_DATE":
			case "CURRENT_TIMESTAMP":
				if (call) break;
				this.next++;
				return { kind: "call", name: word.toLowerCase(), args: [], at };
		}
		if (word === "CAST" && call) return this.#cast(at);
		if (FOREIGN_WORDS.has(word)) this.#refuseForeign(word, at);
		if (call) return this.#call(text, at);
		return this.#column();
	}

	#refuseForeign(word: string, at: number): void {
		const next = this.following();
		// A column may well be called so.
		if (
			next?.kind === "word" ||
			next?.kind === "number" ||
			next?.kind === "string" ||
			word === "EXISTS"
		)
			throw unsupported(
				`${word} is not supported; docs/reference/expressions.md lists what is`,
				at,
			);
	}

	#cast(at: number): Expression {
		this.next += 2;
		const operand = this.expression();
		this.expectWord("AS");
		const token = this.token();
		if (token.kind !== "word") throw this.unexpected("a type after AS");
		this.next++;
		const sizes: number[] = [];
		if (this.takeSymbol("(")) {
			do {
				const size = this.token();
				if (size.kind !== "number" || !/^\d{1,9}$/.test(size.text))
					throw this.unexpected("a number of digits");
				this.next++;
				sizes.push(Number(size.text));
			} while (this.takeSymbol(","));
			this.expectSymbol(")");
		}
		const to = typeNamed(token.text, sizes, token.at);
		this.expectSymbol(")");
		return { kind: "cast", operand, to, at };
	}

	#case(at: number): Expression {
		const operand = this.isWord("WHEN") ? undefined : this.expression();
		const branches: { condition: Expression; result: Expression }[] = [];
		while (this.takeWord("WHEN")) {
			const condition = this.expression();
			this.expectWord("THEN");
			branches.push({ condition, result: this.expression() });
		}
		if (branches.length === 0) throw this.unexpected("WHEN");
		const otherwise = this.takeWord("ELSE") ? this.expression() : undefined;
		this.expectWord("END");
		return { kind: "case", operand, branches, otherwise, at };
	}

	#call(text: string, at: number): Expression {
		const lower = text.toLowerCase();
		const name = Object.hasOwn(SYNONYMS, lower)
			? (SYNONYMS[lower] ?? lower)
			: lower;
		const arity = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
		if (arity === undefined)
			throw unsupported(
				`the function ${text.slice(0, 40)} is not supported; there are ${functionNames()}, CAST and CASE`,
				at,
			);
		this.next += 2;
		const args = this.takeSymbol(")") ? [] : this.#list();
		if (args.length < arity.least || args.length > arity.most)
			throw invalid(
				`${name} takes ${arity.least === arity.most ? arity.least : `${arity.least} to ${arity.most}`} arguments, not ${args.length}`,
				at,
			);
		return { kind: "call", name, args, at };
	}

	/** Expressions up to the closing parenthesis. */
	#list(): Expression[] {
		const values: Expression[] = [];
		do values.push(this.expression());
		while (this.takeSymbol(","));
		this.expectSymbol(")");
		return values;
	}

	#column(): Expression {
		const { at } = this.token();
		const path: string[] = [];
		do {
			const token = this.token();
			const reserved =
				token.kind === "word" &&
				path.length === 0 &&
				RESERVED.has(token.text.toUpperCase());
			if ((token.kind !== "word" && token.kind !== "quoted") || reserved)
				throw this.unexpected(
					path.length === 0
						? "a column, a literal, a function or ("
						: "the name of a field",
				);
			path.push(token.text);
			this.next++;
		} while (this.takeSymbol("."));
		return { kind: "column", path, at };
	}
}

function negated(places: readonly number[], operand: Expression): Expression {
	return places.reduceRight<Expression>(
		(inner, at) => ({ kind: "negate", operand: inner, at }),
		operand,
	);
}

function joined(
	{ text, at }: { readonly text: string; readonly at: number },
	left: Expression,
	right: Expression,
): Expression {
	switch (text) {
		case "||":
			return { kind: "call", name: "concat", args: [left, right], at };
		case "==":
			return { kind: "compare", operator: "=", left, right, at };
		case "!=":
			return { kind: "compare", operator: "<>", left, right, at };
	}
	return LEVELS[text] === 1
		? { kind: "compare", operator: text as Comparison, left, right, at }
		: { kind: "arithmetic", operator: text as Arithmetic, left, right, at };
}
