import { expect, test } from "vitest";
import { field, struct } from "../../../src/columnar/types.ts";
import { valueAt } from "../../../src/columnar/value.ts";
import type { Row } from "../../../src/columnar/vector.ts";
import { alterTable } from "../../../src/delta/alter.ts";
import type { Engine } from "../../../src/delta/engine.ts";
import { readTable } from "../../../src/delta/scan.ts";
import {
	loadSnapshot,
	readCommit,
	type Snapshot,
} from "../../../src/delta/snapshot.ts";
import { append, createTable, deleteRows } from "../../../src/delta/write.ts";
import { optimize } from "../../../src/maintain/optimize.ts";
import { restore } from "../../../src/maintain/restore.ts";
import { vacuum } from "../../../src/maintain/vacuum.ts";
import { batchOf } from "../../support/batch.ts";
import { generator, seedOf } from "../../support/seed.ts";
import { memoryEngine } from "../delta/table.ts";

const HOUR = 3_600_000;
const SCHEMA = struct(field("id", "long"));
const VECTORS = { "delta.enableDeletionVectors": "true" };

const rows = (from: number, count: number): Row[] =>
	Array.from({ length: count }, (_, i) => ({ id: BigInt(from + i) }));

async function newest(engine: Engine): Promise<Snapshot> {
	const snapshot = await loadSnapshot(engine);
	if (snapshot === undefined) throw new Error("no table");
	return snapshot;
}

async function ids(engine: Engine): Promise<number[]> {
	const found: number[] = [];
	for await (const batch of readTable(engine, await newest(engine), {
		columns: ["id"],
	}))
		for (let i = 0; i < batch.length; i++)
			found.push(Number(valueAt(batch.columns[0] as never, "long", i)));
	return found.sort((a, b) => a - b);
}

test("a version that does not come back as it was, whatever happened since", async () => {
	const seed = seedOf();
	console.log(`seed ${seed}`);
	const random = generator(seed);
	const int = (below: number): number => Math.floor(random() * below);
	const engine = memoryEngine();
	let table = await createTable(engine, {
		schema: SCHEMA,
		configuration: { ...VECTORS, "delta.checkpointInterval": "5" },
	});
	const held: number[][] = [[]];
	for (let step = 0; step < 60; step++) {
		switch (int(5)) {
			case 0:
			case 1:
				table = await append(engine, table, [
					batchOf(SCHEMA, rows(step * 20, 20)),
				]);
				break;
			case 2:
				table = await deleteRows(engine, table, `id % 5 = ${int(5)}`);
				break;
			case 3:
				await optimize(engine, table, { purge: true });
				table = await newest(engine);
				break;
			case 4: {
				const version = int(table.version + 1);
				await restore(engine, table, { version });
				table = await newest(engine);
				expect(await ids(engine)).toEqual(held[version]);
			}
		}
		while (held.length <= table.version) held.push(await ids(engine));
	}
});

test("a schema or properties that stay behind when the rows come back", async () => {
	const engine = memoryEngine();
	let table = await createTable(engine, {
		schema: SCHEMA,
		configuration: { "delta.logRetentionDuration": "interval 40 days" },
	});
	table = await append(engine, table, [batchOf(SCHEMA, rows(0, 3))]);
	table = await append(
		engine,
		table,
		[
			batchOf(struct(field("id", "long"), field("more", "string")), [
				{ id: 9n, more: "x" },
			]),
		],
		{ mergeSchema: true },
	);
	table = await alterTable(engine, table, {
		kind: "set-properties",
		properties: {
			"delta.logRetentionDuration": "interval 10 days",
			"delta.enableInCommitTimestamps": "true",
		},
	});
	const result = await restore(engine, table, { version: 1 });
	expect(result).toMatchObject({
		version: 4,
		restoredVersion: 1,
		filesRemoved: 1,
		filesRestored: 0,
		schemaRestored: true,
	});
	const after = await newest(engine);
	expect(after.schema.fields.map(({ name }) => name)).toEqual(["id"]);
	expect(after.metadata.configuration).toMatchObject({
		"delta.logRetentionDuration": "interval 40 days",
		// A table can't give them up without a trace.
		"delta.enableInCommitTimestamps": "true",
		"delta.inCommitTimestampEnablementVersion": "3",
	});
	expect((await readCommit(engine, 4))?.[0]).toMatchObject({
		commitInfo: {
			operation: "RESTORE",
			operationParameters: { version: "1" },
			operationMetrics: { numRemovedFiles: "1", numRestoredFiles: "0" },
		},
	});
	// The same again changes nothing.
	expect(await restore(engine, after, { version: 1 })).toMatchObject({
		version: 4,
	});
});

test("a version whose files vacuum took that comes back with holes", async () => {
	const engine = memoryEngine();
	let table = await createTable(engine, { schema: SCHEMA });
	table = await append(engine, table, [batchOf(SCHEMA, rows(0, 3))]);
	table = await deleteRows(engine, table, undefined);
	engine.clock += 200 * HOUR;
	await vacuum(engine, table);
	await expect(
		restore(engine, await newest(engine), { version: 1 }),
	).rejects.toMatchObject({
		code: "DELTA_FILE_MISSING",
		message: expect.stringContaining("restore a later version"),
	});
	await expect(
		restore(engine, await newest(engine), { version: 99 }),
	).rejects.toMatchObject({ code: "DELTA_VERSION_NOT_FOUND" });
});

test("a dry run that restores", async () => {
	const engine = memoryEngine();
	let table = await createTable(engine, { schema: SCHEMA });
	table = await append(engine, table, [batchOf(SCHEMA, rows(0, 3))]);
	expect(
		await restore(engine, table, { version: 0, dryRun: true }),
	).toMatchObject({ version: 1, filesRemoved: 1 });
	expect((await newest(engine)).version).toBe(1);
});
