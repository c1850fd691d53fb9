import { expect, test } from "vitest";
import { vectorOf } from "../../../src/columnar/literal.ts";
import { field, struct } from "../../../src/columnar/types.ts";
import type { Action } from "../../../src/delta/actions.ts";
import { commit } from "../../../src/delta/commit.ts";
import { newTable } from "../../../src/delta/create.ts";
import type { Engine } from "../../../src/delta/engine.ts";
import { commitPath } from "../../../src/delta/log.ts";
import { loadSnapshot } from "../../../src/delta/snapshot.ts";
import {
	type Fault,
	type MemoryStoreOptions,
	type Operation,
	openMemoryStore,
	type StoredObject,
} from "../../../src/storage/memory.ts";

const SCHEMA = struct(field("id", "long"));
const SEEDS = Number(
	process.env.SIMULATION_SEEDS ?? (process.env.TEST_LONG ? 10_000 : 300),
);

function engineOver(options: MemoryStoreOptions, random: () => number): Engine {
	let ids = 0;
	return {
		store: openMemoryStore(options),
		now: () => 1,
		uuid: () =>
			`00000000-0000-4000-8000-${Math.floor(random() * 1e8)
				.toString(16)
				.padStart(8, "0")}${(ids++).toString(16).padStart(4, "0")}`,
		sleep: async () => {},
		random,
	};
}

function generator(seed: number): () => number {
	let state = seed >>> 0 || 1;
	return () => {
		state ^= state << 13;
		state >>>= 0;
		state ^= state >>> 17;
		state ^= state << 5;
		state >>>= 0;
		return state / 2 ** 32;
	};
}

class Crash extends Error {}

/** Lets one of the waiting operations go on at a time, chosen by the seed. */
class Scheduler {
	readonly #waiting: (() => void)[] = [];
	readonly #random: () => number;
	constructor(random: () => number) {
		this.#random = random;
	}
	turn(): Promise<void> {
		return new Promise((go) => this.#waiting.push(go));
	}
	async run(all: Promise<unknown>): Promise<void> {
		let done = false;
		const ended = all.finally(() => {
			done = true;
		});
		while (!done) {
			const [next] = this.#waiting.splice(
				Math.floor(this.#random() * this.#waiting.length),
				1,
			);
			next?.();
			for (let i = 0; i < 20; i++) await Promise.resolve();
			if (next === undefined) await new Promise((wake) => setImmediate(wake));
		}
		await ended;
	}
}

/**
 * Three writers append the same stream of numbered batches each under its own application id, as
 * writers do with offsets; requests fail, responses get lost, writers crash and start again.
 */
async function simulate(seed: number, broken: boolean): Promise<void> {
	const random = generator(seed);
	const scheduler = new Scheduler(random);
	const objects = new Map<string, StoredObject>();
	const fault = (operation: Operation): Fault | undefined => {
		const dice = random();
		if (dice < 0.03) throw new Crash();
		if (operation === "putIfAbsent" && dice < 0.12)
			return { after: new Error("lost response") };
		if (operation === "putIfAbsent" && dice < 0.2)
			return { before: new Error("not sent") };
		return undefined;
	};
	const BATCHES = 6;
	const writer = async (name: string): Promise<void> => {
		for (let lives = 0; lives < 40; lives++) {
			const engine = engineOver(
				{
					objects,
					turn: () => scheduler.turn(),
					fault: (operation) => fault(operation),
				},
				random,
			);
			if (broken) {
				const put = engine.store.putIfAbsent.bind(engine.store);
				Object.assign(engine.store, {
					// The fault that it has to catch: an unknown outcome is taken for a success.
					putIfAbsent: async (path: string, body: Uint8Array) => {
						const outcome = await put(path, body);
						return outcome.kind === "unknown" ? { kind: "created" } : outcome;
					},
				});
			}
			try {
				let snapshot = await loadSnapshot(engine);
				let next = (snapshot?.txns.get(name)?.version ?? -1) + 1;
				for (; next < BATCHES; next++) {
					const outcome = await commit(engine, {
						base: snapshot,
						plan: (current) => {
							if ((current?.txns.get(name)?.version ?? -1) !== next - 1)
								return { kind: "abandon", reason: "fenced" };
							const actions: Action[] = [
								{ txn: { appId: name, version: next } },
								{
									add: {
										path: `${name}-${next}-${lives}.parquet`,
										partitionValues: {},
										size: 1,
										modificationTime: 1,
										dataChange: true,
									},
								},
							];
							return {
								kind: "commit",
								info: {},
								actions:
									current === undefined
										? [...newTable({ schema: SCHEMA }, engine), ...actions]
										: actions,
							};
						},
					});
					if (outcome.kind !== "committed") throw new Error(outcome.kind);
					snapshot = outcome.snapshot;
				}
				return;
			} catch (error) {
				if (
					!(error instanceof Crash) &&
					!(
						error instanceof Error &&
						/lost response|not sent|abandoned/.test(error.message)
					)
				)
					throw error;
			}
		}
		throw new Error("forty lives were not enough");
	};
	const names = ["a", "b", "c"];
	await scheduler.run(Promise.all(names.map((name) => writer(name))));

	const reader = engineOver({ objects }, random);
	const snapshot = await loadSnapshot(reader);
	const files = [...(snapshot?.files.keys() ?? [])]
		.map((path) => path.split("-").slice(0, 2).join("-"))
		.sort();
	expect(files, `seed ${seed}`).toEqual(
		names
			.flatMap((name) =>
				Array.from({ length: BATCHES }, (_, i) => `${name}-${i}`),
			)
			.sort(),
	);
	for (let version = 0; version <= (snapshot?.version ?? -1); version++)
		expect(objects.has(commitPath(version)), `seed ${seed}`).toBe(true);
	// Without its checkpoints the log has to tell the same.
	for (const path of [...objects.keys()])
		if (path.includes("checkpoint")) objects.delete(path);
	const replayed = await loadSnapshot(reader);
	expect([...(replayed?.files.keys() ?? [])].sort(), `seed ${seed}`).toEqual(
		[...(snapshot?.files.keys() ?? [])].sort(),
	);
	expect(replayed?.txns.get("a")?.version, `seed ${seed}`).toBe(
		snapshot?.txns.get("a")?.version,
	);
}

test(`${SEEDS} seeds of crashes, races and lost responses lose no batch and write none twice`, async () => {
	for (let seed = 1; seed <= SEEDS; seed++) await simulate(seed, false);
});

test("the simulation catches a commit that trusts an unknown outcome", async () => {
	let caught = 0;
	for (let seed = 1; seed <= 40; seed++)
		await simulate(seed, true).catch(() => caught++);
	expect(caught).toBeGreaterThan(0);
});

test("a gap in the log, an unknown reader feature and a broken commit are named", async () => {
	const engine = engineOver({}, generator(3));
	const created = await commit(engine, {
		base: undefined,
		plan: () => ({
			kind: "commit",
			info: {},
			actions: newTable({ schema: SCHEMA }, engine),
		}),
	});
	expect(created.kind).toBe("committed");
	await engine.store.put(commitPath(2), Buffer.from('{"commitInfo":{}}\n'));
	await expect(loadSnapshot(engine)).rejects.toMatchObject({
		code: "DELTA_LOG_GAP",
		message: expect.stringContaining("version 1 is missing"),
	});
	await engine.store.put(
		commitPath(1),
		Buffer.from(
			'{"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["timeTravelLoops"],"writerFeatures":["timeTravelLoops"]}}\n',
		),
	);
	await expect(loadSnapshot(engine)).rejects.toMatchObject({
		code: "DELTA_UNSUPPORTED_READER",
		message: expect.stringContaining("timeTravelLoops"),
	});
	await engine.store.put(commitPath(1), Buffer.from("{broken\n"));
	await expect(loadSnapshot(engine)).rejects.toMatchObject({
		code: "DELTA_LOG_INVALID",
		message: expect.stringContaining("line 1"),
	});
	expect(vectorOf("long", [1n]).length).toBe(1);
});
