import type { StructType } from "../columnar/types.ts";
import type { Action } from "./actions.ts";
import { mapNewColumns, mappingMode } from "./column-mapping.ts";
import { type NewTable, newTable } from "./create.ts";
import { upgradedProtocol } from "./protocol.ts";
import {
	mergeSchema,
	parseSchema,
	type SchemaChange,
	type SchemaConflict,
} from "./schema.ts";
import type { TableLayout } from "./stage.ts";
import { TYPE_WIDENING } from "./type-widening.ts";

export interface Evolved {
	/** The table as rows of the incoming schema can be written to it. */
	readonly table: TableLayout;
	/** What a commit has to hold to make it so; empty when it is so already. */
	readonly actions: readonly Action[];
	readonly changes: readonly SchemaChange[];
	/** Columns that stay as they are though the incoming type does not fit. */
	readonly conflicts: readonly SchemaConflict[];
}

/**
 * A table with what `incoming` has beyond its schema: columns, and with `widen` wider types, for which
 * `delta.enableTypeWidening` is set.
 */
export function evolve(
	table: TableLayout,
	incoming: StructType,
	options: { readonly uuid: () => string; readonly widen?: boolean },
): Evolved {
	const { schema, changes, conflicts } = mergeSchema(
		table.schema,
		incoming,
		options.widen === undefined ? {} : { widen: options.widen },
	);
	if (changes.length === 0) return { table, actions: [], changes, conflicts };
	const plain = { schema, configuration: table.metadata.configuration };
	const mapped =
		mappingMode(table.protocol, table.metadata) === "none"
			? plain
			: mapNewColumns(plain, options.uuid);
	const metadata = {
		...table.metadata,
		schemaString: JSON.stringify(mapped.schema),
		configuration: changes.some(
			({ kind, from }) => kind === "widen" && from !== "void",
		)
			? { ...mapped.configuration, [TYPE_WIDENING]: "true" }
			: mapped.configuration,
	};
	const protocol = upgradedProtocol(table.protocol, metadata);
	return {
		table: {
			...(table.domains === undefined ? {} : { domains: table.domains }),
			url: table.url,
			schema: mapped.schema,
			metadata,
			protocol: protocol ?? table.protocol,
		},
		actions: [
			...(protocol === undefined ? [] : [{ protocol }]),
			{ metaData: metadata },
		],
		changes,
		conflicts,
	};
}

/** A table that is not there yet, with the actions that make it. */
export function newLayout(
	url: string,
	table: NewTable,
	effects: { readonly uuid: () => string; readonly now: () => number },
): { readonly table: TableLayout; readonly actions: readonly Action[] } {
	const actions = newTable(table, effects);
	const [protocol] = actions.flatMap((action) =>
		"protocol" in action ? [action.protocol] : [],
	);
	const [metadata] = actions.flatMap((action) =>
		"metaData" in action ? [action.metaData] : [],
	);
	if (protocol === undefined || metadata === undefined)
		throw new TypeError("a new table has a protocol and metadata");
	return {
		table: {
			url,
			protocol,
			metadata,
			schema: parseSchema(metadata.schemaString, url),
		},
		actions,
	};
}
