import { expect, test } from "vitest";
import type { Clock } from "../../../src/kube/clock.ts";
import { LeaseElection, type LeaseStore } from "../../../src/kube/lease.ts";
import { memoryLease } from "./simulation/election.ts";
import { ProcessClock } from "./simulation/process-clock.ts";
import { VirtualClock } from "./virtual-clock.ts";

const calm = () => ({ delayMs: 10, fails: "no" as const });

function candidate(
	clock: Clock,
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
	const a = candidate(
		clock,
		lease.storeFor(new ProcessClock(clock)),
		"a",
		leaders,
	);
	await clock.advance(100);
	const b = candidate(
		clock,
		lease.storeFor(new ProcessClock(clock)),
		"b",
		leaders,
	);
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
	const store = lease.storeFor(new ProcessClock(clock));
	const cuttable: LeaseStore = {
		get: (signal) => (cut ? silent(signal) : store.get(signal)),
		create: (spec, signal) =>
			cut ? silent(signal) : store.create(spec, signal),
		update: (record, signal) =>
			cut ? silent(signal) : store.update(record, signal),
	};
	const leaders = new Set<string>();
	const a = candidate(clock, cuttable, "a", leaders);
	await clock.advance(5_000);
	const b = candidate(
		clock,
		lease.storeFor(new ProcessClock(clock)),
		"b",
		leaders,
	);
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

test.each(["stopped", "suspended"] as const)(
	"a leader that was %s for longer than its term does not go on as if nothing had been",
	async (kind) => {
		const world = new VirtualClock();
		const lease = memoryLease(world, calm);
		const leaders = new Set<string>();
		const clocks = { a: new ProcessClock(world), b: new ProcessClock(world) };
		const a = candidate(clocks.a, lease.storeFor(clocks.a), "a", leaders);
		await world.advance(5_000);
		const b = candidate(clocks.b, lease.storeFor(clocks.b), "b", leaders);
		await world.advance(1_000);
		clocks.a.pause(kind);
		await world.advance(30_000);
		expect(b.election.isLeader).toBe(true);
		const resumed = clocks.a.resume();
		// Before anything else of it runs.
		expect(a.election.isLeader).toBe(false);
		await resumed;
		await world.advance(3_000);
		expect([...leaders]).toEqual(["b"]);
		await a.done;
		b.stop.abort();
		await world.advance(5_000);
		await b.done;
	},
);

test("a wall clock that is set back prolongs no term", async () => {
	const world = new VirtualClock();
	const clock = new ProcessClock(world);
	const lease = memoryLease(world, calm);
	const leaders = new Set<string>();
	const a = candidate(clock, lease.storeFor(clock), "a", leaders);
	await world.advance(5_000);
	clock.stepWall(-3_600_000);
	expect(a.election.isLeader).toBe(true);
	clock.pause("stopped");
	await world.advance(10_000);
	void clock.resume();
	expect(a.election.isLeader).toBe(false);
	a.stop.abort();
	await world.advance(5_000);
	await a.done;
});
