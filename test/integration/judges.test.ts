import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import kafkajs from "kafkajs";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { tableRows } from "../../demo/lake.ts";
import { decimalText, valueAt } from "../../src/columnar/value.ts";
import type { Row, Value } from "../../src/columnar/vector.ts";
import type { Engine } from "../../src/delta/engine.ts";
import { readTable } from "../../src/delta/scan.ts";
import { loadSnapshot, type Snapshot } from "../../src/delta/snapshot.ts";
import { openStore } from "../../src/storage/open.ts";
import {
	JUDGES_PYTHON,
	type Stack,
	startStack,
} from "../../stack/components.ts";
import { ChangingCollection, seeded } from "../support/changes.ts";
import { WriterUnderTest } from "../support/writer-process.ts";

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const SCRIPT = join(import.meta.dirname, "../support/judge.py");
const JUDGES = ["delta-rs", "DuckDB"] as const;

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
	execFileSync(JUDGES_PYTHON, [SCRIPT, "write", theirs], { stdio: "pipe" });
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

/** A table's rows as texts that can be compared, in an order of their own. */
async function ours(
	path: string,
): Promise<{ snapshot: Snapshot; rows: string[] }> {
	const engine: Engine = {
		store: openStore(path),
		now: Date.now,
		uuid: randomUUID,
		sleep: (ms) => sleep(ms),
		random: Math.random,
	};
	const snapshot = await loadSnapshot(engine);
	if (snapshot === undefined) throw new Error(`no table in ${path}`);
	const rows: string[] = [];
	for await (const batch of readTable(engine, snapshot))
		for (let i = 0; i < batch.length; i++) {
			const row: Record<string, unknown> = {};
			for (const [at, { name, type }] of batch.schema.fields.entries()) {
				const vector = batch.columns[at];
				if (vector === undefined) throw new Error(`no column ${name}`);
				row[name] = plain(valueAt(vector, type, i));
			}
			rows.push(canonical(row));
		}
	return { snapshot, rows: rows.sort() };
}

function judged(judge: (typeof JUDGES)[number], path: string): string[] {
	return execFileSync(JUDGES_PYTHON, [SCRIPT, "read", judge, path], {
		encoding: "utf8",
		maxBuffer: 2 ** 28,
		stdio: "pipe",
	})
		.trimEnd()
		.split("\n")
		.map((line) => canonical(JSON.parse(line) as Record<string, unknown>))
		.sort();
}

/** As the script writes values. */
function plain(value: Value): unknown {
	if (value === null || typeof value !== "object")
		return typeof value === "bigint" ? Number(value) : value;
	if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
	if (Array.isArray(value)) return value.map(plain);
	if (value instanceof Map) throw new Error("no table here has a map");
	const { unscaled, scale } = value as Row;
	if (typeof unscaled === "bigint" && typeof scale === "number")
		return decimalText(unscaled, scale);
	return Object.fromEntries(
		Object.entries(value).map(([name, inner]) => [name, plain(inner as Value)]),
	);
}

function canonical(row: Record<string, unknown>): string {
	return JSON.stringify(
		Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1)),
	);
}
