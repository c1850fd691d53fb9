import * as snappyjs from "snappyjs";
import { expect, test } from "vitest";
import { ParquetError } from "../../../src/columnar/parquet/errors.ts";
import { uncompressSnappy } from "../../../src/columnar/parquet/snappy.ts";
import { random } from "./random.ts";

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);

test(`what another implementation compressed comes back (SEED=${SEED})`, () => {
	for (let round = 0; round < 300; round++) {
		const rng = random(SEED + round);
		const distinct = rng.pick([1, 2, 20, 256]);
		const period = rng.pick([1, 3, 7, 8, 9, 100, 100_000]);
		const pattern = Uint8Array.from({ length: period }, () =>
			rng.below(distinct),
		);
		const bytes = Uint8Array.from(
			{ length: rng.below(rng.pick([2, 100, 70_000, 200_000])) },
			(_, i) =>
				rng.chance(0.01) ? rng.below(256) : (pattern[i % period] as number),
		);
		const block = snappyjs.compress(bytes);
		const got = uncompressSnappy(block, bytes.length);
		expect(Buffer.compare(got, bytes), `seed ${SEED + round}`).toBe(0);
	}
});

// Of the format's description: each kind of element, and copies that reach into themselves.
test.each<[string, number[], string]>([
	["nothing", [0], ""],
	["a literal", [3, 2 << 2, 97, 98, 99], "abc"],
	["a literal with a length byte", [2, 60 << 2, 1, 97, 98], "ab"],
	["a literal with four length bytes", [1, 63 << 2, 0, 0, 0, 0, 97], "a"],
	["a short copy", [6, 1 << 2, 97, 98, 1, 2], "ababab"],
	["a copy of two offset bytes", [5, 0, 97, (3 << 2) | 2, 1, 0], "aaaaa"],
	[
		"a copy of four offset bytes",
		[4, 1 << 2, 97, 98, (1 << 2) | 3, 2, 0, 0, 0],
		"abab",
	],
])("%s is read as the format says", (_, block, text) => {
	const got = uncompressSnappy(Uint8Array.from(block), text.length);
	expect(Buffer.from(got).toString()).toBe(text);
});

test.each<[string, number[]]>([
	["no size", []],
	["a size without end", [0x80, 0x80, 0x80, 0x80, 0x80, 1]],
	["another size", [5, 0, 97]],
	["a literal after the end", [3, 9 << 2, 97]],
	["a literal larger than the whole", [3, 4 << 2, 97, 98, 99, 100, 101]],
	["a copy of what isn't there", [3, 0, 97, (1 << 2) | 2, 2, 0]],
	["a copy at offset 0", [3, 0, 97, (1 << 2) | 2, 0, 0]],
	["a copy beyond the size", [3, 0, 97, (9 << 2) | 2, 1, 0]],
	["a copy without its offset", [3, 0, 97, (1 << 2) | 3, 1]],
	["too few bytes", [3, 0, 97]],
])("a damaged block is told: %s", (_, block) => {
	expect(() => uncompressSnappy(Uint8Array.from(block), 3)).toThrow(
		ParquetError,
	);
});

test(`damaged blocks never write beside their memory (SEED=${SEED})`, () => {
	const rng = random(SEED);
	const bytes = Uint8Array.from({ length: 500 }, (_, i) =>
		rng.chance(0.2) ? rng.below(256) : i % 40,
	);
	const block = new Uint8Array(snappyjs.compress(bytes));
	for (let i = 0; i < 3000; i++) {
		const broken = block.slice();
		broken[2 + rng.below(block.length - 2)] = rng.below(256);
		try {
			expect(uncompressSnappy(broken, 500).length).toBe(500);
		} catch (error) {
			expect(error, `seed ${SEED}, ${i}`).toBeInstanceOf(ParquetError);
		}
	}
});
