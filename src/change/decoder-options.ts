import type { DecimalType, StructType } from "../columnar/types.ts";
import type { SourceType } from "../resource/cdc-pipeline.ts";
import type { ChangeMessage } from "./change.ts";
import type { ChangeIdentity } from "./change-identity.ts";
import type { Documents } from "./row-options.ts";

/** What a table wants of the records of its topic. */
export interface DecoderOptions {
	readonly source: SourceType;
	readonly mode: "append" | "upsert";
	/** Of the table as it is: its types win. */
	readonly tableSchema?: StructType | undefined;
	readonly deletes?: "hard" | "soft";
	/** Whether fields that the table lacks become columns, or are rescued. */
	readonly onNewColumn?: "add" | "rescue";
	/** Whether a column gets a wider type for values that need it, or those are rescued. */
	readonly onWiden?: "widen" | "rescue";
	/** Whether a record that does not fit the table is a dead letter, instead of a row with rescued values. */
	readonly frozen?: boolean;
	/** What nested values become. */
	readonly documents?: Documents;
	/** Levels of nesting that are columns, or parts of variants; what lies deeper is JSON. */
	readonly maxDepth?: number;
	/** What new columns of MongoDB's decimals are; of strings without it. */
	readonly decimals?: DecimalType | undefined;
	/** Whether the last records of the table were flattened: then tombstones are deletes. */
	readonly flattened?: boolean;
	/** Where the key's columns are known already. */
	readonly keyColumns?: readonly string[];
	/** Asked of each change whose place in the source's log is known; what came before makes no row. */
	readonly isRepeat?: (
		change: ChangeIdentity,
		message: ChangeMessage,
	) => boolean;
}
