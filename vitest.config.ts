import { defineConfig } from "vitest/config";

const SPARK = "test/integration/spark.test.ts";
/** They start Kafka Connect, and wait for Debezium most of their time. */
const CONNECT = [
	"bad-input",
	"connect-actions",
	"connect-security",
	"debezium-restart",
	"mariadb",
	"stack",
].map((name) => `test/integration/${name}.test.ts`);
const SIMULATIONS = [
	"test/unit/delta/simulation.test.ts",
	"test/unit/writer/simulation.test.ts",
];

/**
 * Six layers: `unit` and `simulation` need nothing, `integration` and `connect` the real components, `spark` a
 * JVM of its own, `e2e` the real cluster. All but `unit` run one file at a time; scripts/test.sh runs
 * them beside each other.
 */
export default defineConfig({
	test: {
		projects: [
			{
				test: {
					name: "unit",
					include: ["test/unit/**/*.test.ts"],
					exclude: SIMULATIONS,
					testTimeout: 60_000,
					// What a test changes of its process it puts back: to load all modules for each file took a quarter.
					isolate: false,
				},
			},
			{
				test: {
					name: "simulation",
					include: SIMULATIONS,
					testTimeout: 60_000,
					fileParallelism: false,
					// Minutes of the same code: what some seeds in a row did not need is not compiled again.
					execArgv: ["--no-flush-bytecode"],
				},
			},
			{
				test: {
					name: "integration",
					include: ["test/integration/**/*.test.ts"],
					exclude: [SPARK, ...CONNECT],
					testTimeout: 300_000,
					hookTimeout: 300_000,
					fileParallelism: false,
				},
			},
			{
				test: {
					name: "connect",
					include: CONNECT,
					testTimeout: 300_000,
					hookTimeout: 300_000,
					fileParallelism: false,
				},
			},
			{
				test: {
					name: "spark",
					include: [SPARK],
					testTimeout: 300_000,
					hookTimeout: 300_000,
					fileParallelism: false,
				},
			},
			{
				test: {
					name: "e2e",
					include: ["e2e/**/*.test.ts"],
					testTimeout: 600_000,
					hookTimeout: 600_000,
					fileParallelism: false,
				},
			},
		],
	},
});
