import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { append } from "../../../src/delta/write.ts";
import { seeded } from "../../support/changes.ts";
import { DeltaRs } from "../../support/deltars.ts";
import { DeltaRsHistory } from "../../support/deltars-history.ts";
import {
	engineOf,
	expectSame,
	expectSameHistory,
	newestVersion,
	snapshotOf,
} from "../../support/differential.ts";
import { batchOf, MixedHistory } from "../../support/mixed-history.ts";
import {
	expectSameAfterPruning,
	expectSkipsOnlyWhatItMay,
} from "../../support/pruning.ts";
import { Spark } from "../../support/spark.ts";
import {
	HISTORY_FEATURES,
	type HistoryFeature,
	randomFeatures,
	SparkHistory,
} from "../../support/spark-history.ts";

const SEED = Number(process.env.SEED ?? 1);
const SEEDS = Number(
	process.env.DIFFERENTIAL_SEEDS ?? (process.env.TEST_LONG === "1" ? 16 : 2),
);
const STEPS = Number(process.env.DIFFERENTIAL_STEPS ?? 7);
const FEATURES = Object.keys(HISTORY_FEATURES) as HistoryFeature[];

/** Tables with these are refused by our writing, as a test below holds. */
const REFUSED_TO_WRITE = new Set<HistoryFeature>(["identityColumns"]);
/** Tables with these can't be made by us. */
const NOT_MADE = new Set<HistoryFeature>([...REFUSED_TO_WRITE, "clustering"]);
const WRITTEN = FEATURES.filter((feature) => !REFUSED_TO_WRITE.has(feature));
/** delta-rs reads no table with these. */
const NOT_IN_DELTA_RS = new Set<HistoryFeature>([...NOT_MADE, "typeWidening"]);
const IN_DELTA_RS = FEATURES.filter((feature) => !NOT_IN_DELTA_RS.has(feature));

let dir: string;
let spark: Spark;
let deltaRs: DeltaRs;

beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "tributary-differential-"));
	deltaRs = await DeltaRs.open(dir);
	if (Spark.installed) spark = await Spark.shared();
});

afterAll(async () => {
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
	"a table of Spark that we can't write rows to is refused before anything is stored",
	() => {
		test.each([...REFUSED_TO_WRITE])("%s", async (feature) => {
			const random = seeded(SEED);
			const path = join(dir, `refused-${feature}`);
			const features = new Set<HistoryFeature>([feature]);
			const history = new SparkHistory({ random, spark, path, features });
			await history.create();
			const before = await readdir(path);
			const { schema, rows } = history.table.rows([1_000_000]);
			await expect(
				append(engineOf(path), await snapshotOf(path), [batchOf(schema, rows)]),
			).rejects.toMatchObject({
				code: "DELTA_UNSUPPORTED_WRITER",
				message: expect.stringContaining(feature),
			});
			expect(await readdir(path)).toEqual(before);
		});
	},
);

describe("what we write, delta-rs and DuckDB read, and skip right files of", () => {
	test.each(seedsOf(SEEDS * 4))("SEED=%i", async (seed) => {
		const random = seeded(seed);
		const features = randomFeatures(
			random,
			IN_DELTA_RS[seed % IN_DELTA_RS.length] ?? "deletionVectors",
			NOT_IN_DELTA_RS,
		);
		const path = join(dir, `ours-${seed}`);
		const history = new MixedHistory({ random, path, features });
		await expectSameHistory(history, {
			steps: STEPS,
			name: `SEED=${seed}, features ${[...features].join(", ")}`,
			read: async () => history.readBack(await deltaRs.read(path)),
			finally: async (table) => {
				// DuckDB finds no partition values under physical names.
				const lost =
					features.has("partitions") &&
					(features.has("columnMappingByName") ||
						features.has("columnMappingById"));
				if (!lost)
					await expectSame(
						path,
						await newestVersion(path),
						await deltaRs.read(path, { engine: "DuckDB" }),
					);
				for (const engine of lost
					? (["delta-rs"] as const)
					: (["delta-rs", "DuckDB"] as const))
					await expectSkipsOnlyWhatItMay(
						random,
						deltaRs,
						engine,
						path,
						table,
						10,
					);
			},
		});
	});
});

describe.skipIf(!Spark.installed)(
	"what we write, Spark reads and goes on with",
	() => {
		test.each(seedsOf(SEEDS))("SEED=%i", async (seed) => {
			const random = seeded(seed);
			const features = randomFeatures(
				random,
				WRITTEN[seed % WRITTEN.length] ?? "deletionVectors",
				REFUSED_TO_WRITE,
			);
			const path = join(dir, `mixed-${seed}`);
			const history = new MixedHistory({
				random,
				path,
				features,
				other: new SparkHistory({ random, spark, path, features }),
			});
			await expectSameHistory(history, {
				steps: STEPS,
				name: `SEED=${seed}, features ${[...features].join(", ")}`,
				read: async () => {
					if (features.has("rowTracking"))
						history.checkRowIds(
							await spark.sql(
								`SELECT CAST(id AS STRING), CAST(_metadata.row_id AS STRING) FROM delta.\`${path}\``,
							),
						);
					return history.readBack(await spark.read(path));
				},
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
