import { invalid, unsupported } from "./errors.ts";

export type Token =
	| { readonly kind: "word"; readonly text: string; readonly at: number }
	/** A name in back ticks: never a keyword. */
	| { readonly kind: "quoted"; readonly text: string; readonly at: number }
	| {
			readonly kind: "number";
			/** Digits, with a point or an exponent; without the suffix. */
			readonly text: string;
			/** `L`, `S`, `Y`, `D`, `F`, `BD` or nothing. */
			readonly suffix: string;
			readonly at: number;
	  }
	| { readonly kind: "string"; readonly text: string; readonly at: number }
	| { readonly kind: "symbol"; readonly text: string; readonly at: number }
	| { readonly kind: "end"; readonly at: number };

/**
 * The tokens of a text, with Spark's rules: strings in single or double quotes with backslash
 * escapes, a doubled quote for a quote, `r'…'` without escapes; names in back ticks; `--` and
 * `/* *\/` comments. Every character is looked at once.
 * @throws ExpressionError
 */
export function tokens(text: string): Token[] {
	const found: Token[] = [];
	let at = 0;
	while (at < text.length) {
		const char = text.charAt(at);
		if (SPACE.test(char)) at++;
		else if (text.startsWith("--", at)) at = after(text, "\n", at, at);
		else if (text.startsWith("/*", at)) at = after(text, "*/", at + 2, at);
		else {
			const token = read(text, at, char);
			found.push(token.token);
			at = token.end;
		}
	}
	found.push({ kind: "end", at: text.length });
	return found;
}

/** How a message names a token. */
export function tokenText(token: Token): string {
	switch (token.kind) {
		case "end":
			return "the end";
		case "string":
			return `'${token.text.slice(0, 40)}'`;
		case "quoted":
			return `\`${token.text.slice(0, 40)}\``;
		default:
			return token.text.slice(0, 40);
	}
}

const SPACE = /^\s$/;
const WORD = /[\p{L}\p{N}_]/u;
const DIGIT = /[0-9]/;
/** Longer ones first. */
const SYMBOLS = [
	..."<=> <> != <= >= == || && :: -> < > = + - * / % ( ) , . ! [ ] { } & | ^ ~ ; ? : @ #".split(
		" ",
	),
];
const FOREIGN = new Set("&& :: -> [ ] { } & | ^ ~ ; ? : @ #".split(" "));

function read(
	text: string,
	at: number,
	char: string,
): { readonly token: Token; readonly end: number } {
	if (char === "'" || char === '"') return quotedString(text, at, at, false);
	if ((char === "r" || char === "R") && /^['"]$/.test(text.charAt(at + 1)))
		return quotedString(text, at, at + 1, true);
	if (char === "`") return quotedName(text, at);
	if (DIGIT.test(char) || (char === "." && DIGIT.test(text.charAt(at + 1))))
		return number(text, at);
	if (WORD.test(charAt(text, at))) {
		let end = at;
		while (end < text.length && WORD.test(charAt(text, end)))
			end += charAt(text, end).length;
		return { token: { kind: "word", text: text.slice(at, end), at }, end };
	}
	const symbol = SYMBOLS.find((each) => text.startsWith(each, at));
	if (symbol === undefined)
		throw invalid(
			`${JSON.stringify(charAt(text, at))} is no part of an expression; names with such characters stand in back ticks`,
			at,
		);
	if (FOREIGN.has(symbol))
		throw unsupported(
			`the operator ${symbol} is not supported; there are = == <> != < <= > >= <=> + - * / % || AND OR NOT IS IN BETWEEN LIKE`,
			at,
		);
	return {
		token: { kind: "symbol", text: symbol, at },
		end: at + symbol.length,
	};
}

function charAt(text: string, at: number): string {
	return String.fromCodePoint(text.codePointAt(at) ?? 0);
}

function after(text: string, mark: string, from: number, at: number): number {
	const end = text.indexOf(mark, from);
	if (end >= 0) return end + mark.length;
	if (mark === "\n") return text.length;
	throw invalid(`the comment is not closed; end it with ${mark}`, at);
}

function quotedName(text: string, at: number) {
	let name = "";
	for (let i = at + 1; i < text.length; i++) {
		if (text[i] !== "`") name += text[i];
		else if (text[i + 1] === "`") {
			name += "`";
			i++;
		} else {
			const token: Token = { kind: "quoted", text: name, at };
			return { token, end: i + 1 };
		}
	}
	throw invalid("the name is not closed; end it with a back tick", at);
}

function quotedString(text: string, at: number, open: number, raw: boolean) {
	const quote = text.charAt(open);
	let value = "";
	let i = open + 1;
	while (i < text.length) {
		const char = text.charAt(i);
		if (char === quote) {
			if (raw || text[i + 1] !== quote) {
				const token: Token = { kind: "string", text: value, at };
				return { token, end: i + 1 };
			}
			value += quote;
			i += 2;
		} else if (char === "\\" && !raw && i + 1 < text.length) {
			const { char: real, end } = escaped(text, i + 1);
			value += real;
			i = end;
		} else {
			value += char;
			i++;
		}
	}
	throw invalid(`the string is not closed; end it with ${quote}`, at);
}

const ESCAPES: Readonly<Record<string, string>> = {
	b: "\b",
	n: "\n",
	r: "\r",
	t: "\t",
	Z: "\u001a",
	// LIKE still has to see that these were escaped.
	"%": "\\%",
	_: "\\_",
};

function escaped(text: string, at: number): { char: string; end: number } {
	const unicode = /^(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/.exec(
		text.slice(at, at + 9),
	);
	if (unicode !== null) {
		const code = Number.parseInt(unicode[1] ?? unicode[2] ?? "", 16);
		if (code > 0x10ffff)
			throw invalid(`\\${unicode[0]} is no character of Unicode`, at - 1);
		// UTF-16 units, so that two of them make a pair.
		const char =
			code > 0xffff ? String.fromCodePoint(code) : String.fromCharCode(code);
		return { char, end: at + unicode[0].length };
	}
	const octal = /^[0-1][0-7]{2}/.exec(text.slice(at, at + 3));
	if (octal !== null)
		return {
			char: String.fromCharCode(Number.parseInt(octal[0], 8)),
			end: at + 3,
		};
	const char = text.charAt(at);
	if (char === "0") return { char: "\0", end: at + 1 };
	return { char: ESCAPES[char] ?? char, end: at + 1 };
}

function number(text: string, at: number) {
	let end = at;
	const digits = (): void => {
		while (DIGIT.test(text.charAt(end))) end++;
	};
	digits();
	if (text[end] === ".") {
		end++;
		digits();
	}
	if (/^[eE][+-]?[0-9]/.test(text.slice(end, end + 3))) {
		end += 2;
		digits();
	}
	let suffixEnd = end;
	while (suffixEnd < text.length && WORD.test(charAt(text, suffixEnd)))
		suffixEnd += charAt(text, suffixEnd).length;
	const suffix = text.slice(end, suffixEnd).toUpperCase();
	if (!/^(?:|L|S|Y|D|F|BD)$/.test(suffix))
		throw invalid(
			`${text.slice(at, suffixEnd).slice(0, 40)} is no number; a name that begins with a digit stands in back ticks`,
			at,
		);
	const token: Token = {
		kind: "number",
		text: text.slice(at, end),
		suffix,
		at,
	};
	return { token, end: suffixEnd };
}
