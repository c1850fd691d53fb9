import { expect, test } from "vitest";
import { vectorOf } from "../../../src/columnar/literal.ts";
import { field, struct } from "../../../src/columnar/types.ts";
import { valueAt } from "../../../src/columnar/value.ts";
import { alterTable } from "../../../src/delta/alter.ts";
import {
	MATERIALIZED_COMMIT_VERSION,
	MATERIALIZED_ROW_ID,
	materializedFields,
} from "../../../src/delta/row-tracking.ts";
import { scanFiles } from "../../../src/delta/scan.ts";
import type { Snapshot } from "../../../src/delta/snapshot.ts";
import { append, createTable, deleteRows } from "../../../src/delta/write.ts";
import { memoryEngine } from "./memory-engine.ts";

const ENABLED = { "delta.enableRowTracking": "true" };
const NAMES = {
	[MATERIALIZED_ROW_ID]: expect.stringMatching(/^_row-id-col-/),
	[MATERIALIZED_COMMIT_VERSION]: expect.stringMatching(
		/^_row-commit-version-col-/,
	),
};

test("a table with row tracking that no other engine could update a row of", async () => {
	const engine = memoryEngine();
	const table = await createTable(engine, {
		schema: struct(field("id", "long")),
		configuration: ENABLED,
	});
	expect(table.metadata.configuration).toMatchObject(NAMES);
	const named = table.metadata.configuration[MATERIALIZED_ROW_ID];
	const later = await alterTable(engine, table, {
		kind: "set-properties",
		properties: { "delta.checkpointInterval": "5" },
	});
	expect(later.metadata.configuration[MATERIALIZED_ROW_ID]).toBe(named);
});

test("row tracking enabled later without the names of its columns", async () => {
	const engine = memoryEngine();
	const plain = await createTable(engine, {
		schema: struct(field("id", "long")),
	});
	expect(plain.metadata.configuration).not.toHaveProperty([
		MATERIALIZED_ROW_ID,
	]);
	const table = await alterTable(engine, plain, {
		kind: "set-properties",
		properties: ENABLED,
	});
	expect(table.metadata.configuration).toMatchObject(NAMES);
});

test("rows that lose their ids when their file is written again", async () => {
	const engine = memoryEngine();
	const schema = struct(field("id", "long"));
	const empty = await createTable(engine, { schema, configuration: ENABLED });
	const full = await append(engine, empty, [
		{
			schema,
			length: 4,
			columns: [vectorOf("long", [0n, 1n, 2n, 3n])],
		},
	]);
	const fewer = await deleteRows(engine, full, "id = 1");
	expect(await idsOf(fewer)).toEqual(["0: 0 of 1", "2: 2 of 1", "3: 3 of 1"]);
	// The second time they are in columns of the file.
	const least = await deleteRows(engine, fewer, "id = 2");
	expect(await idsOf(least)).toEqual(["0: 0 of 1", "3: 3 of 1"]);

	async function idsOf(snapshot: Snapshot): Promise<string[]> {
		const found: string[] = [];
		for await (const { batch } of scanFiles(engine, snapshot, {
			fileColumns: materializedFields(snapshot.metadata),
		}))
			for (let row = 0; row < batch.length; row++) {
				const [id, rowId, version] = batch.columns.map((column) =>
					valueAt(column, "long", row),
				);
				found.push(`${id}: ${rowId} of ${version}`);
			}
		return found;
	}
});
