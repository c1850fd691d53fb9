import { expect, test } from "vitest";
import { type Mutation, simulate } from "./simulation.ts";

const SEEDS = Number(
	process.env.SIMULATION_SEEDS ?? (process.env.CI ? 10_000 : 1000),
);

// Expected errors are common here, and traces dear.
if (process.env.SIMULATION_SEEDS !== "1") Error.stackTraceLimit = 0;

test(`${SEEDS} seeds of races, crashes, lost responses, stale listings and slow clocks break no invariant`, {
	timeout: 30 * 60_000,
}, async () => {
	for (let seed = 1; seed <= SEEDS; seed++) await simulate(seed);
});

const MUTATIONS: readonly Mutation[] = [
	"trusts-unknown",
	"distrusts-unknown",
	"overwrites",
	"ignores-conflicts",
	"no-fence",
];

test.each(MUTATIONS)(
	"the simulation catches an engine that %s",
	async (mutation) => {
		const caught: number[] = [];
		for (let seed = 1; seed <= 60 && caught.length === 0; seed++)
			await simulate(seed, mutation).catch(() => caught.push(seed));
		expect(caught.length).toBeGreaterThan(0);
	},
);
