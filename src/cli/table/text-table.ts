const WIDEST = 40;

/** Rows as aligned columns; long values are cut, which the other formats never do. */
export function tableText(
	names: readonly string[],
	rows: readonly (readonly string[])[],
): string {
	const table = new TextTable(names);
	return rows.map((row) => table.add(row)).join("") + table.end();
}

/** Rows that are looked at before the first is printed. */
const SAMPLE = 1000;

/** Aligned columns of any number of rows: the first ones say how wide they are. */
export class TextTable {
	readonly #names: readonly string[];
	#sample: string[][] | undefined = [];
	#widths: number[] = [];

	constructor(names: readonly string[]) {
		this.#names = names.map(printable);
	}

	/** What can be printed now. */
	add(cells: readonly string[]): string {
		const row = cells.map(printable);
		if (this.#sample === undefined) return this.#line(row);
		this.#sample.push(row);
		return this.#sample.length < SAMPLE ? "" : this.end();
	}

	/** What was held back. */
	end(): string {
		if (this.#sample === undefined) return "";
		const rows = [[...this.#names], ...this.#sample];
		this.#sample = undefined;
		this.#widths = this.#names.map((_, i) =>
			rows.reduce((most, row) => Math.max(most, widthOf(row[i] ?? "")), 0),
		);
		return rows.map((row) => this.#line(row)).join("");
	}

	#line(row: readonly string[]): string {
		return `${row
			.map(
				(text, i) =>
					text +
					" ".repeat(Math.max(0, (this.#widths[i] ?? 0) - widthOf(text))),
			)
			.join("  ")
			.trimEnd()}\n`;
	}
}

/** In one line, without what a terminal would obey. */
function printable(text: string): string {
	const start = text.slice(0, 4 * WIDEST);
	const plain = start.replace(
		// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about
		/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g,
		(char) =>
			ESCAPES[char] ?? `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
	);
	const letters = [...plain];
	return letters.length > WIDEST || start.length < text.length
		? `${letters.slice(0, WIDEST - 1).join("")}…`
		: plain;
}

const ESCAPES: Readonly<Record<string, string>> = {
	"\n": "\\n",
	"\r": "\\r",
	"\t": "\\t",
};

function widthOf(text: string): number {
	return [...text].length;
}
