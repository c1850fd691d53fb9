import { expect, test } from "vitest";
import { simulateElection } from "./simulation/election.ts";
import { simulateOperator } from "./simulation/operator.ts";
import { simulateQueue } from "./simulation/queue.ts";
import { simulateReflector } from "./simulation/reflector.ts";
import { RUNTIME } from "./simulation/runtime.ts";

const LONG = process.env.TEST_LONG === "1" ? 20 : 1;
const seeds = (from: number, count: number): number[] =>
	Array.from({ length: count * LONG }, (_, i) => from + i);

test.each(seeds(7_000, 40))(
	"never two lead, and no term goes on without its lease (seed %i)",
	async (seed) => {
		expect(await simulateElection(RUNTIME, seed)).toEqual([]);
	},
);

test.each(seeds(1_000, 40))(
	"the queue loses no key, gives none to two workers and comes to rest (seed %i)",
	async (seed) => {
		expect(await simulateQueue(RUNTIME, seed)).toEqual([]);
	},
);

test.each(seeds(300, 40))(
	"the copy of a server that does everything wrong ends up equal to it (seed %i)",
	async (seed) => {
		expect(await simulateReflector(RUNTIME, seed)).toEqual([]);
	},
);

test.each(seeds(5_000, 20))(
	"two replicas bring every object where it should be, and only the leader writes (seed %i)",
	async (seed) => {
		expect(await simulateOperator(RUNTIME, seed)).toEqual([]);
	},
);
