import {
	EnabledStatistics,
	readParquet as readWasm,
	WriterPropertiesBuilder,
	writeParquet,
} from "parquet-wasm/node";
import { expect, test } from "vitest";
import { vectorOf } from "../../../src/columnar/literal.ts";
import { encodeParquet } from "../../../src/columnar/parquet/encode.ts";
import type {
	ChunkMetadata,
	FileMetadata,
	SchemaElement,
	Statistics,
} from "../../../src/columnar/parquet/metadata.ts";
import { fileTree } from "../../../src/columnar/parquet/projection.ts";
import type {
	ColumnStats,
	RandomAccess,
	RowGroupStats,
} from "../../../src/columnar/parquet/read.ts";
import { bytesFile, readParquet } from "../../../src/columnar/parquet/read.ts";
import { statsReader } from "../../../src/columnar/parquet/row-group-stats.ts";
import type { DataType, StructType } from "../../../src/columnar/types.ts";
import { array, field, struct } from "../../../src/columnar/types.ts";
import type { Batch, Row, Value } from "../../../src/columnar/vector.ts";
import { random, randomBatch, randomSchema, rowsOf } from "./random.ts";

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);

/** Orders values as Delta does; both are of one type. */
function order(a: Value, b: Value): number {
	const comparable = (value: Value): number | bigint | Uint8Array => {
		if (typeof value === "string") return Buffer.from(value);
		if (typeof value === "boolean") return Number(value);
		if (typeof value === "object" && value !== null && "unscaled" in value)
			return value.unscaled as bigint;
		return value as number | bigint | Uint8Array;
	};
	const [left, right] = [comparable(a), comparable(b)];
	if (left instanceof Uint8Array)
		return Buffer.compare(left, right as Uint8Array);
	const other = right as typeof left;
	return left < other ? -1 : left > other ? 1 : 0;
}

function* leaves(
	schema: StructType,
	path: readonly string[] = [],
): Generator<{ path: readonly string[]; type: DataType }> {
	for (const { name, type } of schema.fields) {
		const own = [...path, name];
		if (typeof type === "string") yield { path: own, type };
		else if (type.type === "struct") yield* leaves(type, own);
	}
}

function valueIn(row: Row, path: readonly string[]): Value {
	let value: Value = row;
	for (const name of path)
		value = value === null ? null : ((value as Row)[name] ?? null);
	return value;
}

test.each(["ours", "parquet-wasm"])(
	`no row group's statistics leave out a value of it: %s (SEED=${SEED})`,
	async (writer) => {
		let bounded = 0;
		for (let round = 0; round < 40; round++) {
			const seed = SEED + round;
			const rng = random(seed);
			const schema = randomSchema(rng, 4);
			const batch = randomBatch(rng, schema, 120);
			const rows = rowsOf([batch]);
			const ours = encodeParquet([batch], { rowGroupRows: 25 }).bytes;
			const bytes = writer === "ours" ? ours : rewritten(ours);
			const groups: RowGroupStats[] = [];
			const keep = (group: RowGroupStats): boolean => {
				groups.push(group);
				return false;
			};
			for await (const _ of readParquet(bytesFile(bytes), { schema, keep }))
				throw new Error("a row group that isn't kept is read");
			expect(groups.map((group) => [group.firstRow, group.rows])).toEqual([
				[0, 25],
				[25, 25],
				[50, 25],
				[75, 25],
				[100, 20],
			]);
			for (const group of groups)
				for (const { path, type } of leaves(schema)) {
					const stats = group.column(path);
					const where = `seed ${seed}, ${path.join(".")} of ${type}`;
					if (stats === undefined) throw new Error(where);
					const values = rows
						.slice(group.firstRow, group.firstRow + group.rows)
						.map((row) => valueIn(row, path));
					if (stats.min !== undefined) bounded++;
					expectWithin(stats, values, where);
					// What we write tells all.
					const telling = type !== "string" && type !== "binary";
					if (writer === "ours" && telling && stats.nullCount !== group.rows)
						expect([stats.minExact, stats.maxExact], where).toEqual([
							true,
							true,
						]);
				}
		}
		expect(bounded).toBeGreaterThan(100);
	},
);

function rewritten(bytes: Uint8Array): Uint8Array {
	const properties = new WriterPropertiesBuilder()
		.setMaxRowGroupSize(25)
		.setStatisticsEnabled(EnabledStatistics.Chunk)
		.build();
	return writeParquet(readWasm(bytes), properties);
}

function expectWithin(
	stats: ColumnStats,
	values: readonly Value[],
	where: string,
): void {
	const present = values.filter((value) => value !== null);
	expect(stats.nullCount, where).toBe(values.length - present.length);
	const { min, max } = stats;
	const sorted = present.toSorted(order);
	if (present.length === 0) expect(stats).not.toHaveProperty("min");
	for (const value of present) {
		if (min !== undefined)
			expect(order(min, value), where).toBeLessThanOrEqual(0);
		if (max !== undefined)
			expect(order(max, value), where).toBeGreaterThanOrEqual(0);
	}
	if (stats.minExact)
		expect(order(min as Value, sorted[0] as Value), where).toBe(0);
	if (stats.maxExact)
		expect(order(max as Value, sorted.at(-1) as Value), where).toBe(0);
}

test("only the kept row groups are fetched, and their rows keep their places", async () => {
	const schema = struct(field("n", "long"), field("pad", "binary"));
	const rows = Array.from({ length: 1000 }, (_, i) => ({
		n: BigInt(i),
		pad: crypto.getRandomValues(new Uint8Array(1000)),
	}));
	const batch: Batch = {
		schema,
		length: rows.length,
		columns: schema.fields.map(({ name, type }) =>
			vectorOf(
				type,
				rows.map((row) => row[name as "n"]),
			),
		),
	};
	const { bytes } = encodeParquet([batch], { rowGroupRows: 100 });
	let fetched = 0;
	const file: RandomAccess = {
		size: bytes.length,
		read: async (start, end) => {
			fetched += end - start;
			return bytes.subarray(start, end);
		},
	};
	const seen: [number, bigint][] = [];
	for await (const { batch: part, firstRow } of readParquet(file, {
		schema,
		columns: ["pad", "n"],
		keep: async (group) => {
			const { min, max } = group.column(["n"]) ?? {};
			return (min as bigint) <= 450n && 450n <= (max as bigint);
		},
	}))
		seen.push([firstRow, rowsOf([part])[0]?.n as bigint]);
	expect(seen).toEqual([[400, 400n]]);
	expect(fetched).toBeLessThan(300_000);
});

test("a column that is in no row is known to be null, one in a list isn't told", async () => {
	const old = struct(
		field("a", "long"),
		field("s", struct(field("x", "integer"))),
		field("l", array("long")),
	);
	const batch: Batch = {
		schema: old,
		length: 2,
		columns: [
			vectorOf("long", [1n, null]),
			vectorOf(old.fields[1]?.type as DataType, [{ x: 1 }, { x: 300 }]),
			vectorOf(array("long"), [[1n], []]),
		],
	};
	const { bytes } = encodeParquet([batch]);
	const schema = struct(
		field("a", "decimal(20,2)"),
		field("s", struct(field("x", "byte"), field("y", "date"))),
		field("l", array("long")),
		field("new", "string"),
	);
	const seen: (ColumnStats | undefined)[] = [];
	const keep = async (group: RowGroupStats): Promise<boolean> => {
		for (const path of [["a"], ["s", "x"], ["s", "y"], ["l"], ["new"], ["s"]])
			seen.push(group.column(path));
		seen.push(group.column(["s", "x", "z"]), group.column(["other"]));
		expect(await group.mayContain(["new"], "x")).toBe(false);
		expect(await group.mayContain(["new"], null)).toBe(true);
		return false;
	};
	for await (const _ of readParquet(bytesFile(bytes), { schema, keep }));
	const bound = { unscaled: 100n, scale: 2 };
	const absent = { nullCount: 2, minExact: false, maxExact: false, nan: false };
	expect(seen).toEqual([
		{
			nullCount: 1,
			min: bound,
			max: bound,
			minExact: true,
			maxExact: true,
			nan: false,
		},
		// 300 is no byte: the bound isn't told, and reading says why.
		{ nullCount: 0, min: 1, minExact: true, maxExact: false, nan: false },
		absent,
		undefined,
		absent,
		undefined,
		undefined,
		undefined,
	]);
});

/** The statistics of a column as a footer could have them. */
function statsOf(
	type: DataType,
	element: Omit<SchemaElement, "name">,
	statistics: Statistics,
	ordered = true,
): ColumnStats | undefined {
	const schema: SchemaElement[] = [
		{ name: "schema", children: 1 },
		{ name: "c", ...element },
	];
	const chunk: ChunkMetadata = {
		type: element.type ?? "INT32",
		codec: "UNCOMPRESSED",
		entries: 10,
		uncompressedSize: 0,
		compressedSize: 0,
		dataOffset: 4,
		dictionaryOffset: undefined,
		statistics,
		bloomOffset: undefined,
		bloomLength: undefined,
	};
	const group = { rows: 10, columns: [{ path: ["c"], chunk }] };
	const metadata: FileMetadata = {
		schema,
		rows: 10,
		rowGroups: [group],
		createdBy: undefined,
		typeOrders: ordered ? [true] : [],
	};
	const file = bytesFile(new Uint8Array());
	const wanted = struct(field("c", type));
	const reader = statsReader(file, metadata, fileTree(schema), wanted, {
		fieldIds: false,
	});
	return reader(group, 0).column(["c"]);
}

const int = (value: number): Uint8Array =>
	new Uint8Array(Int32Array.of(value).buffer);
const long = (value: bigint): Uint8Array =>
	new Uint8Array(BigInt64Array.of(value).buffer);
const double = (value: number): Uint8Array =>
	new Uint8Array(Float64Array.of(value).buffer);
const text = (value: string): Uint8Array => Buffer.from(value);

test("bounds whose order isn't the type's are not believed", () => {
	const bounds = { min: int(-1), max: int(5) };
	const signed = statsOf("integer", { type: "INT32" }, bounds, false);
	expect(signed).toMatchObject({ min: -1, max: 5 });
	const unsigned = statsOf(
		"long",
		{ type: "INT32", converted: "UINT_32" },
		bounds,
		false,
	);
	expect(unsigned).not.toHaveProperty("min");
	const ordered = statsOf(
		"long",
		{ type: "INT32", converted: "UINT_32" },
		{ minValue: int(5), maxValue: int(-1) },
	);
	expect(ordered).toMatchObject({ min: 5n, max: 2n ** 32n - 1n });
	const old = { min: text("a"), max: text("b") };
	const bytes = { type: "BYTE_ARRAY" } as const;
	expect(statsOf("string", bytes, old, false)).not.toHaveProperty("min");
	const unknownOrder = { minValue: text("a"), maxValue: text("b") };
	expect(statsOf("string", bytes, unknownOrder, false)).not.toHaveProperty(
		"min",
	);
	const int96 = { minValue: new Uint8Array(12), maxValue: new Uint8Array(12) };
	expect(statsOf("timestamp", { type: "INT96" }, int96)).not.toHaveProperty(
		"min",
	);
	// Deprecated ones beside an order are of a writer that knew better.
	expect(statsOf("integer", { type: "INT32" }, bounds)).not.toHaveProperty(
		"min",
	);
});

test("a NaN or a zero in the bounds hides no value", () => {
	const type = { type: "DOUBLE" } as const;
	const nan = { minValue: double(1), maxValue: double(Number.NaN) };
	expect(statsOf("double", type, nan)).toEqual({
		minExact: false,
		maxExact: false,
		nan: true,
	});
	const zeros = { minValue: double(0), maxValue: double(-0), nans: 0 };
	const stats = statsOf("double", type, zeros);
	expect(Object.is(stats?.min, -0) && Object.is(stats?.max, 0)).toBe(true);
	expect(stats?.nan).toBe(false);
	expect(
		statsOf(
			"double",
			{ type: "INT32" },
			{ minValue: int(0), maxValue: int(1) },
		),
	).toMatchObject({ min: -0, max: 1, nan: false });
});

test("text bounds that were cut within a character still hold what they held", () => {
	const cut = text("a€").subarray(0, 3);
	const stats = statsOf(
		"string",
		{ type: "BYTE_ARRAY" },
		{ minValue: cut, maxValue: cut, minExact: false, maxExact: false },
	);
	expect(stats).toEqual({
		min: "a",
		minExact: false,
		maxExact: false,
		nan: false,
	});
	// Older writers say nothing of whether they cut.
	expect(
		statsOf("string", { type: "BYTE_ARRAY" }, { minValue: text("a") }),
	).toMatchObject({ min: "a", minExact: false });
});

test("counts and bounds that can't be are not told", () => {
	const stats = statsOf(
		"long",
		{ type: "INT64" },
		{ nulls: 11, minValue: long(1n).subarray(0, 7), maxValue: long(9n) },
	);
	expect(stats).toEqual({
		max: 9n,
		minExact: false,
		maxExact: true,
		nan: false,
	});
	const decimal = statsOf(
		"decimal(5,2)",
		{
			type: "FIXED_LEN_BYTE_ARRAY",
			typeLength: 3,
			logical: { type: "DECIMAL", scale: 2, precision: 5 },
		},
		{
			minValue: Uint8Array.of(0xff, 0xff, 0xfe),
			maxValue: Uint8Array.of(0x7f, 0xff, 0xff),
		},
	);
	expect(decimal?.min).toEqual({ unscaled: -2n, scale: 2 });
	expect(decimal).not.toHaveProperty("max");
	const nanos = statsOf(
		"timestamp",
		{
			type: "INT64",
			logical: { type: "TIMESTAMP", unit: "NANOS", utc: true },
		},
		{ minValue: long(-1n), maxValue: long(1999n) },
	);
	expect(nanos).toMatchObject({ min: -1n, max: 1n });
});
