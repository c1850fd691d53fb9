import { expect, test } from "vitest";
import { concat, take } from "../../../src/columnar/batch.ts";
import {
	constantVector,
	nullVector,
	vectorOf,
} from "../../../src/columnar/literal.ts";
import type { DataType } from "../../../src/columnar/types.ts";
import { array, field, struct } from "../../../src/columnar/types.ts";
import {
	dateText,
	formatValue,
	toJson,
	valueAt,
} from "../../../src/columnar/value.ts";
import type { Value } from "../../../src/columnar/vector.ts";
import { random, randomBatch, randomSchema, rowsOf } from "./random.ts";

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);

test(`selected and joined rows are the rows that were there (SEED=${SEED})`, () => {
	for (let round = 0; round < 60; round++) {
		const rng = random(SEED + round);
		const schema = randomSchema(rng, 3);
		const batches = [1, 2, 3].map(() =>
			randomBatch(rng, schema, rng.pick([0, 1, 20])),
		);
		const joined = concat(batches);
		const rows = rowsOf(batches);
		expect(rowsOf([joined]), `seed ${SEED + round}`).toEqual(rows);
		if (rows.length === 0) continue;
		const picked = Int32Array.from({ length: rng.below(40) }, () =>
			rng.below(rows.length),
		);
		expect(rowsOf([take(joined, picked)]), `seed ${SEED + round}`).toEqual(
			[...picked].map((row) => rows[row]),
		);
	}
});

test("batches of different kinds aren't joined into nonsense", () => {
	const batch = (type: DataType, value: Value) => ({
		schema: struct(field("c", type)),
		length: 1,
		columns: [vectorOf(type, [value])],
	});
	expect(() => concat([batch("long", 1n), batch("double", 1)])).toThrow(
		/f64 beside i64/,
	);
});

test("a value that a type can't hold is refused, not rounded", () => {
	const refused: [DataType, Value][] = [
		["long", 2n ** 63n],
		["long", 2 ** 53],
		["integer", 2 ** 31],
		["byte", 128],
		["short", -32_769],
		["date", 1.5],
		["decimal(4,2)", { unscaled: 10_000n, scale: 2 }],
		["decimal(4,2)", { unscaled: 1n, scale: 3 }],
		["decimal(4,2)", 1],
		["string", 5],
		["boolean", 1],
		["double", "1"],
		[array("long"), 1n],
		[struct(field("a", "long")), [1n]],
	];
	for (const [type, value] of refused)
		expect(() => vectorOf(type, [value]), JSON.stringify(type)).toThrow(
			expect.objectContaining({ code: "VALUE_MISMATCH" }),
		);
});

test("fields named like parts of Object are fields", () => {
	const type = struct(
		field("__proto__", "string"),
		field("constructor", "string"),
	);
	const vector = vectorOf(type, [{}, { ["__proto__"]: "p", constructor: "c" }]);
	expect(toJson(valueAt(vector, type, 0), type)).toBe(
		'{"__proto__":null,"constructor":null}',
	);
	expect(toJson(valueAt(vector, type, 1), type)).toBe(
		'{"__proto__":"p","constructor":"c"}',
	);
});

test("constants and nulls have their length in every type", () => {
	const nested = array(struct(field("a", "decimal(38,2)")));
	const value = [{ a: { unscaled: -(10n ** 37n), scale: 2 } }, null];
	const constant = constantVector(nested, value, 3);
	expect([0, 1, 2].map((i) => valueAt(constant, nested, i))).toEqual([
		value,
		value,
		value,
	]);
	const types: DataType[] = [
		nested,
		"void",
		"variant",
		"string",
		"decimal(38,2)",
	];
	for (const type of types) {
		const nulls = nullVector(type, 2);
		expect([nulls.length, valueAt(nulls, type, 1)]).toEqual([2, null]);
	}
});

test.each<[DataType, Value, string, string]>([
	["long", 9_007_199_254_740_993n, "9007199254740993", "9007199254740993"],
	["decimal(38,3)", { unscaled: -5n, scale: 3 }, "-0.005", "-0.005"],
	[
		"decimal(38,0)",
		{ unscaled: 10n ** 37n, scale: 0 },
		`1${"0".repeat(37)}`,
		`1${"0".repeat(37)}`,
	],
	[
		"timestamp",
		-1n,
		"1969-12-31T23:59:59.999999Z",
		'"1969-12-31T23:59:59.999999Z"',
	],
	[
		"timestamp_ntz",
		1_756_641_600_000_001n,
		"2025-08-31T12:00:00.000001",
		'"2025-08-31T12:00:00.000001"',
	],
	["date", -719_528, "0000-01-01", '"0000-01-01"'],
	["date", 2_932_897, "+10000-01-01", '"+10000-01-01"'],
	["double", Number.NaN, "NaN", '"NaN"'],
	["double", -0, "-0", "-0"],
	["float", Math.fround(0.1), "0.1", "0.1"],
	["float", Math.fround(16_777_217), "16777216", "16777216"],
	["binary", Uint8Array.of(1, 255), "Af8=", '"Af8="'],
	["string", 'a"\n', 'a"\n', '"a\\"\\n"'],
	["boolean", false, "false", "false"],
	[array("long"), [1n, null], "[1,null]", "[1,null]"],
	["long", null, "null", "null"],
	[
		{
			type: "map",
			keyType: "date",
			valueType: "string",
			valueContainsNull: true,
		},
		new Map([[0, null]]),
		'[{"key":"1970-01-01","value":null}]',
		'[{"key":"1970-01-01","value":null}]',
	],
])("text shows every digit: %j %o", (type, value, text, json) => {
	expect(formatValue(value, type)).toBe(text);
	expect(toJson(value, type)).toBe(json);
});

test(`a date's text is that of its day (SEED=${SEED})`, () => {
	const rng = random(SEED);
	for (let i = 0; i < 2000; i++) {
		const days = rng.below(3_000_000) - 700_000;
		const iso = new Date(days * 86_400_000).toISOString().split("T")[0] ?? "";
		const year = Number(iso.slice(0, iso.lastIndexOf("-", iso.length - 4)));
		const expected = year > 9999 ? `+${iso.slice(1).replace(/^0+/, "")}` : iso;
		expect(dateText(days)).toBe(expected);
	}
});
