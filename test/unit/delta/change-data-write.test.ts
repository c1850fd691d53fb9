import { expect, test } from "vitest";
import { field, struct } from "../../../src/columnar/types.ts";
import { readChanges } from "../../../src/delta/change-data.ts";
import { stageChanges } from "../../../src/delta/change-data-write.ts";
import { batchOf } from "../../support/batch.ts";
import { collect } from "./change-table.ts";
import { FEED, newTable, SCHEMA, snapshotOf } from "./feed-table.ts";

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
