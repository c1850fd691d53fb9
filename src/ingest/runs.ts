import type { Database } from "./database.ts";

export type RunStatus =
	| "PENDING"
	| "RUNNING"
	/** Every file that it took is in the table. */
	| "SUCCESS"
	/** Some files failed; the others are in the table. */
	| "PARTIAL"
	| "FAILED";

export type Trigger = "manual" | "schedule" | "watch" | "api";

/** A row of `runs`; times are in milliseconds since the epoch. */
export interface RunRecord {
	readonly id: string;
	readonly trigger: Trigger;
	readonly status: RunStatus;
	readonly worker: string | null;
	readonly requestedMs: number;
	readonly startedMs: number | null;
	readonly finishedMs: number | null;
	/** Objects that the source has and that are wanted. */
	readonly filesListed: number;
	/** Of those, new or changed. */
	readonly filesDiscovered: number;
	readonly filesLoaded: number;
	readonly filesFailed: number;
	readonly filesSkipped: number;
	readonly records: number;
	/** Of the data files. */
	readonly bytes: number;
	readonly errorType: string | null;
	readonly errorMessage: string | null;
}

export type RunFigures = Pick<
	RunRecord,
	| "filesListed"
	| "filesDiscovered"
	| "filesLoaded"
	| "filesFailed"
	| "filesSkipped"
	| "records"
	| "bytes"
>;

const RUNS = "tributary_ingest.runs";

const COLUMNS = `id, trigger, status, worker, files_listed, files_discovered, files_loaded, files_failed, files_skipped,
	records, bytes, error_type, error_message,
	${["requested", "started", "finished"]
		.map(
			(name) => `(extract(epoch FROM ${name}_at) * 1000)::float8 AS ${name}_ms`,
		)
		.join(", ")}`;

/** Makes sure that the ingestion is known; where it reads and writes is kept for people. */
export async function registerIngestion(
	db: Database,
	ingestion: {
		readonly id: string;
		readonly source: string;
		readonly target: string;
	},
): Promise<void> {
	await db.query(
		`INSERT INTO tributary_ingest.ingestions (id, source, target) VALUES ($1, $2, $3)
		ON CONFLICT (id) DO UPDATE SET source = excluded.source, target = excluded.target, updated_at = now()`,
		[ingestion.id, ingestion.source, ingestion.target],
	);
}

/** A run that waits for a worker. */
export async function requestRun(
	db: Database,
	run: {
		readonly id: string;
		readonly ingestion: string;
		readonly trigger: Trigger;
	},
): Promise<RunRecord> {
	const [row] = await db.query<RunRow>(
		`INSERT INTO ${RUNS} (id, ingestion_id, trigger, status) VALUES ($1::uuid, $2, $3, 'PENDING') RETURNING ${COLUMNS}`,
		[run.id, run.ingestion, run.trigger],
	);
	return runRecord(row as RunRow);
}

/** Takes the oldest run that waits; no other worker gets it. */
export async function takeRun(
	db: Database,
	ingestion: string,
	worker: string,
): Promise<RunRecord | undefined> {
	const [row] = await db.query<RunRow>(
		`UPDATE ${RUNS} SET status = 'RUNNING', worker = $2, started_at = clock_timestamp()
		WHERE id = (SELECT id FROM ${RUNS} WHERE ingestion_id = $1 AND status = 'PENDING' ORDER BY requested_at LIMIT 1 FOR UPDATE SKIP LOCKED)
		RETURNING ${COLUMNS}`,
		[ingestion, worker],
	);
	return row === undefined ? undefined : runRecord(row);
}

export async function startRun(
	db: Database,
	run: {
		readonly id: string;
		readonly ingestion: string;
		readonly trigger: Trigger;
		readonly worker: string;
	},
): Promise<void> {
	await db.query(
		`INSERT INTO ${RUNS} (id, ingestion_id, trigger, status, worker, started_at)
		VALUES ($1::uuid, $2, $3, 'RUNNING', $4, clock_timestamp())`,
		[run.id, run.ingestion, run.trigger, run.worker],
	);
}

export async function finishRun(
	db: Database,
	id: string,
	end: RunFigures & {
		readonly status: RunStatus;
		readonly errorType?: string | undefined;
		readonly errorMessage?: string | undefined;
	},
): Promise<RunRecord> {
	const [row] = await db.query<RunRow>(
		`UPDATE ${RUNS} SET status = $2, finished_at = clock_timestamp(), files_listed = $3, files_discovered = $4,
			files_loaded = $5, files_failed = $6, files_skipped = $7, records = $8, bytes = $9, error_type = $10, error_message = $11
		WHERE id = $1::uuid RETURNING ${COLUMNS}`,
		[
			id,
			end.status,
			end.filesListed,
			end.filesDiscovered,
			end.filesLoaded,
			end.filesFailed,
			end.filesSkipped,
			end.records,
			end.bytes,
			end.errorType ?? null,
			end.errorMessage?.slice(0, 2000) ?? null,
		],
	);
	return runRecord(row as RunRow);
}

/** A look that found nothing is no history. */
export async function forgetRun(db: Database, id: string): Promise<void> {
	await db.query(`DELETE FROM ${RUNS} WHERE id = $1::uuid`, [id]);
}

/** Runs of processes that are gone: `staleMs` after their start none of their files is theirs. */
export async function closeStaleRuns(
	db: Database,
	ingestion: string,
	staleMs: number,
): Promise<void> {
	await db.query(
		`UPDATE ${RUNS} AS r SET status = 'FAILED', finished_at = clock_timestamp(), error_type = 'INGEST_WORKER_GONE',
			error_message = 'the worker ended before its run did; its files are loaded by the next one'
		WHERE ingestion_id = $1 AND status = 'RUNNING'
			AND started_at < clock_timestamp() - $2::float8 * interval '1 millisecond'
			AND NOT EXISTS (SELECT FROM tributary_ingest.processed_files f WHERE f.run_id = r.id
				AND greatest(f.locked_at, f.finished_at) >= clock_timestamp() - $2::float8 * interval '1 millisecond')`,
		[ingestion, staleMs],
	);
}

/** Newest first. */
export async function listRuns(
	db: Database,
	ingestion: string,
	limit: number,
): Promise<RunRecord[]> {
	const rows = await db.query<RunRow>(
		`SELECT ${COLUMNS} FROM ${RUNS} WHERE ingestion_id = $1 ORDER BY requested_at DESC LIMIT $2`,
		[ingestion, limit],
	);
	return rows.map(runRecord);
}

export async function findRun(
	db: Database,
	ingestion: string,
	id: string,
): Promise<RunRecord | undefined> {
	const [row] = await db.query<RunRow>(
		`SELECT ${COLUMNS} FROM ${RUNS} WHERE ingestion_id = $1 AND id::text = $2`,
		[ingestion, id],
	);
	return row === undefined ? undefined : runRecord(row);
}

type RunRow = Readonly<Record<string, unknown>>;

function runRecord(row: RunRow): RunRecord {
	const time = (name: string): number | null =>
		row[name] === null ? null : Number(row[name]);
	const text = (name: string): string | null =>
		row[name] === null ? null : String(row[name]);
	return {
		id: String(row.id),
		trigger: row.trigger as Trigger,
		status: row.status as RunStatus,
		worker: text("worker"),
		requestedMs: Number(row.requested_ms),
		startedMs: time("started_ms"),
		finishedMs: time("finished_ms"),
		filesListed: Number(row.files_listed),
		filesDiscovered: Number(row.files_discovered),
		filesLoaded: Number(row.files_loaded),
		filesFailed: Number(row.files_failed),
		filesSkipped: Number(row.files_skipped),
		records: Number(row.records),
		bytes: Number(row.bytes),
		errorType: text("error_type"),
		errorMessage: text("error_message"),
	};
}
