import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import type { ChangeBatch, Decoded } from "../../../src/change/change.ts";
import { TableDecoder } from "../../../src/change/decoder.ts";
import { rowsOf } from "./rows.ts";

const FIXTURES = resolve(import.meta.dirname, "../../fixtures/debezium");
const NOW = Date.UTC(2026, 10, 21);

interface Recorded {
	readonly topic: string;
	readonly offset: string;
	readonly key: unknown;
	readonly value: unknown;
}

function recorded(name: string): Recorded[] {
	return JSON.parse(
		readFileSync(join(FIXTURES, `${name}.json`), "utf8"),
	) as Recorded[];
}

function feed(decoder: TableDecoder, records: readonly Recorded[]): Decoded[] {
	return records.map(({ topic, offset, key, value }) =>
		decoder.decode({
			topic,
			partition: 0,
			offset: Number(offset),
			key: Buffer.from(JSON.stringify(key)),
			value: value === null ? null : Buffer.from(JSON.stringify(value)),
		}),
	);
}

function rows({ batch }: ChangeBatch): Record<string, string>[] {
	return rowsOf(batch);
}

let offset = 0;
function document(
	json: string,
	op = "c",
): Parameters<TableDecoder["decode"]>[0] {
	return {
		topic: "t.shop.orders",
		partition: 0,
		offset: offset++,
		key: Buffer.from('{"id":"1"}'),
		value: Buffer.from(
			`{"before":null,"after":${JSON.stringify(json)},"source":{"ts_ms":1000},"op":"${op}","ts_ms":2000}`,
		),
	};
}

function mongo(): TableDecoder {
	return new TableDecoder({ source: "mongodb", mode: "upsert" });
}

test.each(["mg", "mgs"])(
	"%s: records of the MongoDB connector become rows, none lost",
	(name) => {
		const decoder = new TableDecoder({ source: "mongodb", mode: "append" });
		const records = recorded(name);
		const kinds = feed(decoder, records).map(({ kind }) => kind);
		expect(kinds).not.toContain("dead-letter");
		expect(kinds.filter((kind) => kind === "skip")).toHaveLength(
			records.filter(({ value }) => value === null).length,
		);
		const [first, second] = rows(decoder.finish(NOW));
		expect(first).toMatchObject({
			_id: "1",
			customer: '"alice"',
			tags: '["a","b"]',
			addr: '{"city":"Oslo","zip":1}',
			_cdc_operation: '"r"',
			_kafka_offset: "0",
			_ingestion_date: '"2026-11-21"',
		});
		expect(second).toMatchObject({
			customer: '"bob"',
			amount: '"12.50"',
			big: "9007199254740993",
			at: '"2026-01-02T03:04:05.678000Z"',
			bin: '"aGk="',
			// The column is a long by its first value: this key keeps its exact text.
			_rescued_data: JSON.stringify(
				'{"_id":{"$oid": "6560aa0000000000000000aa"}}',
			),
		});
	},
);

test("pgs: a Connect schema gives relational values their types", () => {
	const decoder = new TableDecoder({ source: "postgresql", mode: "upsert" });
	feed(decoder, recorded("pgs"));
	const batch = decoder.finish(NOW);
	expect(batch.keyColumns).toEqual(["id"]);
	expect(
		Object.fromEntries(
			batch.batch.schema.fields.map(({ name, type }) => [name, type]),
		),
	).toMatchObject({
		id: "integer",
		amount: "decimal(10,2)",
		d: "date",
		ts: "timestamp_ntz",
		created_at: "timestamp",
		b: "binary",
	});
	expect(rows(batch)[0]).toMatchObject({
		amount: "12.50",
		d: '"2026-01-02"',
		ts: '"2026-01-02T03:04:05.678901"',
		b: '"3q2+7w=="',
	});
	expect([...batch.deleted]).toEqual([0, 0, 0, 0, 1]);
});

test.each([
	[
		"int64 beyond 2^53",
		'{"_id":1,"v":{"$numberLong":"9223372036854775807"}}',
		{ v: "9223372036854775807" },
	],
	[
		"the least int64",
		'{"_id":1,"v":{"$numberLong":"-9223372036854775808"}}',
		{ v: "-9223372036854775808" },
	],
	[
		"an integer beyond int64",
		'{"_id":1,"v":92233720368547758080}',
		{ _rescued_data: JSON.stringify('{"v":92233720368547758080}') },
	],
	[
		"1e400",
		'{"_id":1,"v":1e400}',
		{ _rescued_data: JSON.stringify('{"v":1e400}') },
	],
	["negative zero", '{"_id":1,"v":-0}', { v: "-0" }],
	["a double", '{"_id":1,"v":0.1}', { v: "0.1" }],
	[
		"escapes in values",
		String.raw`{"_id":1,"v":"a\"\\\u00e9\ud83d\ude00\n"}`,
		{ v: JSON.stringify('a"\\é😀\n') },
	],
	["escapes in names", String.raw`{"_id":1,"\u0076":1}`, { v: "1" }],
	["duplicate names: the last one", '{"_id":1,"v":1,"v":2}', { v: "2" }],
	[
		"an empty array",
		'{"_id":1,"v":[]}',
		{ _rescued_data: JSON.stringify('{"v":[]}') },
	],
	[
		"a mixed array",
		'{"_id":1,"v":[1, "x", {"y": 2}]}',
		{ _rescued_data: JSON.stringify('{"v":[1, "x", {"y": 2}]}') },
	],
	[
		"names that differ by case",
		'{"_id":1,"v":1,"V":2}',
		{ v: "1", _rescued_data: JSON.stringify('{"V":2}') },
	],
	[
		"a name of ours",
		'{"_id":1,"_kafka_offset":7}',
		{ _rescued_data: JSON.stringify('{"_kafka_offset":7}') },
	],
	[
		"nested arrays of documents",
		'{"_id":1,"v":[{"a":1},{"b":"x"},{}]}',
		{ v: '[{"a":1,"b":null},{"a":null,"b":"x"},{"a":null,"b":null}]' },
	],
	[
		"a UUID",
		'{"_id":1,"v":{"$binary":"ASNFZ4mrze8BI0VniavN7w==","$type":"04"}}',
		{ v: '"01234567-89ab-cdef-0123-456789abcdef"' },
	],
	[
		"a regex",
		'{"_id":1,"v":{"$regex":"a+","$options":"i"}}',
		{ v: JSON.stringify('{"$regex":"a+","$options":"i"}') },
	],
])("%s keeps its value", (_, json, expected) => {
	const decoder = mongo();
	expect(decoder.decode(document(json))).toEqual({ kind: "row" });
	const [row] = rows(decoder.finish(NOW));
	expect(row).toEqual({ _id: "1", ...expected });
});

test("a value that does not fit is rescued, and the rows around it stay right", () => {
	const decoder = mongo();
	for (const value of ["1", '"two"', "3", "[4]", "5.5", "6.0"])
		decoder.decode(document(`{"_id":1,"v":${value},"w":"x"}`));
	const first = rows(decoder.finish(NOW));
	// Until the first commit a long may still become a double.
	expect(first.map(({ v }) => v)).toEqual([
		"1",
		undefined,
		"3",
		undefined,
		"5.5",
		"6",
	]);
	expect(first.map(({ w }) => w)).toEqual(Array(6).fill('"x"'));
	expect(first[1]?._rescued_data).toBe(JSON.stringify('{"v":"two"}'));
	decoder.decode(document('{"_id":1,"v":"later"}'));
	expect(rows(decoder.finish(NOW))[0]).toEqual({
		_id: "1",
		_rescued_data: JSON.stringify('{"v":"later"}'),
	});
});

test.each([
	["truncated bytes", Buffer.from('{"before":null,"after":"{\\"_id\\":1')],
	["no JSON", Buffer.from("hello")],
	["no envelope", Buffer.from('{"a":1}')],
	["invalid UTF-8", Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d])],
	[
		"a bad number",
		Buffer.from('{"after":"{\\"_id\\":1,\\"v\\":1-2}","op":"c","source":{}}'),
	],
	[
		"a bad escape",
		Buffer.from('{"after":"{\\"_id\\":\\"\\\\x\\"}","op":"c","source":{}}'),
	],
])("%s is a dead letter, and leaves nothing in the next row", (_, value) => {
	const decoder = mongo();
	const bad = { ...document("{}"), value };
	expect(decoder.decode(bad)).toMatchObject({ kind: "dead-letter" });
	expect(decoder.decode(document('{"_id":2,"v":3}'))).toEqual({ kind: "row" });
	expect(rows(decoder.finish(NOW))).toEqual([{ _id: "2", v: "3" }]);
});

test("nesting without end stops neither the stream nor the process", () => {
	const decoder = mongo();
	const deep = `{"_id":1,"v":${"[".repeat(20_000)}${"]".repeat(20_000)}}`;
	expect(decoder.decode(document(deep)).kind).toMatch(/row|dead-letter/);
	expect(decoder.decode(document('{"_id":2}'))).toEqual({ kind: "row" });
});

test("damaged records never throw, and never spoil the good ones between them", () => {
	const seed = Number(process.env.SEED ?? Date.now() % 1e9);
	let state = seed;
	const random = (below: number): number => {
		state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
		return state % below;
	};
	const decoder = mongo();
	const good =
		'{"_id":77,"name":"good","n":{"$numberLong":"12"},"a":{"b":[1,2]}}';
	for (let i = 0; i < 3000; i++) {
		const { value, ...rest } = document(good);
		const bytes = Buffer.from(value ?? []);
		for (let changes = 1 + random(4); changes > 0; changes--)
			bytes[random(bytes.length)] = random(256);
		const cut =
			random(3) === 0 ? bytes.subarray(0, random(bytes.length)) : bytes;
		const damaged = decoder.decode({ ...rest, value: cut });
		expect(["row", "skip", "dead-letter"], `seed ${seed}`).toContain(
			damaged.kind,
		);
		const fresh = mongo();
		fresh.decode({ ...rest, value: cut });
		fresh.decode(document(good));
		const after = rows(fresh.finish(NOW)).at(-1);
		expect(
			JSON.parse(after?._rescued_data ?? '"{}"'),
			`seed ${seed}, ${cut.toString("latin1")}`,
		).toBeTypeOf("string");
		expect(
			after?._id === "77" || (after?._rescued_data ?? "").includes("77"),
			`seed ${seed}: ${JSON.stringify(after)}`,
		).toBe(true);
	}
});
