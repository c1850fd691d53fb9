import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import {
	chmodSync,
	mkdtempSync,
	openSync,
	readFileSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import kafkajs from "kafkajs";
import { loadSnapshot } from "../src/delta/snapshot.ts";
import { openBelow } from "../src/storage/open.ts";
import {
	freePorts,
	JUDGES_PYTHON,
	memoryOf,
	startStack,
} from "../stack/components.ts";
import { mongoEnvelope } from "./envelope.ts";

/**
 * Kafka to Delta on S3: a topic full of MongoDB envelopes of about 1 KB, consumed by a writer process
 * of its own until every row is committed. Beside it the usual Python service on the same messages:
 * json.loads, pyarrow, delta-rs append.
 */
const { values } = parseArgs({
	options: {
		events: { type: "string", default: "500000" },
		partitions: { type: "string", default: "1" },
		peer: { type: "string", default: "100000" },
		profile: { type: "boolean", default: false },
	},
});
const events = Number(values.events);
const partitions = Number(values.partitions);
const peerEvents = Math.min(Number(values.peer), events);
const root = resolve(import.meta.dirname, "..");
const dir = mkdtempSync(join(tmpdir(), "tributary-bench-"));
chmodSync(dir, 0o755);

const stack = await startStack({
	dir,
	components: ["kafka", "s3"],
	buckets: ["lake"],
});
try {
	const bytes = await produce();
	const own = await runOwn();
	print("tributary", own, events, bytes);
	const peer = await runPeer();
	if (peer !== undefined) {
		print(
			"json.loads, pyarrow, delta-rs",
			peer,
			peerEvents,
			(bytes / events) * peerEvents,
		);
		console.log(
			`CPU per event: the Python service takes ${(peer.cpuSeconds / peerEvents / (own.cpuSeconds / events)).toFixed(1)} times as much`,
		);
	}
} finally {
	await stack.stop();
	rmSync(dir, { recursive: true, force: true });
}

interface Result {
	readonly seconds: number;
	readonly cpuSeconds: number;
	readonly peakRss: number;
}

function print(
	name: string,
	result: Result,
	count: number,
	bytes: number,
): void {
	const row = {
		candidate: name,
		events: count,
		"events/s": Math.round(count / result.seconds),
		"events/s per core": Math.round(count / result.cpuSeconds),
		"MB/s": Number((bytes / 1e6 / result.seconds).toFixed(1)),
		"CPU s per million": Number(((result.cpuSeconds / count) * 1e6).toFixed(2)),
		"peak RSS MB": Math.round(result.peakRss / 1e6),
	};
	console.log(JSON.stringify(row));
}

async function produce(): Promise<number> {
	const kafka = new kafkajs.Kafka({
		brokers: [stack.kafka.bootstrap],
		logLevel: kafkajs.logLevel.ERROR,
	});
	const admin = kafka.admin();
	await admin.connect();
	await admin.createTopics({
		topics: [{ topic: "bench.shop.orders", numPartitions: partitions }],
	});
	await admin.disconnect();
	const producer = kafka.producer();
	await producer.connect();
	let bytes = 0;
	for (let start = 0; start < events; start += 500) {
		const messages = Array.from(
			{ length: Math.min(500, events - start) },
			(_, n) => ({
				...mongoEnvelope(start + n),
				partition: Math.floor(start / 500) % partitions,
			}),
		);
		for (const { value } of messages) bytes += value.length;
		await producer.send({ topic: "bench.shop.orders", acks: 1, messages });
	}
	await producer.disconnect();
	console.log(
		`${events} events of ${Math.round(bytes / events)} bytes are in ${partitions} partitions`,
	);
	return bytes;
}

async function runOwn(): Promise<Result> {
	const file = join(dir, "pipeline.yaml");
	writeFileSync(
		file,
		JSON.stringify({
			apiVersion: "tributary.dev/v1alpha1",
			kind: "CdcPipeline",
			metadata: { name: "bench" },
			spec: {
				source: {
					type: "mongodb",
					connectionSecretRef: { name: "none", key: "uri" },
					include: ["shop.orders"],
				},
				kafka: {
					bootstrapServers: [stack.kafka.bootstrap],
					connectUrl: "http://127.0.0.1:1",
					topicPrefix: "bench",
				},
				sink: {
					location: "s3://lake/bench",
					storageSecretRef: { name: "lake" },
					writeMode: "append",
				},
				writer: {
					batch: { maxRows: 100_000, maxBytes: "128Mi", maxDelay: "5s" },
				},
			},
		}),
	);
	const [port = 0] = await freePorts(1);
	const credentials = {
		accessKeyId: stack.s3.accessKeyId,
		secretAccessKey: stack.s3.secretAccessKey,
		endpoint: stack.s3.endpoint,
	};
	const log = openSync(join(dir, "log", "writer.log"), "a");
	const node = join(root, "node_modules/node/bin/node");
	const child = spawn(
		node,
		[
			...(values.profile
				? ["--cpu-prof", `--cpu-prof-dir=${root}/.tributary`]
				: []),
			join(root, "src/cli/main.ts"),
			"writer",
			"--config",
			file,
		],
		{
			env: {
				...process.env,
				METRICS_PORT: String(port),
				TRIBUTARY_SECRET_LAKE_AWS_ACCESS_KEY_ID: credentials.accessKeyId,
				TRIBUTARY_SECRET_LAKE_AWS_SECRET_ACCESS_KEY:
					credentials.secretAccessKey,
				TRIBUTARY_SECRET_LAKE_AWS_ENDPOINT_URL: credentials.endpoint,
			},
			stdio: ["ignore", log, log],
		},
	);
	const pid = child.pid ?? 0;
	const engine = {
		store: openBelow("s3://lake/bench", "orders", credentials),
		now: Date.now,
		uuid: randomUUID,
		sleep: (ms: number) => sleep(ms),
		random: Math.random,
	};
	const started = performance.now();
	for (;;) {
		await sleep(200);
		if (child.exitCode !== null)
			throw new Error(
				`the writer ended: ${readFileSync(join(dir, "log", "writer.log"), "utf8").slice(-2000)}`,
			);
		const snapshot = await loadSnapshot(engine);
		const rows = [...(snapshot?.files.values() ?? [])].reduce(
			(sum, { stats }) =>
				sum + (JSON.parse(stats ?? "{}") as { numRecords: number }).numRecords,
			0,
		);
		if (rows > events) throw new Error(`${rows} rows of ${events} events`);
		if (rows === events) break;
	}
	const seconds = (performance.now() - started) / 1000;
	const result = {
		seconds,
		cpuSeconds: cpuOf(pid),
		peakRss: memoryOf(pid).peak,
	};
	const ended = new Promise((done) => child.once("exit", done));
	child.kill("SIGTERM");
	await ended;
	return result;
}

/** User and system time of a process so far, in seconds; the clock of /proc has 100 ticks. */
function cpuOf(pid: number): number {
	const fields =
		readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
	return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function runPeer(): Promise<Result | undefined> {
	const file = join(dir, "messages.ndjson");
	writeFileSync(
		file,
		Array.from(
			{ length: peerEvents },
			(_, i) => `${mongoEnvelope(i).value}\n`,
		).join(""),
	);
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
