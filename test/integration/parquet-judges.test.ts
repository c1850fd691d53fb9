import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import {
	mkdirSync,
	mkdtempSync,
	readFileSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { encodeParquet } from "../../src/columnar/parquet/encode.ts";
import { bytesFile, readParquet } from "../../src/columnar/parquet/read.ts";
import type { DataType, StructType } from "../../src/columnar/types.ts";
import { array, field, struct } from "../../src/columnar/types.ts";
import type { Batch, Row, Value } from "../../src/columnar/vector.ts";
import { newTable } from "../../src/delta/create.ts";
import { installed } from "../../stack/cache.ts";
import { random, randomBatch, rowsOf } from "../unit/columnar/random.ts";

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const SCRIPT = join(import.meta.dirname, "parquet-judge.py");
const folder = mkdtempSync(join(tmpdir(), "parquet-judges-"));

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SCHEMA = struct(
	field("bool", "boolean"),
	field("byte", "byte"),
	field("short", "short"),
	field("int", "integer"),
	field("date", "date"),
	field("long", "long", { nullable: false }),
	field("at", "timestamp"),
	field("local", "timestamp_ntz"),
	field("small", "decimal(9,2)"),
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
		valueType: array("long"),
		valueContainsNull: true,
	}),
	// Five levels, none of which is like the one around it.
	field(
		"nest",
		array(
			struct(
				field("m", {
					type: "map",
					keyType: "long",
					valueType: struct(
						field("l", array(struct(field("d", "decimal(25,5)")))),
						field("n", "date", { nullable: false }),
					),
					valueContainsNull: true,
				}),
			),
		),
	),
);

test.each(["pyarrow", "duckdb"])(
	`%s reads the values that were encoded (SEED=${SEED})`,
	(engine) => {
		for (let round = 0; round < 4; round++) {
			const { batches, bytes } = encoded(SEED + round);
			const path = join(folder, `${engine}-${round}.parquet`);
			writeFileSync(path, bytes);
			const lines = judge("dump", engine, path).trimEnd().split("\n");
			const got = lines.map((line): unknown => JSON.parse(line));
			const expected = rowsOf(batches).map((row) => plainRow(row, SCHEMA));
			expect(got.length).toBe(expected.length);
			expected.forEach((row, i) => {
				expect(got[i], `seed ${SEED + round}, row ${i}`).toEqual(row);
			});
		}
	},
);

test(`delta-rs reads the values that were encoded, as a table's (SEED=${SEED})`, () => {
	for (let round = 0; round < 4; round++) {
		const { batches, bytes } = encoded(SEED + round);
		const table = join(folder, `table-${round}`);
		mkdirSync(join(table, "_delta_log"), { recursive: true });
		writeFileSync(join(table, "part.parquet"), bytes);
		const effects = { uuid: randomUUID, now: Date.now };
		const actions: object[] = newTable({ schema: SCHEMA }, effects);
		actions.push({
			add: {
				path: "part.parquet",
				partitionValues: {},
				size: bytes.length,
				modificationTime: 0,
				dataChange: true,
			},
		});
		writeFileSync(
			join(table, "_delta_log", "00000000000000000000.json"),
			actions.map((action) => JSON.stringify(action)).join("\n"),
		);
		const lines = judge("dump", "delta-rs", table).trimEnd().split("\n");
		// Row groups are read at the same time, in any order.
		const ordered = (rows: readonly unknown[]): unknown[] =>
			rows.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
		const expected = rowsOf(batches).map((row) => plainRow(row, SCHEMA));
		expect(ordered(lines.map((line): unknown => JSON.parse(line)))).toEqual(
			ordered(expected),
		);
	}
});

const DELTA_ENCODINGS = {
	int: "DELTA_BINARY_PACKED",
	long: "DELTA_BINARY_PACKED",
	at: "DELTA_BINARY_PACKED",
	text: "DELTA_BYTE_ARRAY",
	bytes: "DELTA_LENGTH_BYTE_ARRAY",
	double: "BYTE_STREAM_SPLIT",
	float: "BYTE_STREAM_SPLIT",
	"doc.name": "DELTA_BYTE_ARRAY",
	"doc.deep.n": "DELTA_BINARY_PACKED",
	big: "DELTA_BYTE_ARRAY",
};

test.each<[string, object]>([
	["snappy with dictionaries", { compression: "snappy" }],
	["gzip", { compression: "gzip", use_dictionary: false }],
	["brotli", { compression: "brotli", data_page_size: 200 }],
	["lz4", { compression: "lz4", row_group_size: 37 }],
	["V2 pages", { compression: "zstd", data_page_version: "2.0" }],
	[
		"V2 pages in delta encodings",
		{
			compression: "snappy",
			data_page_version: "2.0",
			use_dictionary: false,
			column_encoding: DELTA_ENCODINGS,
		},
	],
	[
		"V1 pages in delta encodings",
		{
			compression: "none",
			use_dictionary: false,
			column_encoding: DELTA_ENCODINGS,
			data_page_size: 300,
		},
	],
	["INT96", { use_deprecated_int96_timestamps: true }],
	["decimals as integers", { store_decimal_as_integer: true }],
	["checksums", { write_page_checksum: true }],
	[
		"rows that go on in the next page",
		{ data_page_size: 20, write_batch_size: 3, use_dictionary: false },
	],
	[
		"dictionaries that end within a chunk",
		{ dictionary_pagesize_limit: 100, data_page_size: 100 },
	],
	["lists of `item`", { use_compliant_nested_type: false }],
	["format 1.0", { version: "1.0" }],
])(
	`a file that pyarrow wrote is read losslessly: %s (SEED=${SEED})`,
	async (name, options) => {
		const { batches, bytes } = encoded(SEED);
		const path = join(folder, `${name.replaceAll(/\W/g, "-")}.parquet`);
		writeFileSync(`${path}.source`, bytes);
		judge("rewrite", `${path}.source`, path, JSON.stringify(options));
		const file = bytesFile(readFileSync(path));
		const expected = rowsOf(batches);
		for (const batchRows of [1, 13, 65_536]) {
			const read: Batch[] = [];
			const options = { schema: SCHEMA, batchRows };
			for await (const { batch } of readParquet(file, options))
				read.push(batch);
			const got = rowsOf(read);
			expect(got.length).toBe(expected.length);
			expected.forEach((row, i) => {
				expect(got[i], `seed ${SEED}, row ${i}`).toEqual(row);
			});
		}
	},
);

function encoded(seed: number): { batches: Batch[]; bytes: Uint8Array } {
	const rng = random(seed);
	const batches = [1, 2].map(() => randomBatch(rng, SCHEMA, 200));
	const { bytes } = encodeParquet(batches, {
		compression: rng.pick(["zstd", "snappy", "gzip", "none"]),
		rowGroupRows: rng.pick([30, 1000]),
		pageRows: rng.pick([7, 1000]),
		dictionary: rng.chance(0.7),
		format: rng.pick([1, 2]),
	});
	return { batches, bytes };
}

function judge(...args: readonly string[]): string {
	const python = installed("judges", "bin/python");
	return execFileSync(python, [SCRIPT, ...args], {
		encoding: "utf8",
		maxBuffer: 1 << 28,
	});
}

function plainRow(row: Row, type: StructType): Record<string, unknown> {
	return Object.fromEntries(
		type.fields.map((f) => [f.name, plain(row[f.name] as Value, f.type)]),
	);
}

/** A value as the judge prints it. */
function plain(value: Value, type: DataType): unknown {
	if (value === null || typeof value === "boolean") return value;
	if (typeof type !== "string") {
		switch (type.type) {
			case "struct":
				return plainRow(value as Row, type);
			case "array":
				return (value as readonly Value[]).map((item) =>
					plain(item, type.elementType),
				);
			case "map":
				return [...(value as ReadonlyMap<Value, Value>)].map(([k, v]) => [
					plain(k, type.keyType),
					plain(v, type.valueType),
				]);
		}
	}
	switch (type) {
		case "float":
		case "double": {
			const bits = Buffer.alloc(8);
			bits.writeDoubleBE(value as number);
			return `bits:${bits.toString("hex")}`;
		}
		case "date":
			return `${value}d`;
		case "timestamp":
			return `${value}usZ`;
		case "timestamp_ntz":
			return `${value}us`;
		case "string":
			return `text:${value}`;
		case "binary":
			return `hex:${Buffer.from(value as Uint8Array).toString("hex")}`;
	}
	if (typeof value === "object" && "unscaled" in value)
		return `${value.unscaled}e-${value.scale}`;
	return String(value);
}
