import { field, type StructType, struct } from "../../../src/columnar/types.ts";
import type { Action } from "../../../src/delta/actions.ts";
import {
	type ChangesOptions,
	readChanges,
} from "../../../src/delta/change-data.ts";
import { loadSnapshot, type Snapshot } from "../../../src/delta/snapshot.ts";
import { ChangeTable, collect } from "./change-table.ts";

export const SCHEMA = struct(field("id", "long"), field("word", "string"));
export const FEED = { "delta.enableChangeDataFeed": "true" };
const PROTOCOL: Action = {
	protocol: {
		minReaderVersion: 3,
		minWriterVersion: 7,
		readerFeatures: ["deletionVectors", "columnMapping"],
		writerFeatures: ["deletionVectors", "columnMapping", "changeDataFeed"],
	},
};

export async function newTable(
	schema: StructType = SCHEMA,
	options: Parameters<ChangeTable["metadata"]>[1] = {},
): Promise<ChangeTable> {
	const table = new ChangeTable();
	await table.commit([PROTOCOL, table.metadata(schema, options)]);
	return table;
}

export function rowsFrom(
	first: number,
	count: number,
): { id: bigint; word: string }[] {
	return Array.from({ length: count }, (_, i) => ({
		id: BigInt(first + i),
		word: `w${first + i}`,
	}));
}

/** As `+1` or `-1`, with the version, in order. */
export async function told(
	table: ChangeTable,
	options: ChangesOptions,
): Promise<string[]> {
	const signs: Record<string, string> = {
		insert: "+",
		delete: "-",
		update_preimage: "<",
		update_postimage: ">",
	};
	return (await collect(readChanges(table.engine, options))).map(
		(row) =>
			`${row._commit_version}${signs[String(row._change_type)]}${row.id}`,
	);
}

export async function snapshotOf(table: ChangeTable): Promise<Snapshot> {
	const snapshot = await loadSnapshot(table.engine);
	if (snapshot === undefined) throw new Error("no table");
	return snapshot;
}

export const CDC = struct(...SCHEMA.fields, field("_change_type", "string"));

/** A change data file, and the action that names it. */
export async function changeFile(
	table: ChangeTable,
	rows: readonly { id: bigint; word: string; _change_type: string | null }[],
	partitionValues: Record<string, string | null> = {},
): Promise<Action> {
	const schema = struct(
		...CDC.fields.filter(({ name }) => !(name in partitionValues)),
	);
	const { path, size } = await table.file(schema, rows, {
		path: `_change_data/cdc-${table.engine.uuid()}.parquet`,
	});
	return { cdc: { path, partitionValues, size, dataChange: false } };
}
