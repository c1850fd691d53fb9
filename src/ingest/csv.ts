import type { Boundary } from "./records.ts";

export interface CsvOptions {
	readonly delimiter: string;
	/** "" for none. */
	readonly quote: string;
	/** What makes a quote inside quotes part of the value: the quote itself, or a backslash. */
	readonly escape: "quote" | "backslash";
	/** The text of an unquoted cell that is null. */
	readonly nullText: string;
}

export type Cell = string | null;

/** Lines of a CSV file (RFC 4180): a line feed inside quotes ends none. */
export class CsvBoundary implements Boundary {
	readonly #quote: number;
	readonly #delimiter: number;
	readonly #backslash: boolean;
	#quoted = false;
	#escaped = false;
	/** A quote begins a quoted cell only at the cell's start. */
	#cellStart = true;
	/** The first quote in these bytes from some place on; it is looked for once. */
	#near: { readonly bytes: Buffer; readonly at: number } | undefined;

	constructor(options: CsvOptions) {
		const { quote, delimiter } = options;
		this.#quote = quote === "" ? -1 : quote.charCodeAt(0);
		this.#delimiter = delimiter.charCodeAt(0);
		this.#backslash = options.escape === "backslash";
	}

	get open(): boolean {
		return this.#quoted;
	}

	end(bytes: Buffer, at: number): number {
		if (!this.#quoted && this.#cellStart) {
			// Most lines have no quote at all.
			const feed = bytes.indexOf(0x0a, at);
			if (feed >= 0 && this.#nextQuote(bytes, at) > feed) return feed + 1;
		}
		for (let i = at; i < bytes.length; i++) {
			const byte = bytes[i] as number;
			if (this.#quoted) {
				if (this.#escaped) this.#escaped = false;
				else if (this.#backslash && byte === 0x5c) this.#escaped = true;
				else if (byte === this.#quote) {
					this.#quoted = false;
					// A doubled quote opens again what it closed.
					this.#cellStart = !this.#backslash;
				}
				continue;
			}
			if (byte === 0x0a) {
				this.#cellStart = true;
				return i + 1;
			}
			if (byte === this.#quote && this.#cellStart) this.#quoted = true;
			this.#cellStart = byte === this.#delimiter;
		}
		return -1;
	}

	#nextQuote(bytes: Buffer, at: number): number {
		if (this.#quote < 0) return Number.POSITIVE_INFINITY;
		if (this.#near?.bytes !== bytes || this.#near.at < at) {
			const found = bytes.indexOf(this.#quote, at);
			this.#near = {
				bytes,
				at: found < 0 ? Number.POSITIVE_INFINITY : found,
			};
		}
		return this.#near.at;
	}
}

/** The cells of a line, without what ends it. */
export function cellsOf(line: string, options: CsvOptions): Cell[] {
	const { delimiter, quote, nullText } = options;
	const text = line.replace(/\r?\n$/, "").replace(/\r$/, "");
	const plain = (cell: string): Cell => (cell === nullText ? null : cell);
	if (quote === "" || !text.includes(quote))
		return text.split(delimiter).map(plain);
	const cells: Cell[] = [];
	let at = 0;
	for (;;) {
		if (text[at] !== quote) {
			const end = text.indexOf(delimiter, at);
			cells.push(plain(text.slice(at, end < 0 ? text.length : end)));
			if (end < 0) return cells;
			at = end + 1;
			continue;
		}
		const quoted = quotedCell(text, at + 1, options);
		// What stands between the closing quote and the delimiter belongs to the value.
		const end = text.indexOf(delimiter, quoted.end);
		cells.push(
			quoted.value + text.slice(quoted.end, end < 0 ? text.length : end),
		);
		if (end < 0) return cells;
		at = end + 1;
	}
}

function quotedCell(
	text: string,
	from: number,
	{ quote, escape: escapes }: CsvOptions,
): { readonly value: string; readonly end: number } {
	let value = "";
	let at = from;
	let start = from;
	for (;;) {
		if (at >= text.length) return { value: value + text.slice(start), end: at };
		const char = text[at] as string;
		if (escapes === "backslash" && char === "\\" && at + 1 < text.length) {
			value += text.slice(start, at) + (text[at + 1] as string);
			at += 2;
			start = at;
		} else if (char !== quote) at++;
		else if (escapes === "quote" && text[at + 1] === quote) {
			value += text.slice(start, at + 1);
			at += 2;
			start = at;
		} else return { value: value + text.slice(start, at), end: at + 1 };
	}
}
