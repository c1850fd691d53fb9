import type { Database } from "./database.ts";
import { StateError } from "./errors.ts";

/** One version of the state's schema after another; what was released is never changed. */
const MIGRATIONS: readonly (readonly string[])[] = [
	[
		`CREATE TABLE tributary_ingest.ingestions (
			id text PRIMARY KEY,
			source text NOT NULL,
			target text NOT NULL,
			created_at timestamptz NOT NULL DEFAULT now(),
			updated_at timestamptz NOT NULL DEFAULT now()
		)`,
		`CREATE TABLE tributary_ingest.runs (
			id uuid PRIMARY KEY,
			ingestion_id text NOT NULL REFERENCES tributary_ingest.ingestions (id) ON DELETE CASCADE,
			trigger text NOT NULL,
			status text NOT NULL CHECK (status IN ('PENDING', 'RUNNING', 'SUCCESS', 'PARTIAL', 'FAILED')),
			worker text,
			requested_at timestamptz NOT NULL DEFAULT now(),
			started_at timestamptz,
			finished_at timestamptz,
			files_listed bigint NOT NULL DEFAULT 0,
			files_discovered bigint NOT NULL DEFAULT 0,
			files_loaded bigint NOT NULL DEFAULT 0,
			files_failed bigint NOT NULL DEFAULT 0,
			files_skipped bigint NOT NULL DEFAULT 0,
			records bigint NOT NULL DEFAULT 0,
			bytes bigint NOT NULL DEFAULT 0,
			error_type text,
			error_message text
		)`,
		`CREATE TABLE tributary_ingest.processed_files (
			id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
			ingestion_id text NOT NULL REFERENCES tributary_ingest.ingestions (id) ON DELETE CASCADE,
			path text NOT NULL,
			size bigint NOT NULL,
			modified_at timestamptz NOT NULL,
			etag text NOT NULL,
			status text NOT NULL CHECK (status IN ('DISCOVERED', 'PROCESSING', 'SUCCESS', 'FAILED', 'SKIPPED')),
			discovered_at timestamptz NOT NULL DEFAULT now(),
			started_at timestamptz,
			finished_at timestamptz,
			records bigint,
			bytes bigint,
			table_version bigint,
			error_type text,
			error_message text,
			retry_count integer NOT NULL DEFAULT 0,
			retry_at timestamptz,
			run_id uuid,
			worker text,
			locked_at timestamptz
		)`,
		"CREATE UNIQUE INDEX processed_files_path ON tributary_ingest.processed_files (ingestion_id, path)",
		"CREATE INDEX processed_files_status ON tributary_ingest.processed_files (ingestion_id, status, id)",
		"CREATE INDEX processed_files_run ON tributary_ingest.processed_files (run_id)",
		"CREATE INDEX processed_files_finished ON tributary_ingest.processed_files (ingestion_id, finished_at)",
		"CREATE INDEX runs_requested ON tributary_ingest.runs (ingestion_id, requested_at)",
	],
];

/** Keeps workers that start together from migrating at once. */
const LOCK = 7_275_913;

/**
 * Brings the state's schema up to date.
 * @throws StateError INGEST_STATE_NEWER when a later version of the product has been there
 */
export async function migrate(db: Database): Promise<void> {
	await db.transaction(async (query) => {
		await query(`SELECT pg_advisory_xact_lock(${LOCK})`);
		await query("CREATE SCHEMA IF NOT EXISTS tributary_ingest");
		await query(
			"CREATE TABLE IF NOT EXISTS tributary_ingest.migrations (version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())",
		);
		const [row] = await query<{ version: number | null }>(
			"SELECT max(version) AS version FROM tributary_ingest.migrations",
		);
		const version = row?.version ?? 0;
		if (version > MIGRATIONS.length)
			throw new StateError(
				"INGEST_STATE_NEWER",
				`the state ${db.place} is of version ${version}, and this Tributary knows ${MIGRATIONS.length}: use the newer one, or another database`,
			);
		for (const [i, statements] of MIGRATIONS.entries()) {
			if (i < version) continue;
			for (const statement of statements) await query(statement);
			await query(
				"INSERT INTO tributary_ingest.migrations (version) VALUES ($1)",
				[i + 1],
			);
		}
	});
}
