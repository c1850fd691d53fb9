import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import kafkajs, { type Admin, type Producer } from "kafkajs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { difference, tableRows } from "../../demo/lake.ts";
import { createTopics } from "../../src/connect/topics.ts";
import { type Stack, startStack } from "../../stack/components.ts";
import {
	type ChangeRecord,
	ChangingCollection,
	seeded,
} from "../support/changes.ts";
import { Chaos, schedule } from "../support/chaos.ts";
import { type FaultProxy, startFaultProxy } from "../support/fault-proxy.ts";
import { WriterUnderTest } from "../support/writer-process.ts";

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const LONG = process.env.TEST_LONG === "1";
const FAULTS = Number(process.env.FAULTS ?? (LONG ? 50 : 9));
const CHANGES = Number(process.env.CHANGES ?? (LONG ? 200_000 : 15_000));
const TABLES = ["orders", "customers", "items", "visits", "stock"];
const PARTITIONS = 2;
const STEP = LONG ? 500 : 100;

let passed = false;
let dir: string;
let stack: Stack<"kafka" | "s3">;
let proxy: FaultProxy;
let producer: Producer;
let admin: Admin;

beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "tributary-chaos-"));
	stack = await startStack({
		dir,
		components: ["kafka", "s3"],
		buckets: ["lake"],
	});
	proxy = await startFaultProxy(stack.s3.endpoint);
	const kafka = new kafkajs.Kafka({
		brokers: [stack.kafka.bootstrap],
		logLevel: kafkajs.logLevel.NOTHING,
	});
	admin = kafka.admin();
	await admin.connect();
	await createTopics(
		admin,
		TABLES.map((table) => ({
			topic: topicOf(table),
			numPartitions: PARTITIONS,
		})),
	);
	// What is sent again after a lost answer is not there twice.
	producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
	await producer.connect();
});

afterAll(async () => {
	await producer?.disconnect();
	await admin?.disconnect();
	await proxy?.stop();
	await stack?.stop("SIGKILL");
	if (!passed) process.stderr.write(`logs and tables are in ${dir}\n`);
	else await rm(dir, { recursive: true, force: true });
});

test(`mirrors and histories equal the source after ${FAULTS} faults (SEED=${SEED})`, {
	timeout: LONG ? 3_600_000 : 180_000,
}, async () => {
	const random = seeded(SEED);
	const tables = TABLES.map((name, i) => ({
		name,
		collection: new ChangingCollection({
			random: seeded(SEED + 1 + i),
			keys: 500 * (i + 1),
			partitions: PARTITIONS,
		}),
		records: new Map<string, ChangeRecord>(),
	}));
	const writer = new WriterUnderTest({
		name: "chaos",
		dir,
		stack,
		endpoint: proxy.endpoint,
		include: TABLES.map((table) => `shop.${table}`),
		sink: { writeMode: "upsert", history: true },
		batch: { maxRows: 800, maxDelay: "300ms" },
	});
	const chaos = new Chaos({
		writer,
		stack,
		proxy,
		random,
		sessionTimeoutMs: 2000,
		indexFolder: join(dir, "indexes"),
	});
	const inflicted: string[] = [];
	const note = (): string => `SEED=${SEED}, faults: ${inflicted.join(", ")}`;
	/** Changes come for as long as there are faults to come. */
	const pauseMs = (): number =>
		inflicted.length >= FAULTS ? 0 : LONG ? 700 : 300;
	let stopped = false;
	let sent = 0;
	const dice = seeded(SEED + 100);
	const producing = (async () => {
		for (let made = 0; made < CHANGES && !stopped; made += STEP) {
			const { name, collection, records } = tables[
				Math.floor(dice() * tables.length)
			] as (typeof tables)[number];
			const from = collection.changes.length;
			const messages = Array.from({ length: STEP }, () => {
				const change = collection.change();
				records.set(
					collection.changes.at(-1) as string,
					change[0] as ChangeRecord,
				);
				return change;
			}).flat();
			expect(collection.changes.length).toBe(from + STEP);
			await send(topicOf(name), messages);
			sent += STEP;
			await sleep(pauseMs());
		}
	})();
	try {
		await chaos.scale(2);
		for (const fault of schedule(FAULTS, random)) {
			await sleep(500 + 1500 * random());
			chaos.check();
			inflicted.push(fault);
			await chaos.inflict(fault);
			if (process.env.VERBOSE === "1")
				process.stderr.write(
					`${new Date().toISOString()} ${fault}: ${sent} changes\n`,
				);
		}
		await producing;
		for (const { name, collection } of tables) {
			const offsets = await admin.fetchTopicOffsets(topicOf(name));
			expect(
				offsets.reduce((sum, { high }) => sum + Number(high), 0),
				`${name}: Kafka holds each record once`,
			).toBe(collection.records);
		}
		const until = Date.now() + (LONG ? 300_000 : 60_000);
		for (const { name, collection, records } of tables)
			for (;;) {
				chaos.check();
				const history = await historyOf(name);
				const mirror = (await tableRows(writer.lake, name))?.rows ?? [];
				const different = difference(collection.documents, mirror, "_id");
				if (
					(different === undefined && history.length === records.size) ||
					Date.now() > until
				) {
					const why = `${note()}; pods: ${await chaos.report()}`;
					expect(different, `${name}: ${why}`).toBeUndefined();
					expect(history, `${name}_history: ${why}`).toEqual(
						wantedHistory(records),
					);
					break;
				}
				await sleep(500);
			}
		// What arrives late, such as a batch that is written again, would show by now.
		await sleep(2000);
		for (const { name, records } of tables)
			expect(await historyOf(name)).toHaveLength(records.size);
		await chaos.scale(0);
		passed = true;
	} finally {
		stopped = true;
		await writer.killAll();
		await producing.catch(() => undefined);
	}

	async function historyOf(name: string): Promise<string[]> {
		const found = await tableRows(writer.lake, `${name}_history`);
		return (found?.rows ?? [])
			.map((row) =>
				[
					row._kafka_partition,
					row._kafka_offset,
					row._cdc_operation,
					row._id,
					row.sequence,
					row.total,
				].join("/"),
			)
			.sort();
	}
});

/** What the history has to hold of each record, by value. */
function wantedHistory(records: ReadonlyMap<string, ChangeRecord>): string[] {
	return [...records]
		.map(([place, { key, value }]) => {
			const { op, after } = JSON.parse(value ?? "{}");
			const document =
				after === null
					? { _id: JSON.parse(JSON.parse(key).id) }
					: JSON.parse(after);
			return [place, op, document._id, document.sequence, document.total].join(
				"/",
			);
		})
		.sort();
}

function topicOf(table: string): string {
	return `chaos.shop.${table}`;
}

/** Until the broker has them. */
async function send(
	topic: string,
	messages: readonly ChangeRecord[],
): Promise<void> {
	for (let attempt = 1; ; attempt++)
		try {
			await producer.send({ topic, messages: [...messages] });
			return;
		} catch (error) {
			if (attempt > 60) throw error;
			await sleep(500);
		}
}
