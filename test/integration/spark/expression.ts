import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { vectorOf } from "../../../src/columnar/literal.ts";
import { type DataType, field, struct } from "../../../src/columnar/types.ts";
import { valueAt } from "../../../src/columnar/value.ts";
import type { Batch } from "../../../src/columnar/vector.ts";
import { bind, bindPredicate } from "../../../src/expression/bind.ts";
import { castValue } from "../../../src/expression/cast.ts";
import { ExpressionError } from "../../../src/expression/errors.ts";
import { evaluate } from "../../../src/expression/evaluate.ts";
import { parseExpression } from "../../../src/expression/parse.ts";
import { seedOf } from "../../support/seed.ts";
import { Spark } from "../../support/spark.ts";
import { valueFrom, type Wire, wireRows } from "../../support/wire.ts";
import {
	randomBatch,
	randomOf,
	randomPredicate,
} from "../../unit/expression/sample.ts";

let dir: string;
let spark: Spark;

beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "tributary-expression-"));
	if (Spark.installed) spark = await Spark.shared();
}, 120_000);

afterAll(async () => {
	await rm(dir, { recursive: true, force: true });
});

/** Every row's value as text, `failed` when one has none. */
function ours(text: string, batch: Batch): (string | null)[] | "failed" {
	const bound = bind(parseExpression(text), batch.schema);
	try {
		const vector = evaluate(bound, batch, { now: Date.now() });
		return Array.from({ length: batch.length }, (_, i) => {
			const value = valueAt(vector, bound.type, i);
			return value === null
				? null
				: String(castValue(value, bound.type, "string"));
		});
	} catch (error) {
		if (error instanceof ExpressionError) return "failed";
		throw error;
	}
}

/** The same of Spark, for several expressions in one statement. */
async function theirs(
	texts: readonly string[],
	view: string,
): Promise<(string | null)[][]> {
	const columns = texts.map(
		(text, i) => `CAST((${text}\n) AS STRING) AS c${i}`,
	);
	const rows = await spark.sql(
		`SELECT ${columns.join(", ")} FROM ${view} ORDER BY row`,
	);
	return texts.map((_, i) => rows.map((row) => row[i] ?? null));
}

async function fails(text: string, view: string): Promise<boolean> {
	try {
		await theirs([text], view);
		return false;
	} catch {
		return true;
	}
}

/** A view of rows that keep their order. */
async function viewOf(name: string, batch: Batch): Promise<void> {
	const schema = struct(field("row", "integer"), ...batch.schema.fields);
	const rows: Wire[][] = wireRows(batch, batch.schema).map((row, i) => [
		String(i),
		...row,
	]);
	await spark.rows(name, schema, rows);
}

/** In one statement, or each in its own when one of them fails. */
async function valuesAndTypes(
	texts: readonly string[],
): Promise<(string | null)[][]> {
	const both = (text: string): string[] => [text, `typeof(${text})`];
	try {
		return await theirs(texts.flatMap(both), "single");
	} catch {
		const found: (string | null)[][] = [];
		for (const text of texts)
			found.push(
				...(await theirs(both(text), "single").catch((error: unknown) => [
					[`failed: ${String(error).slice(0, 200)}`],
					[""],
				])),
			);
		return found;
	}
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
	bigint: "long",
	int: "integer",
	smallint: "short",
	tinyint: "byte",
};

const SINGLE: Batch = {
	schema: struct(field("one", "integer")),
	length: 1,
	columns: [vectorOf("integer", [1])],
};

describe.skipIf(!Spark.installed)("expressions as Spark has them", () => {
	test("random conditions have Spark's values, row by row", async () => {
		const seed = seedOf();
		const random = randomOf(seed);
		const rounds = Number(process.env.ROUNDS ?? 3);
		let compared = 0;
		let asked = 0;
		let failed = 0;
		for (let round = 0; round < rounds; round++) {
			const batch = randomBatch(random, 12);
			await viewOf("sample", batch);
			const all = Array.from({ length: 100 }, () => {
				// Spark rewrites a BETWEEN so that what it compares is computed once, before any guard.
				const text = randomPredicate(random, { eagerBetween: true });
				bindPredicate(parseExpression(text), batch.schema);
				return { text, values: ours(text, batch) };
			});
			const fine = all.filter(({ values }) => values !== "failed");
			for (let at = 0; at < fine.length; at += 20) {
				const some = fine.slice(at, at + 20);
				const found = await theirs(
					some.map(({ text }) => text),
					"sample",
				).catch(() => undefined);
				for (const [i, { text, values }] of some.entries()) {
					const spark_ =
						found?.[i] ??
						(await theirs([text], "sample").then(
							([one]) => one,
							(error: unknown) => String(error).slice(0, 300),
						));
					expect(values, `seed ${seed}: ${text}`).toEqual(spark_);
					compared++;
				}
			}
			// Spark's optimizer leaves out some of what would fail; it never answers otherwise.
			const failing = all.filter(({ values }) => values === "failed");
			for (const { text } of failing.slice(0, 5)) {
				asked++;
				if (await fails(text, "sample")) failed++;
			}
		}
		expect(compared).toBeGreaterThan(rounds * 50);
		expect(failed, `seed ${seed}: of ${asked}`).toBeGreaterThan(asked / 2);
	}, 600_000);

	test("every example of the reference page is so in Spark", async () => {
		const page = readFileSync(
			join(import.meta.dirname, "../../../docs/reference/expressions.md"),
			"utf8",
		);
		const columns: readonly (readonly [string, DataType, Wire])[] = [
			["id", "long", "9007199254740993"],
			["qty", "integer", "7"],
			["price", "decimal(10,2)", "19.90"],
			["ratio", "double", "NaN"],
			["name", "string", "Ærø 7%"],
			["note", "string", null],
			["born", "date", "20696"],
			["at", "timestamp", "1788185109000001"],
			["paid", "boolean", "true"],
			["raw", "binary", "0aff"],
			["address", struct(field("city", "string")), ["Oslo"]],
		];
		await viewOf("page", {
			schema: struct(...columns.map(([name, type]) => field(name, type))),
			length: 1,
			columns: columns.map(([, type, wire]) =>
				vectorOf(type, [valueFrom(wire, type)]),
			),
		});
		const examples = [...page.matchAll(/^\| .+ \| (`.+`) \| (.+) \|$/gm)].map(
			([, code = "", result = ""]) => ({
				text: code
					.replace(/^`` | ``$|^`|`$/g, "")
					.replaceAll("\\|", "|")
					.trim(),
				result,
			}),
		);
		const found = await theirs(
			examples.map(({ text }) => text),
			"page",
		);
		const wrong = examples.flatMap(({ text, result }, i) => {
			const value = found[i]?.[0] ?? "null";
			return value === result || text.startsWith("current")
				? []
				: [`${text}: ${result} here, ${value} in Spark`];
		});
		expect(examples.length).toBeGreaterThan(60);
		expect(wrong).toEqual([]);
	}, 300_000);

	test("values and types of computations are Spark's", async () => {
		await viewOf("single", SINGLE);
		const wrong: string[] = [];
		for (let at = 0; at < COMPUTED.length; at += 30) {
			const texts = COMPUTED.slice(at, at + 30);
			const found = await valuesAndTypes(texts);
			texts.forEach((text, i) => {
				const type = bind(parseExpression(text), SINGLE.schema).type;
				const value = ours(text, SINGLE);
				const theirType = found[2 * i + 1]?.[0] ?? "";
				const same =
					JSON.stringify(value) === JSON.stringify(found[2 * i]) &&
					type === (TYPE_NAMES[theirType] ?? theirType);
				if (!same)
					wrong.push(
						`${text}: ${JSON.stringify(value)} ${type} here, ${JSON.stringify(found[2 * i])} ${theirType} in Spark`,
					);
			});
		}
		expect(wrong).toEqual([]);
	}, 300_000);

	test("what is refused or fails here does in Spark", async () => {
		await viewOf("single", SINGLE);
		const answered: string[] = [];
		for (const text of REFUSED) {
			let here = "";
			try {
				const values = ours(text, SINGLE);
				if (values !== "failed") here = `${values} here`;
			} catch (error) {
				if (!(error instanceof ExpressionError)) throw error;
			}
			if (here !== "" || !(await fails(text, "single")))
				answered.push(`${text} ${here}`);
		}
		expect(answered).toEqual([]);
	}, 300_000);
});

const COMPUTED = [
	"one + 1",
	"one + 1L",
	"1Y + 1Y",
	"1Y + 1",
	"1S + 1Y",
	"one + 1.5",
	"one + 1.5D",
	"1.5F + 1.5F",
	"1.5F + 1",
	"1.5F + 1Y",
	"1.5F + 1.5",
	"1.50 + 1.500",
	"1.50 * 1.500",
	"1.50 / 1.500",
	"1.50 % 0.7",
	"-1.50 % 0.7",
	"one / 3",
	"one / 3.0",
	"CAST(one AS decimal(10,0)) / 3",
	"CAST(one AS decimal(10,0)) / CAST(3 AS decimal(10,0))",
	"CAST(one AS decimal(38,0)) / CAST(3 AS decimal(38,10))",
	"CAST(one AS decimal(38,10)) * CAST(3 AS decimal(38,10))",
	"CAST(one AS decimal(38,10)) + CAST(3.123456789012 AS decimal(38,18))",
	"CAST(one AS decimal(30,20)) % CAST(0.3 AS decimal(30,25))",
	"CAST(2 AS bigint) / CAST(3 AS decimal(5,2))",
	"one * 1L * 2.5",
	"-one",
	"-(1Y)",
	"abs(-2.5)",
	"abs(-2.5F)",
	"7 % -3",
	"-7 % 3",
	"-7.5D % 2",
	"9223372036854775807",
	"9223372036854775808",
	"-9223372036854775808",
	"-2147483648",
	"2147483648",
	"1e3",
	"1.5e-3",
	"1e3BD",
	"0.10",
	".5",
	"5.",
	"00012",
	"1.5BD",
	"'it''s \\u00e9 \\t \\\\ \\' \\x'",
	'"double"',
	"r'a\\n'",
	"'\\101\\0'",
	"'10\\%' LIKE '10\\%'",
	"X'0' = X'00'",
	"CAST(1e15 AS string)",
	"CAST(123456.789D AS string)",
	"CAST(1e-5 AS string)",
	"CAST(0.001D AS string)",
	"CAST(1.1F AS string)",
	"CAST(3.4e38F AS string)",
	"CAST(16777216F AS string)",
	"CAST(1e7 AS string)",
	"CAST(9999999D AS string)",
	"CAST(-0.0D AS string)",
	"CAST(0.00000001 AS string)",
	"CAST(CAST(1 AS decimal(38,20)) AS string)",
	"CAST(TIMESTAMP '2026-01-01 00:00:00.100' AS string)",
	"CAST(TIMESTAMP '1969-12-31 23:59:59.999999' AS bigint)",
	"CAST(TIMESTAMP '1969-12-31 23:59:59.5' AS date)",
	"CAST(TIMESTAMP '2026-01-01 00:00:00.75' AS decimal(20,3))",
	"CAST(TIMESTAMP '2026-01-01 00:00:00.75' AS double)",
	"CAST(1.9D AS int)",
	"CAST(-1.9D AS bigint)",
	"CAST(2.5 AS decimal(1,0))",
	"CAST(-2.5 AS decimal(1,0))",
	"CAST(0.1 AS float)",
	"CAST(CAST(0.1 AS float) AS double)",
	"CAST(0.1D AS decimal(20,18))",
	"CAST(1.1F AS decimal(20,10))",
	"CAST(true AS int)",
	"CAST(true AS decimal(3,1))",
	"CAST(0 AS boolean)",
	"CAST('nan' AS double)",
	"CAST('-Inf' AS float)",
	"CAST('1e2' AS double)",
	"CAST(' 12 ' AS int)",
	"CAST('+5' AS bigint)",
	"CAST('1.25' AS decimal(3,1))",
	"CAST('1e2' AS decimal(5,1))",
	"CAST(' T ' AS boolean)",
	"CAST('2024' AS date)",
	"CAST('2024-2' AS date)",
	"CAST('2024-2-9' AS date)",
	"CAST('2024-02-09 whatever' AS date)",
	"CAST('2024-02-09T01:02' AS timestamp)",
	"CAST('2024-02-09 01:02:03.1234567 UTC+1' AS timestamp)",
	"CAST('2024-02-09 1:2:3+02:30' AS timestamp)",
	"CAST('2024-02-09 01:02:03Z' AS timestamp_ntz)",
	"CAST(100 AS timestamp)",
	"CAST(1.5D AS timestamp)",
	"CAST(1.5 AS timestamp)",
	"CAST(DATE '2024-02-29' AS timestamp_ntz)",
	"DATE '2024-02-09' < TIMESTAMP '2024-02-09 00:00:01'",
	"TIMESTAMP_NTZ '2024-02-09 00:00:00' = TIMESTAMP '2024-02-09 00:00:00'",
	"DATE '10000-01-01'",
	"year(DATE '-0044-03-15')",
	"year('2024-05-06')",
	"month(TIMESTAMP '2024-05-06 23:59:59')",
	"hour(DATE '2024-05-06')",
	"second(TIMESTAMP '1969-12-31 23:59:59.5')",
	"date_format(TIMESTAMP '1969-12-31 23:59:59', 'yyyy-MM-dd-HH')",
	"date_format(DATE '2024-05-06', 'yyyyMMdd')",
	"date_format(TIMESTAMP '2024-05-06 07:08:09', 'HH:mm:ss')",
	"date_trunc('week', DATE '1969-12-31')",
	"date_trunc('QUARTER', TIMESTAMP '2026-06-30 01:02:03')",
	"date_trunc('HOUR', TIMESTAMP '1969-12-31 23:59:59')",
	"date_trunc('MON', TIMESTAMP_NTZ '2026-06-30 01:02:03')",
	"date_trunc('MILLISECOND', TIMESTAMP '1969-12-31 23:59:59.123456')",
	"substring('abc', 0, 2)",
	"substring('abc', -5, 4)",
	"substring('abc', -5, 2)",
	"substring('abc', 2, 100)",
	"substring('aé😀c', 2, 2)",
	"substring('abc', 2)",
	"substring('abc', 5)",
	"substring('abc', 1, -1)",
	"substring('abc', -2147483648, 2147483647)",
	"substring(X'010203', 2, 1) = X'02'",
	"substring(X'010203', -5, 4) = X'0102'",
	"length('aé😀')",
	"length(X'00FF')",
	"length(12.50)",
	"upper('straße')",
	"lower('ÀΣ')",
	"concat('a', 1, true, 1.50, DATE '2024-01-01')",
	"'a' || 1.0D",
	"concat(X'00', X'FF') = X'00FF'",
	"coalesce(NULL, 1, 2.5)",
	"coalesce(1Y, 1.5D)",
	"coalesce(NULL, DATE '2024-01-01', TIMESTAMP '2024-01-02 00:00:00')",
	"CASE WHEN one = 1 THEN 1 ELSE 2.50 END",
	"CASE one WHEN 1L THEN 'a' WHEN 2 THEN 'b' END",
	"CASE NULL WHEN NULL THEN 1 ELSE 2 END",
	"NULL = NULL",
	"NULL <=> NULL",
	"NULL + 1",
	"1 IN (NULL)",
	"1 IN (1, NULL)",
	"1 NOT IN (2, NULL)",
	"1 IN (1.0, 2.5D)",
	"'5' = 5",
	"'5.5' = 5.5",
	"'1.50' = 1.5D",
	"'2024-01-01' < DATE '2024-01-02'",
	"TIMESTAMP '2024-01-01 00:00:00' = '2024-01-01'",
	"3 BETWEEN NULL AND 2",
	"9007199254740993 BETWEEN 6e0 AND 9007199254740992",
	"-0.0D = 0.0D",
	"-0.0D IN (0.0D)",
	"CAST('NaN' AS double) = CAST('NaN' AS float)",
	"CAST('NaN' AS double) > CAST('Infinity' AS double)",
	"1.1F = 1.1",
	"1.1F = 1.1D",
	"9007199254740993 = 9007199254740992.0",
	"9007199254740993 = 9007199254740992D",
	"12345678901234567890.12345 > 12345678901234567890.12344",
	"'\\U0001F600' > '\\uFFEE'",
	"X'80' > X'7F00'",
	"true > false",
	"'aé😀' LIKE 'a__'",
	"'ab\\ncd' LIKE 'ab%cd'",
	"'' LIKE ''",
	"'a' LIKE ''",
	"'10%' LIKE '10!%' ESCAPE '!'",
	"12 LIKE '1%'",
	"NOT true = false",
	"2 + 3 * 4 - 5 || 'x'",
	"one = 1 AND NOT one > 2 OR NULL",
	"(one = 1) IS NOT TRUE",
	"NULL IS NOT UNKNOWN",
	"one IS DISTINCT FROM NULL",
];

const REFUSED = [
	"2147483647 + one",
	"-(-2147483647 - one)",
	"abs(CAST(-129 + one AS tinyint))",
	"100Y + 100Y",
	"9223372036854775807 * 2",
	"one / 0",
	"one % 0",
	"1.5 % (one - 1)",
	"1e0 / (one - 1)",
	"99999999999999999999999999999999999999 + one",
	"CAST(concat('x', one) AS int)",
	"CAST(concat(one, '.5') AS int)",
	"CAST(concat(one, 'd') AS decimal(5,1))",
	"CAST(concat(one, 'x') AS boolean)",
	"CAST(concat(one, '-13-01') AS date)",
	"CAST(300 * one AS tinyint)",
	"CAST(99.99 * one AS decimal(3, 1))",
	"CAST(1e10 * one AS int)",
	"CAST(CAST('NaN' AS double) * one AS int)",
	"CAST(1e300 * one AS decimal(38,0))",
	"CAST(DATE '2024-01-01' AS int)",
	"CAST(true AS date)",
	"CAST(one AS date)",
	"CAST(one AS nonsense)",
	"one = 'x'",
	"true > 1",
	"NOT one",
	"one AND true",
	"CASE WHEN one THEN 2 END",
	"missing = 1",
	"year(one)",
	"'a' LIKE 'b\\\\'",
	"'a' LIKE r'\\a'",
	"DATE '2024-02-30'",
	"TIMESTAMP '2024-02-30'",
	"200Y",
	"1e39F",
	"1e400",
	"5a",
	"X'0G'",
	"length()",
	"abs('a')",
	"(one",
	"one IN ()",
	"one LIKE 'a' ESCAPE 'ab'",
	"coalesce(1, true)",
	"CASE WHEN true THEN 1 ELSE DATE '2024-01-01' END",
	"-'a'",
	"DATE '2024-01-01' = 5",
];
