import { takeVector } from "../columnar/batch.ts";
import { constantVector } from "../columnar/literal.ts";
import { ParquetError } from "../columnar/parquet/errors.ts";
import {
	type FetchedRowGroup,
	fetchRowGroups,
	type RandomAccess,
	type ReadBatch,
} from "../columnar/parquet/read.ts";
import type { StructType } from "../columnar/types.ts";
import type { Batch, Vector } from "../columnar/vector.ts";
import { messageOf } from "../errors.ts";
import type { Bound } from "../expression/bound.ts";
import { evaluate } from "../expression/evaluate.ts";
import { NotFoundError } from "../storage/errors.ts";
import type { AddFile } from "./actions.ts";
import { type DeletedRows, DeletionVectorReader } from "./deletion-vector.ts";
import type { Engine } from "./engine.ts";
import { DeltaError } from "./errors.ts";
import { parsePartitionValue, partitionText } from "./partition.ts";
import { locateFile } from "./path.ts";
import { readAhead } from "./read-ahead.ts";
import { rowGroupSkipper } from "./row-group-skipping.ts";
import {
	type ScannedTable,
	type ScanOptions,
	type ScanPlan,
	scanPlan,
} from "./scan-plan.ts";
import { fileSkipper } from "./skipping.ts";

export type { ScannedTable, ScanOptions } from "./scan-plan.ts";

export interface ScannedBatch {
	readonly batch: Batch;
	readonly file: AddFile;
	/** Position in the file of each row of the batch. */
	readonly rows: Int32Array;
}

/**
 * The rows of some files of a version, file by file, without deleted ones, under the table's own
 * names and types; partition columns are filled in, columns that a file lacks are null. The next
 * files are fetched while one is decoded, within a bound of memory.
 * @throws DeltaError DELTA_SCHEMA_INCOMPATIBLE for an unknown column, DELTA_LOG_INVALID for a
 * partition value that its column can't have, DELTA_UNSUPPORTED_READER for a change of type that
 * isn't known, DELTA_FILE_MISSING for a file that is gone
 * @throws ParquetError for a file that can't be read as the schema says
 */
export async function* scanFiles(
	engine: Engine,
	snapshot: ScannedTable,
	options: ScanOptions = {},
): AsyncGenerator<ScannedBatch, void, undefined> {
	const plan = scanPlan(snapshot, options);
	const now = engine.now();
	const files = matchingFiles(snapshot, options, now);
	const keep =
		options.where && rowGroupSkipper(options.where, snapshot, { now });
	const opened = readAhead(withVectors(engine, files), {
		weight: ({ file }) => file.size,
		open: (source) =>
			openFile(engine, plan, source, keep).catch((error: unknown) => {
				throw named(error, snapshot.url, source.file);
			}),
		close: ({ groups }) => groups.return(undefined),
	});
	for await (const [{ file }, { first, groups, deleted }] of opened) {
		const cursor = { at: 0 };
		let next: Promise<IteratorResult<FetchedRowGroup, void>> =
			Promise.resolve(first);
		try {
			for (;;) {
				const { done, value: group } = await next;
				if (done === true || group === undefined) break;
				next = groups.next();
				// Reported where it is awaited.
				next.catch(() => undefined);
				for (const read of group.batches()) {
					const alive = finish(plan, file, read, deleted, cursor);
					const scanned = plan.where
						? matching(alive, plan.where, plan.wanted, now)
						: alive;
					if (scanned.batch.length > 0) yield scanned;
				}
			}
		} catch (error) {
			throw named(error, snapshot.url, file);
		} finally {
			await groups.return(undefined);
		}
	}
}

/** What is wrong with a file, with its name. */
function named(error: unknown, url: string, { path }: AddFile): unknown {
	if (error instanceof NotFoundError)
		return new DeltaError(
			"DELTA_FILE_MISSING",
			`${url}: the data file ${path} is gone (${error.message}); restore it, or read a version that does not need it`,
			{ cause: error },
		);
	const message = `${url}: ${path}: ${messageOf(error)}`;
	if (error instanceof ParquetError)
		return new ParquetError(error.code, message, { cause: error });
	if (error instanceof DeltaError && error.code === "DELTA_LOG_INVALID")
		return new DeltaError(error.code, message, { cause: error });
	return error;
}

/** The rows of a version. */
export async function* readTable(
	engine: Engine,
	snapshot: ScannedTable,
	options: ScanOptions = {},
): AsyncGenerator<Batch, void, undefined> {
	for await (const { batch } of scanFiles(engine, snapshot, options))
		yield batch;
}

interface OpenedFile {
	readonly first: IteratorResult<FetchedRowGroup, void>;
	readonly groups: AsyncGenerator<FetchedRowGroup, void, undefined>;
	readonly deleted: DeletedRows | undefined;
}

/** Those that may have a row for which `where` is true. */
function* matchingFiles(
	snapshot: ScannedTable,
	{ files, where }: ScanOptions,
	now: number,
): Generator<AddFile, void, undefined> {
	const mayMatch =
		where === undefined ? () => true : fileSkipper(where, snapshot, { now });
	for (const file of files ?? snapshot.files.values())
		if (mayMatch(file)) yield file;
}

/** Files whose deletion vectors are read together. */
const WINDOW = 1024;

interface FileSource {
	readonly file: AddFile;
	readonly vectors: DeletionVectorReader;
}

/** A million files needn't be objects at once. */
function* withVectors(
	engine: Engine,
	files: Iterable<AddFile>,
): Generator<FileSource, void, undefined> {
	let window: AddFile[] = [];
	function* flush(): Generator<FileSource, void, undefined> {
		const vectors = new DeletionVectorReader(engine, {
			descriptors: window.flatMap((file) => file.deletionVector ?? []),
		});
		for (const file of window) yield { file, vectors };
		window = [];
	}
	for (const file of files) {
		window.push(file);
		if (window.length === WINDOW) yield* flush();
	}
	yield* flush();
}

async function openFile(
	engine: Engine,
	plan: ScanPlan,
	{ file, vectors }: FileSource,
	keep: ReturnType<typeof rowGroupSkipper> | undefined,
): Promise<OpenedFile> {
	const groups = fetchRowGroups(storedFile(engine, file), {
		schema: plan.stored,
		fieldIds: plan.mode === "id",
		...(keep && { keep: (group) => keep(file, group) }),
	});
	const [first, deleted] = await Promise.all([
		groups.next(),
		file.deletionVector === undefined || file.deletionVector === null
			? undefined
			: vectors.read(file.deletionVector),
	]);
	return { first, groups, deleted };
}

/** Without deleted rows, with partition columns; `cursor` goes through `deleted` with the file. */
function finish(
	{ needed, sources }: ScanPlan,
	file: AddFile,
	{ batch, firstRow }: ReadBatch,
	deleted: DeletedRows | undefined,
	cursor: { at: number },
): ScannedBatch {
	const kept = new Int32Array(deleted === undefined ? 0 : batch.length);
	const rows = new Int32Array(batch.length);
	let length = 0;
	if (deleted === undefined) {
		for (; length < batch.length; length++) rows[length] = firstRow + length;
	} else {
		// Row groups that were passed over have deleted rows too.
		while ((deleted[cursor.at] ?? firstRow) < firstRow) cursor.at++;
		for (let i = 0; i < batch.length; i++) {
			if (deleted[cursor.at] === firstRow + i) {
				cursor.at++;
			} else {
				rows[length] = firstRow + i;
				kept[length++] = i;
			}
		}
	}
	const all = length === batch.length;
	const columns = needed.fields.map(({ type }, i): Vector => {
		const source = sources[i];
		if (typeof source !== "number") {
			const text = partitionText(file.partitionValues, source ?? "");
			return constantVector(type, parsePartitionValue(text, type), length);
		}
		const vector = batch.columns[source] as Vector;
		return all ? vector : takeVector(vector, kept.subarray(0, length));
	});
	return {
		batch: { schema: needed, length, columns },
		file,
		rows: rows.subarray(0, length),
	};
}

/** The rows for which `where` is true, with the wanted columns. */
function matching(
	{ batch, file, rows }: ScannedBatch,
	where: Bound,
	wanted: StructType,
	now: number,
): ScannedBatch {
	const truth = evaluate(where, batch, { now });
	const kept = new Int32Array(batch.length);
	let length = 0;
	if (truth.kind === "bool")
		for (let i = 0; i < batch.length; i++)
			if (truth.values[i] === 1 && truth.validity?.[i] !== 0)
				kept[length++] = i;
	const all = length === batch.length;
	const picked = kept.subarray(0, length);
	return {
		batch: {
			schema: wanted,
			length,
			columns: wanted.fields.map((field): Vector => {
				const vector = batch.columns[
					batch.schema.fields.indexOf(field)
				] as Vector;
				return all ? vector : takeVector(vector, picked);
			}),
		},
		file,
		rows: all ? rows : picked.map((i) => rows[i] as number),
	};
}

function storedFile(engine: Engine, file: AddFile): RandomAccess {
	const { store, path } = locateFile(engine, file.path);
	return {
		size: file.size,
		read: (start, end) => store.get(path, { range: { start, end } }),
	};
}
