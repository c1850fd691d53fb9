import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { vectorOf } from "../../../src/columnar/literal.ts";
import { type DataType, field, struct } from "../../../src/columnar/types.ts";
import { valueAt } from "../../../src/columnar/value.ts";
import type { Batch, Value } from "../../../src/columnar/vector.ts";
import type { DeltaError } from "../../../src/delta/errors.ts";
import { scanFiles } from "../../../src/delta/scan.ts";
import { fileSkipper } from "../../../src/delta/skipping.ts";
import { append } from "../../../src/delta/write.ts";
import { bindPredicate } from "../../../src/expression/bind.ts";
import { ExpressionError } from "../../../src/expression/errors.ts";
import { evaluate } from "../../../src/expression/evaluate.ts";
import { parseExpression } from "../../../src/expression/parse.ts";
import { engineOf, snapshotOf } from "../../support/differential.ts";
import { seedOf } from "../../support/seed.ts";
import { Spark } from "../../support/spark.ts";
import { wireRows } from "../../support/wire.ts";
import {
	randomBatch,
	randomOf,
	randomPredicate,
	SCHEMA,
} from "../../unit/expression/sample.ts";

let dir: string;
let spark: Spark;

beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "tributary-constraints-"));
	if (Spark.installed) spark = await Spark.shared();
}, 120_000);

afterAll(async () => {
	await rm(dir, { recursive: true, force: true });
});

function rows(
	columns: Readonly<Record<string, readonly [DataType, readonly Value[]]>>,
): Batch {
	const all = Object.entries(columns);
	return {
		schema: struct(...all.map(([name, [type]]) => field(name, type))),
		length: all[0]?.[1][1].length ?? 0,
		columns: all.map(([, [type, values]]) => vectorOf(type, values)),
	};
}

describe.skipIf(!Spark.installed)("tables that Spark made", () => {
	test("constraints, generated columns and defaults of Spark are kept by us, and it goes on after us", async () => {
		const path = join(dir, "constrained");
		const table = `delta.\`${path}\``;
		for (const statement of [
			`CREATE TABLE ${table} (
				id BIGINT NOT NULL,
				at TIMESTAMP,
				day DATE GENERATED ALWAYS AS (CAST(at AS DATE)),
				month STRING GENERATED ALWAYS AS (date_format(at, 'yyyy-MM')),
				next BIGINT GENERATED ALWAYS AS (id + 1),
				state STRING DEFAULT concat('n', 'ew'),
				price DECIMAL(10,2) DEFAULT 1.5,
				s STRUCT<a: INT>
			) USING delta PARTITIONED BY (day)
			TBLPROPERTIES ('delta.feature.allowColumnDefaults' = 'supported')`,
			`ALTER TABLE ${table} ADD CONSTRAINT small CHECK (id < 1000 AND (state IN ('new', 'old') OR state IS NULL))`,
			`ALTER TABLE ${table} ADD CONSTRAINT \`nested one\` CHECK (s.a > 0 OR s.a IS NULL)`,
			`INSERT INTO ${table} (id, at, s) VALUES (1, TIMESTAMP '2026-08-31 23:59:59', named_struct('a', 1))`,
		])
			await spark.sql(statement);
		const at = 1_788_220_799_000_000n;
		const structs = struct(field("a", "integer"));
		const written = await append(engineOf(path), await snapshotOf(path), [
			rows({
				id: ["long", [2n, 3n]],
				at: ["timestamp", [at, null]],
				s: [structs, [null, { a: 5 }]],
			}),
		]);
		expect(written.version).toBe(4);
		await spark.sql(
			`INSERT INTO ${table} (id, at, state) VALUES (4, NULL, 'old')`,
		);
		expect(
			await spark.sql(
				`SELECT id, day, month, next, state, price, s.a FROM ${table} ORDER BY id`,
			),
		).toEqual([
			["1", "2026-08-31", "2026-08", "2", "new", "1.50", "1"],
			["2", "2026-08-31", "2026-08", "3", "new", "1.50", null],
			["3", null, null, "4", "new", "1.50", "5"],
			["4", null, null, "5", "old", "1.50", null],
		]);
		const base = await snapshotOf(path);
		const wrong: readonly (readonly [Batch, string])[] = [
			[rows({ id: ["long", [1000n]] }), "(1000, NULL, NULL, NULL)"],
			[rows({ id: ["long", [null]] }), "(NULL, NULL, NULL, NULL)"],
			[
				rows({ id: ["long", [5n]], state: ["string", ["odd"]] }),
				"(5, NULL, 'odd', NULL)",
			],
			[
				rows({ id: ["long", [5n]], s: [structs, [{ a: 0 }]] }),
				"(5, NULL, NULL, named_struct('a', 0))",
			],
		];
		for (const [batch, values] of wrong) {
			const caught: unknown = await append(engineOf(path), base, [batch]).catch(
				(error: unknown) => error,
			);
			expect((caught as DeltaError).code, values).toBe(
				"DELTA_CONSTRAINT_VIOLATED",
			);
			await expect(
				spark.sql(`INSERT INTO ${table} (id, at, state, s) VALUES ${values}`),
			).rejects.toThrow();
		}
		const generated: unknown = await append(engineOf(path), base, [
			rows({ id: ["long", [5n]], next: ["long", [7n]] }),
		]).catch((error: unknown) => error);
		expect((generated as DeltaError).message).toContain(
			"the generated column next",
		);
		expect((await snapshotOf(path)).version).toBe(base.version);
	}, 300_000);

	test("a text that is too long for its VARCHAR or CHAR is refused by both, and the same ones are taken", async () => {
		const path = join(dir, "lengths");
		const table = `delta.\`${path}\``;
		await spark.sql(
			`CREATE TABLE ${table} (name VARCHAR(3), code CHAR(2)) USING delta`,
		);
		for (const [name, code] of [
			["abc", "ab"],
			["\u{1f600}\u{1f600}\u{1f600}", null],
			[null, "a"],
			["abcd", "a"],
			["a", "abc"],
		] as const) {
			const literal = (text: string | null): string =>
				text === null ? "NULL" : `'${text}'`;
			const theirs = await spark
				.sql(`INSERT INTO ${table} VALUES (${literal(name)}, ${literal(code)})`)
				.then(
					() => "taken",
					() => "refused",
				);
			const ours = await append(engineOf(path), await snapshotOf(path), [
				rows({ name: ["string", [name]], code: ["string", [code]] }),
			]).then(
				() => "taken",
				(error: DeltaError) => {
					expect(error.code).toBe("DELTA_CONSTRAINT_VIOLATED");
					return "refused";
				},
			);
			expect(ours, `${name} ${code}`).toBe(theirs);
		}
		expect((await spark.read(path)).rows.length).toBe(6);
	}, 300_000);

	test("files that we skip by Spark's statistics have no row that Spark finds", async () => {
		const seed = seedOf();
		const random = randomOf(seed);
		let skipped = 0;
		let skippedThere = 0;
		let compared = 0;
		for (const partitions of [[], ["dt", "t"]]) {
			const path = join(dir, `skipped-${partitions.join("-")}`);
			const table = `delta.\`${path}\``;
			for (let file = 0; file < 4; file++) {
				const batch = randomBatch(random, 6, {
					low: random(30) - 15,
					span: 1 + random(6),
				});
				await spark.rows("sample", SCHEMA, wireRows(batch, SCHEMA));
				await spark.sql(
					file === 0
						? `CREATE TABLE ${table} USING delta ${partitions.length === 0 ? "" : `PARTITIONED BY (${partitions.join(", ")})`} TBLPROPERTIES ('delta.enableDeletionVectors' = 'true') AS SELECT * FROM sample`
						: `INSERT INTO ${table} SELECT * FROM sample`,
				);
			}
			await spark.sql(`DELETE FROM ${table} WHERE k % 3 = 0`);
			const snapshot = await snapshotOf(path);
			const engine = engineOf(path);
			for (let query = 0; query < 15; query++) {
				const text = randomPredicate(random);
				const bound = bindPredicate(parseExpression(text), snapshot.schema);
				const keep = fileSkipper(bound, snapshot);
				const kept = [...snapshot.files.values()].filter(keep);
				let found = 0;
				try {
					for await (const { batch } of scanFiles(engine, snapshot, {
						files: kept,
					})) {
						const vector = evaluate(bound, batch);
						for (let i = 0; i < batch.length; i++)
							if (valueAt(vector, "boolean", i) === true) found++;
					}
				} catch (error) {
					if (error instanceof ExpressionError) continue;
					throw error;
				}
				const theirs = await spark
					.sql(`SELECT count(*) FROM ${table} WHERE ${text}`)
					.then(
						([row]) => row?.[0],
						() => undefined,
					);
				if (theirs === undefined) continue;
				expect(String(found), `seed ${seed}: ${text}`).toBe(theirs);
				compared++;
				skipped += snapshot.files.size - kept.length;
				skippedThere +=
					snapshot.files.size - (await spark.files(path, text)).length;
			}
		}
		expect(compared, `seed ${seed}`).toBeGreaterThan(10);
		// NaN keeps files of ours that Spark trusts its statistics for.
		expect(skipped, `seed ${seed}`).toBeGreaterThan(skippedThere * 0.8);
	}, 600_000);
});
