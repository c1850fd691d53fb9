import type { StructType } from "../columnar/types.ts";
import type { Action, Metadata } from "./actions.ts";
import { enableMapping, MAPPING_MODE } from "./column-mapping.ts";
import { protocolFor } from "./protocol.ts";

export interface NewTable {
	readonly schema: StructType;
	readonly partitionColumns?: readonly string[];
	readonly configuration?: Readonly<Record<string, string>>;
	readonly name?: string;
	readonly description?: string;
	/** Features beyond those that the schema and the properties need. */
	readonly features?: readonly string[];
}

/** The two actions that version 0 of a table must have; `id` is a UUID, `now` in milliseconds. */
export function newTable(
	table: NewTable,
	effects: { readonly uuid: () => string; readonly now: () => number },
): Action[] {
	const mode = table.configuration?.[MAPPING_MODE];
	const plain = {
		schema: table.schema,
		configuration: table.configuration ?? {},
	};
	const { schema, configuration } =
		mode === "name" || mode === "id"
			? enableMapping(plain, { mode, existing: false, uuid: effects.uuid })
			: plain;
	const metadata: Metadata = {
		id: effects.uuid(),
		...(table.name === undefined ? {} : { name: table.name }),
		...(table.description === undefined
			? {}
			: { description: table.description }),
		format: { provider: "parquet", options: {} },
		schemaString: JSON.stringify(schema),
		partitionColumns: table.partitionColumns ?? [],
		createdTime: effects.now(),
		configuration,
	};
	return [
		{ protocol: protocolFor(metadata, table.features) },
		{ metaData: metadata },
	];
}
