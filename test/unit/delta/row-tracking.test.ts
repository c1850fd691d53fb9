import { expect, test } from "vitest";
import { field, struct } from "../../../src/columnar/types.ts";
import { alterTable } from "../../../src/delta/alter.ts";
import {
	MATERIALIZED_COMMIT_VERSION,
	MATERIALIZED_ROW_ID,
} from "../../../src/delta/row-tracking.ts";
import { createTable } from "../../../src/delta/write.ts";
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
