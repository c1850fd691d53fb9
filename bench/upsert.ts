import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { createWriteStream, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { field, struct } from "../src/columnar/types.ts";
import type { Batch } from "../src/columnar/vector.ts";
import type { Action } from "../src/delta/actions.ts";
import { commit } from "../src/delta/commit.ts";
import type { Engine } from "../src/delta/engine.ts";
import { newLayout } from "../src/delta/evolve.ts";
import { loadSnapshot } from "../src/delta/snapshot.ts";
import { stageFiles } from "../src/delta/stage.ts";
import { IndexMemory } from "../src/index/key-index.ts";
import { SHARD_TAG } from "../src/index/shard-tag.ts";
import { openDisk } from "../src/storage/disk.ts";
import { openFileStore } from "../src/storage/file.ts";
import { openMemoryStore } from "../src/storage/memory.ts";
import { DEFAULT_SESSION_TIMEOUT_MS } from "../src/writer/config.ts";
import { DeadLetterTable } from "../src/writer/dead-letter-table.ts";
import { TableWriter } from "../src/writer/table-writer.ts";
import { JUDGES_PYTHON, memoryOf } from "../stack/components.ts";
import { mongoEnvelope } from "./envelope.ts";
import { median } from "./median.ts";

/**
 * Upserts of MongoDB envelopes of about 1 KB into tables of two sizes: batches of 50,000 changes of
 * random keys, decoded, staged and committed on a local disk, with each batch made beforehand and not
 * counted. The tables are made with the key and one more column, in files of 250,000 rows: old rows are
 * never read, so what else they hold does not matter. Beside it delta-rs MERGE of the same batches into
 * a table of the smaller size.
 */
const { values } = parseArgs({
	options: {
		sizes: { type: "string", default: "1000000,20000000" },
		batches: { type: "string", default: "20" },
		memory: { type: "string", default: "256" },
		peer: { type: "string", default: "2" },
		folder: { type: "string" },
		child: { type: "string" },
		profile: { type: "boolean", default: false },
	},
});
const BATCH = 50_000;
const FILE_ROWS = 250_000;
/** Batches. */
const LONGEST_WARMING = 40;
const batches = Number(values.batches);
const TOPIC = "bench.shop.orders";

interface Cost {
	readonly seconds: number;
	readonly cpuSeconds: number;
}

interface Totals extends Cost {
	readonly peakRss: number;
}

/** What a run says at its end. */
interface Result extends Totals {
	readonly rebuildCpuSeconds: number;
	readonly reopenCpuSeconds: number;
	readonly indexMB: number;
}

if (values.child !== undefined) await measure(Number(values.child));
else await compare();

async function compare(): Promise<void> {
	const sizes = values.sizes.split(",").map(Number);
	const dir = values.folder ?? mkdtempSync(join(tmpdir(), "tributary-upsert-"));
	mkdirSync(dir, { recursive: true });
	const runs: Run[] = [];
	try {
		for (const size of sizes) runs.push(await start(size, dir));
		// In turns: what else the machine does meets both sizes alike.
		for (let batch = 0; batch < batches; batch++)
			for (const run of runs) {
				const cost = await run.ask("batch");
				run.seconds += cost.seconds;
				run.cpuSeconds += cost.cpuSeconds;
				run.batches.push(cost.cpuSeconds);
			}
		const events = batches * BATCH;
		for (const run of runs) {
			const end = await run.ask("end");
			print(`tributary, ${run.size} rows`, { ...end, ...run }, events);
		}
		const [first, second] = runs;
		if (first === undefined) return;
		if (second !== undefined)
			console.log(
				`CPU per event, ${second.size} rows to ${first.size}: ${(second.cpuSeconds / first.cpuSeconds).toFixed(2)}; median of the pairs of batches ${median(second.batches.map((cost, i) => cost / (first.batches[i] as number))).toFixed(2)}`,
			);
		const merged = await peer(first.size, dir);
		if (merged === undefined) return;
		const others = Number(values.peer) * BATCH;
		print(
			`json.loads, pyarrow, delta-rs MERGE, ${first.size} rows`,
			merged,
			others,
		);
		console.log(
			`CPU per event: delta-rs takes ${(merged.cpuSeconds / others / (first.cpuSeconds / events)).toFixed(1)} times as much`,
		);
	} finally {
		for (const run of runs) run.stop();
		rmSync(dir, { recursive: true, force: true });
	}
}

interface Run {
	readonly size: number;
	seconds: number;
	cpuSeconds: number;
	/** CPU seconds of each. */
	readonly batches: number[];
	ask(what: "batch" | "end"): Promise<Result>;
	stop(): void;
}

/** A process of its own for each table, so that its peak of memory is its own. */
async function start(size: number, dir: string): Promise<Run> {
	const child = spawn(
		process.execPath,
		[
			...(values.profile
				? ["--cpu-prof", `--cpu-prof-dir=${dir}-profile`]
				: []),
			import.meta.filename,
			...["--child", String(size), "--folder", join(dir, String(size))],
			...["--memory", values.memory],
		],
		{ stdio: ["pipe", "pipe", "inherit"] },
	);
	const lines = createInterface({ input: child.stdout })[
		Symbol.asyncIterator
	]();
	const answer = async (): Promise<Result> => {
		const { done, value } = await lines.next();
		if (done === true) throw new Error(`the run with ${size} rows ended`);
		return JSON.parse(value) as Result;
	};
	await answer();
	return {
		size,
		seconds: 0,
		cpuSeconds: 0,
		batches: [],
		ask: (what) => {
			child.stdin.write(`${what}\n`);
			return answer();
		},
		// A run that was asked for its end ends by itself, and writes its profile then.
		stop: () => {
			if (values.profile) child.stdin.end();
			else child.kill();
		},
	};
}

function print(
	name: string,
	result: Totals | (Result & Pick<Run, "batches">),
	events: number,
): void {
	const { seconds, cpuSeconds, peakRss } = result;
	console.log(
		JSON.stringify({
			candidate: name,
			events,
			"events/s": Math.round(events / seconds),
			"events/s per core": Math.round(events / cpuSeconds),
			"CPU s per million": Number(((cpuSeconds / events) * 1e6).toFixed(2)),
			"peak RSS MB": Math.round(peakRss / 1e6),
			...("batches" in result && {
				"CPU s of a batch, median": Number(median(result.batches).toFixed(2)),
				"CPU s of a batch, most": Number(
					Math.max(...result.batches).toFixed(2),
				),
			}),
			...("indexMB" in result && {
				"index MB in memory": result.indexMB,
				"CPU s to make the index": result.rebuildCpuSeconds,
				"CPU s to open it": result.reopenCpuSeconds,
			}),
		}),
	);
}

async function measure(size: number): Promise<void> {
	const folder = values.folder as string;
	const engine: Engine = {
		store: openFileStore(join(folder, "table")),
		now: Date.now,
		uuid: randomUUID,
		sleep: (ms) => sleep(ms),
		random: Math.random,
	};
	if ((await loadSnapshot(engine)) === undefined) await makeTable(engine, size);
	const memory = new IndexMemory(Number(values.memory) * 2 ** 20);
	const open = (): TableWriter =>
		writerOf(engine, memory, join(folder, "index"));
	let offset = 0;
	let random = 1;
	const draw = (): number => {
		random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
		return Math.floor((random / 2 ** 32) * size);
	};
	const next = () =>
		Array.from({ length: BATCH }, () => {
			const { key, value } = mongoEnvelope(draw());
			return {
				key: Buffer.from(key),
				value: Buffer.from(value.replace('"op":"c"', '"op":"u"')),
				topic: TOPIC,
				partition: 0,
				offset: offset++,
			};
		});
	const flush = async (writer: TableWriter, messages = next()) => {
		const cpu = process.cpuUsage();
		const started = performance.now();
		for (const message of messages) writer.decode(message);
		const outcome = await writer.flush();
		if (outcome.kind !== "committed") throw new Error(outcome.kind);
		const { user, system } = process.cpuUsage(cpu);
		return {
			seconds: (performance.now() - started) / 1000,
			cpuSeconds: (user + system) / 1e6,
		};
	};
	let writer = open();
	offset = Number((await writer.load(0, 1)) ?? -1n) + 1;
	random = offset + 1;
	const rebuild = await flush(writer);
	// A writer runs for long: until its index has the pages in memory that it may have.
	for (let warm = 0, before = 0; warm < LONGEST_WARMING; warm++) {
		if (warm >= 3 && memory.used < 1.01 * before) break;
		before = memory.used;
		await flush(writer);
	}
	console.log("{}");
	for await (const what of createInterface({ input: process.stdin })) {
		if (what === "batch") {
			console.log(JSON.stringify(await flush(writer)));
			continue;
		}
		const peakRss = memoryOf(process.pid).peak;
		const usual = await flush(writer);
		const indexMB = Math.round(memory.used / 1e6);
		await writer.close();
		writer = open();
		await writer.load(0, 1);
		const reopen = await flush(writer);
		await writer.close();
		const beyond = (one: { readonly cpuSeconds: number }): number =>
			Number((one.cpuSeconds - usual.cpuSeconds).toFixed(2));
		console.log(
			JSON.stringify({
				peakRss,
				indexMB,
				rebuildCpuSeconds: beyond(rebuild),
				reopenCpuSeconds: beyond(reopen),
			}),
		);
		return;
	}
}

async function makeTable(engine: Engine, size: number): Promise<void> {
	const schema = struct(field("_id", "string"), field("quantity", "long"));
	const created = newLayout(
		engine.store.url,
		{
			schema,
			partitionColumns: [],
			configuration: {
				"tributary.source": "shop.orders",
				"tributary.key": '["_id"]',
				"delta.enableDeletionVectors": "true",
			},
			name: "orders",
		},
		engine,
	);
	const adds: Action[] = [];
	for (let from = 0; from < size; from += FILE_ROWS)
		for (const { add } of await stageFiles(
			engine,
			created.table,
			rowsFrom(schema, from, Math.min(FILE_ROWS, size - from)),
			{ tags: { [SHARD_TAG]: "0/1" } },
		))
			adds.push({ add });
	const outcome = await commit(engine, {
		base: undefined,
		plan: () => ({
			kind: "commit",
			actions: [...created.actions, ...adds],
			info: { operation: "WRITE" },
		}),
	});
	if (outcome.kind !== "committed") throw new Error(outcome.kind);
}

function rowsFrom(
	schema: Batch["schema"],
	from: number,
	length: number,
): Batch {
	const ids = Array.from({ length }, (_, i) =>
		(from + i).toString(16).padStart(24, "6"),
	);
	return {
		schema,
		length,
		columns: [
			{
				kind: "bytes",
				length,
				validity: undefined,
				offsets: Int32Array.from({ length: length + 1 }, (_, i) => i * 24),
				data: Buffer.from(ids.join("")),
			},
			{
				kind: "i64",
				length,
				validity: undefined,
				values: BigInt64Array.from({ length }, (_, i) => BigInt(i % 9)),
			},
		],
	};
}

function writerOf(
	engine: Engine,
	memory: IndexMemory,
	folder: string,
): TableWriter {
	return new TableWriter({
		route: { path: "orders", mode: "upsert", source: "shop.orders" },
		topic: TOPIC,
		topicId: "id",
		engine,
		clusterId: "cluster",
		deadLetters: new DeadLetterTable({
			...engine,
			store: openMemoryStore(),
		}),
		index: {
			memory,
			disk: (_, shard) => openDisk(join(folder, encodeURIComponent(shard))),
			onFollowed: (_, followed) => {
				if (process.env.VERBOSE !== undefined) console.error(followed);
			},
		},
		config: {
			pipeline: "default.bench",
			source: "mongodb",
			kafka: {
				brokers: [],
				groupId: "group",
				topics: /./,
				topicPrefix: "bench",
				fromBeginning: true,
				onPositionLost: "stop",
				sessionTimeoutMs: DEFAULT_SESSION_TIMEOUT_MS,
				ssl: false,
				sasl: undefined,
			},
			location: "",
			credentials: {},
			tablePath: "{table}",
			writeMode: "upsert",
			history: false,
			deletes: "hard",
			partitionBy: undefined,
			batch: {
				maxRows: BATCH,
				maxBytes: 2 ** 30,
				maxDelayMs: 5000,
				maxTotalBytes: 2 ** 28,
			},
			port: undefined,
		},
	});
}

async function peer(size: number, dir: string): Promise<Totals | undefined> {
	const count = Number(values.peer);
	if (count === 0) return undefined;
	const file = join(dir, "messages.ndjson");
	const out = createWriteStream(file);
	let random = 1;
	for (let i = 0; i < count * BATCH; i++) {
		random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
		const { value } = mongoEnvelope(Math.floor((random / 2 ** 32) * size));
		if (!out.write(`${value}\n`))
			await new Promise<void>((done) => out.once("drain", () => done()));
	}
	await new Promise<void>((done) => out.end(() => done()));
	const child = spawn(
		JUDGES_PYTHON,
		[
			join(import.meta.dirname, "peer_merge.py"),
			file,
			join(dir, "peer"),
			String(size),
		],
		{ stdio: ["ignore", "pipe", "inherit"] },
	);
	let text = "";
	child.stdout.on("data", (chunk: Buffer) => {
		text += chunk.toString();
	});
	const status = await new Promise<number | null>((done) => {
		child.once("error", () => done(null));
		child.once("exit", done);
	});
	if (status === 0) return JSON.parse(text);
	console.log(
		"no peer: its Python environment is not installed (stack/install.sh judges)",
	);
	return undefined;
}
