import { take } from "../columnar/batch.ts";
import { constantVector } from "../columnar/literal.ts";
import { field, type StructType } from "../columnar/types.ts";
import { valueAt } from "../columnar/value.ts";
import type { Batch, Vector } from "../columnar/vector.ts";
import { NotFoundError } from "../storage/errors.ts";
import type { AddCdcFile, AddFile, RemoveFile } from "./actions.ts";
import {
	type CommitChanges,
	changesIn,
	dataChanges,
	type VectorChange,
} from "./change-log.ts";
import {
	type DeletedRows,
	DeletionVectorReader,
	differenceRows,
} from "./deletion-vector.ts";
import type { Engine } from "./engine.ts";
import { DeltaError } from "./errors.ts";
import { locateFile } from "./path.ts";
import { scanFiles } from "./scan.ts";
import { loadSnapshot, type Snapshot } from "./snapshot.ts";

export const CHANGE_TYPE = "_change_type";
export const COMMIT_VERSION = "_commit_version";
export const COMMIT_TIMESTAMP = "_commit_timestamp";

export type ChangeType =
	| "insert"
	| "update_preimage"
	| "update_postimage"
	| "delete";

const CHANGE_TYPES: ReadonlySet<unknown> = new Set<ChangeType>([
	"insert",
	"update_preimage",
	"update_postimage",
	"delete",
]);

export interface ChangesOptions {
	/** The first version whose changes are wanted. */
	readonly from: number;
	/** The last one, included; the newest when absent. */
	readonly to?: number;
	/** Top-level columns of the table; the three of the change come in any case. */
	readonly columns?: readonly string[];
	/**
	 * Demand that the change data feed was on for the whole range, as Spark does: without it, rows that
	 * an engine copied from one file to another show as a delete and an insert.
	 */
	readonly recorded?: boolean;
}

/**
 * The changes of the versions `from` to `to`, in order of version (PROTOCOL.md, "Reader Requirements
 * for AddCDCFile"): rows of the table's schema at `to`, with `_change_type`, `_commit_version` and
 * `_commit_timestamp`. Columns that older files lack are null, older types are widened, columns that
 * `to` has no more are left out. A version with change data files gives what they hold; any other,
 * the rows of removed files as deletes, those of added files as inserts, and of a file whose deletion
 * vector changed the difference; deletes come first.
 *
 * Everything that can be known beforehand is checked before the first batch.
 *
 * @throws DeltaError DELTA_TABLE_NOT_FOUND, DELTA_VERSION_NOT_FOUND; DELTA_CHANGES_UNAVAILABLE when the
 * log doesn't go back to `from`, the feed was off (`recorded`), or the schema of older versions
 * doesn't fit; DELTA_FILE_MISSING when a file is gone that held the changes
 */
export async function* readChanges(
	engine: Engine,
	options: ChangesOptions,
): AsyncGenerator<Batch, void, undefined> {
	const { from, to } = options;
	const end = await loadSnapshot(
		engine,
		to === undefined ? {} : { version: to },
	);
	if (end === undefined)
		throw new DeltaError(
			"DELTA_TABLE_NOT_FOUND",
			`there is no Delta table at ${engine.store.url}`,
		);
	checkNames(end);
	const range = { from, to: end.version };
	for await (const commit of changesIn(engine, end, range, {
		recorded: options.recorded ?? false,
	}))
		for await (const rows of rowsOf(engine, end, commit, options.columns))
			if (rows.batch.length > 0) yield withCommit(rows, commit);
}

interface ChangedRows {
	readonly batch: Batch;
	/** One type for all rows, or a vector of them. */
	readonly type: ChangeType | Vector;
}

async function* rowsOf(
	engine: Engine,
	end: Snapshot,
	commit: CommitChanges,
	columns: readonly string[] | undefined,
): AsyncGenerator<ChangedRows, void, undefined> {
	const scan = (
		files: readonly AddFile[],
		fileColumns: StructType["fields"] = [],
	): ReturnType<typeof scanFiles> =>
		scanFiles(engine, end, {
			files,
			fileColumns,
			...(columns === undefined ? {} : { columns }),
		});
	try {
		if (commit.cdc.length > 0) {
			const files = commit.cdc.map(changeFile);
			for await (const { batch, file } of scan(files, [
				field(CHANGE_TYPE, "string"),
			]))
				yield splitType(batch, `${engine.store.url}: ${file.path}`);
			return;
		}
		const changes = dataChanges(commit);
		const removed: AddFile[] = [];
		for (const remove of changes.removed)
			removed.push(await removedFile(engine, end, remove));
		for await (const { batch } of scan(removed))
			yield { batch, type: "delete" };
		for (let i = 0; i < changes.vectors.length; i += PAIRS)
			yield* vectorRows(engine, changes.vectors.slice(i, i + PAIRS), scan);
		for await (const { batch } of scan(changes.added))
			yield { batch, type: "insert" };
	} catch (error) {
		const cause = error instanceof DeltaError ? error.cause : error;
		if (!(cause instanceof NotFoundError)) throw error;
		throw missing(engine, end, `version ${commit.version}`, cause);
	}
}

/** Files whose deletion vectors are compared at once: what is held of them is their rows' positions. */
const PAIRS = 8;

/** Rows that a deletion vector hides now and did not before, and the other way round. */
async function* vectorRows(
	engine: Engine,
	pairs: readonly VectorChange[],
	scan: (files: readonly AddFile[]) => ReturnType<typeof scanFiles>,
): AsyncGenerator<ChangedRows, void, undefined> {
	const reader = new DeletionVectorReader(engine, {
		descriptors: pairs.flatMap(({ before, after }) => [
			...(before === undefined ? [] : [before]),
			...(after === undefined ? [] : [after]),
		]),
	});
	const none = new Uint32Array(0);
	const wanted = new Map<
		AddFile,
		{ readonly deleted: DeletedRows; readonly inserted: DeletedRows }
	>();
	for (const { file, before, after } of pairs) {
		const [old, now] = await Promise.all(
			[before, after].map((vector) =>
				vector === undefined ? none : reader.read(vector),
			),
		);
		const deleted = differenceRows(now ?? none, old ?? none);
		const inserted = differenceRows(old ?? none, now ?? none);
		if (deleted.length + inserted.length > 0)
			wanted.set(file, { deleted, inserted });
	}
	for await (const { batch, rows, file } of scan([...wanted.keys()])) {
		const sets = wanted.get(file);
		if (sets === undefined) continue;
		for (const [type, set] of [
			["delete", sets.deleted],
			["insert", sets.inserted],
		] as const) {
			const picked = positionsOf(set, rows);
			if (picked.length > 0) yield { batch: take(batch, picked), type };
		}
	}
}

/** Where in `rows`, which ascend, those of a set are. */
function positionsOf(set: DeletedRows, rows: Int32Array): Int32Array {
	const found = new Int32Array(Math.min(set.length, rows.length));
	let length = 0;
	let [low, high] = [0, set.length];
	while (low < high) {
		const middle = (low + high) >>> 1;
		if ((set[middle] as number) < (rows[0] ?? 0)) low = middle + 1;
		else high = middle;
	}
	for (let i = 0; i < rows.length && low < set.length; i++) {
		while ((set[low] ?? Number.POSITIVE_INFINITY) < (rows[i] as number)) low++;
		if (set[low] === rows[i]) found[length++] = i;
	}
	return found.subarray(0, length);
}

function changeFile(cdc: AddCdcFile): AddFile {
	const { path, partitionValues, size } = cdc;
	return {
		path,
		partitionValues,
		size,
		modificationTime: 0,
		dataChange: false,
	};
}

/** A removed file as it was, rows hidden by its deletion vector left out. */
async function removedFile(
	engine: Engine,
	end: Snapshot,
	remove: RemoveFile,
): Promise<AddFile> {
	const { path, partitionValues, deletionVector } = remove;
	if (
		(partitionValues === undefined || partitionValues === null) &&
		end.metadata.partitionColumns.length > 0
	)
		throw new DeltaError(
			"DELTA_CHANGES_UNAVAILABLE",
			`${engine.store.url}: the log does not tell the partition of the removed file ${path}; read from a later version`,
		);
	let { size } = remove;
	if (size === undefined || size === null) {
		const located = locateFile(engine, path);
		size = (await located.store.head(located.path))?.size;
		if (size === undefined) throw missing(engine, end, path);
	}
	return {
		path,
		partitionValues: partitionValues ?? {},
		size,
		modificationTime: 0,
		dataChange: true,
		...(deletionVector === undefined || deletionVector === null
			? {}
			: { deletionVector }),
	};
}

/** The rows of a change data file, its last column apart. */
function splitType(batch: Batch, where: string): ChangedRows {
	const type = batch.columns.at(-1);
	if (type === undefined) throw new Error("a scan lost a column");
	const seen = new Set<unknown>();
	for (let i = 0; i < batch.length; i++) seen.add(valueAt(type, "string", i));
	for (const value of seen)
		if (!CHANGE_TYPES.has(value))
			throw new DeltaError(
				"DELTA_LOG_INVALID",
				`${where} has the ${CHANGE_TYPE} ${String(value).slice(0, 40)}; it has to be one of ${[...CHANGE_TYPES].join(", ")}`,
			);
	return {
		batch: {
			schema: { type: "struct", fields: batch.schema.fields.slice(0, -1) },
			length: batch.length,
			columns: batch.columns.slice(0, -1),
		},
		type,
	};
}

function withCommit(
	{ batch, type }: ChangedRows,
	commit: CommitChanges,
): Batch {
	const { length } = batch;
	return {
		schema: {
			type: "struct",
			fields: [
				// Rows of older versions may lack what the table demands now.
				...batch.schema.fields.map((each) => ({ ...each, nullable: true })),
				field(CHANGE_TYPE, "string", { nullable: false }),
				field(COMMIT_VERSION, "long", { nullable: false }),
				field(COMMIT_TIMESTAMP, "timestamp", { nullable: false }),
			],
		},
		length,
		columns: [
			...batch.columns,
			typeof type === "string" ? constantVector("string", type, length) : type,
			constantVector("long", BigInt(commit.version), length),
			constantVector("timestamp", BigInt(commit.timestamp) * 1000n, length),
		],
	};
}

/** @throws DeltaError DELTA_SCHEMA_INCOMPATIBLE when a column has the name of one of a change's */
function checkNames({ url, schema }: Snapshot): void {
	const taken = schema.fields.find(({ name }) =>
		[CHANGE_TYPE, COMMIT_VERSION, COMMIT_TIMESTAMP].includes(
			name.toLowerCase(),
		),
	);
	if (taken !== undefined)
		throw new DeltaError(
			"DELTA_SCHEMA_INCOMPATIBLE",
			`${url} has a column ${taken.name}, which is a name that changes are told by; rename the column to read changes`,
		);
}

function missing(
	engine: Engine,
	end: Snapshot,
	of: string,
	cause?: NotFoundError,
): DeltaError {
	const retention =
		end.metadata.configuration["delta.deletedFileRetentionDuration"] ??
		"interval 1 week";
	return new DeltaError(
		"DELTA_FILE_MISSING",
		`${engine.store.url}: a file with the changes of ${of} is gone${cause === undefined ? "" : ` (${cause.message})`}; vacuum keeps removed files for delta.deletedFileRetentionDuration, ${retention}: read from a later version`,
		{ cause },
	);
}
