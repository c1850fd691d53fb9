import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openStore, storageCredentials } from "../../src/storage/open.ts";
import { type RunningS3, startS3 } from "../../stack/components.ts";
import {
	auditLedger,
	createLedger,
	engineOver,
} from "../support/commit-ledger.ts";
import { race, raceWithKills } from "../support/commit-race.ts";
import { generator, seedOf } from "../support/seed.ts";

/** 16 processes; each makes 200 commits with TEST_LONG=1. */
const NAMES = Array.from({ length: 16 }, (_, i) => `process-${i}`);
const COUNT = process.env.TEST_LONG === "1" ? 200 : 25;

let dir: string;
let s3: RunningS3;

beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "tributary-race-"));
	s3 = await startS3({ dir, buckets: ["lake"] });
});
afterAll(async () => {
	await s3?.stop();
	await rm(dir, { recursive: true, force: true });
});

test.each(["S3", "a folder"])(
	"of 16 processes that commit to one table on %s none loses or doubles a commit",
	{ timeout: 1_800_000 },
	async (place) => {
		const { location, environment, engine } = at(place, "race");
		await createLedger(engine);
		const racers = await race({
			location,
			environment,
			names: NAMES,
			count: COUNT,
		});
		const seconds = Math.max(...racers.map((racer) => racer.seconds));
		expect(await auditLedger(engine, NAMES, COUNT)).toEqual([]);
		const sum = (of: "attempts" | "errors" | "cpuSeconds"): number =>
			racers.reduce((total, racer) => total + racer[of], 0);
		console.log(
			`${place}: ${NAMES.length} processes, ${COUNT} commits each, ${seconds.toFixed(1)} s, ${((NAMES.length * COUNT) / seconds).toFixed(0)} commits/s, ${(sum("attempts") / NAMES.length / COUNT).toFixed(1)} attempts for each, ${sum("errors")} errors, ${sum("cpuSeconds").toFixed(0)} CPU seconds of the clients`,
		);
		// Without lost races nothing would be shown.
		expect(sum("attempts")).toBeGreaterThan(NAMES.length * COUNT);
	},
);

test.each(["S3", "a folder"])(
	"committers that are killed at any moment lose and double nothing on %s",
	{ timeout: 600_000 },
	async (place) => {
		const seed = seedOf();
		const { location, environment, engine } = at(place, "killed");
		await createLedger(engine);
		const names = ["a", "b", "c", "d"];
		const count = 60;
		await Promise.all(
			names.map((name, i) =>
				raceWithKills({
					location,
					environment,
					name,
					count,
					kills: 4,
					afterMs: 800,
					random: generator(seed + i),
				}),
			),
		);
		expect(await auditLedger(engine, names, count), `seed ${seed}`).toEqual([]);
	},
);

/** A place for a table, and an engine over it. */
function at(place: string, name: string) {
	const location =
		place === "S3" ? `s3://lake/${name}` : join(dir, `${name} in a folder`);
	const environment = {
		AWS_ACCESS_KEY_ID: s3.accessKeyId,
		AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
		AWS_REGION: s3.region,
		AWS_ENDPOINT_URL: s3.endpoint,
	};
	const engine = engineOver(
		openStore(location, storageCredentials(environment)),
	);
	return { location, environment, engine };
}
