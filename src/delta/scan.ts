import { takeVector } from "../columnar/batch.ts";
import { constantVector } from "../columnar/literal.ts";
import { type RandomAccess, readParquet } from "../columnar/parquet/read.ts";
import type { StructType } from "../columnar/types.ts";
import type { Batch, Vector } from "../columnar/vector.ts";
import type { AddFile } from "./actions.ts";
import { readDeletionVector } from "./deletion-vector.ts";
import type { Engine } from "./engine.ts";
import { DeltaError } from "./errors.ts";
import { parsePartitionValue } from "./partition.ts";
import { locateFile } from "./path.ts";
import type { Snapshot } from "./snapshot.ts";

export interface ScannedBatch {
	readonly batch: Batch;
	readonly file: AddFile;
	/** Position in the file of each row of the batch. */
	readonly rows: Int32Array;
}

/** The rows of some files of a version, without deleted ones, partition columns filled in. */
export async function* scanFiles(
	engine: Engine,
	snapshot: Snapshot,
	options: {
		readonly columns?: readonly string[];
		readonly files?: Iterable<AddFile>;
	} = {},
): AsyncGenerator<ScannedBatch, void, undefined> {
	const { partitionColumns } = snapshot.metadata;
	const unknown = options.columns?.find(
		(name) => !snapshot.schema.fields.some((field) => field.name === name),
	);
	if (unknown !== undefined)
		throw new DeltaError(
			"DELTA_SCHEMA_INCOMPATIBLE",
			`${snapshot.url} has no column ${unknown}; it has ${snapshot.schema.fields.map((field) => field.name).join(", ")}`,
		);
	const wanted: StructType = {
		type: "struct",
		fields: snapshot.schema.fields.filter(
			({ name }) => options.columns?.includes(name) ?? true,
		),
	};
	const stored = wanted.fields.filter(
		({ name }) => !partitionColumns.includes(name),
	);
	for (const file of options.files ?? snapshot.files.values()) {
		const deleted =
			file.deletionVector === undefined
				? undefined
				: await readDeletionVector(engine, file.deletionVector);
		let gone = 0;
		for await (const { batch, firstRow } of readParquet(
			storedFile(engine, file),
			{ schema: { type: "struct", fields: stored } },
		)) {
			const rows = new Int32Array(batch.length);
			const kept = new Int32Array(batch.length);
			let length = 0;
			for (let i = 0; i < batch.length; i++) {
				if (deleted !== undefined && deleted[gone] === firstRow + i) {
					gone++;
					continue;
				}
				rows[length] = firstRow + i;
				kept[length++] = i;
			}
			const all = length === batch.length;
			const columns = wanted.fields.map(({ name, type }): Vector => {
				if (partitionColumns.includes(name))
					return constantVector(
						type,
						parsePartitionValue(file.partitionValues[name] ?? null, type),
						length,
					);
				const i = batch.schema.fields.findIndex((field) => field.name === name);
				const vector = batch.columns[i] as Vector;
				return all ? vector : takeVector(vector, kept.subarray(0, length));
			});
			yield {
				batch: { schema: wanted, length, columns },
				file,
				rows: rows.subarray(0, length),
			};
		}
	}
}

/** The rows of a version. */
export async function* readTable(
	engine: Engine,
	snapshot: Snapshot,
	options: { readonly columns?: readonly string[] } = {},
): AsyncGenerator<Batch, void, undefined> {
	for await (const { batch } of scanFiles(engine, snapshot, options))
		yield batch;
}

function storedFile(engine: Engine, file: AddFile): RandomAccess {
	const { store, path } = locateFile(engine, file.path);
	return {
		size: file.size,
		read: (start, end) => store.get(path, { range: { start, end } }),
	};
}
