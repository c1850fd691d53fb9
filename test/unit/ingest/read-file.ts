import type { StructType } from "../../../src/columnar/types.ts";
import { toJson, valueAt } from "../../../src/columnar/value.ts";
import type { Batch, Row, Vector } from "../../../src/columnar/vector.ts";
import { type FormatOptions, readBatches } from "../../../src/ingest/format.ts";
import type { SchemaRules } from "../../../src/ingest/schema-rules.ts";
import { openMemoryStore } from "../../../src/storage/memory.ts";

export type { Row };

export const CSV: FormatOptions["csv"] = {
	header: true,
	delimiter: ",",
	quote: '"',
	escape: "quote",
	nullText: "",
	inferTypes: true,
};

export const RULES: SchemaRules = {
	columns: [],
	contract: "evolve",
	onNewColumn: "add",
	onWiden: "widen",
	documents: "columns",
	maxDepth: 32,
};

export function format(
	type: FormatOptions["type"],
	more: Partial<FormatOptions> = {},
): FormatOptions {
	return {
		type,
		compression: "auto",
		onBadRecord: "fail",
		csv: CSV,
		...more,
	};
}

export interface Read {
	/** `name: type` of the columns of the last batch, without those that each row gets. */
	readonly columns: readonly string[];
	readonly rows: readonly Record<string, unknown>[];
	readonly batches: number;
}

const OWN = new Set([
	"_source_file",
	"_source_row",
	"_source_modified",
	"_ingestion_timestamp",
	"_ingestion_date",
]);

/** Reads a file's bytes as `readBatches` does; its rows have the values that are not null. */
export async function readFile(
	bytes: Uint8Array | string,
	options: {
		readonly format: FormatOptions;
		readonly rules?: Partial<SchemaRules>;
		readonly tableSchema?: StructType;
		readonly batchBytes?: number;
		readonly own?: boolean;
	},
): Promise<Read> {
	const store = openMemoryStore();
	const body = typeof bytes === "string" ? Buffer.from(bytes) : bytes;
	await store.put("in/file", body);
	const rows: Record<string, unknown>[] = [];
	let columns: string[] = [];
	let batches = 0;
	for await (const batch of readBatches(
		store,
		{
			path: "in/file",
			size: body.length,
			origin: { url: "s3://in/file", modifiedMs: 1000, ingestedMs: 2000 },
		},
		{
			format: options.format,
			schema: { ...RULES, ...options.rules },
			tableSchema: options.tableSchema,
			batchBytes: options.batchBytes ?? 2 ** 20,
		},
	)) {
		batches++;
		columns = batch.schema.fields
			.filter(({ name }) => options.own || !OWN.has(name))
			.map(
				({ name, type }) =>
					`${name}: ${JSON.stringify(type).replaceAll('"', "")}`,
			);
		rows.push(...rowsOf(batch, options.own === true));
	}
	return { columns, rows, batches };
}

function rowsOf(batch: Batch, own: boolean): Record<string, unknown>[] {
	return Array.from({ length: batch.length }, (_, row) => {
		const values: Record<string, unknown> = {};
		for (const [i, { name, type }] of batch.schema.fields.entries()) {
			if (!own && OWN.has(name)) continue;
			const value = valueAt(batch.columns[i] as Vector, type, row);
			if (value !== null) values[name] = JSON.parse(toJson(value, type));
		}
		return values;
	});
}
