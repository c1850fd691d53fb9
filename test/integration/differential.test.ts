import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, test } from "vitest";
import { seeded } from "../support/changes.ts";
import { DeltaRs } from "../support/deltars.ts";
import { DeltaRsHistory } from "../support/deltars-history.ts";
import { expectSameHistory } from "../support/differential.ts";
import { MixedHistory } from "../support/mixed-history.ts";
import { expectSameAfterPruning } from "../support/pruning.ts";
import { Spark } from "../support/spark.ts";
import {
	HISTORY_FEATURES,
	type HistoryFeature,
	randomFeatures,
	SparkHistory,
} from "../support/spark-history.ts";

const SEED = Number(process.env.SEED ?? 1);
const SEEDS = Number(process.env.DIFFERENTIAL_SEEDS ?? 4);
const STEPS = Number(process.env.DIFFERENTIAL_STEPS ?? 7);
const FEATURES = Object.keys(HISTORY_FEATURES) as HistoryFeature[];

/** Tables with these can't be read yet. */
const REFUSED = new Set<HistoryFeature>([]);
/** Tables with these can't be made or written yet. */
const NOT_WRITTEN = new Set<HistoryFeature>(["identityColumns", "clustering"]);
const WRITTEN = FEATURES.filter((feature) => !NOT_WRITTEN.has(feature));

let dir: string;
let spark: Spark;
let deltaRs: DeltaRs;

beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "tributary-differential-"));
	deltaRs = await DeltaRs.open(dir);
	if (Spark.installed) spark = await Spark.open(dir);
});

afterAll(async () => {
	await spark?.stop();
	await deltaRs?.stop();
	await rm(dir, { recursive: true, force: true });
});

describe("what delta-rs writes is read as delta-rs reads it", () => {
	test.each(seedsOf(SEEDS * 5))("SEED=%i", async (seed) => {
		const history = new DeltaRsHistory({
			random: seeded(seed),
			deltaRs,
			path: join(dir, `delta-rs-${seed}`),
		});
		await expectSameHistory(history, {
			steps: STEPS,
			name: `SEED=${seed}`,
			read: (version) => deltaRs.read(history.path, { version }),
		});
	});
});

describe.skipIf(!Spark.installed)(
	"what Spark writes is read as Spark reads it",
	() => {
		test.each(seedsOf(SEEDS))("SEED=%i", async (seed) => {
			const random = seeded(seed);
			const features = randomFeatures(
				random,
				FEATURES[seed % FEATURES.length] ?? "deletionVectors",
				REFUSED,
			);
			const path = join(dir, `spark-${seed}`);
			await expectSameHistory(
				new SparkHistory({ random, spark, path, features }),
				{
					steps: STEPS,
					name: `SEED=${seed}, features ${[...features].join(", ")}`,
					read: () => spark.read(path),
					changes: (first, last) => spark.changes(path, first, last),
					finally: async (table) => {
						await expectSameAfterPruning(random, spark, path, table, 8);
					},
				},
			);
		});
	},
);

describe.skipIf(!Spark.installed)(
	"what we write, Spark reads and goes on with",
	() => {
		test.each(seedsOf(SEEDS))("SEED=%i", async (seed) => {
			const random = seeded(seed);
			const features = randomFeatures(
				random,
				WRITTEN[seed % WRITTEN.length] ?? "deletionVectors",
				NOT_WRITTEN,
			);
			const path = join(dir, `mixed-${seed}`);
			const history = new MixedHistory({
				random,
				spark: new SparkHistory({ random, spark, path, features }),
			});
			await expectSameHistory(history, {
				steps: STEPS,
				name: `SEED=${seed}, features ${[...features].join(", ")}`,
				read: async () => history.readBack(await spark.read(path)),
				changes: (first, last) => spark.changes(path, first, last),
				finally: async (table) => {
					await expectSameAfterPruning(random, spark, path, table, 8);
				},
			});
		});
	},
);

function seedsOf(count: number): number[] {
	return Array.from({ length: count }, (_, i) => SEED + i);
}
