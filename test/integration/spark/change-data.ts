import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type StructType, struct } from "../../../src/columnar/types.ts";
import { decimalText, valueAt } from "../../../src/columnar/value.ts";
import type { Batch, Row, Value } from "../../../src/columnar/vector.ts";
import { readChanges } from "../../../src/delta/change-data.ts";
import type { Engine } from "../../../src/delta/engine.ts";
import { readTable } from "../../../src/delta/scan.ts";
import { loadSnapshot, type Snapshot } from "../../../src/delta/snapshot.ts";
import { JUDGES_PYTHON } from "../../../stack/components.ts";
import { seeded } from "../../support/changes.ts";
import { engineOf } from "../../support/differential.ts";
import { Spark } from "../../support/spark.ts";
import { comparable, type Wire, wireRows } from "../../support/wire.ts";
import { newest, OurTable, row } from "./our-table.ts";

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const READER = join(import.meta.dirname, "../../support/judge.py");
const SCRIPT = join(import.meta.dirname, "../../support/change-judge.py");

let dir: string;

beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "tributary-change-data-"));
});

afterAll(async () => {
	await rm(dir, { recursive: true, force: true });
});

describe("delta-rs", () => {
	test.each([0, 1, 2, 3])(
		`its histories give the changes that it reads itself (SEED=${SEED} + %i)`,
		async (offset) => {
			const seed = SEED + offset;
			const random = seeded(seed);
			const folder = join(dir, `theirs-${offset}`);
			execFileSync(JUDGES_PYTHON, [SCRIPT, "write", folder, String(seed)], {
				stdio: "pipe",
			});
			const engine = engineOf(folder);
			const { version } = await newest(engine);
			expect(version).toBeGreaterThan(3);
			const ranges = Array.from({ length: 4 }, () => {
				const from = Math.floor(random() * (version + 1));
				return [from, from + Math.floor(random() * (version + 1 - from))];
			});
			for (const [from = 0, to = 0] of [[0, version], ...ranges])
				expect(await ours(engine, from, to), `${from} to ${to}`).toEqual(
					deltaRs(folder, from, to),
				);
			await expectFold(engine, version);
		},
	);

	test(`our changes are read by it as we meant them (SEED=${SEED})`, async () => {
		for (const partitionColumns of [[], ["word"]]) {
			const folder = join(dir, `ours-${partitionColumns.length}`);
			const table = await OurTable.create(folder, {
				partitionColumns,
				vectors: false,
			});
			await table.append([row(1, "a"), row(2, "b/c"), row(3, null)]);
			await table.append([row(4, "a")]);
			await table.rewrite({
				updated: [[row(1, "a"), row(1, "z z")]],
				deleted: [row(3, null)],
				kept: [row(2, "b/c"), row(4, "a")],
			});
			await table.clear();
			expect(await ours(table.engine, 0, 4)).toEqual(deltaRs(folder, 0, 4));
			expect(await ours(table.engine, 3, 3)).toHaveLength(3);
			await expectFold(table.engine, 4);
		}
	});
});

test.each(["delta-rs", "DuckDB"])(
	"%s reads our vectors: inline, in a file, as array, runs and bits",
	async (judge) => {
		const folder = join(dir, `vectors-${judge}`);
		const table = await OurTable.create(folder, {
			partitionColumns: [],
			vectors: true,
		});
		const rows = Array.from({ length: 20_000 }, (_, i) => row(i, `w${i}`));
		await table.append(rows);
		const judged = (): number[] =>
			execFileSync(JUDGES_PYTHON, [READER, "read", judge, folder], {
				encoding: "utf8",
				maxBuffer: 2 ** 28,
				stdio: "pipe",
			})
				.trimEnd()
				.split("\n")
				.map((line) => (JSON.parse(line) as { id: number }).id)
				.sort((a, b) => a - b);
		for (const [hidden, inlineBytes] of [
			[[5], undefined], // An array, inline.
			[[5, 6, 7, 8, 9, 19_999], 0], // Runs, in a file.
			[rows.map((_, i) => i).filter((i) => i % 2 === 0), undefined], // Bits.
		] as const) {
			await table.hide(hidden, inlineBytes);
			const gone = new Set<number>(hidden);
			expect(judged()).toEqual(
				rows.map((_, i) => i).filter((i) => !gone.has(i)),
			);
		}
	},
);

describe.skipIf(!Spark.installed)("Spark", () => {
	let spark: Spark;

	beforeAll(async () => {
		spark = await Spark.shared();
	});

	// Spark's first statements take long, all the more on a machine with other work.
	const timeout = 900_000;

	test.each([
		["with deletion vectors", true],
		["with rewritten files", false],
	])(
		"its changes are read as it reads them, %s",
		{ timeout },
		async (_, vectors) => {
			const folder = join(dir, `spark-${vectors}`);
			const name = `delta.\`${folder}\``;
			for (const statement of [
				`CREATE TABLE ${name} (id BIGINT, word STRING, price DECIMAL(9,2)) USING delta ${vectors ? "" : "PARTITIONED BY (word)"} TBLPROPERTIES (delta.enableChangeDataFeed = true, delta.enableDeletionVectors = ${vectors}, delta.enableInCommitTimestamps = true)`,
				`INSERT INTO ${name} SELECT id, concat('w', id % 3), id / 4 FROM range(0, 60, 1, 1)`,
				`DELETE FROM ${name} WHERE id % 9 = 4`,
				`UPDATE ${name} SET price = price + 1 WHERE id % 10 = 3`,
				`DELETE FROM ${name} WHERE id < 6`,
				`MERGE INTO ${name} t USING (SELECT id, 'merged' AS word, CAST(1 AS DECIMAL(9,2)) AS price FROM range(50, 70)) s ON t.id = s.id WHEN MATCHED AND t.id % 2 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET word = s.word WHEN NOT MATCHED THEN INSERT *`,
				`OPTIMIZE ${name}`,
				`RESTORE TABLE ${name} TO VERSION AS OF 3`,
				`ALTER TABLE ${name} ADD COLUMNS (late DOUBLE)`,
				`INSERT INTO ${name} VALUES (100, 'w1', 2.5, 0.5), (101, NULL, NULL, NULL)`,
				`DELETE FROM ${name}`,
			])
				await spark.sql(statement);
			const engine = engineOf(folder);
			const { version } = await newest(engine);
			for (const [first, last] of [
				[0, version],
				[2, 5],
				[version - 1, version],
			] as const) {
				const theirs = await spark.changes(folder, first, last);
				// Its columns are those of the newest version, ours those of the last.
				const { schema } = await snapshotAt(engine, last);
				const columns = struct(
					...theirs.schema.fields.filter(
						({ name }) =>
							name.startsWith("_") ||
							schema.fields.some((own) => own.name === name),
					),
				);
				const places = columns.fields.map(({ name }) =>
					theirs.schema.fields.findIndex((their) => their.name === name),
				);
				expect(
					comparable(await changedRows(engine, first, last, columns), columns),
					`${first} to ${last}`,
				).toEqual(
					comparable(
						theirs.rows.map((row) => places.map((at) => row[at] ?? null)),
						columns,
					),
				);
			}
			await expectFold(engine, version);
		},
	);

	test("our deletion vectors and change data files are read by it as we meant them", {
		timeout,
	}, async () => {
		const folder = join(dir, "ours-spark");
		const table = await OurTable.create(folder, {
			partitionColumns: [],
			vectors: true,
		});
		const rows = Array.from({ length: 100 }, (_, i) => row(i, `w${i}`));
		await table.append(rows);
		await table.hide([3, 50, 51]); // Inline.
		await table.hide(
			Array.from({ length: 60 }, (_, i) => i + 3),
			0,
		); // In a file.
		await table.hide([50]); // Most come back.
		await table.rewrite({
			updated: [[row(7, "w7"), row(7, "z")]],
			deleted: [row(9, "w9")],
			kept: rows.filter(({ id }) => id !== 7n && id !== 9n && id !== 50n),
		});
		await table.clear();
		for (const [first, last] of [
			[0, 6],
			[2, 4],
			[5, 5],
		] as const) {
			const { schema, rows } = await spark.changes(folder, first, last);
			expect(
				comparable(
					await changedRows(table.engine, first, last, schema),
					schema,
				),
			).toEqual(comparable(rows, schema));
		}
		await expectFold(table.engine, 6);
	});
});

async function snapshotAt(engine: Engine, version: number): Promise<Snapshot> {
	const snapshot = await loadSnapshot(engine, { version });
	if (snapshot === undefined) throw new Error("no table");
	return snapshot;
}

async function changedRows(
	engine: Engine,
	from: number,
	to: number,
	schema: StructType,
): Promise<Wire[][]> {
	const rows: Wire[][] = [];
	for await (const batch of readChanges(engine, { from, to, recorded: true }))
		rows.push(...wireRows(batch, schema));
	return rows;
}

/**
 * Our changes of a range as lines in an order of their own. Without their time: where the protocol
 * takes that of the commit's file, delta-rs takes what the writer noted.
 */
async function ours(
	engine: Engine,
	from: number,
	to: number,
): Promise<string[]> {
	const lines: string[] = [];
	for await (const batch of readChanges(engine, { from, to, recorded: true }))
		for (const each of plainRows(batch)) lines.push(untimed(each));
	return lines.sort();
}

function deltaRs(folder: string, from: number, to: number): string[] {
	return execFileSync(
		JUDGES_PYTHON,
		[SCRIPT, "read", folder, String(from), String(to)],
		{ encoding: "utf8", maxBuffer: 2 ** 28, stdio: "pipe" },
	)
		.split("\n")
		.filter((line) => line !== "")
		.map((line) => untimed(JSON.parse(line) as Record<string, unknown>))
		.sort();
}

function untimed({
	_commit_timestamp,
	...row
}: Record<string, unknown>): string {
	return canonical(row);
}

/** All changes, one after another, lead to the rows that the table has. */
async function expectFold(engine: Engine, version: number): Promise<void> {
	const rows = new Map<string, number>();
	const count = (line: string, by: number): void => {
		const now = (rows.get(line) ?? 0) + by;
		if (now === 0) rows.delete(line);
		else rows.set(line, now);
	};
	for await (const batch of readChanges(engine, { from: 0, to: version }))
		for (const each of plainRows(batch)) {
			const { _change_type: type, ...columns } = each;
			delete columns._commit_version;
			delete columns._commit_timestamp;
			const adds = type === "insert" || type === "update_postimage";
			count(canonical(columns), adds ? 1 : -1);
		}
	for await (const batch of readTable(
		engine,
		await snapshotAt(engine, version),
	))
		for (const each of plainRows(batch)) count(canonical(each), -1);
	expect([...rows]).toEqual([]);
}

function* plainRows(batch: Batch): Generator<Record<string, unknown>> {
	for (let i = 0; i < batch.length; i++)
		yield Object.fromEntries(
			batch.schema.fields.map(({ name, type }, at) => {
				const vector = batch.columns[at];
				if (vector === undefined) throw new Error(`no column ${name}`);
				return [name, plain(valueAt(vector, type, i))];
			}),
		);
}

/** As the script writes values. */
function plain(value: Value): unknown {
	if (value === null || typeof value !== "object")
		return typeof value === "bigint" ? Number(value) : value;
	if (Array.isArray(value)) return value.map(plain);
	const { unscaled, scale } = value as Row;
	if (typeof unscaled === "bigint" && typeof scale === "number")
		return decimalText(unscaled, scale);
	return Object.fromEntries(
		Object.entries(value).map(([name, inner]) => [name, plain(inner as Value)]),
	);
}

function canonical(row: Record<string, unknown>): string {
	return JSON.stringify(
		Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1)),
	);
}
