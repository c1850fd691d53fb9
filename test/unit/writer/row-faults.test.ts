import { expect, test } from "vitest";
import type { ChangeBatch } from "../../../src/change/change.ts";
import { vectorOf } from "../../../src/columnar/literal.ts";
import { field, struct } from "../../../src/columnar/types.ts";
import { dryEngine } from "../../../src/delta/engine.ts";
import { DeltaError } from "../../../src/delta/errors.ts";
import { stageFiles } from "../../../src/delta/stage.ts";
import { createTable } from "../../../src/delta/write.ts";
import { StorageError } from "../../../src/storage/errors.ts";
import { faultyRows } from "../../../src/writer/row-faults.ts";
import { memoryEngine } from "../delta/table.ts";

const SCHEMA = struct(field("id", "long"), field("part", "binary"));
const BAD = Uint8Array.of(0xff);

function changesOf(
	parts: readonly Uint8Array[],
	deleted: readonly number[] = [],
): ChangeBatch {
	return {
		batch: {
			schema: SCHEMA,
			length: parts.length,
			columns: [
				vectorOf(
					"long",
					parts.map((_, i) => BigInt(i)),
				),
				vectorOf("binary", parts),
			],
		},
		deleted: Uint8Array.from(parts, (_, i) => (deleted.includes(i) ? 1 : 0)),
		keyColumns: [],
		truncated: false,
		newestSourceMs: 0,
		oldestStreamedMs: 0,
	};
}

async function judge(changes: ChangeBatch, failure?: unknown) {
	const engine = memoryEngine();
	const table = await createTable(engine, {
		schema: SCHEMA,
		partitionColumns: ["part"],
	});
	const before = engine.objects.size;
	const error =
		failure ??
		(await stageFiles(dryEngine(engine), table, changes.batch).catch(
			(thrown: unknown) => thrown,
		));
	const found = await faultyRows(error, changes, {
		engine,
		table,
		storesDeleted: false,
	});
	expect(engine.objects.size).toBe(before);
	return found && [...found].map(([row, { code }]) => `${row} ${code}`);
}

const good = Buffer.from("a");

test("rows that can't be written alone are found among the others, and nothing is stored for it", async () => {
	expect(await judge(changesOf([good, BAD, good, good, BAD, good]))).toEqual([
		"1 DELTA_SCHEMA_INCOMPATIBLE",
		"4 DELTA_SCHEMA_INCOMPATIBLE",
	]);
});

test("a row that is not stored is no fault", async () => {
	expect(await judge(changesOf([good, BAD, BAD, good], [1]))).toEqual([
		"2 DELTA_SCHEMA_INCOMPATIBLE",
	]);
});

test("a fault of the program with one row is that row's, with every row it is none of theirs", async () => {
	expect(await judge(changesOf([BAD, BAD, BAD]))).toBeUndefined();
	expect(await judge(changesOf([BAD]))).toHaveLength(1);
	expect(
		await judge(changesOf([good, BAD, good]), new RangeError("oops")),
	).toHaveLength(1);
});

test("trouble of the store or of the whole table is no row's", async () => {
	const changes = changesOf([good, BAD]);
	expect(
		await judge(
			changes,
			new StorageError("STORAGE_UNREACHABLE", "away", { retryable: true }),
		),
	).toBeUndefined();
	expect(
		await judge(changes, new DeltaError("DELTA_UNSUPPORTED_WRITER", "no")),
	).toBeUndefined();
});
