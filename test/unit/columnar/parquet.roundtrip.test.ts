import { parquetMetadata } from "hyparquet";
import { expect, test } from "vitest";
import { vectorOf } from "../../../src/columnar/literal.ts";
import type { Compression } from "../../../src/columnar/parquet/compression.ts";
import { encodeParquet } from "../../../src/columnar/parquet/encode.ts";
import { bytesFile, readParquet } from "../../../src/columnar/parquet/read.ts";
import { field, struct } from "../../../src/columnar/types.ts";
import type { Batch } from "../../../src/columnar/vector.ts";
import { random, randomBatch, randomSchema, rowsOf } from "./random.ts";

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const ROUNDS = Number(process.env.ROUNDS ?? 150);

test(`no value of any schema changes from encoding to reading (SEED=${SEED})`, async () => {
	for (let round = 0; round < ROUNDS; round++) {
		const seed = SEED + round;
		const rng = random(seed);
		const schema = randomSchema(rng, 1 + rng.below(4));
		const batches = Array.from({ length: 1 + rng.below(3) }, () =>
			randomBatch(rng, schema, rng.pick([0, 1, 17, 300])),
		);
		const compression = rng.pick<Compression>([
			"zstd",
			"snappy",
			"gzip",
			"none",
		]);
		const { bytes, rows } = encodeParquet(batches, {
			compression,
			rowGroupRows: rng.pick([1, 7, 100, 1000]),
			pageRows: rng.pick([1, 3, 50, 1000]),
			pageBytes: rng.pick([16, 300, 1 << 20]),
			dictionary: rng.chance(0.7),
			format: rng.pick([1, 2]),
		});
		const read: Batch[] = [];
		const batchRows = rng.pick([1, 5, 64, 65_536]);
		let at = 0;
		for await (const { batch, firstRow } of readParquet(bytesFile(bytes), {
			schema,
			batchRows,
		})) {
			expect(batch.length, `seed ${seed}`).toBeLessThanOrEqual(batchRows);
			expect(firstRow, `seed ${seed}`).toBe(at);
			at += batch.length;
			read.push(batch);
		}
		const expected = rowsOf(batches);
		expect(rows, `seed ${seed}`).toBe(expected.length);
		const got = rowsOf(read);
		expect(got.length, `seed ${seed}`).toBe(expected.length);
		for (let i = 0; i < expected.length; i++)
			expect(got[i], `seed ${seed}, row ${i}`).toEqual(expected[i]);
	}
});

test("a file of a few rows is not slowed down by a compressor per column", () => {
	const codecs = (rows: number): (string | undefined)[] => {
		const { bytes } = encodeParquet([
			{
				schema: struct(field("id", "long"), field("name", "string")),
				length: rows,
				columns: [
					vectorOf(
						"long",
						Array.from({ length: rows }, (_, i) => BigInt(i) * 977n),
					),
					vectorOf(
						"string",
						Array.from({ length: rows }, (_, i) => `name ${i}`),
					),
				],
			},
		]);
		const { row_groups } = parquetMetadata(bytes.buffer);
		return row_groups.flatMap(({ columns }) =>
			columns.map(({ meta_data }) => meta_data?.codec),
		);
	};
	expect(codecs(10)).toEqual(["UNCOMPRESSED", "UNCOMPRESSED"]);
	expect(codecs(2000)).toEqual(["ZSTD", "ZSTD"]);
});
