import type { DataType } from "../columnar/types.ts";
import type { Value } from "../columnar/vector.ts";
import { invalid } from "./errors.ts";
import type { Expression } from "./expression.ts";
import { parseDecimal, typeOfDecimal } from "./number.ts";
import { parseDate, parseTimestamp } from "./time.ts";
import type { Token } from "./token.ts";

/** A number as Spark types it: int, else long, else a decimal; a double with an exponent. */
export function numberLiteral(
	token: Extract<Token, { kind: "number" }>,
	options: { readonly negative: boolean; readonly at: number },
): Expression {
	const text = options.negative ? `-${token.text}` : token.text;
	const literal = (value: Value, type: DataType): Expression => ({
		kind: "literal",
		value,
		type,
		at: options.at,
	});
	const plain = /^-?\d+$/.test(text);
	switch (token.suffix) {
		case "D":
			return literal(finite(Number(text), text, "double", token.at), "double");
		case "F": {
			const value = finite(Math.fround(Number(text)), text, "float", token.at);
			return literal(value, "float");
		}
		case "L":
		case "S":
		case "Y": {
			const [type, bits] = SIZES[token.suffix] ?? SIZES.L;
			if (!plain) throw notOf(text, type, token.at);
			const whole = BigInt(text);
			if (whole !== BigInt.asIntN(bits, whole))
				throw notOf(text, type, token.at);
			return literal(type === "long" ? whole : Number(whole), type);
		}
	}
	if (token.suffix === "" && /[eE]/.test(text))
		return literal(finite(Number(text), text, "double", token.at), "double");
	if (plain && token.suffix === "") {
		const whole = BigInt(text);
		if (whole === BigInt.asIntN(32, whole))
			return literal(Number(whole), "integer");
		if (whole === BigInt.asIntN(64, whole)) return literal(whole, "long");
	}
	const decimal = parseDecimal(text);
	const type = decimal === undefined ? undefined : typeOfDecimal(decimal);
	if (decimal === undefined || type === undefined)
		throw notOf(text, "decimal of 38 digits", token.at);
	return literal(decimal, type);
}

/** `DATE '…'` and the like; `undefined` when the word makes no literal. */
export function stringLiteral(
	word: string,
	text: string,
	at: number,
): Expression | undefined {
	switch (word) {
		case "DATE": {
			const value = parseDate(text);
			if (value === undefined)
				throw invalid(
					`'${text.slice(0, 60)}' is no date; write 2026-08-31`,
					at,
				);
			return { kind: "literal", value, type: "date", at };
		}
		case "TIMESTAMP":
		case "TIMESTAMP_LTZ":
		case "TIMESTAMP_NTZ": {
			const value = parseTimestamp(text);
			if (value === undefined)
				throw invalid(
					`'${text.slice(0, 60)}' is no timestamp; write 2026-08-31 12:00:00.000001, with Z or an offset such as +02:00 when it is not UTC`,
					at,
				);
			const type = word === "TIMESTAMP_NTZ" ? "timestamp_ntz" : "timestamp";
			return { kind: "literal", value, type, at };
		}
		case "X": {
			if (!/^[0-9a-fA-F]*$/.test(text))
				throw invalid(`X'${text.slice(0, 60)}' has other than hex digits`, at);
			const even = text.length % 2 === 0 ? text : `0${text}`;
			const value = new Uint8Array(Buffer.from(even, "hex"));
			return { kind: "literal", value, type: "binary", at };
		}
	}
	return undefined;
}

const SIZES = {
	L: ["long", 64],
	S: ["short", 16],
	Y: ["byte", 8],
} as const;

function finite(value: number, text: string, type: string, at: number): number {
	if (!Number.isFinite(value)) throw notOf(text, type, at);
	return value;
}

function notOf(text: string, type: string, at: number): Error {
	return invalid(`${text.slice(0, 60)} is no ${type}`, at);
}
