import { seeded, VirtualClock } from "../virtual-clock.ts";
import type { Simulation } from "./runtime.ts";

/**
 * Random additions, failures and durations. Each key's level is the number of its last addition; a
 * reconcile sees the level of its start. At the end every key must have been seen at its last level,
 * and the queue must have come to rest.
 */
export const simulateQueue: Simulation = async (
	{ WorkQueue, runController },
	seed,
) => {
	const random = seeded(seed);
	const clock = new VirtualClock(random);
	const queue = new WorkQueue(clock, { baseMs: 20, maxMs: 2_000 });
	const wanted = new Map<string, number>();
	const seen = new Map<string, number>();
	const failures = new Map<string, number>();
	const lastStart = new Map<string, number>();
	const held = new Set<string>();
	const wrong = new Set<string>();
	let runs = 0;
	let calm = false;
	const stop = new AbortController();
	const running = runController({
		queue,
		clock,
		workers: 3,
		signal: stop.signal,
		report: ({ key, result, retryInMs }) => {
			if (result !== "error") {
				failures.delete(key);
				return;
			}
			const row = (failures.get(key) ?? 0) + 1;
			failures.set(key, row);
			const expected = Math.min(2_000, 20 * 2 ** (row - 1));
			if (retryInMs !== expected)
				wrong.add(
					`${key} is tried again after ${retryInMs} ms, failure ${row} in a row`,
				);
		},
		reconcile: async (key) => {
			runs++;
			if (held.has(key)) wrong.add(`two workers hold ${key}`);
			held.add(key);
			lastStart.set(key, clock.monotonic());
			const level = wanted.get(key) ?? 0;
			const { promise, resolve } = Promise.withResolvers<void>();
			clock.after(random() * 300, resolve);
			await promise;
			held.delete(key);
			if (!calm && random() < 0.3) throw new Error("by chance");
			seen.set(key, level);
			return !calm && random() < 0.2 ? { againAfterMs: random() * 500 } : {};
		},
	});
	for (let i = 0; i < 200; i++) {
		const key = `k${Math.floor(random() * 8)}`;
		wanted.set(key, (wanted.get(key) ?? 0) + 1);
		if (random() < 0.8) queue.add(key);
		else queue.addAfter(key, random() * 400);
		await clock.advance(random() * 60);
	}
	calm = true;
	await clock.advance(20_000);
	for (const [key, level] of wanted)
		if (seen.get(key) !== level)
			wrong.add(`${key} was seen at ${seen.get(key)}, not at ${level}`);
	const rest = runs;
	await clock.advance(60_000);
	if (runs !== rest) wrong.add(`${runs - rest} runs at rest`);
	if (queue.depth !== 0) wrong.add(`${queue.depth} keys are left`);
	if (queue.workingMs().length > 0) wrong.add("a worker never lets go");
	// A key that was left alone is worked on at once when it is wanted again.
	queue.add("k0");
	const at = clock.monotonic();
	await clock.advance(1_000);
	if ((lastStart.get("k0") ?? 0) < at) wrong.add("k0 is not taken any more");
	stop.abort();
	await clock.advance(1_000);
	await running;
	if (runs < 20) wrong.add("too few runs: the simulation is too mild");
	return [...wrong];
};
