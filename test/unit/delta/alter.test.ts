import { expect, test } from "vitest";
import { vectorOf } from "../../../src/columnar/literal.ts";
import { field, struct } from "../../../src/columnar/types.ts";
import { valueAt } from "../../../src/columnar/value.ts";
import { type Alteration, alterTable } from "../../../src/delta/alter.ts";
import type { Engine } from "../../../src/delta/engine.ts";
import { readTable } from "../../../src/delta/scan.ts";
import { loadSnapshot, type Snapshot } from "../../../src/delta/snapshot.ts";
import { append, createTable } from "../../../src/delta/write.ts";
import { batchOf } from "../../support/batch.ts";
import { memoryEngine } from "./table.ts";

const SCHEMA = struct(
	field("id", "integer"),
	field("address", struct(field("city", "string"), field("zip", "integer"))),
);

async function rowsOf(engine: Engine, snapshot: Snapshot): Promise<string[]> {
	const rows: string[] = [];
	for await (const batch of readTable(engine, snapshot))
		for (let i = 0; i < batch.length; i++)
			rows.push(
				JSON.stringify(
					Object.fromEntries(
						batch.schema.fields.map(({ name, type }, c) => [
							name,
							valueAt(batch.columns[c] ?? vectorOf(type, []), type, i),
						]),
					),
					(_, value: unknown) =>
						typeof value === "bigint" ? String(value) : value,
				),
			);
	return rows.sort();
}

async function start(configuration: Record<string, string> = {}) {
	const engine = memoryEngine();
	const empty = await createTable(engine, { schema: SCHEMA, configuration });
	const snapshot = await append(engine, empty, [
		batchOf(SCHEMA, [{ id: 1, address: { city: "Oslo", zip: 150 } }]),
	]);
	return { engine, snapshot };
}

test("columns added, renamed, dropped and widened that lose or mix up what is in older files", async () => {
	const { engine, snapshot } = await start({
		"delta.enableTypeWidening": "true",
	});
	const alter = (base: Snapshot, alteration: Alteration) =>
		alterTable(engine, base, alteration);
	let table = await alter(snapshot, {
		kind: "set-properties",
		properties: { "delta.columnMapping.mode": "name" },
	});
	expect(table.protocol).toMatchObject({
		minReaderVersion: 3,
		readerFeatures: expect.arrayContaining(["columnMapping", "typeWidening"]),
	});
	table = await alter(table, {
		kind: "rename-column",
		path: ["address", "city"],
		to: "town",
	});
	table = await alter(table, { kind: "drop-column", path: ["address", "zip"] });
	table = await alter(table, {
		kind: "merge-schema",
		schema: struct(
			field("id", "long"),
			field("address", struct(field("city", "binary"))),
			field("zip", "string"),
		),
	});
	table = await append(engine, table, [
		batchOf(table.schema, [
			{
				id: 9_007_199_254_740_993n,
				address: { town: "Bergen", city: Uint8Array.of(1) },
				zip: "x",
			},
		]),
	]);
	expect(await rowsOf(engine, table)).toEqual([
		'{"id":"1","address":{"town":"Oslo","city":null},"zip":null}',
		'{"id":"9007199254740993","address":{"town":"Bergen","city":{"0":1}},"zip":"x"}',
	]);
	const cold = await loadSnapshot(engine);
	if (cold === undefined) throw new Error("none");
	expect(await rowsOf(engine, cold)).toEqual(await rowsOf(engine, table));
	expect(await rowsOf(engine, snapshot)).toEqual([
		'{"id":1,"address":{"city":"Oslo","zip":150}}',
	]);
});

test("alterations that a table can't take are refused with the reason, and change nothing", async () => {
	const { engine, snapshot } = await start();
	for (const [alteration, reason] of [
		[{ kind: "drop-column", path: ["id"] }, /columnMapping|column mapping/],
		[
			{ kind: "merge-schema", schema: struct(field("id", "long")) },
			/delta.enableTypeWidening/,
		],
		[
			{ kind: "merge-schema", schema: struct(field("id", "boolean")) },
			/id is "integer" and can't become "boolean"/,
		],
		[{ kind: "drop-constraint", name: "c" }, /no constraint c/],
		[
			{ kind: "add-constraint", name: "a b", expression: "true" },
			/no name of a constraint/,
		],
		[
			{ kind: "set-domain", domain: "delta.clustering", configuration: "" },
			/belongs to Delta/,
		],
		[
			{
				kind: "set-properties",
				properties: { "delta.columnMapping.mode": "id" },
			},
			/none to id/,
		],
	] as const satisfies [Alteration, RegExp][])
		await expect(
			alterTable(engine, snapshot, alteration),
		).rejects.toMatchObject({
			code: "DELTA_SCHEMA_INCOMPATIBLE",
			message: expect.stringMatching(reason),
		});
	expect((await loadSnapshot(engine))?.version).toBe(1);
});

test("a constraint that rows break, before it is there and after", async () => {
	const { engine, snapshot } = await start();
	await expect(
		alterTable(engine, snapshot, {
			kind: "add-constraint",
			name: "large",
			expression: "id > 5",
		}),
	).rejects.toMatchObject({ code: "DELTA_CONSTRAINT_VIOLATED" });
	const table = await alterTable(engine, snapshot, {
		kind: "add-constraint",
		name: "Positive",
		expression: "id > 0",
	});
	expect(table.protocol.minWriterVersion).toBe(3);
	const files = engine.objects.size;
	await expect(
		append(engine, table, [batchOf(SCHEMA, [{ id: 7 }, { id: -3 }])]),
	).rejects.toMatchObject({
		code: "DELTA_CONSTRAINT_VIOLATED",
		message: expect.stringMatching(/positive.*-3/s),
	});
	expect(engine.objects.size).toBe(files);
	const without = await alterTable(engine, table, {
		kind: "drop-constraint",
		name: "positive",
	});
	await append(engine, without, [batchOf(SCHEMA, [{ id: -3 }])]);
});

test("row tracking turned on for files that have no ids", async () => {
	const { engine, snapshot } = await start();
	const table = await alterTable(engine, snapshot, {
		kind: "set-properties",
		properties: { "delta.enableRowTracking": "true" },
	});
	const [file] = [...table.files.values()];
	expect(file).toMatchObject({ baseRowId: 0, defaultRowCommitVersion: 2 });
	expect(await rowsOf(engine, table)).toEqual(await rowsOf(engine, snapshot));
});

test("a domain that is set, replaced and taken away", async () => {
	const { engine, snapshot } = await start();
	const set = (base: Snapshot, configuration: string | undefined) =>
		alterTable(engine, base, {
			kind: "set-domain",
			domain: "tributary.shard",
			configuration,
		});
	const one = await set(snapshot, "1");
	expect(one.protocol.writerFeatures).toContain("domainMetadata");
	const two = await set(one, "2");
	expect(two.domains.get("tributary.shard")?.configuration).toBe("2");
	const gone = await set(two, undefined);
	expect(gone.domains.get("tributary.shard")?.removed).toBe(true);
	expect(await set(gone, undefined)).toBe(gone);
});
