import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { loadSnapshot } from "../src/delta/snapshot.ts";
import { openBelow } from "../src/storage/open.ts";
import { JUDGES_PYTHON, startStack } from "../stack/components.ts";
import {
	type EnvelopeText,
	irregularEnvelope,
	mongoEnvelope,
	relationalEnvelope,
	relationalPayload,
} from "./envelope.ts";
import { fillTopics } from "./topic.ts";
import { startWriter } from "./writer-run.ts";

/**
 * Kafka to Delta on S3: topics full of change events, consumed by a writer process of its own until
 * every row is committed, several times; each time a new writer into new tables. Beside it the usual
 * Python service on the same messages: json.loads, pyarrow, delta-rs append.
 */
const { values } = parseArgs({
	options: {
		events: { type: "string", default: "500000" },
		rounds: { type: "string", default: "3" },
		only: { type: "string" },
		peer: { type: "string", default: "100000" },
		profile: { type: "boolean", default: false },
	},
});
const events = Number(values.events);
const rounds = Number(values.rounds);
const peerEvents = Math.min(Number(values.peer), events);

interface Shape {
	readonly source: "mongodb" | "postgresql";
	readonly make: (i: number) => EnvelopeText;
	readonly tables: number;
}

const SHAPES: Readonly<Record<string, Shape>> = {
	mongodb: { source: "mongodb", make: mongoEnvelope, tables: 1 },
	"mongodb-20-tables": { source: "mongodb", make: mongoEnvelope, tables: 20 },
	irregular: { source: "mongodb", make: irregularEnvelope, tables: 1 },
	postgresql: { source: "postgresql", make: relationalPayload, tables: 1 },
	"postgresql-with-schema": {
		source: "postgresql",
		make: relationalEnvelope,
		tables: 1,
	},
};

interface Result {
	readonly seconds: number;
	readonly cpuSeconds: number;
	readonly peakRss: number;
	readonly startCpuSeconds?: number;
}

const dir = mkdtempSync(join(tmpdir(), "tributary-bench-"));
chmodSync(dir, 0o755);
const stack = await startStack({
	dir,
	components: ["kafka", "s3"],
	buckets: ["lake"],
	steady: true,
});
try {
	for (const [name, shape] of Object.entries(SHAPES))
		if (values.only === undefined || values.only.split(",").includes(name))
			await compare(name, shape);
} finally {
	await stack.stop();
	rmSync(dir, { recursive: true, force: true });
}

async function compare(name: string, shape: Shape): Promise<void> {
	const topics = Array.from(
		{ length: shape.tables },
		(_, n) => `${name}.shop.orders_${n}`,
	);
	const bytes = await fillTopics({
		bootstrap: stack.kafka.bootstrap,
		topics,
		partitions: 1,
		events,
		make: shape.make,
	});
	console.log(
		`${name}: ${events} events of ${Math.round(bytes / events)} bytes in ${topics.length} topics`,
	);
	const results: Result[] = [];
	for (let round = 0; round < rounds; round++)
		results.push(await runOwn(name, round, shape));
	const own = print(name, results, events, bytes);
	if (peerEvents === 0) return;
	const peer = await runPeer(shape.make);
	if (peer === undefined) return;
	const other = print(
		`${name}: json.loads, pyarrow, delta-rs`,
		[peer],
		peerEvents,
		(bytes / events) * peerEvents,
	);
	console.log(
		`CPU per event: the Python service takes ${(other / own).toFixed(1)} times as much`,
	);
}

/** Prints the best and the median of rounds; gives the best's CPU seconds a million. */
function print(
	name: string,
	results: readonly Result[],
	count: number,
	bytes: number,
): number {
	const sorted = [...results].sort((a, b) => a.cpuSeconds - b.cpuSeconds);
	const best = sorted[0] as Result;
	const median = sorted[sorted.length >> 1] as Result;
	const million = ({ cpuSeconds }: Result): number =>
		Number(((cpuSeconds / count) * 1e6).toFixed(2));
	const seconds = Math.min(...results.map((result) => result.seconds));
	console.log(
		JSON.stringify({
			candidate: name,
			events: count,
			"events/s per core": Math.round(count / best.cpuSeconds),
			"CPU s per million, best": million(best),
			"CPU s per million, median": million(median),
			...(best.startCpuSeconds === undefined
				? {}
				: { "CPU s to start": best.startCpuSeconds }),
			"events/s": Math.round(count / seconds),
			"MB/s": Number((bytes / 1e6 / seconds).toFixed(1)),
			"peak RSS MB": Math.round(
				Math.max(...results.map(({ peakRss }) => peakRss)) / 1e6,
			),
			load: Number((loadavg()[0] ?? 0).toFixed(1)),
		}),
	);
	return million(best);
}

async function runOwn(
	name: string,
	round: number,
	{ source, tables }: Shape,
): Promise<Result> {
	const pipeline = `${name}-${round}`;
	const writer = await startWriter({
		name: pipeline,
		prefix: name,
		source,
		dir,
		stack,
		sink: { writeMode: "append" },
		batch: { maxRows: 100_000, maxBytes: "128Mi", maxDelay: "5s" },
		profile: values.profile,
	});
	try {
		// What it costs to start a process is not the events'.
		while ((await writer.metric("tributary_messages_total")) === 0)
			await sleep(20);
		const startCpuSeconds = writer.cpuSeconds();
		const started = performance.now();
		while ((await writer.metric("tributary_rows_committed_total")) < events)
			await sleep(1000);
		const result = {
			seconds: (performance.now() - started) / 1000,
			cpuSeconds: writer.cpuSeconds() - startCpuSeconds,
			peakRss: writer.peakRss(),
			startCpuSeconds,
		};
		await expectRows(pipeline, tables);
		return result;
	} finally {
		await writer.stop();
	}
}

/** Every event is a row of a table. */
async function expectRows(pipeline: string, tables: number): Promise<void> {
	let rows = 0;
	for (let table = 0; table < tables; table++) {
		const snapshot = await loadSnapshot({
			store: openBelow(`s3://lake/${pipeline}`, `orders_${table}`, {
				accessKeyId: stack.s3.accessKeyId,
				secretAccessKey: stack.s3.secretAccessKey,
				endpoint: stack.s3.endpoint,
			}),
			now: Date.now,
			uuid: randomUUID,
			sleep: (ms) => sleep(ms),
			random: Math.random,
		});
		for (const { stats } of snapshot?.files.values() ?? [])
			rows += (JSON.parse(stats ?? "{}") as { numRecords: number }).numRecords;
	}
	if (rows !== events) throw new Error(`${rows} rows of ${events} events`);
}

async function runPeer(
	make: (i: number) => EnvelopeText,
): Promise<Result | undefined> {
	const file = join(dir, "messages.ndjson");
	writeFileSync(
		file,
		Array.from({ length: peerEvents }, (_, i) => `${make(i).value}\n`).join(""),
	);
	rmSync(join(dir, "peer"), { recursive: true, force: true });
	const child = spawn(
		JUDGES_PYTHON,
		[join(import.meta.dirname, "peer_append.py"), file, join(dir, "peer")],
		{
			stdio: ["ignore", "pipe", "inherit"],
		},
	);
	let text = "";
	child.stdout.on("data", (chunk: Buffer) => {
		text += chunk.toString();
	});
	const status = await new Promise<number | null>((done) => {
		child.once("error", () => done(null));
		child.once("exit", done);
	});
	if (status !== 0) {
		console.log(
			"no peer: its Python environment is not installed (stack/install.sh judges)",
		);
		return undefined;
	}
	return JSON.parse(text) as Result;
}
