import { expect, test } from "vitest";
import {
	LeaseElection,
	type LeaseRecord,
	type LeaseSpec,
	type LeaseStore,
} from "../../../src/kube/lease.ts";
import { seeded, VirtualClock } from "./virtual-clock.ts";

/** A lease in memory that answers late, never, or not at all, as told. */
function memoryLease(
	clock: VirtualClock,
	mood: () => { delayMs: number; fails: "no" | "before" | "after" },
) {
	let current: LeaseRecord | undefined;
	let version = 0;

	async function act<T>(signal: AbortSignal, run: () => T): Promise<T> {
		const { delayMs, fails } = mood();
		const wait = (ms: number): Promise<void> =>
			new Promise((resolve, reject) => {
				const cancel = clock.after(ms, resolve);
				signal.addEventListener("abort", () => {
					cancel();
					reject(signal.reason);
				});
			});
		// The request is on its way even when the caller gives up: it may still arrive.
		const { promise, resolve, reject } = Promise.withResolvers<T>();
		clock.after(delayMs / 2, () => {
			if (fails === "before") return reject(new Error("refused"));
			const result = run();
			if (fails === "after") return reject(new Error("lost"));
			clock.after(delayMs / 2, () => resolve(result));
		});
		return Promise.race([promise, wait(1e9).then(() => promise)]);
	}

	const store: LeaseStore = {
		get: (signal) => act(signal, () => current),
		create: (spec, signal) =>
			act(signal, () => {
				if (current !== undefined) return undefined;
				current = { version: String(++version), spec };
				return current;
			}),
		update: (record, signal) =>
			act(signal, () => {
				if (current?.version !== record.version) return undefined;
				current = { version: String(++version), spec: record.spec };
				return current;
			}),
	};
	return {
		store,
		get spec(): LeaseSpec | undefined {
			return current?.spec;
		},
	};
}

const calm = () => ({ delayMs: 10, fails: "no" as const });

function candidate(
	clock: VirtualClock,
	store: LeaseStore,
	identity: string,
	leaders: Set<string>,
) {
	const stop = new AbortController();
	const election = new LeaseElection({ store, clock, identity });
	const done = election.run(stop.signal, async (term) => {
		leaders.add(identity);
		await new Promise((resolve) =>
			term.addEventListener("abort", resolve, { once: true }),
		);
		leaders.delete(identity);
	});
	return { election, stop, done };
}

test("one of two candidates leads, and the other follows at once when it resigns", async () => {
	const clock = new VirtualClock();
	const lease = memoryLease(clock, calm);
	const leaders = new Set<string>();
	const a = candidate(clock, lease.store, "a", leaders);
	await clock.advance(100);
	const b = candidate(clock, lease.store, "b", leaders);
	await clock.advance(60_000);
	expect([...leaders]).toEqual(["a"]);
	a.stop.abort();
	await clock.advance(4_000);
	await a.done;
	expect([...leaders]).toEqual(["b"]);
	expect(lease.spec?.leaseTransitions).toBe(1);
	b.stop.abort();
	await clock.advance(1_000);
	await b.done;
	expect(lease.spec?.holderIdentity).toBe("");
});

test("a leader that can't reach the API server stops before another may start", async () => {
	const clock = new VirtualClock();
	let cut = false;
	const lease = memoryLease(clock, calm);
	const silent = (signal: AbortSignal): Promise<never> =>
		new Promise((_, reject) =>
			signal.addEventListener("abort", () => reject(signal.reason)),
		);
	const cuttable: LeaseStore = {
		get: (signal) => (cut ? silent(signal) : lease.store.get(signal)),
		create: (spec, signal) =>
			cut ? silent(signal) : lease.store.create(spec, signal),
		update: (record, signal) =>
			cut ? silent(signal) : lease.store.update(record, signal),
	};
	const leaders = new Set<string>();
	const a = candidate(clock, cuttable, "a", leaders);
	await clock.advance(5_000);
	const b = candidate(clock, lease.store, "b", leaders);
	await clock.advance(5_000);
	expect([...leaders]).toEqual(["a"]);
	cut = true;
	await clock.advance(10_000);
	expect(a.election.isLeader).toBe(false);
	expect([...leaders]).toEqual([]);
	await clock.advance(10_000);
	expect([...leaders]).toEqual(["b"]);
	a.stop.abort();
	b.stop.abort();
	await clock.advance(5_000);
	await Promise.all([a.done, b.done]);
});

test.each(Array.from({ length: 40 }, (_, i) => 7000 + i))(
	"there are never two leaders, however the API server behaves (seed %i)",
	async (seed) => {
		const random = seeded(seed);
		const clock = new VirtualClock(random);
		const lease = memoryLease(clock, () => {
			const chance = random();
			return {
				delayMs: random() < 0.15 ? random() * 20_000 : random() * 200,
				fails: chance < 0.1 ? "before" : chance < 0.2 ? "after" : "no",
			};
		});
		const leaders = new Set<string>();
		const running = new Map<string, ReturnType<typeof candidate>>();
		let terms = 0;
		let worst = 0;
		for (let step = 0; step < 250; step++) {
			for (const name of ["a", "b", "c"]) {
				const here = running.get(name);
				if (here === undefined) {
					const next = candidate(clock, lease.store, name, leaders);
					running.set(name, next);
					void next.done.then(() => {
						terms++;
						running.delete(name);
					});
				} else if (random() < 0.01) here.stop.abort();
			}
			await clock.advance(random() * 2_000);
			const claims = [...running.values()].filter(
				({ election }) => election.isLeader,
			).length;
			worst = Math.max(worst, claims, leaders.size);
		}
		for (const { stop } of running.values()) stop.abort();
		await clock.advance(60_000);
		expect(worst).toBe(1);
		expect(terms).toBeGreaterThan(0);
	},
);
