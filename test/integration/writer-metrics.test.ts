import type { Producer } from "kafkajs";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { createTopics } from "../../src/connect/topics.ts";
import { createWriterMetrics } from "../../src/observe/metrics.ts";
import type { Stack } from "../../stack/components.ts";
import { ChangingCollection, seeded } from "../support/changes.ts";
import { WriterUnderTest } from "../support/writer-process.ts";
import {
	startWriterSetting,
	type WriterSetting,
} from "../support/writer-setting.ts";

const TOPIC = "figures.shop.orders";
const ROWS = 500;

let setting: WriterSetting;
let dir: string;
let stack: Stack<"kafka" | "s3">;
let producer: Producer;

beforeAll(async () => {
	setting = await startWriterSetting("metrics");
	({ dir, stack, producer } = setting);
	await createTopics(setting.admin, [{ topic: TOPIC, numPartitions: 1 }]);
});

afterAll(async () => {
	await setting?.stop();
});

test("lag grows while the store is away, and is gone when it is back; every metric of the page is served", async () => {
	const collection = new ChangingCollection({
		random: seeded(7),
		keys: 10_000,
		partitions: 1,
	});
	const writer = new WriterUnderTest({
		name: "figures",
		dir,
		stack,
		sink: { writeMode: "append" },
		batch: { maxRows: 200, maxDelay: "200ms" },
	});
	/** A delete is followed by a tombstone, so there are more records than changes. */
	async function send(): Promise<number> {
		const messages = Array.from({ length: ROWS }, () =>
			collection.change(),
		).flat();
		await producer.send({ topic: TOPIC, messages });
		return messages.length;
	}
	try {
		await send();
		const running = await writer.start();
		let text = "";
		/** The value of a metric's only sample for this topic or table. */
		const value = (name: string): number | undefined => {
			const lines = text
				.split("\n")
				.filter((line) => line.startsWith(`tributary_${name}{`));
			expect(lines.length, name).toBeLessThan(2);
			const [line] = lines;
			if (line !== undefined) expect(line).toContain('pipeline="figures"');
			return line === undefined ? undefined : Number(line.split(" ").at(-1));
		};
		const until = (check: () => void, timeout = 60_000) =>
			vi.waitFor(
				async () => {
					text = await running.metrics();
					check();
				},
				{ timeout, interval: 300 },
			);

		await until(() => {
			expect(value("lag_records")).toBe(0);
			expect(value("table_rows")).toBe(ROWS);
		});
		expect(value("lag_seconds")).toBe(0);
		expect(value("table_failing")).toBe(0);
		expect(value("rows_committed_total")).toBe(ROWS);
		expect(value("table_files")).toBe(value("commits_total"));
		expect(value("table_bytes")).toBe(value("bytes_written_total"));
		expect(value("table_version")).toBe((value("commits_total") ?? 0) - 1);
		expect(value("batch_rows_sum")).toBe(ROWS);

		await stack.s3.stop("SIGKILL");
		// More than the writer holds in memory: what it did not read counts too.
		let late = (await send()) + (await send());
		await until(() => {
			expect(value("lag_records")).toBe(late);
			expect(value("table_failing")).toBe(1);
		});
		const before = value("lag_seconds") ?? 0;
		late += await send();
		await until(() => {
			expect(value("lag_records")).toBe(late);
			expect(value("lag_seconds")).toBeGreaterThan(before + 1);
		});
		expect(text).toMatch(
			/tributary_retries_total\{table="orders",code="STORAGE_UNREACHABLE",pipeline="figures"\} [1-9]/,
		);
		expect(value("rows_committed_total")).toBe(ROWS);

		await stack.s3.restart();
		await until(() => {
			expect(value("lag_records")).toBe(0);
			expect(value("lag_seconds")).toBe(0);
			expect(value("table_failing")).toBe(0);
			expect(value("rows_committed_total")).toBe(4 * ROWS);
		}, 90_000);

		const { registry } = createWriterMetrics({ pipeline: "figures" });
		for (const { name } of registry.getMetricsAsArray())
			expect(text).toContain(`# TYPE ${name} `);
		expect(await running.end("SIGTERM"), writer.logTail()).toBe(0);
	} finally {
		await writer.killAll();
	}
});
