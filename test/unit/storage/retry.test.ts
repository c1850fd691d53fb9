import { expect, test } from "vitest";
import {
	RETRY,
	type RetryOptions,
	retryBudget,
	retrying,
} from "../../../src/storage/retry.ts";
import { generator, seedOf } from "../../support/seed.ts";

interface Clock extends RetryOptions {
	readonly waits: number[];
}

function options(changes: Partial<RetryOptions> = {}): Clock {
	let time = 0;
	const waits: number[] = [];
	return {
		policy: RETRY,
		budget: retryBudget(),
		judge: () => ({ retry: true }),
		effects: {
			now: () => time,
			random: () => 0.999,
			sleep: async (ms) => {
				waits.push(ms);
				time += ms;
			},
		},
		...changes,
		waits,
	};
}

function failing(times: number): () => Promise<number> {
	let calls = 0;
	return async () => {
		calls++;
		if (calls <= times) throw new Error(`failure ${calls}`);
		return calls;
	};
}

test("waits grow up to their bound, and the last error is told", async () => {
	const clock = options();
	await expect(retrying(failing(100), clock)).rejects.toThrow("failure 8");
	expect(clock.waits.map(Math.round)).toEqual([
		100, 200, 400, 799, 1598, 3197, 4995,
	]);
});

test("waits are spread over the whole interval, so that clients do not come back together", async () => {
	const seed = seedOf();
	const random = generator(seed);
	const first: number[] = [];
	for (let i = 0; i < 400; i++) {
		const clock = options();
		await retrying(failing(1), {
			...clock,
			effects: { ...clock.effects, random },
		});
		first.push(clock.waits[0] ?? -1);
	}
	const quarters = [0, 25, 50, 75].map(
		(from) => first.filter((wait) => wait >= from && wait < from + 25).length,
	);
	for (const count of quarters)
		expect(count, `seed ${seed}: ${quarters}`).toBeGreaterThan(50);
});

test("what will not get better is not tried again", async () => {
	const clock = options({ judge: () => ({ retry: false }) });
	await expect(retrying(failing(1), clock)).rejects.toThrow("failure 1");
	expect(clock.waits).toEqual([]);
});

test("a store that asks for time gets it, within the time that the request has", async () => {
	const clock = options({ judge: () => ({ retry: true, afterMs: 50_000 }) });
	await expect(retrying(failing(100), clock)).rejects.toThrow("failure 3");
	expect(clock.waits).toEqual([50_000, 50_000]);
});

test("requests that fail together share what they may retry, and successes give some back", async () => {
	const budget = retryBudget();
	let attempts = 0;
	for (let i = 0; i < 100; i++)
		await retrying(async () => {
			attempts++;
			throw new Error("down");
		}, options({ budget })).catch(() => undefined);
	// 100 requests and 200 retries, not 800 attempts.
	expect(attempts).toBe(300);
	await expect(retrying(failing(1), options({ budget }))).rejects.toThrow(
		"failure 1",
	);
	for (let i = 0; i < 8; i++) await retrying(failing(0), options({ budget }));
	for (let i = 0; i < 50; i++)
		expect(await retrying(failing(2), options({ budget }))).toBe(3);
});

test("a request that was given up is not sent again", async () => {
	const stop = new AbortController();
	stop.abort();
	await expect(
		retrying(failing(1), options({ signal: stop.signal })),
	).rejects.toThrow("failure 1");
});
