import { expect, test } from "vitest";
import type { Engine } from "../../../src/delta/engine.ts";
import { readTable } from "../../../src/delta/scan.ts";
import { loadSnapshot } from "../../../src/delta/snapshot.ts";
import { openMemoryStore } from "../../../src/storage/memory.ts";
import { DEFAULT_SESSION_TIMEOUT_MS } from "../../../src/writer/config.ts";
import { DeadLetterTable } from "../../../src/writer/dead-letter-table.ts";
import { TableWriter } from "../../../src/writer/table-writer.ts";

import { memoryEngine } from "../delta/table.ts";

const TOPIC = "shop.public.invoices";

test("a source that was emptied, and stays so, leaves no rows in its mirror", async () => {
	const engine = engineOf();
	const writer = writerOf(engine);
	expect(await writer.load(0)).toBeUndefined();
	for (let id = 0; id < 3; id++)
		writer.decode(record(id, { op: "c", before: null, after: { id } }, { id }));
	await writer.flush();
	expect(await rowsOf(engine)).toBe(3);
	writer.decode(record(3, { op: "t", before: null, after: null }, null));
	const outcome = await writer.flush();
	expect(outcome.kind).toBe("committed");
	expect(await rowsOf(engine)).toBe(0);

	// Another process goes on behind the record that emptied it.
	const next = writerOf(engine);
	expect(await next.load(0)).toBe(3n);
	next.decode(
		record(4, { op: "c", before: null, after: { id: 1 } }, { id: 1 }),
	);
	await next.flush();
	expect(await rowsOf(engine)).toBe(1);
});

test("a source that is emptied before it had a row makes no table", async () => {
	const engine = engineOf();
	const writer = writerOf(engine);
	await writer.load(0);
	writer.decode(record(0, { op: "t", before: null, after: null }, null));
	expect(await writer.flush()).toEqual({ kind: "nothing" });
	expect(await loadSnapshot(engine)).toBeUndefined();
});

function engineOf(): Engine {
	let uuids = 0;
	return {
		store: openMemoryStore(),
		now: () => 1_760_000_000_000,
		uuid: () => `00000000-0000-4000-8000-${String(++uuids).padStart(12, "0")}`,
		sleep: async () => {},
		random: () => 0.5,
	};
}

function writerOf(engine: Engine): TableWriter {
	return new TableWriter({
		route: { path: "invoices", mode: "upsert", source: "public.invoices" },
		topic: TOPIC,
		topicId: "id",
		engine,
		clusterId: "cluster",
		deadLetters: new DeadLetterTable(memoryEngine()),
		config: {
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
		},
	});
}

function record(offset: number, envelope: object, key: object | null) {
	return {
		key: key === null ? null : Buffer.from(JSON.stringify(key)),
		value: Buffer.from(
			JSON.stringify({ ...envelope, source: { ts_ms: 1 }, ts_ms: 2 }),
		),
		topic: TOPIC,
		partition: 0,
		offset,
	};
}

async function rowsOf(engine: Engine): Promise<number> {
	const snapshot = await loadSnapshot(engine);
	if (snapshot === undefined) throw new Error("no table");
	let rows = 0;
	for await (const batch of readTable(engine, snapshot)) rows += batch.length;
	return rows;
}
