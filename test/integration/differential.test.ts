import { randomUUID } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { StructType } from "../../src/columnar/types.ts";
import type { Engine } from "../../src/delta/engine.ts";
import { readTable } from "../../src/delta/scan.ts";
import { loadSnapshot } from "../../src/delta/snapshot.ts";
import { openStore } from "../../src/storage/open.ts";
import { seeded } from "../support/changes.ts";
import { type JudgedTable, Spark } from "../support/spark.ts";
import {
	HISTORY_FEATURES,
	type HistoryFeature,
	randomFeatures,
	SparkHistory,
} from "../support/spark-history.ts";
import { bareSchema, comparable, wireRows } from "../support/wire.ts";

const SEED = Number(process.env.SEED ?? 1);
const SEEDS = Number(process.env.DIFFERENTIAL_SEEDS ?? 5);
const STEPS = Number(process.env.DIFFERENTIAL_STEPS ?? 7);
const FEATURES = Object.keys(HISTORY_FEATURES) as HistoryFeature[];

/** Tables with these can't be read yet. */
const REFUSED = new Set<HistoryFeature>([]);

let dir: string;
let spark: Spark;

beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "tributary-differential-"));
	if (Spark.installed) spark = await Spark.open(dir);
});

afterAll(async () => {
	await spark?.stop();
	await rm(dir, { recursive: true, force: true });
});

describe.skipIf(!Spark.installed)(
	"what Spark writes is read as Spark reads it",
	() => {
		const seeds = Array.from({ length: SEEDS }, (_, i) => SEED + i);
		test.each(seeds)("SEED=%i", async (seed) => {
			const random = seeded(seed);
			const history = new SparkHistory({
				random,
				spark,
				path: join(dir, `spark-${seed}`),
				features: randomFeatures(
					random,
					FEATURES[seed % FEATURES.length] ?? "deletionVectors",
					REFUSED,
				),
			});
			const seen = new Map<number, JudgedTable>();
			try {
				await history.create();
				for (let step = 0; step <= STEPS; step++) {
					const version = await newestVersion(history.path);
					const theirs = await spark.read(history.path);
					history.schema = theirs.schema;
					await expectSame(history.path, version, theirs);
					seen.set(version, theirs);
					if (step < STEPS) await history.step(version);
				}
				for (const [version, theirs] of seen)
					if (version >= history.oldest)
						await expectSame(history.path, version, theirs);
			} catch (error) {
				throw told(error, seed, history);
			}
		});
	},
);

async function expectSame(
	path: string,
	version: number,
	theirs: JudgedTable,
): Promise<void> {
	const engine = engineOf(path);
	const snapshot = await loadSnapshot(engine, { version });
	if (snapshot === undefined) throw new Error(`no table in ${path}`);
	expect(bareSchema(snapshot.schema)).toEqual(bareSchema(theirs.schema));
	const rows = [];
	for await (const batch of readTable(engine, snapshot))
		rows.push(...wireRows(batch, theirs.schema));
	expect(comparable(rows, theirs.schema), `version ${version}`).toEqual(
		comparable(theirs.rows, theirs.schema as StructType),
	);
}

function engineOf(path: string): Engine {
	return {
		store: openStore(path),
		now: Date.now,
		uuid: randomUUID,
		sleep: (ms) => sleep(ms),
		random: Math.random,
	};
}

async function newestVersion(path: string): Promise<number> {
	const names = await readdir(join(path, "_delta_log"));
	return Math.max(
		...names
			.flatMap((name) => /^(\d{20})\.json$/.exec(name)?.[1] ?? [])
			.map(Number),
	);
}

function told(error: unknown, seed: number, history: SparkHistory): unknown {
	if (error instanceof Error)
		error.message = `SEED=${seed}, features ${[...history.features].join(", ")}:\n${history.statements.join(";\n")};\n\n${error.message}`;
	return error;
}
