import { parquetMetadata } from "hyparquet";
import { expect, test } from "vitest";
import { takeVector } from "../../../src/columnar/batch.ts";
import { vectorOf } from "../../../src/columnar/literal.ts";
import {
	encodeParquet,
	ParquetWriter,
} from "../../../src/columnar/parquet/encode.ts";
import { ParquetError } from "../../../src/columnar/parquet/errors.ts";
import { readFooter } from "../../../src/columnar/parquet/random-access.ts";
import type { RandomAccess } from "../../../src/columnar/parquet/read.ts";
import {
	bloomMayContain,
	bytesFile,
	fetchRowGroups,
	readParquet,
} from "../../../src/columnar/parquet/read.ts";
import type { DataType, StructType } from "../../../src/columnar/types.ts";
import { array, field, struct } from "../../../src/columnar/types.ts";
import type { Batch, Row, Value } from "../../../src/columnar/vector.ts";
import { batchOf } from "../../support/batch.ts";
import { random, randomBatch, randomSchema, rowsOf } from "./random.ts";

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);

async function readRows(
	file: RandomAccess,
	schema: StructType,
	columns?: readonly string[],
): Promise<Row[]> {
	const batches: Batch[] = [];
	const options = columns === undefined ? { schema } : { schema, columns };
	for await (const { batch } of readParquet(file, options)) batches.push(batch);
	return rowsOf(batches);
}

function oneColumn(type: DataType, values: readonly Value[]): RandomAccess {
	const schema = struct(field("c", type));
	const rows = values.map((c) => ({ c }));
	return bytesFile(encodeParquet([batchOf(schema, rows)]).bytes);
}

test.each<[DataType, Value, DataType, Value]>([
	["byte", -5, "short", -5],
	["short", -5, "integer", -5],
	["integer", -5, "long", -5n],
	["integer", -5, "double", -5],
	["float", 1.5, "double", 1.5],
	["date", -1, "timestamp_ntz", -86_400_000_000n],
	["integer", 7, "decimal(12,2)", { unscaled: 700n, scale: 2 }],
	[
		"long",
		2n ** 63n - 1n,
		"decimal(20,1)",
		{ unscaled: (2n ** 63n - 1n) * 10n, scale: 1 },
	],
	[
		"decimal(5,2)",
		{ unscaled: -12345n, scale: 2 },
		"decimal(38,4)",
		{ unscaled: -1234500n, scale: 4 },
	],
	[
		"decimal(20,2)",
		{ unscaled: 1n, scale: 2 },
		"decimal(24,4)",
		{ unscaled: 100n, scale: 4 },
	],
	["string", "ü", "binary", Uint8Array.of(0xc3, 0xbc)],
])(
	"a column that was widened from %j keeps %o",
	async (type, value, wider, expected) => {
		const rows = await readRows(
			oneColumn(type, [value, null]),
			struct(field("c", wider)),
		);
		expect(rows).toEqual([{ c: expected }, { c: null }]);
	},
);

test.each<[DataType, Value, DataType]>([
	["long", 1n, "integer"],
	["double", 1, "float"],
	["double", 1, "long"],
	["timestamp", 1n, "timestamp_ntz"],
	["timestamp", 1n, "long"],
	["date", 1, "integer"],
	["string", "1", "long"],
	["integer", 300, "byte"],
	["decimal(10,4)", { unscaled: 1n, scale: 4 }, "decimal(10,2)"],
	["decimal(18,0)", { unscaled: 10n ** 17n, scale: 0 }, "decimal(18,2)"],
	[array("long"), [1n], "long"],
	["long", 1n, array("long")],
	[struct(field("a", "long")), { a: 1n }, "string"],
	["long", 1n, struct(field("a", "long"))],
])("a column of %j with %o isn't read as %j", async (type, value, other) => {
	await expect(
		readRows(oneColumn(type, [value]), struct(field("c", other))),
	).rejects.toMatchObject({
		code: "PARQUET_UNSUPPORTED",
		message: expect.stringContaining("c"),
	});
});

test("fields that a file lacks are null, at any depth, and others aren't moved", async () => {
	const old = struct(
		field("s", struct(field("b", "long"))),
		field("l", array(struct(field("b", "string")))),
	);
	const rows = [
		{ s: { b: 1n }, l: [{ b: "x" }, null] },
		{ s: null, l: [] },
		{ s: { b: null }, l: null },
	];
	const { bytes } = encodeParquet([batchOf(old, rows)]);
	const added = struct(field("a", "long"), field("b", array("date")));
	const schema = struct(
		field("new", "string"),
		field("s", added),
		field("l", array(added)),
	);
	await expect(
		readRows(bytesFile(bytes), struct(field("s", struct(field("a", "long"))))),
	).resolves.toEqual([{ s: { a: null } }, { s: null }, { s: { a: null } }]);
	// `b` is a long there, and no array of dates.
	await expect(readRows(bytesFile(bytes), schema)).rejects.toThrow(/s\.b/);
	const unlike = struct(field("a", "long"), field("c", array("date")));
	const got = await readRows(
		bytesFile(bytes),
		struct(field("new", "string"), field("l", array(unlike))),
	);
	expect(got).toEqual([
		{ new: null, l: [{ a: null, c: null }, null] },
		{ new: null, l: [] },
		{ new: null, l: null },
	]);
});

test("only the wanted columns are fetched", async () => {
	const schema = struct(field("key", "long"), field("big", "binary"));
	const rows = Array.from({ length: 2000 }, (_, i) => ({
		key: BigInt(i),
		big: crypto.getRandomValues(new Uint8Array(500)),
	}));
	const { bytes } = encodeParquet([batchOf(schema, rows)], {
		rowGroupRows: 1000,
	});
	let fetched = 0;
	const file: RandomAccess = {
		size: bytes.length,
		read: async (start, end) => {
			fetched += end - start;
			return bytes.subarray(start, end);
		},
	};
	const got = await readRows(file, schema, ["key"]);
	expect(got).toEqual(rows.map(({ key }) => ({ key })));
	expect(fetched).toBeLessThan(100_000);
	expect(bytes.length).toBeGreaterThan(1_000_000);
	await expect(readRows(file, schema, ["kee"])).rejects.toThrow(/"kee"/);
});

test("columns far from each other are fetched at the same time, near ones at once", async () => {
	// The last one is all that comes with the footer.
	const names = ["a", "b", "far", "c", "end"];
	const schema = struct(...names.map((name) => field(name, "binary")));
	const rows = Array.from({ length: 1000 }, () =>
		Object.fromEntries(
			names.map((name) => [
				name,
				crypto.getRandomValues(
					new Uint8Array(name === "far" || name === "end" ? 300 : 10),
				),
			]),
		),
	);
	const { bytes } = encodeParquet([batchOf(schema, rows)]);
	let footer = true;
	let under = 0;
	let most = 0;
	let reads = 0;
	const file: RandomAccess = {
		size: bytes.length,
		read: async (start, end) => {
			most = Math.max(most, ++under);
			reads++;
			await new Promise((done) => setTimeout(done, 5));
			under--;
			if (footer) most = reads = 0;
			footer = false;
			return bytes.subarray(start, end);
		},
	};
	const got = await readRows(file, schema, ["a", "b", "c"]);
	expect(got).toEqual(rows.map(({ a, b, c }) => ({ a, b, c })));
	expect({ reads, most }).toEqual({ reads: 2, most: 2 });
});

test("a small file is asked for once", async () => {
	const schema = struct(field("a", "long"), field("b", "string"));
	const rows = Array.from({ length: 100 }, (_, i) => ({
		a: BigInt(i),
		b: `text ${i}`,
	}));
	const { bytes } = encodeParquet([batchOf(schema, rows)], {
		rowGroupRows: 30,
		bloom: [["a"]],
	});
	const asked: [number, number][] = [];
	const file: RandomAccess = {
		size: bytes.length,
		read: async (start, end) => {
			asked.push([start, end]);
			return bytes.subarray(start, end);
		},
	};
	expect(await readRows(file, schema)).toEqual(rows);
	expect(asked).toEqual([[0, bytes.length]]);
	expect(await bloomMayContain(file, ["a"], 5n, { schema })).toBe(true);
	expect(asked.length).toBe(2);
});

test("rows are counted even where no column is wanted", async () => {
	const schema = struct(field("key", "long"));
	const rows = [{ key: 1n }, { key: 2n }, { key: 3n }];
	const { bytes } = encodeParquet([batchOf(schema, rows)], { rowGroupRows: 2 });
	const seen: [number, number][] = [];
	for await (const { batch, firstRow } of readParquet(bytesFile(bytes), {
		schema,
		columns: [],
	}))
		seen.push([firstRow, batch.length]);
	expect(seen).toEqual([
		[0, 2],
		[2, 1],
	]);
});

test("renamed columns are found by their ids", async () => {
	const id = (n: number) => ({ metadata: { "delta.columnMapping.id": n } });
	const written = struct(
		field("a", "long", id(1)),
		field("b", struct(field("c", "string", id(3))), id(2)),
	);
	const { bytes } = encodeParquet(
		[batchOf(written, [{ a: 1n, b: { c: "x" } }])],
		{ fieldIds: true },
	);
	const wanted = struct(
		field("b", "long", id(1)),
		field("z", struct(field("y", "string", id(3))), id(2)),
		field("a", "string", id(9)),
	);
	const batches: Batch[] = [];
	for await (const { batch } of readParquet(bytesFile(bytes), {
		schema: wanted,
		fieldIds: true,
	}))
		batches.push(batch);
	expect(rowsOf(batches)).toEqual([{ b: 1n, z: { y: "x" }, a: null }]);
});

test("void columns are left out of the file and read back as null", async () => {
	const schema = struct(field("v", "void"), field("a", "long"));
	const { bytes, leaves } = encodeParquet([
		batchOf(schema, [{ v: null, a: 1n }]),
	]);
	expect(leaves.map(({ path }) => path)).toEqual([["a"]]);
	expect(await readRows(bytesFile(bytes), schema)).toEqual([
		{ v: null, a: 1n },
	]);
	expect(() =>
		encodeParquet([batchOf(struct(field("l", array("void"))), [])]),
	).toThrow(/void/);
	expect(() =>
		encodeParquet([batchOf(struct(field("s", struct())), [])]),
	).toThrow(/without fields/);
});

test("variants keep their bytes and count as one column", async () => {
	const schema = struct(field("v", "variant"));
	const value = { value: Uint8Array.of(1, 2), metadata: Uint8Array.of(3) };
	const { bytes, leaves } = encodeParquet([
		batchOf(schema, [{ v: value }, { v: null }]),
	]);
	expect(leaves).toEqual([{ path: ["v"], type: "variant", nullCount: 1 }]);
	expect(await readRows(bytesFile(bytes), schema)).toEqual([
		{ v: value },
		{ v: null },
	]);
});

test("a null in a required field is refused", () => {
	const schema = struct(field("a", "long", { nullable: false }));
	expect(() => encodeParquet([batchOf(schema, [{ a: null }])])).toThrow(
		/1 nulls in the field "a"/,
	);
});

test("a file without rows is a file", async () => {
	const schema = struct(field("a", "long"));
	const { bytes, rows } = encodeParquet([batchOf(schema, [])]);
	expect(rows).toBe(0);
	expect(await readRows(bytesFile(bytes), schema)).toEqual([]);
});

test(`rows written piece by piece are the rows written at once (SEED=${SEED})`, async () => {
	const rng = random(SEED);
	const schema = randomSchema(rng, 4);
	const batches = Array.from({ length: 30 }, () =>
		randomBatch(rng, schema, rng.below(20)),
	);
	const writer = new ParquetWriter(schema, { rowGroupRows: 50 });
	const pieces: Uint8Array[] = [];
	for (const batch of batches) {
		writer.write(batch);
		pieces.push(...writer.take());
	}
	writer.finish();
	pieces.push(...writer.take());
	const streamed = Buffer.concat(pieces);
	expect(streamed.length).toBe(writer.bytesWritten);
	expect(
		streamed.equals(encodeParquet(batches, { rowGroupRows: 50 }).bytes),
	).toBe(true);
	expect(await readRows(bytesFile(streamed), schema)).toEqual(rowsOf(batches));
});

test("wide rows end row groups and batches before they take too much memory", async () => {
	const schema = struct(field("n", "long"), field("wide", "binary"));
	const rows = Array.from({ length: 300 }, (_, i) => ({
		n: BigInt(i),
		wide: crypto.getRandomValues(new Uint8Array(1000 + 10 * i)),
	}));
	const batch = batchOf(schema, rows);
	const writer = new ParquetWriter(schema, { rowGroupBytes: 100_000 });
	const pieces: Uint8Array[] = [];
	for (let i = 0; i < 2; i++) {
		writer.write(batch);
		pieces.push(...writer.take());
	}
	// All but what waits for its row group: a caller sees in time that the file is large enough.
	expect(writer.bytesWritten).toBeGreaterThan(2 * 700_000);
	writer.finish();
	pieces.push(...writer.take());
	const bytes = Buffer.concat(pieces);
	expect(bytes.length).toBe(writer.bytesWritten);
	const footer = await readFooter(bytesFile(bytes));
	expect(footer.rowGroups.length).toBeGreaterThan(12);
	for (const group of footer.rowGroups) {
		expect(group.rows).toBeGreaterThan(10);
		expect(group.columns[1]?.chunk?.uncompressedSize).toBeLessThan(200_000);
	}
	const read: Batch[] = [];
	for await (const { batch: part } of readParquet(bytesFile(bytes), {
		schema,
		batchBytes: 20_000,
	})) {
		expect(part.length).toBeLessThan(25);
		read.push(part);
	}
	const got = rowsOf(read);
	const expected = [...rows, ...rows];
	expect(got.length).toBe(expected.length);
	// Comparing so many bytes element by element would take long.
	const same = expected.every(
		({ n, wide }, i) =>
			got[i]?.n === n && Buffer.compare(got[i]?.wide as Uint8Array, wide) === 0,
	);
	expect(same).toBe(true);
});

test("a long text that many rows share isn't repeated for all of them at once", async () => {
	const schema = struct(field("text", "string"));
	const texts = ["a", "b"].map((letter) => letter.repeat(50_000));
	const rows = Array.from({ length: 1000 }, (_, i) => ({
		text: texts[i % 2] as string,
	}));
	const vector = takeVector(
		vectorOf("string", texts),
		Int32Array.from(rows, (_, i) => i % 2),
	);
	const batch: Batch = { schema, length: rows.length, columns: [vector] };
	const { bytes } = encodeParquet([batch]);
	expect(bytes.length).toBeLessThan(100_000);
	let read = 0;
	for await (const { batch: part } of readParquet(bytesFile(bytes), {
		schema,
		batchBytes: 5_000_000,
	})) {
		const [column] = part.columns;
		if (column?.kind !== "bytes") throw new Error("no texts");
		expect(column.data.length).toBeLessThan(6_000_000);
		read += part.length;
	}
	expect(read).toBe(rows.length);
});

test("fields of a fetched row group can be decoded one by one", async () => {
	const schema = struct(field("a", "long"), field("l", array("string")));
	const rows = [
		{ a: 1n, l: ["x"] },
		{ a: 2n, l: null },
	];
	const { bytes } = encodeParquet([batchOf(schema, rows)], { rowGroupRows: 1 });
	const groups: number[] = [];
	for await (const group of fetchRowGroups(bytesFile(bytes), { schema })) {
		groups.push(group.length);
		expect(group.decode([1]).columns.length).toBe(1);
		expect([...group.batches({ fields: [0] })][0]?.batch.columns.length).toBe(
			1,
		);
	}
	expect(groups).toEqual([1, 1]);
});

test(`a damaged file gives an error, never other rows (SEED=${SEED})`, async () => {
	const rng = random(SEED);
	const schema = struct(
		field("s", "string"),
		field("n", "long"),
		field("l", array("integer")),
	);
	const batch = randomBatch(rng, schema, 200);
	const { bytes } = encodeParquet([batch], { pageRows: 60 });
	// The page index, which comes next, isn't read.
	const data = Number(
		parquetMetadata(bytes).row_groups[0]?.columns[0]?.column_index_offset,
	);
	const rows = rowsOf([batch]);
	for (let cut = 0; cut < bytes.length; cut += 1 + rng.below(20)) {
		await expect(
			readRows(bytesFile(bytes.subarray(0, cut)), schema),
			`cut at ${cut}`,
		).rejects.toBeInstanceOf(ParquetError);
	}
	let detected = 0;
	for (let i = 0; i < 400; i++) {
		const broken = bytes.slice();
		const at = 4 + rng.below(data - 4);
		broken[at] = (broken[at] as number) ^ (1 << rng.below(8));
		try {
			expect(await readRows(bytesFile(broken), schema)).toEqual(rows);
		} catch (error) {
			expect(error, `seed ${SEED}, byte ${at}`).toBeInstanceOf(ParquetError);
			detected++;
		}
	}
	expect(detected).toBeGreaterThan(200);
});
