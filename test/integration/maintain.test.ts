import { randomBytes, randomUUID } from "node:crypto";
import {
	mkdir,
	mkdtemp,
	readdir,
	rm,
	utimes,
	writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { vectorOf } from "../../src/columnar/literal.ts";
import { field, struct } from "../../src/columnar/types.ts";
import type { Engine } from "../../src/delta/engine.ts";
import { readTable } from "../../src/delta/scan.ts";
import { loadSnapshot, type Snapshot } from "../../src/delta/snapshot.ts";
import { append, createTable, deleteRows } from "../../src/delta/write.ts";
import { optimize } from "../../src/maintain/optimize.ts";
import { vacuum } from "../../src/maintain/vacuum.ts";
import { openFileStore } from "../../src/storage/file.ts";
import { openStore } from "../../src/storage/open.ts";
import { startS3 } from "../../stack/components.ts";
import { DeltaRs } from "../support/deltars.ts";
import { DeltaRsHistory } from "../support/deltars-history.ts";
import { generator, seedOf } from "../support/seed.ts";

const DAY = 86_400_000;
const RUNS = 5;

let dir: string;
let deltaRs: DeltaRs;

beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "tributary-maintain-"));
	deltaRs = await DeltaRs.open(dir);
});

afterAll(async () => {
	await deltaRs?.stop();
	await rm(dir, { recursive: true, force: true });
});

function engineOf(path: string, now: () => number = Date.now): Engine {
	return {
		store: openFileStore(path),
		now,
		uuid: randomUUID,
		sleep: (ms) => sleep(ms),
		random: Math.random,
	};
}

async function newest(path: string): Promise<Snapshot> {
	const snapshot = await loadSnapshot(engineOf(path));
	if (snapshot === undefined) throw new Error("no table");
	return snapshot;
}

/** What delta-rs would delete of the files that are there. */
async function theirList(path: string, hours: number): Promise<string[]> {
	const there = new Set(await readdir(path, { recursive: true }));
	// A file that was removed twice, with and without a deletion vector, is listed twice.
	const listed = new Set(await deltaRs.vacuumList(path, hours));
	return [...listed].filter((name) => there.has(name)).sort();
}

/** A table that delta-rs has changed some times. */
async function historyOf(
	name: string,
	random: () => number,
	steps: number,
): Promise<DeltaRsHistory> {
	const history = new DeltaRsHistory({
		random,
		deltaRs,
		path: join(dir, name),
	});
	await history.create();
	for (let step = 0; step < steps; step++) {
		({ schema: history.schema } = await deltaRs.read(history.path));
		await history.step((await newest(history.path)).version);
	}
	return history;
}

test("delta-rs and DuckDB read other rows after a compaction or a Z-order", async () => {
	const seed = seedOf();
	console.log(`seed ${seed}`);
	for (let run = 0; run < RUNS; run++) {
		const random = generator(seed + run);
		const { path, statements } = await historyOf(`read-${run}`, random, 6);
		const rows = async (engine: "delta-rs" | "DuckDB"): Promise<string[]> =>
			(await deltaRs.read(path, { engine })).rows
				.map((row) => JSON.stringify(row))
				.sort();
		const before = await rows("delta-rs");
		for (const zOrderBy of [[], ["n", "id"]]) {
			const base = await newest(path);
			const result = await optimize(engineOf(path), base, {
				zOrderBy,
				purge: true,
			});
			const story = `seed ${seed}, run ${run}: ${statements.join("; ")}; ${JSON.stringify(result)}`;
			expect(await rows("delta-rs"), story).toEqual(before);
			expect((await rows("DuckDB")).length, story).toBe(before.length);
		}
	}
}, 300_000);

test("files that delta-rs's vacuum would delete and ours not, or the other way round", async () => {
	const seed = seedOf();
	console.log(`seed ${seed}`);
	let [deleted, kept] = [0, 0];
	for (let run = 0; run < RUNS; run++) {
		const random = generator(seed + run);
		const int = (below: number): number => Math.floor(random() * below);
		const { path } = await historyOf(`vacuum-${run}`, random, 5);
		// Some of it has been done days ago.
		for (let step = 0; step < 4; step++) {
			const then = Date.now() - int(20) * DAY;
			const base = await newest(path);
			if (step % 2 === 0)
				await deleteRows(
					engineOf(path, () => then),
					base,
					`id % 5 = ${int(5)}`,
				);
			else
				await optimize(
					engineOf(path, () => then),
					base,
				);
		}
		for (const name of [
			"other.parquet",
			"notes.txt",
			"a/b/c.parquet",
			"_tmp/d.parquet",
			".git/e",
			"_change_data/f.parquet",
		]) {
			const full = join(path, name);
			await mkdir(dirname(full), { recursive: true });
			await writeFile(full, "");
		}
		for (const name of await readdir(path, { recursive: true }))
			if (!name.startsWith("_delta_log")) {
				// No file was stored after it was removed.
				const days = /part-|deletion_vector/.test(name) ? 30 : int(20);
				const then = new Date(Date.now() - days * DAY);
				await utimes(join(path, name), then, then);
			}
		for (const hours of [0, 24, 168, 300]) {
			const ours: string[] = [];
			await vacuum(engineOf(path), await newest(path), {
				dryRun: true,
				retentionMs: hours * 3_600_000,
				onFile: (file) => ours.push(file.path),
			});
			const theirs = await theirList(path, hours);
			const story = `seed ${seed}, run ${run}, ${hours} hours`;
			// Beyond the table's own retention a checkpoint has forgotten what was removed; we read the log.
			if (hours > 168)
				expect(theirs, story).toEqual(expect.arrayContaining(ours));
			else expect(ours.sort(), story).toEqual(theirs);
			deleted += ours.length;
		}
		const rows = await deltaRs.read(path);
		kept += rows.rows.length;
		await vacuum(engineOf(path), await newest(path), {
			retentionMs: 0,
			allowShort: true,
		});
		expect((await deltaRs.read(path)).rows.length).toBe(rows.rows.length);
		// It lists removed files whether they are there or not.
		expect(await theirList(path, 0)).toEqual([]);
	}
	expect(Math.min(deleted, kept)).toBeGreaterThan(10);
}, 300_000);

test("on S3, a file of several parts that is not whole, or files that are not deleted", async () => {
	const s3 = await startS3({ dir, buckets: ["lake"] });
	try {
		const { endpoint, region, accessKeyId, secretAccessKey } = s3;
		const engine: Engine = {
			...engineOf(""),
			store: openStore("s3://lake/shop/ö rders", {
				...{ endpoint, region, accessKeyId, secretAccessKey },
			}),
		};
		const schema = struct(field("id", "long"), field("noise", "binary"));
		let table = await createTable(engine, { schema });
		const noise = Array.from({ length: 5000 }, () => randomBytes(1000));
		for (let n = 0; n < 8; n++)
			table = await append(engine, table, [
				{
					schema,
					length: noise.length,
					columns: [
						vectorOf(
							"long",
							noise.map((_, i) => BigInt(n * noise.length + i)),
						),
						vectorOf("binary", noise),
					],
				},
			]);
		await optimize(engine, table);
		const after = (await loadSnapshot(engine)) as Snapshot;
		const [file, ...more] = [...after.files.values()];
		expect(more).toEqual([]);
		// Parts have 16 MiB.
		expect(file?.size).toBeGreaterThan(33 * 2 ** 20);
		let sum = 0n;
		for await (const { columns } of readTable(engine, after))
			for (const id of (columns[0] as { values: BigInt64Array }).values)
				sum += id;
		expect(sum).toBe((40_000n * 39_999n) / 2n);
		expect(
			await vacuum(engine, after, { retentionMs: 0, allowShort: true }),
		).toMatchObject({ filesListed: 9, files: 8 });
		const left: string[] = [];
		for await (const { path } of engine.store.list("part-")) left.push(path);
		expect(left).toEqual([file?.path]);
	} finally {
		await s3.stop();
	}
});
