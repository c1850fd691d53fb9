import type { StructType } from "../columnar/types.ts";
import type { Batch } from "../columnar/vector.ts";
import type { ObjectStore } from "../storage/store.ts";
import { type Cell, CsvBoundary, type CsvOptions, cellsOf } from "./csv.ts";
import { FileError } from "./errors.ts";
import { JsonBoundary, objectOf } from "./json-boundary.ts";
import { parquetBatches } from "./parquet-rows.ts";
import { checkUtf8, isBlank, lineBoundary, Records } from "./records.ts";
import { RowBatch } from "./row-batch.ts";
import type { SchemaRules } from "./schema-rules.ts";
import { type Compression, sourceBytes } from "./source-bytes.ts";
import type { RowOrigin } from "./source-columns.ts";

export interface FormatOptions {
	readonly type: "ndjson" | "json" | "csv" | "parquet";
	readonly compression: Compression;
	/** A record that can't be read: the file fails as a whole, or the record is a row of rescued text. */
	readonly onBadRecord: "fail" | "rescue";
	readonly csv: CsvOptions & {
		readonly header: boolean;
		/** Whether columns without a given type get one by their values; they are strings otherwise. */
		readonly inferTypes: boolean;
	};
}

export interface FileToRead {
	readonly path: string;
	readonly size: number;
	readonly origin: RowOrigin;
}

export interface ReadingRules {
	readonly format: FormatOptions;
	readonly schema: SchemaRules;
	/** Of the table as it is; `undefined` when there is none. */
	readonly tableSchema: StructType | undefined;
	/** Bytes of the file after which a batch ends. */
	readonly batchBytes: number;
	/** Rows after which a batch ends. */
	readonly batchRows?: number;
}

const BATCH_ROWS = 262_144;
/** Records whose cells decide the types of a CSV file's columns. */
const SAMPLE_ROWS = 1000;

/**
 * The rows of a file in batches for its table; only one is held at a time.
 * @throws FileError INGEST_FILE_INVALID, INGEST_FILE_CHANGED, INGEST_RECORD_TOO_LARGE, SCHEMA_FROZEN;
 * ParquetError; what the store throws
 */
export function readBatches(
	store: ObjectStore,
	file: FileToRead,
	rules: ReadingRules,
): AsyncGenerator<Batch> {
	switch (rules.format.type) {
		case "parquet":
			return parquetBatches(
				{
					size: file.size,
					read: (start, end) => store.get(file.path, { range: { start, end } }),
				},
				{
					path: file.path,
					origin: file.origin,
					rules: rules.schema,
					tableSchema: rules.tableSchema,
					batchBytes: rules.batchBytes,
				},
			);
		case "csv":
			return csvBatches(store, file, rules);
		case "ndjson":
		case "json":
			return jsonBatches(store, file, rules);
	}
}

async function* jsonBatches(
	store: ObjectStore,
	file: FileToRead,
	rules: ReadingRules,
): AsyncGenerator<Batch> {
	const { format } = rules;
	const rows = newRows(file, rules);
	const lines = format.type === "ndjson";
	const records = new Records(
		file.path,
		lines ? lineBoundary() : new JsonBoundary(file.path),
	);
	for await (const record of recordsOf(store, file, format, records)) {
		const object = lines ? record : objectOf(record);
		if (lines ? isBlank(object) : object.length === 0) continue;
		try {
			checkUtf8(object, file.path, rows.nextRow);
			rows.addJson(object);
		} catch (error) {
			if (!isBadRecord(error, format)) throw error;
			rows.addCorrupt(object);
		}
		if (isFull(rows, rules)) yield rows.finish();
	}
	if (rows.rows > 0) yield rows.finish();
}

async function* csvBatches(
	store: ObjectStore,
	file: FileToRead,
	rules: ReadingRules,
): AsyncGenerator<Batch> {
	const { format, schema } = rules;
	const { csv } = format;
	const rows = newRows(file, rules);
	const records = new Records(file.path, new CsvBoundary(csv));
	let names: readonly string[] | undefined;
	let sample: { cells: readonly Cell[]; bytes: number }[] | undefined = [];
	const addSample = (): void => {
		if (sample === undefined || names === undefined) return;
		rows.inferTypes(
			names,
			sample.map(({ cells }) => cells),
			{ infer: csv.inferTypes },
		);
		for (const { cells, bytes } of sample) rows.addCells(names, cells, bytes);
		sample = undefined;
	};
	let line = 0;
	for await (const record of recordsOf(store, file, format, records)) {
		line++;
		if (isBlank(record)) continue;
		checkUtf8(record, file.path, line);
		const cells = cellsOf(record.toString("utf8"), csv);
		if (names === undefined) {
			names = namesOf(cells, file.path, csv.header, schema);
			if (csv.header) continue;
		}
		if (sample === undefined) rows.addCells(names, cells, record.length);
		else if (sample.push({ cells, bytes: record.length }) >= SAMPLE_ROWS)
			addSample();
		if (isFull(rows, rules)) yield rows.finish();
	}
	addSample();
	if (rows.rows > 0) yield rows.finish();
}

/** @throws FileError INGEST_FILE_INVALID for a name that comes twice */
function namesOf(
	cells: readonly Cell[],
	path: string,
	header: boolean,
	{ columns }: SchemaRules,
): string[] {
	if (!header) return cells.map((_, i) => columns[i]?.name ?? `_c${i}`);
	const names = cells.map((cell, i) => cell?.trim() || `_c${i}`);
	const twice = names.find(
		(name, i) =>
			names.findIndex((one) => one.toLowerCase() === name.toLowerCase()) < i,
	);
	if (twice !== undefined)
		throw new FileError(
			"INGEST_FILE_INVALID",
			`${path} names the column ${JSON.stringify(twice)} twice in its header: give each its own name, or set format.csv.header: false`,
		);
	return names;
}

function newRows(file: FileToRead, rules: ReadingRules): RowBatch {
	return new RowBatch({
		path: file.path,
		origin: file.origin,
		rules: rules.schema,
		tableSchema: rules.tableSchema,
	});
}

function isFull(rows: RowBatch, { batchBytes, batchRows }: ReadingRules) {
	return rows.bytes >= batchBytes || rows.rows >= (batchRows ?? BATCH_ROWS);
}

async function* recordsOf(
	store: ObjectStore,
	file: FileToRead,
	{ compression }: FormatOptions,
	records: Records,
): AsyncGenerator<Buffer> {
	for await (const chunk of sourceBytes(store, file, compression))
		yield* records.push(chunk);
	yield* records.end();
}

function isBadRecord(error: unknown, { onBadRecord }: FormatOptions): boolean {
	return (
		onBadRecord === "rescue" &&
		error instanceof FileError &&
		error.code === "INGEST_FILE_INVALID"
	);
}
