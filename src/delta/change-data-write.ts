import { take } from "../columnar/batch.ts";
import { constantVector } from "../columnar/literal.ts";
import {
	type EncodeOptions,
	encodeParquet,
} from "../columnar/parquet/encode.ts";
import { field, type StructType } from "../columnar/types.ts";
import { valueAt } from "../columnar/value.ts";
import type { Batch, Vector } from "../columnar/vector.ts";
import type { AddCdcFile } from "./actions.ts";
import { CHANGE_TYPE, type ChangeType } from "./change-data.ts";
import { mappingMode, physicalSchema } from "./column-mapping.ts";
import { DeltaError } from "./errors.ts";
import {
	encodePath,
	partitionFolder,
	serialisePartitionValue,
} from "./partition.ts";
import type { ScannedTable } from "./scan.ts";

const CHANGE_DATA = "_change_data/";

export interface ChangedBatch {
	readonly type: ChangeType;
	/** Rows with all columns of the table, by name. */
	readonly batch: Batch;
}

export interface StagedChanges {
	/** What has to be stored before the commit. */
	readonly files: readonly {
		/** Below the table's root. */
		readonly path: string;
		readonly bytes: Uint8Array;
	}[];
	/** What the commit has to hold, besides its adds and removes. */
	readonly actions: readonly { readonly cdc: AddCdcFile }[];
}

/**
 * Change data files for a commit (PROTOCOL.md, "Change Data Files"), one per partition; nothing is
 * stored here. A commit with one needs all of its changes in them, inserts and deletes too: readers
 * look at nothing else. One that only adds files, removes whole ones or changes deletion vectors
 * needs none.
 *
 * @throws DeltaError DELTA_SCHEMA_INCOMPATIBLE when a batch lacks a column of the table
 */
export function stageChanges(
	table: Pick<ScannedTable, "url" | "protocol" | "metadata" | "schema">,
	changes: readonly ChangedBatch[],
	options: { readonly uuid: () => string; readonly encode?: EncodeOptions },
): StagedChanges {
	const mode = mappingMode(table.protocol, table.metadata);
	const physical = physicalSchema(table.schema, mode);
	const { partitionColumns } = table.metadata;
	const isPartition = (i: number): boolean =>
		partitionColumns.includes(table.schema.fields[i]?.name ?? "");
	const schema: StructType = {
		type: "struct",
		fields: [
			...physical.fields.filter((_, i) => !isPartition(i)),
			field(CHANGE_TYPE, "string"),
		],
	};
	// In the order of the table's partition columns, by physical name.
	const partitions = partitionColumns.map((name) => {
		const i = table.schema.fields.findIndex((each) => each.name === name);
		return { i, name: physical.fields[i]?.name ?? name };
	});
	const parts = new Map<
		string,
		{ readonly values: readonly (string | null)[]; readonly batches: Batch[] }
	>();
	for (const { type, batch } of changes) {
		const columns = table.schema.fields.map(({ name }) =>
			columnOf(batch, name, table.url),
		);
		const texts = partitions.map(({ i }) => partitionTexts(table, columns, i));
		for (const rows of groups(texts, batch.length)) {
			const values = texts.map((text) => text(rows[0] as number));
			const key = JSON.stringify(values);
			const part = parts.get(key) ?? { values, batches: [] };
			parts.set(key, part);
			const stored: Batch = {
				schema,
				length: batch.length,
				columns: [
					...columns.filter((_, i) => !isPartition(i)),
					constantVector("string", type, batch.length),
				],
			};
			part.batches.push(
				rows.length === batch.length ? stored : take(stored, rows),
			);
		}
	}

	const files: { path: string; bytes: Uint8Array }[] = [];
	const actions: { cdc: AddCdcFile }[] = [];
	const names = partitions.map(({ name }) => name);
	for (const { values, batches } of parts.values()) {
		const partitionValues = Object.fromEntries(
			names.map((name, i) => [name, values[i] ?? null]),
		);
		const { bytes } = encodeParquet(batches, {
			...options.encode,
			fieldIds: mode !== "none",
		});
		const path = `${CHANGE_DATA}${partitionFolder(names, partitionValues)}cdc-${options.uuid()}.parquet`;
		files.push({ path, bytes });
		actions.push({
			cdc: {
				path: encodePath(path),
				partitionValues,
				size: bytes.length,
				dataChange: false,
			},
		});
	}
	return { files, actions };
}

function columnOf(batch: Batch, name: string, url: string): Vector {
	const vector =
		batch.columns[batch.schema.fields.findIndex((each) => each.name === name)];
	if (vector === undefined)
		throw new DeltaError(
			"DELTA_SCHEMA_INCOMPATIBLE",
			`changed rows for ${url} have no column ${name}; a change holds the whole row`,
		);
	return vector;
}

function partitionTexts(
	{ schema }: Pick<ScannedTable, "schema">,
	columns: readonly Vector[],
	i: number,
): (row: number) => string | null {
	const vector = columns[i];
	const type = schema.fields[i]?.type;
	if (vector === undefined || type === undefined) return () => null;
	return (row) => serialisePartitionValue(valueAt(vector, type, row), type);
}

/** Positions of the rows of each partition. */
function groups(
	texts: readonly ((row: number) => string | null)[],
	length: number,
): Iterable<Int32Array> {
	if (length === 0) return [];
	if (texts.length === 0) return [Int32Array.from({ length }, (_, row) => row)];
	const found = new Map<string, number[]>();
	for (let row = 0; row < length; row++) {
		const key = JSON.stringify(texts.map((text) => text(row)));
		const rows = found.get(key);
		if (rows === undefined) found.set(key, [row]);
		else rows.push(row);
	}
	return [...found.values()].map((rows) => Int32Array.from(rows));
}
