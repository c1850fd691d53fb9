import { invalid, unsupported } from "./errors.ts";
import { type Token, tokenText } from "./token.ts";

/** Words of Spark's SQL that are no part of the subset. */
export const FOREIGN_WORDS = new Set(
	"DIV RLIKE REGEXP ILIKE SELECT EXISTS INTERVAL OVER COLLATE".split(" "),
);

/** A place in a list of tokens, which ends with an `end`. */
export abstract class Cursor {
	readonly #tokens: readonly Token[];
	protected next = 0;

	constructor(tokens: readonly Token[]) {
		this.#tokens = tokens;
	}

	protected following(): Token | undefined {
		return this.#tokens[this.next + 1];
	}

	protected token(): Token {
		return this.#tokens[this.next] as Token;
	}

	protected isWord(word: string): boolean {
		const token = this.token();
		return token.kind === "word" && token.text.toUpperCase() === word;
	}

	protected takeWord(word: string): boolean {
		const taken = this.isWord(word);
		if (taken) this.next++;
		return taken;
	}

	protected expectWord(word: string): void {
		if (!this.takeWord(word)) throw this.unexpected(word);
	}

	protected isSymbol(symbol: string): boolean {
		const token = this.token();
		return token.kind === "symbol" && token.text === symbol;
	}

	protected takeSymbol(symbol: string): boolean {
		const taken = this.isSymbol(symbol);
		if (taken) this.next++;
		return taken;
	}

	protected expectSymbol(symbol: string): void {
		if (!this.takeSymbol(symbol)) throw this.unexpected(symbol);
	}

	protected unexpected(expected: string): Error {
		const token = this.token();
		if (token.kind === "word" && FOREIGN_WORDS.has(token.text.toUpperCase()))
			return unsupported(
				`${token.text.toUpperCase()} is not supported; docs/reference/expressions.md lists what is`,
				token.at,
			);
		return invalid(`expected ${expected}, found ${tokenText(token)}`, token.at);
	}
}
