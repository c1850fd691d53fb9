import type { RandomRecords } from "./random-records.ts";

interface Column {
	readonly name: string;
	readonly schema: Record<string, unknown>;
	readonly value: (random: RandomRecords) => string;
}

const semantic = (name: string, type: string): Record<string, unknown> => ({
	type,
	name,
	version: 1,
});
const integer = (random: RandomRecords): string => String(random.below(100));
const base64 = (random: RandomRecords, most: number): string =>
	JSON.stringify(
		Buffer.from(
			Array.from({ length: random.below(most + 1) }, () => random.below(256)),
		).toString("base64"),
	);

const COLUMNS: readonly Column[] = [
	{ name: "id", schema: { type: "int64" }, value: integer },
	{ name: "tiny", schema: { type: "int8" }, value: integer },
	{ name: "small", schema: { type: "int16" }, value: integer },
	{
		name: "int",
		schema: { type: "int32" },
		value: (r) => r.pick(["2147483647", "-2147483648", "2147483648", "5"]),
	},
	{ name: "long", schema: { type: "int64" }, value: (r) => r.number() },
	{
		name: "real",
		schema: { type: "float" },
		value: (r) => r.pick([r.number(), '"NaN"', "1e39", "0.1"]),
	},
	{
		name: "double",
		schema: { type: "double" },
		value: (r) => r.pick([r.number(), '"NaN"', '"-Infinity"', '"nan"']),
	},
	{
		name: "flag",
		schema: { type: "boolean" },
		value: (r) => r.pick(["true", "false"]),
	},
	{
		name: "text",
		schema: { type: "string" },
		value: (r) => r.quoted(r.text()),
	},
	{
		name: "bytes",
		schema: { type: "bytes" },
		value: (r) => (r.chance(8) ? '"a\\/b="' : base64(r, 20)),
	},
	{
		name: "decimal",
		schema: {
			...semantic("org.apache.kafka.connect.data.Decimal", "bytes"),
			parameters: { scale: "2", "connect.decimal.precision": "10" },
		},
		value: (r) => base64(r, r.pick([1, 4, 5, 6, 9])),
	},
	{
		name: "wide",
		schema: {
			...semantic("org.apache.kafka.connect.data.Decimal", "bytes"),
			parameters: { scale: "5", "connect.decimal.precision": "30" },
		},
		value: (r) => base64(r, 14),
	},
	{
		name: "variable",
		schema: semantic("io.debezium.data.VariableScaleDecimal", "struct"),
		value: (r) =>
			r.pick([
				`{"scale":${r.below(5)},"value":${base64(r, 12)}}`,
				'{"scale":-2,"value":"BQ=="}',
				'{"scale":"x","value":"BQ=="}',
				"5",
			]),
	},
	{
		name: "day",
		schema: semantic("io.debezium.time.Date", "int32"),
		value: (r) => r.pick([integer(r), "20000", "-1", "2147483648"]),
	},
	{
		name: "ms",
		schema: semantic("io.debezium.time.Timestamp", "int64"),
		value: (r) =>
			r.pick(["1767225600000", "-1", "9007199254740993", r.number()]),
	},
	{
		name: "us",
		schema: semantic("io.debezium.time.MicroTimestamp", "int64"),
		value: (r) => r.pick(["1767225600000123", "-5", r.number()]),
	},
	{
		name: "ns",
		schema: semantic("io.debezium.time.NanoTimestamp", "int64"),
		value: (r) => r.pick(["1767225600000123456", "-1500", "999", r.number()]),
	},
	{
		name: "zoned",
		schema: semantic("io.debezium.time.ZonedTimestamp", "string"),
		value: (r) =>
			r.pick([
				'"2026-01-02T03:04:05Z"',
				'"2026-01-02T03:04:05.6Z"',
				'"2026-12-31T23:59:59.999999Z"',
				'"2026-01-02T03:04:05.123456789Z"',
				'"2024-02-29T00:00:00Z"',
				'"2023-02-29T00:00:00Z"',
				'"1969-12-31T23:59:59.5+02:30"',
				'"0001-01-01T00:00:00Z"',
				'"9999-12-31T23:59:59.999999Z"',
				'"+12026-01-01T00:00:00Z"',
				'"2026-01-02 03:04:05Z"',
				'"2026-13-02T03:04:05Z"',
				'"2026-01-02T24:00:00Z"',
				'"2026-01-02T03:04:60Z"',
				'"2026-01-02T03:04:05.Z"',
				'"infinity"',
				'"2026\\u002d01-02T03:04:05Z"',
			]),
	},
	{
		name: "time",
		schema: semantic("io.debezium.time.MicroTime", "int64"),
		value: (r) =>
			r.pick(["45296123456", "0", "-3020399000000", "1e3", r.number()]),
	},
	{
		name: "timems",
		schema: semantic("io.debezium.time.Time", "int32"),
		value: (r) => r.pick(["45296123", "86399999", integer(r)]),
	},
	{
		name: "timens",
		schema: semantic("io.debezium.time.NanoTime", "int64"),
		value: (r) => r.pick(["45296123456789", "999", integer(r)]),
	},
	{
		name: "point",
		schema: {
			type: "struct",
			fields: [
				{ type: "double", field: "x" },
				{ type: "bytes", field: "wkb", optional: true },
			],
		},
		value: (r) =>
			r.pick([
				`{"x":${r.number()},"wkb":${base64(r, 9)}}`,
				`{"wkb":null,"x":1}`,
				"{}",
				'{"x":"far"}',
				"[1]",
			]),
	},
	{
		name: "tags",
		schema: { type: "array", items: { type: "string" } },
		value: (r) =>
			r.pick([
				'["a","b"]',
				"[]",
				"[null]",
				'["a",5]',
				'"a"',
				`[${r.quoted(r.text())}]`,
			]),
	},
	{
		name: "points",
		schema: {
			type: "array",
			items: { type: "struct", fields: [{ type: "int32", field: "x" }] },
		},
		value: (r) =>
			r.pick([
				'[{"x":1},{"x":null},{}]',
				"[null]",
				"[]",
				'[{"x":3000000000}]',
				"[{}]",
			]),
	},
	{
		name: "map",
		schema: { type: "map", values: { type: "string" } },
		value: (r) =>
			r.pick([
				'{"a": "b"}',
				"[1, 2]",
				"5",
				"true",
				'"text"',
				r.quoted(r.text()),
			]),
	},
	{ name: "Int", schema: { type: "int32" }, value: integer },
	{ name: "_deleted", schema: { type: "boolean" }, value: () => "true" },
	{
		name: "sp ace",
		schema: { type: "string" },
		value: (r) => r.quoted(r.text()),
	},
];

export interface RelationalTable {
	readonly columns: readonly Column[];
	readonly schema: string;
}

export function relationalTable(random: RandomRecords): RelationalTable {
	const columns = COLUMNS.filter(
		({ name }) => name === "id" || !random.chance(3),
	);
	return {
		columns,
		schema: JSON.stringify({
			type: "struct",
			fields: ["before", "after"].map((field) => ({
				type: "struct",
				optional: true,
				field,
				fields: columns.map(({ name, schema }) => ({
					...schema,
					optional: true,
					field: name,
				})),
			})),
		}),
	};
}

export function relationalRow(
	random: RandomRecords,
	{ columns }: RelationalTable,
): string {
	const order = random.chance(10) ? random.shuffled(columns) : columns;
	const fields = order
		.filter(() => !random.chance(20))
		.flatMap((column) => (random.chance(60) ? [column, column] : [column]))
		.map(({ name, value }) => {
			const text = random.chance(15)
				? "null"
				: random.chance(25)
					? random.value(name)
					: value(random);
			return `${random.space()}${random.chance(30) ? random.quoted(name) : JSON.stringify(name)}:${random.space()}${text}`;
		});
	if (random.chance(50)) fields.push('"stranger":1');
	return `{${fields.join(",")}}`;
}
