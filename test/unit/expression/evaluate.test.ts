import { expect, test } from "vitest";
import { take } from "../../../src/columnar/batch.ts";
import { vectorOf } from "../../../src/columnar/literal.ts";
import { type DataType, field, struct } from "../../../src/columnar/types.ts";
import { valueAt } from "../../../src/columnar/value.ts";
import type { Batch, Value } from "../../../src/columnar/vector.ts";
import { bind, bindPredicate } from "../../../src/expression/bind.ts";
import { compareValues } from "../../../src/expression/compare.ts";
import { ExpressionError } from "../../../src/expression/errors.ts";
import { evaluate } from "../../../src/expression/evaluate.ts";
import { parseExpression } from "../../../src/expression/parse.ts";
import { randomBatch, randomOf, randomPredicate } from "./sample.ts";

type Columns = Readonly<Record<string, readonly [DataType, readonly Value[]]>>;

function batchOf(columns: Columns): Batch {
	const all = Object.entries(columns);
	return {
		schema: struct(...all.map(([name, [type]]) => field(name, type))),
		length: all[0]?.[1][1].length ?? 1,
		columns: all.map(([, [type, values]]) => vectorOf(type, values)),
	};
}

function values(text: string, batch: Batch, now?: number): Value[] {
	const bound = bind(parseExpression(text), batch.schema);
	const vector = evaluate(bound, batch, now === undefined ? {} : { now });
	return Array.from({ length: batch.length }, (_, i) =>
		valueAt(vector, bound.type, i),
	);
}

const ONE: Batch = { schema: struct(), length: 1, columns: [] };

function code(run: () => unknown): string {
	try {
		run();
	} catch (error) {
		if (error instanceof ExpressionError) return error.code;
		throw error;
	}
	return "nothing";
}

const TRUTH = batchOf({
	a: ["boolean", [true, true, true, false, false, false, null, null, null]],
	b: ["boolean", [true, false, null, true, false, null, true, false, null]],
	d: ["integer", [1, 0, 1, 0, 1, 0, 1, 0, 1]],
});

test("AND, OR and NOT keep the three values apart", () => {
	expect(values("a AND b", TRUTH)).toEqual([
		true,
		false,
		null,
		false,
		false,
		false,
		null,
		false,
		null,
	]);
	expect(values("a OR b", TRUTH)).toEqual([
		true,
		true,
		true,
		true,
		false,
		null,
		true,
		null,
		null,
	]);
	expect(values("NOT a", TRUTH)).toEqual([
		false,
		false,
		false,
		true,
		true,
		true,
		null,
		null,
		null,
	]);
	expect(values("a <=> b", TRUTH)).toEqual([
		true,
		false,
		false,
		false,
		true,
		false,
		false,
		false,
		true,
	]);
	expect(values("a IS NOT FALSE", TRUTH)).toEqual([
		true,
		true,
		true,
		false,
		false,
		false,
		true,
		true,
		true,
	]);
});

test("what could fail is asked only where it is guarded", () => {
	const ten = "10 / d = 10";
	expect(values(`d <> 0 AND ${ten}`, TRUTH)).toEqual([
		true,
		false,
		true,
		false,
		true,
		false,
		true,
		false,
		true,
	]);
	expect(values(`d = 0 OR ${ten}`, TRUTH)).toEqual(Array(9).fill(true));
	expect(values("CASE WHEN d = 0 THEN -1 ELSE 10 / d END", TRUTH)).toEqual([
		10, -1, 10, -1, 10, -1, 10, -1, 10,
	]);
	expect(values("coalesce(CASE WHEN d = 0 THEN 5 END, 10 / d)", TRUTH)).toEqual(
		[10, 5, 10, 5, 10, 5, 10, 5, 10],
	);
	expect(values("CASE d WHEN 0 THEN 1 WHEN 1 / d THEN 2 END", TRUTH)).toEqual([
		2, 1, 2, 1, 2, 1, 2, 1, 2,
	]);
	expect(code(() => values(ten, TRUTH))).toBe("EXPRESSION_FAILED");
	expect(code(() => values(`${ten} AND d <> 0`, TRUTH))).toBe(
		"EXPRESSION_FAILED",
	);
});

test.each([
	["2147483647 + 1", "EXPRESSION_FAILED"],
	["-(-2147483647 - 1)", "EXPRESSION_FAILED"],
	["abs(-128Y)", "EXPRESSION_FAILED"],
	["100Y + 100Y", "EXPRESSION_FAILED"],
	["9223372036854775807 * 2", "EXPRESSION_FAILED"],
	["1 / 0", "EXPRESSION_FAILED"],
	["1.5 % 0", "EXPRESSION_FAILED"],
	["1e0 / 0e0", "EXPRESSION_FAILED"],
	["99999999999999999999999999999999999999 + 1", "EXPRESSION_FAILED"],
	["CAST('x' || 'y' AS int)", "EXPRESSION_FAILED"],
	["CAST(concat('1', '.5') AS int)", "EXPRESSION_FAILED"],
	["CAST('x' AS int)", "EXPRESSION_INVALID"],
	["CAST(300 AS tinyint)", "EXPRESSION_INVALID"],
	["CAST(99.99 AS decimal(3, 2))", "EXPRESSION_INVALID"],
	[
		"CAST('NaN' AS double) = CAST(CAST('NaN' AS double) AS int)",
		"EXPRESSION_INVALID",
	],
	["1 = 'x'", "EXPRESSION_INVALID"],
	["1 + 'x'", "EXPRESSION_INVALID"],
	["true > 1", "EXPRESSION_INVALID"],
	["NOT 1", "EXPRESSION_INVALID"],
	["1 AND true", "EXPRESSION_INVALID"],
	["CASE WHEN 1 THEN 2 END", "EXPRESSION_INVALID"],
	["missing = 1", "EXPRESSION_INVALID"],
	["year(5)", "EXPRESSION_INVALID"],
	["'a' LIKE 'b\\\\'", "EXPRESSION_INVALID"],
	["'a' LIKE r'\\a'", "EXPRESSION_INVALID"],
	["current_date() = DATE '2026-01-01'", "EXPRESSION_INVALID"],
	["date_format(DATE '2026-01-01', 'EEE')", "EXPRESSION_UNSUPPORTED"],
	["date_trunc('CENTURY', DATE '2026-01-01')", "EXPRESSION_UNSUPPORTED"],
	["CAST(true AS timestamp)", "EXPRESSION_UNSUPPORTED"],
])("%s is refused with %s, not answered wrongly", (text, wanted) => {
	expect(code(() => values(text, ONE))).toBe(wanted);
});

test.each<[string, Value]>([
	["9007199254740993 = 9007199254740992", false],
	["9223372036854775807 - 1 = 9223372036854775806", true],
	["0.1 + 0.2 = 0.3", true],
	["1 = 1.0", true],
	["12345678901234567890.12345 > 12345678901234567890.12344", true],
	["CAST('NaN' AS double) = CAST('NaN' AS double)", true],
	["CAST('NaN' AS double) > CAST('Infinity' AS double)", true],
	["-0.0D = 0.0D", true],
	["-0.0D IN (0.0D)", true],
	["CAST('NaN' AS double) IN (CAST('NaN' AS double))", true],
	["'\\U0001F600' > '\\uFFEE'", true],
	["'a' < 'ab'", true],
	["X'80' > X'7F00'", true],
	["-7 % 3", -1],
	["7 / 2", 3.5],
	["CAST(1 AS decimal(10,0)) / 3", { unscaled: 333_333n, scale: 6 }],
	["CAST(-2.5 AS decimal(2, 0))", { unscaled: -3n, scale: 0 }],
	["CAST(-1.9 AS int)", -1],
	["CAST(1e15 AS string)", "1.0E15"],
	["CAST(1.5F AS string)", "1.5"],
	["CAST(0.1F AS string)", "0.1"],
	["CAST(1234567D AS string)", "1234567.0"],
	[
		"CAST(TIMESTAMP '2026-01-01 00:00:00.100' AS string)",
		"2026-01-01 00:00:00.1",
	],
	["CAST(TIMESTAMP '1969-12-31 23:59:59.5' AS bigint)", -1n],
	["CAST(TIMESTAMP '1969-12-31 23:59:59.5' AS date)", -1],
	["CAST('2024-2-9' AS date) = DATE '2024-02-09'", true],
	["CAST(' 12 ' AS int)", 12],
	["'5' = 5", true],
	["DATE '2026-01-01' = TIMESTAMP '2026-01-01 00:00:00'", true],
	["TIMESTAMP '2026-01-01 02:30:00+02:30' = '2026-01-01'", true],
	["year(DATE '-0044-03-15')", -44],
	["date_trunc('WEEK', DATE '2026-08-31') = DATE '2026-08-31'", true],
	["date_trunc('WEEK', DATE '1969-12-31') = DATE '1969-12-29'", true],
	["date_trunc('QUARTER', DATE '2026-06-30') = DATE '2026-04-01'", true],
	[
		"date_trunc('HOUR', TIMESTAMP '1969-12-31 23:59:59') = TIMESTAMP '1969-12-31 23:00:00'",
		true,
	],
	["substring('abc', 0, 2)", "ab"],
	["substring('abc', -5, 4)", "ab"],
	["substring('aé😀c', 2, 2)", "é😀"],
	["substring('abc', 2)", "bc"],
	["substring('abc', 5)", ""],
	["substring('abc', 1, -1)", ""],
	["length('aé😀')", 3],
	["length(X'00FF')", 2],
	["concat('a', NULL)", null],
	["concat(X'00', X'FF') = X'00FF'", true],
	["NULL = NULL", null],
	["NULL + 1", null],
	["-NULL IS NULL", true],
	["abs(NULL)", null],
	["coalesce(NULL, NULL)", null],
	["CASE WHEN NULL THEN 1 END", null],
	["CASE NULL WHEN NULL THEN 1 ELSE 2 END", 2],
	["1 IN (NULL)", null],
	["1 NOT IN (1, NULL)", false],
	["NULL BETWEEN 1 AND 2", null],
	["3 BETWEEN NULL AND 2", false],
	["9007199254740993 BETWEEN 6e0 AND 9007199254740992", false],
	["9007199254740993 BETWEEN 6e0 AND 9007199254740993", true],
	["'a%b' LIKE 'a\\%b'", true],
	["'axb' LIKE 'a\\%b'", false],
	["'aé😀' LIKE 'a__'", true],
	["'aé😀' LIKE 'a%_'", true],
	["'ab\\ncd' LIKE 'ab%cd'", true],
	["'' LIKE ''", true],
	["'a' LIKE ''", false],
	["'a' LIKE '%%%'", true],
	["NULL LIKE 'a'", null],
	["'10%' LIKE '10!%' ESCAPE '!'", true],
])("%s is %s", (text, wanted) => {
	expect(values(text, ONE)[0]).toEqual(wanted);
});

test("a pattern made to be slow is not", () => {
	const batch = batchOf({ t: ["string", ["a".repeat(5000)]] });
	const started = performance.now();
	expect(values(`t LIKE '${"%a".repeat(200)}b'`, batch)).toEqual([false]);
	expect(performance.now() - started).toBeLessThan(2000);
});

test("a list of 20,000 values is looked up, not searched", () => {
	const batch = batchOf({
		l: ["long", Array.from({ length: 20_000 }, (_, i) => BigInt(i * 3))],
	});
	const list = Array.from({ length: 20_000 }, (_, i) => i * 2).join(", ");
	const started = performance.now();
	const found = values(`l IN (${list})`, batch).filter((value) => value).length;
	expect(found).toBe(6667);
	expect(performance.now() - started).toBeLessThan(3000);
});

test("a field of a null struct is null, whatever its slot holds", () => {
	const batch = batchOf({
		s: [struct(field("x", "integer")), [{ x: 5 }, null, { x: null }]],
	});
	expect(values("s.x = 5", batch)).toEqual([true, null, null]);
	expect(values("s IS NULL", batch)).toEqual([false, true, false]);
	expect(code(() => values("s.y = 1", batch))).toBe("EXPRESSION_INVALID");
	expect(code(() => values("s = s", batch))).toBe("EXPRESSION_UNSUPPORTED");
});

test("columns are found by name when the rows have another order", () => {
	const bound = bindPredicate(
		parseExpression("A = 1"),
		struct(field("b", "integer"), field("a", "integer")),
	);
	const batch = batchOf({ a: ["integer", [1]], b: ["integer", [2]] });
	expect(valueAt(evaluate(bound, batch), "boolean", 0)).toBe(true);
	expect(code(() => evaluate(bound, batchOf({ b: ["integer", [2]] })))).toBe(
		"EXPRESSION_INVALID",
	);
});

test("time is the caller's, the same in every row", () => {
	const batch = batchOf({ i: ["integer", [1, 2]] });
	const now = Date.UTC(2026, 7, 31, 12, 0, 0, 5);
	expect(values("current_timestamp()", batch, now)).toEqual(
		Array(2).fill(BigInt(now) * 1000n),
	);
	expect(values("current_date()", batch, now)).toEqual([20_696, 20_696]);
});

test("no rows give no values, and no error of a constant", () => {
	const batch = batchOf({ i: ["integer", []] });
	expect(values("i / 0 > 1", batch)).toEqual([]);
});

test("many rows at once give what each gives alone", () => {
	const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9));
	const random = randomOf(seed);
	let answered = 0;
	for (let run = 0; run < 400; run++) {
		const batch = randomBatch(random, 9);
		const text = randomPredicate(random);
		const bound = bindPredicate(parseExpression(text), batch.schema);
		const alone: (Value | "failed")[] = [];
		for (let i = 0; i < batch.length; i++) {
			const row = take(batch, Int32Array.of(i));
			try {
				alone.push(valueAt(evaluate(bound, row), "boolean", 0));
			} catch (error) {
				if (!(error instanceof ExpressionError))
					throw new Error(`seed ${seed}: ${text}`, { cause: error });
				alone.push("failed");
			}
		}
		const where = `seed ${seed}: ${text}`;
		if (alone.includes("failed")) {
			expect(
				code(() => evaluate(bound, batch)),
				where,
			).toBe("EXPRESSION_FAILED");
			continue;
		}
		answered++;
		const vector = evaluate(bound, batch);
		const together = alone.map((_, i) => valueAt(vector, "boolean", i));
		expect(together, where).toEqual(alone);
	}
	expect(answered, `seed ${seed}`).toBeGreaterThan(200);
});

test("columns are compared as single values are", () => {
	const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9));
	const random = randomOf(seed);
	for (let run = 0; run < 60; run++) {
		const left = randomBatch(random, 20);
		const right = randomBatch(random, 20);
		left.schema.fields.slice(0, -1).forEach(({ name, type }, at) => {
			const both: Batch = {
				schema: struct(field("p", type), field("q", type)),
				length: 20,
				columns: [left.columns[at], right.columns[at]] as Batch["columns"],
			};
			const wanted = Array.from({ length: 20 }, (_, i) => {
				const p = valueAt(both.columns[0] as never, type, i);
				const q = valueAt(both.columns[1] as never, type, i);
				return p === null || q === null ? null : compareValues(p, q) < 0;
			});
			expect(values("p < q", both), `seed ${seed} ${name}`).toEqual(wanted);
		});
	}
});

test("whatever is parsed and bound is evaluated, or fails with a typed error", () => {
	const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9));
	const random = randomOf(seed);
	const atoms =
		"i k l d f m w t b dt ts n x st st.a st.c 1 -2.5 1e300 9223372036854775807 'a' '5' '2024-02-30' X'00' NULL TRUE DATE'2024-01-01' TIMESTAMP'2024-01-01' current_date()".split(
			" ",
		);
	const types =
		"tinyint int bigint float double decimal(38,10) decimal(3,3) string binary boolean date timestamp timestamp_ntz".split(
			" ",
		);
	const some = (values: readonly string[]): string =>
		values[random(values.length)] as string;
	const any = (depth: number): string => {
		if (depth === 0 || random(4) === 0) return some(atoms);
		const inner = (): string => `(${any(depth - 1)})`;
		return [
			() =>
				`${inner()} ${some(["+", "-", "*", "/", "%", "||", "=", "<", "<=>", "AND", "OR", "LIKE"])} ${inner()}`,
			() => `${some(["-", "NOT"])} ${inner()}`,
			() => `CAST(${inner()} AS ${some(types)})`,
			() => `CASE WHEN ${inner()} THEN ${inner()} ELSE ${inner()} END`,
			() => `CASE ${inner()} WHEN ${inner()} THEN ${inner()} END`,
			() => `coalesce(${inner()}, ${inner()})`,
			() =>
				`${some(["length", "lower", "upper", "abs", "year", "month", "day", "hour", "minute", "second"])}(${inner()})`,
			() => `substring(${inner()}, ${inner()}, ${inner()})`,
			() => `date_trunc('${some(["week", "HOUR", "YEAR"])}', ${inner()})`,
			() => `date_format(${inner()}, 'yyyy-MM-dd-HH')`,
			() => `${inner()} IN (${inner()}, ${inner()})`,
			() => `${inner()} BETWEEN ${inner()} AND ${inner()}`,
			() => `${inner()} IS ${some(["", "NOT "])}${some(["NULL", "TRUE"])}`,
		][random(13)]?.() as string;
	};
	let answered = 0;
	for (let run = 0; run < 4000; run++) {
		const batch = randomBatch(random, 3);
		const text = any(3);
		try {
			values(text, batch, 0);
			answered++;
		} catch (error) {
			if (!(error instanceof ExpressionError))
				throw new Error(`seed ${seed}: ${text}`, { cause: error });
		}
	}
	expect(answered, `seed ${seed}`).toBeGreaterThan(200);
});
