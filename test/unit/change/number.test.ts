import { expect, test } from "vitest";
import { JsonReader } from "../../../src/change/json.ts";
import {
	DOUBLE,
	HUGE,
	isJsonNumber,
	NumberReader,
	SMALL,
	WIDE,
} from "../../../src/change/number.ts";
import { RandomRecords } from "./random-records.ts";

const SEED = Number(process.env.SEED ?? Date.now() % 1e9);
const json = new JsonReader();
const numbers = new NumberReader();

/** The number as it was read: exact integers as bigint. */
function read(text: string): number | bigint | "huge" {
	json.load(Buffer.from(text));
	const kind = numbers.read(json);
	if (json.pos !== text.length) throw new Error(`${text} to ${json.pos}`);
	switch (kind) {
		case SMALL:
			return BigInt(numbers.value);
		case WIDE:
			return (BigInt(numbers.high) << 32n) | BigInt(numbers.low >>> 0);
		case HUGE:
			return "huge";
		default:
			return kind === DOUBLE ? numbers.value : Number.NaN;
	}
}

function expected(text: string): number | bigint | "huge" {
	if (!/^-?\d+$/.test(text) || text === "-0") return Number(text);
	const value = BigInt(text);
	return BigInt.asIntN(64, value) === value ? value : "huge";
}

test("doubles are the ones that Number() makes of the text, to the last bit", () => {
	const random = new RandomRecords(SEED);
	const bits = new BigUint64Array(1);
	const double = new Float64Array(bits.buffer);
	const digits = (count: number): string =>
		Array.from({ length: count }, () => random.below(10)).join("");
	const wrong: string[] = [];
	for (let i = 0; i < 30_000; i++) {
		bits[0] =
			(BigInt(random.below(2 ** 32)) << 32n) | BigInt(random.below(2 ** 32));
		for (const text of [
			String(double[0]),
			String((double[0] ?? 0) % 1e6),
			String(random.below(2 ** 32) / 2 ** 32),
			`${1 + random.below(9)}${digits(random.below(20))}.${digits(1 + random.below(20))}`,
			`0.${"0".repeat(random.below(8))}${digits(1 + random.below(22))}`,
			`-${1 + random.below(9)}${digits(random.below(22))}`,
			`${1 + random.below(9)}.${digits(17)}e${random.below(60) - 30}`,
			random.number(),
		])
			if (isJsonNumber(text) && !Object.is(read(text), expected(text)))
				wrong.push(text);
	}
	expect(wrong, `SEED=${SEED}`).toEqual([]);
});

test("the middle of two doubles rounds to the even one", () => {
	for (const text of [
		// 2^53 + 1 and neighbours, with 16 to 19 digits
		"9007199254740993.0",
		"9007199254740991.5",
		"900719925474099.25e1",
		"0.5000000000000000277",
		"0.500000000000000055",
		"4503599627370496.5",
		"4503599627370497.5",
		"1.0000000000000001110",
		"1.0000000000000001111",
	])
		expect(Object.is(read(text), Number(text)), text).toBe(true);
});

test.each([
	"",
	"-",
	"+1",
	".5",
	"1.",
	"1.e5",
	"1e",
	"1e+",
	"NaN",
	"Infinity",
	"-x",
])("%j is no number", (text) => {
	json.load(Buffer.from(text));
	expect(() => numbers.read(json)).toThrow("no value");
});
