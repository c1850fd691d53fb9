import { expect, test } from "vitest";
import { take } from "../../../src/columnar/batch.ts";
import { constantVector, vectorOf } from "../../../src/columnar/literal.ts";
import { encodeParquet } from "../../../src/columnar/parquet/encode.ts";
import {
	type DataType,
	field,
	type StructType,
	struct,
} from "../../../src/columnar/types.ts";
import { valueAt } from "../../../src/columnar/value.ts";
import type { Batch, Value } from "../../../src/columnar/vector.ts";
import type { AddFile } from "../../../src/delta/actions.ts";
import {
	enableMapping,
	mappingMode,
	physicalSchema,
} from "../../../src/delta/column-mapping.ts";
import {
	parsePartitionValue,
	serialisePartitionValue,
} from "../../../src/delta/partition.ts";
import { fileSkipper, type SkippedTable } from "../../../src/delta/skipping.ts";
import { fileStats, looseStats } from "../../../src/delta/stats.ts";
import { bindPredicate } from "../../../src/expression/bind.ts";
import type { Bound } from "../../../src/expression/bound.ts";
import { ExpressionError } from "../../../src/expression/errors.ts";
import { evaluate } from "../../../src/expression/evaluate.ts";
import { parseExpression } from "../../../src/expression/parse.ts";
import {
	randomBatch,
	randomOf,
	randomPredicate,
	SCHEMA,
} from "../expression/sample.ts";

function tableOf(
	schema: StructType,
	options: {
		readonly partitions?: readonly string[];
		readonly mapped?: boolean;
	} = {},
): SkippedTable {
	let ids = 0;
	const mapped = enableMapping(
		{ schema, configuration: {} },
		{ mode: "name", existing: false, uuid: () => `u${ids++}` },
	);
	const table =
		options.mapped === true ? mapped : { schema, configuration: {} };
	return {
		schema: table.schema,
		protocol: {
			minReaderVersion: options.mapped === true ? 2 : 1,
			minWriterVersion: 5,
		},
		metadata: {
			id: "t",
			format: { provider: "parquet", options: {} },
			schemaString: JSON.stringify(table.schema),
			partitionColumns: options.partitions ?? [],
			configuration: table.configuration,
		},
	};
}

function physical(table: SkippedTable): StructType {
	return physicalSchema(
		table.schema,
		mappingMode(table.protocol, table.metadata),
	);
}

/** The `add` of a file with these rows. */
function fileOf(table: SkippedTable, batch: Batch): AddFile {
	const { partitionColumns } = table.metadata;
	const names = physical(table).fields;
	const isPartition = (name: string): boolean =>
		partitionColumns.includes(name);
	const stored = batch.schema.fields.map(({ name }) => !isPartition(name));
	const { leaves } = encodeParquet([
		{
			schema: struct(...names.filter((_, i) => stored[i])),
			length: batch.length,
			columns: batch.columns.filter((_, i) => stored[i]),
		},
	]);
	const partitionValues = Object.fromEntries(
		batch.schema.fields.flatMap(({ name, type }, i) =>
			isPartition(name)
				? [
						[
							names[i]?.name ?? name,
							serialisePartitionValue(
								valueAt(batch.columns[i] as never, type, 0),
								type,
							),
						],
					]
				: [],
		),
	);
	return {
		path: "f",
		partitionValues,
		size: 1,
		modificationTime: 1,
		dataChange: true,
		stats: fileStats(batch.length, leaves),
	};
}

function matches(bound: Bound, batch: Batch): boolean {
	try {
		const vector = evaluate(bound, batch);
		for (let i = 0; i < batch.length; i++)
			if (valueAt(vector, "boolean", i) === true) return true;
		return false;
	} catch (error) {
		if (!(error instanceof ExpressionError)) throw error;
	}
	for (let i = 0; i < batch.length; i++) {
		const row = take(batch, Int32Array.of(i));
		try {
			if (valueAt(evaluate(bound, row), "boolean", 0) === true) return true;
		} catch (error) {
			// A row that fails is none that satisfies.
			if (!(error instanceof ExpressionError)) throw error;
		}
	}
	return false;
}

test("a file that is skipped has no row that satisfies the predicate, and files are skipped", () => {
	const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9));
	const random = randomOf(seed);
	const rounds = process.env.TEST_LONG ? 3000 : 60;
	let skipped = 0;
	let without = 0;
	for (let round = 0; round < rounds; round++) {
		const partitions = random(2) === 0 ? [] : ["i", "t", "dt"].slice(random(3));
		const table = tableOf(SCHEMA, { partitions, mapped: random(3) === 0 });
		const files = Array.from({ length: 4 }, () => {
			const rows = 1 + random(6);
			const random_ = randomBatch(random, rows, {
				low: random(30) - 15,
				span: 1 + random(6),
			});
			const batch: Batch = {
				...random_,
				schema: table.schema,
				columns: random_.columns.map((column, i) => {
					const { name, type } = table.schema.fields[i] as {
						name: string;
						type: DataType;
					};
					if (!partitions.includes(name)) return column;
					// The empty string comes back as null.
					const text = serialisePartitionValue(valueAt(column, type, 0), type);
					return constantVector(type, parsePartitionValue(text, type), rows);
				}),
			};
			const file = fileOf(table, batch);
			if (random(3) > 0) return { file, live: batch };
			const live = take(
				batch,
				Int32Array.from({ length: rows }, (_, i) => i).filter(
					() => random(2) === 0,
				),
			);
			return {
				live,
				file: {
					...file,
					stats: looseStats(file.stats ?? ""),
					deletionVector: {
						storageType: "i" as const,
						pathOrInlineDv: "",
						sizeInBytes: 1,
						cardinality: rows - live.length,
					},
				},
			};
		});
		for (let query = 0; query < 12; query++) {
			const text = randomPredicate(random);
			const bound = bindPredicate(parseExpression(text), table.schema);
			const keep = fileSkipper(bound, table);
			for (const { file, live } of files) {
				const found = matches(bound, live);
				if (!found) without++;
				if (keep(file)) continue;
				skipped++;
				expect(found, `seed ${seed}: ${text}\n${JSON.stringify(file)}`).toBe(
					false,
				);
			}
		}
	}
	expect(skipped / without, `seed ${seed}`).toBeGreaterThan(0.3);
});

const COLUMNS: readonly (readonly [string, DataType, readonly Value[]])[] = [
	["p", "integer", [3, 3]],
	["q", "string", [null, null]],
	["i", "integer", [10, 20]],
	["l", "long", [9_007_199_254_740_993n, 9_007_199_254_740_995n]],
	[
		"m",
		"decimal(38,10)",
		[
			{ unscaled: 12_345_678_901_234_567_890_123n, scale: 10 },
			{ unscaled: 12_345_678_901_234_567_890_125n, scale: 10 },
		],
	],
	["d", "double", [1.5, 2.5]],
	["t", "string", ["apple", `m${"z".repeat(40)}`]],
	["ts", "timestamp", [1_000_001n, 2_000_999n]],
	["dt", "date", [20_000, 20_010]],
	["e", "integer", [null, null]],
	["s", struct(field("a", "integer")), [{ a: 1 }, { a: 4 }]],
	["n", "integer", [null, 5]],
];
const TABLE = tableOf(
	struct(...COLUMNS.map(([name, type]) => field(name, type))),
	{ partitions: ["p", "q"] },
);
const FILE = fileOf(TABLE, {
	schema: TABLE.schema,
	length: 2,
	columns: COLUMNS.map(([, type, values]) => vectorOf(type, values)),
});

function keeps(text: string, file: AddFile = FILE): boolean {
	const bound = bindPredicate(parseExpression(text), TABLE.schema);
	return fileSkipper(bound, TABLE, { now: 0 })(file);
}

test.each([
	"p = 4",
	"p % 2 = 0",
	"p + 1 < 4",
	"CAST(p AS string) LIKE '4%'",
	"q IS NOT NULL",
	"q = 'x'",
	"NOT (q = 'x')",
	"i > 20",
	"i < 10",
	"NOT (i >= 10)",
	"i = 9",
	"i IN (1, 2, 21)",
	"i NOT IN (15, NULL)",
	"i BETWEEN 21 AND 30",
	"i NOT BETWEEN 5 AND 25",
	"15 > i AND i > 20",
	"i > 20 OR p <> 3",
	"i <=> NULL",
	"i > 20.5",
	"i > 2e1",
	"-i > -10",
	"i + 5 < 15",
	"l = 9007199254740992",
	"l > 9007199254740995",
	"m < 1234567890123.4567890123",
	"m > 1234567890123.4567890125",
	"d < 1.5",
	"d = 1",
	"t < 'apple'",
	"t > 'n'",
	"t LIKE 'n%'",
	"t LIKE 'a' OR t LIKE 'b' AND t = 'z'",
	"substring(t, 1, 1) = 'b' AND substring(t, 1, 1) = 'z'",
	"substring(t, 1, 1) > 'm'",
	"ts < TIMESTAMP '1970-01-01 00:00:01'",
	"ts >= TIMESTAMP '1970-01-01 00:00:02.003'",
	"ts > DATE '1970-01-02'",
	"CAST(ts AS date) = DATE '1970-01-02'",
	"date_format(ts, 'yyyy-MM') = '1970-02'",
	"date_trunc('DAY', ts) > TIMESTAMP '1970-01-01'",
	"year(dt) < 2024",
	"dt > '2024-10-14'",
	"e IS NOT NULL",
	"e = 1",
	"coalesce(e, i) > 20",
	"s.a > 4",
	"CASE WHEN p = 3 THEN i ELSE 100 END > 50",
	"(i > 20) IS TRUE",
	"(i > 20) IS NOT FALSE",
	"(e = 1) IS NOT NULL",
	"i IS NULL",
	"dt > current_date() AND dt < DATE '2000-01-01'",
	"false",
	"NULL",
])("%s skips the file", (text) => {
	expect(keeps(text)).toBe(false);
});

test.each([
	"p = 3",
	"q IS NULL",
	"i = 15",
	"i <> 10",
	"i >= 20",
	"d > 1e300",
	"d = CAST('NaN' AS double)",
	"d >= 2",
	"t > 'mzzz'",
	"t LIKE '%z'",
	"t LIKE 'm%'",
	"ts > TIMESTAMP '1970-01-01 00:00:02.0005'",
	"n IS NULL",
	"n = 5",
	"s.a IS NULL",
	"s IS NULL",
	"i * 0 = 1",
	"10 / (i - i) > 1",
	"upper(t) = 'X'",
	"length(t) = 1000",
	"true",
	"e <=> NULL",
])("%s keeps the file", (text) => {
	expect(keeps(text)).toBe(true);
});

test("what statistics don't say, or say badly, keeps the file", () => {
	const { stats: _, ...bare } = FILE;
	expect(keeps("i > 20", bare)).toBe(true);
	expect(keeps("p = 4", bare)).toBe(false);
	for (const stats of [
		"",
		"{",
		"[]",
		"null",
		"{}",
		'{"numRecords":2}',
		'{"numRecords":"x","maxValues":{"i":"y"}}',
		'{"numRecords":2,"maxValues":{"i":null},"minValues":[]}',
		'{"numRecords":2,"maxValues":{"i":1e400}}',
	])
		expect(keeps("i > 20", { ...FILE, stats }), stats).toBe(true);
	expect(keeps("p = 3", { ...FILE, partitionValues: { p: "x" } })).toBe(true);
	expect(keeps("p = 4", { ...FILE, partitionValues: {} })).toBe(true);
});

test("wide bounds tell no null from all, and nothing in between", () => {
	const stats = (nulls: number): string =>
		`{"numRecords":2,"minValues":{"i":1},"maxValues":{"i":5},"nullCount":{"i":${nulls}},"tightBounds":false}`;
	expect(keeps("i IS NULL", { ...FILE, stats: stats(0) })).toBe(false);
	expect(keeps("i IS NULL", { ...FILE, stats: stats(1) })).toBe(true);
	expect(keeps("i IS NOT NULL", { ...FILE, stats: stats(1) })).toBe(true);
	expect(keeps("i IS NOT NULL", { ...FILE, stats: stats(2) })).toBe(false);
});

test("a greatest timestamp that lost its microseconds skips no row", () => {
	const stats =
		'{"numRecords":1,"minValues":{"ts":"1970-01-01T00:00:02.000Z"},"maxValues":{"ts":"1970-01-01T00:00:02.000Z"},"nullCount":{"ts":0},"tightBounds":true}';
	const at = (time: string): boolean =>
		keeps(`ts = TIMESTAMP '1970-01-01 00:00:${time}'`, { ...FILE, stats });
	expect(at("02.000999")).toBe(true);
	expect(at("02.002")).toBe(false);
	expect(at("01.999999")).toBe(false);
});

test("a file whose rows are all deleted, or that has none, is skipped", () => {
	const deletionVector = {
		storageType: "i" as const,
		pathOrInlineDv: "",
		sizeInBytes: 1,
		cardinality: 2,
	};
	expect(keeps("true", { ...FILE, deletionVector })).toBe(false);
	expect(keeps("true", { ...FILE, stats: '{"numRecords":0}' })).toBe(false);
	expect(
		keeps("true", {
			...FILE,
			deletionVector: { ...deletionVector, cardinality: 1 },
		}),
	).toBe(true);
});
