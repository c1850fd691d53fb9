import { expect, test } from "vitest";
import { field, type StructType, struct } from "../../../src/columnar/types.ts";
import { valueAt } from "../../../src/columnar/value.ts";
import type { Row } from "../../../src/columnar/vector.ts";
import type { AddFile } from "../../../src/delta/actions.ts";
import { CLUSTERING_DOMAIN } from "../../../src/delta/clustering.ts";
import { commit } from "../../../src/delta/commit.ts";
import type { Engine } from "../../../src/delta/engine.ts";
import { materializedFields } from "../../../src/delta/row-tracking.ts";
import { readTable, scanFiles } from "../../../src/delta/scan.ts";
import {
	loadSnapshot,
	readCommit,
	type Snapshot,
} from "../../../src/delta/snapshot.ts";
import { stageFiles } from "../../../src/delta/stage.ts";
import { append, createTable, deleteRows } from "../../../src/delta/write.ts";
import { SHARD_TAG } from "../../../src/index/shard-tag.ts";
import { optimize } from "../../../src/maintain/optimize.ts";
import { batchOf } from "../../support/batch.ts";
import { generator, seedOf } from "../../support/seed.ts";
import { memoryEngine } from "../delta/memory-engine.ts";

const SCHEMA = struct(
	field("id", "long"),
	field("day", "string"),
	field("x", "integer"),
	field("y", "integer"),
);
const VECTORS = { "delta.enableDeletionVectors": "true" };

function rows(from: number, count: number, day = "a"): Row[] {
	return Array.from({ length: count }, (_, i) => ({
		id: BigInt(from + i),
		day,
		x: ((from + i) * 7919) % 1000,
		y: ((from + i) * 104_729) % 1000,
	}));
}

async function tableOf(
	engine: Engine,
	files: readonly (readonly Row[])[],
	options: {
		readonly configuration?: Record<string, string>;
		readonly partitionColumns?: readonly string[];
		readonly schema?: StructType;
	} = {},
): Promise<Snapshot> {
	const { schema = SCHEMA, ...more } = options;
	let table = await createTable(engine, { schema, ...more });
	for (const file of files)
		table = await append(engine, table, [batchOf(schema, file)]);
	return table;
}

async function ids(engine: Engine, table: Snapshot): Promise<number[]> {
	const found: number[] = [];
	for await (const batch of readTable(engine, table, { columns: ["id"] }))
		for (let i = 0; i < batch.length; i++)
			found.push(Number(valueAt(batch.columns[0] as never, "long", i)));
	return found;
}

async function newest(engine: Engine): Promise<Snapshot> {
	const snapshot = await loadSnapshot(engine);
	if (snapshot === undefined) throw new Error("no table");
	return snapshot;
}

test("small files that stay small, and a commit that readers of changes take for one", async () => {
	const engine = memoryEngine();
	const table = await tableOf(
		engine,
		Array.from({ length: 9 }, (_, i) => rows(i * 10, 10)),
		{ configuration: { "delta.enableChangeDataFeed": "true" } },
	);
	const before = await ids(engine, table);
	const result = await optimize(engine, table);
	const after = await newest(engine);
	expect(result).toMatchObject({
		version: 10,
		commits: 1,
		filesRemoved: 9,
		filesAdded: 1,
		leftOut: [],
	});
	expect(after.files.size).toBe(1);
	// In the order that they were written in.
	expect(await ids(engine, after)).toEqual(before);
	const actions = (await readCommit(engine, 10)) ?? [];
	for (const action of actions)
		if ("add" in action) expect(action.add.dataChange).toBe(false);
		else if ("remove" in action) expect(action.remove.dataChange).toBe(false);
	expect(actions[0]).toMatchObject({
		commitInfo: {
			operation: "OPTIMIZE",
			isBlindAppend: false,
			operationMetrics: { numRemovedFiles: "9", numAddedFiles: "1" },
		},
	});
	// There is nothing to do any more.
	expect(await optimize(engine, after)).toMatchObject({ commits: 0 });
	expect((await newest(engine)).version).toBe(10);
});

test("files larger than the target size, or of two partitions or shards, in one file", async () => {
	const engine = memoryEngine();
	const table = await tableOf(
		engine,
		Array.from({ length: 12 }, (_, i) =>
			rows(i * 100, 100, i % 2 === 0 ? "a" : "b"),
		),
		{ partitionColumns: ["day"] },
	);
	const sharded: AddFile[] = [];
	for (const shard of ["0/2", "1/2", "0/2", "1/2"])
		for (const { add } of await stageFiles(
			engine,
			table,
			batchOf(SCHEMA, rows(sharded.length * 100 + 5000, 100)),
			{ tags: { [SHARD_TAG]: shard } },
		))
			sharded.push(add);
	await commit(engine, {
		base: table,
		plan: () => ({
			kind: "commit",
			actions: sharded.map((add) => ({ add })),
			info: {},
		}),
	});
	const base = await newest(engine);
	const size = Math.max(...[...base.files.values()].map((file) => file.size));
	await optimize(engine, base, { targetBytes: Math.floor(size * 3.5) });
	const after = await newest(engine);
	expect((await ids(engine, after)).sort((a, b) => a - b)).toEqual(
		(await ids(engine, base)).sort((a, b) => a - b),
	);
	const places = [...after.files.values()].map(
		(file) => `${file.partitionValues.day} ${file.tags?.[SHARD_TAG] ?? "-"}`,
	);
	expect(places.sort()).toEqual(["a -", "a -", "a 0/2", "a 1/2", "b -", "b -"]);
	for (const file of after.files.values())
		expect(file.size).toBeLessThan(size * 3.5 * 1.5);
});

test("deleted rows that come back, or stay in their files although they are many", async () => {
	const engine = memoryEngine();
	const full = await tableOf(engine, [rows(0, 1000), rows(1000, 1000)], {
		configuration: VECTORS,
	});
	const few = await deleteRows(engine, full, "id < 20");
	const many = await deleteRows(engine, few, "id >= 1000 and id < 1100");
	const targetBytes = 1000;
	await optimize(engine, many, { targetBytes });
	const purged = await newest(engine);
	const deleted = (table: Snapshot): number[] =>
		[...table.files.values()].map(
			({ deletionVector }) => deletionVector?.cardinality ?? 0,
		);
	// 2 % stay, 10 % go.
	expect(deleted(purged).filter((rows) => rows > 0)).toEqual([20]);
	expect(await ids(engine, purged)).toEqual(await ids(engine, many));
	await optimize(engine, purged, { targetBytes, purge: true });
	const clean = await newest(engine);
	expect(deleted(clean).filter((rows) => rows > 0)).toEqual([]);
	expect((await ids(engine, clean)).sort((a, b) => a - b)).toEqual(
		(await ids(engine, many)).sort((a, b) => a - b),
	);
});

test("a file whose rows are all deleted", async () => {
	const engine = memoryEngine();
	const full = await tableOf(engine, [rows(0, 10), rows(10, 10)], {
		configuration: VECTORS,
	});
	const [first] = [...full.files.values()];
	if (first === undefined) throw new Error("no file");
	const half = await deleteRows(engine, full, "id <> 3");
	expect(half.files.size).toBe(1);
	const none = await deleteRows(engine, half, "id = 3");
	const result = await optimize(engine, none);
	expect(result.commits).toBe(0);
});

for (const what of ["deletion vectors", "rewrites"] as const)
	test(`rows that were deleted by ${what} while they were written again`, async () => {
		const plain = memoryEngine();
		const base = await tableOf(
			plain,
			Array.from({ length: 4 }, (_, i) => rows(i * 100, 100)),
			{ configuration: what === "deletion vectors" ? VECTORS : {} },
		);
		// Every new data file of the compaction meets a deletion.
		let deleted = 0;
		const engine: Engine = {
			...plain,
			store: {
				...plain.store,
				put: async (path, body) => {
					await plain.store.put(path, body);
					if (!path.endsWith(".parquet") || deleted >= 2) return;
					const from = deleted++ * 150;
					await deleteRows(
						plain,
						await newest(plain),
						`id >= ${from + 50} and id < ${from + 110}`,
					);
				},
			},
		};
		const result = await optimize(engine, base);
		const after = await newest(plain);
		expect(after.files.size).toBe(1);
		expect(result.rowsCarried).toBe(what === "deletion vectors" ? 60 : 0);
		const gone = (id: number): boolean =>
			(id >= 50 && id < 110) || (what === "rewrites" && id >= 200 && id < 260);
		expect((await ids(plain, after)).sort((a, b) => a - b)).toEqual(
			Array.from({ length: 400 }, (_, i) => i).filter((id) => !gone(id)),
		);
		// Nothing that no version refers to is left, but what the deletions replaced.
		const stored = new Set<string>();
		for await (const { path } of plain.store.list(""))
			if (path.endsWith(".parquet")) stored.add(path);
		const known = new Set<string>();
		for (let version = 0; version <= after.version; version++)
			for (const action of (await readCommit(plain, version)) ?? [])
				if ("add" in action) known.add(decodeURIComponent(action.add.path));
		expect([...stored].filter((path) => !known.has(path))).toEqual([]);
	});

test("rows that get other ids when their files are written together", async () => {
	for (const zOrderBy of [[], ["x", "y"]]) {
		const engine = memoryEngine();
		const table = await tableOf(
			engine,
			[rows(0, 50), rows(50, 50), rows(100, 50)],
			{ configuration: { ...VECTORS, "delta.enableRowTracking": "true" } },
		);
		const some = await deleteRows(engine, table, "id < 10");
		const before = await rowIds(engine, some);
		await optimize(engine, some, { zOrderBy });
		const after = await newest(engine);
		expect(after.files.size).toBe(1);
		expect(await rowIds(engine, after)).toEqual(before);
		expect((await readCommit(engine, after.version))?.[0]).toMatchObject({
			commitInfo: { tags: { "delta.rowTracking.preserved": "true" } },
		});
	}
});

/** `id → row id, version` of every row. */
async function rowIds(
	engine: Engine,
	table: Snapshot,
): Promise<Record<string, string>> {
	const found: [string, string][] = [];
	const fileColumns = materializedFields(table.metadata);
	for await (const { batch, file, rows } of scanFiles(engine, table, {
		columns: ["id"],
		fileColumns,
	}))
		for (let i = 0; i < batch.length; i++) {
			const at = (c: number) => valueAt(batch.columns[c] as never, "long", i);
			const own = (file.baseRowId ?? 0) + (rows[i] as number);
			found.push([
				String(at(0)),
				`${at(1) ?? own} ${at(2) ?? file.defaultRowCommitVersion}`,
			]);
		}
	return Object.fromEntries(found.sort(([a], [b]) => Number(a) - Number(b)));
}

test("a Z-order that skips no file for either column, or is made again by every run", async () => {
	const seed = seedOf();
	console.log(`seed ${seed}`);
	const random = generator(seed);
	const engine = memoryEngine();
	const scattered = Array.from({ length: 16 }, (_, f) =>
		Array.from({ length: 1000 }, (_, i) => ({
			id: BigInt(f * 1000 + i),
			day: "a",
			x: random() < 0.05 ? null : Math.floor(random() * 10_000),
			y: Math.floor(random() * 10_000),
		})),
	);
	const table = await tableOf(engine, scattered, { configuration: VECTORS });
	const bytes = [...table.files.values()].reduce((sum, f) => sum + f.size, 0);
	await optimize(engine, table, {
		targetBytes: Math.ceil(bytes / 8),
		zOrderBy: ["x", "y"],
	});
	const after = await newest(engine);
	expect((await ids(engine, after)).sort((a, b) => a - b)).toEqual(
		Array.from({ length: 16_000 }, (_, i) => i),
	);
	for (const column of ["x", "y"] as const) {
		const hit = [...after.files.values()].filter(({ stats }) => {
			const { minValues, maxValues } = JSON.parse(stats ?? "");
			return minValues[column] <= 3100 && maxValues[column] >= 3100;
		});
		expect(after.files.size).toBeGreaterThanOrEqual(7);
		expect(hit.length).toBeLessThanOrEqual(after.files.size * 0.7);
	}
	const again = await optimize(engine, after, {
		targetBytes: Math.ceil(bytes / 8),
		zOrderBy: ["x", "y"],
	});
	expect(again.commits).toBe(0);
});

test("a clustered table whose files are not clustered, or not called so", async () => {
	const engine = memoryEngine();
	const schema = struct(
		field("id", "long"),
		field("at", struct(field("x", "integer"), field("y", "string"))),
	);
	const table = await tableOf(
		engine,
		Array.from({ length: 4 }, (_, f) =>
			Array.from({ length: 500 }, (_, i) => ({
				id: BigInt(f * 500 + i),
				at:
					i % 50 === 0
						? null
						: { x: (i * 7919) % 500, y: `${(i * 104_729) % 500}` },
			})),
		),
		{ schema },
	);
	const outcome = await commit(engine, {
		base: table,
		plan: () => ({
			kind: "commit",
			info: {},
			actions: [
				{
					protocol: {
						minReaderVersion: 1,
						minWriterVersion: 7,
						writerFeatures: ["clustering", "domainMetadata"],
					},
				},
				{
					domainMetadata: {
						domain: CLUSTERING_DOMAIN,
						configuration: JSON.stringify({
							clusteringColumns: [
								["at", "x"],
								["at", "y"],
							],
						}),
						removed: false,
					},
				},
			],
		}),
	});
	if (outcome.kind !== "committed") throw new Error(outcome.kind);
	await optimize(engine, outcome.snapshot, { targetBytes: 6000 });
	const after = await newest(engine);
	expect(after.files.size).toBeGreaterThan(1);
	for (const file of after.files.values())
		expect(file.clusteringProvider).toBe("liquid");
	expect((await ids(engine, after)).length).toBe(2000);
	await expect(
		optimize(engine, after, { zOrderBy: ["id"] }),
	).rejects.toMatchObject({ code: "DELTA_SCHEMA_INCOMPATIBLE" });
});

test("columns to order by that are not there, have no order, or are the same in every file", async () => {
	const engine = memoryEngine();
	const table = await tableOf(engine, [rows(0, 5), rows(5, 5)], {
		partitionColumns: ["day"],
	});
	for (const [column, message] of [
		["nothing", "there is no such column; its columns are id, day, x, y"],
		["day", "every file has one value of a partition column"],
		["x.y", "x has no fields"],
	] as const)
		await expect(
			optimize(engine, table, { zOrderBy: [column] }),
		).rejects.toThrow(message);
});

test("a failure of the store that leaves files behind, or half of a compaction", async () => {
	const plain = memoryEngine();
	const base = await tableOf(
		plain,
		Array.from({ length: 6 }, (_, i) => rows(i * 100, 100)),
	);
	const engine: Engine = {
		...plain,
		store: {
			...plain.store,
			get: async (path, options) => {
				if (
					path === decodeURIComponent([...base.files.values()][4]?.path ?? "")
				)
					throw new Error("the store is out");
				return await plain.store.get(path, options);
			},
		},
	};
	await expect(optimize(engine, base)).rejects.toThrow("the store is out");
	let stored = 0;
	for await (const { path } of plain.store.list(""))
		if (path.endsWith(".parquet")) stored++;
	expect(stored).toBe(6);
	expect((await newest(plain)).version).toBe(base.version);
});

test("a plan that is carried out although only it was asked for", async () => {
	const engine = memoryEngine();
	const table = await tableOf(engine, [rows(0, 5), rows(5, 5)]);
	expect(await optimize(engine, table, { dryRun: true })).toMatchObject({
		commits: 0,
		planned: { groups: 1, files: 2 },
	});
	expect((await newest(engine)).version).toBe(table.version);
});
