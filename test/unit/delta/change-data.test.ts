import { expect, test } from "vitest";
import { field, type StructType, struct } from "../../../src/columnar/types.ts";
import type { Action, AddFile } from "../../../src/delta/actions.ts";
import {
	type ChangesOptions,
	readChanges,
} from "../../../src/delta/change-data.ts";
import { stageChanges } from "../../../src/delta/change-data-write.ts";
import { changesIn } from "../../../src/delta/change-log.ts";
import { commitPath } from "../../../src/delta/log.ts";
import { readTable } from "../../../src/delta/scan.ts";
import { loadSnapshot, type Snapshot } from "../../../src/delta/snapshot.ts";
import { seeded } from "../../support/changes.ts";
import { batchOf, ChangeTable, collect, removal } from "./change-table.ts";

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const SCHEMA = struct(field("id", "long"), field("word", "string"));
const FEED = { "delta.enableChangeDataFeed": "true" };
const PROTOCOL: Action = {
	protocol: {
		minReaderVersion: 3,
		minWriterVersion: 7,
		readerFeatures: ["deletionVectors", "columnMapping"],
		writerFeatures: ["deletionVectors", "columnMapping", "changeDataFeed"],
	},
};

async function newTable(
	schema: StructType = SCHEMA,
	options: Parameters<ChangeTable["metadata"]>[1] = {},
): Promise<ChangeTable> {
	const table = new ChangeTable();
	await table.commit([PROTOCOL, table.metadata(schema, options)]);
	return table;
}

function rowsFrom(
	first: number,
	count: number,
): { id: bigint; word: string }[] {
	return Array.from({ length: count }, (_, i) => ({
		id: BigInt(first + i),
		word: `w${first + i}`,
	}));
}

/** As `+1` or `-1`, with the version, in order. */
async function told(
	table: ChangeTable,
	options: ChangesOptions,
): Promise<string[]> {
	const signs: Record<string, string> = {
		insert: "+",
		delete: "-",
		update_preimage: "<",
		update_postimage: ">",
	};
	return (await collect(readChanges(table.engine, options))).map(
		(row) =>
			`${row._commit_version}${signs[String(row._change_type)]}${row.id}`,
	);
}

async function snapshotOf(table: ChangeTable): Promise<Snapshot> {
	const snapshot = await loadSnapshot(table.engine);
	if (snapshot === undefined) throw new Error("no table");
	return snapshot;
}

test("added and removed files are inserts and deletes of their version, deletes first", async () => {
	const table = await newTable();
	const first = await table.file(SCHEMA, rowsFrom(0, 2));
	await table.commit([{ add: first }]);
	const second = await table.file(SCHEMA, rowsFrom(2, 1));
	await table.commit([{ add: second }, { remove: removal(first) }]);
	expect(await collect(readChanges(table.engine, { from: 0 }))).toEqual([
		{
			id: 0n,
			word: "w0",
			_change_type: "insert",
			_commit_version: 1n,
			_commit_timestamp: 1_000_000n,
		},
		{
			id: 1n,
			word: "w1",
			_change_type: "insert",
			_commit_version: 1n,
			_commit_timestamp: 1_000_000n,
		},
		{
			id: 0n,
			word: "w0",
			_change_type: "delete",
			_commit_version: 2n,
			_commit_timestamp: 2_000_000n,
		},
		{
			id: 1n,
			word: "w1",
			_change_type: "delete",
			_commit_version: 2n,
			_commit_timestamp: 2_000_000n,
		},
		{
			id: 2n,
			word: "w2",
			_change_type: "insert",
			_commit_version: 2n,
			_commit_timestamp: 2_000_000n,
		},
	]);
	expect(await told(table, { from: 2, to: 2 })).toEqual(["2-0", "2-1", "2+2"]);
	expect(await told(table, { from: 1, to: 1 })).toEqual(["1+0", "1+1"]);
	expect(await told(table, { from: 0, to: 0 })).toEqual([]);
});

test("a changed deletion vector gives the difference, both ways, of the rows of one file", async () => {
	const table = await newTable();
	const file = await table.file(SCHEMA, rowsFrom(0, 6));
	await table.commit([{ add: file }]);
	const some = await table.hidden(file, [1, 4]);
	await table.commit([{ remove: removal(file) }, { add: some }]);
	const other = await table.hidden(file, [2, 4, 5], { inlineBytes: 0 });
	await table.commit([{ add: other }, { remove: removal(some) }]);
	await table.commit([{ remove: removal(other) }, { add: file }]);
	const gone = await table.hidden(file, [0]);
	await table.commit([{ remove: removal(file) }, { add: gone }]);
	await table.commit([{ remove: removal(gone) }]);
	expect(await told(table, { from: 2 })).toEqual([
		"2-1",
		"2-4",
		"3-2",
		"3-5",
		"3+1",
		"4+2",
		"4+4",
		"4+5",
		"5-0",
		"6-1",
		"6-2",
		"6-3",
		"6-4",
		"6-5",
	]);
});

test("a file that comes with a deletion vector inserts the rows that it shows", async () => {
	const table = await newTable();
	const file = await table.file(SCHEMA, rowsFrom(0, 3));
	await table.commit([{ add: await table.hidden(file, [1]) }]);
	expect(await told(table, { from: 1 })).toEqual(["1+0", "1+2"]);
});

test("an action that spells the path in another way is still of the same file", async () => {
	const table = await newTable();
	const file = await table.file(SCHEMA, rowsFrom(0, 3), {
		path: "a b=é.parquet",
	});
	await table.commit([{ add: file }]);
	const after = await table.hidden(
		{ ...file, path: "a b%3D%C3%A9.parquet" },
		[0],
	);
	await table.commit([{ remove: removal(file) }, { add: after }]);
	expect(await told(table, { from: 2 })).toEqual(["2-0"]);
});

test("a rearrangement is no change", async () => {
	const table = await newTable();
	const file = await table.file(SCHEMA, rowsFrom(0, 3));
	await table.commit([{ add: file }]);
	const same = await table.file(SCHEMA, rowsFrom(0, 3));
	await table.commit([
		{ add: { ...same, dataChange: false } },
		{ remove: { ...removal(file), dataChange: false } },
	]);
	expect(await told(table, { from: 2 })).toEqual([]);
});

test("a MERGE that changed no row gives nothing, one that did gives its files", async () => {
	const table = await newTable();
	const file = await table.file(SCHEMA, rowsFrom(0, 1));
	await table.commit([{ add: file }]);
	const same = await table.file(SCHEMA, rowsFrom(0, 1));
	const none = {
		numTargetRowsInserted: "0",
		numTargetRowsUpdated: "0",
		numTargetRowsDeleted: "0",
	};
	const merge = (operationMetrics: Record<string, string>) => ({
		operation: "MERGE",
		operationMetrics,
	});
	await table.commit([{ add: same }, { remove: removal(file) }], merge(none));
	await table.commit(
		[{ add: file }, { remove: removal(same) }],
		merge({ ...none, numTargetRowsUpdated: "1" }),
	);
	expect(await told(table, { from: 2 })).toEqual(["3-0", "3+0"]);
});

const CDC = struct(...SCHEMA.fields, field("_change_type", "string"));

async function changeFile(
	table: ChangeTable,
	rows: readonly { id: bigint; word: string; _change_type: string | null }[],
	partitionValues: Record<string, string | null> = {},
): Promise<Action> {
	const schema = struct(
		...CDC.fields.filter(({ name }) => !(name in partitionValues)),
	);
	const { path, size } = await table.file(schema, rows, {
		path: `_change_data/cdc-${table.engine.uuid()}.parquet`,
	});
	return { cdc: { path, partitionValues, size, dataChange: false } };
}

test("change data files are all that counts in a commit that has one", async () => {
	const table = await newTable(SCHEMA, { configuration: FEED });
	const file = await table.file(SCHEMA, rowsFrom(0, 3));
	await table.commit([{ add: file }]);
	const rewritten = await table.file(SCHEMA, rowsFrom(0, 2));
	await table.commit([
		{ remove: removal(file) },
		{ add: rewritten },
		await changeFile(table, [
			{ id: 1n, word: "old", _change_type: "update_preimage" },
			{ id: 1n, word: "new", _change_type: "update_postimage" },
		]),
		await changeFile(table, [{ id: 2n, word: "w2", _change_type: "delete" }]),
	]);
	expect(await told(table, { from: 2, recorded: true })).toEqual([
		"2<1",
		"2>1",
		"2-2",
	]);
	const [row] = await collect(
		readChanges(table.engine, { from: 2, columns: ["word"] }),
	);
	expect(row).toEqual({
		word: "old",
		_change_type: "update_preimage",
		_commit_version: 2n,
		_commit_timestamp: 2_000_000n,
	});
});

test("partition values of change data files and of removed files are in their rows", async () => {
	const table = await newTable(SCHEMA, {
		configuration: FEED,
		partitionColumns: ["word"],
	});
	const ids = struct(field("id", "long"));
	const file = await table.file(ids, [{ id: 1n }], {
		partitionValues: { word: "red" },
	});
	await table.commit([{ add: file }]);
	await table.commit([
		{ remove: removal(file) },
		await changeFile(table, [{ id: 5n, word: "", _change_type: "insert" }], {
			word: "blue",
		}),
	]);
	const second = await table.file(ids, [{ id: 2n }], {
		partitionValues: { word: null },
	});
	await table.commit([{ add: second }]);
	await table.commit([{ remove: removal(second) }]);
	expect(
		(await collect(readChanges(table.engine, { from: 1 }))).map((row) => [
			row.id,
			row.word,
			row._change_type,
		]),
	).toEqual([
		[1n, "red", "insert"],
		[5n, "blue", "insert"],
		[2n, null, "insert"],
		[2n, null, "delete"],
	]);
});

test.each([["upsert"], [null]])(
	"a change data file with the type %s is refused",
	async (type) => {
		const table = await newTable(SCHEMA, { configuration: FEED });
		await table.commit([
			await changeFile(table, [{ id: 1n, word: "x", _change_type: type }]),
		]);
		await expect(told(table, { from: 1 })).rejects.toMatchObject({
			code: "DELTA_LOG_INVALID",
			message: expect.stringContaining(`_change_type ${type}`),
		});
	},
);

test("a column `_change_type` in a data file is not the table's and no change", async () => {
	const table = await newTable();
	const file = await table.file(CDC, [
		{ id: 1n, word: "x", _change_type: "delete" },
	]);
	await table.commit([{ add: file }]);
	expect(await told(table, { from: 1 })).toEqual(["1+1"]);
});

test("rows of older versions come under the last schema: added, dropped and widened columns", async () => {
	const table = await newTable(
		struct(field("id", "integer"), field("word", "string")),
	);
	const file = await table.file(
		struct(field("id", "integer"), field("word", "string")),
		[{ id: 7, word: "dropped later" }],
	);
	await table.commit([{ add: file }]);
	const widened = struct(
		field("id", "long", {
			metadata: {
				"delta.typeChanges": [{ fromType: "integer", toType: "long" }],
			},
		}),
		field("more", "double", { nullable: false }),
	);
	await table.commit([table.metadata(widened), { remove: removal(file) }]);
	const expected = { id: 7n, more: null, _change_type: "insert" };
	const rows = await collect(readChanges(table.engine, { from: 1 }));
	expect(rows).toMatchObject([
		expected,
		{ ...expected, _change_type: "delete" },
	]);
	expect(rows[0]).not.toHaveProperty("word");
	for await (const batch of readChanges(table.engine, { from: 1 }))
		expect(
			batch.schema.fields.find(({ name }) => name === "more")?.nullable,
		).toBe(true);
	// Up to the version before, it is as it was.
	expect(
		await collect(readChanges(table.engine, { from: 0, to: 1 })),
	).toMatchObject([{ id: 7, word: "dropped later" }]);
});

function mapped(
	name: string,
	physical: string,
	id: number,
	type: "long" | "string",
) {
	return field(name, type, {
		metadata: {
			"delta.columnMapping.id": id,
			"delta.columnMapping.physicalName": physical,
		},
	});
}

test.each(["name", "id"])(
	"a column renamed under mapping by %s keeps its values, in change data files too",
	async (mode) => {
		const configuration = {
			...FEED,
			"delta.columnMapping.mode": mode,
			"delta.columnMapping.maxColumnId": "2",
		};
		const before = struct(
			mapped("id", "col-a", 1, "long"),
			mapped("word", "col-b", 2, "string"),
		);
		const after = struct(
			mapped("id", "col-a", 1, "long"),
			mapped("text", "col-b", 2, "string"),
		);
		const physical = struct(
			mapped("col-a", "col-a", 1, "long"),
			mapped("col-b", "col-b", 2, "string"),
		);
		const table = await newTable(before, { configuration });
		const file = await table.file(physical, [{ "col-a": 1n, "col-b": "x" }], {
			fieldIds: true,
		});
		await table.commit([{ add: file }]);
		const staged = stageChanges(
			await snapshotOf(table),
			[
				{
					type: "update_preimage",
					batch: batchOf(SCHEMA, [{ id: 1n, word: "x" }]),
				},
				{
					type: "update_postimage",
					batch: batchOf(SCHEMA, [{ id: 1n, word: "y" }]),
				},
			],
			table.engine,
		);
		for (const { path, bytes } of staged.files)
			await table.engine.store.put(path, bytes);
		await table.commit(staged.actions);
		await table.commit([table.metadata(after, { configuration })]);
		const rows = await collect(
			readChanges(table.engine, { from: 0, recorded: true }),
		);
		expect(rows.map((row) => [row._change_type, row.id, row.text])).toEqual([
			["insert", 1n, "x"],
			["update_preimage", 1n, "x"],
			["update_postimage", 1n, "y"],
		]);
	},
);

test("staged changes are split by partition and read back as they were", async () => {
	const table = await newTable(SCHEMA, {
		configuration: FEED,
		partitionColumns: ["word"],
	});
	const staged = stageChanges(
		await snapshotOf(table),
		[
			{
				type: "delete",
				batch: batchOf(SCHEMA, [
					{ id: 1n, word: "a/b" },
					{ id: 2n, word: null },
					{ id: 3n, word: "a/b" },
				]),
			},
			{ type: "insert", batch: batchOf(SCHEMA, [{ id: 4n, word: "a/b" }]) },
			{ type: "insert", batch: batchOf(SCHEMA, []) },
		],
		table.engine,
	);
	expect(staged.files).toHaveLength(2);
	for (const [i, { path, bytes }] of staged.files.entries()) {
		const { cdc } = staged.actions[i] ?? { cdc: undefined };
		expect(path).toMatch(/^_change_data\/word=.*\/cdc-[0-9a-f-]+\.parquet$/);
		expect(decodeURIComponent(cdc?.path ?? "")).toBe(path);
		expect(cdc).toMatchObject({ size: bytes.length, dataChange: false });
		await table.engine.store.put(path, bytes);
	}
	expect(staged.actions.map(({ cdc }) => cdc.partitionValues)).toEqual([
		{ word: "a/b" },
		{ word: null },
	]);
	await table.commit(staged.actions);
	expect(
		(await collect(readChanges(table.engine, { from: 1 }))).map((row) => [
			row._change_type,
			row.id,
			row.word,
		]),
	).toEqual([
		["delete", 1n, "a/b"],
		["delete", 3n, "a/b"],
		["insert", 4n, "a/b"],
		["delete", 2n, null],
	]);
});

test("no changes stage no file, and rows without a column of the table are refused", async () => {
	const table = await newTable();
	const snapshot = await snapshotOf(table);
	expect(stageChanges(snapshot, [], table.engine)).toEqual({
		files: [],
		actions: [],
	});
	const partial = batchOf(struct(field("id", "long")), [{ id: 1n }]);
	expect(() =>
		stageChanges(snapshot, [{ type: "insert", batch: partial }], table.engine),
	).toThrow(expect.objectContaining({ code: "DELTA_SCHEMA_INCOMPATIBLE" }));
});

test.each([
	["another partitioning", SCHEMA, ["word"], "partition columns"],
	[
		"another type",
		struct(field("id", "string"), field("word", "string")),
		[],
		"type of id changed from long to string",
	],
	[
		"a struct",
		struct(field("id", struct(field("x", "long"))), field("word", "string")),
		[],
		"type of id changed from long to struct",
	],
] as const)(
	"a range over which the table got %s is refused before the first row",
	async (_, schema, partitionColumns, message) => {
		const table = await newTable();
		await table.commit([{ add: await table.file(SCHEMA, rowsFrom(0, 1)) }]);
		await table.commit([table.metadata(schema, { partitionColumns })]);
		const changes = readChanges(table.engine, { from: 1 });
		await expect(changes.next()).rejects.toMatchObject({
			code: "DELTA_CHANGES_UNAVAILABLE",
			message: expect.stringContaining(message),
		});
		expect(await told(table, { from: 0, to: 1 })).toEqual(["1+0"]);
		expect(await told(table, { from: 2 })).toEqual([]);
	},
);

test("a range in which the feed was off, even for a version, is refused when it has to be recorded", async () => {
	const table = await newTable();
	const on = table.metadata(SCHEMA, { configuration: FEED });
	await table.commit([{ add: await table.file(SCHEMA, rowsFrom(0, 1)) }]);
	await table.commit([on]);
	await table.commit([{ add: await table.file(SCHEMA, rowsFrom(1, 1)) }]);
	await table.commit([table.metadata(SCHEMA)]);
	await table.commit([on]);
	const recorded = true;
	expect(await told(table, { from: 2, to: 3, recorded })).toEqual(["3+1"]);
	expect(await told(table, { from: 5, to: 5, recorded })).toEqual([]);
	for (const [range, version] of [
		[{ from: 0, to: 3 }, 0],
		[{ from: 1, to: 3 }, 1],
		[{ from: 2, to: 4 }, 4],
		[{ from: 2, to: 5 }, 4],
		[{ from: 4 }, 4],
	] as const)
		await expect(
			readChanges(table.engine, { ...range, recorded }).next(),
		).rejects.toMatchObject({
			code: "DELTA_CHANGES_UNAVAILABLE",
			message: expect.stringContaining(`not on in version ${version}`),
		});
	expect(await told(table, { from: 0 })).toEqual(["1+0", "3+1"]);
});

test("the property without the feature in the protocol is no recording", async () => {
	const table = new ChangeTable();
	await table.commit([
		{
			protocol: {
				minReaderVersion: 1,
				minWriterVersion: 7,
				writerFeatures: ["appendOnly"],
			},
		},
		table.metadata(SCHEMA, { configuration: FEED }),
	]);
	await expect(told(table, { from: 0, recorded: true })).rejects.toMatchObject({
		code: "DELTA_CHANGES_UNAVAILABLE",
	});
	const older = new ChangeTable();
	await older.commit([
		{ protocol: { minReaderVersion: 1, minWriterVersion: 4 } },
		older.metadata(SCHEMA, { configuration: FEED }),
	]);
	expect(await told(older, { from: 0, recorded: true })).toEqual([]);
});

test("versions that the log no longer has, or not yet, are named", async () => {
	const table = await newTable();
	for (let i = 0; i < 4; i++)
		await table.commit([{ add: await table.file(SCHEMA, rowsFrom(i, 1)) }]);
	for (const [range, code, message] of [
		[{ from: 5 }, "DELTA_VERSION_NOT_FOUND", "5 to 4"],
		[{ from: 3, to: 2 }, "DELTA_VERSION_NOT_FOUND", "3 to 2"],
		[{ from: -1 }, "DELTA_VERSION_NOT_FOUND", "-1 to 4"],
		[{ from: 0.5 }, "DELTA_VERSION_NOT_FOUND", "0.5 to 4"],
		[{ from: 1, to: 9 }, "DELTA_VERSION_NOT_FOUND", "version 9"],
	] as const)
		await expect(told(table, range)).rejects.toMatchObject({
			code,
			message: expect.stringContaining(message),
		});
	await expect(told(new ChangeTable(), { from: 0 })).rejects.toMatchObject({
		code: "DELTA_TABLE_NOT_FOUND",
	});
});

test("commits that were cleaned up can't be read, and the oldest that can is named", async () => {
	const table = await newTable();
	const files: AddFile[] = [];
	for (let i = 0; i < 4; i++) {
		const file = await table.file(SCHEMA, rowsFrom(i, 1));
		files.push(file);
		await table.commit([{ add: file }]);
	}
	const { writeCheckpoint } = await import("../../../src/delta/checkpoint.ts");
	await writeCheckpoint(table.engine, await snapshotOf(table));
	await table.commit([{ remove: removal(files[0] as AddFile) }]);
	await table.engine.store.delete([0, 1, 2].map(commitPath));
	await expect(told(table, { from: 1 })).rejects.toMatchObject({
		code: "DELTA_CHANGES_UNAVAILABLE",
		message: expect.stringContaining("from version 3 on"),
	});
	expect(await told(table, { from: 3 })).toEqual(["3+2", "4+3", "5-0"]);
	// What the metadata was before a change of it can't be told without the older commits.
	await table.commit([table.metadata(SCHEMA, { configuration: FEED })]);
	await expect(told(table, { from: 3 })).rejects.toMatchObject({
		code: "DELTA_CHANGES_UNAVAILABLE",
		message: expect.stringContaining("schema of version 3"),
	});
	expect(await told(table, { from: 5 })).toEqual(["5-0"]);
});

test.each(["data file", "deletion vector", "change data file"])(
	"a %s that vacuum took is missing, and the retention is named",
	async (kind) => {
		const table = await newTable(SCHEMA, {
			configuration: {
				...FEED,
				"delta.deletedFileRetentionDuration": "interval 3 days",
			},
		});
		const file = await table.file(SCHEMA, rowsFrom(0, 3));
		await table.commit([{ add: file }]);
		const hidden = await table.hidden(file, [1], { inlineBytes: 0 });
		const cdc = await changeFile(table, [
			{ id: 1n, word: "w1", _change_type: "delete" },
		]);
		await table.commit([
			{ remove: removal(file) },
			{ add: hidden },
			...(kind === "change data file" ? [cdc] : []),
		]);
		const gone: string[] = [];
		for await (const { path } of table.engine.store.list(""))
			if (
				{
					"data file": path.startsWith("part-"),
					"deletion vector": path.startsWith("deletion_vector"),
					"change data file": path.startsWith("_change_data/"),
				}[kind]
			)
				gone.push(path);
		await table.engine.store.delete(gone);
		await expect(told(table, { from: 2 })).rejects.toMatchObject({
			code: "DELTA_FILE_MISSING",
			...(kind === "deletion vector"
				? {}
				: { message: expect.stringContaining("interval 3 days") }),
		});
	},
);

test("a removal without size is measured; without partition it is refused where there are some", async () => {
	const table = await newTable();
	const file = await table.file(SCHEMA, rowsFrom(0, 2));
	await table.commit([{ add: file }]);
	await table.commit([{ remove: { path: file.path, dataChange: true } }]);
	expect(await told(table, { from: 2 })).toEqual(["2-0", "2-1"]);
	await table.engine.store.delete([file.path]);
	await expect(told(table, { from: 2 })).rejects.toMatchObject({
		code: "DELTA_FILE_MISSING",
	});
	const parted = await newTable(SCHEMA, { partitionColumns: ["word"] });
	await parted.commit([{ remove: { path: "x", dataChange: true } }]);
	await expect(told(parted, { from: 1 })).rejects.toMatchObject({
		code: "DELTA_CHANGES_UNAVAILABLE",
		message: expect.stringContaining("partition"),
	});
});

test("a table with a column named as one of a change's is refused", async () => {
	const table = await newTable(
		struct(field("id", "long"), field("_Commit_Version", "long")),
	);
	await expect(told(table, { from: 0 })).rejects.toMatchObject({
		code: "DELTA_SCHEMA_INCOMPATIBLE",
		message: expect.stringContaining("_Commit_Version"),
	});
});

test("the in-commit timestamp counts where there is one, the commit's file where there is none", async () => {
	const table = await newTable();
	await table.commit([{ add: await table.file(SCHEMA, rowsFrom(0, 1)) }], {
		inCommitTimestamp: 5555,
	});
	await table.commit([{ add: await table.file(SCHEMA, rowsFrom(1, 1)) }], {
		timestamp: 777,
	});
	const modified = (await table.engine.store.head(commitPath(2)))?.modified;
	expect(
		(await collect(readChanges(table.engine, { from: 0 }))).map(
			(row) => row._commit_timestamp,
		),
	).toEqual([5_555_000n, BigInt(modified ?? -1) * 1000n]);
});

test(`changes applied to one version give the other, for any range (SEED=${SEED})`, async () => {
	const random = seeded(SEED);
	const int = (limit: number): number => Math.floor(random() * limit);
	const table = await newTable();
	const states: Set<bigint>[] = [new Set()];
	const live = new Map<
		string,
		{ file: AddFile; rows: bigint[]; hidden: Set<number> }
	>();
	let next = 0;
	for (let version = 1; version <= 45; version++) {
		const actions: Action[] = [];
		for (const [path, state] of [...live]) {
			if (random() < 0.15) {
				actions.push({ remove: removal(state.file) });
				live.delete(path);
				continue;
			}
			if (random() > 0.4) continue;
			const hidden = new Set(
				state.rows
					.map((_, i) => i)
					.filter((i) => random() < (state.hidden.has(i) ? 0.8 : 0.2)),
			);
			const { deletionVector: _, ...whole } = state.file;
			const file: AddFile =
				hidden.size === 0
					? whole
					: await table.hidden(whole, [...hidden], {
							inlineBytes: int(2) * 128,
						});
			if (
				file.deletionVector === undefined &&
				state.file.deletionVector === undefined
			)
				continue;
			actions.push({ remove: removal(state.file) }, { add: file });
			live.set(path, { file, rows: state.rows, hidden });
		}
		if (random() < 0.7) {
			const rows = rowsFrom(next, 1 + int(40));
			next += rows.length;
			const file = await table.file(SCHEMA, rows);
			actions.push({ add: file });
			live.set(file.path, {
				file,
				rows: rows.map(({ id }) => id),
				hidden: new Set(),
			});
		}
		await table.commit(actions.sort(() => random() - 0.5));
		states.push(
			new Set(
				[...live.values()].flatMap(({ rows, hidden }) =>
					rows.filter((_, i) => !hidden.has(i)),
				),
			),
		);
	}
	const newest = await collect(
		readTable(table.engine, await snapshotOf(table)),
	);
	expect(new Set(newest.map((row) => row.id))).toEqual(states[45]);
	for (const [from, to] of [
		[1, 45],
		...Array.from({ length: 6 }, () => {
			const from = 1 + int(45);
			return [from, from + int(46 - from)];
		}),
	] as [number, number][]) {
		const rows = new Set(states[from - 1]);
		let version = from;
		for (const row of await collect(readChanges(table.engine, { from, to }))) {
			const id = row.id as bigint;
			expect(Number(row._commit_version)).toBeGreaterThanOrEqual(version);
			version = Number(row._commit_version);
			expect(rows.has(id), `${id} in ${version}`).toBe(
				row._change_type === "delete",
			);
			if (row._change_type === "delete") rows.delete(id);
			else rows.add(id);
		}
		expect(rows).toEqual(states[to]);
	}
});

test("a long range is read twice rather than held, with the same result", async () => {
	const table = await newTable();
	for (let i = 0; i < 70; i++)
		await table.commit([{ add: await table.file(SCHEMA, rowsFrom(i, 1)) }]);
	const end = await snapshotOf(table);
	const versions = async (maxKept: number): Promise<string[]> => {
		const found: string[] = [];
		for await (const commit of changesIn(
			table.engine,
			end,
			{ from: 1, to: 70 },
			{ recorded: false, maxKept },
		))
			found.push(`${commit.version} ${commit.adds[0]?.path}`);
		return found;
	};
	const all = await versions(1000);
	expect(all).toHaveLength(70);
	expect(await versions(0)).toEqual(all);
	expect(await versions(20)).toEqual(all);
});
