import { expect, test } from "vitest";
import { vectorOf } from "../../../src/columnar/literal.ts";
import { field, struct } from "../../../src/columnar/types.ts";
import { clusteringColumns } from "../../../src/delta/clustering.ts";
import { stageFiles } from "../../../src/delta/stage.ts";
import { createTable } from "../../../src/delta/write.ts";
import { memoryEngine, write } from "./table.ts";

const domain = (configuration: string, removed = false) => ({
	get: () => ({ domain: "delta.clustering", configuration, removed }),
});

test("clustering columns as the protocol's example and as writers have them; anything else is told", () => {
	expect(
		clusteringColumns(domain('{"clusteringColumns":["a",["b","c"]]}')),
	).toEqual([["a"], ["b", "c"]]);
	expect(clusteringColumns(undefined)).toEqual([]);
	expect(clusteringColumns(domain("{", true))).toEqual([]);
	for (const broken of ["{", "{}", '{"clusteringColumns":[5]}'])
		expect(() => clusteringColumns(domain(broken))).toThrow(/lists no columns/);
});

test("a clustering column behind the first 32 that has no statistics", async () => {
	const names = Array.from({ length: 40 }, (_, i) => `c${i}`);
	const schema = struct(...names.map((name) => field(name, "long")));
	const engine = memoryEngine();
	const empty = await createTable(engine, { schema, features: ["clustering"] });
	const table = await write(engine, empty, [
		{
			domainMetadata: {
				domain: "delta.clustering",
				configuration: '{"clusteringColumns":[["c37"]]}',
				removed: false,
			},
		},
	]);
	const [file] = await stageFiles(engine, table, {
		schema,
		length: 2,
		columns: names.map((_, i) => vectorOf("long", [BigInt(i), 5n])),
	});
	const stats = JSON.parse(file?.add.stats ?? "{}") as {
		minValues: Record<string, number>;
	};
	expect(stats.minValues.c37).toBe(5);
	expect(stats.minValues).not.toHaveProperty("c36");
	expect(Object.keys(stats.minValues).length).toBe(33);
});
