import { expect, test } from "vitest";
import { field, struct } from "../../../src/columnar/types.ts";
import { valueAt } from "../../../src/columnar/value.ts";
import type { Row } from "../../../src/columnar/vector.ts";
import { commit } from "../../../src/delta/commit.ts";
import { deletionVectorPath } from "../../../src/delta/deletion-vector.ts";
import type { Engine } from "../../../src/delta/engine.ts";
import { history } from "../../../src/delta/history.ts";
import { readTable } from "../../../src/delta/scan.ts";
import {
	loadSnapshot,
	readCommit,
	type Snapshot,
} from "../../../src/delta/snapshot.ts";
import { append, createTable, deleteRows } from "../../../src/delta/write.ts";
import { optimize } from "../../../src/maintain/optimize.ts";
import { vacuum } from "../../../src/maintain/vacuum.ts";
import { batchOf } from "../../support/batch.ts";
import { generator, seedOf } from "../../support/seed.ts";
import { type MemoryEngine, memoryEngine } from "../delta/table.ts";

const HOUR = 3_600_000;
const WEEK = 168 * HOUR;
const SCHEMA = struct(field("id", "long"), field("_day", "string"));
const CONFIGURATION = {
	"delta.enableChangeDataFeed": "true",
	"delta.checkpointInterval": "4",
};

const rows = (from: number, count: number): Row[] =>
	Array.from({ length: count }, (_, i) => ({
		id: BigInt(from + i),
		_day: `d${(from + i) % 2}`,
	}));

async function newest(engine: Engine): Promise<Snapshot> {
	const snapshot = await loadSnapshot(engine);
	if (snapshot === undefined) throw new Error("no table");
	return snapshot;
}

async function ids(engine: Engine, version: number): Promise<number[]> {
	const table = await loadSnapshot(engine, { version });
	if (table === undefined) throw new Error("no table");
	const found: number[] = [];
	for await (const batch of readTable(engine, table, { columns: ["id"] }))
		for (let i = 0; i < batch.length; i++)
			found.push(Number(valueAt(batch.columns[0] as never, "long", i)));
	return found.sort((a, b) => a - b);
}

const paths = (engine: MemoryEngine): string[] =>
	[...engine.objects.keys()].filter((path) => !path.startsWith("_delta_log/"));

test("a file that a version within the retention needs, and any other that stays", async () => {
	const seed = seedOf();
	console.log(`seed ${seed}`);
	const random = generator(seed);
	const int = (below: number): number => Math.floor(random() * below);
	const engine = memoryEngine();
	const vectors = random() < 0.5;
	let table = await createTable(engine, {
		schema: SCHEMA,
		configuration: {
			...CONFIGURATION,
			"delta.enableDeletionVectors": String(vectors),
		},
		partitionColumns: ["_day"],
	});
	for (const path of [
		"a file",
		"_hidden/x",
		".hidden/x",
		"a/_hidden",
		"deep/er/file",
	])
		await engine.store.put(path, new Uint8Array(1));
	const at: number[] = [engine.clock];
	const held: number[][] = [[]];
	for (let step = 0; step < 40; step++) {
		engine.clock += int(24) * HOUR;
		const kind = int(6);
		if (kind < 3)
			table = await append(engine, table, [
				batchOf(SCHEMA, rows(step * 20, 20)),
			]);
		else if (kind < 5)
			table = await deleteRows(
				engine,
				table,
				`id % 7 = ${int(7)} and id > ${step * 10 - 100}`,
			);
		else {
			await optimize(engine, table, { purge: true });
			table = await newest(engine);
		}
		while (at.length <= table.version) {
			held.push(await ids(engine, at.length));
			at.push(engine.clock);
		}
	}
	engine.clock += int(300) * HOUR;
	for (const path of ["new", "_day=d1/part-being-written.parquet"])
		await engine.store.put(path, new Uint8Array(1));
	const cutoff = engine.clock - WEEK;
	const needed = new Set(["new", "_day=d1/part-being-written.parquet"]);
	const readable = [...at.keys()].filter(
		(version) => version === table.version || (at[version + 1] ?? 0) >= cutoff,
	);
	for (const version of readable) {
		const then = await loadSnapshot(engine, { version });
		for (const file of then?.files.values() ?? []) {
			needed.add(decodeURIComponent(file.path));
			if (file.deletionVector?.storageType === "u")
				needed.add(decodeURIComponent(deletionVectorPath(file.deletionVector)));
		}
	}
	const before = paths(engine);
	const young = before.filter(
		(path) => (engine.objects.get(path)?.modified ?? 0) >= cutoff,
	);
	const listed: string[] = [];
	const dry = await vacuum(engine, table, {
		dryRun: true,
		onFile: ({ path }) => listed.push(path),
	});
	expect(paths(engine)).toEqual(before);
	const result = await vacuum(engine, table);
	expect(result.files).toBe(dry.files);
	expect(paths(engine).sort()).toEqual(
		before
			.filter(
				(path) =>
					needed.has(path) ||
					young.includes(path) ||
					/(^|\/)[._]hidden/.test(path),
			)
			.sort(),
	);
	expect(listed.sort()).toEqual(
		before.filter((path) => !paths(engine).includes(path)).sort(),
	);
	for (const version of readable)
		expect(await ids(engine, version)).toEqual(held[version]);
	expect(listed.length).toBeGreaterThan(5);
	expect(listed.some((path) => path.startsWith("_change_data/"))).toBe(
		!vectors,
	);
	expect(listed).toEqual(expect.arrayContaining(["a file", "deep/er/file"]));
});

test("a retention longer than the table's that loses what only the log still knows", async () => {
	const engine = memoryEngine();
	let table = await createTable(engine, {
		schema: SCHEMA,
		configuration: {
			"delta.deletedFileRetentionDuration": "interval 1 hour",
			"delta.checkpointInterval": "2",
		},
	});
	table = await append(engine, table, [batchOf(SCHEMA, rows(0, 10))]);
	engine.clock += HOUR;
	table = await deleteRows(engine, table, "id < 5");
	for (let i = 0; i < 5; i++) {
		engine.clock += HOUR;
		table = await append(engine, table, [batchOf(SCHEMA, rows(100 + i, 1))]);
	}
	const fresh = await newest(engine);
	await vacuum(engine, fresh, { retentionMs: 20 * HOUR });
	expect(await ids(engine, 1)).toHaveLength(10);
	engine.clock += 20 * HOUR;
	await vacuum(engine, await newest(engine), { retentionMs: 24 * HOUR });
	// The version was replaced 25 hours ago.
	await expect(ids(engine, 1)).rejects.toMatchObject({
		code: "DELTA_FILE_MISSING",
	});
});

test("a retention that is too short, without anyone having said so", async () => {
	const engine = memoryEngine();
	let table = await createTable(engine, { schema: SCHEMA });
	table = await append(engine, table, [batchOf(SCHEMA, rows(0, 10))]);
	table = await deleteRows(engine, table, undefined);
	engine.clock += HOUR;
	await expect(vacuum(engine, table, { retentionMs: 0 })).rejects.toMatchObject(
		{
			code: "DELTA_RETENTION_TOO_SHORT",
			message: expect.stringContaining(
				"0 h is shorter than the table's retention, 168 h",
			),
		},
	);
	expect(paths(engine)).toHaveLength(1);
	expect(
		await vacuum(engine, table, { retentionMs: 0, dryRun: true }),
	).toMatchObject({ files: 1, version: table.version });
	await vacuum(engine, table, { retentionMs: 0, allowShort: true });
	expect(paths(engine)).toEqual([]);
});

test("a vacuum that leaves no trace in the history, or one although it did nothing", async () => {
	const engine = memoryEngine();
	let table = await createTable(engine, { schema: SCHEMA });
	table = await append(engine, table, [batchOf(SCHEMA, rows(0, 10))]);
	expect(await vacuum(engine, table)).toMatchObject({ version: 1, files: 0 });
	table = await deleteRows(engine, table, undefined);
	engine.clock += WEEK + 1;
	expect(await vacuum(engine, table)).toMatchObject({ version: 4, files: 1 });
	const found = [];
	for await (const { info } of history(engine, table.metadata))
		found.push(info);
	expect(found.slice(0, 2)).toMatchObject([
		{
			operation: "VACUUM END",
			operationParameters: { status: "COMPLETED" },
			operationMetrics: { numDeletedFiles: "1" },
		},
		{
			operation: "VACUUM START",
			operationParameters: {
				retentionCheckEnabled: "true",
				defaultRetentionMillis: String(WEEK),
			},
			operationMetrics: { numFilesToDelete: "1" },
		},
	]);
});

test("files that a restore brings back while they are about to be deleted", async () => {
	const plain = memoryEngine();
	let table = await createTable(plain, { schema: SCHEMA });
	table = await append(plain, table, [batchOf(SCHEMA, rows(0, 10))]);
	const [file] = [...table.files.values()];
	if (file === undefined) throw new Error("no file");
	table = await deleteRows(plain, table, undefined);
	plain.clock += WEEK + HOUR;
	let restored = false;
	const engine: Engine = {
		...plain,
		store: {
			...plain.store,
			putIfAbsent: async (path, body) => {
				if (!restored) {
					restored = true;
					await commit(plain, {
						base: table,
						plan: () => ({
							kind: "commit",
							actions: [{ add: file }],
							info: { operation: "RESTORE" },
						}),
					});
				}
				return await plain.store.putIfAbsent(path, body);
			},
		},
	};
	expect(await vacuum(engine, table)).toMatchObject({ files: 0 });
	expect(paths(plain)).toHaveLength(1);
});

test("a failure of the store that the history calls a success", async () => {
	const plain = memoryEngine();
	let table = await createTable(plain, { schema: SCHEMA });
	table = await append(plain, table, [batchOf(SCHEMA, rows(0, 10))]);
	table = await deleteRows(plain, table, undefined);
	plain.clock += WEEK + HOUR;
	const engine: Engine = {
		...plain,
		store: {
			...plain.store,
			delete: async () => {
				throw new Error("not today");
			},
		},
	};
	await expect(vacuum(engine, table)).rejects.toThrow("not today");
	const [last] = (await readCommit(plain, 4)) ?? [];
	expect(last).toMatchObject({
		commitInfo: {
			operation: "VACUUM END",
			operationParameters: { status: "FAILED" },
		},
	});
});
