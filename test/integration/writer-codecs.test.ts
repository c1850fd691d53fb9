import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import kafkajs, { type Kafka } from "kafkajs";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { difference, tableRows } from "../../demo/lake.ts";
import { registerCodecs } from "../../src/writer/codecs.ts";
import { installed } from "../../stack/cache.ts";
import { type Stack, startStack } from "../../stack/components.ts";
import {
	type ChangeRecord,
	ChangingCollection,
	seeded,
} from "../support/changes.ts";
import { WriterUnderTest } from "../support/writer-process.ts";

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const { CompressionTypes } = kafkajs;

let dir: string;
let stack: Stack<"kafka" | "s3">;
let kafka: Kafka;

beforeAll(async () => {
	registerCodecs();
	dir = await mkdtemp(join(tmpdir(), "tributary-codecs-"));
	stack = await startStack({
		dir,
		components: ["kafka", "s3"],
		buckets: ["lake"],
	});
	kafka = new kafkajs.Kafka({
		brokers: [stack.kafka.bootstrap],
		logLevel: kafkajs.logLevel.NOTHING,
	});
});

afterAll(async () => {
	await stack?.stop();
	await rm(dir, { recursive: true, force: true });
});

test.each([
	["gzip", CompressionTypes.GZIP],
	["snappy", CompressionTypes.Snappy],
	["lz4", CompressionTypes.LZ4],
	["zstd", CompressionTypes.ZSTD],
] as const)(
	`changes that kafkajs and Kafka's own producer compressed with %s arrive as they were (SEED=${SEED})`,
	async (codec, compression) => {
		const collection = collectionOf();
		const records = Array.from({ length: 6000 }, () =>
			collection.change(),
		).flat();
		const topic = `${codec}.shop.orders`;
		const producer = kafka.producer();
		await producer.connect();
		await producer.send({
			topic,
			compression,
			messages: records.slice(0, 2000),
		});
		await producer.disconnect();
		produceWithJava(topic, codec, records.slice(2000));
		await expectMirror(codec, collection);
	},
);

test("changes of an aborted transaction are not written", async () => {
	const collection = collectionOf();
	const records = (changes: number): ChangeRecord[] =>
		Array.from({ length: changes }, () => collection.change()).flat();
	const topic = "aborted.shop.orders";
	const producer = kafka.producer({
		transactionalId: "aborts",
		idempotent: true,
		maxInFlightRequests: 1,
	});
	await producer.connect();
	const kept = await producer.transaction();
	await kept.send({ topic, messages: records(50) });
	await kept.commit();
	const aborted = await producer.transaction();
	const bad = collectionOf();
	await aborted.send({
		topic,
		messages: Array.from({ length: 80 }, () => bad.change()).flat(),
	});
	await aborted.abort();
	const last = await producer.transaction();
	await last.send({ topic, messages: records(50) });
	await last.commit();
	await producer.disconnect();
	const history = await expectMirror("aborted", collection);
	expect(history).toBe(100);
});

function collectionOf(): ChangingCollection {
	return new ChangingCollection({
		random: seeded(SEED),
		keys: 300,
		partitions: 1,
	});
}

/** Runs a writer until the mirror equals the collection; gives the number of rows in the history. */
async function expectMirror(
	name: string,
	collection: ChangingCollection,
): Promise<number> {
	const writer = new WriterUnderTest({
		name,
		dir,
		stack,
		sink: { writeMode: "upsert", history: true },
		batch: { maxRows: 5000, maxDelay: "300ms" },
	});
	try {
		const running = await writer.start();
		await vi.waitFor(
			async () => {
				const mirror = (await tableRows(writer.lake, "orders"))?.rows ?? [];
				expect(difference(collection.documents, mirror, "_id")).toBeUndefined();
			},
			{ timeout: 30_000, interval: 300 },
		);
		expect(await running.end("SIGTERM"), writer.logTail()).toBe(0);
		const history = (await tableRows(writer.lake, "orders_history"))?.rows;
		expect(history).toHaveLength(collection.changes.length);
		return history?.length ?? 0;
	} finally {
		await writer.killAll();
	}
}

function produceWithJava(
	topic: string,
	codec: string,
	records: readonly ChangeRecord[],
): void {
	execFileSync(
		"java",
		[
			"-Xmx128m",
			"-XX:+UseSerialGC",
			"-XX:TieredStopAtLevel=1",
			"-cp",
			join(installed("kafka", "lib"), "*"),
			join(import.meta.dirname, "../support/Produce.java"),
			stack.kafka.bootstrap,
			topic,
			codec,
		],
		{
			input: records
				.map(({ key, value }) => `${key}\t${value ?? ""}\n`)
				.join(""),
			stdio: ["pipe", "ignore", "pipe"],
		},
	);
}
