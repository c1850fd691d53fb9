import { expect, test } from "vitest";
import { field, struct } from "../../../src/columnar/types.ts";
import type { AddFile } from "../../../src/delta/actions.ts";
import { readChanges } from "../../../src/delta/change-data.ts";
import { commitPath } from "../../../src/delta/log.ts";
import { ChangeTable, removal } from "./change-table.ts";
import {
	changeFile,
	FEED,
	newTable,
	rowsFrom,
	SCHEMA,
	snapshotOf,
	told,
} from "./feed-table.ts";

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
