import {
	existsSync,
	mkdirSync,
	readFileSync,
	renameSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { PGlite } from "@electric-sql/pglite";
import { messageOf } from "../errors.ts";
import type { Database } from "./database.ts";
import { StateError } from "./errors.ts";

/**
 * PostgreSQL inside this process (PGlite), its files in a folder, or in memory without one. A folder is one
 * process's at a time: a lock beside it says whose.
 * @throws StateError INGEST_STATE_LOCKED while another process has it, INGEST_STATE_FAILED
 */
export async function openEmbedded(folder?: string): Promise<Database> {
	const release = folder === undefined ? () => {} : lock(folder);
	const place = folder === undefined ? "in memory" : `in ${folder}`;
	const failed = (cause: unknown): StateError =>
		new StateError(
			"INGEST_STATE_FAILED",
			`the state ${place} failed: ${messageOf(cause)}; check the folder and its disk. Without it the state is rebuilt from the table`,
			{ cause },
		);
	let db: PGlite;
	try {
		if (folder !== undefined) await make(folder);
		db = await PGlite.create(folder === undefined ? {} : { dataDir: folder });
	} catch (cause) {
		release();
		throw failed(cause);
	}
	return {
		place,
		shared: false,
		query: async <R>(sql: string, values: readonly unknown[] = []) => {
			try {
				return (await db.query<R>(sql, [...values])).rows;
			} catch (cause) {
				throw failed(cause);
			}
		},
		transaction: (work) =>
			db.transaction((tx) =>
				work(async <R>(sql: string, values: readonly unknown[] = []) => {
					try {
						return (await tx.query<R>(sql, [...values])).rows;
					} catch (cause) {
						throw failed(cause);
					}
				}),
			),
		close: async () => {
			try {
				await db.close();
			} finally {
				release();
			}
		},
	};
}

/** Makes a database beside the folder first: one that was begun and not finished would never open. */
async function make(folder: string): Promise<void> {
	if (existsSync(join(folder, "PG_VERSION"))) return;
	const begun = `${folder.replace(/\/+$/, "")}.new`;
	rmSync(begun, { recursive: true, force: true });
	const db = await PGlite.create({ dataDir: begun });
	await db.close();
	rmSync(folder, { recursive: true, force: true });
	renameSync(begun, folder);
}

/** @returns what gives the lock back */
function lock(folder: string): () => void {
	const file = `${folder.replace(/\/+$/, "")}.lock`;
	mkdirSync(dirname(file), { recursive: true });
	for (let attempt = 0; attempt < 2; attempt++)
		try {
			writeFileSync(file, String(process.pid), { flag: "wx" });
			return () => rmSync(file, { force: true });
		} catch (cause) {
			if (!existsSync(file)) throw refused(folder, messageOf(cause), cause);
			const pid = Number(readFileSync(file, "utf8"));
			// In a container every process has the same number as the one before.
			if (pid !== process.pid && isAlive(pid))
				throw new StateError(
					"INGEST_STATE_LOCKED",
					`the state in ${folder} is in use by process ${pid}: wait for it, stop it, or share a PostgreSQL database (spec.state) among workers`,
					{ retryable: true },
				);
			rmSync(file, { force: true });
		}
	throw refused(folder, "another process takes it", undefined);
}

function refused(folder: string, why: string, cause: unknown): StateError {
	return new StateError(
		"INGEST_STATE_LOCKED",
		`the state in ${folder} can't be locked: ${why}`,
		{ cause, retryable: true },
	);
}

function isAlive(pid: number): boolean {
	if (!Number.isInteger(pid) || pid <= 0) return false;
	try {
		process.kill(pid, 0);
		return true;
	} catch (error) {
		return error instanceof Error && "code" in error && error.code === "EPERM";
	}
}
