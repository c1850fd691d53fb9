import { expect, test } from "vitest";
import { runController } from "../../../src/kube/controller.ts";
import { WorkQueue } from "../../../src/kube/work-queue.ts";
import { settled, VirtualClock } from "./virtual-clock.ts";

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
