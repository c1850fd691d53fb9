import { expect, test } from "vitest";
import {
	encodeParquet,
	type LeafStats,
} from "../../../src/columnar/parquet/encode.ts";
import {
	array,
	type DataType,
	field,
	struct,
} from "../../../src/columnar/types.ts";
import type { Value } from "../../../src/columnar/vector.ts";
import {
	enableMapping,
	physicalSchema,
} from "../../../src/delta/column-mapping.ts";
import {
	fileStats,
	looseStats,
	statsOptions,
} from "../../../src/delta/stats.ts";
import { textMax, textMin } from "../../../src/delta/stats-prefix.ts";
import { batchOf } from "../../support/batch.ts";
import { generator, pick, SEED, textOf } from "./random.ts";
import { engineOf } from "./scanned.ts";

const leaf = (type: DataType, min: Value, max: Value): LeafStats => ({
	path: ["x"],
	type,
	nullCount: 0,
	min,
	max,
});

const bounds = (type: DataType, min: Value, max: Value): string =>
	/"minValues":\{(.*?)\},"maxValues":\{(.*?)\}/
		.exec(fileStats(1, [leaf(type, min, max)]))
		?.slice(1)
		.join(" ")
		.replaceAll('"x":', "") ?? "";

test("bounds lose nothing of 64-bit integers and decimals", () => {
	expect(bounds("long", -(2n ** 63n), 2n ** 63n - 1n)).toBe(
		"-9223372036854775808 9223372036854775807",
	);
	const d = (unscaled: bigint) => ({ unscaled, scale: 10 });
	expect(bounds("decimal(38,10)", d(-1n), d(10n ** 38n - 1n))).toBe(
		"-0.0000000001 9999999999999999999999999999.9999999999",
	);
	expect(bounds("double", 1e-7, 1.7976931348623157e308)).toBe(
		"1e-7 1.7976931348623157e+308",
	);
	expect(bounds("double", 1, Infinity)).toBe("1 ");
	expect(bounds("boolean", false, true)).toBe(" ");
	expect(bounds("binary", Uint8Array.of(1), Uint8Array.of(2))).toBe(" ");
	expect(bounds("date", -719163, 2932897)).toBe('"0000-12-31" "+10000-01-01"');
});

test("no reader skips a timestamp for its microseconds", () => {
	expect(bounds("timestamp", 1n, 1n)).toBe(
		'"1970-01-01T00:00:00.000Z" "1970-01-01T00:00:00.001Z"',
	);
	expect(bounds("timestamp", -1n, -1n)).toBe(
		'"1969-12-31T23:59:59.999Z" "1970-01-01T00:00:00.000Z"',
	);
	expect(bounds("timestamp_ntz", 5000n, 5000n)).toBe(
		'"1970-01-01T00:00:00.005" "1970-01-01T00:00:00.005"',
	);
	expect(bounds("timestamp", -(2n ** 63n), 2n ** 63n - 1n)).toBe(" ");
});

test("strings are cut as Spark cuts them", () => {
	const cases: [string, number, string | undefined, string | undefined][] = [
		["abc", 3, "abc", "abc"],
		["abcd", 3, "abc", "abc\u007f"],
		["abcä", 3, "abc", "abc\u{10ffff}"],
		["abc\u007fd", 3, "abc", "abc\u{10ffff}"],
		["ab\u{1f600}d", 3, "ab\u{1f600}", "ab\u{1f600}\u007f"],
		["ab\u{1f600}", 3, "ab\u{1f600}", "ab\u{1f600}"],
		["abc\u{10ffff}d", 3, "abc", "abc\u{10ffff}\u007f"],
		["abc\u{10ffff}", 3, "abc", "abc\u{10ffff}"],
		["\u{10ffff}".repeat(9), 3, "\u{10ffff}".repeat(2), undefined],
		["abc", 0, undefined, undefined],
		["", 0, "", ""],
	];
	for (const [value, length, min, max] of cases) {
		expect(textMin(value, length), value).toBe(min);
		expect(textMax(value, length), value).toBe(max);
	}
});

test("no cut bound is on the wrong side of its value", () => {
	const random = generator(SEED);
	const bytes = (text: string) => Buffer.from(text);
	for (let i = 0; i < 20_000; i++) {
		const value =
			textOf(random, 12) +
			pick(random, ["", "\u{10ffff}", "\u{10ffff}".repeat(20)]) +
			textOf(random, 4);
		const length = 1 + Math.floor(random() * 12);
		const note = `seed ${SEED}, ${i}: ${JSON.stringify(value)} to ${length}`;
		const min = textMin(value, length) ?? "";
		expect(Buffer.compare(bytes(min), bytes(value)), note).toBeLessThanOrEqual(
			0,
		);
		expect(min.isWellFormed(), note).toBe(true);
		const max = textMax(value, length);
		if (max === undefined) {
			expect(value, note).toContain("\u{10ffff}");
			continue;
		}
		expect(
			Buffer.compare(bytes(max), bytes(value)),
			note,
		).toBeGreaterThanOrEqual(0);
		expect(max.isWellFormed(), note).toBe(true);
		expect(max.length, note).toBeLessThanOrEqual(2 * length + 3);
	}
});

test("statistics are those of the table's columns, under physical names", () => {
	const schema = struct(
		field("p", "long"),
		field("a", "string"),
		field("s", struct(field("b", "long"), field("c", array("long")))),
		field("d", "double"),
	);
	const mapped = enableMapping(
		{ schema, configuration: {} },
		{ mode: "name", existing: true, uuid: engineOf().uuid },
	);
	const { leaves } = encodeParquet([
		batchOf(struct(...schema.fields.slice(1)), [
			{ a: "abcdef", s: { b: 1n, c: [1n] }, d: 1.5 },
			{ a: null, s: null, d: null },
		]),
	]);
	const of = (configuration: Record<string, string>): unknown =>
		JSON.parse(
			fileStats(
				2,
				leaves,
				statsOptions(
					mapped.schema,
					{ partitionColumns: ["p"], configuration },
					"name",
				),
			),
		);
	expect(of({})).toEqual({
		numRecords: 2,
		minValues: { a: "abcdef", s: { b: 1 }, d: 1.5 },
		maxValues: { a: "abcdef", s: { b: 1 }, d: 1.5 },
		nullCount: { a: 1, s: { b: 1, c: 1 }, d: 1 },
		tightBounds: true,
	});
	expect(
		of({
			"delta.dataSkippingNumIndexedCols": "2",
			"delta.dataSkippingStringPrefixLength": "2",
		}),
	).toMatchObject({
		minValues: { a: "ab", s: { b: 1 } },
		maxValues: { a: "ab\u007f" },
		nullCount: { a: 1, s: { b: 1 } },
	});
	expect(of({ "delta.dataSkippingStatsColumns": "s" })).toMatchObject({
		nullCount: { s: { b: 1, c: 1 } },
	});
	expect(of({ "delta.dataSkippingStatsColumns": "s" })).not.toHaveProperty(
		"nullCount.a",
	);
	expect(() => of({ "delta.dataSkippingStringPrefixLength": "x" })).toThrow(
		/whole number/,
	);
	const renamed = enableMapping(
		{ schema, configuration: {} },
		{ mode: "id", existing: false, uuid: engineOf().uuid },
	);
	expect(
		statsOptions(
			renamed.schema,
			{ partitionColumns: ["p"], configuration: {} },
			"id",
		).columns.fields.map(({ name }) => name),
	).toEqual(
		physicalSchema(renamed.schema, "id")
			.fields.slice(1)
			.map(({ name }) => name),
	);
});

test("bounds that a deletion vector made wide never stay tight", () => {
	for (const [stats, loose] of [
		[
			'{"numRecords":1,"tightBounds":true}',
			'{"numRecords":1,"tightBounds":false}',
		],
		[
			'{"tightBounds" : true,"numRecords":1}',
			'{"tightBounds" : false,"numRecords":1}',
		],
		[
			'{"numRecords":1,"tightBounds":false}',
			'{"numRecords":1,"tightBounds":false}',
		],
		['{"numRecords":1}', '{"numRecords":1,"tightBounds":false}'],
		['{"nullCount":{"x":1}} ', '{"nullCount":{"x":1},"tightBounds":false}'],
		["{}", '{"tightBounds":false}'],
		[
			String.raw`{"minValues":{"x":"{\"tightBounds\":true}"}}`,
			String.raw`{"minValues":{"x":"{\"tightBounds\":true}"},"tightBounds":false}`,
		],
		[
			'{"tightBounds":true,"numRecords":1,"tightBounds":true}',
			'{"tightBounds":false,"numRecords":1,"tightBounds":false}',
		],
		[
			'{"numRecords":1,"minValues":{"tightBounds":true}}',
			'{"numRecords":1,"minValues":{"tightBounds":true},"tightBounds":false}',
		],
		[
			'{"tightBounds": true,"minValues":{"a":"\\"tightBounds\\":true","b":1.50}}',
			'{"tightBounds": false,"minValues":{"a":"\\"tightBounds\\":true","b":1.50}}',
		],
	] as const)
		expect(looseStats(stats)).toBe(loose);
});

test("a column named __proto__ has statistics like any other", () => {
	expect(
		fileStats(1, [{ ...leaf("long", 1n, 2n), path: ["__proto__", "y"] }]),
	).toContain('"minValues":{"__proto__":{"y":1}}');
});
