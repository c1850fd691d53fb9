import { expect, test } from "vitest";
import { reportMessage } from "../../../src/cli/maintain.ts";
import { field, struct } from "../../../src/columnar/types.ts";
import type { Engine } from "../../../src/delta/engine.ts";
import { loadSnapshot } from "../../../src/delta/snapshot.ts";
import { append, createTable, deleteRows } from "../../../src/delta/write.ts";
import { findTables } from "../../../src/maintain/find-tables.ts";
import { maintainLocation } from "../../../src/maintain/location.ts";
import { createLogger } from "../../../src/observe/log.ts";
import { openMemoryStore } from "../../../src/storage/memory.ts";
import type { ObjectStore } from "../../../src/storage/store.ts";
import { batchOf } from "../../support/batch.ts";
import { memoryEngine } from "../delta/table.ts";

const SCHEMA = struct(field("id", "long"), field("Day", "string"));
const HOUR = 3_600_000;

/** A part of a store as a store of its own. */
function below(store: ObjectStore, folder: string): ObjectStore {
	const base = folder === "" ? "" : `${folder}/`;
	return {
		...store,
		url: `${store.url}/${folder}`,
		get: (path, options) => store.get(base + path, options),
		head: async (path) => {
			const found = await store.head(base + path);
			return found && { ...found, path };
		},
		put: (path, body) => store.put(base + path, body),
		putIfAbsent: (path, body) => store.putIfAbsent(base + path, body),
		async *list(prefix, options) {
			for await (const object of store.list(
				base + prefix,
				options?.startAfter === undefined
					? {}
					: { startAfter: base + options.startAfter },
			))
				yield { ...object, path: object.path.slice(base.length) };
		},
		delete: (paths) => store.delete(paths.map((path) => base + path)),
	};
}

function lake() {
	const clock = memoryEngine();
	const store = openMemoryStore({ now: () => clock.clock });
	const engineOf = (folder: string): Engine => ({
		...clock,
		store: below(store, folder),
		now: () => clock.clock,
	});
	return { clock, store, engineOf };
}

async function fill(engine: Engine): Promise<void> {
	let table = await createTable(engine, {
		schema: SCHEMA,
		partitionColumns: ["Day"],
	});
	for (let i = 0; i < 4; i++)
		table = await append(engine, table, [
			batchOf(SCHEMA, [{ id: BigInt(i), Day: "a" }]),
		]);
	await deleteRows(engine, table, "id = 0");
}

async function found(store: ObjectStore): Promise<string[]> {
	const tables: string[] = [];
	for await (const table of findTables(store)) tables.push(table);
	return tables;
}

test("a table that is not found, or files of one that are listed one by one", async () => {
	const { store, engineOf } = lake();
	const folders = ["Z", "_dead_letters", "a", "a-b", "b/c", "b/c d", "é"];
	for (const folder of folders) await fill(engineOf(folder));
	for (const path of [
		"README",
		"b/notes",
		"b/c/deep/_delta_log/x",
		"c/_delta_log/notes",
	])
		await store.put(path, new Uint8Array(1));
	for (let i = 0; i < 3000; i++)
		await store.put(`a/Day=b/${i}.parquet`, new Uint8Array(1));
	let listed = 0;
	const counting: ObjectStore = {
		...store,
		async *list(prefix, options) {
			for await (const object of store.list(prefix, options)) {
				listed++;
				yield object;
			}
		},
	};
	expect((await found(counting)).sort()).toEqual(folders);
	expect(listed).toBeLessThan(200);
	const whole = lake();
	await fill(whole.engineOf(""));
	expect(await found(whole.store)).toEqual([""]);
	expect(await found(lake().store)).toEqual([]);
});

test("a table that is broken, and others that are not maintained for it", async () => {
	const { clock, store, engineOf } = lake();
	for (const folder of ["a", "b", "c"]) await fill(engineOf(folder));
	await store.put(
		"b/_delta_log/00000000000000000003.json",
		Buffer.from("not JSON"),
	);
	const log = createLogger({ level: "silent" });
	const options = { store, engineOf, log, now: () => clock.clock };
	const optimized = await maintainLocation({
		...options,
		task: { do: "optimize", zOrderBy: ["nothing", "Day"] },
	});
	expect(optimized).toMatchObject({
		operation: "optimize",
		tables: 2,
		filesRemoved: 6,
		filesAdded: 2,
		failed: [{ table: "b", message: expect.stringContaining("3.json") }],
	});
	expect((await loadSnapshot(engineOf("c")))?.files.size).toBe(1);
	clock.clock += 200 * HOUR;
	expect(
		await maintainLocation({
			...options,
			// Less than the tables keep: they keep it.
			task: { do: "vacuum", retentionMs: HOUR },
		}),
	).toMatchObject({ tables: 2, filesRemoved: 8, failed: [{ table: "b" }] });
	const stopped = new AbortController();
	stopped.abort();
	expect(
		await maintainLocation({
			...options,
			task: { do: "vacuum" },
			signal: stopped.signal,
		}),
	).toMatchObject({ tables: 0, interrupted: true, failed: [] });
});

test("a table that is left out, and one that is the whole location", async () => {
	const { clock, store, engineOf } = lake();
	for (const folder of ["a", "b"]) await fill(engineOf(folder));
	const options = {
		log: createLogger({ level: "silent" }),
		now: () => clock.clock,
		task: { do: "optimize" as const, zOrderBy: [] },
	};
	expect(
		await maintainLocation({
			...options,
			store,
			engineOf,
			exclude: new Set(["a"]),
		}),
	).toMatchObject({
		tables: 1,
		each: [{ table: "b", filesRemoved: 3, filesAdded: 1 }],
	});
	expect((await loadSnapshot(engineOf("a")))?.files.size).toBe(3);
	const one = await maintainLocation({
		...options,
		store: below(store, "a"),
		engineOf: () => engineOf("a"),
	});
	expect(one).toMatchObject({
		each: [{ table: "", filesRemoved: 3 }],
		table: { version: 6, rows: 3, files: 1 },
	});
	expect(Date.parse(one.table?.lastCommit ?? "")).not.toBeNaN();
});

test("a report of many tables that is longer than a container's message holds", () => {
	const each = Array.from({ length: 500 }, (_, i) => ({
		table: `folder/of/table-${i}`,
		...{ filesRemoved: 9, filesAdded: 1, bytesRemoved: 900, bytesAdded: 90 },
	}));
	const report = {
		operation: "optimize" as const,
		...{ started: "2026-01-01T00:00:00Z", finished: "2026-01-01T00:00:01Z" },
		...{ filesRemoved: 1, filesAdded: 1, bytesRemoved: 1, bytesAdded: 1 },
		...{ tables: 500, interrupted: false },
		failed: Array.from({ length: 9 }, (_, i) => ({
			table: `bad-${i}`,
			message: "é".repeat(1000),
		})),
	};
	const few = JSON.parse(
		reportMessage({ ...report, failed: [], each: each.slice(0, 3) }),
	) as object;
	expect(few).toMatchObject({ complete: true, each: each.slice(0, 3) });
	const text = reportMessage({ ...report, each });
	expect(Buffer.byteLength(text)).toBeLessThanOrEqual(4096);
	expect(JSON.parse(text)).toMatchObject({ complete: false, failures: 9 });
});
