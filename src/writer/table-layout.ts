import { TableDecoder } from "../change/decoder.ts";
import type { DecoderOptions } from "../change/decoder-options.ts";
import { METADATA_COLUMNS } from "../change/metadata-columns.ts";
import { mappingMode } from "../delta/column-mapping.ts";
import { demandsOfRows, tableConstraints } from "../delta/constraints.ts";
import { mergeSchema } from "../delta/schema.ts";
import type { Snapshot } from "../delta/snapshot.ts";
import type { TableLayout } from "../delta/stage.ts";
import type { WriterConfig } from "./config.ts";
import type { Route } from "./route.ts";
import { DEFAULT_SCHEMA, schemaRules } from "./schema-rules.ts";

/** The property that says what the last records of a table were: tombstones of flattened ones are deletes. */
export const RECORDS = "tributary.records";
export const FLATTENED = "flattened";

/** A decoder for a table as it is; `undefined` for one that is not there yet. */
export function decoderFor(
	config: WriterConfig,
	route: Pick<Route, "mode" | "source">,
	snapshot: Snapshot | undefined,
	keyColumns: readonly string[] = [],
	isRepeat?: DecoderOptions["isRepeat"],
): TableDecoder {
	const rules = schemaRules(config.schema ?? DEFAULT_SCHEMA, route.source);
	return new TableDecoder({
		source: config.source,
		mode: route.mode,
		tableSchema: snapshot === undefined ? undefined : sourceSchema(snapshot),
		deletes: config.deletes,
		onNewColumn: rules.onNewColumn,
		onWiden: rules.onWiden,
		frozen: rules.contract === "freeze",
		documents: rules.documents,
		maxDepth: rules.maxDepth,
		decimals: rules.decimals === "string" ? undefined : rules.decimals,
		keyColumns,
		flattened: snapshot?.metadata.configuration[RECORDS] === FLATTENED,
		...(isRepeat === undefined ? {} : { isRepeat }),
	});
}

/** Whether rows of the table have to fulfil something, or are completed. */
export function constrained(snapshot: Snapshot | undefined): boolean {
	return (
		snapshot !== undefined &&
		demandsOfRows(tableConstraints(snapshot.metadata, snapshot.schema))
	);
}

/**
 * Whether files have to be made again for a table whose metadata changed: those of a mapped table have
 * names that only the metadata they were written for knows, and rows may break a constraint that came
 * since they were checked.
 */
export function demandsNewFiles(snapshot: Snapshot | undefined): boolean {
	return (
		constrained(snapshot) ||
		(snapshot !== undefined &&
			mappingMode(snapshot.protocol, snapshot.metadata) !== "none")
	);
}

/** Whether files for one layout have columns of narrower types than the other. */
export function retyped(staged: TableLayout, table: TableLayout): boolean {
	return mergeSchema(staged.schema, table.schema).conflicts.length > 0;
}

/** The table's schema without the columns that a writer adds itself. */
function sourceSchema({ schema }: Snapshot) {
	const own = new Set(METADATA_COLUMNS.map(({ name }) => name));
	return {
		type: "struct" as const,
		fields: schema.fields.filter(({ name }) => !own.has(name)),
	};
}
