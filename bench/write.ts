import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { encodeParquet } from "../src/columnar/parquet/encode.ts";
import type { Batch } from "../src/columnar/vector.ts";
import type { Engine } from "../src/delta/engine.ts";
import { loadSnapshot } from "../src/delta/snapshot.ts";
import { append, createTable } from "../src/delta/write.ts";
import { openStore } from "../src/storage/open.ts";
import { JUDGES_PYTHON } from "../stack/components.ts";
import { makeBatch, SCHEMA } from "./scan-table.ts";

/**
 * Appends a million rows of ten columns, which are in memory, as one commit to a local folder; beside
 * delta-rs with the same rows and the same codec. Each run is a process of its own.
 *
 *   node bench/write.ts [--rows 1000000] [--repeat 3]
 */
const { values } = parseArgs({
	options: {
		rows: { type: "string", default: "1000000" },
		repeat: { type: "string", default: "3" },
		/** The folder that a process of its own writes to. */
		run: { type: "string" },
	},
});
const rows = Number(values.rows);
const BATCH_ROWS = 100_000;

interface Result {
	readonly seconds: number;
	readonly cpuSeconds: number;
	readonly peakRssMB: number;
	/** Before the first row was written: what the rows themselves take is in it. */
	readonly startRssMB: number;
	readonly bytes: number;
}

function batches(): Batch[] {
	const all: Batch[] = [];
	for (let start = 0; start < rows; start += BATCH_ROWS)
		all.push(makeBatch(start, Math.min(BATCH_ROWS, rows - start)));
	return all;
}

function memoryMB(what: "VmHWM" | "VmRSS"): number {
	const status = readFileSync("/proc/self/status", "utf8");
	return Number(new RegExp(`${what}:\\s+(\\d+)`).exec(status)?.[1]) / 1024;
}

async function run(folder: string): Promise<Result> {
	const engine: Engine = {
		store: openStore(folder, {}),
		now: Date.now,
		uuid: randomUUID,
		sleep: (ms) => sleep(ms),
		random: Math.random,
	};
	const data = batches();
	const table = await createTable(engine, {
		schema: SCHEMA,
		configuration: { "delta.parquet.compression.codec": "zstd" },
	});
	const startRssMB = memoryMB("VmRSS");
	const started = performance.now();
	const cpu = process.cpuUsage();
	const written = await append(engine, table, data);
	const used = process.cpuUsage(cpu);
	return {
		seconds: (performance.now() - started) / 1000,
		cpuSeconds: (used.user + used.system) / 1e6,
		peakRssMB: memoryMB("VmHWM"),
		startRssMB,
		bytes: [...written.files.values()].reduce((sum, { size }) => sum + size, 0),
	};
}

if (values.run !== undefined) {
	console.log(JSON.stringify(await run(values.run)));
} else {
	const dir = mkdtempSync(join(tmpdir(), "tributary-bench-write-"));
	try {
		const source = join(dir, "source.parquet");
		writeFileSync(source, encodeParquet(batches()).bytes);
		const candidates: [string, (folder: string) => string][] = [
			[
				"tributary",
				(folder) =>
					execFileSync(
						process.execPath,
						[import.meta.filename, "--run", folder, "--rows", String(rows)],
						{ encoding: "utf8" },
					),
			],
			[
				"delta-rs",
				(folder) =>
					execFileSync(
						JUDGES_PYTHON,
						[join(import.meta.dirname, "peer_write.py"), source, folder],
						{ encoding: "utf8" },
					),
			],
		];
		const results = new Map<string, Result[]>();
		for (let round = 0; round < Number(values.repeat); round++)
			for (const [name, start] of candidates) {
				const folder = join(dir, `${name}-${round}`);
				const result = JSON.parse(start(folder)) as Result;
				results.set(name, [...(results.get(name) ?? []), result]);
				const count = await rowsIn(folder);
				if (count !== rows)
					throw new Error(`${name} wrote ${count} rows of ${rows}`);
				rmSync(folder, { recursive: true, force: true });
			}
		console.log(
			`append of ${rows.toLocaleString("en")} rows of ten columns, one commit, zstd`,
		);
		for (const [name, all] of results) {
			const median = all.sort((a, b) => a.cpuSeconds - b.cpuSeconds)[
				Math.floor(all.length / 2)
			];
			if (median === undefined) continue;
			console.log(
				`  ${name.padEnd(10)} ${((median.cpuSeconds * 1e6) / rows).toFixed(2).padStart(6)} CPU s/M  ${(rows / median.cpuSeconds / 1e3).toFixed(0).padStart(6)}k rows/s/core  ${median.seconds.toFixed(2).padStart(6)} s  ${(median.bytes / 1e6).toFixed(1).padStart(6)} MB written  ${median.peakRssMB.toFixed(0).padStart(5)} MB peak (${median.startRssMB.toFixed(0)} before)`,
			);
		}
	} finally {
		rmSync(dir, { recursive: true, force: true });
	}
}

async function rowsIn(folder: string): Promise<number> {
	const snapshot = await loadSnapshot({
		store: openStore(folder, {}),
		now: Date.now,
		uuid: randomUUID,
		sleep: (ms) => sleep(ms),
		random: Math.random,
	});
	return [...(snapshot?.files.values() ?? [])].reduce(
		(sum, { stats }) =>
			sum + (JSON.parse(stats ?? "{}") as { numRecords: number }).numRecords,
		0,
	);
}
