import type { Engine } from "../delta/engine.ts";
import type { Snapshot } from "../delta/snapshot.ts";
import type { Logger } from "../observe/log.ts";
import type { ObjectStore } from "../storage/store.ts";
import type { IngestConfig } from "./config.ts";
import type { Database } from "./database.ts";
import type { RunRecord } from "./runs.ts";

/** What a worker has of the world. */
export interface IngestContext {
	readonly config: IngestConfig;
	readonly source: ObjectStore;
	/** Of the table. */
	readonly engine: Engine;
	readonly db: Database;
	/** Tells this process from others; claims carry it. */
	readonly worker: string;
	readonly log: Logger;
	readonly observe?: IngestObserver;
}

/** Told of what happens, for metrics. */
export interface IngestObserver {
	listed(files: number): void;
	group(result: GroupResult, seconds: number): void;
	run(run: RunRecord): void;
}

export interface GroupResult {
	readonly loaded: number;
	readonly failed: number;
	readonly skipped: number;
	readonly records: number;
	/** Of the data files. */
	readonly bytes: number;
	/** Of the files that were loaded. */
	readonly sourceBytes: number;
	/** Codes of the files that failed, one each. */
	readonly errors: readonly string[];
	readonly snapshot: Snapshot | undefined;
}
