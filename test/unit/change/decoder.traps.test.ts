import { expect, test } from "vitest";
import { relationalEnvelope } from "../../../bench/envelope.ts";
import type { ChangeMessage } from "../../../src/change/change.ts";
import { TableDecoder } from "../../../src/change/decoder.ts";
import { field, struct } from "../../../src/columnar/types.ts";
import { rowsOf } from "./rows.ts";

let offset = 0;

function record(value: string | Uint8Array, key = '{"id":"1"}'): ChangeMessage {
	return {
		topic: "t.shop.orders",
		partition: 0,
		offset: offset++,
		key: Buffer.from(key),
		value: Buffer.from(value),
	};
}

function document(json: string): ChangeMessage {
	return record(
		`{"before":null,"after":${JSON.stringify(json)},"source":{"ts_ms":1000},"op":"c","ts_ms":2000}`,
	);
}

function mongo(): TableDecoder {
	return new TableDecoder({ source: "mongodb", mode: "upsert" });
}

function relational(
	options: Partial<ConstructorParameters<typeof TableDecoder>[0]> = {},
): TableDecoder {
	return new TableDecoder({ source: "postgresql", mode: "upsert", ...options });
}

test.each([
	[
		"MongoDB",
		document('{"_id":1,"a":{"b":[1,2.5,"x"]},"n":{"$numberLong":"12"}}'),
		mongo,
	],
	["PostgreSQL", record(relationalEnvelope(7).value, '{"id":7}'), relational],
] as const)(
	"%s: a message that is cut off anywhere is a dead letter, and the next row is right",
	(_, whole, decoder) => {
		const target = decoder();
		const value = whole.value as Uint8Array;
		expect(target.decode(whole)).toEqual({ kind: "row" });
		const [right] = rowsOf(target.finish(0).batch);
		for (let length = 1; length < value.length; length++) {
			const cut = { ...whole, value: value.subarray(0, length) };
			expect(target.decode(cut).kind, `${length} bytes`).toBe("dead-letter");
		}
		target.decode(whole);
		expect(rowsOf(target.finish(0).batch)).toEqual([right]);
	},
);

test("a thousand columns, in two orders, arrive in theirs", () => {
	const decoder = mongo();
	const fields = Array.from({ length: 1000 }, (_, i) => `"field ${i}":${i}`);
	decoder.decode(document(`{"_id":1,${fields.join(",")}}`));
	decoder.decode(document(`{"_id":2,${fields.toReversed().join(",")}}`));
	decoder.decode(
		document(`{"_id":3,${fields.filter((_, i) => i % 3 === 0).join(",")}}`),
	);
	const [first, second, third] = rowsOf(decoder.finish(0).batch);
	expect(Object.keys(first ?? {})).toHaveLength(1001);
	expect({ ...second, _id: "1" }).toEqual(first);
	for (let i = 0; i < 1000; i++)
		expect(third?.[`field ${i}`]).toBe(i % 3 === 0 ? String(i) : undefined);
});

test("a document of 16 MB keeps every byte, with escapes and without", () => {
	const decoder = mongo();
	const plain = "x".repeat(8_000_000);
	const escaped = 'say "ä"\n'.repeat(900_000);
	decoder.decode(document(JSON.stringify({ _id: 1, plain, escaped })));
	decoder.decode(document('{"_id":2,"plain":"short"}'));
	const [large, small] = rowsOf(decoder.finish(0).batch);
	expect(large?.plain === JSON.stringify(plain)).toBe(true);
	expect(large?.escaped === JSON.stringify(escaped)).toBe(true);
	expect(small).toEqual({ _id: "2", plain: '"short"' });
});

test("bytes that are no UTF-8 are a dead letter, also behind a schema that is known", () => {
	const decoder = relational();
	for (let i = 0; i < 3; i++) {
		const { key, value } = relationalEnvelope(i);
		expect(decoder.decode(record(value, key))).toEqual({ kind: "row" });
		const broken = Buffer.from(value);
		broken[value.lastIndexOf("customer")] = 0xff;
		expect(decoder.decode(record(broken, key))).toMatchObject({
			code: "UTF8_INVALID",
		});
	}
	expect(decoder.finish(0).batch.length).toBe(3);
});

test("a deleted row's key beyond 2^53 is the key, not its neighbour", () => {
	const decoder = relational();
	decoder.decode(
		record(
			'{"before":null,"after":{"id":9007199254740993},"op":"c"}',
			'{"id":9007199254740993}',
		),
	);
	decoder.decode(
		record('{"before":null,"after":null,"op":"d"}', '{"id":9007199254740993}'),
	);
	const { batch, deleted } = decoder.finish(0);
	expect(rowsOf(batch)).toEqual(Array(2).fill({ id: "9007199254740993" }));
	expect([...deleted]).toEqual([0, 1]);
});

test("a key that is no UTF-8 deletes nothing", () => {
	const decoder = relational();
	const bad = {
		...record('{"before":null,"after":null,"op":"d"}'),
		key: Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
	};
	expect(decoder.decode(bad)).toMatchObject({ kind: "dead-letter" });
});

function documentRow(id: number, more = ""): string {
	return `{"before":null,"after":"{\\"_id\\":${id}}","updateDescription":null,"source":{"ts_ms":${1000 + id},"lsid":null},"op":"c","ts_ms":${2000 + id}${more}}`;
}

const OTHERS: [string, object][] = [
	['{"source":null,"after":"{\\"_id\\":5}","op":"c"}', { kind: "row" }],
	['{"payload":null}', { kind: "dead-letter", code: "ENVELOPE_UNKNOWN" }],
	[`{"payload":${documentRow(6)}}`, { kind: "row" }],
	[
		'{"payload":{"source":{"ts_ms":1006},"op":"u","after":null}}',
		{ kind: "row" },
	],
	['{"ts_ms":5}', { kind: "skip", reason: "heartbeat" }],
	[
		'{"status":"BEGIN","id":"1","ts_ms":5}',
		{ kind: "skip", reason: "transaction" },
	],
	[
		'{"source":{"ts_ms":5},"ddl":"ALTER","ts_ms":6}',
		{ kind: "skip", reason: "schema-change" },
	],
	[
		'{"op":"m","source":{"ts_ms":5},"message":{}}',
		{ kind: "skip", reason: "message" },
	],
	[
		documentRow(7, ',"transaction":{"id":"1","total_order":1}'),
		{ kind: "row" },
	],
	[
		documentRow(8).replace(
			'"updateDescription":null',
			'"updateDescription":{"updatedFields":"{}"}',
		),
		{ kind: "row" },
	],
	[documentRow(9).replace('"op":"c"', '"op":"d"'), { kind: "row" }],
	[
		documentRow(10).replace(/"source":\{[^}]*\}/, '"source":null'),
		{ kind: "row" },
	],
	[documentRow(11).replaceAll(":null", ": null"), { kind: "row" }],
	[documentRow(12).replace("}}", '},"op":"zz"}'), {}],
	[`${documentRow(13)}x`, { kind: "dead-letter", code: "JSON_INVALID" }],
	[documentRow(14).slice(0, -1), { kind: "dead-letter", code: "JSON_INVALID" }],
	[`${documentRow(15)} \n`, { kind: "row" }],
];

test("messages of other kinds in between never take the place of a row's parts", () => {
	const decoder = new TableDecoder({ source: "mongodb", mode: "append" });
	const expected: string[] = [];
	for (let round = 0; round < 40; round++) {
		const [text, outcome] = OTHERS[(round * 7) % OTHERS.length] ?? ["", {}];
		expect(decoder.decode(record(documentRow(100 + round)))).toEqual({
			kind: "row",
		});
		expected.push(`${100 + round} c ${1100 + round}`);
		const own = decoder.decode(record(text));
		expect(own, text).toMatchObject(outcome);
		const fresh = new TableDecoder({ source: "mongodb", mode: "append" });
		expect(fresh.decode(record(text)), text).toEqual(own);
		if (own.kind === "row") expected.push(...lines(fresh));
	}
	expect(lines(decoder)).toEqual(expected);
});

test("a message is read as it is, whatever came before it", () => {
	const texts = [
		documentRow(1),
		documentRow(2),
		...OTHERS.map(([text]) => text),
	];
	const alone = texts.map((text) => {
		const decoder = new TableDecoder({ source: "mongodb", mode: "append" });
		return { outcome: decoder.decode(record(text)), rows: lines(decoder) };
	});
	for (const [i, first] of texts.entries())
		for (const [j, second] of texts.entries()) {
			const decoder = new TableDecoder({ source: "mongodb", mode: "append" });
			decoder.decode(record(first));
			expect(decoder.decode(record(second)), `${first}\n${second}`).toEqual(
				alone[j]?.outcome,
			);
			expect(lines(decoder), `${first}\n${second}`).toEqual([
				...(alone[i]?.rows ?? []),
				...(alone[j]?.rows ?? []),
			]);
		}
});

/** Id, operation, and time of a batch's rows. */
function lines(decoder: TableDecoder): string[] {
	return rowsOf(decoder.finish(0).batch).map(
		({ _id = "-", _cdc_operation = '"-"', _cdc_timestamp }) =>
			`${_id} ${JSON.parse(_cdc_operation)} ${_cdc_timestamp === undefined ? "-" : Date.parse(JSON.parse(_cdc_timestamp) as string)}`,
	);
}

test("what a dead letter brought is forgotten: names, types, and a long made a double", () => {
	const decoder = mongo();
	decoder.decode(document('{"_id":1,"v":1}'));
	expect(
		decoder.decode(
			document('{"_id":2,"v":2.5,"NAME":"x","s":{"A":1},"bad":tru}'),
		).kind,
	).toBe("dead-letter");
	decoder.decode(document('{"_id":3,"v":3,"name":true,"s":{"a":"x"}}'));
	const { batch } = decoder.finish(0);
	expect(
		Object.fromEntries(
			batch.schema.fields.map(({ name, type }) => [name, JSON.stringify(type)]),
		),
	).toMatchObject({ v: '"long"', name: '"boolean"' });
	expect(rowsOf(batch)[1]).toEqual({
		_id: "3",
		v: "3",
		name: "true",
		s: '{"a":"x"}',
	});
});

test("a decimal with more digits than its column is rescued, not rounded or wrapped, where columns keep their types", () => {
	const decimal = (name: string, precision: number, scale: number): object => ({
		type: "bytes",
		name: "org.apache.kafka.connect.data.Decimal",
		parameters: {
			scale: String(scale),
			"connect.decimal.precision": String(precision),
		},
		field: name,
	});
	const schema = JSON.stringify({
		type: "struct",
		fields: [
			{
				type: "struct",
				field: "after",
				fields: [
					decimal("small", 10, 2),
					decimal("narrow", 10, 3),
					decimal("wide", 38, 0),
				],
			},
		],
	});
	const base64 = (value: bigint): string => {
		const hex = BigInt.asUintN(136, value).toString(16).padStart(34, "0");
		return JSON.stringify(Buffer.from(hex, "hex").toString("base64"));
	};
	const decoder = relational({
		mode: "append",
		onWiden: "rescue",
		tableSchema: struct(
			field("small", "decimal(10,2)"),
			field("narrow", "decimal(10,2)"),
			field("wide", "decimal(38,0)"),
		),
	});
	const row = (small: bigint, narrow: bigint, wide: bigint): void => {
		expect(
			decoder.decode(
				record(
					`{"schema":${schema},"payload":{"after":{"small":${base64(small)},"narrow":${base64(narrow)},"wide":${base64(wide)}},"op":"c"}}`,
				),
			),
		).toEqual({ kind: "row" });
	};
	row(9_999_999_999n, 1n, 10n ** 38n - 1n);
	row(-9_999_999_999n, 0n, -(10n ** 38n) + 1n);
	row(10_000_000_000n, 5n, 10n ** 38n);
	row(-(10n ** 25n), 5n, -(10n ** 38n));
	const rows = rowsOf(decoder.finish(0).batch);
	expect(rows.map(({ small, wide }) => [small, wide])).toEqual([
		["99999999.99", `${10n ** 38n - 1n}`],
		["-99999999.99", `-${10n ** 38n - 1n}`],
		[undefined, undefined],
		[undefined, undefined],
	]);
	// A column of fewer decimals than the source would lose them.
	expect(rows.map(({ narrow }) => narrow)).toEqual(Array(4).fill(undefined));
	expect(
		Object.keys(
			JSON.parse(
				JSON.parse(rows[2]?._rescued_data ?? "{}") as string,
			) as object,
		),
	).toEqual(["small", "narrow", "wide"]);
});

test.each([
	"5",
	'{"type":5}',
	'{"type":"struct","fields":5}',
	'{"type":"struct","fields":[null]}',
	'{"type":"struct","fields":[{"type":"struct","field":"after","fields":[{"type":"array","items":7,"field":"x"}]}]}',
])("the schema %s, which is none of Kafka Connect, stops nothing", (schema) => {
	const decoder = relational();
	const outcome = decoder.decode(
		record(`{"schema":${schema},"payload":{"after":{"id":1},"op":"c"}}`),
	);
	expect(outcome.kind).toBe(schema === "5" ? "row" : "dead-letter");
	expect(
		decoder.decode(record('{"after":{"id":2},"op":"c"}', '{"id":2}')),
	).toEqual({ kind: "row" });
});

test("nothing rescued is broken JSON", () => {
	const decoder = mongo();
	decoder.decode(document('{"_id":1,"v":"text"}'));
	for (const bad of [
		"[1,}",
		'{"a":}',
		"[tru]",
		"01",
		"1.",
		"[1 2]",
		'{"a" 1}',
		'["\\x"]',
		"nul",
		"-",
		'{"a":1,}',
	])
		expect(decoder.decode(document(`{"_id":2,"v":${bad}}`)), bad).toMatchObject(
			{ code: "JSON_INVALID" },
		);
	expect(decoder.finish(0).batch.length).toBe(1);
});

test("what a rescued array held does not keep its column from becoming one of doubles", () => {
	const decoder = mongo();
	decoder.decode(document('{"_id":1,"v":[1]}'));
	decoder.decode(document('{"_id":2,"v":[9007199254740993,2.5]}'));
	decoder.decode(document('{"_id":3,"v":[2.5]}'));
	expect(rowsOf(decoder.finish(0).batch)).toEqual([
		{ _id: "1", v: "[1]" },
		{ _id: "2", _rescued_data: JSON.stringify('{"v":[9007199254740993,2.5]}') },
		{ _id: "3", v: "[2.5]" },
	]);
});

test("lone surrogates are rescued as they are, never replaced or paired up", () => {
	const decoder = mongo();
	for (const text of [
		"\\ud800",
		"\\udc00\\udc00",
		"\\ud800x",
		"a\\udfff",
		"\\ud800\\ud800",
	])
		decoder.decode(document(`{"_id":1,"v":"${text}"}`));
	expect(
		rowsOf(decoder.finish(0).batch).map(({ v, _rescued_data }) => [
			v,
			_rescued_data,
		]),
	).toEqual(
		["\\ud800", "\\udc00\\udc00", "\\ud800x", "a\\udfff", "\\ud800\\ud800"].map(
			(text) => [undefined, JSON.stringify(`{"v":"${text}"}`)],
		),
	);
});
