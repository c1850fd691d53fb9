import { parquetMetadata, readColumnIndex, readOffsetIndex } from "hyparquet";
import { parquetHeader } from "hyparquet/src/column.js";
import { expect, test } from "vitest";
import { vectorOf } from "../../../src/columnar/literal.ts";
import { encodeParquet } from "../../../src/columnar/parquet/encode.ts";
import { bytesFile, readParquet } from "../../../src/columnar/parquet/read.ts";
import { array, field, struct } from "../../../src/columnar/types.ts";
import { valueAt } from "../../../src/columnar/value.ts";
import type { Value } from "../../../src/columnar/vector.ts";
import { random, randomBatch } from "./random.ts";

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);

test(`no page is skipped that holds a wanted value (SEED=${SEED})`, async () => {
	const schema = struct(
		field("i", "integer"),
		field("n", "long"),
		field("b", "boolean"),
		field("l", array("long")),
	);
	let indexed = 0;
	for (let round = 0; round < 20; round++) {
		const rng = random(SEED + round);
		const { bytes } = encodeParquet([randomBatch(rng, schema, 300)], {
			rowGroupRows: 130,
			pageRows: rng.pick([11, 1000]),
			dictionary: rng.chance(0.5),
		});
		const groups = parquetMetadata(bytes).row_groups;
		let g = 0;
		for await (const { batch } of readParquet(bytesFile(bytes), { schema })) {
			const group = groups[g++];
			group?.columns.forEach((chunk, c) => {
				const about = `seed ${SEED + round}, group ${g}, column ${c}`;
				const offsets = readOffsetIndex({
					view: new DataView(bytes.buffer, Number(chunk.offset_index_offset)),
					offset: 0,
				}).page_locations;
				const element = parquetMetadata(bytes).schema.filter(
					({ type }) => type !== undefined,
				)[c];
				if (element === undefined) throw new Error("no schema element");
				const index = readColumnIndex(
					{
						view: new DataView(bytes.buffer, Number(chunk.column_index_offset)),
						offset: 0,
					},
					element,
				);
				expect(index.null_pages.length, about).toBe(offsets.length);
				offsets.forEach((location, page) => {
					const start = Number(location.offset);
					const reader = {
						view: new DataView(bytes.buffer, start),
						offset: 0,
					};
					const header = parquetHeader(reader);
					expect(header.type, about).toBe("DATA_PAGE");
					expect(reader.offset + header.compressed_page_size, about).toBe(
						location.compressed_page_size,
					);
					const from = Number(location.first_row_index);
					const to = Number(offsets[page + 1]?.first_row_index ?? batch.length);
					const type = schema.fields[c]?.type ?? "void";
					const column = batch.columns[c];
					if (column === undefined) throw new Error("no column");
					const values: Value[] = Array.from({ length: to - from }, (_, i) =>
						valueAt(column, type, from + i),
					).flat();
					const present = values.filter((value) => value !== null);
					if (typeof type === "string") {
						expect(Number(index.null_counts?.[page]), about).toBe(
							values.length - present.length,
						);
					}
					expect(index.null_pages[page], about).toBe(present.length === 0);
					for (const value of present) {
						const min: unknown = index.min_values[page];
						const max: unknown = index.max_values[page];
						expect((min as number) <= (value as number), about).toBe(true);
						expect((value as number) <= (max as number), about).toBe(true);
						indexed++;
					}
				});
			});
		}
	}
	expect(indexed).toBeGreaterThan(100);
});

test.each<[string, (i: number) => Value, string]>([
	["rising", (i) => BigInt(i), "ASCENDING"],
	["falling", (i) => -BigInt(i), "DESCENDING"],
	["one value", () => 1n, "ASCENDING"],
	["up and down", (i) => BigInt(i % 30), "UNORDERED"],
	[
		"rising, with pages of nulls",
		(i) => (i % 40 < 20 ? null : BigInt(i)),
		"ASCENDING",
	],
])(
	"readers that search pages by halves aren't misled: %s",
	(_, make, expected) => {
		const schema = struct(field("c", "long"));
		const length = 100;
		const values = Array.from({ length }, (_, i) => make(i));
		const columns = [vectorOf("long", values)];
		const { bytes } = encodeParquet([{ schema, length, columns }], {
			pageRows: 20,
		});
		const { row_groups: groups, schema: elements } = parquetMetadata(bytes);
		const offset = Number(groups[0]?.columns[0]?.column_index_offset);
		const index = readColumnIndex(
			{ view: new DataView(bytes.buffer, offset), offset: 0 },
			elements[1] as (typeof elements)[number],
		);
		expect(index.boundary_order).toBe(expected);
	},
);
