import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import kafkajs from "kafkajs";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { tableRows } from "../../demo/lake.ts";
import {
	JUDGES_PYTHON,
	type Stack,
	startStack,
} from "../../stack/components.ts";
import { ChangingCollection, seeded } from "../support/changes.ts";
import { JUDGE_SCRIPT, JUDGES, judged, ours } from "../support/judged.ts";
import { WriterUnderTest } from "../support/writer-process.ts";

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);

let dir: string;
let stack: Stack<"kafka" | "s3">;
/** The folder of the bucket's files, which the judges read as they are. */
let folder: string;

beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "tributary-judges-"));
	stack = await startStack({
		dir,
		components: ["kafka", "s3"],
		buckets: ["lake"],
	});
	folder = join(stack.s3.folder, "lake/judged");
	await writeTables();
});

afterAll(async () => {
	await stack?.stop();
	await rm(dir, { recursive: true, force: true });
});

test.each(JUDGES)(
	`%s reads a mirror with deletion vectors as we do (SEED=${SEED})`,
	async (judge) => {
		const { snapshot, rows } = await ours(join(folder, "orders"));
		const files = [...snapshot.files.values()];
		expect(files.some((file) => file.deletionVector !== undefined)).toBe(true);
		expect(rows.length).toBeGreaterThan(100);
		expect(judged(judge, join(folder, "orders"))).toEqual(rows);
	},
);

test.each(JUDGES)(
	`%s reads a partitioned history behind a checkpoint as we do (SEED=${SEED})`,
	async (judge) => {
		const { snapshot, rows } = await ours(join(folder, "orders_history"));
		expect(snapshot.metadata.partitionColumns).toEqual(["_ingestion_date"]);
		expect(snapshot.version).toBeGreaterThan(10);
		expect(rows).toHaveLength(4000);
		expect(judged(judge, join(folder, "orders_history"))).toEqual(rows);
	},
);

test("a table of delta-rs, with a checkpoint, is read as delta-rs reads it", async () => {
	const theirs = join(dir, "theirs");
	execFileSync(JUDGES_PYTHON, [JUDGE_SCRIPT, "write", theirs], {
		stdio: "pipe",
	});
	const { snapshot, rows } = await ours(theirs);
	expect(snapshot.version).toBe(6);
	expect(rows).toHaveLength(920);
	expect(rows).toEqual(judged("delta-rs", theirs));
});

/** A mirror and a history of 4000 changes, in many commits. */
async function writeTables(): Promise<void> {
	const collection = new ChangingCollection({
		random: seeded(SEED),
		keys: 500,
		partitions: 1,
	});
	const kafka = new kafkajs.Kafka({
		brokers: [stack.kafka.bootstrap],
		logLevel: kafkajs.logLevel.NOTHING,
	});
	const producer = kafka.producer();
	await producer.connect();
	const writer = new WriterUnderTest({
		name: "judged",
		dir,
		stack,
		sink: { writeMode: "upsert", history: true },
		batch: { maxRows: 250, maxDelay: "300ms" },
	});
	try {
		const running = await writer.start();
		for (let i = 0; i < 8; i++) {
			const messages = Array.from({ length: 500 }, () =>
				collection.change(),
			).flat();
			await producer.send({ topic: "judged.shop.orders", messages });
			await sleep(300);
		}
		await vi.waitFor(
			async () => {
				for (const [path, count] of [
					["orders_history", 4000],
					["orders", collection.documents.size],
				] as const)
					expect((await tableRows(writer.lake, path))?.rows).toHaveLength(
						count,
					);
			},
			{ timeout: 60_000, interval: 500 },
		);
		expect(await running.end("SIGTERM"), writer.logTail()).toBe(0);
	} finally {
		await producer.disconnect();
		await writer.killAll();
	}
}
