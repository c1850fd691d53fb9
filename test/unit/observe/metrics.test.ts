import { expect, test } from "vitest";
import {
	createWriterMetrics,
	type Figures,
	oneExposition,
} from "../../../src/observe/metrics.ts";

const figures = (lagRecords: number, partitions = [0]): Figures => ({
	partitions: partitions.map((partition) => ({
		topic: "shop.orders",
		partition,
		lagRecords,
	})),
	tables: [
		{ table: "orders", failing: true, pendingRows: 3, pendingBytes: 90 },
	],
});

const samples = (text: string, name: string): string[] =>
	text.split("\n").filter((line) => line.startsWith(`${name}{`));

test("a partition that went to another writer leaves no lag behind", async () => {
	const metrics = createWriterMetrics({ pipeline: "shop" });
	metrics.follow(() => figures(7, [0, 1]));
	expect(
		samples(await metrics.registry.metrics(), "tributary_lag_records"),
	).toHaveLength(2);
	metrics.follow(() => figures(9, [1]));
	expect(
		samples(await metrics.registry.metrics(), "tributary_lag_records"),
	).toEqual([
		'tributary_lag_records{topic="shop.orders",partition="1",pipeline="shop"} 9',
	]);
});

test("what is not known of a table has no sample, instead of a 0 that looks well", async () => {
	const metrics = createWriterMetrics({ pipeline: "shop" });
	metrics.follow(() => figures(0));
	const text = await metrics.registry.metrics();
	expect(samples(text, "tributary_table_failing")).toEqual([
		'tributary_table_failing{table="orders",pipeline="shop"} 1',
	]);
	for (const name of ["lag_seconds", "freshness_seconds", "table_rows"])
		expect(samples(text, `tributary_${name}`)).toEqual([]);
});

test("pipelines of one process keep their figures apart", async () => {
	const [a, b] = ["a", "b"].map((pipeline, index) =>
		createWriterMetrics({ pipeline, process: index === 0 }),
	);
	if (a === undefined || b === undefined) throw new Error("two were made");
	a.follow(() => figures(1));
	b.follow(() => figures(2));
	a.rows.inc({ table: "orders" }, 10);
	b.rows.inc({ table: "orders" }, 20);
	a.batchRows.observe({ table: "orders" }, 10);
	const text = await oneExposition([a.registry, b.registry]).metrics();
	expect(text.match(/^# TYPE tributary_lag_records /gm)).toHaveLength(1);
	expect(text.match(/^# TYPE process_resident_memory_bytes /gm)).toHaveLength(
		1,
	);
	expect(samples(text, "tributary_rows_committed_total")).toEqual([
		'tributary_rows_committed_total{table="orders",pipeline="a"} 10',
		'tributary_rows_committed_total{table="orders",pipeline="b"} 20',
	]);
	expect(samples(text, "tributary_batch_rows_count")).toEqual([
		'tributary_batch_rows_count{table="orders",pipeline="a"} 1',
	]);
	expect(samples(text, "tributary_lag_records")).toHaveLength(2);
});
