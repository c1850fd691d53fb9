import { type Documents, MAX_DEPTH } from "../change/row-options.ts";
import type { DecimalType } from "../columnar/types.ts";
import { ConfigError } from "../errors.ts";

/** What to do with values that a table does not fit yet. */
export interface SchemaRules {
	/**
	 * `evolve` the table; `rescue` what it has no column for; or `freeze` it: a record that does not fit is a
	 * dead letter.
	 */
	readonly contract: "evolve" | "freeze" | "rescue";
	/** With `evolve`: a field that the table has no column for. */
	readonly onNewColumn: "add" | "rescue";
	/** With `evolve`: a value that only a wider type of its column holds. */
	readonly onWiden: "widen" | "rescue";
	/** What nested values become. */
	readonly documents: Documents;
	/** Levels of nesting that are columns, or parts of variants; what lies deeper is JSON. */
	readonly maxDepth: number;
	/** What MongoDB's decimals become: their exact text, or numbers. */
	readonly decimals: "string" | DecimalType;
}

export interface SchemaConfig extends SchemaRules {
	/** How long a table's schema is trusted without a look at the table. */
	readonly cacheTtlMs: number;
	/** Rules of single tables; the first that matches `schema.table` counts. */
	readonly tables: readonly {
		readonly table: RegExp;
		readonly rules: Partial<SchemaRules>;
	}[];
}

export const DEFAULT_SCHEMA: SchemaConfig = {
	contract: "evolve",
	onNewColumn: "add",
	onWiden: "widen",
	documents: "columns",
	maxDepth: MAX_DEPTH,
	decimals: "string",
	cacheTtlMs: 300_000,
	tables: [],
};

/** The rules for a table of the source. */
export function schemaRules(
	{ cacheTtlMs: _, tables, ...rules }: SchemaConfig,
	source: string,
): SchemaRules {
	const own = tables.find(({ table }) => table.test(source))?.rules ?? {};
	const merged = { ...rules, ...own };
	return merged.contract === "evolve"
		? merged
		: { ...merged, onNewColumn: "rescue", onWiden: "rescue" };
}

/**
 * `string` or `decimal(precision,scale)`, as `name` says.
 * @throws ConfigError for anything else
 */
export function decimalsOf(
	name: string,
	text: string,
): SchemaRules["decimals"] {
	if (text === "string") return text;
	const [, precision, scale] =
		/^decimal\((\d{1,2}),\s*(\d{1,2})\)$/.exec(text) ?? [];
	const [p, s] = [Number(precision), Number(scale)];
	if (!(p >= 1 && p <= 38 && s <= p))
		throw new ConfigError(
			`${name}=${text} is neither string nor decimal(precision,scale) with up to 38 digits, of which the scale is no more than all: write string or, for example, decimal(38,10)`,
		);
	return `decimal(${p},${s})`;
}

/** Whether a table's schema can become another by what the source sends. */
export function evolves({ onNewColumn, onWiden }: SchemaRules): boolean {
	return onNewColumn === "add" || onWiden === "widen";
}
