import { randomUUID } from "node:crypto";
import { toJson, valueAt } from "../../../src/columnar/value.ts";
import type { Vector } from "../../../src/columnar/vector.ts";
import type { Engine } from "../../../src/delta/engine.ts";
import { scanFiles } from "../../../src/delta/scan.ts";
import { loadSnapshot, type Snapshot } from "../../../src/delta/snapshot.ts";
import type { IngestConfig } from "../../../src/ingest/config.ts";
import type { IngestContext } from "../../../src/ingest/context.ts";
import type { Database } from "../../../src/ingest/database.ts";
import { HIDDEN } from "../../../src/ingest/discovery.ts";
import { openEmbedded } from "../../../src/ingest/embedded.ts";
import { migrate } from "../../../src/ingest/migrations.ts";
import { runIngestion } from "../../../src/ingest/run.ts";
import { type RunRecord, registerIngestion } from "../../../src/ingest/runs.ts";
import type { Logger } from "../../../src/observe/log.ts";
import {
	type MemoryStoreOptions,
	openMemoryStore,
	type StoredObject,
} from "../../../src/storage/memory.ts";
import { format, RULES } from "./read-file.ts";

export const SILENT: Logger = {
	debug: () => {},
	info: () => {},
	warn: () => {},
	error: () => {},
	child: () => SILENT,
};

export function configOf(more: Partial<IngestConfig> = {}): IngestConfig {
	return {
		id: "default.test",
		source: { location: "memory://", credentials: {} },
		selection: {
			prefix: "",
			suffix: "",
			include: [],
			exclude: HIDDEN,
			modifiedAfterMs: undefined,
			modifiedBeforeMs: undefined,
			minAgeMs: 0,
		},
		format: format("ndjson"),
		rules: RULES,
		sink: {
			location: "memory://",
			credentials: {},
			partitionBy: [],
			properties: {},
		},
		commit: { maxFiles: 64, maxBytes: 2 ** 30 },
		parallelism: 4,
		batchBytes: 2 ** 20,
		retry: { limit: 2, delayMs: 1, waitMs: 1000 },
		staleMs: 600_000,
		intervalMs: 1000,
		...more,
	};
}

/** A bucket and a table in memory, shared by workers whose stores may fail. */
export class World {
	readonly files = new Map<string, StoredObject>();
	readonly table = new Map<string, StoredObject>();
	readonly db: Database;
	/** Advances with each object that is put. */
	now = 1_700_000_000_000;

	constructor(db: Database) {
		this.db = db;
	}

	async put(path: string, text: string | Uint8Array): Promise<void> {
		this.now += 1000;
		const store = openMemoryStore({ objects: this.files, now: () => this.now });
		await store.put(path, typeof text === "string" ? Buffer.from(text) : text);
	}

	context(
		config: IngestConfig,
		options: {
			readonly worker?: string;
			readonly source?: MemoryStoreOptions;
			readonly target?: MemoryStoreOptions;
			readonly db?: Database;
			readonly random?: () => number;
		} = {},
	): IngestContext {
		return {
			config,
			source: openMemoryStore({ ...options.source, objects: this.files }),
			engine: this.engine(options.target, options.random),
			db: options.db ?? this.db,
			worker: options.worker ?? `w-${randomUUID()}`,
			log: SILENT,
		};
	}

	engine(store: MemoryStoreOptions = {}, random = Math.random): Engine {
		return {
			store: openMemoryStore({
				...store,
				objects: this.table,
				now: () => this.now,
			}),
			now: () => this.now,
			uuid: () => randomUUID(),
			sleep: (ms) => new Promise((wake) => setTimeout(wake, Math.min(ms, 5))),
			random,
		};
	}

	async run(
		config: IngestConfig,
		options: Parameters<World["context"]>[1] = {},
	): Promise<RunRecord> {
		await registerIngestion(this.db, {
			id: config.id,
			source: "s",
			target: "t",
		});
		return await runIngestion(this.context(config, options), {
			id: randomUUID(),
			trigger: "manual",
		});
	}

	async snapshot(): Promise<Snapshot> {
		const snapshot = await loadSnapshot(this.engine());
		if (snapshot === undefined) throw new Error("there is no table");
		return snapshot;
	}

	/** Rows with the values that are not null, but for the times of their ingestion. */
	async rows(): Promise<Record<string, unknown>[]> {
		const found: Record<string, unknown>[] = [];
		const snapshot = await this.snapshot();
		for await (const { batch } of scanFiles(this.engine(), snapshot, {}))
			for (let row = 0; row < batch.length; row++) {
				const values: Record<string, unknown> = {};
				for (const [i, { name, type }] of batch.schema.fields.entries()) {
					if (name.startsWith("_ingestion") || name === "_source_modified")
						continue;
					const value = valueAt(batch.columns[i] as Vector, type, row);
					if (value !== null) values[name] = JSON.parse(toJson(value, type));
				}
				found.push(values);
			}
		return found.sort((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1));
	}
}

function placeOf(row: Record<string, unknown>): string {
	return `${String(row._source_file)} ${String(row._source_row).padStart(9)}`;
}

let database: Promise<Database> | undefined;

/** One database in memory for all tests of a file: it takes a second to start. */
export function sharedDatabase(): Promise<Database> {
	database ??= (async () => {
		const db = await openEmbedded();
		await migrate(db);
		return db;
	})();
	return database;
}
