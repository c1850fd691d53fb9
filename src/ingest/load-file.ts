import { ParquetError } from "../columnar/parquet/errors.ts";
import type { AddFile } from "../delta/actions.ts";
import type { Engine } from "../delta/engine.ts";
import { DeltaError } from "../delta/errors.ts";
import { decodePath } from "../delta/path.ts";
import { stageFiles } from "../delta/stage.ts";
import { messageOf, TributaryError } from "../errors.ts";
import { NotFoundError } from "../storage/errors.ts";
import type { ObjectStore } from "../storage/store.ts";
import { FileError } from "./errors.ts";
import { type FormatOptions, readBatches } from "./format.ts";
import {
	contentVersion,
	fileApp,
	fileTag,
	SOURCE_TAG,
	type SourceFile,
	sourceFile,
} from "./identity.ts";
import type { SchemaRules } from "./schema-rules.ts";
import type { TablePlan } from "./table-plan.ts";

export interface LoadOptions {
	/** `namespace.name`. */
	readonly ingestion: string;
	readonly source: ObjectStore;
	/** Of the table. */
	readonly engine: Engine;
	readonly format: FormatOptions;
	readonly rules: SchemaRules;
	/** Bytes of a file after which its rows are written. */
	readonly batchBytes: number;
}

/** A file whose rows are stored, and not in the table yet. */
export interface StagedSource {
	readonly file: SourceFile;
	readonly adds: readonly AddFile[];
	readonly rows: number;
	/** Of the data files. */
	readonly bytes: number;
	readonly txn: { readonly appId: string; readonly version: number };
	/** The content that the table had of this path when it was read. */
	readonly replaces: number | undefined;
}

/** The table's store or log failed: no file is to blame, and none is marked for it. */
export class TableFailure extends TributaryError {
	constructor(cause: unknown) {
		super(
			cause instanceof TributaryError ? cause.code : "INGEST_TABLE_FAILED",
			messageOf(cause),
			{ cause, retryable: true },
		);
	}
}

/** Reading is begun anew this often when columns got other types meanwhile. */
const MAX_READS = 5;

/**
 * Reads a file and stores its rows in data files of its own; a commit makes them part of the table.
 * @throws FileError and ParquetError for its content, TableFailure for the table, and what its store throws
 */
export async function loadFile(
	file: SourceFile,
	plan: TablePlan,
	options: LoadOptions,
): Promise<StagedSource> {
	const { engine, source, ingestion } = options;
	const appId = fileApp(ingestion, file.url);
	const replaces = plan.base?.txns.get(appId)?.version;
	const txn = { appId, version: contentVersion(file) };
	// Loaded before a crash, or by another worker since it was listed.
	if (replaces === txn.version)
		return { file, adds: [], rows: 0, bytes: 0, txn, replaces };
	checkReplaceable(file, plan, replaces);
	for (let read = 1; read <= MAX_READS; read++) {
		const adds: AddFile[] = [];
		try {
			const rows = await stageRows(file, plan, adds, options);
			if (rows !== undefined) {
				await checkUnchanged(source, file);
				return {
					file,
					adds,
					rows,
					bytes: adds.reduce((sum, { size }) => sum + size, 0),
					txn,
					replaces,
				};
			}
		} catch (error) {
			await discard(engine, adds);
			// Half of one content and half of another is no fault of either.
			if (error instanceof FileError || error instanceof ParquetError)
				await checkUnchanged(source, file);
			throw error;
		}
		await discard(engine, adds);
	}
	throw new FileError(
		"INGEST_SCHEMA_UNSETTLED",
		`${file.path} was read ${MAX_READS} times, and each time other files had given its columns other types: it is tried again`,
		{ retryable: true },
	);
}

/** Deletes data files that no version refers to. */
export async function discard(
	{ store }: Pick<Engine, "store">,
	adds: readonly AddFile[],
): Promise<void> {
	if (adds.length > 0)
		await store.delete(adds.map(({ path }) => decodePath(path)));
}

/** @returns the number of rows, or `undefined` when the file has to be read anew */
async function stageRows(
	file: SourceFile,
	plan: TablePlan,
	adds: AddFile[],
	{ engine, source, format, rules, batchBytes }: LoadOptions,
): Promise<number | undefined> {
	let rows = 0;
	const tags = { [SOURCE_TAG]: fileTag(file.url) };
	for await (const batch of readBatches(
		source,
		{
			path: file.path,
			size: file.size,
			origin: {
				url: file.url,
				modifiedMs: file.modifiedMs,
				ingestedMs: engine.now(),
			},
		},
		{ format, schema: rules, tableSchema: plan.table?.schema, batchBytes },
	)) {
		const layout = plan.fit(batch.schema);
		if (layout === undefined) return undefined;
		try {
			for (const { add } of await stageFiles(engine, layout, batch, { tags }))
				adds.push(add);
		} catch (error) {
			throw isOfRows(error) ? error : new TableFailure(error);
		}
		rows += batch.length;
	}
	return rows;
}

function isOfRows(error: unknown): boolean {
	return (
		error instanceof TributaryError &&
		(error.code === "DELTA_CONSTRAINT_VIOLATED" ||
			error.code === "DELTA_SCHEMA_INCOMPATIBLE" ||
			error.code === "BATCH_TOO_LARGE" ||
			error.code === "PARQUET_UNSUPPORTED")
	);
}

/** All ranges were of one content if the object is at its end what it was when it was listed. */
async function checkUnchanged(
	source: ObjectStore,
	file: SourceFile,
): Promise<void> {
	const meta = await source.head(file.path);
	if (meta === undefined) throw new NotFoundError(source.url, file.path);
	if (sourceFile(source, meta).etag !== file.etag)
		throw new FileError(
			"INGEST_FILE_CHANGED",
			`${file.path} was replaced while it was read: it is taken up again as it is now`,
			{ retryable: true },
		);
}

function checkReplaceable(
	file: SourceFile,
	{ base }: TablePlan,
	replaces: number | undefined,
): void {
	if (replaces === undefined || base === undefined) return;
	if (base.metadata.configuration["delta.appendOnly"] === "true")
		throw new DeltaError(
			"DELTA_APPEND_ONLY",
			`${file.path} has changed, and its earlier rows can't be replaced: ${base.url} is append-only (delta.appendOnly); set the property to false, then retry the file`,
		);
}
