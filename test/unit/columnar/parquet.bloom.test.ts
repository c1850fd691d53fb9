import { expect, test } from "vitest";
import { vectorOf } from "../../../src/columnar/literal.ts";
import { BloomFilter } from "../../../src/columnar/parquet/bloom.ts";
import { encodeParquet } from "../../../src/columnar/parquet/encode.ts";
import { ParquetError } from "../../../src/columnar/parquet/errors.ts";
import type { RowGroupStats } from "../../../src/columnar/parquet/read.ts";
import {
	bloomMayContain,
	bytesFile,
	readParquet,
} from "../../../src/columnar/parquet/read.ts";
import type { DataType } from "../../../src/columnar/types.ts";
import { field, struct } from "../../../src/columnar/types.ts";
import type { Batch, Value } from "../../../src/columnar/vector.ts";
import { random, randomBatch, randomValue, rowsOf } from "./random.ts";

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);

const TYPES: readonly DataType[] = [
	"byte",
	"short",
	"integer",
	"date",
	"long",
	"timestamp",
	"timestamp_ntz",
	"decimal(9,2)",
	"decimal(38,6)",
	"float",
	"double",
	"string",
	"binary",
];

test.each(TYPES)(
	`no value that is there is missed, few others are found: %s (SEED=${SEED})`,
	async (type) => {
		const rng = random(SEED);
		const schema = struct(
			field("s", struct(field("c", type))),
			field("d", type),
		);
		for (const dictionary of [true, false]) {
			const batch = randomBatch(rng, schema, 400);
			const { bytes } = encodeParquet([batch], {
				bloom: [["s", "c"], ["d"]],
				dictionary,
				rowGroupRows: 150,
			});
			const file = bytesFile(bytes);
			const rows = rowsOf([batch]);
			const groups: RowGroupStats[] = [];
			const keep = (group: RowGroupStats): boolean => {
				groups.push(group);
				return false;
			};
			for await (const _ of readParquet(file, { schema, keep }));
			for (const { firstRow, rows: length, mayContain } of groups) {
				const part = rows.slice(firstRow, firstRow + length);
				for (const { d, s } of part) {
					expect(await mayContain(["d"], d as Value)).toBe(true);
					const c = s === null ? null : (s as { c: Value }).c;
					expect(await mayContain(["s", "c"], c)).toBe(true);
				}
			}
			let found = 0;
			const there = new Set(rows.map(({ d }) => shown(d as Value)));
			const others = Array.from({ length: 300 }, () =>
				randomValue(rng, type),
			).filter((value) => !there.has(shown(value)) && value !== 0);
			for (const other of others)
				if (await bloomMayContain(file, ["d"], other, { schema })) found++;
			expect(found).toBeLessThanOrEqual(10 + others.length * 0.1);
		}
	},
);

function shown(value: Value): string {
	return JSON.stringify(value, (_, inner) =>
		typeof inner === "bigint" ? String(inner) : inner,
	);
}

test("false positives are as rare as was asked for", () => {
	for (const wanted of [0.1, 0.01, 0.001]) {
		// A power of two is full at this many values.
		const distinct = Math.floor(
			(-(2 ** 16) * 8 * Math.log(1 - wanted ** (1 / 8))) / 8,
		);
		const filter = BloomFilter.sized(distinct, wanted);
		const values = Int32Array.from({ length: distinct }, (_, i) => i);
		const vector = vectorOf("integer", [...values]);
		const live = { slots: undefined, base: 0, count: distinct };
		filter.add(vector, live, 0, distinct);
		expect(filter.encode().length).toBeLessThan(2 ** 16 + 64);
		let found = 0;
		const tries = 50_000;
		for (let i = 0; i < tries; i++) {
			const plain = new Uint8Array(Int32Array.of(-1 - i).buffer);
			if (filter.mayContain(plain)) found++;
		}
		// The specification's formula doesn't count that some blocks are fuller than others.
		expect(found / tries).toBeLessThan(wanted * 3);
		expect(found / tries).toBeGreaterThan(wanted * 0.5);
	}
});

const SCHEMA = struct(field("c", "integer"), field("b", "boolean"));
const BATCH: Batch = {
	schema: SCHEMA,
	length: 3,
	columns: [
		vectorOf("integer", [1, 2, 3]),
		vectorOf("boolean", [true, null, false]),
	],
};

test("a value of a column that was widened is found in the narrower file", async () => {
	const file = bytesFile(encodeParquet([BATCH], { bloom: [["c"]] }).bytes);
	const asLong = { schema: struct(field("c", "long")) };
	expect(await bloomMayContain(file, ["c"], 3n, asLong)).toBe(true);
	expect(await bloomMayContain(file, ["c"], 4n, asLong)).toBe(false);
	expect(await bloomMayContain(file, ["c"], 2n ** 40n + 1n, asLong)).toBe(
		false,
	);
	const asDecimal = { schema: struct(field("c", "decimal(12,2)")) };
	const decimal = (unscaled: bigint): Value => ({ unscaled, scale: 2 });
	expect(await bloomMayContain(file, ["c"], decimal(300n), asDecimal)).toBe(
		true,
	);
	expect(await bloomMayContain(file, ["c"], decimal(310n), asDecimal)).toBe(
		false,
	);
	const asDouble = { schema: struct(field("c", "double")) };
	expect(await bloomMayContain(file, ["c"], 4, asDouble)).toBe(true);
});

test("without a filter any value may be there", async () => {
	const file = bytesFile(encodeParquet([BATCH]).bytes);
	expect(await bloomMayContain(file, ["c"], 4, { schema: SCHEMA })).toBe(true);
	const other = bytesFile(encodeParquet([BATCH], { bloom: [["c"]] }).bytes);
	expect(await bloomMayContain(other, ["b"], true, { schema: SCHEMA })).toBe(
		true,
	);
});

test("a filter that can't be is refused before anything is written", () => {
	for (const path of [["b"], ["x"], ["c", "d"]])
		expect(() => encodeParquet([BATCH], { bloom: [path] })).toThrow(
			/Bloom filter of/,
		);
});

test(`a damaged filter is told or answers (SEED=${SEED})`, async () => {
	const rng = random(SEED);
	const { bytes } = encodeParquet([BATCH], { bloom: [["c"]] });
	for (let i = 0; i < 500; i++) {
		const broken = bytes.slice();
		const at = rng.below(bytes.length);
		broken[at] = rng.below(256);
		try {
			const file = bytesFile(broken);
			await bloomMayContain(file, ["c"], 4, { schema: SCHEMA });
		} catch (error) {
			expect(error, `seed ${SEED}, byte ${at}`).toBeInstanceOf(ParquetError);
		}
	}
});
