import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { vectorOf } from "../../src/columnar/literal.ts";
import { encodeParquet } from "../../src/columnar/parquet/encode.ts";
import { readFooter } from "../../src/columnar/parquet/random-access.ts";
import type { RowGroupStats } from "../../src/columnar/parquet/read.ts";
import { bytesFile, readParquet } from "../../src/columnar/parquet/read.ts";
import type { DataType } from "../../src/columnar/types.ts";
import { field, struct } from "../../src/columnar/types.ts";
import type { Batch, Value } from "../../src/columnar/vector.ts";
import { installed } from "../../stack/cache.ts";

const SCRIPT = join(import.meta.dirname, "parquet-judge.py");
const folder = mkdtempSync(join(tmpdir(), "parquet-bloom-"));

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const ROWS = 5000;
const GROUP = 1024;
const GROUPS = Math.ceil(ROWS / GROUP);

/** A column's type, its value by number, and as DuckDB's SQL has it. */
const COLUMNS: readonly [
	name: string,
	type: DataType,
	value: (n: number) => Value,
	sql: (n: number | "n") => string,
][] = [
	["int", "integer", (n) => n, (n) => `${n}::INTEGER`],
	["long", "long", (n) => BigInt(n) << 33n, (n) => `(${n}::BIGINT << 33)`],
	["text", "string", (n) => `key ${n} €`, (n) => `('key ' || ${n} || ' €')`],
	["float", "float", (n) => n / 4, (n) => `(${n} / 4)::FLOAT`],
	["double", "double", (n) => n / 3, (n) => `(${n}::DOUBLE / 3)`],
	[
		"at",
		"timestamp_ntz",
		(n) => BigInt(n) * 1_000_003n,
		(n) => `make_timestamp(${n}::BIGINT * 1000003)`,
	],
	["day", "date", (n) => n, (n) => `('1970-01-01'::DATE + ${n}::INTEGER)`],
];

const SCHEMA = struct(...COLUMNS.map(([name, type]) => field(name, type)));

/** Numbers that are spread, so that every row group has nearly all bounds: only filters prune. */
const spread = (i: number): number => (i * 7919) % 10_007;
const numbers = Array.from({ length: ROWS }, (_, i) => spread(i));
const absent = Array.from({ length: 60 }, (_, i) => spread(ROWS + 17 * i));

function written(bloom: boolean): Uint8Array {
	const batch: Batch = {
		schema: SCHEMA,
		length: ROWS,
		columns: COLUMNS.map(([, type, value]) =>
			vectorOf(type, numbers.map(value)),
		),
	};
	return encodeParquet([batch], {
		rowGroupRows: GROUP,
		...(bloom ? { bloom: COLUMNS.map(([name]) => [name]) } : {}),
	}).bytes;
}

function judge(...args: readonly string[]): string {
	const python = installed("judges", "bin/python");
	return execFileSync(python, [SCRIPT, ...args], {
		encoding: "utf8",
		stdio: ["ignore", "pipe", "pipe"],
	});
}

test("DuckDB finds our values by our filters, and few others", () => {
	const path = join(folder, "ours.parquet");
	writeFileSync(path, written(true));
	for (const [name, , , sql] of COLUMNS) {
		const probed = [...numbers.slice(0, 200), ...absent];
		const literals = JSON.stringify(probed.map(sql));
		const excluded: [number][][] = JSON.parse(
			judge("probe", path, name, literals),
		);
		let pruned = 0;
		probed.forEach((_, i) => {
			const groups = (excluded[i] ?? []).map(([group]) => group);
			if (i < 200) expect(groups, name).not.toContain(0);
			else pruned += groups.length;
		});
		expect(pruned, name).toBeGreaterThan(absent.length * GROUPS * 0.95);
	}
});

test("DuckDB doesn't touch the row groups that our filters exclude", async () => {
	const missing = absent.find((n) => n > 2000 && n < 8000) ?? 0;
	const query = (path: string): unknown =>
		JSON.parse(judge("query", path, `SELECT * FROM f WHERE int = ${missing}`));
	for (const bloom of [true, false]) {
		const bytes = written(bloom);
		const path = join(folder, `data-${bloom}.parquet`);
		writeFileSync(path, bytes);
		expect(query(path)).toEqual([]);
		// Whoever reads a page of this one fails.
		const footer = await readFooter(bytesFile(bytes));
		const chunks = footer.rowGroups.flatMap(({ columns }) => columns);
		const end = Math.max(...chunks.map(({ chunk }) => chunk?.dataOffset ?? 0));
		writeFileSync(path, bytes.fill(0xff, 4, end + 8));
		if (bloom) expect(query(path)).toEqual([]);
		else expect(() => query(path)).toThrow();
	}
});

test.each<["pyarrow" | "duckdb"]>([["pyarrow"], ["duckdb"]])(
	"we find the values of %s by its filters, and few others",
	async (engine) => {
		const path = join(folder, `${engine}.parquet`);
		let rows: readonly number[] = numbers;
		if (engine === "pyarrow") {
			const source = join(folder, "source.parquet");
			writeFileSync(source, written(false));
			const filters = Object.fromEntries(
				COLUMNS.map(([name]) => [name, { ndv: GROUP, fpp: 0.01 }]),
			);
			const options = { row_group_size: GROUP, bloom_filter_options: filters };
			judge("rewrite", source, path, JSON.stringify(options));
		} else {
			// Filters are made of dictionaries only: there are few values, none of which is odd.
			rows = Array.from({ length: ROWS }, (_, i) => (i % 50) * 2);
			const columns = COLUMNS.map(
				([name, , , sql]) => `${sql("n")} AS ${name}`,
			);
			judge(
				"bloom",
				path,
				`SELECT ${columns.join(", ")} FROM (SELECT (range % 50) * 2 AS n FROM range(${ROWS}))`,
			);
		}
		const others = engine === "pyarrow" ? absent : absent.map((n) => n * 2 + 1);
		const groups: RowGroupStats[] = [];
		const keep = (group: RowGroupStats): boolean => {
			groups.push(group);
			return false;
		};
		const file = bytesFile(readFileSync(path));
		for await (const _ of readParquet(file, { schema: SCHEMA, keep }));
		expect(groups.length).toBeGreaterThan(1);
		for (const [name, , value] of COLUMNS) {
			let pruned = 0;
			for (const { firstRow, rows: length, mayContain } of groups) {
				for (const n of rows.slice(firstRow, firstRow + Math.min(length, 200)))
					expect(await mayContain([name], value(n)), `${name} ${n}`).toBe(true);
				for (const n of others)
					if (!(await mayContain([name], value(n)))) pruned++;
			}
			expect(pruned, name).toBeGreaterThan(others.length * groups.length * 0.9);
		}
	},
);
