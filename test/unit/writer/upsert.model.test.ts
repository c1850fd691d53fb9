import { expect, test } from "vitest";
import { concat } from "../../../src/columnar/batch.ts";
import { valueAt } from "../../../src/columnar/value.ts";
import type { Batch } from "../../../src/columnar/vector.ts";
import type { Action } from "../../../src/delta/actions.ts";
import { commit } from "../../../src/delta/commit.ts";
import type { Engine } from "../../../src/delta/engine.ts";
import { fileKey } from "../../../src/delta/file-key.ts";
import { readTable } from "../../../src/delta/scan.ts";
import { loadSnapshot } from "../../../src/delta/snapshot.ts";
import { stageFiles } from "../../../src/delta/stage.ts";
import {
	predicate,
	removal,
	stageDelete,
} from "../../../src/delta/stage-delete.ts";
import { IndexMemory } from "../../../src/index/key-index.ts";
import { optimize } from "../../../src/maintain/optimize.ts";
import { openMemoryStore } from "../../../src/storage/memory.ts";
import {
	type MemoryDisk,
	openMemoryDisk,
} from "../../../src/storage/memory-disk.ts";
import type { ObjectStore } from "../../../src/storage/store.ts";
import { DEFAULT_SESSION_TIMEOUT_MS } from "../../../src/writer/config.ts";
import { DeadLetterTable } from "../../../src/writer/dead-letter-table.ts";
import { TableWriter } from "../../../src/writer/table-writer.ts";
import { generator, seedOf } from "../../support/seed.ts";

import { memoryEngine } from "../delta/table.ts";

const TOPIC = "shop.public.items";
const PARTITIONS = 3;
const NOW = 1_760_000_000_000;

class Crash extends Error {}

interface Event {
	readonly id: number;
	readonly value: number | undefined;
}

/** The model: the log of each partition; what a table must hold once it has read them all. */
class Source {
	readonly logs: Event[][] = Array.from({ length: PARTITIONS }, () => []);

	add(event: Event): void {
		this.logs[event.id % PARTITIONS]?.push(event);
	}

	/** Ids that someone else deleted from the table, and the offset that the table was at. */
	readonly erased = new Map<number, number>();

	rows(upTo: readonly number[]): Map<number, number> {
		const rows = new Map<number, number>();
		for (const [partition, log] of this.logs.entries())
			for (const [offset, { id, value }] of log
				.slice(0, upTo[partition])
				.entries())
				if (value === undefined || offset < (this.erased.get(id) ?? 0))
					rows.delete(id);
				else rows.set(id, value);
		return rows;
	}
}

for (const keys of ["int", "composite", "long text"] as const)
	test(`a mirror by ${keys} key holds what its source holds, whatever crashes, races and indexes it met`, async () => {
		const seed = seedOf();
		console.log(`seed ${seed}`);
		let carried = 0;
		for (let run = 0; run < 4; run++)
			try {
				carried += await model(generator(seed + run), keys);
			} catch (cause) {
				throw new Error(`seed ${seed}, run ${run}`, { cause });
			}
		// Otherwise compaction met no writer, and the test says nothing of that.
		expect(carried).toBeGreaterThan(0);
	}, 120_000);

async function model(
	random: () => number,
	keyKind: "int" | "composite" | "long text",
): Promise<number> {
	/** Rows that writers deleted while compaction wrote them again. */
	let carried = 0;
	const int = (below: number): number => Math.floor(random() * below);
	const store = openMemoryStore({ now: () => NOW });
	const source = new Source();
	const disks = new Map<string, MemoryDisk>();
	let crashAfter = Number.POSITIVE_INFINITY;
	const engine = engineOf(store, random, () => {
		if (--crashAfter < 0) throw new Crash();
	});
	// Each process has its own partitions, and its own disk.
	let owned: number[][] = [[0, 1, 2]];
	let writers = owned.map((_, n) => open(n));
	for (let step = 0; step < 60; step++) {
		for (let n = int(60); n > 0; n--)
			source.add({
				id: int(120),
				value: int(4) === 0 ? undefined : int(1e6),
			});
		if (int(12) === 0) {
			// A rebalance: partitions move between processes.
			owned = int(2) === 0 ? [[0, 1, 2]] : [[0, 2], [1]];
			writers = owned.map((_, n) => open(n));
		}
		if (int(6) === 0)
			for (const disk of disks.values())
				switch (int(3)) {
					case 0:
						disk.crash(random);
						break;
					case 1:
						for (const file of await disk.list()) await disk.remove(file);
						break;
					case 2:
						for (const file of await disk.list())
							disk.damage(file, int(disk.size(file)));
				}
		crashAfter = int(3) === 0 ? int(40) : Number.POSITIVE_INFINITY;
		await Promise.all([
			...writers.map(async (_, n) => {
				try {
					await consume(n);
				} catch (error) {
					if (!(error instanceof Crash)) throw error;
					writers[n] = open(n);
				}
			}),
			...(int(4) === 0 ? [interfere()] : []),
			...(int(5) === 0 ? [compact()] : []),
		]);
		crashAfter = Number.POSITIVE_INFINITY;
		await check();
	}
	for (const [n] of writers.entries()) await consume(n, true);
	await check(source.logs.map((log) => log.length));
	return carried;

	function open(n: number): TableWriter {
		return writerOf(engine, {
			memory: new IndexMemory(int(2) === 0 ? 1 << 16 : 1 << 22),
			disk: (tableId, shard) => {
				const name = `${n} ${tableId} ${shard}`;
				const disk = disks.get(name) ?? openMemoryDisk();
				disks.set(name, disk);
				return disk;
			},
		});
	}

	async function consume(n: number, all = false): Promise<void> {
		const writer = writers[n] as TableWriter;
		for (const partition of owned[n] ?? []) {
			const position = await writer.load(partition, PARTITIONS);
			const log = source.logs[partition] as Event[];
			const from = position === undefined ? 0 : Number(position) + 1;
			const to = all ? log.length : from + int(log.length - from + 1);
			for (let offset = from; offset < to; offset++)
				writer.decode(
					record(partition, offset, log[offset] as Event, keyKind, random),
				);
		}
		for (;;) {
			const outcome = await writer.flush();
			if (outcome.kind === "fenced") writers[n] = open(n);
			if (!all || outcome.kind === "nothing") return;
		}
	}

	/** Compaction, which may die too. */
	async function compact(): Promise<void> {
		try {
			const base = await loadSnapshot(engine);
			if (base === undefined) return;
			// A table of nothing but deleted rows has no `value` yet.
			const columns = ["value", "n"].filter((wanted) =>
				base.schema.fields.some(({ name }) => name === wanted),
			);
			const result = await optimize(engine, base, {
				targetBytes: 2000 + int(20_000),
				purge: int(2) === 0,
				...(int(3) === 0 ? { zOrderBy: columns } : {}),
			});
			carried += result.rowsCarried;
		} catch (error) {
			if (!(error instanceof Crash)) throw error;
		}
	}

	/** Another engine writes files anew, without our tags, or deletes a row. */
	async function interfere(): Promise<void> {
		const other = engineOf(store, random, () => {});
		const base = await loadSnapshot(other);
		if (base === undefined || base.files.size === 0) return;
		let actions: readonly Action[];
		const erased = int(120);
		const rewrites = int(2) === 0;
		if (rewrites) {
			const files = [...base.files.values()].filter(() => int(3) === 0);
			const batches: Batch[] = [];
			for await (const batch of readTable(other, base, { files }))
				batches.push(batch);
			if (batches.length === 0) return;
			const staged = await stageFiles(other, base, concat(batches), {
				kept: true,
			});
			actions = [
				...files.map((file) => ({ remove: removal(file, 0) })),
				...staged.map(({ add }) => ({ add })),
			];
		} else {
			const where = predicate(base, `n = ${erased}`);
			({ actions } = await stageDelete(other, base, where));
		}
		const outcome = await commit(other, {
			base,
			plan: (snapshot) =>
				actions.some(
					(action) =>
						"remove" in action && !snapshot?.files.has(fileKey(action.remove)),
				)
					? { kind: "abandon", reason: "stale" }
					: {
							kind: "commit",
							actions,
							info: { operation: rewrites ? "OPTIMIZE" : "DELETE" },
						},
		});
		if (outcome.kind === "committed" && !rewrites) {
			const at = base.txns.get(appIdOf(erased % PARTITIONS))?.version ?? -1;
			source.erased.set(erased, at + 1);
		}
	}

	async function check(expected?: readonly number[]): Promise<void> {
		const plain = engineOf(store, random, () => {});
		const snapshot = await loadSnapshot(plain);
		if (snapshot === undefined) return;
		const upTo = source.logs.map(
			(_, partition) =>
				(snapshot.txns.get(appIdOf(partition))?.version ?? -1) + 1,
		);
		if (expected !== undefined) expect(upTo).toEqual(expected);
		const found = new Map<number, number>();
		for await (const batch of readTable(plain, snapshot)) {
			const at = (name: string): number =>
				batch.schema.fields.findIndex((field) => field.name === name);
			const [id, value] = [at("n"), at("value")];
			for (let row = 0; row < batch.length; row++) {
				const read = (i: number): number =>
					Number(
						valueAt(
							batch.columns[i] as (typeof batch.columns)[number],
							"long",
							row,
						),
					);
				if (found.has(read(id))) throw new Error(`two rows of ${read(id)}`);
				found.set(read(id), read(value));
			}
		}
		const byId = ([a]: [number, number], [b]: [number, number]) => a - b;
		expect([...found].sort(byId)).toEqual([...source.rows(upTo)].sort(byId));
	}
}

function appIdOf(partition: number): string {
	return `tributary/default.shop/cluster/${TOPIC}/id/${partition}`;
}

function engineOf(
	store: ObjectStore,
	random: () => number,
	effect: () => void,
): Engine {
	let uuids = 0;
	const process = Math.floor(random() * 1e9);
	return {
		// A crash may come before or after what the store was asked for.
		store: {
			...store,
			put: async (...args) => {
				effect();
				const result = await store.put(...args);
				effect();
				return result;
			},
			putIfAbsent: async (...args) => {
				effect();
				const result = await store.putIfAbsent(...args);
				effect();
				return result;
			},
			get: async (...args) => {
				effect();
				return await store.get(...args);
			},
		},
		now: () => NOW,
		uuid: () =>
			`${process.toString(16).padStart(8, "0")}-0000-4000-8000-${String(++uuids).padStart(12, "0")}`,
		sleep: async () => {},
		random,
	};
}

function writerOf(
	engine: Engine,
	index: NonNullable<ConstructorParameters<typeof TableWriter>[0]["index"]>,
): TableWriter {
	return new TableWriter({
		route: { path: "items", mode: "upsert", source: "public.items" },
		topic: TOPIC,
		topicId: "id",
		engine,
		clusterId: "cluster",
		deadLetters: new DeadLetterTable(memoryEngine()),
		index,
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

function record(
	partition: number,
	offset: number,
	{ id, value }: Event,
	keyKind: "int" | "composite" | "long text",
	random: () => number,
) {
	const key =
		keyKind === "int"
			? { id }
			: keyKind === "composite"
				? { tenant: `tenant ${id % 7}`, id }
				: { name: `the name of a thing that is number ${id}` };
	const row = { ...key, n: id };
	const gone = value === undefined;
	return {
		key: Buffer.from(JSON.stringify(key)),
		value: Buffer.from(
			JSON.stringify({
				op: gone ? "d" : "u",
				before: gone && random() < 0.5 ? row : null,
				after: gone ? null : { ...row, value },
				source: { ts_ms: 1 },
				ts_ms: 2,
			}),
		),
		topic: TOPIC,
		partition,
		offset,
	};
}
