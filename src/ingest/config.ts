import type { StorageCredentials } from "../storage/open.ts";
import type { Selection } from "./discovery.ts";
import type { FormatOptions } from "./format.ts";
import type { SchemaRules } from "./schema-rules.ts";

/** All that one worker needs to know, with every default filled in. */
export interface IngestConfig {
	/** `namespace.name`; part of what identifies a file in the table. */
	readonly id: string;
	readonly source: {
		readonly location: string;
		readonly credentials: StorageCredentials;
	};
	readonly selection: Selection;
	readonly format: FormatOptions;
	readonly rules: SchemaRules;
	readonly sink: {
		/** Of the table itself. */
		readonly location: string;
		readonly credentials: StorageCredentials;
		readonly partitionBy: readonly string[];
		readonly properties: Readonly<Record<string, string>>;
	};
	readonly commit: {
		/** Files of one commit at most. */
		readonly maxFiles: number;
		/** Bytes of the files of one commit, but for the first. */
		readonly maxBytes: number;
	};
	/** Files that are loaded side by side. */
	readonly parallelism: number;
	/** Bytes of a file after which its rows are written. */
	readonly batchBytes: number;
	readonly retry: {
		/** Times that a file is tried again by itself. */
		readonly limit: number;
		/** Milliseconds before the first of them; it doubles. */
		readonly delayMs: number;
		/** A run waits for a file that is tried again within so many milliseconds. */
		readonly waitMs: number;
	};
	/** Milliseconds after which a file of a worker that is silent is another's. */
	readonly staleMs: number;
	/** Milliseconds between two looks at the source while watching. */
	readonly intervalMs: number;
	/** A cron schedule, in UTC, in place of the interval. */
	readonly schedule?: string | undefined;
}
