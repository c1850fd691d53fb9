import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createWriterMetrics } from "../../../src/observe/metrics.ts";
import { type WatchedTable, WriterStatus } from "../../../src/writer/status.ts";

const place = { topic: "shop.orders", partition: 0 };

/** A table whose writer holds what the fields say. */
function table(
	state: Partial<Record<"committed" | "rows", number>> & {
		topic?: string;
	} = {},
): WatchedTable & { committed: number; rows: number } {
	const { committed = -1, rows = 0, topic = place.topic } = state;
	return {
		committed,
		rows,
		bytes: rows * 10,
		topic,
		url: "s3://lake/orders",
		route: {
			path: "orders",
			mode: "append",
			source: "shop.orders",
		},
		snapshot: undefined,
		get idle() {
			return this.rows === 0;
		},
		committedOffset() {
			return BigInt(this.committed);
		},
	};
}

beforeEach(() => {
	vi.useFakeTimers({ now: 1_000_000, toFake: ["Date"] });
});
afterEach(() => {
	vi.useRealTimers();
});

function status(...tables: readonly WatchedTable[]) {
	const metrics = createWriterMetrics({ pipeline: "shop" });
	const status = new WriterStatus(metrics);
	status.writers = () => tables;
	async function value(name: string): Promise<number | undefined> {
		const metric = await metrics.registry
			.getSingleMetric(`tributary_${name}`)
			?.get();
		return metric?.values[0]?.value;
	}
	return { status, value };
}

test("lag counts what was read and is not committed", async () => {
	const orders = table({ rows: 40 });
	const { status: writer, value } = status(orders);
	writer.assigned(1);
	writer.placed(place, { highWatermark: 100n, next: 0n });
	writer.consumed(place, { highWatermark: 100n, next: 100n });
	expect(await value("lag_records")).toBe(100);
	orders.committed = 59;
	expect(await value("lag_records")).toBe(40);
	expect(writer.report().lagRecords).toBe(40);
	orders.rows = 0;
	expect(await value("lag_records")).toBe(0);
});

test("lag grows while nothing can be read, in records and in seconds", async () => {
	const orders = table();
	const { status: writer, value } = status(orders);
	writer.assigned(1);
	writer.placed(place, { highWatermark: 0n, next: 0n });
	expect(await value("lag_seconds")).toBe(0);
	writer.committed(
		orders,
		{
			kind: "committed",
			version: 1,
			rows: 1,
			bytes: 10,
			newestSourceMs: 995_000,
			oldestStreamedMs: 990_000,
			schemaChanges: [],
		},
		1_000_000,
	);
	vi.setSystemTime(1_060_000);
	writer.ended(place, 500n);
	expect(await value("lag_records")).toBe(500);
	expect(await value("lag_seconds")).toBe(65);
	expect(await value("freshness_seconds")).toBe(65);
	writer.ended(place, 400n);
	expect(await value("lag_records")).toBe(500);
});

test("a writer that has committed nothing yet is late since it began to read", async () => {
	const { status: writer, value } = status(table());
	writer.assigned(1);
	writer.placed(place, { highWatermark: 5n, next: 0n });
	vi.setSystemTime(1_030_000);
	expect(await value("lag_seconds")).toBe(30);
	expect(await value("freshness_seconds")).toBeUndefined();
});

test("records before the place where reading began are not lag", async () => {
	const { status: writer, value } = status(table({ rows: 1 }));
	writer.assigned(1);
	writer.placed(place, { highWatermark: 1000n, next: 990n });
	writer.consumed(place, { highWatermark: 1000n, next: 1000n });
	expect(await value("lag_records")).toBe(10);
});

test("a writer without a partition has no lag; one that waits for them does not know", () => {
	const { status: writer } = status(table());
	expect(writer.report().lagRecords).toBeNull();
	writer.assigned(0);
	expect(writer.report().lagRecords).toBe(0);
	writer.assigned(2);
	expect(writer.report().lagRecords).toBeNull();
	writer.placed(place, { highWatermark: 3n, next: 0n });
	expect(writer.report().lagRecords).toBe(3);
	writer.assigned(undefined);
	expect(writer.report().lagRecords).toBeNull();
});

test("two tables of a topic: the one that is behind counts", async () => {
	const mirror = table({ rows: 10, committed: 89 });
	const history = table({ rows: 10, committed: 49 });
	const { status: writer } = status(mirror, history);
	writer.assigned(1);
	writer.placed(place, { highWatermark: 100n, next: 0n });
	writer.consumed(place, { highWatermark: 100n, next: 100n });
	expect(writer.report().lagRecords).toBe(50);
	expect(writer.groupOffsets(place.topic)).toEqual([{ ...place, offset: 50n }]);
});
