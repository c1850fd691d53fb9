import { expect, test } from "vitest";
import { createLogger } from "../../../src/observe/log.ts";
import { createWriterMetrics } from "../../../src/observe/metrics.ts";
import { type Mutation, simulate } from "./simulation.ts";

const SEEDS = Number(
	process.env.SIMULATION_SEEDS ??
		(process.env.TEST_LONG ? 10_000 : process.env.CI ? 1000 : 200),
);
const shared = {
	log: createLogger({ level: "silent" }),
	metrics: createWriterMetrics({ pipeline: "sim" }),
};

test(`${SEEDS} seeds of kills, zombies, rebalances and a failing store: every change is in the tables, once`, {
	timeout: 60 * 60_000,
}, async () => {
	for (let seed = 1; seed <= SEEDS; seed++) await simulate(seed, shared);
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
