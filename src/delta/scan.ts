import { takeVector } from "../columnar/batch.ts";
import { constantVector } from "../columnar/literal.ts";
import { type RandomAccess, readParquet } from "../columnar/parquet/read.ts";
import type { DataType, StructType } from "../columnar/types.ts";
import { decimalParts } from "../columnar/types.ts";
import type { Batch, Value, Vector } from "../columnar/vector.ts";
import type { AddFile } from "./actions.ts";
import { readDeletionVector } from "./deletion-vector.ts";
import type { Engine } from "./engine.ts";
import { DeltaError } from "./errors.ts";
import { decodePath } from "./path.ts";
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
	const path = decodePath(file.path);
	return {
		size: file.size,
		read: (start, end) => engine.store.get(path, { range: { start, end } }),
	};
}

/** A partition value of the log as a value of its column's type. */
export function parsePartitionValue(
	text: string | null,
	type: DataType,
): Value {
	if (text === null || text === "") return null;
	switch (type) {
		case "string":
			return text;
		case "long":
			return BigInt(text);
		case "byte":
		case "short":
		case "integer":
		case "float":
		case "double":
			return Number(text);
		case "boolean":
			return text === "true";
		case "binary":
			return Uint8Array.from(text, (char) => char.charCodeAt(0));
		case "date":
			return Math.floor(Date.parse(`${text}T00:00:00Z`) / 86_400_000);
		case "timestamp":
		case "timestamp_ntz": {
			const match =
				/^(\d+-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?Z?$/.exec(text);
			if (match === null) break;
			return (
				BigInt(Date.parse(`${match[1]}T${match[2]}Z`)) * 1000n +
				BigInt((match[3] ?? "").padEnd(6, "0"))
			);
		}
	}
	const decimal = decimalParts(type);
	const digits = /^(-?\d+)(?:\.(\d+))?$/.exec(text);
	if (decimal !== undefined && digits !== null)
		return {
			unscaled: BigInt(
				`${digits[1]}${(digits[2] ?? "").padEnd(decimal.scale, "0")}`,
			),
			scale: decimal.scale,
		};
	throw new DeltaError(
		"DELTA_LOG_INVALID",
		`the partition value ${text} is no ${JSON.stringify(type)}`,
	);
}
