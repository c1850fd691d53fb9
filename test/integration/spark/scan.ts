import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { vectorOf } from "../../../src/columnar/literal.ts";
import {
	array,
	type DataType,
	field,
	type StructType,
	struct,
} from "../../../src/columnar/types.ts";
import { toJson, valueAt } from "../../../src/columnar/value.ts";
import { parseVariant } from "../../../src/columnar/variant-encode.ts";
import type { Batch } from "../../../src/columnar/vector.ts";
import type { Action, Metadata } from "../../../src/delta/actions.ts";
import { dropColumn, renameColumn } from "../../../src/delta/column-change.ts";
import {
	mappingMode,
	physicalSchema,
} from "../../../src/delta/column-mapping.ts";
import { commit } from "../../../src/delta/commit.ts";
import { evolve, newLayout } from "../../../src/delta/evolve.ts";
import { parsePartitionValue } from "../../../src/delta/partition.ts";
import { readTable } from "../../../src/delta/scan.ts";
import { loadSnapshot, type Snapshot } from "../../../src/delta/snapshot.ts";
import { stageFiles, type TableLayout } from "../../../src/delta/stage.ts";
import { parseStats } from "../../../src/delta/stats-text.ts";
import { fileOpener } from "../../../src/storage/open.ts";
import { seeded } from "../../support/changes.ts";
import {
	engineOf,
	expectSame,
	snapshotOf,
} from "../../support/differential.ts";
import { Spark } from "../../support/spark.ts";
import {
	randomPartitionType,
	randomType,
	randomWire,
} from "../../support/table-values.ts";
import {
	comparable,
	valueFrom,
	type Wire,
	wireRows,
} from "../../support/wire.ts";

const SEED = Number(process.env.SEED ?? 1);

let dir: string;
let spark: Spark;

beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "tributary-scan-"));
	if (Spark.installed) spark = await Spark.shared();
});

afterAll(async () => {
	await rm(dir, { recursive: true, force: true });
});

async function run(path: string, statements: readonly string[]): Promise<void> {
	for (const statement of statements)
		await spark.sql(statement.replaceAll("$T", `delta.\`${path}\``));
}

async function expectEveryVersionSame(path: string): Promise<void> {
	const { version } = await snapshotOf(path);
	for (let at = 0; at <= version; at++)
		await expectSame(path, at, await spark.read(path, { version: at }));
}

async function write(path: string, actions: readonly Action[]): Promise<void> {
	const engine = engineOf(path);
	const outcome = await commit(engine, {
		base: await loadSnapshot(engine),
		plan: () => ({ kind: "commit", actions, info: { operation: "WRITE" } }),
	});
	expect(outcome.kind).toBe("committed");
}

function batchFrom(
	schema: StructType,
	rows: readonly (readonly Wire[])[],
): Batch {
	return {
		schema,
		length: rows.length,
		columns: schema.fields.map(({ type }, i) =>
			vectorOf(
				type,
				rows.map((row) => valueFrom(row[i] ?? null, type)),
			),
		),
	};
}

async function addsOf(
	path: string,
	table: TableLayout,
	rows: readonly (readonly Wire[])[],
): Promise<Action[]> {
	const staged = await stageFiles(
		engineOf(path),
		table,
		batchFrom(table.schema, rows),
	);
	return staged.map(({ add }) => ({ add }));
}

async function expectSparkReads(
	path: string,
	schema: StructType,
	rows: readonly (readonly Wire[])[],
): Promise<void> {
	const theirs = await spark.read(path);
	expect(comparable(theirs.rows, theirs.schema)).toEqual(
		comparable(rows, schema),
	);
	const ours: Wire[][] = [];
	for await (const batch of readTable(engineOf(path), await snapshotOf(path)))
		ours.push(...wireRows(batch, theirs.schema));
	expect(comparable(ours, theirs.schema)).toEqual(comparable(rows, schema));
}

const COLUMNS =
	"id BIGINT, s STRUCT<x: INT, y: STRING>, l ARRAY<STRUCT<a: INT, b: DOUBLE>>, m MAP<STRING, STRUCT<v: DATE>>, p STRING";
const ROW =
	"named_struct('x', 1, 'y', 'ü'), array(named_struct('a', 1, 'b', 2.5D)), map('k', named_struct('v', DATE'2020-01-01'))";

describe.skipIf(!Spark.installed)("Spark and we read each other's", () => {
	test.each(["name", "id"])(
		"tables mapped by %s, with every change of columns",
		async (mode) => {
			const path = join(dir, `mapped-${mode}`);
			await run(path, [
				`CREATE TABLE $T (${COLUMNS}) USING delta PARTITIONED BY (p) TBLPROPERTIES ('delta.columnMapping.mode' = '${mode}', 'delta.minReaderVersion' = '2', 'delta.minWriterVersion' = '5')`,
				`INSERT INTO $T VALUES (1, ${ROW}, 'a/b=c %41'), (2, NULL, NULL, NULL, NULL)`,
				"ALTER TABLE $T RENAME COLUMN s.x TO `x x, ;{}`",
				"ALTER TABLE $T RENAME COLUMN p TO part",
				"ALTER TABLE $T DROP COLUMN l.element.a",
				"ALTER TABLE $T ADD COLUMN (m.value.w STRING, x LONG)",
				`INSERT INTO $T VALUES (3, named_struct('x', 5, 'y', 'z'), array(named_struct('b', 1D)), map('q', named_struct('v', NULL, 'w', 'w')), 'ü?#', 9)`,
				"ALTER TABLE $T DROP COLUMN s",
				"ALTER TABLE $T RENAME COLUMN x TO s",
				"DELETE FROM $T WHERE id = 1",
			]);
			await expectEveryVersionSame(path);
		},
	);

	test("a table that was mapped later, by its old names", async () => {
		const path = join(dir, "mapped-later");
		await run(path, [
			`CREATE TABLE $T (${COLUMNS}) USING delta PARTITIONED BY (p)`,
			`INSERT INTO $T VALUES (1, ${ROW}, 'a')`,
			"ALTER TABLE $T SET TBLPROPERTIES ('delta.columnMapping.mode' = 'name', 'delta.minReaderVersion' = '2', 'delta.minWriterVersion' = '5')",
			"ALTER TABLE $T RENAME COLUMN id TO key",
			`INSERT INTO $T VALUES (2, ${ROW}, 'b')`,
		]);
		await expectEveryVersionSame(path);
	});

	test("types that were widened", async () => {
		const path = join(dir, "widened");
		const widened = [
			["b", "TINYINT", "127Y", "SMALLINT"],
			["b", "", "", "INT"],
			["b", "", "", "BIGINT"],
			["d", "INT", "-2147483648", "DOUBLE"],
			["e", "INT", "2147483647", "DECIMAL(12,2)"],
			["f", "FLOAT", "CAST(0.1 AS FLOAT)", "DOUBLE"],
			["t", "DATE", "DATE'1969-12-31'", "TIMESTAMP_NTZ"],
			["n", "DECIMAL(5,2)", "-0.05", "DECIMAL(25,5)"],
			["l", "BIGINT", "9223372036854775807", "DECIMAL(38,4)"],
		];
		const first = widened.filter(([, type]) => type !== "");
		await run(path, [
			`CREATE TABLE $T (${first.map(([name, type]) => `${name} ${type}`).join(", ")}, a ARRAY<TINYINT>, m MAP<SMALLINT, STRUCT<v: DATE>>) USING delta TBLPROPERTIES ('delta.enableTypeWidening' = 'true', 'delta.feature.timestampNtz' = 'supported')`,
			`INSERT INTO $T VALUES (${first.map(([, , value]) => value).join(", ")}, array(1Y, NULL), map(1S, named_struct('v', DATE'2020-02-29')))`,
			...widened.map(
				([name, , , to]) => `ALTER TABLE $T ALTER COLUMN ${name} TYPE ${to}`,
			),
			"ALTER TABLE $T ALTER COLUMN a.element TYPE BIGINT",
			"ALTER TABLE $T ALTER COLUMN m.key TYPE INT",
			"ALTER TABLE $T ALTER COLUMN m.value.v TYPE TIMESTAMP_NTZ",
			"INSERT INTO $T SELECT * FROM $T",
		]);
		await expectEveryVersionSame(path);
	});

	test("variants of every kind", async () => {
		const path = join(dir, "variant");
		const texts = [
			"null",
			"true",
			"12345678901234567890",
			"-0.5",
			"1.5e300",
			`"${"x".repeat(80)}ü"`,
			'{"a":{"b":[1,2.50,{"c":null}]},"":"","z":-9223372036854775808}',
			"[]",
			"{}",
		];
		await run(path, [
			"CREATE TABLE $T (id INT, v VARIANT, l ARRAY<VARIANT>) USING delta TBLPROPERTIES ('delta.enableVariantShredding' = 'false')",
			`INSERT INTO $T VALUES ${texts.map((text, i) => `(${i}, parse_json('${text}'), array(parse_json('${text}'), NULL))`).join(", ")}, (99, NULL, NULL)`,
			"INSERT INTO $T VALUES (100, CAST(DATE'1969-12-31' AS VARIANT), array(CAST(X'0102' AS VARIANT), CAST(TIMESTAMP_NTZ'2020-01-01 00:00:00.000001' AS VARIANT), CAST(1.25BD AS VARIANT), CAST(CAST(0.1 AS FLOAT) AS VARIANT)))",
		]);
		const rows = new Map<unknown, string>();
		for await (const { columns, schema, length } of readTable(
			engineOf(path),
			await snapshotOf(path),
		))
			for (let i = 0; i < length; i++) {
				const [id, v, l] = schema.fields.map(({ type }, at) => {
					const vector = columns[at];
					if (vector === undefined) throw new Error("no vector");
					return toJson(valueAt(vector, type, i), type);
				});
				rows.set(Number(id), `${v} ${l}`);
			}
		for (const [i, text] of texts.entries()) {
			const canonical =
				text === "1.5e300"
					? "1.5e+300"
					: text.replace(/^\{"a":(.*\}),"":"",/, '{"":"","a":$1,');
			expect(rows.get(i)).toBe(`${canonical} [${canonical},null]`);
		}
		expect(rows.get(99)).toBe("null null");
		expect(rows.get(100)).toBe(
			'"1969-12-31" ["AQI=","2020-01-01T00:00:00.000001",1.25,0.1]',
		);
	});

	test("variants that we write", async () => {
		const path = join(dir, "ours-variant");
		const engine = engineOf(path);
		const schema = struct(
			field("id", "integer"),
			field("v", "variant"),
			field("s", struct(field("l", array("variant")))),
		);
		const { table, actions } = newLayout(
			engine.store.url,
			{ schema, configuration: { "delta.columnMapping.mode": "name" } },
			engine,
		);
		const texts = [
			'{"b":[1,-2.50,"ü",null,true],"a":{}}',
			"9223372036854775807",
			`"${"x".repeat(100)}"`,
			"1.0E-300",
		];
		const variants = texts.map((text) => ({ ...parseVariant(text) }));
		const staged = await stageFiles(engine, table, {
			schema,
			length: texts.length + 1,
			columns: [
				vectorOf("integer", [0, 1, 2, 3, 4]),
				vectorOf("variant", [...variants, null]),
				vectorOf(schema.fields[2]?.type ?? "void", [
					...variants.map((variant) => ({ l: [null, variant] })),
					null,
				]),
			],
		});
		await write(path, [...actions, ...staged.map(({ add }) => ({ add }))]);
		const rows = await spark.sql(
			`SELECT id, to_json(v), to_json(s.l[1]), variant_get(v, '$.b[1]', 'decimal(5,2)') FROM delta.\`${path}\` ORDER BY id`,
		);
		const sorted = (text: string | undefined) =>
			text
				?.replace(/^\{"b":(.*),"a":\{\}\}$/, '{"a":{},"b":$1}')
				.replace("2.50", "2.5") ?? null;
		expect(rows).toEqual(
			[...texts, undefined].map((text, i) => [
				String(i),
				sorted(text),
				sorted(text),
				i === 0 ? "-2.50" : null,
			]),
		);
	});

	test.each([1, 2, 3].map((n) => SEED + n))(
		"random tables, partitioned and mapped, SEED=%i",
		async (seed) => {
			const random = seeded(seed);
			const partitions = Array.from({ length: 2 }, (_, i) =>
				field(`p ${i}`, randomPartitionType(random, true)),
			).filter(({ type }) => type !== "binary");
			const schema = struct(
				field("id", "long"),
				...partitions,
				...Array.from({ length: 5 }, (_, i) =>
					field(`c ${i}`, randomType(random, { depth: 2, ntz: true })),
				),
			);
			const rows = Array.from({ length: 25 }, (_, i): Wire[] => [
				String(i),
				...schema.fields.slice(1).map(({ type }) => randomWire(random, type)),
			]);
			const expected = rows.map((row) =>
				// The format can't tell an empty partition value from none.
				row.map((value, i) =>
					i > 0 && i <= partitions.length && value === "" ? null : value,
				),
			);
			const path = join(dir, `ours-${seed}`);
			const engine = engineOf(path);
			const { table, actions } = newLayout(
				engine.store.url,
				{
					schema,
					partitionColumns: partitions.map(({ name }) => name),
					configuration: {
						"delta.columnMapping.mode": seed % 2 === 0 ? "name" : "id",
					},
				},
				engine,
			);
			await write(path, [...actions, ...(await addsOf(path, table, rows))]);
			await expectSparkReads(path, schema, expected);

			const theirs = join(dir, `theirs-${seed}`);
			await run(theirs, [
				`CREATE TABLE $T USING delta PARTITIONED BY (${partitions.map(({ name }) => `\`${name}\``).join(", ")}) TBLPROPERTIES ('delta.columnMapping.mode' = 'name', 'delta.minReaderVersion' = '2', 'delta.minWriterVersion' = '5') AS SELECT /*+ COALESCE(1) */ * FROM delta.\`${path}\``,
			]);
			await expectEveryVersionSame(theirs);
			await expectSameStats(await snapshotOf(path), await snapshotOf(theirs));
		},
	);

	test("shallow clones, whose files and deletion vectors lie elsewhere", async () => {
		const source = join(dir, "clone source #1");
		await run(source, [
			"CREATE TABLE $T (id BIGINT, p STRING) USING delta PARTITIONED BY (p) TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')",
			"INSERT INTO $T SELECT /*+ COALESCE(1) */ id, 'a %41/b' FROM range(100)",
			"DELETE FROM $T WHERE id % 7 = 0",
		]);
		const path = join(dir, "clone");
		await run(path, [
			`CREATE TABLE $T SHALLOW CLONE delta.\`${source}\``,
			"INSERT INTO $T VALUES (1000, 'own')",
			"DELETE FROM $T WHERE id % 7 = 1",
		]);
		const theirs = await spark.read(path);
		const rows: Wire[][] = [];
		const engine = { ...engineOf(path), openAt: fileOpener() };
		for await (const batch of readTable(engine, await snapshotOf(path)))
			rows.push(...wireRows(batch, theirs.schema));
		expect(comparable(rows, theirs.schema)).toEqual(
			comparable(theirs.rows, theirs.schema),
		);
		expect(rows.length).toBe(71);
		await expect(expectSame(path, 0, theirs)).rejects.toMatchObject({
			code: "DELTA_FILE_OUTSIDE_TABLE",
		});
	});

	test.each([
		["true", "false"],
		["false", "true"],
	])(
		"checkpoints with statistics as text %s and as columns %s",
		async (text, typed) => {
			const properties = {
				"delta.checkpointInterval": "2",
				"delta.checkpoint.writeStatsAsJson": text,
				"delta.checkpoint.writeStatsAsStruct": typed,
			};
			const theirs = join(dir, `theirs-checkpointed-${text}`);
			const schema = struct(
				field("p", "date"),
				field("a", "long"),
				field(
					"s",
					struct(field("t", "timestamp"), field("n", "decimal(20,3)")),
				),
			);
			const rows = [1, 2, 3, 4, 5].map((n): Wire[] => [
				String(n % 2),
				`922337203685477580${n}`,
				[`${n}001`, `${n}.125`],
			]);
			await run(theirs, [
				`CREATE TABLE $T (p DATE, a BIGINT, s STRUCT<t: TIMESTAMP, n: DECIMAL(20,3)>) USING delta PARTITIONED BY (p) TBLPROPERTIES (${Object.entries(
					properties,
				)
					.map(([name, value]) => `'${name}' = '${value}'`)
					.join(", ")})`,
			]);
			const ours = join(dir, `ours-checkpointed-${text}`);
			const { table, actions } = newLayout(
				engineOf(ours).store.url,
				{ schema, partitionColumns: ["p"], configuration: properties },
				engineOf(ours),
			);
			await write(ours, actions);
			for (const row of rows) {
				await spark.rows("more", schema, [row]);
				await run(theirs, ["INSERT INTO $T SELECT * FROM more"]);
				await write(ours, await addsOf(ours, table, [row]));
			}
			await expectEveryVersionSame(theirs);
			await expectSameStats(await snapshotOf(ours), await snapshotOf(theirs));
			await expectSparkReads(ours, schema, rows);
			const where = "a > 9223372036854775803 AND p = DATE'1970-01-01'";
			for (const path of [ours, theirs])
				expect(await spark.files(path, where)).toHaveLength(1);
		},
	);

	test("columns that we rename, drop, add and widen", async () => {
		const path = join(dir, "ours-changed");
		const engine = engineOf(path);
		const schema = struct(
			field("a", "integer"),
			field("b", "string"),
			field("s", struct(field("x", "date"), field("y", "float"))),
			field("l", array("short")),
		);
		const { table, actions } = newLayout(
			engine.store.url,
			{
				schema,
				configuration: {
					"delta.columnMapping.mode": "name",
					"delta.enableTypeWidening": "true",
					"delta.dataSkippingStatsColumns": "a,s",
				},
			},
			engine,
		);
		const old: Wire[] = ["1", "gone", ["-1", "0.5"], ["1", null]];
		await write(path, [...actions, ...(await addsOf(path, table, [old]))]);
		const snapshot = await snapshotOf(path);
		let metadata: Metadata = renameColumn(snapshot, ["s", "x"], "when");
		metadata = dropColumn({ ...snapshot, metadata }, ["b"]);
		await write(path, [{ metaData: metadata }]);
		const changed = await snapshotOf(path);
		const wider = struct(
			field("a", "decimal(12,1)"),
			field("s", struct(field("when", "timestamp_ntz"), field("y", "double"))),
			field("l", array("long")),
			field("b", "long"),
		);
		const evolved = evolve(changed, wider, { uuid: engine.uuid, widen: true });
		expect(evolved.conflicts).toEqual([]);
		const row: Wire[] = ["2.5", ["5", "0.1"], ["9223372036854775807"], "7"];
		await write(path, [
			...evolved.actions,
			...(await addsOf(path, evolved.table, [row])),
		]);
		await expectSparkReads(path, wider, [
			["1.0", ["-86400000000", "0.5"], ["1", null], null],
			row,
		]);
		await run(path, [
			"ALTER TABLE $T RENAME COLUMN b TO c",
			"INSERT INTO $T SELECT * FROM $T",
		]);
		await expectSame(
			path,
			(await snapshotOf(path)).version,
			await spark.read(path),
		);
	});
});

/** Same rows, one file a partition: bounds have to be the same but for rounded timestamps. */
async function expectSameStats(
	ours: Snapshot,
	theirs: Snapshot,
): Promise<void> {
	const statsOf = (snapshot: Snapshot): string[] => {
		const mode = mappingMode(snapshot.protocol, snapshot.metadata);
		const physical = physicalSchema(snapshot.schema, mode);
		return [...snapshot.files.values()]
			.map((file) => {
				const values = snapshot.metadata.partitionColumns.map((name) => {
					const i = snapshot.schema.fields.findIndex((f) => f.name === name);
					const { name: key = "", type = "string" } = physical.fields[i] ?? {};
					return toJson(
						parsePartitionValue(file.partitionValues[key] ?? null, type),
						type,
					);
				});
				const stats = parseStats(file.stats ?? "", physical);
				const shown = (row: unknown): unknown =>
					JSON.parse(
						JSON.stringify(
							logical(row, physical, snapshot.schema),
							(_, value: unknown) =>
								typeof value === "bigint" ? String(value) : value,
						),
					);
				return JSON.stringify([
					values,
					stats?.numRecords,
					shown(stats?.minValues),
					shown(stats?.maxValues),
					shown(stats?.nullCount),
				]);
			})
			.sort();
	};
	expect(statsOf(ours)).toEqual(statsOf(theirs));
}

/** Names instead of physical ones; without what both sides round differently or leave out. */
function logical(row: unknown, physical: DataType, names: DataType): unknown {
	if (
		typeof physical === "string" ||
		physical.type !== "struct" ||
		typeof names === "string" ||
		names.type !== "struct" ||
		typeof row !== "object" ||
		row === null
	)
		return physical === "timestamp" || physical === "timestamp_ntz"
			? typeof row
			: row;
	return Object.fromEntries(
		physical.fields.flatMap(({ name, type }, i) => {
			const field = names.fields[i];
			const value = (row as Record<string, unknown>)[name];
			if (field === undefined || value === undefined) return [];
			if (type === "float" || type === "double") return [];
			const inner = logical(value, type, field.type);
			// A struct without a bound is left out by one, and empty with the other.
			const empty =
				typeof inner === "object" &&
				inner !== null &&
				Object.keys(inner).length === 0;
			return empty ? [] : [[field.name, inner]];
		}),
	);
}
