import { setTimeout as sleep } from "node:timers/promises";
import type { Producer } from "kafkajs";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { difference, tableRows } from "../../demo/lake.ts";
import { createTopics } from "../../src/connect/topics.ts";
import { openBelow } from "../../src/storage/open.ts";
import type { Stack } from "../../stack/components.ts";
import { ChangingCollection, seeded } from "../support/changes.ts";
import { WriterUnderTest } from "../support/writer-process.ts";
import {
	startWriterSetting,
	type WriterSetting,
} from "../support/writer-setting.ts";

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const LONG = process.env.TEST_LONG === "1";
const KILLS = LONG ? 50 : 20;
const CHANGES = LONG ? 200_000 : 20_000;
const TOPIC = "kill.shop.orders";

let setting: WriterSetting;
let dir: string;
let stack: Stack<"kafka" | "s3">;
let producer: Producer;

beforeAll(async () => {
	setting = await startWriterSetting("kill");
	({ dir, stack, producer } = setting);
	await createTopics(setting.admin, [{ topic: TOPIC, numPartitions: 2 }]);
});

afterAll(async () => {
	await setting?.stop();
});

test(`a writer killed ${KILLS} times loses no change and writes none twice (SEED=${SEED})`, {
	timeout: LONG ? 1_800_000 : 400_000,
}, async () => {
	const random = seeded(SEED);
	const collection = new ChangingCollection({
		random: seeded(SEED + 1),
		keys: 2000,
		partitions: 2,
	});
	const writer = new WriterUnderTest({
		name: "kill",
		dir,
		stack,
		sink: { writeMode: "upsert", history: true },
		batch: { maxRows: 500, maxDelay: "300ms" },
	});
	const versions = async (): Promise<string> => {
		const found = await Promise.all(
			["orders", "orders_history"].map((path) => version(writer, path)),
		);
		return found.join("/");
	};
	try {
		let progressed = 0;
		for (let round = 0; round < KILLS; round++) {
			const before = await versions();
			const running = await writer.start();
			const producing = produce(
				collection,
				Math.floor((CHANGES * (round + 1)) / KILLS),
			);
			// Some die while they start and join; most once they have committed, somewhere in a commit.
			if (random() < 0.75) {
				const until = Date.now() + 20_000;
				while (Date.now() < until && (await versions()) === before)
					await sleep(25);
				await sleep(random() * 600);
			} else await sleep(random() * 4000);
			expect(running.child.exitCode, writer.logTail()).toBeNull();
			await running.end("SIGKILL");
			await producing;
			if ((await versions()) !== before) progressed++;
		}
		expect(progressed).toBeGreaterThanOrEqual(KILLS / 2);
		expect(collection.changes).toHaveLength(CHANGES);

		const running = await writer.start();
		const until = Date.now() + 120_000;
		let history: string[] = [];
		let different: string | undefined = "no mirror yet";
		while (Date.now() < until) {
			await sleep(1000);
			history = ((await tableRows(writer.lake, "orders_history"))?.rows ?? [])
				.map((row) => `${row._kafka_partition}/${row._kafka_offset}`)
				.sort();
			const mirror = await tableRows(writer.lake, "orders");
			different = difference(collection.documents, mirror?.rows ?? [], "_id");
			if (history.length >= CHANGES && different === undefined) break;
		}
		expect(different, writer.logTail()).toBeUndefined();
		expect(history).toEqual([...collection.changes].sort());
		// What arrives late, such as a batch that is written again, would show by now.
		await sleep(2000);
		expect((await tableRows(writer.lake, "orders_history"))?.rows).toHaveLength(
			CHANGES,
		);
		expect(await running.end("SIGTERM")).toBe(0);
	} finally {
		await writer.killAll();
	}
});

test("SIGTERM commits the rows that wait for their batch, and ends with status 0", async () => {
	const collection = new ChangingCollection({
		random: seeded(SEED),
		keys: 100,
		partitions: 1,
	});
	const writer = new WriterUnderTest({
		name: "stop",
		dir,
		stack,
		sink: { writeMode: "append" },
		batch: { maxRows: 50_000, maxDelay: "60s" },
	});
	const records = Array.from({ length: 300 }, () => collection.change()).flat();
	try {
		await producer.send({ topic: "stop.shop.orders", messages: records });
		const running = await writer.start();
		// Consumed, but not committed: the batch waits for more.
		await vi.waitFor(
			async () =>
				expect(await running.metrics()).toMatch(
					new RegExp(
						`^tributary_messages_total\\{[^}]*\\} ${records.length}$`,
						"m",
					),
				),
			{ timeout: 30_000, interval: 200 },
		);
		expect((await running.status()).lagRecords).toBe(records.length);
		expect(await version(writer, "orders")).toBe(-1);
		const asked = Date.now();
		expect(await running.end("SIGTERM"), writer.logTail()).toBe(0);
		expect(Date.now() - asked).toBeLessThan(10_000);
		const found = (await tableRows(writer.lake, "orders"))?.rows ?? [];
		expect(
			found.map((row) => `${row._kafka_partition}/${row._kafka_offset}`).sort(),
		).toEqual([...collection.changes].sort());
	} finally {
		await writer.killAll();
	}
});

/** Goes on until the collection has had so many changes, in small steps and with pauses. */
async function produce(
	collection: ChangingCollection,
	changes: number,
): Promise<void> {
	while (collection.changes.length < changes) {
		const step = Math.min(200, changes - collection.changes.length);
		const messages = Array.from({ length: step }, () =>
			collection.change(),
		).flat();
		await producer.send({ topic: TOPIC, messages });
		await sleep(LONG ? 50 : 200);
	}
}

async function version(writer: WriterUnderTest, path: string) {
	const { location, credentials } = writer.lake;
	let last = -1;
	for await (const { path: name } of openBelow(
		location,
		path,
		credentials,
	).list("_delta_log/"))
		last = Math.max(last, Number(/(\d{20})\.json$/.exec(name)?.[1] ?? -1));
	return last;
}
