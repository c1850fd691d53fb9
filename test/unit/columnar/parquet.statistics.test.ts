import { parquetMetadata } from "hyparquet";
import { expect, test } from "vitest";
import { vectorOf } from "../../../src/columnar/literal.ts";
import { encodeParquet } from "../../../src/columnar/parquet/encode.ts";
import { compareBounds } from "../../../src/columnar/parquet/statistics.ts";
import type { DataType } from "../../../src/columnar/types.ts";
import { array, field, struct } from "../../../src/columnar/types.ts";
import type { Value } from "../../../src/columnar/vector.ts";
import { random, randomBatch, rowsOf } from "./random.ts";

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);

function encodeColumn(type: DataType, values: readonly Value[]) {
	return encodeParquet([
		{
			schema: struct(field("c", type)),
			length: values.length,
			columns: [vectorOf(type, values)],
		},
	]);
}

function statsOf(type: DataType, values: readonly Value[]) {
	return encodeColumn(type, values).leaves[0];
}

const ORDERED: readonly DataType[] = [
	"boolean",
	"byte",
	"integer",
	"date",
	"long",
	"timestamp",
	"decimal(18,4)",
	"decimal(38,6)",
	"float",
	"double",
	"string",
	"binary",
];

test(`no file is skipped for bounds that leave a value out (SEED=${SEED})`, () => {
	const schema = struct(
		...ORDERED.map((type, i) => field(`c${i}`, type)),
		field("nested", struct(field("inner", "long"))),
		field("list", array("long")),
	);
	for (let round = 0; round < 40; round++) {
		const rng = random(SEED + round);
		const batches = [1, 2].map(() =>
			randomBatch(rng, schema, rng.pick([1, 30, 300])),
		);
		const { leaves } = encodeParquet(batches, {
			rowGroupRows: rng.pick([20, 1000]),
			pageRows: rng.pick([5, 1000]),
			dictionary: rng.chance(0.5),
		});
		expect(leaves.map(({ path }) => path.join("."))).toEqual([
			...ORDERED.map((_, i) => `c${i}`),
			"nested.inner",
			"list",
		]);
		const rows = rowsOf(batches);
		leaves.forEach(({ path, type, nullCount, min, max }) => {
			const values = rows.map((row) =>
				path.reduce<Value>(
					(value, name) =>
						value === null ? null : ((value as typeof row)[name] ?? null),
					row,
				),
			);
			const present = values.filter((value) => value !== null);
			const about = `seed ${SEED + round}, ${path.join(".")}`;
			expect(nullCount, about).toBe(values.length - present.length);
			if (typeof type !== "string" || present.length === 0) {
				expect([min, max], about).toEqual([undefined, undefined]);
				return;
			}
			const sorted = present.sort(compareValues);
			expect(compareValues(min as Value, sorted[0] as Value), about).toBe(0);
			expect(compareValues(max as Value, sorted.at(-1) as Value), about).toBe(
				0,
			);
		});
	}
});

function compareValues(a: Value, b: Value): number {
	return compareBounds(bound(a), bound(b));
}

function bound(value: Value): number | bigint | Uint8Array {
	if (typeof value === "string") return Buffer.from(value);
	if (typeof value === "boolean") return Number(value);
	if (
		typeof value === "number" ||
		typeof value === "bigint" ||
		value instanceof Uint8Array
	)
		return value;
	if (value !== null && typeof value === "object" && "unscaled" in value)
		return value.unscaled as bigint;
	throw new Error("no order");
}

test("a NaN leaves no bounds, wherever it stands", () => {
	for (const values of [
		[Number.NaN, 1, 2],
		[1, Number.NaN],
		[1, 2, Number.NaN],
	]) {
		expect(statsOf("double", values)).toEqual({
			path: ["c"],
			type: "double",
			nullCount: 0,
		});
		expect(statsOf("float", values)?.min).toBeUndefined();
	}
});

test("a negative zero is a zero in the bounds of a table, and both in those of a file", () => {
	const { bytes, leaves } = encodeColumn("double", [-0, -0]);
	expect(Object.is(leaves[0]?.min, 0)).toBe(true);
	expect(Object.is(leaves[0]?.max, 0)).toBe(true);
	const stats = fileStatistics(bytes);
	expect(Object.is(stats?.min_value, -0)).toBe(true);
	expect(Object.is(stats?.max_value, 0)).toBe(true);
});

test("long text has short bounds in the footer that still hold it", () => {
	const long = `${"ä".repeat(31)}b${"ö".repeat(500)}`;
	const { bytes, leaves } = encodeColumn("string", [long]);
	expect([leaves[0]?.min, leaves[0]?.max]).toEqual([long, long]);
	const stats = fileStatistics(bytes);
	expect(stats).toMatchObject({
		min_value: `${"ä".repeat(31)}b`,
		max_value: `${"ä".repeat(31)}c`,
		is_min_value_exact: false,
		is_max_value_exact: false,
	});
});

test("text that can't be raised has no upper bound instead of a wrong one", () => {
	const { bytes } = encodeColumn("string", ["ÿ".repeat(100)]);
	expect(fileStatistics(bytes)?.max_value).toBeUndefined();
	expect(fileStatistics(bytes)?.min_value).toBe("ÿ".repeat(32));
	const raised = encodeColumn("binary", [new Uint8Array(100).fill(0xff)]);
	expect(fileStatistics(raised.bytes)?.max_value).toBeUndefined();
});

test("broken UTF-8 has no bounds that differ from it", () => {
	const { leaves } = encodeColumn("string", [Uint8Array.of(0xff, 0xfe)]);
	expect(leaves[0]).toEqual({ path: ["c"], type: "string", nullCount: 0 });
});

function fileStatistics(bytes: Uint8Array) {
	return parquetMetadata(bytes).row_groups[0]?.columns[0]?.meta_data
		?.statistics;
}
