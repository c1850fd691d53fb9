import { formatValue, toJson, valueAt } from "../../columnar/value.ts";
import type { Batch } from "../../columnar/vector.ts";
import { DeltaError } from "../../delta/errors.ts";
import { ConfigError } from "../../errors.ts";
import { NotFoundError } from "../../storage/errors.ts";
import { type Flags, wholeNumber } from "./flags.ts";
import type { Output } from "./output.ts";
import { TextTable } from "./text-table.ts";

export interface RowOptions {
	/** The columns, in order; every batch has them. */
	readonly names: readonly string[];
	readonly format: RowFormat;
	readonly limit: number;
}

export type RowFormat = "table" | "ndjson" | "csv";

/** @throws ConfigError */
export function rowFlags(flags: Flags): Omit<RowOptions, "names"> {
	const limit = wholeNumber("limit", flags.limit) ?? Number.POSITIVE_INFINITY;
	const format = flags.format ?? (flags.json === true ? "ndjson" : "table");
	if (format !== "table" && format !== "ndjson" && format !== "csv")
		throw new ConfigError(
			`--format ${format} is not known: use table, ndjson or csv`,
		);
	if (flags.json === true && format !== "ndjson")
		throw new ConfigError(
			`--json and --format ${format} don't go together: leave one out`,
		);
	return { format, limit };
}

/** Prints rows as they come; no more of them are in memory than a batch. */
export async function printRows(
	out: Output,
	batches: AsyncIterable<Batch>,
	{ names, format, limit }: RowOptions,
): Promise<void> {
	const lines = linesOf(format, names);
	out.write(lines.start);
	let rows = 0;
	if (limit > 0)
		for await (const batch of withMissingFiles(batches)) {
			const columns = names.map((name) => columnOf(batch, name));
			for (let row = 0; row < batch.length && rows < limit; row++, rows++) {
				out.write(lines.row(columns.map((text) => text(row, format))));
				if (out.full) await out.flush();
			}
			if (rows >= limit) break;
		}
	out.write(lines.end());
}

/** @throws DeltaError DELTA_FILE_MISSING when a file of the table is gone */
export async function* withMissingFiles<Item>(
	items: AsyncIterable<Item>,
): AsyncGenerator<Item, void, undefined> {
	try {
		yield* items;
	} catch (cause) {
		if (!(cause instanceof NotFoundError)) throw cause;
		throw new DeltaError(
			"DELTA_FILE_MISSING",
			`a file of the table is gone (${cause.message}); a vacuum may have taken it: read a later version, or restore the file`,
			{ cause },
		);
	}
}

function columnOf(
	batch: Batch,
	name: string,
): (row: number, format: RowFormat) => string {
	const at = batch.schema.fields.findIndex((field) => field.name === name);
	const type = batch.schema.fields[at]?.type;
	const vector = batch.columns[at];
	if (type === undefined || vector === undefined)
		throw new TypeError(`the rows have no column ${name}`);
	return (row, format) => {
		const value = valueAt(vector, type, row);
		if (format === "ndjson") return toJson(value, type);
		if (format === "table") return formatValue(value, type);
		// Nothing is null; the empty text has its quotes.
		return value === null ? "" : csvText(formatValue(value, type));
	};
}

interface Lines {
	readonly start: string;
	/** Of texts that are in the format already. */
	readonly row: (cells: readonly string[]) => string;
	readonly end: () => string;
}

function linesOf(format: RowFormat, names: readonly string[]): Lines {
	const nothing = (): string => "";
	switch (format) {
		case "ndjson": {
			const keys = names.map((name) => JSON.stringify(name));
			return {
				start: "",
				row: (cells) =>
					`{${cells.map((text, i) => `${keys[i]}:${text}`).join(",")}}\n`,
				end: nothing,
			};
		}
		case "csv": {
			const line = (cells: readonly string[]): string => `${cells.join(",")}\n`;
			return { start: line(names.map(csvText)), row: line, end: nothing };
		}
		case "table": {
			const table = new TextTable(names);
			return {
				start: "",
				row: (cells) => table.add(cells),
				end: () => table.end(),
			};
		}
	}
}

function csvText(text: string): string {
	return text === "" || /[",\r\n]/.test(text)
		? `"${text.replaceAll('"', '""')}"`
		: text;
}
