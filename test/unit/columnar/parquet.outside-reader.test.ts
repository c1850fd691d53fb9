import type { Data } from "apache-arrow";
import { tableFromIPC } from "apache-arrow";
import { readParquet as readWasm } from "parquet-wasm/node";
import { expect, test } from "vitest";
import { encodeParquet } from "../../../src/columnar/parquet/encode.ts";
import type { DataType } from "../../../src/columnar/types.ts";
import {
	array,
	decimalParts,
	field,
	struct,
} from "../../../src/columnar/types.ts";
import type { Value } from "../../../src/columnar/vector.ts";
import { random, randomBatch, rowsOf } from "./random.ts";

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);

const SCHEMA = struct(
	field("bool", "boolean"),
	field("byte", "byte"),
	field("short", "short"),
	field("int", "integer", { nullable: false }),
	field("date", "date"),
	field("long", "long"),
	field("at", "timestamp"),
	field("local", "timestamp_ntz"),
	field("price", "decimal(18,4)"),
	field("big", "decimal(38,6)"),
	field("float", "float"),
	field("double", "double"),
	field("text", "string"),
	field("bytes", "binary"),
	field(
		"doc",
		struct(
			field("name", "string"),
			field("deep", struct(field("n", "long"), field("tags", array("string")))),
		),
	),
	field("list", array(array("integer"))),
	field("rows", array(struct(field("k", "string"), field("v", "double")))),
	field("map", {
		type: "map",
		keyType: "string",
		valueType: array("long", false),
		valueContainsNull: true,
	}),
);

test(`another reader (parquet-wasm) sees the same values (SEED=${SEED})`, () => {
	for (let round = 0; round < 12; round++) {
		const rng = random(SEED + round);
		const batches = [1, 2].map(() =>
			randomBatch(rng, SCHEMA, rng.pick([1, 40, 400])),
		);
		const { bytes } = encodeParquet(batches, {
			compression: rng.pick(["zstd", "snappy", "gzip", "none"]),
			rowGroupRows: rng.pick([30, 1000]),
			pageRows: rng.pick([7, 1000]),
			dictionary: rng.chance(0.7),
			format: rng.pick([1, 2]),
		});
		const table = tableFromIPC(readWasm(bytes).intoIPCStream());
		expect(
			Object.fromEntries(
				table.schema.fields.map(({ name, type }) => [name, String(type)]),
			),
		).toMatchObject({
			byte: "Int8",
			short: "Int16",
			date: "Date32<DAY>",
			at: "Timestamp<MICROSECOND, UTC>",
			local: "Timestamp<MICROSECOND>",
			text: "Utf8",
			bytes: "Binary",
		});
		const expected = rowsOf(batches);
		expect(table.numRows).toBe(expected.length);
		for (const { name, type } of SCHEMA.fields) {
			const column = table.getChild(name);
			if (column === null) throw new Error(`no column ${name}`);
			const got = column.data.flatMap((data) =>
				Array.from({ length: data.length }, (_, i) =>
					arrowValue(data, type, i),
				),
			);
			expect(got, `seed ${SEED + round}, column ${name}`).toEqual(
				expected.map((row) => row[name]),
			);
		}
	}
});

/** A slot of Arrow's memory, without the rounding of apache-arrow's own getters. */
function arrowValue(data: Data, type: DataType, slot: number): Value {
	if (!data.getValid(slot)) return null;
	const i = data.offset + slot;
	const child = (index: number): Data => data.children[index] as Data;
	const range = (): [number, number] => [
		data.valueOffsets[slot],
		data.valueOffsets[slot + 1],
	];
	if (typeof type !== "string") {
		if (type.type === "struct") {
			return Object.fromEntries(
				type.fields.map(({ name, type: inner }, index) => [
					name,
					arrowValue(child(index), inner, slot),
				]),
			);
		}
		const [start, end] = range();
		const at = Array.from({ length: end - start }, (_, n) => start + n);
		if (type.type === "array")
			return at.map((n) => arrowValue(child(0), type.elementType, n));
		const [keys, values] = child(0).children as [Data, Data];
		return new Map(
			at.map((n) => [
				arrowValue(keys, type.keyType, n),
				arrowValue(values, type.valueType, n),
			]),
		);
	}
	switch (type) {
		case "boolean":
			return ((data.values[i >>> 3] >>> (i & 7)) & 1) === 1;
		case "string":
		case "binary": {
			const bytes = new Uint8Array(data.values.subarray(...range()));
			return type === "binary" ? bytes : new TextDecoder().decode(bytes);
		}
	}
	const decimal = decimalParts(type);
	if (decimal === undefined) return data.values[slot];
	const words: Uint32Array = data.values.subarray(slot * 4, slot * 4 + 4);
	const unscaled = words.reduceRight((sum, w) => (sum << 32n) | BigInt(w), 0n);
	return { unscaled: BigInt.asIntN(128, unscaled), scale: decimal.scale };
}
