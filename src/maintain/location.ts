import { clusteringColumns } from "../delta/clustering.ts";
import type { Engine } from "../delta/engine.ts";
import { followLog, loadSnapshot, type Snapshot } from "../delta/snapshot.ts";
import { messageOf } from "../errors.ts";
import { type Logger, redactUris } from "../observe/log.ts";
import type { TableFigures } from "../resource/job-result.ts";
import type { ObjectStore } from "../storage/store.ts";
import { figuresOf } from "./figures.ts";
import { findTables } from "./find-tables.ts";
import { optimize } from "./optimize.ts";
import { ownRetention, vacuum } from "./vacuum.ts";

/** What is to be done to every table below a location. */
export type Task =
	| {
			readonly do: "optimize";
			readonly targetBytes?: number;
			/** Columns that a table lacks don't count for it. */
			readonly zOrderBy: readonly string[];
	  }
	| {
			readonly do: "vacuum";
			/** Milliseconds; a table that wants more keeps more. */
			readonly retentionMs?: number;
	  };

/** What one run has done to all tables. */
export interface MaintenanceReport {
	readonly operation: Task["do"];
	readonly started: string;
	readonly finished: string;
	readonly tables: number;
	/** Of the table's files, or deleted from the store. */
	readonly filesRemoved: number;
	readonly filesAdded: number;
	readonly bytesRemoved: number;
	readonly bytesAdded: number;
	/** Each table that something was done to. */
	readonly each: readonly ({ readonly table: string } & Figures)[];
	/** Of the table itself, where the location is one. */
	readonly table?: TableFigures;
	/** Ended by a signal before the last table. */
	readonly interrupted: boolean;
	readonly failed: readonly {
		readonly table: string;
		readonly message: string;
	}[];
}

export interface LocationOptions {
	/** The store of the whole location. */
	readonly store: ObjectStore;
	/** The engine of a table in a folder below it; "" for the location itself. */
	readonly engineOf: (folder: string) => Engine;
	readonly task: Task;
	/** Folders of tables that are left out. */
	readonly exclude?: ReadonlySet<string>;
	readonly log: Logger;
	readonly now: () => number;
	/** Ends the work after the commit that is under way. */
	readonly signal?: AbortSignal;
}

interface Figures {
	readonly filesRemoved: number;
	readonly filesAdded: number;
	readonly bytesRemoved: number;
	readonly bytesAdded: number;
}

/**
 * Does the task to each table below a location, one after another. A table that can't be worked on is
 * told of in the report, and holds up no other.
 * @throws what the store throws when the location can't be listed
 */
export async function maintainLocation(
	options: LocationOptions,
): Promise<MaintenanceReport> {
	const { store, engineOf, task, exclude, log, now, signal } = options;
	const started = now();
	const failed: { table: string; message: string }[] = [];
	const sum = {
		filesRemoved: 0,
		filesAdded: 0,
		bytesRemoved: 0,
		bytesAdded: 0,
	};
	const each: ({ table: string } & Figures)[] = [];
	let own: TableFigures | undefined;
	let tables = 0;
	for await (const table of findTables(store)) {
		if (signal?.aborted === true) break;
		if (exclude?.has(table) === true) continue;
		try {
			const engine = engineOf(table);
			const snapshot = await loadSnapshot(engine);
			if (snapshot === undefined) continue;
			tables++;
			const figures = await maintain(engine, snapshot, task, signal);
			for (const [name, value] of Object.entries(figures))
				sum[name as keyof Figures] += value;
			if (figures.filesRemoved + figures.filesAdded > 0)
				each.push({ table, ...figures });
			if (table === "") {
				const newest = await followLog(engine, snapshot);
				own = await figuresOf(engine, newest.snapshot);
			}
			log.info({ table, operation: task.do, ...figures }, "table maintained");
		} catch (error) {
			failed.push({ table, message: redactUris(messageOf(error)) });
			log.error({ table, operation: task.do, err: error }, "table failed");
		}
	}
	return {
		operation: task.do,
		started: new Date(started).toISOString(),
		finished: new Date(now()).toISOString(),
		tables,
		...sum,
		each,
		...(own !== undefined && { table: own }),
		interrupted: signal?.aborted === true,
		failed,
	};
}

async function maintain(
	engine: Engine,
	snapshot: Snapshot,
	task: Task,
	signal: AbortSignal | undefined,
): Promise<Figures> {
	const stop = signal === undefined ? {} : { signal };
	switch (task.do) {
		case "optimize": {
			const { targetBytes } = task;
			const result = await optimize(engine, snapshot, {
				...(targetBytes !== undefined && { targetBytes }),
				zOrderBy: orderable(snapshot, task.zOrderBy),
				...stop,
			});
			const { filesRemoved, filesAdded, bytesRemoved, bytesAdded } = result;
			return { filesRemoved, filesAdded, bytesRemoved, bytesAdded };
		}
		case "vacuum": {
			const own = ownRetention(snapshot);
			const { files, bytes } = await vacuum(engine, snapshot, {
				retentionMs: Math.max(own, task.retentionMs ?? own),
				...stop,
			});
			return {
				filesRemoved: files,
				filesAdded: 0,
				bytesRemoved: bytes,
				bytesAdded: 0,
			};
		}
	}
}

/** Those of the columns that this table has; none for one that is clustered by its own. */
function orderable(
	{ schema, metadata, domains }: Snapshot,
	columns: readonly string[],
): string[] {
	if (clusteringColumns(domains).length > 0) return [];
	const top = new Map(schema.fields.map(({ name, type }) => [name, type]));
	return columns.filter((column) => {
		const [name = ""] = top.has(column) ? [column] : column.split(".");
		return top.has(name) && !metadata.partitionColumns.includes(name);
	});
}
