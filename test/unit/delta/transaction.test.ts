import { expect, test } from "vitest";
import { vectorOf } from "../../../src/columnar/literal.ts";
import { field, type StructType, struct } from "../../../src/columnar/types.ts";
import { valueAt } from "../../../src/columnar/value.ts";
import type { Batch } from "../../../src/columnar/vector.ts";
import type { Action } from "../../../src/delta/actions.ts";
import { readChanges } from "../../../src/delta/change-data.ts";
import { findConflict, type Reads } from "../../../src/delta/conflict.ts";
import type { Engine } from "../../../src/delta/engine.ts";
import { cleanUpLog } from "../../../src/delta/log-cleanup.ts";
import { readTable } from "../../../src/delta/scan.ts";
import { loadSnapshot, type Snapshot } from "../../../src/delta/snapshot.ts";
import { transact } from "../../../src/delta/transaction.ts";
import {
	append,
	createTable,
	deleteRows,
	overwrite,
} from "../../../src/delta/write.ts";
import type { PutOutcome } from "../../../src/storage/store.ts";
import { batchOf } from "../../support/batch.ts";
import { generator, pick } from "./random.ts";
import { add, memoryEngine, remove, write } from "./table.ts";

const info = (isBlindAppend: boolean): Action => ({
	commitInfo: { isBlindAppend },
});
const metaData: Action = {
	metaData: {
		id: "x",
		format: { provider: "parquet", options: {} },
		schemaString: '{"type":"struct","fields":[]}',
		partitionColumns: [],
		configuration: {},
	},
};
const protocol: Action = {
	protocol: { minReaderVersion: 1, minWriterVersion: 2 },
};
const txn = (appId: string): Action => ({ txn: { appId, version: 1 } });
const domain = (name: string): Action => ({
	domainMetadata: { domain: name, configuration: "", removed: false },
});
const compacted = (path: string): Action => ({
	remove: { path, dataChange: false },
});
const all: Reads = { files: ["a", "b"], matches: () => true };
const onlyFolder: Reads = {
	files: ["x/a"],
	matches: ({ path }) => path.startsWith("x/"),
};

/** Ours, what it read, the winner's, and what both levels of isolation make of it. */
const RULES: readonly (readonly [
	string,
	readonly Action[],
	Reads,
	readonly Action[],
	string | undefined,
	string | undefined,
])[] = [
	["appends", [add("n")], {}, [info(true), add("m")], undefined, undefined],
	[
		"append after a delete",
		[add("n")],
		{},
		[remove("a")],
		undefined,
		undefined,
	],
	[
		"both remove",
		[remove("a")],
		{ files: ["a"] },
		[remove("a")],
		"concurrent-delete-delete",
		"concurrent-delete-delete",
	],
	[
		"one path, spelt in two ways",
		[remove("p%C3%A4")],
		{},
		[remove("p%c3%a4")],
		"concurrent-delete-delete",
		"concurrent-delete-delete",
	],
	[
		"a read file goes",
		[remove("a"), add("n")],
		all,
		[remove("b")],
		"concurrent-delete-read",
		"concurrent-delete-read",
	],
	[
		"a read file is compacted",
		[remove("a"), add("n")],
		all,
		[compacted("b"), add("c", { dataChange: false })],
		"concurrent-delete-read",
		"concurrent-delete-read",
	],
	[
		"other files go",
		[remove("x/a")],
		onlyFolder,
		[remove("y/a")],
		undefined,
		undefined,
	],
	[
		"a blind append that would have been read",
		[remove("a")],
		all,
		[info(true), add("m")],
		"concurrent-append",
		undefined,
	],
	[
		"a changed file that would have been read",
		[remove("a")],
		all,
		[info(false), add("m")],
		"concurrent-append",
		"concurrent-append",
	],
	[
		"an append elsewhere",
		[remove("x/a")],
		onlyFolder,
		[info(true), add("y/m")],
		undefined,
		undefined,
	],
	[
		"the whole table was read",
		[add("n")],
		{ wholeTable: true },
		[info(true), add("m")],
		"concurrent-append",
		undefined,
	],
	[
		"compaction and an append",
		[compacted("a"), add("n", { dataChange: false })],
		all,
		[info(true), add("m")],
		undefined,
		undefined,
	],
	[
		"compaction and a delete of its file",
		[compacted("a"), add("n", { dataChange: false })],
		{ files: ["a"] },
		[remove("a"), add("a2")],
		"concurrent-delete-delete",
		"concurrent-delete-delete",
	],
	[
		"rows only moved",
		[remove("a")],
		{ ...all, files: ["a"] },
		[compacted("z"), add("z2", { dataChange: false })],
		undefined,
		undefined,
	],
	[
		"metadata of theirs",
		[add("n")],
		{},
		[metaData],
		"metadata-changed",
		"metadata-changed",
	],
	[
		"metadata of ours and a blind append",
		[metaData],
		{ wholeTable: true },
		[info(true), add("m")],
		"concurrent-append",
		"concurrent-append",
	],
	[
		"protocol of both",
		[protocol],
		{},
		[protocol],
		"protocol-changed",
		"protocol-changed",
	],
	["protocol of theirs", [add("n")], {}, [protocol], undefined, undefined],
	[
		"one application id",
		[txn("app")],
		{},
		[txn("app")],
		"concurrent-transaction",
		"concurrent-transaction",
	],
	[
		"a txn that was looked up",
		[add("n")],
		{ apps: ["app"] },
		[txn("app")],
		"concurrent-transaction",
		"concurrent-transaction",
	],
	[
		"other application ids",
		[txn("app")],
		{},
		[txn("other")],
		undefined,
		undefined,
	],
	[
		"one domain",
		[domain("d")],
		{},
		[domain("d")],
		"concurrent-domain",
		"concurrent-domain",
	],
	[
		"the domain of row ids",
		[domain("delta.rowTracking")],
		{},
		[domain("delta.rowTracking")],
		undefined,
		undefined,
	],
];

test.each(RULES)(
	"conflict rules: %s",
	(_, ours, reads, theirs, strict, loose) => {
		const winners = [{ version: 7, actions: theirs }];
		expect(findConflict(ours, reads, winners, "Serializable")?.kind).toBe(
			strict,
		);
		expect(findConflict(ours, reads, winners, "WriteSerializable")?.kind).toBe(
			loose,
		);
		expect(findConflict(ours, reads, [])).toBeUndefined();
	},
);

test("a transaction that fails leaves nothing, and names the version in the way", async () => {
	const engine = memoryEngine();
	const base = await write(engine, undefined, [add("a")]);
	await write(engine, base, [remove("a")]);
	await engine.store.put("staged.parquet", new Uint8Array(1));
	await expect(
		transact(engine, {
			base,
			reads: { files: ["a"] },
			actions: [remove("a"), add("staged.parquet")],
			staged: ["staged.parquet"],
			info: {},
		}),
	).rejects.toMatchObject({
		code: "DELTA_CONFLICT",
		retryable: true,
		message: expect.stringMatching(
			/version 1.*removes a.*run the operation again/,
		),
	});
	expect(engine.objects.has("staged.parquet")).toBe(false);
	await expect(
		transact(engine, { base: undefined, reads: {}, actions: [], info: {} }),
	).rejects.toMatchObject({
		message: expect.stringContaining("made the table"),
	});
	await expect(createTable(engine, { schema: ROWS })).rejects.toMatchObject({
		code: "DELTA_TABLE_EXISTS",
	});
});

test("commits to two tables that become visible one without the other", async () => {
	// A coordinator in the place of the store: it publishes when both are there.
	const one = memoryEngine();
	const two = memoryEngine();
	const bases = [
		await write(one, undefined, [add("a")]),
		await write(two, undefined, [add("a")]),
	];
	const waiting: (() => Promise<void>)[] = [];
	const together = (engine: Engine): Engine => ({
		...engine,
		committer: {
			publish: (path, body) =>
				new Promise<PutOutcome>((resolve) => {
					waiting.push(async () =>
						resolve(await engine.store.putIfAbsent(path, body)),
					);
				}),
		},
	});
	const commits = [one, two].map((engine, i) =>
		transact(together(engine), {
			base: bases[i],
			reads: {},
			actions: [add("b")],
			info: {},
		}),
	);
	while (waiting.length < 2) await new Promise((wake) => setImmediate(wake));
	expect((await loadSnapshot(one))?.version).toBe(0);
	expect((await loadSnapshot(two))?.version).toBe(0);
	for (const publish of waiting) await publish();
	const done = await Promise.all(commits);
	expect(done.map(({ snapshot }) => snapshot.version)).toEqual([1, 1]);
});

const ROWS: StructType = struct(
	field("id", "long"),
	field("name", "string"),
	field("day", "date"),
);

type RowOf = { id: bigint; name: string | null; day: number };

async function rowsOf(engine: Engine, snapshot: Snapshot): Promise<string[]> {
	const rows: string[] = [];
	for await (const batch of readTable(engine, snapshot))
		for (let i = 0; i < batch.length; i++)
			rows.push(
				batch.columns
					.map((column, c) =>
						String(valueAt(column, batch.schema.fields[c]?.type ?? "void", i)),
					)
					.join("|"),
			);
	return rows.sort();
}

const LAYOUTS: readonly (readonly [
	string,
	Record<string, string>,
	string[],
])[] = [
	["rewriting", {}, []],
	["vectors", { "delta.enableDeletionVectors": "true" }, []],
	[
		"mapped by name, partitioned, with vectors",
		{
			"delta.enableDeletionVectors": "true",
			"delta.columnMapping.mode": "name",
		},
		["day"],
	],
	["mapped by id, partitioned", { "delta.columnMapping.mode": "id" }, ["day"]],
	[
		"with a change data feed and row ids",
		{
			"delta.enableChangeDataFeed": "true",
			"delta.enableRowTracking": "true",
			"delta.enableInCommitTimestamps": "true",
		},
		["day"],
	],
];

test.each(LAYOUTS)(
	"random writes, %s: rows that are lost, left or wrong, in table and changes",
	async (_, configuration, partitionColumns) => {
		for (let seed = 1; seed <= 6; seed++) {
			const random = generator(seed * 31 + partitionColumns.length);
			const engine = memoryEngine();
			let snapshot = await createTable(engine, {
				schema: ROWS,
				configuration,
				partitionColumns,
			});
			let model: RowOf[] = [];
			let next = 0;
			const fresh = (): RowOf[] =>
				Array.from({ length: 1 + Math.floor(random() * 30) }, () => ({
					id: BigInt(next++),
					name: random() < 0.2 ? null : pick(random, ["ä b", "c%d", "x/y", ""]),
					day: Math.floor(random() * 3),
				}));
			for (let step = 0; step < 12; step++) {
				const note = `seed ${seed}, step ${step}`;
				const dice = random();
				if (dice < 0.4) {
					const rows = fresh();
					snapshot = await append(engine, snapshot, [batchOf(ROWS, rows)]);
					model.push(...rows);
				} else if (dice < 0.5) {
					const rows = fresh();
					snapshot = await overwrite(engine, snapshot, [batchOf(ROWS, rows)]);
					model = rows;
				} else if (dice < 0.6) {
					const rows = fresh().map((row) => ({ ...row, day: 1 }));
					snapshot = await overwrite(engine, snapshot, [batchOf(ROWS, rows)], {
						where: "day = DATE '1970-01-02'",
					});
					model = [...model.filter(({ day }) => day !== 1), ...rows];
				} else {
					const modulo = 2 + Math.floor(random() * 4);
					const [where, gone] = pick(random, [
						[
							`id % ${modulo} = 0`,
							({ id }: RowOf) => id % BigInt(modulo) === 0n,
						],
						[
							"day = DATE '1970-01-01' AND id > 5",
							({ id, day }: RowOf) => day === 0 && id > 5n,
						],
						["name IS NULL", ({ name }: RowOf) => name === null],
						["name = 'x/y'", ({ name }: RowOf) => name === "x/y"],
					] as const);
					snapshot = await deleteRows(engine, snapshot, where);
					model = model.filter((row) => !gone(row));
				}
				const wanted = model
					.map(({ id, name, day }) => `${id}|${name}|${day}`)
					.sort();
				expect(await rowsOf(engine, snapshot), note).toEqual(wanted);
				const cold = await loadSnapshot(engine);
				if (cold === undefined) throw new Error("no table");
				expect(await rowsOf(engine, cold), note).toEqual(wanted);
			}
			// Inserts less deletes are the rows.
			const balance = new Map<string, number>();
			for await (const batch of readChanges(engine, { from: 0 }))
				for (let i = 0; i < batch.length; i++) {
					const cells = batch.columns.map((column, c) =>
						String(valueAt(column, batch.schema.fields[c]?.type ?? "void", i)),
					);
					const row = cells.slice(0, 3).join("|");
					const change = cells[3] === "insert" ? 1 : -1;
					balance.set(row, (balance.get(row) ?? 0) + change);
				}
			expect(
				[...balance]
					.filter(([, count]) => count !== 0)
					.map(([row]) => row)
					.sort(),
				`seed ${seed}`,
			).toEqual(await rowsOf(engine, snapshot));
		}
	},
);

test("rows that do not fit, or would not be replaced again, are refused before anything is written", async () => {
	const engine = memoryEngine();
	const snapshot = await createTable(engine, { schema: ROWS });
	const other: Batch = {
		schema: struct(field("id", "string")),
		length: 1,
		columns: [vectorOf("string", ["x"])],
	};
	await expect(append(engine, snapshot, [other])).rejects.toMatchObject({
		code: "DELTA_SCHEMA_INCOMPATIBLE",
		message: expect.stringMatching(/id is long, the rows have string/),
	});
	await expect(
		overwrite(
			engine,
			snapshot,
			[batchOf(ROWS, [{ id: 9n, name: "x", day: 2 }])],
			{
				where: "day = DATE '1970-01-02'",
			},
		),
	).rejects.toMatchObject({ code: "DELTA_CONSTRAINT_VIOLATED" });
	await expect(deleteRows(engine, snapshot, "id + 1")).rejects.toMatchObject({
		code: "DELTA_SCHEMA_INCOMPATIBLE",
	});
	expect((await loadSnapshot(engine))?.version).toBe(0);
	const more: Batch = {
		schema: struct(field("id", "long"), field("extra", "double")),
		length: 1,
		columns: [vectorOf("long", [1n]), vectorOf("double", [0.5])],
	};
	await expect(append(engine, snapshot, [more])).rejects.toMatchObject({
		message: expect.stringContaining("no column extra"),
	});
	const merged = await append(engine, snapshot, [more], { mergeSchema: true });
	expect(merged.schema.fields.map(({ name }) => name)).toEqual([
		"id",
		"name",
		"day",
		"extra",
	]);
	expect(await rowsOf(engine, merged)).toEqual(["1|null|null|0.5"]);
});

test("a commit in the place of one that was cleaned up, where nobody would ever read it", async () => {
	const engine = memoryEngine();
	const schema = struct(field("id", "long"));
	const batch = (id: bigint): Batch => ({
		schema,
		length: 1,
		columns: [vectorOf("long", [id])],
	});
	const stale = await createTable(engine, {
		schema,
		configuration: { "delta.checkpointInterval": "1" },
	});
	const slept = await append(engine, stale, [batch(1n)]);
	engine.clock += 86_400_000;
	let table = slept;
	for (let i = 2n; i < 5n; i++) table = await append(engine, table, [batch(i)]);
	engine.clock += 40 * 86_400_000;
	const checkpoint = await append(engine, table, [batch(5n)]);
	await cleanUpLog(engine, checkpoint);
	expect(await engine.store.head("_delta_log/00000000000000000002.json")).toBe(
		undefined,
	);
	await expect(append(engine, slept, [batch(6n)])).rejects.toMatchObject({
		code: "DELTA_CONFLICT",
		retryable: true,
	});
	expect(await engine.store.head("_delta_log/00000000000000000002.json")).toBe(
		undefined,
	);
	// As long as the log is whole, age alone is no hindrance.
	engine.clock += 10 * 86_400_000;
	const next = await append(engine, checkpoint, [batch(6n)]);
	expect(next.version).toBe(checkpoint.version + 1);
});
