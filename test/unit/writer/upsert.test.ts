import { expect, test } from "vitest";
import { valueAt } from "../../../src/columnar/value.ts";
import type { Engine } from "../../../src/delta/engine.ts";
import { readTable } from "../../../src/delta/scan.ts";
import { loadSnapshot, type Snapshot } from "../../../src/delta/snapshot.ts";
import { IndexMemory } from "../../../src/index/key-index.ts";
import { SHARD_TAG } from "../../../src/index/shard-tag.ts";
import { restore } from "../../../src/maintain/restore.ts";
import { openMemoryStore } from "../../../src/storage/memory.ts";
import {
	type MemoryDisk,
	openMemoryDisk,
} from "../../../src/storage/memory-disk.ts";
import {
	DEFAULT_SESSION_TIMEOUT_MS,
	type WriterConfig,
} from "../../../src/writer/config.ts";
import { DeadLetterTable } from "../../../src/writer/dead-letter-table.ts";
import { routesOf } from "../../../src/writer/route.ts";
import { TableWriter } from "../../../src/writer/table-writer.ts";
import { newestRows } from "../../../src/writer/upsert-newest.ts";
import { memoryEngine } from "../delta/table.ts";
import { keysOf } from "../index/keys.ts";

const TOPIC = "shop.public.items";

test("a key that changes moves its row, and leaves nothing behind", async () => {
	const { engine, writer } = table();
	await writer.load(0);
	feed(writer, [
		["c", { id: 1 }, { id: 1, v: "a" }],
		["c", { id: 2 }, { id: 2, v: "b" }],
	]);
	await writer.flush();
	// Debezium makes a delete and an insert of a changed key.
	feed(writer, [
		["d", { id: 1 }, null],
		["c", { id: 3 }, { id: 3, v: "a" }],
	]);
	await writer.flush();
	expect(await rowsOf(engine)).toEqual(["2 b", "3 a"]);
});

test("a soft delete keeps the row, marked, and a new row of its key takes its place", async () => {
	const { engine, writer } = table({ deletes: "soft" });
	await writer.load(0);
	feed(writer, [
		["c", { id: 1 }, { id: 1, v: "a" }],
		["c", { id: 2 }, { id: 2, v: "b" }],
	]);
	await writer.flush();
	feed(writer, [["d", { id: 1 }, null, { id: 1, v: "a" }]]);
	await writer.flush();
	expect(await rowsOf(engine)).toEqual(["1 a deleted", "2 b"]);
	feed(writer, [["c", { id: 1 }, { id: 1, v: "again" }]]);
	await writer.flush();
	expect(await rowsOf(engine)).toEqual(["1 again", "2 b"]);
});

test("a table that is restored beneath its writer, which goes on as if nothing had been", async () => {
	const { engine, writer } = table();
	await writer.load(0);
	feed(writer, [
		["c", { id: 1 }, { id: 1, v: "a" }],
		["c", { id: 2 }, { id: 2, v: "b" }],
	]);
	await writer.flush();
	feed(writer, [["u", { id: 1 }, { id: 1, v: "changed" }]]);
	await writer.flush();
	const result = await restore(engine, await snapshotOf(engine), {
		version: 0,
	});
	expect(result).toMatchObject({ positions: 1 });
	expect(await rowsOf(engine)).toEqual(["1 a", "2 b"]);
	feed(writer, [["c", { id: 3 }, { id: 3, v: "c" }]]);
	// It learns that its position went back, and reads the table again.
	expect(await writer.flush()).toMatchObject({ kind: "fenced" });
	writer.reset();
	expect(Number(await writer.load(0))).toBe(1);
	offsets.delete(writer);
	feed(writer, [
		["u", { id: 1 }, { id: 1, v: "changed" }],
		["c", { id: 3 }, { id: 3, v: "c" }],
	]);
	await writer.flush();
	expect(await rowsOf(engine)).toEqual(["1 changed", "2 b", "3 c"]);
});

test("rows without a key do not become one row", async () => {
	const { engine, writer } = table();
	await writer.load(0);
	const outcomes = feed(writer, [
		["c", { id: null }, { id: null, v: "a" }],
		["c", { id: 1 }, { id: 1, v: "b" }],
		["c", { id: null }, { id: null, v: "c" }],
	]);
	expect(
		outcomes.map((one) => (one?.kind === "dead-letter" ? one.code : one?.kind)),
	).toEqual(["KEY_MISSING", "row", "KEY_MISSING"]);
	await writer.flush();
	expect(await rowsOf(engine)).toEqual(["1 b"]);
});

test("a topic's mirror and its history stand side by side", async () => {
	const config = configOf({ history: true });
	const [mirror, history] = routesOf(TOPIC, config).map((route) => {
		const engine = engineOf();
		return {
			engine,
			writer: new TableWriter({
				route,
				topic: TOPIC,
				topicId: "id",
				engine,
				clusterId: "cluster",
				deadLetters: new DeadLetterTable(memoryEngine()),
				config,
			}),
		};
	});
	for (const { writer } of [mirror, history] as NonNullable<typeof mirror>[]) {
		await writer.load(0);
		feed(writer, [
			["c", { id: 1 }, { id: 1, v: "a" }],
			["u", { id: 1 }, { id: 1, v: "b" }],
			["d", { id: 1 }, null, { id: 1, v: "b" }],
			["c", { id: 2 }, { id: 2, v: "c" }],
		]);
		await writer.flush();
	}
	expect(await rowsOf(mirror?.engine as Engine)).toEqual(["2 c"]);
	expect(await rowsOf(history?.engine as Engine)).toEqual([
		"1 a",
		"1 b",
		"1 b",
		"2 c",
	]);
});

test("each partition's rows are in files of its own shard, and only they are touched by it", async () => {
	const { engine, writer } = table();
	for (const partition of [0, 1]) await writer.load(partition, 2);
	feed(writer, [["c", { id: 1 }, { id: 1, v: "a" }]], 0);
	feed(writer, [["c", { id: 2 }, { id: 2, v: "b" }]], 1);
	await writer.flush();
	const before = await snapshotOf(engine);
	expect(
		[...before.files.values()].map((file) => file.tags?.[SHARD_TAG]).sort(),
	).toEqual(["0/2", "1/2"]);
	feed(writer, [["u", { id: 2 }, { id: 2, v: "c" }]], 1);
	await writer.flush();
	const after = await snapshotOf(engine);
	const shard = (snapshot: Snapshot, name: string) =>
		[...snapshot.files.entries()]
			.filter(([, file]) => file.tags?.[SHARD_TAG] === name)
			.map(([key]) => key);
	expect(shard(after, "0/2")).toEqual(shard(before, "0/2"));
	expect(shard(after, "1/2")).not.toEqual(shard(before, "1/2"));
	expect(await rowsOf(engine)).toEqual(["1 a", "2 c"]);
});

test("keys that move when a topic gets more partitions do not become two rows", async () => {
	const { engine, writer } = table();
	await writer.load(0, 1);
	feed(writer, [["c", { id: 1 }, { id: 1, v: "a" }]], 0);
	await writer.flush();
	const next = table({}, engine).writer;
	for (const partition of [0, 1]) await next.load(partition, 2);
	feed(next, [["u", { id: 1 }, { id: 1, v: "b" }]], 1);
	await next.flush();
	expect(await rowsOf(engine)).toEqual(["1 b"]);
});

test("a restart reads no data file where its index is whole", async () => {
	const disk = openMemoryDisk();
	const { engine, writer } = table({}, engineOf(), disk);
	await writer.load(0);
	feed(writer, [["c", { id: 1 }, { id: 1, v: "a" }]]);
	await writer.flush();
	feed(writer, [["u", { id: 1 }, { id: 1, v: "b" }]]);
	await writer.flush();
	await writer.close();
	const read: string[] = [];
	const watched: Engine = {
		...engine,
		store: {
			...engine.store,
			get: (path, options) => {
				read.push(path);
				return engine.store.get(path, options);
			},
		},
	};
	const { writer: next } = table({}, watched, disk);
	await next.load(0);
	feed(next, [["u", { id: 1 }, { id: 1, v: "c" }]]);
	await next.flush();
	expect(read.filter((path) => path.endsWith(".parquet"))).toEqual([]);
	expect(await rowsOf(engine)).toEqual(["1 c"]);
});

test("an older state of a key never wins over a newer one in the same batch", () => {
	const keys = keysOf(["a", "b", "a", "b", "a", "c"]);
	const rows = (positions?: number[]) =>
		[
			...newestRows(
				keys,
				positions === undefined ? undefined : Float64Array.from(positions),
			),
		].sort();
	expect(rows()).toEqual([3, 4, 5]);
	expect(rows([9, 1, 5, 2, 5, 0])).toEqual([0, 3, 5]);
	// Equal or unknown positions: the later offset.
	expect(rows([5, 1, 5, 1, 5, 0])).toEqual([3, 4, 5]);
	const unknown = Number.NaN;
	expect(rows([9, 1, unknown, 1, unknown, 0])).toEqual([3, 4, 5]);
});

type Change = readonly [
	op: string,
	key: object,
	after: object | null,
	before?: object,
];

const offsets = new WeakMap<TableWriter, bigint[]>();

function feed(
	writer: TableWriter,
	changes: readonly Change[],
	partition = 0,
): (ReturnType<TableWriter["decode"]> | undefined)[] {
	const next = offsets.get(writer) ?? [];
	offsets.set(writer, next);
	return changes.map(([op, key, after, before]) => {
		const offset = next[partition] ?? writer.committedOffset(partition) + 1n;
		next[partition] = offset + 1n;
		return writer.decode({
			key: Buffer.from(JSON.stringify(key)),
			value: Buffer.from(
				JSON.stringify({
					op,
					before: before ?? null,
					after,
					source: { ts_ms: 1 },
					ts_ms: 2,
				}),
			),
			topic: TOPIC,
			partition,
			offset: Number(offset),
		});
	});
}

function table(
	options: Partial<WriterConfig> = {},
	engine: Engine = engineOf(),
	disk: MemoryDisk = openMemoryDisk(),
): { engine: Engine; writer: TableWriter } {
	const disks = new Map<string, MemoryDisk>();
	const writer = new TableWriter({
		route: { path: "items", mode: "upsert", source: "public.items" },
		topic: TOPIC,
		topicId: "id",
		engine,
		clusterId: "cluster",
		deadLetters: new DeadLetterTable(memoryEngine()),
		index: {
			memory: new IndexMemory(1 << 22),
			disk: (_, shard) => {
				const found =
					disks.get(shard) ?? (disks.size === 0 ? disk : openMemoryDisk());
				disks.set(shard, found);
				return found;
			},
		},
		config: configOf(options),
	});
	return { engine, writer };
}

function configOf(options: Partial<WriterConfig>): WriterConfig {
	return {
		pipeline: "default.shop",
		source: "postgresql",
		kafka: {
			brokers: [],
			groupId: "group",
			topics: /./,
			topicPrefix: "shop",
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
			maxRows: 10,
			maxBytes: 1e6,
			maxDelayMs: 100,
			maxTotalBytes: 2 ** 28,
		},
		port: undefined,
		...options,
	};
}

let engines = 0;

function engineOf(): Engine {
	const id = String(++engines).padStart(8, "0");
	let uuids = 0;
	return {
		store: openMemoryStore(),
		now: () => 1_760_000_000_000,
		uuid: () => `${id}-0000-4000-8000-${String(++uuids).padStart(12, "0")}`,
		sleep: async () => {},
		random: () => 0.5,
	};
}

async function snapshotOf(engine: Engine): Promise<Snapshot> {
	const snapshot = await loadSnapshot(engine);
	if (snapshot === undefined) throw new Error("no table");
	return snapshot;
}

/** `id v` of each row, and whether it is marked as deleted. */
async function rowsOf(engine: Engine): Promise<string[]> {
	const rows: string[] = [];
	for await (const batch of readTable(engine, await snapshotOf(engine))) {
		const read = (name: string, row: number) => {
			const i = batch.schema.fields.findIndex((field) => field.name === name);
			const vector = batch.columns[i];
			const type = batch.schema.fields[i]?.type;
			return vector === undefined || type === undefined
				? undefined
				: valueAt(vector, type, row);
		};
		for (let row = 0; row < batch.length; row++)
			rows.push(
				`${read("id", row)} ${read("v", row)}${read("_deleted", row) === true ? " deleted" : ""}`,
			);
	}
	return rows.sort();
}
