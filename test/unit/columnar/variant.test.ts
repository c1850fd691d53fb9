import { expect, test } from "vitest";
import { array } from "../../../src/columnar/types.ts";
import { formatValue, toJson } from "../../../src/columnar/value.ts";
import { variantJson } from "../../../src/columnar/variant.ts";
import {
	encodeVariant,
	type JsonValue,
	parseVariant,
} from "../../../src/columnar/variant-encode.ts";
import { TributaryError } from "../../../src/errors.ts";
import { generator, integerOf, pick, SEED, textOf } from "../delta/random.ts";

const EMPTY = Uint8Array.of(0x11, 0, 0);
const json = (...value: number[]): string =>
	variantJson(EMPTY, Uint8Array.from(value));
const long = (value: bigint): number[] => [
	...new Uint8Array(new BigInt64Array([value]).buffer),
];
const round = (text: string): string => {
	const { metadata, value } = parseVariant(text);
	return variantJson(metadata, value);
};
const invalid = expect.objectContaining({ code: "VARIANT_INVALID" });

test("every primitive type is read", () => {
	const cases: [number[], string][] = [
		[[0], "null"],
		[[1 << 2], "true"],
		[[2 << 2], "false"],
		[[3 << 2, 0xff], "-1"],
		[[4 << 2, 0, 0x80], "-32768"],
		[[5 << 2, 0, 0, 0, 0x80], "-2147483648"],
		[[6 << 2, ...long(-(2n ** 63n))], "-9223372036854775808"],
		[[7 << 2, ...long(0x3ff8000000000000n)], "1.5"],
		[[7 << 2, ...long(-(2n ** 63n))], "-0"],
		[[7 << 2, ...long(0x7ff8000000000000n)], '"NaN"'],
		[[8 << 2, 2, 0xce, 0xff, 0xff, 0xff], "-0.50"],
		[[9 << 2, 3, ...long(10n ** 17n)], "100000000000000.000"],
		[[10 << 2, 0, ...long(-1n), ...long(0n)], "18446744073709551615"],
		[[10 << 2, 1, ...long(-1n), ...long(-1n)], "-0.1"],
		[[11 << 2, 0xff, 0xff, 0xff, 0xff], '"1969-12-31"'],
		[[12 << 2, ...long(1n)], '"1970-01-01T00:00:00.000001Z"'],
		[[13 << 2, ...long(-1n)], '"1969-12-31T23:59:59.999999"'],
		[[14 << 2, 0xcd, 0xcc, 0xcc, 0x3d], "0.1"],
		[[15 << 2, 2, 0, 0, 0, 1, 2], '"AQI="'],
		[[16 << 2, 1, 0, 0, 0, 0x61], '"a"'],
		[[17 << 2, ...long(3_600_000_001n)], '"01:00:00.000001"'],
		[[18 << 2, ...long(-1n)], '"1969-12-31T23:59:59.999999999Z"'],
		[[19 << 2, ...long(1001n)], '"1970-01-01T00:00:00.000001001"'],
		[
			[20 << 2, ...Array.from({ length: 16 }, (_, i) => i)],
			'"00010203-0405-0607-0809-0a0b0c0d0e0f"',
		],
		[[1 | (2 << 2), 0xc3, 0xa4], '"ä"'],
	];
	for (const [bytes, text] of cases) expect(json(...bytes)).toBe(text);
});

test("a variant column prints what it holds, at any depth", () => {
	const { metadata, value } = parseVariant('{"a":[1,2.50]}');
	expect(toJson({ metadata, value }, "variant")).toBe('{"a":[1,2.50]}');
	expect(toJson([{ metadata, value }, null], array("variant"))).toBe(
		'[{"a":[1,2.50]},null]',
	);
	expect(formatValue({ metadata, value }, "variant")).toBe('{"a":[1,2.50]}');
	expect(() => toJson({ value }, "variant")).toThrow(invalid);
});

test("values of an object in any order are those of their names", () => {
	const metadata = Uint8Array.of(0x01, 3, 0, 1, 2, 3, 0x63, 0x62, 0x61);
	// a, b, c have the values at 4, 2 and 0.
	const value = Uint8Array.of(2, 3, 2, 1, 0, 4, 2, 0, 6, 12, 3, 12, 2, 12, 1);
	expect(variantJson(metadata, value)).toBe('{"a":1,"b":2,"c":3}');
});

test("JSON comes back with all its digits", () => {
	for (const text of [
		"null",
		"-0",
		"9223372036854775807",
		"-9223372036854775808",
		"9223372036854775808",
		"99999999999999999999999999999999999999",
		"0.10",
		"-0.00000000000000000000000000000000000001",
		"123456789.123456789123456789",
		'{"":1,"__proto__":[{}],"a":{"b":[]}}',
		'"\\u0000\u{1f600}"',
		JSON.stringify("x".repeat(64)),
		JSON.stringify("ä".repeat(70_000)),
		`[${Array.from({ length: 300 }, (_, i) => i).join(",")}]`,
	])
		expect(round(text)).toBe(text);
	expect(round("1e400")).toBe('"Infinity"');
	expect(round("1.5E3")).toBe("1500");
	expect(round(`${"9".repeat(39)}`)).toBe("1e+39");
	const wide = Object.fromEntries(
		Array.from({ length: 1000 }, (_, i) => [`k${i}`, i]),
	);
	expect(JSON.parse(round(JSON.stringify(wide)))).toEqual(wide);
});

test("what no variant holds is refused", () => {
	for (const attempt of [
		() => parseVariant("{"),
		() => parseVariant("[".repeat(600) + "]".repeat(600)),
		() => encodeVariant("\ud800"),
		() => encodeVariant(new Map([["\udfff", 1]])),
		() => encodeVariant(10n ** 38n),
		() => encodeVariant({ unscaled: 1n, scale: 39 }),
	])
		expect(attempt).toThrow(invalid);
});

function treeOf(random: () => number, depth: number): JsonValue {
	const kind = Math.floor(random() * (depth > 0 ? 9 : 7));
	switch (kind) {
		case 0:
			return null;
		case 1:
			return random() < 0.5;
		case 2:
			return BigInt.asIntN(64, integerOf(random, 64));
		case 3:
			return (random() - 0.5) * 10 ** (random() * 600 - 300);
		case 4:
			return {
				unscaled: integerOf(random, 126),
				scale: Math.floor(random() * 39),
			};
		case 5:
			return textOf(random, 5);
		case 6:
			return textOf(random, 90);
		case 7:
			return Array.from({ length: Math.floor(random() * 5) }, () =>
				treeOf(random, depth - 1),
			);
		default:
			return new Map(
				Array.from({ length: Math.floor(random() * 5) }, () => [
					textOf(random, 4),
					treeOf(random, depth - 1),
				]),
			);
	}
}

/** JSON of a tree, its fields in the order of their UTF-8 bytes. */
function treeJson(tree: JsonValue): string {
	if (Array.isArray(tree))
		return `[${tree.map((item: JsonValue) => treeJson(item)).join(",")}]`;
	if (tree instanceof Map)
		return `{${[...(tree as ReadonlyMap<string, JsonValue>)]
			.sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
			.map(([name, value]) => `${JSON.stringify(name)}:${treeJson(value)}`)
			.join(",")}}`;
	if (typeof tree === "object" && tree !== null && "unscaled" in tree) {
		const digits = String(
			tree.unscaled < 0n ? -tree.unscaled : tree.unscaled,
		).padStart(tree.scale + 1, "0");
		const split = digits.length - tree.scale;
		return `${tree.unscaled < 0n ? "-" : ""}${digits.slice(0, split)}${tree.scale > 0 ? "." : ""}${digits.slice(split)}`;
	}
	return typeof tree === "bigint" ? String(tree) : JSON.stringify(tree);
}

test("any tree of values comes back", () => {
	const random = generator(SEED);
	for (let i = 0; i < 1500; i++) {
		const tree = treeOf(random, 4);
		const { metadata, value } = encodeVariant(tree);
		const text = variantJson(metadata, value);
		expect(text, `seed ${SEED}, ${i}`).toBe(treeJson(tree));
		expect(round(text), `seed ${SEED}, ${i}`).toBe(text);
	}
});

test("damaged bytes are a typed error or another variant, never a crash or a hang", () => {
	const random = generator(SEED);
	let refused = 0;
	for (let i = 0; i < 4000; i++) {
		const { metadata, value } = encodeVariant(treeOf(random, 4));
		const parts: Uint8Array[] = [metadata.slice(), value.slice()];
		const at = pick(random, [0, 1]);
		const part = parts[at] as Uint8Array;
		if (random() < 0.5)
			parts[at] = part.subarray(0, Math.floor(random() * part.length));
		else
			for (let n = 0; n < 3; n++)
				part[Math.floor(random() * part.length)] = random() * 256;
		try {
			const text = variantJson(parts[0] as Uint8Array, parts[1] as Uint8Array);
			JSON.parse(text);
		} catch (error) {
			expect(error, `seed ${SEED}, ${i}`).toBeInstanceOf(TributaryError);
			refused++;
		}
	}
	expect(refused).toBeGreaterThan(100);
});

test("a few bytes can't stand for endless text", () => {
	// An array of two members at the same place, nested: 2^n values in 6n bytes.
	let value = [0];
	for (let i = 0; i < 30; i++)
		value = [3 | (0 << 2), 2, 0, 0, value.length, ...value].map(
			(b) => b & 0xff,
		);
	expect(() => json(...value)).toThrow(invalid);
	// An array of one array of one …
	let deep = [0];
	for (let i = 0; i < 600; i++)
		deep = [
			3 | (3 << 2),
			1,
			0,
			0,
			0,
			0,
			deep.length & 0xff,
			(deep.length >> 8) & 0xff,
			0,
			0,
			...deep,
		];
	expect(() => json(...deep)).toThrow(/deeper/);
	expect(() => json(3 | (7 << 2), 0xff, 0xff, 0xff, 0xff)).toThrow(invalid);
	expect(() => json(21 << 2)).toThrow(/primitive type 21/);
	expect(() =>
		variantJson(Uint8Array.of(0x12, 0, 0), Uint8Array.of(0)),
	).toThrow(/version 2/);
});
