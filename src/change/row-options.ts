import type { DecimalType } from "../columnar/types.ts";
import type { Reading } from "./document.ts";
import type { Slot } from "./slot.ts";

/**
 * Levels of columns that a table can have: others parse its schema with a limit of 128 levels of JSON, of
 * which a struct takes three.
 */
export const MAX_DEPTH = 32;

export type Documents = "columns" | "variant" | "json";

/** Whether a column of another type than string could take a text. */
export type TextReader = (
	reading: Reading,
	slot: Slot,
	row: number,
	text: string,
) => boolean;

/** How a reader of rows treats what a table has no place for. */
export interface RowOptions {
	/** Whether fields that the table lacks become columns, or are rescued. */
	readonly newFields: boolean;
	/** Whether a column of the table may get a wider type. */
	readonly widens: boolean;
	/** Nested values become columns; or what is nested is one value, as a variant or JSON. */
	readonly documents?: Documents;
	/** Levels that are columns, or parts of variants; what lies deeper is JSON. */
	readonly maxDepth?: number;
	/** What a new column of MongoDB's decimals is; without it, as in keys, one of strings. */
	readonly decimals?: DecimalType | undefined;
	/** Reads strings into columns of other types than strings; without it they are rescued. */
	readonly texts?: TextReader;
}
