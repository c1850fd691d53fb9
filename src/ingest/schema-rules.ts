import type { Documents } from "../change/row-options.ts";
import type { StructField } from "../columnar/types.ts";

/** What to do with values that a table does not fit yet. */
export interface SchemaRules {
	/** Columns that are given: they are in the table from the start, in these types. */
	readonly columns: readonly StructField[];
	/**
	 * `evolve` the table; `rescue` what it has no column for; or `freeze` it: a file that does not fit is
	 * not loaded.
	 */
	readonly contract: "evolve" | "freeze" | "rescue";
	/** With `evolve`: a field that the table has no column for. */
	readonly onNewColumn: "add" | "rescue";
	/** With `evolve`: a value that only a wider type of its column holds. */
	readonly onWiden: "widen" | "rescue";
	/** What nested values of JSON become. */
	readonly documents: Documents;
	/** Levels of nesting that are columns; what lies deeper is JSON. */
	readonly maxDepth: number;
}

export function addsColumns({ contract, onNewColumn }: SchemaRules): boolean {
	return contract === "evolve" && onNewColumn === "add";
}

export function widensColumns({ contract, onWiden }: SchemaRules): boolean {
	return contract === "evolve" && onWiden === "widen";
}
