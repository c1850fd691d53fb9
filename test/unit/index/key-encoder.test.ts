import { expect, test } from "vitest";
import { vectorOf as newColumn } from "../../../src/columnar/literal.ts";
import {
	array,
	type DataType,
	field,
	struct,
} from "../../../src/columnar/types.ts";
import type { Value } from "../../../src/columnar/vector.ts";
import { sameKey } from "../../../src/index/key-batch.ts";
import { encodeKeys, seedOfTable } from "../../../src/index/key-encoder.ts";

const SEED = seedOfTable("a table");

function keyOf(...columns: readonly (readonly [DataType, Value])[]) {
	return encodeKeys(
		columns.map(([type, value], i) => ({
			name: `k${i}`,
			type,
			vector: newColumn(type, [value]),
		})),
		1,
		{ seed: SEED },
	);
}

function same(a: ReturnType<typeof keyOf>, b: ReturnType<typeof keyOf>) {
	return sameKey(a, 0, b, 0);
}

const UUID = "0190f5a4-2d3b-7c11-9e55-1234567890ab";

test("a widened column keeps its keys", () => {
	const five = keyOf(["long", 5n]);
	for (const wide of [
		keyOf(["integer", 5]),
		keyOf(["short", 5]),
		keyOf(["double", 5]),
		keyOf(["decimal(12,2)", { unscaled: 500n, scale: 2 }]),
		keyOf(["decimal(38,0)", { unscaled: 5n, scale: 0 }]),
	])
		expect(same(five, wide)).toBe(true);
	expect(same(keyOf(["integer", -7]), keyOf(["long", -7n]))).toBe(true);
	expect(
		same(
			keyOf(["decimal(10,2)", { unscaled: 150n, scale: 2 }]),
			keyOf(["decimal(20,5)", { unscaled: 150000n, scale: 5 }]),
		),
	).toBe(true);
	const document = struct(field("a", "long"));
	const wider = struct(field("a", "long"), field("b", "string"));
	expect(
		same(keyOf([document, { a: 1n }]), keyOf([wider, { a: 1n, b: null }])),
	).toBe(true);
});

test("different keys are different, whatever their types and lengths", () => {
	const hex = "0123456789abcdef01234567";
	const keys = [
		keyOf(["long", 5n]),
		keyOf(["long", -5n]),
		keyOf(["long", 2n ** 62n]),
		keyOf(["long", 2n ** 62n + 1n]),
		keyOf(["string", "5"]),
		keyOf(["string", ""]),
		keyOf(["string", "\u0000"]),
		keyOf(["string", "\u0000\u0000"]),
		keyOf(["string", hex]),
		keyOf(["string", hex.toUpperCase()]),
		keyOf(["string", UUID]),
		keyOf(["string", UUID.toUpperCase()]),
		keyOf(["string", "sixteen bytes it"]),
		keyOf(["string", "seventeen bytes i"]),
		keyOf(["string", "x".repeat(63)]),
		keyOf(["string", "x".repeat(64)]),
		keyOf(["string", "x".repeat(65)]),
		keyOf(["string", "x".repeat(255)]),
		keyOf(["string", "x".repeat(256)]),
		keyOf(["string", "x".repeat(10_000)]),
		keyOf(["boolean", true]),
		keyOf(["boolean", false]),
		keyOf(["double", 5.5]),
		keyOf(["double", 1e300]),
		keyOf(["double", Number.NaN]),
		keyOf(["decimal(10,2)", { unscaled: 550n, scale: 2 }]),
		keyOf(["decimal(38,0)", { unscaled: 2n ** 100n, scale: 0 }]),
		keyOf(["binary", Uint8Array.of(5)]),
		keyOf(["binary", Uint8Array.of()]),
		keyOf([struct(field("a", "long")), { a: 5n }]),
		keyOf([struct(field("a", "string")), { a: "5" }]),
		keyOf([array("long"), [1n, 2n]]),
		keyOf([array("long"), [2n, 1n]]),
		keyOf(["string", "a"], ["string", "bc"]),
		keyOf(["string", "ab"], ["string", "c"]),
		keyOf(["string", "ab"], ["long", 5n]),
		keyOf(["long", 1n], ["long", 256n]),
		keyOf(["long", 256n], ["long", 1n]),
		keyOf(["long", 128n], ["long", -128n]),
	];
	for (const [i, one] of keys.entries()) {
		expect(one.kinds[0]).not.toBe(0);
		for (const [j, other] of keys.entries())
			if (same(one, other) !== (i === j)) throw new Error(`${i} and ${j}`);
	}
});

test("keys of which a part is null are none", () => {
	expect(keyOf(["string", null]).kinds[0]).toBe(0);
	expect(keyOf(["string", "a"], ["long", null]).kinds[0]).toBe(0);
	expect(keyOf().kinds[0]).toBe(0);
});

test("values that did not fit their column are told apart by what they were", () => {
	const key = (type: DataType, value: Value, rescued: string) =>
		encodeKeys([{ name: "a.b", type, vector: newColumn(type, [value]) }], 1, {
			seed: SEED,
			rescued: newColumn("string", [rescued]),
		});
	const big = key("long", null, '{"`a.b`":12345678901234567890}');
	expect(big.kinds[0]).not.toBe(0);
	expect(same(big, key("long", null, '{"`a.b`":12345678901234567891}'))).toBe(
		false,
	);
	expect(
		same(big, key("long", null, '{"x":1,"`a.b`":12345678901234567890}')),
	).toBe(true);
	const document = struct(field("x", "long"));
	expect(
		same(
			key(document, { x: null }, '{"`a.b`.x":"1"}'),
			key(document, { x: null }, '{"`a.b`.x":"2"}'),
		),
	).toBe(false);
});

test("the seed of another table gives other hashes of the same key", () => {
	const column = {
		name: "k",
		type: "long" as const,
		vector: newColumn("long", [5n]),
	};
	const other = encodeKeys([column], 1, { seed: seedOfTable("another") });
	expect([...other.words]).not.toEqual([...keyOf(["long", 5n]).words]);
});
