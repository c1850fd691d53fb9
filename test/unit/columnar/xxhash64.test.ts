import { xxhash64 as referenceHash } from "hyparquet/src/xxhash.js";
import { expect, test } from "vitest";
import { xxhash64 } from "../../../src/columnar/parquet/xxhash64.ts";
import { random } from "./random.ts";

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);

function hash(bytes: Uint8Array, start = 0, end = bytes.length): bigint {
	const out = { low: 0, high: 0 };
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	xxhash64(view, start, end, out);
	return BigInt.asUintN(64, (BigInt(out.high) << 32n) | BigInt(out.low >>> 0));
}

// xxHash's own tests: its buffer of pseudo-random bytes, and strings that are known everywhere.
test.each<[string, bigint]>([
	["", 0xef46db3751d8e999n],
	["a", 0xd24ec4f1a98c6e5bn],
	["abc", 0x44bc2cf5ad770999n],
	["Nobody inspects the spammish repetition", 0xfbcea83c8a378bf1n],
	[
		"Call me Ishmael. Some years ago--never mind how long precisely-",
		0x02a2e85470d6fd96n,
	],
])("the hash of %j is the reference's", (text, expected) => {
	expect(hash(Buffer.from(text))).toBe(expected);
});

test("the hashes of xxHash's sanity buffer are the reference's", () => {
	const buffer = new Uint8Array(222);
	let state = 2654435761n;
	for (let i = 0; i < buffer.length; i++) {
		buffer[i] = Number(state >> 56n);
		state = BigInt.asUintN(64, state * 11400714785074694797n);
	}
	expect(hash(buffer, 0, 1)).toBe(0xe934a84adb052768n);
	expect(hash(buffer, 0, 14)).toBe(0x8282dcc4994e35c8n);
	expect(hash(buffer, 0, 222)).toBe(0xb641ae8cb691c174n);
});

test(`bytes of every length hash as in another implementation (SEED=${SEED})`, () => {
	const rng = random(SEED);
	for (let length = 0; length < 300; length++) {
		const bytes = Uint8Array.from({ length: length + 5 }, () => rng.below(256));
		const range = bytes.subarray(3, 3 + length);
		expect(hash(bytes, 3, 3 + length), `length ${length}`).toBe(
			referenceHash(range),
		);
	}
});
