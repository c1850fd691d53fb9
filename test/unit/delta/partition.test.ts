import { expect, test } from "vitest";
import type { DataType } from "../../../src/columnar/types.ts";
import type { Value } from "../../../src/columnar/vector.ts";
import {
	encodePath,
	parsePartitionValue,
	partitionFolder,
	serialisePartitionValue,
} from "../../../src/delta/partition.ts";
import { generator, integerOf, pick, SEED, textOf } from "./random.ts";

const decimal = (unscaled: bigint, scale: number) => ({ unscaled, scale });

test("values are written as the protocol has them", () => {
	const cases: [DataType, Value, string | null][] = [
		["string", "a b", "a b"],
		["string", "", null],
		["string", null, null],
		["void", null, null],
		["long", -(2n ** 63n), "-9223372036854775808"],
		["byte", -1, "-1"],
		["boolean", true, "true"],
		["double", 1.5, "1.5"],
		["double", -0, "-0"],
		["double", Number.NaN, "NaN"],
		["float", Math.fround(0.1), "0.1"],
		["date", 0, "1970-01-01"],
		["date", -1, "1969-12-31"],
		["date", 2932897, "+10000-01-01"],
		["timestamp", -1n, "1969-12-31T23:59:59.999999Z"],
		["timestamp", 123456n, "1970-01-01T00:00:00.123456Z"],
		["timestamp_ntz", 0n, "1970-01-01 00:00:00.000000"],
		["decimal(5,2)", decimal(-50n, 2), "-0.50"],
		["decimal(5,2)", decimal(-12345n, 2), "-123.45"],
		["decimal(38,0)", decimal(7n, 0), "7"],
		["binary", Uint8Array.of(1, 2, 3), "\u0001\u0002\u0003"],
		["binary", new Uint8Array(0), null],
	];
	for (const [type, value, text] of cases)
		expect(serialisePartitionValue(value, type), String(type)).toBe(text);
});

test("what other engines write is read", () => {
	const cases: [DataType, string, Value][] = [
		["long", "+5", 5n],
		["boolean", "TRUE", true],
		["double", "1.0E10", 1e10],
		["double", "-Infinity", -Infinity],
		["double", "NaN", Number.NaN],
		["float", "0.1", Math.fround(0.1)],
		["date", "2020-1-5", 18266],
		["date", "0001-01-01", -719162],
		["date", "-0001-12-31", -719529],
		["date", "10000-01-01", 2932897],
		["date", "2020-01-05 00:00:00", 18266],
		["timestamp", "1970-01-01 00:00:00", 0n],
		["timestamp", "1970-01-01T00:00:00Z", 0n],
		["timestamp", "1970-01-01 00:00:00.1", 100_000n],
		["timestamp", "1970-01-01T00:00:00.000001999Z", 1n],
		["timestamp", "1970-01-01T02:00:00+02:00", 0n],
		["timestamp", "1969-12-31 16:00:00-0800", 0n],
		["timestamp", "1970-01-01", 0n],
		["timestamp", "1970-01-01 0:1", 60_000_000n],
		["timestamp", "1969-12-31 23:59:59.5", -500_000n],
		["timestamp", "+10000-01-01T00:00:00Z", 253402300800000000n],
		["timestamp_ntz", "1970-01-01T00:00:00.5", 500_000n],
		["timestamp_ntz", "1970-01-01 00:00:00Z", 0n],
		["decimal(5,2)", "-0.5", decimal(-50n, 2)],
		["decimal(5,2)", "-.5", decimal(-50n, 2)],
		["decimal(5,2)", "7", decimal(700n, 2)],
		["decimal(5,2)", "7.1000", decimal(710n, 2)],
		["decimal(10,8)", "0E-8", decimal(0n, 8)],
		["decimal(10,8)", "1E-7", decimal(10n, 8)],
		["decimal(10,0)", "1.2E+3", decimal(1200n, 0)],
		[
			"decimal(38,38)",
			"-0.00000000000000000000000000000000000001",
			decimal(-1n, 38),
		],
		["binary", "ä", Uint8Array.of(0xc3, 0xa4)],
		["string", "__HIVE_DEFAULT_PARTITION__", "__HIVE_DEFAULT_PARTITION__"],
		["date", "", null],
	];
	for (const [type, text, value] of cases)
		expect(parsePartitionValue(text, type), `${text} as ${type}`).toEqual(
			value,
		);
});

test("text that is no value of its type is never taken for another value", () => {
	const cases: [DataType, string][] = [
		["long", "9223372036854775808"],
		["long", "1.0"],
		["long", "0x10"],
		["long", "9".repeat(5000)],
		["integer", "2147483648"],
		["short", "-32769"],
		["byte", "128"],
		["double", "0x10"],
		["double", "one"],
		["double", " "],
		["boolean", "1"],
		["date", "2021-02-29"],
		["date", "2021-13-01"],
		["date", "2021-00-01"],
		["date", "2021"],
		["date", "5881580-07-12"],
		["date", "-5877641-06-22"],
		["date", "99999999-01-01"],
		["timestamp", "2021-02-29 00:00:00"],
		["timestamp", "2021-01-01 24:00:00"],
		["timestamp", "2021-01-01 23:59:60"],
		["timestamp", "294247-01-10T04:00:54.775808Z"],
		["timestamp", "2021-01-01 00:00:00 Mars/North"],
		["timestamp", "2021-01-01 00:00:00+19:00"],
		["timestamp_ntz", "2021-01-01 00:00:00+02:00"],
		["decimal(5,2)", "1000"],
		["decimal(5,2)", "0.001"],
		["decimal(5,2)", "1E9999"],
		["decimal(5,2)", "."],
		["decimal(5,2)", "--1"],
		["void", "x"],
		["variant", "x"],
		[{ type: "array", elementType: "long", containsNull: true }, "[1]"],
	];
	for (const [type, text] of cases)
		expect(() => parsePartitionValue(text, type), `${text} as ${type}`).toThrow(
			expect.objectContaining({ code: "DELTA_LOG_INVALID" }),
		);
});

test("the last dates and timestamps that fit are read", () => {
	for (const days of [2 ** 31 - 1, -(2 ** 31)])
		expect(
			parsePartitionValue(serialisePartitionValue(days, "date"), "date"),
		).toBe(days);
	for (const micros of [2n ** 63n - 1n, -(2n ** 63n)])
		for (const type of ["timestamp", "timestamp_ntz"] as const)
			expect(
				parsePartitionValue(serialisePartitionValue(micros, type), type),
			).toBe(micros);
});

test("values that no text stands for are refused", () => {
	const refused = expect.objectContaining({
		code: "DELTA_SCHEMA_INCOMPATIBLE",
	});
	expect(() => serialisePartitionValue(Uint8Array.of(0xff), "binary")).toThrow(
		refused,
	);
	expect(() =>
		serialisePartitionValue([1], {
			type: "array",
			elementType: "integer",
			containsNull: true,
		}),
	).toThrow(refused);
});

test("every value comes back from its text", () => {
	const random = generator(SEED);
	const float = (): number => {
		const view = new DataView(new ArrayBuffer(8));
		view.setUint32(0, random() * 2 ** 32);
		view.setUint32(4, random() * 2 ** 32);
		return view.getFloat64(0);
	};
	const makers: (() => [DataType, Value])[] = [
		() => ["string", textOf(random, 8)],
		() => ["binary", new TextEncoder().encode(textOf(random, 8))],
		() => ["byte", Number(BigInt.asIntN(8, integerOf(random, 8)))],
		() => ["short", Number(BigInt.asIntN(16, integerOf(random, 16)))],
		() => ["integer", Number(BigInt.asIntN(32, integerOf(random, 32)))],
		() => ["long", BigInt.asIntN(64, integerOf(random, 64))],
		() => ["boolean", random() < 0.5],
		() => ["double", float()],
		() => ["float", Math.fround(float())],
		() => ["date", Number(BigInt.asIntN(32, integerOf(random, 32)))],
		() => ["timestamp", BigInt.asIntN(64, integerOf(random, 64))],
		() => ["timestamp_ntz", BigInt.asIntN(64, integerOf(random, 64))],
		() => {
			const precision = 1 + Math.floor(random() * 38);
			const scale = Math.floor(random() * (precision + 1));
			const unscaled = integerOf(random, 126) % 10n ** BigInt(precision);
			return [`decimal(${precision},${scale})`, decimal(unscaled, scale)];
		},
	];
	for (let i = 0; i < 5000; i++) {
		const [type, value] = pick(random, makers)();
		const text = serialisePartitionValue(value, type);
		const back = parsePartitionValue(text, type);
		expect(back, `seed ${SEED}, ${i}: ${type} ${text}`).toEqual(value);
	}
});

test("names are escaped as Hive does, and then as URIs are", () => {
	const folder = partitionFolder(["a b", "c"], { "a b": "50% #1?", c: null });
	expect(folder).toBe("a b=50%25 %231%3F/c=__HIVE_DEFAULT_PARTITION__/");
	expect(encodePath(`${folder}p.parquet`)).toBe(
		"a%20b=50%2525%20%25231%253F/c=__HIVE_DEFAULT_PARTITION__/p.parquet",
	);
	expect(encodePath("ü=/ö")).toBe("%C3%BC=/%C3%B6");
});

test("a folder that no file system would take is left out", () => {
	expect(partitionFolder(["a"], { a: "x".repeat(253) })).toHaveLength(256);
	expect(partitionFolder(["a"], { a: "x".repeat(254) })).toBe("");
	expect(partitionFolder(["a"], { a: "ö".repeat(127) })).toBe("");
	const many = Object.fromEntries(
		Array.from({ length: 8 }, (_, i) => [`c${i}`, "y".repeat(100)]),
	);
	expect(partitionFolder(Object.keys(many), many)).toBe("");
});
