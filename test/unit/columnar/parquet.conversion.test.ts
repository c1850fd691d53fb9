import { expect, test } from "vitest";
import { conversion } from "../../../src/columnar/parquet/conversion.ts";
import type { SchemaElement } from "../../../src/columnar/parquet/metadata.ts";
import { fileTree } from "../../../src/columnar/parquet/projection.ts";
import { decodeValues } from "../../../src/columnar/parquet/raw.ts";
import type { DataType } from "../../../src/columnar/types.ts";
import { valueAt } from "../../../src/columnar/value.ts";
import type { Value } from "../../../src/columnar/vector.ts";
import { random } from "./random.ts";

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);

/** Values of a column `c` whose PLAIN bytes these are. */
function converted(
	element: Omit<SchemaElement, "name">,
	type: DataType,
	bytes: Uint8Array,
	count = 1,
): Value[] {
	const schema = [
		{ name: "root", children: 1 },
		{ name: "c", ...element },
	];
	const [file] = fileTree(schema).children;
	if (file === undefined || element.type === undefined)
		throw new Error("no column");
	const { type: physical, typeLength = 0 } = element;
	const raw = decodeValues("PLAIN", physical, typeLength, bytes, count);
	const vector = conversion(type, file)(raw);
	return Array.from({ length: count }, (_, i) => valueAt(vector, type, i));
}

const ints = (...values: number[]): Uint8Array =>
	new Uint8Array(Int32Array.from(values).buffer);
const longs = (...values: bigint[]): Uint8Array =>
	new Uint8Array(BigInt64Array.from(values).buffer);

function int96(day: number, nanos: bigint): Uint8Array {
	const bytes = new Uint8Array(12);
	const view = new DataView(bytes.buffer);
	view.setBigInt64(0, nanos, true);
	view.setInt32(8, day, true);
	return bytes;
}

test.each<[string, Uint8Array, bigint]>([
	["the epoch", int96(2_440_588, 0n), 0n],
	["its last nanosecond before", int96(2_440_587, 86_399_999_999_999n), -1n],
	["noon in 2000", int96(2_451_545, 43_200_000_000_000n), 946_728_000_000_000n],
	["0001-01-01", int96(1_721_426, 0n), -62_135_596_800_000_000n],
	["hours that reach into the day before", int96(2_440_588, -1000n), -1n],
	[
		"the last day of int64",
		int96(2_440_588 + 106_751_990, 0n),
		9_223_371_936_000_000_000n,
	],
])("INT96 keeps its instant: %s", (_, bytes, micros) => {
	for (const type of ["timestamp", "timestamp_ntz"] as const)
		expect(converted({ type: "INT96" }, type, bytes)).toEqual([micros]);
});

test.each([2 ** 31 - 1, -(2 ** 31), 2_440_588 + 106_751_992])(
	"an INT96 of day %d, which 64 bits of µs don't reach, is refused by name",
	(day) => {
		expect(() =>
			converted({ type: "INT96" }, "timestamp", int96(day, 0n)),
		).toThrow(
			expect.objectContaining({
				code: "PARQUET_UNSUPPORTED",
				message: expect.stringMatching(/column c is -?\d+ µs/),
			}),
		);
	},
);

const timestamp = (unit: "MILLIS" | "MICROS" | "NANOS", utc = true) =>
	({ type: "INT64", logical: { type: "TIMESTAMP", unit, utc } }) as const;

test("timestamps of other units become µs, nanoseconds rounded down", () => {
	const values = longs(-1n, 0n, 1999n, -1001n);
	expect(converted(timestamp("MILLIS"), "timestamp", values, 4)).toEqual([
		-1000n,
		0n,
		1_999_000n,
		-1_001_000n,
	]);
	expect(converted(timestamp("NANOS"), "timestamp", values, 4)).toEqual([
		-1n,
		0n,
		1n,
		-2n,
	]);
	expect(
		converted(
			{ type: "INT64", converted: "TIMESTAMP_MILLIS" },
			"timestamp",
			longs(1n),
		),
	).toEqual([1000n]);
	expect(() =>
		converted(timestamp("MILLIS"), "timestamp", longs(2n ** 62n)),
	).toThrow(/column c is 4611686018427387904000 µs/);
	expect(
		converted(timestamp("NANOS", false), "timestamp_ntz", longs(-1n)),
	).toEqual([-1n]);
});

test.each<[string, Omit<SchemaElement, "name">, DataType]>([
	["FLOAT16", fixed(2, "FLOAT16"), "float"],
	["INTERVAL", { ...fixed(12), converted: "INTERVAL" }, "binary"],
	["TIME_MILLIS", { type: "INT32", converted: "TIME_MILLIS" }, "integer"],
	["TIME", { type: "INT64", logical: { type: "OTHER", name: "TIME" } }, "long"],
	[
		"INTEGER",
		{ type: "INT64", logical: { type: "INTEGER", bits: 64, signed: false } },
		"long",
	],
	["UINT_32", { type: "INT32", converted: "UINT_32" }, "integer"],
])("%s is refused by its name", (name, element, type) => {
	expect(() => converted(element, type, new Uint8Array(16))).toThrow(
		expect.objectContaining({
			code: "PARQUET_UNSUPPORTED",
			message: expect.stringContaining(`(${name})`),
		}),
	);
});

function fixed(typeLength: number, name?: string): Omit<SchemaElement, "name"> {
	return {
		type: "FIXED_LEN_BYTE_ARRAY",
		typeLength,
		...(name === undefined ? {} : { logical: { type: "OTHER", name } }),
	};
}

test("unsigned integers keep what their sign bit stands for", () => {
	const uint = (bits: number, type: "INT32" | "INT64") =>
		({ type, logical: { type: "INTEGER", bits, signed: false } }) as const;
	expect(converted(uint(8, "INT32"), "short", ints(255))).toEqual([255]);
	expect(converted(uint(16, "INT32"), "integer", ints(65_535))).toEqual([
		65_535,
	]);
	expect(converted(uint(32, "INT32"), "long", ints(-1, 1), 2)).toEqual([
		2n ** 32n - 1n,
		1n,
	]);
	expect(
		converted({ type: "INT32", converted: "UINT_32" }, "long", ints(-2)),
	).toEqual([2n ** 32n - 2n]);
	expect(converted(uint(64, "INT64"), "decimal(20,0)", longs(-1n))).toEqual([
		{ unscaled: 2n ** 64n - 1n, scale: 0 },
	]);
});

test(`decimals of any width keep their value (SEED=${SEED})`, () => {
	const rng = random(SEED);
	const logical = (precision: number) =>
		({ type: "DECIMAL", scale: 2, precision }) as const;
	for (let width = 1; width <= 20; width++) {
		const digits = Math.min(38, Math.floor((width * 8 - 1) * Math.log10(2)));
		const limit = 10n ** BigInt(digits);
		for (const unscaled of [
			limit - 1n,
			1n - limit,
			0n,
			-1n,
			BigInt.asIntN(Math.min(width * 8, 64), rng.int64()) % limit,
		]) {
			const bytes = new Uint8Array(width);
			for (let i = 0, rest = unscaled; i < width; i++, rest >>= 8n)
				bytes[width - 1 - i] = Number(BigInt.asUintN(8, rest));
			const prefixed = Buffer.concat([ints(width), bytes]);
			for (const precision of [Math.max(digits, 2), 38]) {
				const type = `decimal(${precision},2)` as const;
				const expected = [{ unscaled, scale: 2 }];
				const annotation = {
					logical: logical(Math.max(digits, 2)),
					precision: Math.max(digits, 2),
					scale: 2,
				};
				expect(
					converted({ ...fixed(width), ...annotation }, type, bytes),
					`${unscaled} in ${width} bytes`,
				).toEqual(expected);
				expect(
					converted({ type: "BYTE_ARRAY", ...annotation }, type, prefixed),
				).toEqual(expected);
			}
		}
	}
	const old = { converted: "DECIMAL", scale: 2, precision: 9 };
	expect(
		converted({ type: "INT32", ...old }, "decimal(9,2)", ints(-12_345)),
	).toEqual([{ unscaled: -12_345n, scale: 2 }]);
	expect(
		converted({ type: "INT64", ...old }, "decimal(20,3)", longs(-12_345n)),
	).toEqual([{ unscaled: -123_450n, scale: 3 }]);
	expect(() =>
		converted({ type: "INT32", ...old }, "decimal(5,2)", ints(123_456)),
	).toThrow(/column c/);
});
