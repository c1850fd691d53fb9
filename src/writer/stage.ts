import { take } from "../columnar/batch.ts";
import { encodeParquet } from "../columnar/parquet/encode.ts";
import { valueAt } from "../columnar/value.ts";
import type { Batch } from "../columnar/vector.ts";
import type { AddFile } from "../delta/actions.ts";
import type { Engine } from "../delta/engine.ts";
import {
	encodePath,
	partitionFolder,
	serialisePartitionValue,
} from "../delta/partition.ts";
import { fileStats } from "../delta/stats.ts";

/** A data file that is stored, and not in the table yet. */
export interface StagedFile {
	readonly add: AddFile;
	/** Rows of the batch, in the file's order. */
	readonly rows: Int32Array;
}

/** Encodes and stores a batch, one file per partition; nothing is visible before a commit. */
export async function stageFiles(
	engine: Engine,
	batch: Batch,
	partitionColumns: readonly string[],
): Promise<StagedFile[]> {
	const files: StagedFile[] = [];
	for (const part of split(batch, partitionColumns)) {
		const { bytes, rows, leaves } = encodeParquet([part.batch]);
		const path = `${partitionFolder(partitionColumns, part.values)}part-${engine.uuid()}.zstd.parquet`;
		await engine.store.put(path, bytes);
		files.push({
			add: {
				path: encodePath(path),
				partitionValues: part.values,
				size: bytes.length,
				modificationTime: engine.now(),
				dataChange: true,
				stats: fileStats(rows, leaves),
			},
			rows: part.rows,
		});
	}
	return files;
}

interface Part {
	readonly values: Record<string, string | null>;
	readonly batch: Batch;
	readonly rows: Int32Array;
}

function split(batch: Batch, columns: readonly string[]): Part[] {
	const all = Int32Array.from({ length: batch.length }, (_, row) => row);
	if (batch.length === 0) return [];
	const kept = (part: Batch): Batch => {
		const places = part.schema.fields
			.map((_, i) => i)
			.filter((i) => !columns.includes(part.schema.fields[i]?.name ?? ""));
		return {
			schema: {
				type: "struct",
				fields: places.flatMap((i) => part.schema.fields[i] ?? []),
			},
			length: part.length,
			columns: places.flatMap((i) => part.columns[i] ?? []),
		};
	};
	const keys = columns.map((name) => {
		const i = batch.schema.fields.findIndex((field) => field.name === name);
		const type = batch.schema.fields[i]?.type;
		const vector = batch.columns[i];
		let day: number | undefined;
		let text: string | null = null;
		return (row: number): string | null => {
			if (type === undefined || vector === undefined) return null;
			// Most batches have one date, row after row.
			if (vector.kind === "i32" && vector.validity === undefined) {
				if (vector.values[row] === day) return text;
				day = vector.values[row];
			}
			text = serialisePartitionValue(valueAt(vector, type, row), type);
			return text;
		};
	});
	const groups = new Map<string, { values: Part["values"]; rows: number[] }>();
	const one = keys.length === 1 ? keys[0] : undefined;
	for (let row = 0; row < batch.length; row++) {
		const tuple = one === undefined ? keys.map((key) => key(row)) : [one(row)];
		const id =
			one === undefined ? JSON.stringify(tuple) : (tuple[0] ?? "\u0000");
		let group = groups.get(id);
		if (group === undefined) {
			group = {
				values: Object.fromEntries(
					columns.map((name, i) => [name, tuple[i] ?? null]),
				),
				rows: [],
			};
			groups.set(id, group);
		}
		group.rows.push(row);
		// Without partition columns every row is in the first group.
		if (columns.length === 0) break;
	}
	const only = groups.size === 1 ? [...groups.values()][0] : undefined;
	if (only !== undefined)
		return [{ values: only.values, batch: kept(batch), rows: all }];
	return [...groups.values()].map(({ values, rows }) => {
		const picked = Int32Array.from(rows);
		return { values, batch: kept(take(batch, picked)), rows: picked };
	});
}
