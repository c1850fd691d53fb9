import {
	field,
	type StructField,
	type StructType,
	struct,
} from "../columnar/types.ts";
import type { Row, Value } from "../columnar/vector.ts";
import type { AddFile } from "./actions.ts";
import { FILE_ACTIONS } from "./checkpoint-schema.ts";
import { mappingMode, physicalSchema } from "./column-mapping.ts";
import { parsePartitionValue, partitionText } from "./partition.ts";
import type { Snapshot } from "./state.ts";
import { statsOptions } from "./stats.ts";
import { statsRow, statsSchema } from "./stats-struct.ts";
import { parseStats } from "./stats-text.ts";

/** How the file actions of a table's checkpoints are written. */
export interface CheckpointForm {
	readonly schema: StructType;
	/** An `add` with what the schema has beside its own fields. */
	readonly add: (add: AddFile) => object;
}

/**
 * The form that `delta.checkpoint.writeStatsAsJson` (true) and `delta.checkpoint.writeStatsAsStruct`
 * (false) ask for (PROTOCOL.md, "Checkpoint Schema"): statistics as text, and with partition values
 * as typed columns, which engines read without parsing.
 */
export function checkpointForm(
	table: Pick<Snapshot, "schema" | "protocol" | "metadata">,
): CheckpointForm {
	const { configuration } = table.metadata;
	const text = configuration["delta.checkpoint.writeStatsAsJson"] !== "false";
	const typed = configuration["delta.checkpoint.writeStatsAsStruct"] === "true";
	if (text && !typed) return { schema: FILE_ACTIONS, add: (add) => add };

	const parsed = typed ? typedColumns(table) : undefined;
	return {
		schema: struct(
			...FILE_ACTIONS.fields.map((one): StructField => {
				if (one.name !== "add" || typeof one.type === "string") return one;
				if (one.type.type !== "struct") return one;
				const own = one.type.fields.filter(
					({ name }) => text || name !== "stats",
				);
				return {
					...one,
					type: struct(...own, ...(parsed?.fields ?? [])),
				};
			}),
		),
		add: (add) => ({ ...add, ...parsed?.values(add) }),
	};
}

function typedColumns({
	schema,
	protocol,
	metadata,
}: Pick<Snapshot, "schema" | "protocol" | "metadata">): {
	readonly fields: readonly StructField[];
	readonly values: (add: AddFile) => Record<string, Value>;
} {
	const mode = mappingMode(protocol, metadata);
	const physical = physicalSchema(schema, mode);
	const { columns } = statsOptions(schema, metadata, mode);
	const partitions = physical.fields.filter((_, i) =>
		metadata.partitionColumns.includes(schema.fields[i]?.name ?? ""),
	);
	return {
		fields: [
			field("stats_parsed", statsSchema(columns)),
			...(partitions.length === 0
				? []
				: [
						field(
							"partitionValues_parsed",
							struct(...partitions.map(({ name, type }) => field(name, type))),
						),
					]),
		],
		values: (add) => {
			const stats =
				add.stats === undefined ? undefined : parseStats(add.stats, physical);
			return {
				stats_parsed: stats === undefined ? null : statsRow(stats, columns),
				...(partitions.length === 0
					? {}
					: { partitionValues_parsed: partitionRow(add, partitions) }),
			};
		},
	};
}

function partitionRow(add: AddFile, partitions: readonly StructField[]): Row {
	return Object.fromEntries(
		partitions.map(({ name, type }): [string, Value] => [
			name,
			parsePartitionValue(partitionText(add.partitionValues, name), type),
		]),
	);
}
