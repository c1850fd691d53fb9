import { randomUUID } from "node:crypto";
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
import type { Engine } from "../../src/delta/engine.ts";
import { loadSnapshot, type Snapshot } from "../../src/delta/snapshot.ts";
import { deleteRows } from "../../src/delta/write.ts";
import { optimize } from "../../src/maintain/optimize.ts";
import { vacuum } from "../../src/maintain/vacuum.ts";
import { openFileStore } from "../../src/storage/file.ts";
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
	return (await deltaRs.vacuumList(path, hours))
		.filter((name) => there.has(name))
		.sort();
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
			expect(ours.sort(), `seed ${seed}, run ${run}, ${hours} hours`).toEqual(
				theirs,
			);
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
