import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { field, struct } from "../src/columnar/types.ts";
import type { Action } from "../src/delta/actions.ts";
import { writeCheckpoint } from "../src/delta/checkpoint.ts";
import { commit } from "../src/delta/commit.ts";
import { newTable } from "../src/delta/create.ts";
import type { Engine } from "../src/delta/engine.ts";
import {
	loadSnapshot,
	refreshSnapshot,
	type Snapshot,
} from "../src/delta/snapshot.ts";
import { openStore } from "../src/storage/open.ts";
import { JUDGES_PYTHON } from "../stack/components.ts";

/**
 * Opens large tables: one of a million files with a checkpoint, one of 10,000 commits without. Beside
 * delta-rs, each run in a process of its own that counts from the first byte it reads. `list` makes
 * every file's entry with its statistics; `refresh` follows one more commit.
 *
 *   node bench/open.ts [--files 1000000] [--commits 10000] [--repeat 3] [--policy classic|v2]
 */
const { values } = parseArgs({
	options: {
		files: { type: "string", default: "1000000" },
		commits: { type: "string", default: "10000" },
		repeat: { type: "string", default: "3" },
		policy: { type: "string", default: "classic" },
		/** What a process of its own does. */
		run: { type: "string" },
		table: { type: "string" },
	},
});

interface Result {
	readonly what: string;
	readonly files: number;
	readonly seconds: number;
	readonly cpuSeconds: number;
	readonly peakRssMB: number;
}

function engineAt(path: string): Engine {
	return {
		store: openStore(path, {}),
		now: Date.now,
		uuid: randomUUID,
		sleep: (ms) => sleep(ms),
		random: Math.random,
	};
}

function fileAction(i: number): Action {
	const id = `${i.toString(16).padStart(8, "0")}-1111-4222-8333-444455556666`;
	return {
		add: {
			path: `day=2026-11-${String((i % 28) + 1).padStart(2, "0")}/part-${id}.zstd.parquet`,
			partitionValues: {
				day: `2026-11-${String((i % 28) + 1).padStart(2, "0")}`,
			},
			size: 1_000_000 + (i % 9999),
			modificationTime: 1_795_000_000_000 + i,
			dataChange: true,
			stats: `{"numRecords":${1000 + (i % 100)},"minValues":{"id":${i * 1000},"customer":"customer ${i % 977}","total":${i / 7}},"maxValues":{"id":${i * 1000 + 999},"customer":"customer ${(i % 977) + 9}","total":${i / 7 + 100}},"nullCount":{"id":0,"customer":${i % 5},"total":0},"tightBounds":true}`,
		},
	};
}

async function make(
	path: string,
	commits: number,
	filesEach: number,
	configuration: Record<string, string>,
): Promise<Snapshot> {
	const engine = engineAt(path);
	let snapshot: Snapshot | undefined;
	for (let i = 0; i < commits; i++) {
		const adds = Array.from({ length: filesEach }, (_, n) =>
			fileAction(i * filesEach + n),
		);
		const outcome = await commit(engine, {
			base: snapshot,
			plan: (current) => ({
				kind: "commit",
				info: { operation: "WRITE", isBlindAppend: true },
				actions:
					current === undefined
						? [
								...newTable(
									{
										schema: struct(
											field("id", "long"),
											field("customer", "string"),
											field("total", "double"),
											field("day", "date"),
										),
										partitionColumns: ["day"],
										configuration: {
											"delta.checkpointInterval": "1000000",
											...configuration,
										},
									},
									engine,
								),
								...adds,
							]
						: adds,
			}),
		});
		if (outcome.kind !== "committed") throw new Error(outcome.kind);
		snapshot = outcome.snapshot;
	}
	if (snapshot === undefined) throw new Error("no commits");
	return snapshot;
}

async function run(what: string, table: string): Promise<Result> {
	const engine = engineAt(table);
	let last: Snapshot | undefined;
	if (what === "refresh") {
		last = await loadSnapshot(engine);
		if (last !== undefined) await commitOne(engine, last);
	}
	const start = performance.now();
	const cpu = process.cpuUsage();
	let files = 0;
	switch (what) {
		case "open":
			last = await loadSnapshot(engine);
			files = last?.files.size ?? 0;
			break;
		case "refresh":
			if (last === undefined) throw new Error(`no table at ${table}`);
			last = await refreshSnapshot(engine, last);
			files = last.files.has("nothing") ? 0 : 1;
			break;
		case "list":
			last = await loadSnapshot(engine);
			for (const file of last?.files.values() ?? [])
				files += file.stats === undefined ? 0 : 1;
			break;
		default:
			throw new Error(`unknown run ${what}`);
	}
	const used = process.cpuUsage(cpu);
	return {
		what,
		files,
		seconds: (performance.now() - start) / 1000,
		cpuSeconds: (used.user + used.system) / 1e6,
		peakRssMB: peakRssMB(),
	};
}

/** Of this process since it was started; what `getrusage` says counts its parent's too. */
function peakRssMB(): number {
	const [, kilobytes] =
		/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
	return Number(kilobytes) / 1024;
}

async function commitOne(engine: Engine, base: Snapshot): Promise<void> {
	await commit(engine, {
		base,
		plan: () => ({
			kind: "commit",
			info: {},
			actions: [fileAction(1e9 + Math.floor(Math.random() * 1e6))],
		}),
	});
}

function measure(title: string, table: string): void {
	const runs: [string, () => string][] = [
		...["open", "list", "refresh"].map((what): [string, () => string] => [
			`tributary ${what}`,
			() =>
				execFileSync(
					process.execPath,
					[import.meta.filename, "--run", what, "--table", table],
					{ encoding: "utf8" },
				),
		]),
		...["open", "list"].map((what): [string, () => string] => [
			`delta-rs ${what}`,
			() =>
				execFileSync(
					JUDGES_PYTHON,
					[join(import.meta.dirname, "peer_open.py"), what, table],
					{ encoding: "utf8" },
				),
		]),
	];
	console.log(title);
	for (const [name, start] of runs) {
		const results = Array.from(
			{ length: Number(values.repeat) },
			() => JSON.parse(start()) as Result,
		).sort((a, b) => a.cpuSeconds - b.cpuSeconds);
		const median = results[Math.floor(results.length / 2)];
		if (median === undefined) continue;
		console.log(
			`  ${name.padEnd(18)} ${median.files.toLocaleString("en").padStart(9)} files  ${median.cpuSeconds.toFixed(3).padStart(8)} CPU s  ${median.seconds.toFixed(3).padStart(8)} s  ${median.peakRssMB.toFixed(0).padStart(6)} MB`,
		);
	}
}

if (values.run !== undefined) {
	console.log(JSON.stringify(await run(values.run, values.table ?? "")));
} else {
	const dir = mkdtempSync(join(tmpdir(), "tributary-bench-open-"));
	try {
		const files = Number(values.files);
		const large = join(dir, "files");
		const snapshot = await make(large, 20, Math.ceil(files / 20), {
			...(values.policy === "v2" ? { "delta.checkpointPolicy": "v2" } : {}),
		});
		const start = performance.now();
		const cpu = process.cpuUsage();
		await writeCheckpoint(engineAt(large), snapshot);
		const used = process.cpuUsage(cpu);
		console.log(
			`checkpoint of ${snapshot.files.size.toLocaleString("en")} files: ${((used.user + used.system) / 1e6).toFixed(2)} CPU s, ${((performance.now() - start) / 1000).toFixed(2)} s`,
		);
		measure(
			`a table of ${files.toLocaleString("en")} files, checkpointed (${values.policy})`,
			large,
		);
		const long = join(dir, "commits");
		await make(long, Number(values.commits), 1, {});
		measure(
			`a table of ${Number(values.commits).toLocaleString("en")} commits, no checkpoint`,
			long,
		);
	} finally {
		rmSync(dir, { recursive: true, force: true });
	}
}
