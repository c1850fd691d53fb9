import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Producer } from "kafkajs";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type Lake, type TableRows, tableRows } from "../../demo/lake.ts";
import { field } from "../../src/columnar/types.ts";
import { createTopics } from "../../src/connect/topics.ts";
import { DeltaRs } from "../support/deltars.ts";
import { WriterUnderTest } from "../support/writer-process.ts";
import {
	startWriterSetting,
	type WriterSetting,
} from "../support/writer-setting.ts";

const NAME = "others";
const TOPIC = `${NAME}.shop.orders`;

let setting: WriterSetting;
let producer: Producer;
let writer: WriterUnderTest;
let deltaRs: DeltaRs;
let lake: Lake;
/** The table, as its folder. */
let path: string;

beforeAll(async () => {
	if (!DeltaRs.installed) return;
	setting = await startWriterSetting("others");
	const { dir, stack } = setting;
	({ producer } = setting);
	await createTopics(setting.admin, [{ topic: TOPIC, numPartitions: 1 }]);
	deltaRs = await DeltaRs.open(dir);
	const location = `file://${join(dir, "lake")}`;
	path = join(dir, "lake/orders");
	writer = new WriterUnderTest({
		name: NAME,
		dir,
		stack,
		sink: { location, writeMode: "append", partitionBy: [] },
		batch: { maxRows: 40, maxDelay: "200ms" },
	});
	lake = { ...writer.lake, location };
});

afterAll(async () => {
	await writer?.killAll();
	await deltaRs?.stop();
	await setting?.stop("SIGKILL");
});

let sent = 0;

/** One more document of the source. */
async function send(fields: object): Promise<void> {
	const document = { _id: sent, ...fields };
	sent++;
	await producer.send({
		topic: TOPIC,
		messages: [
			{
				key: JSON.stringify({ id: String(document._id) }),
				value: JSON.stringify({
					before: null,
					after: JSON.stringify(document),
					source: { connector: "mongodb", ts_ms: 1_760_000_000_000 + sent },
					op: "c",
					ts_ms: 1_760_000_000_000 + sent,
				}),
			},
		],
	});
}

async function committed(): Promise<TableRows> {
	return await vi.waitFor(
		async () => {
			const found = await tableRows(lake, "orders");
			expect(found?.rows.length).toBe(sent);
			return found as TableRows;
		},
		{ timeout: 60_000, interval: 200 },
	);
}

describe.skipIf(!DeltaRs.installed)("columns that delta-rs adds", () => {
	test("while the writer runs: it goes on without a restart, and what the source sends for them is in them", {
		timeout: 180_000,
	}, async () => {
		const running = await writer.start();
		for (let i = 0; i < 20; i++) await send({ n: i });
		await committed();
		// Changes flow while the columns come; the source has a field as soon as its column is there.
		let stop = false;
		const since = new Map<string, number>();
		const flowing = (async () => {
			while (!stop) {
				await send({
					n: sent,
					...(since.has("note") ? { note: `note ${sent}` } : {}),
					...(since.has("size") ? { size: sent + (sent % 2) / 2 } : {}),
				});
				await sleep(5);
			}
		})();
		for (const [name, type] of [
			["note", "string"],
			["size", "long"],
			["empty", "timestamp"],
		] as const) {
			await deltaRs.addColumn(path, field(name, type));
			since.set(name, sent);
			await sleep(500);
		}
		await vi.waitFor(
			async () =>
				expect(await running.metrics()).toMatch(
					/tributary_schema_changes_total\{[^}]*by="other"/,
				),
			{ timeout: 60_000, interval: 200 },
		);
		await vi.waitFor(() => expect(sent).toBeGreaterThan(100), 60_000);
		stop = true;
		await flowing;
		const { rows, snapshot } = await committed();
		expect(
			Object.fromEntries(
				snapshot.schema.fields.map((one) => [one.name, one.type]),
			),
		).toMatchObject({ note: "string", size: "long", empty: "timestamp" });
		for (const row of rows) {
			const id = Number(row._id);
			const rescued = JSON.parse(row._rescued_data ?? "{}") as object;
			const has = (name: string): boolean =>
				id > (since.get(name) ?? Number.POSITIVE_INFINITY);
			expect({ ...row, ...rescued }).toMatchObject({
				n: String(id),
				...(has("note") ? { note: `note ${id}` } : {}),
				...(has("size") ? { size: id % 2 === 0 ? `${id}` : id + 0.5 } : {}),
			});
			expect(row.empty).toBeUndefined();
		}
		expect(running.child.exitCode).toBeNull();
		expect((await running.status()).error).toBeNull();
		// Every version is one that delta-rs reads.
		const judged = await deltaRs.read(path, { columns: ["_id", "n"] });
		expect(judged.rows).toHaveLength(sent);
		expect(await running.end("SIGTERM"), writer.logTail()).toBe(0);
	});
});
