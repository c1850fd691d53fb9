import { expect, test } from "vitest";
import { Canary } from "../../../src/kube/canary.ts";
import { VirtualClock } from "./virtual-clock.ts";

const TIMES = { intervalMs: 30_000, limitMs: 300_000 };

function setUp() {
	const clock = new VirtualClock();
	const stop = new AbortController();
	const errors: unknown[] = [];
	const world = {
		/** Followers that hear of a beat, a while after it was written. */
		awake: new Set(["pipeline", "table"]),
		apiServer: true,
		beats: 0,
	};
	const canary: Canary = new Canary({
		clock,
		followers: ["pipeline", "table"],
		times: TIMES,
		onError: (error) => errors.push(error),
		async write(beat) {
			if (!world.apiServer) throw new Error("connection refused");
			world.beats++;
			for (const follower of world.awake)
				clock.after(200, () => canary.notice(follower, beat));
		},
	});
	const running = canary.run(stop.signal);
	async function end(): Promise<void> {
		stop.abort();
		await clock.advance(1);
		await running;
	}
	return { clock, canary, world, errors, end };
}

test("controllers that notice every change are never late", async () => {
	const { clock, canary, world, end } = setUp();
	for (let minute = 0; minute < 60; minute++) {
		await clock.advance(60_000);
		expect(canary.late()).toEqual([]);
	}
	expect(world.beats).toBeGreaterThan(100);
	await end();
});

test("a controller that stops to notice is late after the limit, and its neighbour is not", async () => {
	const { clock, canary, world, end } = setUp();
	await clock.advance(600_000);
	world.awake.delete("table");
	await clock.advance(299_000);
	expect(canary.late()).toEqual([]);
	await clock.advance(32_000);
	expect(canary.late()).toEqual(["table"]);
	expect(canary.ages().get("pipeline")).toBe(0);
	world.awake.add("table");
	await clock.advance(31_000);
	expect(canary.late()).toEqual([]);
	await end();
});

test("an API server that is away is no reason for a restart", async () => {
	const { clock, canary, world, errors, end } = setUp();
	await clock.advance(100_000);
	world.apiServer = false;
	await clock.advance(3_600_000);
	expect(canary.late()).toEqual([]);
	expect(errors.length).toBeGreaterThan(100);
	await end();
});

test("who does not lead any more waits for nobody", async () => {
	const { clock, canary, world, end } = setUp();
	world.awake.clear();
	await clock.advance(100_000);
	expect(canary.ages().get("table")).toBeGreaterThan(0);
	await end();
	await clock.advance(3_600_000);
	expect(canary.late()).toEqual([]);
});
