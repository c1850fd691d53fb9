import { expect, test } from "vitest";
import { field, struct } from "../../../src/columnar/types.ts";
import { readChanges } from "../../../src/delta/change-data.ts";
import { stageChanges } from "../../../src/delta/change-data-write.ts";
import { commitPath } from "../../../src/delta/log.ts";
import { batchOf } from "../../support/batch.ts";
import { collect, removal } from "./change-table.ts";
import {
	CDC,
	changeFile,
	FEED,
	newTable,
	rowsFrom,
	SCHEMA,
	snapshotOf,
	told,
} from "./feed-table.ts";

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
