import { expect, test } from "vitest";
import { createLogger } from "../../../src/observe/log.ts";
import { createWriterMetrics } from "../../../src/observe/metrics.ts";
import type { Mutation } from "./simulated-world.ts";
import { simulate } from "./simulation.ts";

/** One seed alone, with stack traces. */
const SEED = Number(process.env.SIMULATION_SEED ?? 0);
const SEEDS = Number(
	process.env.SIMULATION_SEEDS ??
		(process.env.TEST_LONG || process.env.CI ? 10_000 : 1000),
);
const shared = {
	log: createLogger({ level: "silent" }),
	metrics: createWriterMetrics({ pipeline: "sim" }),
};

// Expected errors are common here, and traces dear.
if (SEED === 0) Error.stackTraceLimit = 0;

test(`${SEEDS} seeds of kills, zombies, rebalances and a failing store: every change is in the tables, once`, {
	timeout: 60 * 60_000,
}, async () => {
	if (SEED > 0) await simulate(SEED, shared);
	else for (let seed = 1; seed <= SEEDS; seed++) await simulate(seed, shared);
});

const MUTATIONS: readonly Mutation[] = [
	"skips-txn",
	"no-fence",
	"trusts-unknown",
];

test.each(MUTATIONS)(
	"the simulation catches a writer that %s",
	async (mutation) => {
		let caught = 0;
		for (let seed = 1; seed <= 60 && caught === 0; seed++)
			await simulate(seed, shared, mutation).catch(() => caught++);
		expect(caught).toBe(1);
	},
);
