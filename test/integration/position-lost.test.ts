import type { Admin, Message, Producer } from "kafkajs";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { tableRows } from "../../demo/lake.ts";
import { createTopics } from "../../src/connect/topics.ts";
import type { Stack } from "../../stack/components.ts";
import { ChangingCollection, seeded } from "../support/changes.ts";
import {
	type PipelineOptions,
	type WriterProcess,
	WriterUnderTest,
} from "../support/writer-process.ts";
import {
	startWriterSetting,
	type WriterSetting,
} from "../support/writer-setting.ts";

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);

let setting: WriterSetting;
let dir: string;
let stack: Stack<"kafka" | "s3">;
let producer: Producer;
let admin: Admin;

beforeAll(async () => {
	setting = await startWriterSetting("position");
	({ dir, stack, producer, admin } = setting);
});

afterAll(async () => {
	await setting?.stop();
});

/** A history of a topic with one partition. */
class History {
	readonly topic: string;
	readonly records: Message[];
	readonly writer: WriterUnderTest;
	readonly #options: PipelineOptions;
	#willing: WriterUnderTest | undefined;

	constructor(name: string) {
		this.topic = `${name}.shop.orders`;
		const collection = new ChangingCollection({
			random: seeded(SEED),
			keys: 100,
			partitions: 1,
		});
		this.records = Array.from({ length: 150 }, () =>
			collection.change(),
		).flat();
		this.#options = {
			name,
			dir,
			stack,
			sink: { writeMode: "append" },
			batch: { maxDelay: "300ms" },
		};
		this.writer = new WriterUnderTest(this.#options);
	}

	/** Starts a writer that goes on with what Kafka has, in the place of the other. */
	async startWilling(): Promise<void> {
		this.#willing = new WriterUnderTest({
			...this.#options,
			kafka: { onPositionLost: "continue" },
		});
		await this.#willing.start();
	}

	async send(messages: Message[]): Promise<void> {
		await producer.send({ topic: this.topic, messages });
	}

	async holds(messages: readonly Message[]): Promise<void> {
		await vi.waitFor(
			async () =>
				expect(
					(await tableRows(this.writer.lake, "orders"))?.rows,
				).toHaveLength(
					// A tombstone makes no row.
					messages.filter(({ value }) => value !== null).length,
				),
			{ timeout: 60_000, interval: 300 },
		);
	}

	async killAll(): Promise<void> {
		await this.writer.killAll();
		await this.#willing?.killAll();
	}
}

async function says(writer: WriterProcess, error: string): Promise<void> {
	await vi.waitFor(
		async () => expect((await writer.status()).error).toContain(error),
		{ timeout: 60_000, interval: 300 },
	);
}

test(`a topic that was made anew, and is longer than the old one, is told; skipped or taken for it never (SEED=${SEED})`, async () => {
	const history = new History("anew");
	const { topic, records } = history;
	const before = records.slice(0, 100);
	try {
		await history.send(before);
		const first = await history.writer.start();
		await history.holds(before);
		expect(await first.end("SIGTERM")).toBe(0);
		await admin.deleteTopics({ topics: [topic] });
		await vi.waitFor(
			async () => expect(await admin.listTopics()).not.toContain(topic),
			{ timeout: 30_000 },
		);
		await admin.createTopics({
			topics: [{ topic, numPartitions: 1 }],
			waitForLeaders: false,
		});
		// The brokers take a moment to know of it.
		await vi.waitFor(() => history.send(records), {
			timeout: 30_000,
			interval: 500,
		});
		const second = await history.writer.start();
		await says(second, "the topic was made anew");
		await history.holds(before);
		expect(await second.end("SIGTERM")).toBe(0);
		// Told to, it goes on with the new topic from its start.
		await history.startWilling();
		await history.holds([...before, ...records]);
	} finally {
		await history.killAll();
	}
});

test(`changes that Kafka deleted before they were read are told, and passed over only when that is asked for (SEED=${SEED})`, async () => {
	const history = new History("deleted");
	const { topic, records } = history;
	const [before, lost, after] = [
		records.slice(0, 60),
		records.slice(60, 100),
		records.slice(100),
	];
	try {
		await createTopics(admin, [{ topic, numPartitions: 1 }]);
		await history.send(before);
		const first = await history.writer.start();
		await history.holds(before);
		expect(await first.end("SIGTERM")).toBe(0);
		await history.send(lost);
		await history.send(after);
		await admin.deleteTopicRecords({
			topic,
			partitions: [{ partition: 0, offset: "100" }],
		});
		const second = await history.writer.start();
		await says(
			second,
			"the table needs offset 60, but Kafka keeps only those from 100 on: the changes between are gone. Take a new snapshot",
		);
		await history.holds(before);
		expect(await second.end("SIGTERM")).toBe(0);
		await history.startWilling();
		await history.holds([...before, ...after]);
	} finally {
		await history.killAll();
	}
});

test("a table that begins without the changes that Kafka has deleted says so", async () => {
	const history = new History("late");
	const { topic, records } = history;
	try {
		await createTopics(admin, [{ topic, numPartitions: 1 }]);
		await history.send(records);
		await admin.deleteTopicRecords({
			topic,
			partitions: [{ partition: 0, offset: "100" }],
		});
		await history.writer.start();
		await history.holds(records.slice(100));
		expect(history.writer.logTail()).toMatch(
			/"topic":"late.shop.orders","partition":0,"offset":"100","msg":"Kafka keeps only the changes from this offset on/,
		);
	} finally {
		await history.killAll();
	}
});
