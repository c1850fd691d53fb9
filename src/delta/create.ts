import type { DataType, StructType } from "../columnar/types.ts";
import type { Action, Protocol } from "./actions.ts";

export interface NewTable {
	readonly schema: StructType;
	readonly partitionColumns?: readonly string[];
	readonly configuration?: Readonly<Record<string, string>>;
	readonly name?: string;
	readonly description?: string;
}

/** The two actions that version 0 of a table must have; `id` is a UUID, `now` in milliseconds. */
export function newTable(
	table: NewTable,
	effects: { readonly uuid: () => string; readonly now: () => number },
): Action[] {
	const configuration = table.configuration ?? {};
	return [
		{ protocol: protocolFor(table.schema, configuration) },
		{
			metaData: {
				id: effects.uuid(),
				...(table.name === undefined ? {} : { name: table.name }),
				...(table.description === undefined
					? {}
					: { description: table.description }),
				format: { provider: "parquet", options: {} },
				schemaString: JSON.stringify(table.schema),
				partitionColumns: table.partitionColumns ?? [],
				createdTime: effects.now(),
				configuration,
			},
		},
	];
}

/** The least protocol that the schema and the properties need: features keep older readers out. */
export function protocolFor(
	schema: StructType,
	configuration: Readonly<Record<string, string>>,
): Protocol {
	const both: string[] = [];
	if (configuration["delta.enableDeletionVectors"] === "true")
		both.push("deletionVectors");
	if (configuration["delta.enableTypeWidening"] === "true")
		both.push("typeWidening");
	if (has(schema, "timestamp_ntz")) both.push("timestampNtz");
	if (both.length === 0) return { minReaderVersion: 1, minWriterVersion: 2 };
	return {
		minReaderVersion: 3,
		minWriterVersion: 7,
		readerFeatures: both,
		writerFeatures: [...both, "appendOnly", "invariants"],
	};
}

/** The protocol with what a changed schema needs; `undefined` when it already has that. */
export function upgradedProtocol(
	protocol: Protocol,
	schema: StructType,
	configuration: Readonly<Record<string, string>>,
): Protocol | undefined {
	const needed = protocolFor(schema, configuration);
	const missing = (needed.readerFeatures ?? []).filter(
		(name) => !(protocol.readerFeatures ?? []).includes(name),
	);
	if (missing.length === 0) return undefined;
	return {
		minReaderVersion: 3,
		minWriterVersion: 7,
		readerFeatures: [...(protocol.readerFeatures ?? []), ...missing],
		writerFeatures: [
			...new Set([
				...(protocol.writerFeatures ?? ["appendOnly", "invariants"]),
				...missing,
			]),
		],
	};
}

function has(type: DataType, wanted: string): boolean {
	if (typeof type === "string") return type === wanted;
	switch (type.type) {
		case "struct":
			return type.fields.some((field) => has(field.type, wanted));
		case "array":
			return has(type.elementType, wanted);
		case "map":
			return has(type.keyType, wanted) || has(type.valueType, wanted);
	}
}
