import { gzipSync, zstdCompressSync } from "node:zlib";
import { expect, test } from "vitest";
import { vectorOf } from "../../../src/columnar/literal.ts";
import { encodeParquet } from "../../../src/columnar/parquet/encode.ts";
import { array, field, struct } from "../../../src/columnar/types.ts";
import { generator, seedOf } from "../../support/seed.ts";
import { CSV, format, readFile } from "./read-file.ts";

test("lines of JSON become rows; blank lines and a missing last line feed are no records", async () => {
	expect(
		await readFile('\ufeff{"id":1,"a":"x"}\r\n\n{"id":2,"b":{"c":[1,2]}}', {
			format: format("ndjson"),
		}),
	).toEqual({
		columns: [
			"id: long",
			"a: string",
			"b: {type:struct,fields:[{name:c,type:{type:array,elementType:long,containsNull:true},nullable:true,metadata:{}}]}",
		],
		rows: [
			{ id: 1, a: "x" },
			{ id: 2, b: { c: [1, 2] } },
		],
		batches: 1,
	});
});

test("each row knows its file and its place in it, over batches", async () => {
	const { rows, batches } = await readFile(
		Array.from({ length: 5 }, (_, i) => `{"id":${i}}\n`).join(""),
		{ format: format("ndjson"), batchBytes: 18, own: true },
	);
	expect(batches).toBe(3);
	expect(rows.map((row) => row._source_row)).toEqual([1, 2, 3, 4, 5]);
	expect(rows[4]).toEqual({
		id: 4,
		_source_file: "s3://in/file",
		_source_row: 5,
		_source_modified: "1970-01-01T00:00:01.000000Z",
		_ingestion_timestamp: "1970-01-01T00:00:02.000000Z",
		_ingestion_date: "1970-01-01",
	});
});

test("JSON is an array of objects over many lines, or one object after another", async () => {
	const rows = [
		{ id: 1, t: 'a "}' },
		{ id: 2, t: "[" },
	];
	for (const text of [
		JSON.stringify(rows, null, 2),
		rows.map((row) => JSON.stringify(row, null, 1)).join("\n"),
		JSON.stringify(rows),
	])
		expect(
			(await readFile(text, { format: format("json") })).rows,
			text,
		).toEqual(rows);
	expect(await readFile("[]", { format: format("json") })).toMatchObject({
		rows: [],
		batches: 0,
	});
});

test.each([
	["json", '[{"a":1} {"a":2}]', /two objects without a comma/],
	["json", '[{"a":1},{"a":2}', /cut off/],
	["json", '{"a":{"b":1}', /cut off/],
	["json", "[1,2]", /"1" at its start/],
	["json", '[{"a":1}] x', /"x" behind object 1/],
	["json", '{"a":1]', /is no JSON object/],
	["ndjson", '{"a":1}\n{"a":', /record 2 is no JSON object/],
	["ndjson", '{"a":1} {"a":2}', /more behind the object/],
	["ndjson", "[1]", /record 1 is no JSON object/],
	["csv", 'a,b\n1,"x', /cut off/],
	["csv", "a,A\n1,2", /names the column "A" twice/],
	["parquet", "no parquet file at all", /damaged/],
] as const)(
	"a broken %s file fails as a whole: %s",
	async (type, text, message) => {
		await expect(readFile(text, { format: format(type) })).rejects.toThrow(
			message,
		);
	},
);

test("bytes that are no UTF-8 are told by their record", async () => {
	const bytes = Buffer.concat([
		Buffer.from('{"a":1}\n{"a":"'),
		Buffer.from([0xff, 0xfe]),
		Buffer.from('"}\n'),
	]);
	await expect(
		readFile(bytes, { format: format("ndjson") }),
	).rejects.toMatchObject({
		code: "INGEST_FILE_INVALID",
		message: expect.stringMatching(/record 2 is not valid UTF-8/),
	});
});

test("a broken record can become a row of its text, and the file goes on", async () => {
	expect(
		(
			await readFile('{"a":1}\nnonsense\n{"a":3}\n', {
				format: format("ndjson", { onBadRecord: "rescue" }),
			})
		).rows,
	).toEqual([
		{ a: 1 },
		{ _rescued_data: '{"_corrupt_record":"nonsense"}' },
		{ a: 3 },
	]);
});

test("gzip and zstd are told by their first bytes; a cut off file fails", async () => {
	const text = Array.from({ length: 2000 }, (_, i) => `{"id":${i}}\n`).join("");
	for (const pack of [gzipSync, zstdCompressSync]) {
		const bytes = pack(text);
		expect(
			(await readFile(bytes, { format: format("ndjson") })).rows.length,
		).toBe(2000);
		await expect(
			readFile(bytes.subarray(0, bytes.length / 2), {
				format: format("ndjson"),
			}),
			pack.name,
		).rejects.toMatchObject({ code: "INGEST_FILE_INVALID" });
	}
	await expect(
		readFile(text, { format: format("ndjson", { compression: "gzip" }) }),
	).rejects.toMatchObject({ code: "INGEST_FILE_INVALID" });
});

test("columns of CSV get the narrowest type that holds all their values", async () => {
	expect(
		await readFile(
			[
				"id,zip,price,day,at,local,ok,note,none",
				"1,00123,1.5,2026-11-21,2026-11-21T10:00:00Z,2026-11-21 10:00:00,true,x,",
				'2,00124,2,2026-11-22,2026-11-21T10:00:00.5+01:00,2026-11-21 11:00,FALSE,"a,""b""\nc",',
				'3,,,,,,,"",',
			].join("\r\n"),
			{ format: format("csv") },
		),
	).toEqual({
		columns: [
			"id: long",
			"zip: string",
			"price: double",
			"day: date",
			"at: timestamp",
			"local: timestamp_ntz",
			"ok: boolean",
			"note: string",
		],
		rows: [
			{
				id: 1,
				zip: "00123",
				price: 1.5,
				day: "2026-11-21",
				at: "2026-11-21T10:00:00.000000Z",
				local: "2026-11-21T10:00:00.000000",
				ok: true,
				note: "x",
			},
			{
				id: 2,
				zip: "00124",
				price: 2,
				day: "2026-11-22",
				at: "2026-11-21T09:00:00.500000Z",
				local: "2026-11-21T11:00:00.000000",
				ok: false,
				note: 'a,"b"\nc',
			},
			{ id: 3, note: "" },
		],
		batches: 1,
	});
});

test("what does not fit a column, or has none, is rescued with its text", async () => {
	expect(
		(
			await readFile("id,price\n1,2.5\nx,3.5,more\n3\n", {
				format: format("csv"),
				tableSchema: struct(field("id", "long"), field("price", "double")),
			})
		).rows,
	).toEqual([
		{ id: 1, price: 2.5 },
		{ price: 3.5, _rescued_data: '{"id":"x","_c2":"more"}' },
		{ id: 3 },
	]);
	expect(
		(
			await readFile('{"id":"x","more":[1]}', {
				format: format("ndjson"),
				rules: { onNewColumn: "rescue" },
				tableSchema: struct(field("id", "long")),
			})
		).rows,
	).toEqual([{ _rescued_data: '{"id":"x","more":[1]}' }]);
});

test("given columns have their types from the first row on, in text and in JSON", async () => {
	const rules = {
		columns: [
			field("id", "integer"),
			field("amount", "decimal(10,2)"),
			field("day", "date"),
			field("at", "timestamp"),
		],
	};
	const rows = [
		{
			id: 1,
			amount: 12.3,
			day: "2026-11-21",
			at: "2026-11-21T10:00:00.000000Z",
		},
		{ id: 2, _rescued_data: expect.stringContaining("1.005") },
	];
	const csv = await readFile(
		"id,amount,day,at\n1,12.30,2026-11-21,2026-11-21 10:00\n2,1.005,21.11.2026,\n",
		{ format: format("csv"), rules },
	);
	expect(csv.columns.slice(0, 4)).toEqual([
		"id: integer",
		"amount: decimal(10,2)",
		"day: date",
		"at: timestamp",
	]);
	expect(csv.rows).toEqual(rows);
	const json = await readFile(
		'{"id":1,"amount":"12.30","day":"2026-11-21","at":"2026-11-21T10:00:00Z"}\n{"id":2,"amount":"1.005","day":"21.11.2026"}',
		{ format: format("ndjson"), rules },
	);
	expect(json.rows).toEqual(rows);
	expect(json.rows[1]?._rescued_data).toBe(
		'{"amount":"1.005","day":"21.11.2026"}',
	);
});

test("a frozen schema refuses the file that does not fit", async () => {
	await expect(
		readFile('{"id":1}\n{"id":2,"more":3}', {
			format: format("ndjson"),
			rules: { contract: "freeze" },
			tableSchema: struct(field("id", "long")),
		}),
	).rejects.toMatchObject({ code: "SCHEMA_FROZEN" });
});

test("Parquet keeps its types; a column in another type than the table's is rescued", async () => {
	const schema = struct(
		field("id", "long"),
		field("tags", array("string")),
		field("m", {
			type: "map",
			keyType: "string",
			valueType: "integer",
			valueContainsNull: true,
		}),
		field("s", struct(field("d", "decimal(20,3)"))),
	);
	const bytes = encodeParquet([
		{
			schema,
			length: 2,
			columns: [
				vectorOf("long", [1n, 2n]),
				vectorOf(array("string"), [["a", null], null]),
				vectorOf(schema.fields[2]?.type ?? "void", [new Map([["k", 7]]), null]),
				vectorOf(schema.fields[3]?.type ?? "void", [
					{ d: { unscaled: 1500n, scale: 3 } },
					null,
				]),
			],
		},
	]).bytes;
	const read = await readFile(bytes, { format: format("parquet") });
	expect(read.rows).toEqual([
		{ id: 1, tags: ["a", null], m: { k: 7 }, s: { d: 1.5 } },
		{ id: 2 },
	]);
	expect(read.columns[0]).toBe("id: long");
	expect(
		(
			await readFile(bytes, {
				format: format("parquet"),
				tableSchema: struct(
					field("id", "string"),
					field("s", schema.fields[3]?.type ?? "void"),
				),
				rules: { onNewColumn: "rescue" },
			})
		).rows,
	).toEqual([
		{ s: { d: 1.5 }, _rescued_data: '{"id":1,"tags":["a",null],"m":{"k":7}}' },
		{ _rescued_data: '{"id":2}' },
	]);
});

test("records are the same wherever chunks of the file end", async () => {
	const seed = seedOf();
	const random = generator(seed);
	const chars = ['"', ",", "\n", "a", "é", " ", "\\", "{"];
	for (let round = 0; round < 40; round++) {
		const rows = Array.from({ length: 30 }, (_, id) => ({
			id: `k${id}`,
			t: Array.from(
				{ length: Math.floor(random() * 8) },
				() => chars[Math.floor(random() * chars.length)],
			).join(""),
		}));
		const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
		const csv = `id,t\n${rows.map(({ id, t }) => `${id},${quoted(t)}`).join("\n")}`;
		const json = JSON.stringify(rows, null, Math.floor(random() * 3));
		for (const [text, type] of [
			[csv, "csv"],
			[json, "json"],
		] as const) {
			// Compressed content comes in chunks of its own; stored blocks end anywhere.
			const { rows: read } = await readFile(chunked(text, random), {
				format: format(type, { csv: { ...CSV, inferTypes: false } }),
			});
			expect(read, `SEED=${seed}`).toEqual(rows);
		}
	}
});

/** gzip members one after another: each ends a chunk of the content. */
function chunked(text: string, random: () => number): Buffer {
	const bytes = Buffer.from(text);
	const members: Buffer[] = [];
	for (let at = 0; at < bytes.length; ) {
		const end = Math.min(bytes.length, at + 1 + Math.floor(random() * 40));
		members.push(gzipSync(bytes.subarray(at, end), { level: 0 }));
		at = end;
	}
	return Buffer.concat(members);
}
