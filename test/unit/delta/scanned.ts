import { encodeParquet } from "../../../src/columnar/parquet/encode.ts";
import type { StructType } from "../../../src/columnar/types.ts";
import { valueAt } from "../../../src/columnar/value.ts";
import type { Batch, Row, Value } from "../../../src/columnar/vector.ts";
import type { AddFile, Metadata } from "../../../src/delta/actions.ts";
import type { Engine } from "../../../src/delta/engine.ts";
import {
	type ScannedTable,
	type ScanOptions,
	scanFiles,
} from "../../../src/delta/scan.ts";
import { fileStats } from "../../../src/delta/stats.ts";
import { openMemoryStore } from "../../../src/storage/memory.ts";
import { batchOf } from "../../support/batch.ts";

export function engineOf(): Engine {
	let ids = 0;
	return {
		store: openMemoryStore(),
		now: () => 1,
		uuid: () => `u${ids++}`,
		sleep: async () => {},
		random: () => 0.5,
	};
}

/** Stores a file; its `add`. */
export async function store(
	engine: Engine,
	path: string,
	schema: StructType,
	rows: readonly Row[],
	options: {
		fieldIds?: boolean;
		rowGroupRows?: number;
		bloom?: readonly (readonly string[])[];
		stats?: boolean;
		add?: Partial<AddFile>;
	} = {},
): Promise<AddFile> {
	const { fieldIds = false, rowGroupRows = 1000, bloom = [] } = options;
	const { bytes, leaves } = encodeParquet([batchOf(schema, rows)], {
		fieldIds,
		rowGroupRows,
		bloom,
	});
	await engine.store.put(path, bytes);
	return {
		path,
		partitionValues: {},
		size: bytes.length,
		modificationTime: 0,
		dataChange: true,
		...(options.stats === true
			? { stats: fileStats(rows.length, leaves) }
			: {}),
		...options.add,
	};
}

export function tableOf(
	schema: StructType,
	files: readonly AddFile[],
	more: {
		configuration?: Metadata["configuration"];
		partitionColumns?: readonly string[];
	} = {},
): ScannedTable {
	return {
		url: "memory://",
		protocol: { minReaderVersion: 2, minWriterVersion: 5 },
		metadata: {
			id: "t",
			format: { provider: "parquet", options: {} },
			schemaString: JSON.stringify(schema),
			partitionColumns: more.partitionColumns ?? [],
			configuration: more.configuration ?? {},
		},
		schema,
		files: { values: () => files },
	};
}

export async function rowsOf(
	engine: Engine,
	table: ScannedTable,
	options: ScanOptions = {},
): Promise<Value[]> {
	const rows: Value[] = [];
	for await (const { batch } of scanFiles(engine, table, options))
		rows.push(...rowsFrom(batch));
	return rows;
}

export function rowsFrom(batch: Batch): Value[] {
	const vector = {
		kind: "struct" as const,
		length: batch.length,
		validity: undefined,
		children: batch.columns,
	};
	return Array.from({ length: batch.length }, (_, i) =>
		valueAt(vector, batch.schema, i),
	);
}
