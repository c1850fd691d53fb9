import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { EncodeOptions } from "../src/columnar/parquet/encode.ts";
import { encodeParquet } from "../src/columnar/parquet/encode.ts";
import type { RandomAccess } from "../src/columnar/parquet/read.ts";
import { readParquet } from "../src/columnar/parquet/read.ts";
import { vectorBytes } from "../src/columnar/slice.ts";
import type { Vector } from "../src/columnar/vector.ts";
import type { Engine } from "../src/delta/engine.ts";
import { scanFiles } from "../src/delta/scan.ts";
import { loadSnapshot } from "../src/delta/snapshot.ts";
import { openStore } from "../src/storage/open.ts";
import { JUDGES_PYTHON } from "../stack/components.ts";
import { makeBatch, SCHEMA, writeTable } from "./scan-table.ts";

/**
 * Scans of a local Delta table of ten columns: rows counted, numbers summed, bytes of text counted.
 * Ours beside delta-rs with pyarrow and beside hyparquet, each in a process of its own that counts
 * from the first byte it reads. Then the memory that one large row group takes.
 *
 *   node bench/scan.ts [--rows 5000000] [--repeat 3]
 */
const { values } = parseArgs({
	options: {
		rows: { type: "string", default: "5000000" },
		repeat: { type: "string", default: "3" },
		/** Keeps the table here, or uses the one that is there. */
		table: { type: "string" },
		only: { type: "string" },
		columns: { type: "string" },
	},
});

interface Result {
	readonly rows: number;
	/** Of numbers and of bytes of text: every candidate has to find the same. */
	readonly sum: string;
	/** Decoded; only ours says it. */
	readonly bytes?: number;
	readonly seconds: number;
	readonly cpuSeconds: number;
	readonly peakRssMB: number;
	readonly baseRssMB: number;
}

const CANDIDATES = ["tributary", "delta-rs, pyarrow", "hyparquet"] as const;

const COLUMN_SETS = [
	["amount", "city"],
	["amount"],
	["city"],
	["note"],
	["maybe"],
] as const;

function compare(table: string, columns: readonly string[]): void {
	const rows = CANDIDATES.flatMap((candidate) => {
		const results = Array.from({ length: Number(values.repeat) }, () =>
			run(candidate, table, columns),
		).filter((result) => result !== undefined);
		const best = results.toSorted((a, b) => a.cpuSeconds - b.cpuSeconds)[0];
		return best === undefined ? [] : [{ candidate, ...best }];
	});
	const [first] = rows;
	for (const { candidate, rows: count, sum } of rows)
		if (count !== first?.rows || sum !== first.sum)
			throw new Error(
				`${candidate} finds ${count} rows and ${sum} in ${columns}, ${first?.candidate} ${first?.rows} and ${first?.sum}`,
			);
	console.log(`\n${columns.join(" and ")}, least CPU of ${values.repeat} runs`);
	console.table(
		rows.map(({ candidate, rows: count, seconds, cpuSeconds, ...rest }) => ({
			candidate,
			"CPU s": round(cpuSeconds),
			"million rows/s": round(count / seconds / 1e6),
			"decoded MB/s": Math.round((first?.bytes ?? 0) / seconds / 1e6),
			"peak RSS MB": Math.round(rest.peakRssMB),
			"of it before": Math.round(rest.baseRssMB),
		})),
	);
}

/** A row group of a million rows, whole and in batches. */
function compareMemory(folder: string): void {
	const file = join(folder, "large-row-group.parquet");
	if (!existsSync(file)) {
		const rows = 1_000_000;
		const options: EncodeOptions = { rowGroupRows: rows };
		writeFileSync(file, encodeParquet([makeBatch(0, rows)], options).bytes);
	}
	const rows = (["one batch", "batches of 65536"] as const).map((candidate) => {
		const result = run(candidate, file, []);
		return {
			candidate,
			"CPU s": round(result?.cpuSeconds ?? 0),
			"peak RSS MB": Math.round(result?.peakRssMB ?? 0),
			"of it before": Math.round(result?.baseRssMB ?? 0),
		};
	});
	console.log("\nall ten columns of one row group of a million rows");
	console.table(rows);
}

function run(
	candidate: string,
	table: string,
	columns: readonly string[],
): Result | undefined {
	const python = candidate.startsWith("delta-rs");
	if (python && !existsSync(JUDGES_PYTHON)) return undefined;
	const output = python
		? execFileSync(
				JUDGES_PYTHON,
				[join(import.meta.dirname, "peer_scan.py"), table, ...columns],
				{ encoding: "utf8" },
			)
		: execFileSync(
				process.execPath,
				[
					import.meta.filename,
					`--only=${candidate}`,
					`--table=${table}`,
					`--columns=${columns.join(",")}`,
				],
				{ encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] },
			);
	return JSON.parse(output);
}

async function measure(
	candidate: string,
	table: string,
	columns: readonly string[],
): Promise<Result> {
	const scan = SCANS[candidate];
	if (scan === undefined) throw new Error(`unknown candidate ${candidate}`);
	const prepared = await scan();
	const baseRssMB = process.memoryUsage.rss() / 1e6;
	const before = process.cpuUsage();
	const started = performance.now();
	const found = await prepared(table, columns);
	const seconds = (performance.now() - started) / 1000;
	const used = process.cpuUsage(before);
	return {
		rows: found.rows,
		sum: String(found.sum),
		...(found.bytes === undefined ? {} : { bytes: found.bytes }),
		seconds,
		cpuSeconds: (used.user + used.system) / 1e6,
		peakRssMB: process.resourceUsage().maxRSS / 1000,
		baseRssMB,
	};
}

type Scan = (
	table: string,
	columns: readonly string[],
) => Promise<{
	readonly rows: number;
	readonly sum: bigint;
	readonly bytes?: number;
}>;

/** The outer function loads libraries, which isn't counted. */
const SCANS: Readonly<Record<string, () => Promise<Scan>>> = {
	tributary: async () => scanOurs,
	hyparquet: scanHyparquet,
	"one batch": async () => (file) => scanFile(file, Number.MAX_SAFE_INTEGER),
	"batches of 65536": async () => (file) => scanFile(file, 65_536),
};

async function scanOurs(
	table: string,
	columns: readonly string[],
): ReturnType<Scan> {
	const engine = engineOf(table);
	const snapshot = await loadSnapshot(engine);
	if (snapshot === undefined) throw new Error(`no table in ${table}`);
	let rows = 0;
	let sum = 0n;
	let bytes = 0;
	for await (const { batch } of scanFiles(engine, snapshot, { columns })) {
		rows += batch.length;
		for (const vector of batch.columns) {
			sum += sumOf(vector);
			bytes += vectorBytes(vector, 0, batch.length);
		}
	}
	return { rows, sum, bytes };
}

async function scanFile(path: string, batchRows: number): ReturnType<Scan> {
	const handle = await open(path);
	const { size } = await handle.stat();
	const file: RandomAccess = {
		size,
		read: async (start, end) => {
			const bytes = new Uint8Array(end - start);
			const { bytesRead } = await handle.read(bytes, 0, end - start, start);
			return bytes.subarray(0, bytesRead);
		},
	};
	let rows = 0;
	let sum = 0n;
	for await (const { batch } of readParquet(file, {
		schema: SCHEMA,
		batchRows,
	})) {
		rows += batch.length;
		for (const vector of batch.columns) sum += sumOf(vector);
	}
	await handle.close();
	return { rows, sum };
}

function sumOf(vector: Vector): bigint {
	const { length, validity } = vector;
	switch (vector.kind) {
		case "bytes":
			return BigInt(
				(vector.offsets[length] as number) - (vector.offsets[0] as number),
			);
		case "i64": {
			// The values are below 2^53 / length here.
			const words = new Uint32Array(
				vector.values.buffer,
				vector.values.byteOffset,
				length * 2,
			);
			let sum = 0;
			for (let i = 0; i < length; i++)
				sum +=
					(validity?.[i] ?? 1) *
					((words[2 * i + 1] as number) * 2 ** 32 + (words[2 * i] as number));
			return BigInt(sum);
		}
		default:
			return 0n;
	}
}

async function scanHyparquet(): Promise<Scan> {
	const { asyncBufferFromFile, parquetRead } = await import("hyparquet");
	const { compressors } = await import("hyparquet-compressors");
	return async (table, columns) => {
		const snapshot = await loadSnapshot(engineOf(table));
		let rows = 0;
		let sum = 0n;
		for (const { path } of snapshot?.files.values() ?? []) {
			const file = await asyncBufferFromFile(join(table, path));
			await parquetRead({
				file,
				columns: [...columns],
				compressors,
				onChunk: ({ columnName, columnData }) => {
					if (columnName === columns[0]) rows += columnData.length;
					let part = 0;
					for (let i = 0; i < columnData.length; i++) {
						const value = columnData[i];
						if (typeof value === "string") part += value.length;
						else if (value !== null && value !== undefined)
							part += Number(value);
					}
					sum += BigInt(part);
				},
			});
		}
		return { rows, sum };
	};
}

function engineOf(table: string): Engine {
	return {
		store: openStore(table),
		now: Date.now,
		uuid: randomUUID,
		sleep: (ms) => sleep(ms),
		random: Math.random,
	};
}

function round(value: number): number {
	return Math.round(value * 100) / 100;
}

if (values.only !== undefined && values.table !== undefined) {
	const columns = (values.columns ?? "").split(",");
	const result = await measure(values.only, values.table, columns);
	console.log(JSON.stringify(result));
} else {
	const folder = values.table ?? mkdtempSync(join(tmpdir(), "tributary-scan-"));
	try {
		if (!existsSync(join(folder, "_delta_log")))
			writeTable(folder, Number(values.rows));
		for (const columns of COLUMN_SETS) compare(folder, columns);
		compareMemory(folder);
	} finally {
		if (values.table === undefined)
			rmSync(folder, { recursive: true, force: true });
	}
}
