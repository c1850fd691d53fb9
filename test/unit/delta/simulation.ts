import { deepStrictEqual, ok } from "node:assert/strict";
import type { Action, AddFile } from "../../../src/delta/actions.ts";
import { commit } from "../../../src/delta/commit.ts";
import { newTable } from "../../../src/delta/create.ts";
import type { Engine } from "../../../src/delta/engine.ts";
import { DeltaError } from "../../../src/delta/errors.ts";
import { writeLogCompaction } from "../../../src/delta/log-compaction.ts";
import {
	loadSnapshot,
	readCommit,
	type Snapshot,
} from "../../../src/delta/snapshot.ts";
import { transact } from "../../../src/delta/transaction.ts";
import {
	type Fault,
	type Operation,
	openMemoryStore,
	type StoredObject,
} from "../../../src/storage/memory.ts";
import type { ObjectStore } from "../../../src/storage/store.ts";
import { Crash, Scheduler } from "../../support/scheduler.ts";
import { generator, pick } from "./random.ts";
import { plain, SCHEMA } from "./table.ts";

/** Ways to build the engine wrongly, each of which the simulation has to catch. */
export type Mutation =
	/** An unknown outcome is taken for a success. */
	| "trusts-unknown"
	/** An unknown outcome is taken for a failure: the commit is tried again as the next version. */
	| "distrusts-unknown"
	/** Versions are replaced. */
	| "overwrites"
	/** Winners are not looked at. */
	| "ignores-conflicts"
	/** The position in the table is not looked at. */
	| "no-fence";

/** Checkpoints are what a seed costs: most have none. */
const CHECKPOINT_INTERVALS = [2, 5, 99, 99, 99, 99, 99, 99, 99, 99];
const BATCHES = 4;
const INCREMENTS = 3;
const APPENDERS = ["a", "b"];
const COUNTERS = ["x", "y"];

class Transient extends Error {}

/**
 * Writers of two kinds share a table: appenders add numbered batches under their own application id, as
 * writers do with offsets; counters replace one file by one that counts one more, as updates do. Requests
 * fail, responses get lost, listings are stale, clocks are slow or jump, processes crash between any two
 * operations and start again from the table.
 */
export async function simulate(
	seed: number,
	mutation?: Mutation,
): Promise<void> {
	const random = generator(seed);
	const scheduler = new Scheduler(random);
	const objects = new Map<string, StoredObject>();
	const configuration = {
		"delta.checkpointInterval": String(pick(random, CHECKPOINT_INTERVALS)),
		...(random() < 0.5 ? { "delta.checkpointPolicy": "v2" } : {}),
		...(random() < 0.5 ? { "delta.enableInCommitTimestamps": "true" } : {}),
		...(random() < 0.5 ? { "delta.enableRowTracking": "true" } : {}),
	};
	let ids = 0;
	let crashes = 24;

	const fault = (operation: Operation): Fault | undefined => {
		const dice = random();
		if (dice < 0.025 && crashes > 0) {
			crashes--;
			// The response of an operation that took effect may never come.
			return random() < 0.5 ? { before: new Crash() } : { after: new Crash() };
		}
		if (operation === "list" && dice < 0.15)
			return { hide: 1 + Math.floor(random() * 4) };
		if (operation === "putIfAbsent" && dice < 0.12)
			return { after: new Transient("lost response") };
		if (dice < 0.06) return { before: new Transient("not sent") };
		return undefined;
	};

	function startProcess(): Engine {
		// Clocks differ by minutes, and stand still at times.
		let clock = 1_700_000_000_000 + Math.floor(random() * 600_000);
		const store = openMemoryStore({
			objects,
			now: () => clock,
			turn: () => scheduler.turn(),
			fault,
		});
		return {
			store: mutation === undefined ? store : broken(store, mutation),
			now: () => {
				clock += Math.floor(random() * 3) * 500;
				return clock;
			},
			uuid: () =>
				`00000000-0000-4000-8000-${(++ids).toString(16).padStart(12, "0")}`,
			sleep: async () => {},
			random,
		};
	}

	/** A process that is started again until its work is done. */
	async function live(work: (engine: Engine) => Promise<void>): Promise<void> {
		for (let lives = 0; lives < 200; lives++) {
			try {
				await work(startProcess());
				return;
			} catch (error) {
				const causes = [error, (error as Error | undefined)?.cause];
				const expected = causes.some(
					(one) =>
						one instanceof Crash ||
						one instanceof Transient ||
						(one instanceof DeltaError && one.code === "DELTA_CONFLICT"),
				);
				if (!expected) throw error;
			}
		}
		throw new Error("two hundred lives were not enough");
	}

	const created = (engine: Engine, snapshot: Snapshot | undefined): Action[] =>
		snapshot === undefined
			? newTable({ schema: SCHEMA, configuration }, engine)
			: [];

	const appender = (name: string) =>
		live(async (engine) => {
			let snapshot = await loadSnapshot(engine);
			for (;;) {
				const base = snapshot;
				const next = (base?.txns.get(name)?.version ?? -1) + 1;
				if (next >= BATCHES) return;
				const outcome = await commit(engine, {
					base,
					plan: (current) => {
						const at = current?.txns.get(name)?.version ?? -1;
						if (at !== next - 1 && mutation !== "no-fence")
							return { kind: "abandon", reason: "fenced" };
						return {
							kind: "commit",
							info: { isBlindAppend: true },
							actions: [
								...created(engine, current),
								{ txn: { appId: name, version: next } },
								{ add: file(`${name}-${next}-${engine.uuid()}`, 10) },
							],
						};
					},
				});
				if (outcome.kind === "conflict") throw new Transient("lost every try");
				snapshot = outcome.snapshot;
				if (random() < 0.1 && snapshot !== undefined && snapshot.version > 1)
					await writeLogCompaction(
						engine,
						Math.floor(random() * (snapshot.version - 1)),
						snapshot.version,
					);
			}
		});

	const counter = (name: string) =>
		live(async (engine) => {
			for (;;) {
				const base = await loadSnapshot(engine);
				const done = base?.txns.get(name)?.version ?? -1;
				if (done + 1 >= INCREMENTS) return;
				const old = [...(base?.files.values() ?? [])].filter(({ path }) =>
					path.startsWith("count-"),
				);
				const count = Math.max(0, ...old.map(({ path }) => countOf(path)));
				await transact(engine, {
					base,
					reads:
						mutation === "ignores-conflicts"
							? {}
							: {
									files: old.map(({ path }) => path),
									matches: ({ path }) => path.startsWith("count-"),
								},
					actions: [
						...created(engine, base),
						{ txn: { appId: name, version: done + 1 } },
						...old.map(({ path }) => ({
							remove: {
								path,
								dataChange: true,
								deletionTimestamp: engine.now(),
							},
						})),
						{ add: file(`count-${count + 1}-${engine.uuid()}`, 1) },
					],
					info: { isBlindAppend: false },
				});
			}
		});

	await scheduler.run(
		Promise.all([
			...APPENDERS.map(appender),
			...COUNTERS.map(counter),
			// A second process under the same name: one of the two is a zombie.
			...(random() < 0.5 ? [appender(pick(random, APPENDERS))] : []),
		]),
	);
	await check(objects, random, `seed ${seed}`);
}

function file(path: string, rows: number): AddFile {
	return {
		path,
		partitionValues: {},
		size: 1,
		modificationTime: 1,
		dataChange: true,
		stats: `{"numRecords":${rows}}`,
	};
}

function countOf(path: string): number {
	return Number(path.split("-")[1]);
}

/** What has to be true of the table, whatever happened. */
async function check(
	objects: Map<string, StoredObject>,
	random: () => number,
	note: string,
): Promise<void> {
	const engine: Engine = {
		store: openMemoryStore({ objects }),
		now: () => 0,
		uuid: () => "",
		sleep: async () => {},
		random,
	};
	const snapshot = await loadSnapshot(engine);
	if (snapshot === undefined) throw new Error(`${note}: no table`);
	const files = [...snapshot.files.values()];
	// Every batch is there, once.
	deepStrictEqual(
		files
			.filter(({ path }) => !path.startsWith("count-"))
			.map(({ path }) => path.split("-").slice(0, 2).join("-"))
			.sort(),
		APPENDERS.flatMap((name) =>
			Array.from({ length: BATCHES }, (_, i) => `${name}-${i}`),
		).sort(),
		note,
	);
	// No increment is lost, none counted twice.
	const counts = files.filter(({ path }) => path.startsWith("count-"));
	deepStrictEqual(
		counts.map(({ path }) => countOf(path)),
		[COUNTERS.length * INCREMENTS],
		note,
	);
	// Time and positions go forward, in every version.
	const positions = new Map<string, number>();
	let time = Number.NEGATIVE_INFINITY;
	let commits = 0;
	for (let version = 0; version <= snapshot.version; version++) {
		const actions = await readCommit(engine, version);
		ok(actions !== undefined, `${note}: version ${version} is missing`);
		for (const action of actions ?? [])
			if ("txn" in action) {
				const { appId, version: position } = action.txn;
				deepStrictEqual(position, (positions.get(appId) ?? -1) + 1, note);
				positions.set(appId, position);
				commits++;
			} else if (
				"commitInfo" in action &&
				action.commitInfo.inCommitTimestamp !== undefined
			) {
				ok(action.commitInfo.inCommitTimestamp > time, note);
				time = action.commitInfo.inCommitTimestamp;
			}
	}
	deepStrictEqual(commits, snapshot.version + 1, note);
	// No two files share row ids.
	const ranges = files
		.filter(({ baseRowId }) => baseRowId !== undefined)
		.map(({ baseRowId, path }) => ({
			start: baseRowId ?? 0,
			end: (baseRowId ?? 0) + (path.startsWith("count-") ? 1 : 10),
		}))
		.sort((a, b) => a.start - b.start);
	for (const [i, { start }] of ranges.entries())
		if (i > 0) ok(start >= (ranges[i - 1]?.end ?? 0), note);
	// Checkpoints and log compaction files tell the same as the commits alone.
	const state = plain(snapshot);
	for (const path of [...objects.keys()])
		if (/checkpoint|compacted|crc/.test(path)) objects.delete(path);
	deepStrictEqual(plain(await loadSnapshot(engine)), state, note);
}

function broken(store: ObjectStore, mutation: Mutation): ObjectStore {
	const { putIfAbsent } = store;
	switch (mutation) {
		case "trusts-unknown":
			return {
				...store,
				putIfAbsent: async (path, body) => {
					const outcome = await putIfAbsent(path, body);
					return outcome.kind === "unknown" ? { kind: "created" } : outcome;
				},
			};
		case "distrusts-unknown":
			return {
				...store,
				putIfAbsent: async (path, body) => {
					const outcome = await putIfAbsent(path, body);
					// What is there then has another id.
					if (outcome.kind !== "unknown") return outcome;
					await putIfAbsent(
						path,
						Buffer.from(
							Buffer.from(body)
								.toString()
								.replace(/"txnId":"[^"]*"/, ""),
						),
					);
					return { kind: "exists" };
				},
				get: async (path, options) => {
					const body = await store.get(path, options);
					return path.endsWith(".json")
						? Buffer.from(
								Buffer.from(body)
									.toString()
									.replaceAll(/"txnId":"[^"]*"/g, '"txnId":"?"'),
							)
						: body;
				},
			};
		case "overwrites":
			return {
				...store,
				putIfAbsent: async (path, body) => {
					await store.put(path, body);
					return { kind: "created" };
				},
			};
		default:
			return store;
	}
}
