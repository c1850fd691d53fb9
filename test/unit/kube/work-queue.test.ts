import { expect, test } from "vitest";
import { runController } from "../../../src/kube/controller.ts";
import { WorkQueue } from "../../../src/kube/work-queue.ts";
import { seeded, settled, VirtualClock } from "./virtual-clock.ts";

test("a key added many times while it waits is worked on once", async () => {
	const queue = new WorkQueue(new VirtualClock());
	for (let i = 0; i < 5; i++) queue.add("a");
	expect(queue.depth).toBe(1);
	expect(await queue.take()).toBe("a");
	queue.done("a");
	expect(queue.depth).toBe(0);
});

test("a change that arrives while its key is worked on is not lost", async () => {
	const queue = new WorkQueue(new VirtualClock());
	queue.add("a");
	expect(await queue.take()).toBe("a");
	queue.add("a");
	let next: string | undefined;
	const taken = queue.take().then((key) => {
		next = key;
	});
	await settled();
	expect(next).toBeUndefined();
	queue.done("a");
	await taken;
	expect(next).toBe("a");
});

test("a failing key waits longer each time, up to the limit, and starts over after a success", () => {
	const queue = new WorkQueue(new VirtualClock(), { baseMs: 10, maxMs: 100 });
	expect([1, 2, 3, 4, 5, 6].map(() => queue.retry("a"))).toEqual([
		10, 20, 40, 80, 100, 100,
	]);
	queue.forget("a");
	expect(queue.retry("a")).toBe(10);
});

test("of two delayed additions the earlier stands", async () => {
	const clock = new VirtualClock();
	const queue = new WorkQueue(clock);
	queue.addAfter("a", 1000);
	queue.addAfter("a", 100);
	queue.addAfter("a", 500);
	await clock.advance(99);
	expect(queue.depth).toBe(0);
	await clock.advance(1);
	expect(queue.depth).toBe(1);
	expect(await queue.take()).toBe("a");
	queue.done("a");
	await clock.advance(2000);
	expect(queue.depth).toBe(0);
});

test("closing the queue ends every waiting worker", async () => {
	const queue = new WorkQueue(new VirtualClock());
	const waiting = [queue.take(), queue.take()];
	queue.close();
	expect(await Promise.all(waiting)).toEqual([undefined, undefined]);
	queue.add("a");
	expect(await queue.take()).toBeUndefined();
});

/**
 * Random additions, failures and durations. Each key's level is the number of its last addition; a
 * reconcile sees the level of its start. At the end every key must have been seen at its last level.
 */
test.each(Array.from({ length: 60 }, (_, i) => 1000 + i))(
	"no key is lost and none is worked on twice at once (seed %i)",
	async (seed) => {
		const random = seeded(seed);
		const clock = new VirtualClock(random);
		const queue = new WorkQueue(clock, { baseMs: 20, maxMs: 2_000 });
		const wanted = new Map<string, number>();
		const seen = new Map<string, number>();
		const held = new Set<string>();
		const doubled: string[] = [];
		let runs = 0;
		const stop = new AbortController();
		const running = runController({
			queue,
			clock,
			workers: 3,
			signal: stop.signal,
			report: () => {},
			reconcile: async (key) => {
				runs++;
				if (held.has(key)) doubled.push(key);
				held.add(key);
				const level = wanted.get(key) ?? 0;
				const { promise, resolve } = Promise.withResolvers<void>();
				clock.after(random() * 300, resolve);
				await promise;
				held.delete(key);
				if (random() < 0.3) throw new Error("by chance");
				seen.set(key, level);
				return random() < 0.2 ? { againAfterMs: random() * 500 } : {};
			},
		});
		for (let i = 0; i < 200; i++) {
			const key = `k${Math.floor(random() * 8)}`;
			wanted.set(key, (wanted.get(key) ?? 0) + 1);
			if (random() < 0.8) queue.add(key);
			else queue.addAfter(key, random() * 400);
			await clock.advance(random() * 60);
		}
		await clock.advance(60_000);
		stop.abort();
		await clock.advance(1_000);
		await running;
		expect(doubled).toEqual([]);
		expect(Object.fromEntries(seen)).toEqual(Object.fromEntries(wanted));
		expect(runs).toBeGreaterThan(20);
	},
);

test("a key that always fails does not make a hot loop", async () => {
	const clock = new VirtualClock();
	const queue = new WorkQueue(clock);
	const stop = new AbortController();
	let runs = 0;
	const running = runController({
		queue,
		clock,
		workers: 2,
		signal: stop.signal,
		report: () => {},
		reconcile: async () => {
			runs++;
			throw new Error("always");
		},
	});
	queue.add("bad");
	await clock.advance(3_600_000);
	stop.abort();
	await running;
	expect(runs).toBeGreaterThan(10);
	expect(runs).toBeLessThan(30);
});
