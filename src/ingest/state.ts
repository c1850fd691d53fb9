import type { Database } from "./database.ts";
import type { SourceFile } from "./identity.ts";

export type FileStatus =
	| "DISCOVERED"
	| "PROCESSING"
	| "SUCCESS"
	| "FAILED"
	| "SKIPPED";

export const FILE_STATUSES: readonly FileStatus[] = [
	"DISCOVERED",
	"PROCESSING",
	"SUCCESS",
	"FAILED",
	"SKIPPED",
];

/** A row of `processed_files`; times are in milliseconds since the epoch. */
export interface FileRecord {
	readonly id: number;
	readonly path: string;
	readonly size: number;
	readonly modifiedMs: number;
	readonly etag: string;
	readonly status: FileStatus;
	readonly discoveredMs: number;
	readonly startedMs: number | null;
	readonly finishedMs: number | null;
	readonly records: number | null;
	readonly bytes: number | null;
	readonly tableVersion: number | null;
	readonly errorType: string | null;
	readonly errorMessage: string | null;
	readonly retryCount: number;
	readonly retryMs: number | null;
	readonly runId: string | null;
	readonly worker: string | null;
}

/** How a claimed file ended. */
export type FileEnd =
	| {
			readonly status: "SUCCESS";
			/** `null` where another worker, or this one before a crash, has loaded the file. */
			readonly records: number | null;
			readonly bytes: number | null;
			readonly tableVersion: number | null;
	  }
	| {
			readonly status: "FAILED";
			readonly errorType: string;
			readonly errorMessage: string;
			/** Milliseconds until it is tried again by itself; `undefined`: it is not. */
			readonly retryInMs: number | undefined;
	  }
	| {
			readonly status: "SKIPPED";
			readonly errorType: string;
			readonly errorMessage: string;
	  }
	/** As if it had not been claimed. */
	| { readonly status: "DISCOVERED" };

const FILES = "tributary_ingest.processed_files";

const COLUMNS = `id, path, size, etag, status, records, bytes, table_version, error_type, error_message, retry_count, run_id, worker,
	${["modified", "discovered", "started", "finished", "retry"]
		.map(
			(name) => `(extract(epoch FROM ${name}_at) * 1000)::float8 AS ${name}_ms`,
		)
		.join(", ")}`;

/** Files of one ingestion that are listed, and not known in this content. */
export interface Discovered {
	/** Those that the table has already; they need no loading. */
	readonly known: number;
	readonly fresh: number;
}

/**
 * Notes listed files: new ones, and those with another ETag than before, wait to be loaded; but what the
 * table has in this content is done. A file that is being loaded is left alone.
 */
export async function discover(
	db: Database,
	ingestion: string,
	files: readonly (SourceFile & { readonly inTable: boolean })[],
): Promise<Discovered> {
	if (files.length === 0) return { known: 0, fresh: 0 };
	const rows = await db.query<{ status: FileStatus }>(
		`INSERT INTO ${FILES} AS f (ingestion_id, path, size, modified_at, etag, status, finished_at)
		SELECT $1, x.path, x.size, to_timestamp(x.modified / 1000.0), x.etag,
			CASE WHEN x.known THEN 'SUCCESS' ELSE 'DISCOVERED' END, CASE WHEN x.known THEN now() END
		FROM jsonb_to_recordset($2::text::jsonb) AS x (path text, size bigint, modified float8, etag text, known boolean)
		ON CONFLICT (ingestion_id, path) DO UPDATE SET
			size = excluded.size, modified_at = excluded.modified_at, etag = excluded.etag,
			status = excluded.status, discovered_at = now(), started_at = NULL, finished_at = excluded.finished_at,
			records = NULL, bytes = NULL, table_version = NULL, error_type = NULL, error_message = NULL,
			retry_count = 0, retry_at = NULL, run_id = NULL, worker = NULL, locked_at = NULL
		WHERE f.etag <> excluded.etag AND f.status <> 'PROCESSING'
		RETURNING status`,
		[
			ingestion,
			JSON.stringify(
				files.map(({ path, size, modifiedMs, etag, inTable }) => ({
					path,
					size,
					modified: modifiedMs,
					etag,
					known: inTable,
				})),
			),
		],
	);
	const known = rows.filter(({ status }) => status === "SUCCESS").length;
	return { known, fresh: rows.length - known };
}

/**
 * Takes files for this worker, which no other one gets meanwhile: those that wait, failed ones whose time has
 * come, and those of a worker that has not been heard of for `staleMs`.
 */
export async function claim(
	db: Database,
	options: {
		readonly ingestion: string;
		readonly run: string;
		readonly worker: string;
		readonly limit: number;
		/** Bytes of all files together, but for the first. */
		readonly limitBytes: number;
		readonly staleMs: number;
	},
): Promise<FileRecord[]> {
	const rows = await db.query<FileRow>(
		`UPDATE ${FILES} SET status = 'PROCESSING', run_id = $2::uuid, worker = $3, locked_at = clock_timestamp(),
			started_at = clock_timestamp(), finished_at = NULL
		WHERE id IN (
			SELECT id FROM (
				SELECT id, sum(size) OVER (ORDER BY id) - size AS before FROM (
					SELECT id, size FROM ${FILES}
					WHERE ingestion_id = $1 AND (
						status = 'DISCOVERED'
						OR (status = 'FAILED' AND retry_at <= clock_timestamp())
						OR (status = 'PROCESSING' AND locked_at < clock_timestamp() - $6::float8 * interval '1 millisecond')
					)
					ORDER BY id LIMIT $4 FOR UPDATE SKIP LOCKED
				) AS locked
			) AS summed WHERE before < $5
		)
		RETURNING ${COLUMNS}`,
		[
			options.ingestion,
			options.run,
			options.worker,
			options.limit,
			options.limitBytes,
			options.staleMs,
		],
	);
	return rows.map(fileRecord).sort((a, b) => a.id - b.id);
}

/** Says that the worker is still at these files. @returns those that are still its own */
export async function keepClaim(
	db: Database,
	worker: string,
	ids: readonly number[],
): Promise<ReadonlySet<number>> {
	if (ids.length === 0) return new Set();
	const rows = await db.query<{ id: unknown }>(
		`UPDATE ${FILES} SET locked_at = clock_timestamp()
		WHERE status = 'PROCESSING' AND worker = $1 AND id IN (SELECT jsonb_array_elements_text($2::text::jsonb)::bigint)
		RETURNING id`,
		[worker, JSON.stringify(ids)],
	);
	return new Set(rows.map(({ id }) => Number(id)));
}

/**
 * Gives back files of workers that are surely gone: those whose names begin so, or all.
 * @returns how many there were
 */
export async function releaseClaims(
	db: Database,
	ingestion: string,
	workers: string | undefined,
): Promise<number> {
	const rows = await db.query(
		`UPDATE ${FILES} SET status = 'DISCOVERED', worker = NULL, locked_at = NULL, started_at = NULL
		WHERE ingestion_id = $1 AND status = 'PROCESSING' AND ($2::text IS NULL OR starts_with(worker, $2))
		RETURNING id`,
		[ingestion, workers ?? null],
	);
	return rows.length;
}

/** Notes how a claimed file ended, unless it is another worker's by now. */
export async function finishFile(
	db: Database,
	worker: string,
	id: number,
	end: FileEnd,
): Promise<void> {
	const error = "errorType" in end ? end : undefined;
	const success = end.status === "SUCCESS" ? end : undefined;
	const retryInMs = end.status === "FAILED" ? end.retryInMs : undefined;
	await db.query(
		`UPDATE ${FILES} SET status = $3, worker = NULL, locked_at = NULL,
			finished_at = CASE WHEN $3 = 'DISCOVERED' THEN NULL ELSE clock_timestamp() END,
			records = $4, bytes = $5, table_version = $6, error_type = $7, error_message = $8,
			retry_count = retry_count + CASE WHEN $3 = 'FAILED' THEN 1 ELSE 0 END,
			retry_at = clock_timestamp() + $9::float8 * interval '1 millisecond'
		WHERE id = $1 AND status = 'PROCESSING' AND worker = $2`,
		[
			id,
			worker,
			end.status,
			success?.records ?? null,
			success?.bytes ?? null,
			success?.tableVersion ?? null,
			error?.errorType ?? null,
			error?.errorMessage.slice(0, 2000) ?? null,
			retryInMs ?? null,
		],
	);
}

/**
 * Has failed files loaded again, all or those of these paths, however often they were tried.
 * @returns how many there were
 */
export async function retryFiles(
	db: Database,
	ingestion: string,
	paths?: readonly string[],
): Promise<number> {
	const rows = await db.query(
		`UPDATE ${FILES} SET status = 'DISCOVERED', retry_count = 0, retry_at = NULL
		WHERE ingestion_id = $1 AND status IN ('FAILED', 'SKIPPED')
			AND ($2::text IS NULL OR path IN (SELECT jsonb_array_elements_text($2::text::jsonb)))
		RETURNING id`,
		[ingestion, paths === undefined ? null : JSON.stringify(paths)],
	);
	return rows.length;
}

export interface FileQuery {
	readonly status?: FileStatus | undefined;
	readonly run?: string | undefined;
	readonly path?: string | undefined;
	readonly limit: number;
	/** Only files with a greater id. */
	readonly after?: number | undefined;
}

/** Files in the order of their discovery. */
export async function listFiles(
	db: Database,
	ingestion: string,
	query: FileQuery,
): Promise<FileRecord[]> {
	const rows = await db.query<FileRow>(
		`SELECT ${COLUMNS} FROM ${FILES}
		WHERE ingestion_id = $1 AND ($2::text IS NULL OR status = $2) AND ($3::text IS NULL OR run_id::text = $3)
			AND ($4::text IS NULL OR path = $4) AND id > $5
		ORDER BY id LIMIT $6`,
		[
			ingestion,
			query.status ?? null,
			query.run ?? null,
			query.path ?? null,
			query.after ?? 0,
			query.limit,
		],
	);
	return rows.map(fileRecord);
}

export type FileCounts = Readonly<Record<FileStatus, number>>;

export async function countFiles(
	db: Database,
	ingestion: string,
): Promise<FileCounts> {
	const rows = await db.query<{ status: FileStatus; count: unknown }>(
		`SELECT status, count(*) AS count FROM ${FILES} WHERE ingestion_id = $1 GROUP BY status`,
		[ingestion],
	);
	const found = new Map(rows.map(({ status, count }) => [status, count]));
	return Object.fromEntries(
		FILE_STATUSES.map((status) => [status, Number(found.get(status) ?? 0)]),
	) as FileCounts;
}

type FileRow = Readonly<Record<string, unknown>>;

function fileRecord(row: FileRow): FileRecord {
	const number = (name: string): number | null =>
		row[name] === null || row[name] === undefined ? null : Number(row[name]);
	const text = (name: string): string | null =>
		row[name] === null || row[name] === undefined ? null : String(row[name]);
	return {
		id: Number(row.id),
		path: String(row.path),
		size: Number(row.size),
		modifiedMs: Number(row.modified_ms),
		etag: String(row.etag),
		status: row.status as FileStatus,
		discoveredMs: Number(row.discovered_ms),
		startedMs: number("started_ms"),
		finishedMs: number("finished_ms"),
		records: number("records"),
		bytes: number("bytes"),
		tableVersion: number("table_version"),
		errorType: text("error_type"),
		errorMessage: text("error_message"),
		retryCount: Number(row.retry_count),
		retryMs: number("retry_ms"),
		runId: text("run_id"),
		worker: text("worker"),
	};
}

/** Milliseconds until a failed file is tried again; `undefined` when none will be. */
export async function nextRetry(
	db: Database,
	ingestion: string,
): Promise<number | undefined> {
	const [row] = await db.query<{ wait: unknown }>(
		`SELECT (extract(epoch FROM min(retry_at) - clock_timestamp()) * 1000)::float8 AS wait FROM ${FILES}
		WHERE ingestion_id = $1 AND status = 'FAILED' AND retry_at IS NOT NULL`,
		[ingestion],
	);
	return row?.wait === null || row === undefined
		? undefined
		: Math.max(0, Number(row.wait));
}
