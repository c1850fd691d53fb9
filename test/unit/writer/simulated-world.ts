import type { Engine } from "../../../src/delta/engine.ts";
import type { Snapshot } from "../../../src/delta/snapshot.ts";
import type { Logger } from "../../../src/observe/log.ts";
import type { WriterMetrics } from "../../../src/observe/metrics.ts";
import { StorageError } from "../../../src/storage/errors.ts";
import {
	openMemoryStore,
	type StoredObject,
} from "../../../src/storage/memory.ts";
import type { ObjectStore } from "../../../src/storage/store.ts";
import type { Clock } from "../../../src/writer/clock.ts";
import type { WriterConfig } from "../../../src/writer/config.ts";
import { runWriter, type WriterHandle } from "../../../src/writer/writer.ts";
import { generator } from "../../support/seed.ts";
import { SimulatedKafka } from "./simulated-kafka.ts";

/** Ways to build the writer wrongly, each of which the simulation has to catch. */
export type Mutation =
	/** Rows are committed without the offsets that they came from. */
	| "skips-txn"
	/** A zombie does not see that another writer went further. */
	| "no-fence"
	/** An unknown outcome of a commit is taken for a success. */
	| "trusts-unknown";

export const PARTITIONS = 2;

/** How much happens in a world. */
export interface Scale {
	readonly topics: readonly string[];
	readonly records: number;
	readonly keys: number;
	/** Records per step. */
	readonly rate: number;
	/** Before trouble comes. */
	readonly quiet: number;
	readonly maxRows: number;
	readonly maxDelayMs: number;
	/** Of the world before calm comes, at least. */
	readonly steps: number;
	/** How often trouble comes, per step; a large world has longer to live. */
	readonly trouble: number;
	/** Whether a replay is run also where no table refused anything: there is nothing that it could bring in. */
	readonly replays: boolean;
}

const LARGE: Scale = {
	topics: ["shop.public.orders", "shop.public.users"],
	records: 60,
	keys: 7,
	rate: 0.1,
	quiet: 0,
	steps: 1500,
	trouble: 1,
	maxRows: 12,
	maxDelayMs: 2200,
	replays: true,
};
const MEDIUM: Scale = {
	...LARGE,
	records: 24,
	rate: 0.15,
	quiet: 60,
	steps: 500,
	trouble: 1.5,
	maxRows: 6,
	maxDelayMs: 1000,
};
/** The same kinds of trouble in a tenth of the time. */
const SMALL: Scale = {
	topics: ["shop.public.orders"],
	records: 10,
	keys: 4,
	rate: 0.15,
	quiet: 90,
	steps: 240,
	trouble: 1.2,
	maxRows: 4,
	maxDelayMs: 600,
	replays: false,
};

/** Something that waits for its turn. */
interface Turn {
	readonly go: () => void;
	readonly owner: Process;
	readonly commits: boolean;
	/** The step from which on its turn may come. */
	readonly from: number;
}

/** One world: Kafka, a bucket, some writers, and the order in which things happen. */
export class World {
	readonly random: () => number;
	readonly kafka: SimulatedKafka;
	readonly scale: Scale;
	readonly buckets = new Map<string, Map<string, StoredObject>>();
	/** Tables as the checks know them. */
	readonly snapshots = new Map<string, Snapshot>();
	now = 1_760_000_000_000;
	/** Of what nothing happens to. */
	ids = 0;
	/** A table has refused changes, or may have. */
	constrained = false;
	/** No more trouble: what is under way comes to its end. */
	calm = false;
	readonly #waiting: Turn[] = [];
	#steps = 0;
	#timers: { at: number; readonly run: () => void; readonly owner: Process }[] =
		[];

	constructor(seed: number) {
		this.scale = seed % 200 === 0 ? LARGE : seed % 20 === 0 ? MEDIUM : SMALL;
		this.random = generator(seed);
		this.kafka = new SimulatedKafka(this.random);
	}

	/** Some operations take long, commits above all: much can happen before they land. */
	turn(owner: Process, commits = false): Promise<void> {
		const held = commits && !this.calm && this.random() < 0.08;
		const from = held ? this.#steps + 15 + Math.floor(this.random() * 60) : 0;
		return new Promise((go) => {
			if (!owner.dead) this.#waiting.push({ go, owner, commits, from });
		});
	}

	/** Whether something is under way with which trouble would do the most harm. */
	get tense(): boolean {
		return this.#waiting.some(
			({ commits, from }) => commits || from > this.#steps,
		);
	}

	after(ms: number, run: () => void, owner: Process): () => void {
		const timer = { at: this.now + ms, run, owner };
		this.#timers.push(timer);
		return () => {
			this.#timers = this.#timers.filter((one) => one !== timer);
		};
	}

	/** Lets one thing happen, chosen by the seed. */
	async step(): Promise<void> {
		this.#steps++;
		const dice = this.random();
		if (dice < 0.6 && this.#release(false)) return await settle();
		if (dice < 0.85 && this.kafka.step()) return await settle();
		if (this.#fire() || this.#release(true) || this.kafka.step())
			return await settle();
		await settle();
	}

	#release(all: boolean): boolean {
		const able =
			all || this.calm
				? this.#waiting
				: this.#waiting.filter(({ from }) => from <= this.#steps);
		const next = able[Math.floor(this.random() * able.length)];
		if (next === undefined) return false;
		this.#waiting.splice(this.#waiting.indexOf(next), 1);
		if (!next.owner.dead) next.go();
		return true;
	}

	#fire(): boolean {
		this.#timers = this.#timers.filter(({ owner }) => !owner.dead);
		const next = this.#timers.sort((a, b) => a.at - b.at).shift();
		if (next === undefined) return false;
		this.now = Math.max(this.now, Math.ceil(next.at));
		next.run();
		return true;
	}
}

/** Everything goes on to where it waits for a turn or a timer. */
function settle(): Promise<void> {
	return new Promise((wake) => setImmediate(wake));
}

/** A writer process: killed, it does nothing any more, whatever it was at. */
export class Process {
	dead = false;
	readonly handle: WriterHandle;
	readonly #world: World;

	constructor(
		world: World,
		shared: {
			readonly config: WriterConfig;
			readonly log: Logger;
			readonly metrics: WriterMetrics;
			readonly mutation: Mutation | undefined;
		},
	) {
		this.#world = world;
		const clock: Clock = {
			now: () => world.now,
			sleep: (ms, signal) =>
				new Promise((done) => {
					if (signal?.aborted === true) done();
					const cancel = world.after(ms, done, this);
					signal?.addEventListener("abort", () => {
						cancel();
						done();
					});
				}),
			every: (ms, run) => {
				let cancel = (): void => {};
				const again = (): void => {
					cancel = world.after(ms, again, this);
					run();
				};
				cancel = world.after(ms, again, this);
				return () => cancel();
			},
		};
		let ids = 0;
		const me = Math.floor(world.random() * 2 ** 32).toString(16);
		this.handle = runWriter(shared.config, {
			log: shared.log,
			metrics: shared.metrics,
			clock,
			random: world.random,
			connect: async () =>
				world.kafka.source(
					() => world.turn(this),
					() => !world.calm && world.random() < 0.02,
					() => this.dead,
				),
			engineAt: (path): Engine => ({
				store: this.#store(path, shared.mutation),
				now: () => world.now,
				uuid: () =>
					`${me.padStart(8, "0")}-0000-4000-8000-${(++ids).toString(16).padStart(12, "0")}`,
				sleep: (ms) => clock.sleep(ms),
				random: world.random,
			}),
		});
	}

	kill(): void {
		this.dead = true;
	}

	#store(path: string, mutation: Mutation | undefined): ObjectStore {
		const world = this.#world;
		const objects = bucketOf(world, path);
		const store = openMemoryStore({
			objects,
			now: () => world.now,
			turn: (operation) => world.turn(this, operation === "putIfAbsent"),
			fault: (operation) => {
				if (world.calm) return undefined;
				const dice = world.random();
				// A commit without an answer may have taken effect, or not.
				if (operation === "putIfAbsent" && dice < 0.12)
					return { [dice < 0.07 ? "after" : "before"]: noAnswer() };
				return dice < 0.04 ? { before: noAnswer() } : undefined;
			},
		});
		return mutation === undefined ? store : broken(store, mutation);
	}
}

function noAnswer(): StorageError {
	return new StorageError(
		"STORAGE_UNREACHABLE",
		"the simulated store does not answer",
		{ retryable: true },
	);
}

function bucketOf(world: World, path: string): Map<string, StoredObject> {
	const found = world.buckets.get(path) ?? new Map<string, StoredObject>();
	world.buckets.set(path, found);
	return found;
}

function withoutTxn(body: Uint8Array): Uint8Array {
	return Buffer.from(
		Buffer.from(body)
			.toString()
			.split("\n")
			.filter((line) => !line.startsWith('{"txn"'))
			.join("\n"),
	);
}

function broken(store: ObjectStore, mutation: Mutation): ObjectStore {
	const isCommit = (path: string): boolean => /\/\d{20}\.json$/.test(path);
	switch (mutation) {
		case "skips-txn":
			return {
				...store,
				putIfAbsent: (path, body) =>
					store.putIfAbsent(path, isCommit(path) ? withoutTxn(body) : body),
			};
		case "no-fence": {
			let started = false;
			return {
				...store,
				get: async (path, options) => {
					const body = await store.get(path, options);
					if (!isCommit(path)) return body;
					// At its start it reads its positions; what comes later it does not look at.
					return started ? withoutTxn(body) : body;
				},
				put: async (path, body) => {
					started = true;
					await store.put(path, body);
				},
			};
		}
		case "trusts-unknown":
			return {
				...store,
				putIfAbsent: async (path, body) => {
					const outcome = await store.putIfAbsent(path, body);
					return outcome.kind === "unknown" ? { kind: "created" } : outcome;
				},
			};
	}
}

/** An engine that nothing happens to. */
export function reader(world: World, path: string): Engine {
	return {
		store: openMemoryStore({ objects: bucketOf(world, path) }),
		now: () => world.now,
		uuid: () =>
			`ffffffff-0000-4000-8000-${(++world.ids).toString(16).padStart(12, "0")}`,
		sleep: async () => {},
		random: () => 0,
	};
}
