/** A value of MongoDB, and what it becomes. */
export interface DocumentCase {
	readonly type: string;
	/** As the connector writes it. */
	readonly json: string;
	/** The column's type; absent where the value is rescued. */
	readonly delta?: string;
	/** The stored value as JSON. */
	readonly value?: string;
}

/** A value of a relational source, and what it becomes with and without its schema. */
export interface TypedCase {
	readonly type: string;
	readonly schema: object;
	readonly json: string;
	readonly delta: string;
	readonly value: string;
	/** Without a schema: the column's type and value by the JSON alone. */
	readonly plain: readonly [delta: string, value: string];
}

const OID = '"6560aa0000000000000000aa"';

export const DOCUMENT_CASES: readonly DocumentCase[] = [
	{ type: "ObjectId", json: `{"$oid": ${OID}}`, delta: "string", value: OID },
	{ type: "int32", json: "-5", delta: "long", value: "-5" },
	{
		type: "int64",
		json: '{"$numberLong": "9223372036854775807"}',
		delta: "long",
		value: "9223372036854775807",
	},
	{ type: "double", json: "0.1", delta: "double", value: "0.1" },
	{ type: "double, whole", json: "3.0", delta: "double", value: "3" },
	{
		type: "double, NaN",
		json: '{"$numberDouble": "NaN"}',
		delta: "double",
		value: '"NaN"',
	},
	{ type: "bool", json: "true", delta: "boolean", value: "true" },
	{ type: "string", json: '"ünï"', delta: "string", value: '"ünï"' },
	{
		type: "date",
		json: '{"$date": 1767323045678}',
		delta: "timestamp",
		value: '"2026-01-02T03:04:05.678000Z"',
	},
	{
		type: "date before 1970",
		json: '{"$date": {"$numberLong": "-1"}}',
		delta: "timestamp",
		value: '"1969-12-31T23:59:59.999000Z"',
	},
	{
		type: "Decimal128",
		json: '{"$numberDecimal": "12.500"}',
		delta: "string",
		value: '"12.500"',
	},
	{
		type: "Decimal128, NaN",
		json: '{"$numberDecimal": "NaN"}',
		delta: "string",
		value: '"NaN"',
	},
	{
		type: "binary",
		json: '{"$binary": "3q2+7w==", "$type": "00"}',
		delta: "binary",
		value: '"3q2+7w=="',
	},
	{
		type: "binary, subtype 4 (UUID)",
		json: '{"$binary": "AAECAwQFBgcICQoLDA0ODw==", "$type": "04"}',
		delta: "string",
		value: '"00010203-0405-0607-0809-0a0b0c0d0e0f"',
	},
	{
		type: "binary, subtype 3 (old UUID)",
		json: '{"$binary": "AAECAwQFBgcICQoLDA0ODw==", "$type": "03"}',
		delta: "binary",
		value: '"AAECAwQFBgcICQoLDA0ODw=="',
	},
	kept("regex", '{"$regex": "a.b", "$options": "i"}'),
	kept("timestamp", '{"$timestamp": {"t": 1767323045, "i": 1}}'),
	kept("minKey", '{"$minKey": 1}'),
	kept("maxKey", '{"$maxKey": 1}'),
	kept("code", '{"$code": "f()"}'),
	kept("code with scope", '{"$code": "f()", "$scope": {"x": 1}}'),
	kept("symbol", '{"$symbol": "s"}'),
	kept("dbPointer", `{"$dbPointer": {"$ref": "a", "$id": {"$oid": ${OID}}}}`),
	kept("undefined", '{"$undefined": true}'),
	{
		type: "document",
		json: '{"a": 1, "b": {"c": "x"}}',
		delta: "struct<a: long, b: struct<c: string>>",
		value: '{"a":1,"b":{"c":"x"}}',
	},
	{
		type: "array",
		json: "[1, null, 2]",
		delta: "array<long>",
		value: "[1,null,2]",
	},
	{
		type: "array of documents",
		json: '[{"a": 1}, {"b": true}]',
		delta: "array<struct<a: long, b: boolean>>",
		value: '[{"a":1,"b":null},{"a":null,"b":true}]',
	},
	{ type: "array of mixed types", json: '[1, "x", {"a": 1}]' },
	{ type: "empty array, as the first value", json: "[]" },
	{ type: "empty document, as the first value", json: "{}" },
];

/** With `decimals: decimal(20,4)`. */
export const DECIMAL_CASES: readonly DocumentCase[] = (
	[
		["12.500", "decimal(20,4)", "12.5000"],
		["-0", "decimal(20,4)", "0.0000"],
		["1E+3", "decimal(20,4)", "1000.0000"],
		["-4.2E-7", "decimal(24,8)", "-0.00000042"],
		[
			"1234567890123456789012345678901234",
			"decimal(38,4)",
			"1234567890123456789012345678901234.0000",
		],
		["0.1234567890123456789012345678901234"],
		["1E+6111"],
		["NaN"],
		["-Infinity"],
	] as const
).map(([text, delta, value = text]) => ({
	type: "Decimal128",
	json: `{"$numberDecimal": "${text}"}`,
	...(delta === undefined ? {} : { delta, value }),
}));

/** A value without a counterpart: its Extended JSON. */
function kept(type: string, json: string): DocumentCase {
	return { type, json, delta: "string", value: JSON.stringify(json) };
}

const semantic = (name: string, type: string, more: object = {}): object => ({
	type,
	name,
	version: 1,
	...more,
});

const decimal = (precision: number, scale: number): object =>
	semantic("org.apache.kafka.connect.data.Decimal", "bytes", {
		parameters: {
			scale: String(scale),
			"connect.decimal.precision": String(precision),
		},
	});

/** A type that is the same with and without a schema, but for its width. */
function same(
	type: string,
	schema: object,
	json: string,
	delta: string,
	plain: string,
): TypedCase {
	return { type, schema, json, delta, value: json, plain: [plain, json] };
}

function text(type: string, name: string, json: string): TypedCase {
	return same(type, semantic(name, "string"), json, "string", "string");
}

const DAY = "20454";
const TIME = "45296123456";

export const TYPED_CASES: readonly TypedCase[] = [
	same("int8", { type: "int8" }, "-128", "byte", "long"),
	same("int16", { type: "int16" }, "32767", "short", "long"),
	same("int32", { type: "int32" }, "-2147483648", "integer", "long"),
	same("int64", { type: "int64" }, "9223372036854775807", "long", "long"),
	same("float32", { type: "float" }, "0.5", "float", "double"),
	same("float64", { type: "double" }, "0.1", "double", "double"),
	{
		type: "float64, NaN",
		schema: { type: "double" },
		json: '"NaN"',
		delta: "double",
		value: '"NaN"',
		plain: ["string", '"NaN"'],
	},
	same("boolean", { type: "boolean" }, "true", "boolean", "boolean"),
	same("string", { type: "string" }, '"ünï"', "string", "string"),
	same("bytes", { type: "bytes" }, '"3q2+7w=="', "binary", "string"),
	same(
		"`Bits`",
		semantic("io.debezium.data.Bits", "bytes"),
		'"BQ=="',
		"binary",
		"string",
	),
	{
		type: "`Decimal`, up to 38 digits",
		schema: decimal(10, 2),
		json: '"BOI="',
		delta: "decimal(10,2)",
		value: "12.50",
		plain: ["string", '"BOI="'],
	},
	{
		type: "`Decimal`, more digits",
		schema: decimal(60, 2),
		json: '"BOI="',
		delta: "string",
		value: '"12.50"',
		plain: ["string", '"BOI="'],
	},
	{
		type: "`VariableScaleDecimal`",
		schema: semantic("io.debezium.data.VariableScaleDecimal", "struct"),
		json: '{"scale":3,"value":"BOI="}',
		delta: "string",
		value: '"1.250"',
		plain: ["struct<scale: long, value: string>", '{"scale":3,"value":"BOI="}'],
	},
	{
		type: "`Date`",
		schema: semantic("io.debezium.time.Date", "int32"),
		json: DAY,
		delta: "date",
		value: '"2026-01-01"',
		plain: ["long", DAY],
	},
	moment(
		"`Timestamp`",
		"io.debezium.time.Timestamp",
		"1767323045678",
		"678000",
	),
	moment(
		"`MicroTimestamp`",
		"io.debezium.time.MicroTimestamp",
		"1767323045678901",
		"678901",
	),
	moment(
		"`NanoTimestamp`, cut to µs",
		"io.debezium.time.NanoTimestamp",
		"1767323045678901234",
		"678901",
	),
	moment(
		"Connect's `Timestamp`",
		"org.apache.kafka.connect.data.Timestamp",
		"1767323045678",
		"678000",
	),
	{
		type: "`ZonedTimestamp`",
		schema: semantic("io.debezium.time.ZonedTimestamp", "string"),
		json: '"2026-01-02T03:04:05.678901Z"',
		delta: "timestamp",
		value: '"2026-01-02T03:04:05.678901Z"',
		plain: ["string", '"2026-01-02T03:04:05.678901Z"'],
	},
	clock("`Time`", "io.debezium.time.Time", "int32", "45296123", ".123"),
	clock("`MicroTime`", "io.debezium.time.MicroTime", "int64", TIME, ".123456"),
	clock(
		"`NanoTime`, cut to µs",
		"io.debezium.time.NanoTime",
		"int64",
		`${TIME}789`,
		".123456",
	),
	{
		...clock(
			"`MicroTime`, below zero",
			"io.debezium.time.MicroTime",
			"int64",
			`-${TIME}`,
			"",
		),
		value: '"-12:34:56.123456"',
	},
	text("`ZonedTime`", "io.debezium.time.ZonedTime", '"12:34:56.123Z"'),
	text("`Interval`", "io.debezium.time.Interval", '"P1Y2M3DT4H5M6.7S"'),
	same(
		"`MicroDuration`",
		semantic("io.debezium.time.MicroDuration", "int64"),
		"3600000000",
		"long",
		"long",
	),
	same(
		"`Year`",
		semantic("io.debezium.time.Year", "int32"),
		"2026",
		"integer",
		"long",
	),
	text("`Json`", "io.debezium.data.Json", '"{\\"a\\": [1]}"'),
	text("`Xml`", "io.debezium.data.Xml", '"<a/>"'),
	text(
		"`Uuid`",
		"io.debezium.data.Uuid",
		'"00010203-0405-0607-0809-0a0b0c0d0e0f"',
	),
	text("`Enum`", "io.debezium.data.Enum", '"small"'),
	text("`EnumSet`", "io.debezium.data.EnumSet", '"a,b"'),
	text("`Ltree`", "io.debezium.data.Ltree", '"top.science"'),
	text(
		"`IsoDate`, `IsoTime`, `IsoTimestamp`",
		"io.debezium.time.IsoDate",
		'"2026-01-02Z"',
	),
	{
		type: "`Point`, `Geometry`, `Geography`",
		schema: semantic("io.debezium.data.geometry.Point", "struct", {
			fields: [
				{ type: "double", field: "x" },
				{ type: "double", field: "y" },
				{ type: "bytes", field: "wkb", optional: true },
				{ type: "int32", field: "srid", optional: true },
			],
		}),
		json: '{"x":1.5,"y":2.5,"wkb":"AQ==","srid":4326}',
		delta: "struct<x: double, y: double, wkb: binary, srid: integer>",
		value: '{"x":1.5,"y":2.5,"wkb":"AQ==","srid":4326}',
		plain: [
			"struct<x: double, y: double, wkb: string, srid: long>",
			'{"x":1.5,"y":2.5,"wkb":"AQ==","srid":4326}',
		],
	},
	same(
		"array",
		{ type: "array", items: { type: "int32", optional: true } },
		"[1,null,2]",
		"array<integer>",
		"array<long>",
	),
	same(
		"`DoubleVector`, `FloatVector`",
		semantic("io.debezium.data.DoubleVector", "array", {
			items: { type: "double" },
		}),
		"[0.5,1.5]",
		"array<double>",
		"array<double>",
	),
	{
		type: "map (`hstore`)",
		schema: {
			type: "map",
			keys: { type: "string" },
			values: { type: "string" },
		},
		json: '{"a": "b"}',
		delta: "string",
		value: '"{\\"a\\": \\"b\\"}"',
		plain: ["struct<a: string>", '{"a":"b"}'],
	},
];

function moment(
	type: string,
	name: string,
	json: string,
	fraction: string,
): TypedCase {
	return {
		type,
		schema: semantic(name, "int64"),
		json,
		delta: "timestamp_ntz",
		value: `"2026-01-02T03:04:05.${fraction}"`,
		plain: ["long", json],
	};
}

function clock(
	type: string,
	name: string,
	of: string,
	json: string,
	fraction: string,
): TypedCase {
	return {
		type,
		schema: semantic(name, of),
		json,
		delta: "string",
		value: `"12:34:56${fraction}"`,
		plain: ["long", json],
	};
}
