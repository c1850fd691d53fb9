import { expect, test } from "vitest";
import { vectorOf } from "../../../src/columnar/literal.ts";
import { encodeParquet } from "../../../src/columnar/parquet/encode.ts";
import { bytesFile, readParquet } from "../../../src/columnar/parquet/read.ts";
import {
	array,
	type DataType,
	field,
	struct,
} from "../../../src/columnar/types.ts";
import { valueAt } from "../../../src/columnar/value.ts";
import type { Row, Value } from "../../../src/columnar/vector.ts";
import { fileStats } from "../../../src/delta/stats.ts";
import {
	statsOfRow,
	statsRow,
	statsSchema,
} from "../../../src/delta/stats-struct.ts";
import { formatStats, parseStats } from "../../../src/delta/stats-text.ts";
import { batchOf } from "../../support/batch.ts";
import { generator, integerOf, pick, SEED, textOf } from "./random.ts";

const min = (type: DataType, json: string, metadata = {}): Value | undefined =>
	parseStats(
		`{"minValues":{"x":${json}}}`,
		struct(field("x", type, { metadata })),
	)?.minValues.x;

test("no digit of a bound is lost", () => {
	expect(min("long", "9223372036854775807")).toBe(9223372036854775807n);
	expect(min("long", "-9223372036854775808")).toBe(-9223372036854775808n);
	expect(
		min("decimal(38,2)", "999999999999999999999999999999999999.99"),
	).toEqual({ unscaled: 10n ** 38n - 1n, scale: 2 });
	expect(min("decimal(5,2)", "-0.5")).toEqual({ unscaled: -50n, scale: 2 });
	expect(min("decimal(20,7)", "1E-7")).toEqual({ unscaled: 1n, scale: 7 });
	expect(min("decimal(10,2)", '"1.25"')).toEqual({ unscaled: 125n, scale: 2 });
	expect(min("double", "0.1000000000000000055")).toBe(0.1);
	expect(min("float", "0.1")).toBe(Math.fround(0.1));
	expect(min("integer", "1.0E3")).toBe(1000);
	expect(min("string", '"\\u0000"')).toBe("\u0000");
	expect(min("timestamp", '"1969-12-31T16:00:00.001-08:00"')).toBe(1000n);
	expect(min("timestamp_ntz", '"1970-01-02"')).toBe(86_400_000_000n);
	expect(min("date", '"1970-01-02"')).toBe(1);
	expect(min("double", '"-Infinity"')).toBe(-Infinity);
});

test("what can't be read as a bound is none, not another bound", () => {
	for (const [type, json] of [
		["long", "9223372036854775808"],
		["long", "1.5"],
		["integer", "2147483648"],
		["byte", "128"],
		["short", "-32769"],
		["long", "true"],
		["string", "1"],
		["date", "18000"],
		["date", '"2020-02-30"'],
		["timestamp", '"soon"'],
		["double", '"NaN"'],
		["double", '""'],
		["decimal(4,2)", "123.45"],
		["decimal(4,2)", "1.234"],
		["binary", '"x"'],
		["variant", '"x"'],
		[array("long"), "[1]"],
		["long", "null"],
		["long", '{"x":1}'],
	] as [DataType, string][])
		expect(min(type, json), `${String(type)} ${json}`).toBeUndefined();
});

test("a bound from when the column was float still holds", () => {
	const changed = {
		"delta.typeChanges": [{ fromType: "float", toType: "double" }],
	};
	const schema = struct(field("x", "double", { metadata: changed }));
	for (const value of [0.1, 0.3, 16777217]) {
		const stats = parseStats(
			`{"minValues":{"x":${value}},"maxValues":{"x":${value}}}`,
			schema,
		);
		const float = Math.fround(value);
		for (const real of [value, float]) {
			expect(stats?.minValues.x).toBeLessThanOrEqual(real);
			expect(stats?.maxValues.x).toBeGreaterThanOrEqual(real);
		}
	}
	expect(min("double", "0.3")).toBe(0.3);
});

test("statistics that are none are passed over", () => {
	const schema = struct(field("x", "long"));
	for (const text of ["", "null", "[]", "{", '{"minValues":', "1"])
		expect(parseStats(text, schema)).toBeUndefined();
	expect(
		parseStats(
			'{"numRecords":-1,"minValues":[],"maxValues":null,"nullCount":{"x":"y"}}',
			schema,
		),
	).toEqual({ tightBounds: true, minValues: {}, maxValues: {}, nullCount: {} });
	expect(parseStats('{"numRecords":3,"tightBounds":false}', schema)).toEqual({
		numRecords: 3,
		tightBounds: false,
		minValues: {},
		maxValues: {},
		nullCount: {},
	});
});

const TYPES: readonly DataType[] = [
	"byte",
	"short",
	"integer",
	"long",
	"float",
	"double",
	"boolean",
	"binary",
	"date",
	"timestamp",
	"timestamp_ntz",
	"string",
	"decimal(9,3)",
	"decimal(38,10)",
];

function randomValue(random: () => number, type: DataType): Value {
	const int = (bits: number) =>
		Number(BigInt.asIntN(bits, integerOf(random, bits)));
	switch (type) {
		case "byte":
			return int(8);
		case "short":
			return int(16);
		case "integer":
			return int(32);
		case "date":
			return int(24);
		case "long":
			return BigInt.asIntN(64, integerOf(random, 64));
		case "timestamp":
		case "timestamp_ntz":
			return BigInt.asIntN(60, integerOf(random, 60));
		case "float":
			return Math.fround((random() - 0.5) * 10 ** (random() * 60 - 30));
		case "double":
			return (random() - 0.5) * 10 ** (random() * 600 - 300);
		case "boolean":
			return random() < 0.5;
		case "binary":
			return new TextEncoder().encode(textOf(random, 3));
		case "decimal(9,3)":
			return { unscaled: integerOf(random, 29), scale: 3 };
		case "decimal(38,10)":
			return { unscaled: integerOf(random, 126), scale: 10 };
		default:
			return textOf(random, 50);
	}
}

test("bounds read from the text hold every row, and survive struct form and back", async () => {
	const random = generator(SEED);
	for (let i = 0; i < 60; i++) {
		const types = Array.from({ length: 5 }, () => pick(random, TYPES));
		const inner = types.map((type, at) => field(`f${at}`, type));
		const schema = struct(
			field("s", struct(...inner, field("l", array("long")))),
			field("__proto__", pick(random, TYPES)),
		);
		const rows = Array.from(
			{ length: 1 + Math.floor(random() * 20) },
			(): Row => {
				const s = Object.fromEntries(
					inner.map(({ name, type }) => [
						name,
						random() < 0.2 ? null : randomValue(random, type),
					]),
				);
				const row = { s: random() < 0.1 ? null : { ...s, l: [1n] } };
				Object.defineProperty(row, "__proto__", {
					value: null,
					enumerable: true,
				});
				return row;
			},
		);
		const { leaves } = encodeParquet([batchOf(schema, rows)]);
		const text = fileStats(rows.length, leaves);
		const note = `seed ${SEED}, ${i}: ${text}`;
		const stats = parseStats(text, schema);
		if (stats === undefined) throw new Error(note);
		const [low, high] = [stats.minValues.s, stats.maxValues.s] as [Row, Row];
		for (const { s } of rows)
			for (const { name, type } of inner) {
				const value = s === null ? null : ((s as Row)[name] ?? null);
				if (value === null) continue;
				const order = (a: Value | undefined, b: Value) =>
					a === undefined ? undefined : compare(a, b, type);
				expect(order(low[name], value) ?? -1, note).toBeLessThanOrEqual(0);
				expect(order(high[name], value) ?? 1, note).toBeGreaterThanOrEqual(0);
				if (!["boolean", "binary", "string"].includes(String(type)))
					expect(low, note).toHaveProperty(name);
			}

		expect(parseStats(formatStats(stats, schema), schema), note).toEqual(stats);
		const type = statsSchema(schema);
		const row = statsRow(stats, schema);
		const vector = vectorOf(type, [row]);
		const { bytes } = encodeParquet([
			{
				schema: struct(field("stats_parsed", type)),
				length: 1,
				columns: [vector],
			},
		]);
		for await (const { batch } of readParquet(bytesFile(bytes), {
			schema: struct(field("stats_parsed", type)),
		})) {
			const back = valueAt(batch.columns[0] as never, type, 0);
			expect(statsOfRow(back as Row), note).toEqual(stats);
		}
	}
});

function compare(a: Value, b: Value, type: DataType): number {
	if (typeof a === "string")
		return Buffer.compare(Buffer.from(a), Buffer.from(b as string));
	if (String(type).startsWith("decimal")) {
		const [x, y] = [a, b] as [{ unscaled: bigint }, { unscaled: bigint }];
		return x.unscaled < y.unscaled ? -1 : x.unscaled > y.unscaled ? 1 : 0;
	}
	const [x, y] = [a, b] as [number, number];
	return x < y ? -1 : x > y ? 1 : 0;
}

test("the struct form has what Spark's has", () => {
	const schema = struct(
		field("a", "string"),
		field("b", "boolean"),
		field("s", struct(field("l", array("long")), field("v", "variant"))),
		field("void", "void"),
	);
	expect(statsSchema(schema)).toEqual(
		struct(
			field("numRecords", "long"),
			field("minValues", struct(field("a", "string"))),
			field("maxValues", struct(field("a", "string"))),
			field(
				"nullCount",
				struct(
					field("a", "long"),
					field("b", "long"),
					field("s", struct(field("l", "long"), field("v", "long"))),
				),
			),
			field("tightBounds", "boolean"),
		),
	);
	expect(statsSchema(struct()).fields.map(({ name }) => name)).toEqual([
		"numRecords",
		"tightBounds",
	]);
});
