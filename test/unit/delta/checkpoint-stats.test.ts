import { expect, test } from "vitest";
import { vectorOf } from "../../../src/columnar/literal.ts";
import { inferSchema } from "../../../src/columnar/parquet/inference.ts";
import { bytesFile, readParquet } from "../../../src/columnar/parquet/read.ts";
import { field, struct } from "../../../src/columnar/types.ts";
import { fieldOf, valueAt } from "../../../src/columnar/value.ts";
import type { Row } from "../../../src/columnar/vector.ts";
import { writeCheckpoint } from "../../../src/delta/checkpoint.ts";
import {
	mappingMode,
	physicalSchema,
} from "../../../src/delta/column-mapping.ts";
import { commit } from "../../../src/delta/commit.ts";
import { newLayout } from "../../../src/delta/evolve.ts";
import { commitPath } from "../../../src/delta/log.ts";
import { loadSnapshot, type Snapshot } from "../../../src/delta/snapshot.ts";
import { stageFiles } from "../../../src/delta/stage.ts";
import { parseStats } from "../../../src/delta/stats-text.ts";
import { committed, memoryEngine } from "./table.ts";

const SCHEMA = struct(
	field("day", "date"),
	field("price", "decimal(20,4)"),
	field("id", "long"),
	field("s", struct(field("at", "timestamp"), field("t", "string"))),
	field("f", "double"),
);
const ROWS: readonly Row[] = [
	{
		day: 1,
		price: { unscaled: 15n, scale: 1 },
		id: 2n ** 63n - 1n,
		s: { at: 1n, t: "x".repeat(50) },
		f: 0.1,
	},
	{ day: null, price: null, id: null, s: null, f: null },
	{
		day: 1,
		price: { unscaled: 15n, scale: 1 },
		id: -1n,
		s: { at: -1n, t: "ü" },
		f: -2,
	},
];

/** A table whose state is read from a checkpoint, not from the commit before it. */
async function checkpointed(configuration: Record<string, string>) {
	const engine = memoryEngine();
	const { table, actions } = newLayout(
		"memory://",
		{
			schema: SCHEMA,
			partitionColumns: ["day", "price"],
			configuration: { ...configuration, "delta.checkpointInterval": "1000" },
		},
		engine,
	);
	const staged = await stageFiles(engine, table, {
		schema: SCHEMA,
		length: ROWS.length,
		columns: SCHEMA.fields.map(({ name, type }) =>
			vectorOf(
				type,
				ROWS.map((row) => fieldOf(row, name)),
			),
		),
	});
	const before = committed(
		await commit(engine, {
			base: undefined,
			plan: () => ({
				kind: "commit",
				actions: [...actions, ...staged.map(({ add }) => ({ add }))],
				info: {},
			}),
		}),
	);
	await writeCheckpoint(engine, before);
	engine.objects.delete(commitPath(0));
	const after = await loadSnapshot(engine);
	if (after === undefined) throw new Error("no table");
	const checkpoints = [...engine.objects].filter(([path]) =>
		/checkpoint.*parquet$|_sidecars/.test(path),
	);
	return { engine, before, after, checkpoints };
}

function statsOf(snapshot: Snapshot) {
	const mode = mappingMode(snapshot.protocol, snapshot.metadata);
	const physical = physicalSchema(snapshot.schema, mode);
	return [...snapshot.files.values()]
		.map(({ path, partitionValues, stats }) => ({
			path,
			partitionValues,
			stats: parseStats(stats ?? "", physical),
		}))
		.sort((a, b) => (a.path < b.path ? -1 : 1));
}

for (const policy of ["classic", "v2"])
	for (const mode of ["none", "name"])
		for (const [json, typed] of [
			["true", "true"],
			["false", "true"],
			["true", "false"],
		])
			test(`statistics that a ${policy} checkpoint loses, mapped by ${mode}, JSON ${json}, struct ${typed}`, async () => {
				const { before, after } = await checkpointed({
					"delta.checkpointPolicy": policy,
					"delta.columnMapping.mode": mode,
					"delta.checkpoint.writeStatsAsJson": json ?? "",
					"delta.checkpoint.writeStatsAsStruct": typed ?? "",
				});
				expect(statsOf(after)).toEqual(statsOf(before));
				expect(statsOf(after)[0]?.stats?.numRecords).toBeGreaterThan(0);
			});

test("typed columns have the partition values and bounds of the files, and text is left out", async () => {
	const { checkpoints } = await checkpointed({
		"delta.checkpoint.writeStatsAsJson": "false",
		"delta.checkpoint.writeStatsAsStruct": "true",
	});
	const file = bytesFile(checkpoints[0]?.[1].body ?? new Uint8Array(0));
	const schema = await inferSchema(file);
	const add = schema.fields.find(({ name }) => name === "add");
	if (add === undefined) throw new Error("no add");
	expect(JSON.stringify(add.type)).not.toContain('"name":"stats"');
	const found: unknown[] = [];
	for await (const { batch } of readParquet(file, { schema: struct(add) }))
		for (let i = 0; i < batch.length; i++) {
			const row = valueAt(batch.columns[0] as never, add.type, i) as Row | null;
			if (row !== null)
				found.push([
					row.partitionValues_parsed,
					(row.stats_parsed as Row).maxValues,
				]);
		}
	expect(found).toHaveLength(2);
	expect(found).toContainEqual([
		{ day: 1, price: { unscaled: 15000n, scale: 4 } },
		{
			id: 2n ** 63n - 1n,
			s: { at: 1000n, t: "ü" },
			f: 0.1,
		},
	]);
	expect(found).toContainEqual([
		{ day: null, price: null },
		{ id: null, s: null, f: null },
	]);
});

test("tables that ask for neither form have checkpoints without statistics", async () => {
	const { after } = await checkpointed({
		"delta.checkpoint.writeStatsAsJson": "false",
	});
	expect([...after.files.values()].map(({ stats }) => stats)).toEqual([
		undefined,
		undefined,
	]);
});
