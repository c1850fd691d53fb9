import { expect, test } from "vitest";
import {
	array,
	type DataType,
	field,
	type StructType,
	struct,
} from "../../../src/columnar/types.ts";
import { canWiden } from "../../../src/columnar/widening.ts";
import { mergeSchema, parseSchema } from "../../../src/delta/schema.ts";
import {
	checkTypeChanges,
	TYPE_CHANGES,
} from "../../../src/delta/type-widening.ts";

const map = (keyType: DataType, valueType: DataType): DataType => ({
	type: "map",
	keyType,
	valueType,
	valueContainsNull: true,
});

const parse = (fields: unknown): StructType =>
	parseSchema(JSON.stringify({ type: "struct", fields }), "s3://t");

test("a schema comes back from its text", () => {
	const schema = struct(
		field("a", "decimal(38,10)", { nullable: false }),
		field("b", array(map("string", struct(field("c", "variant")))), {
			metadata: { comment: "x", "delta.columnMapping.id": 1 },
		}),
		field("v", "void"),
	);
	expect(parseSchema(JSON.stringify(schema), "t")).toEqual(schema);
	const older = [
		{ name: "a", type: "decimal", nullable: true },
		{ name: "b", type: "decimal( 5 , 2 )", nullable: true },
		{ name: "c", type: "null", nullable: true, metadata: { x: 1 } },
	];
	expect(parse(older).fields.map(({ type }) => type)).toEqual([
		"decimal(10,0)",
		"decimal(5,2)",
		"void",
	]);
	expect(parse(older).fields[0]?.metadata).toEqual({});
});

test("a type that is not known is refused with its field", () => {
	const one = (type: unknown) => [
		{ name: "o", type: struct(), nullable: true, metadata: {} },
		{
			name: "p",
			type: { type: "array", elementType: type, containsNull: true },
			nullable: true,
			metadata: {},
		},
	];
	for (const type of [
		"interval day",
		"geometry",
		"decimal(39,0)",
		"decimal(5,6)",
		"decimal(0,0)",
		"decimal(5,-1)",
		"varchar(3)",
		"",
		"__proto__",
	])
		expect(() => parse(one(type))).toThrow(
			expect.objectContaining({
				code: "DELTA_UNSUPPORTED_READER",
				message: `s3://t: the column p.element has the type ${type}, which this engine does not read`,
			}),
		);
	expect(() => parse(one({ type: "udt", class: "x" }))).toThrow(/type udt/);
});

test("a schema that breaks the format is refused with its field", () => {
	const base = { name: "a", type: "long", nullable: true, metadata: {} };
	const cases: [unknown, RegExp][] = [
		[[base, { ...base, name: "A" }], /A and the column a differ only in case/],
		[[base, base], /a is there twice/],
		[[{ ...base, nullable: undefined }], /a does not say/],
		[[{ ...base, name: undefined }], /the table has a field without a name/],
		[[{ ...base, type: undefined }], /a has no type/],
		[[{ ...base, type: null }], /a has no type/],
		[[{ ...base, metadata: [] }], /metadata of the column a/],
		[[{ ...base, type: { type: "struct" } }], /a is a struct without/],
		[
			[{ ...base, type: { type: "array", elementType: "long" } }],
			/a has a type without containsNull/,
		],
		[
			[{ ...base, type: { type: "map", keyType: "long", valueType: 1 } }],
			/a.value has no type/,
		],
		[undefined, /without a list of fields/],
		[["x"], /without a name/],
	];
	for (const [fields, message] of cases) {
		expect(() => parse(fields)).toThrow(message);
		expect(() => parse(fields)).toThrow(
			expect.objectContaining({ code: "DELTA_LOG_INVALID" }),
		);
	}
	for (const text of ["", "{", "null", "[]", '"long"', '{"type":"array"}'])
		expect(() => parseSchema(text, "t")).toThrow(/is not a schema/);
});

test("new fields are added at any depth, nullable and without mapping", () => {
	const table = struct(
		field("Id", "long", { nullable: false }),
		field("s", array(struct(field("x", "long")))),
		field("m", map("string", struct(field("y", "long")))),
	);
	const merged = mergeSchema(
		table,
		struct(
			field("new", "string", {
				nullable: false,
				metadata: { "delta.columnMapping.id": 9, comment: "c" },
			}),
			field("ID", "integer"),
			field("S", array(struct(field("z", "date"), field("X", "long")))),
			field("m", map("string", struct(field("w", "long")))),
		),
	);
	expect(merged.conflicts).toEqual([]);
	expect(
		merged.changes.map(({ kind, path }) => [kind, path.join(".")]),
	).toEqual([
		["add", "new"],
		["add", "s.element.z"],
		["add", "m.value.w"],
	]);
	expect(merged.schema).toEqual(
		struct(
			field("Id", "long", { nullable: false }),
			field("s", array(struct(field("x", "long"), field("z", "date")))),
			field("m", map("string", struct(field("y", "long"), field("w", "long")))),
			field("new", "string", { metadata: { comment: "c" } }),
		),
	);
});

test("a schema with nothing new is the table's own, not a change", () => {
	const table = struct(
		field("a", "double"),
		field("l", array(map("long", struct(field("b", "decimal(20,2)"))))),
	);
	const merged = mergeSchema(
		table,
		struct(
			field("A", "integer"),
			field("l", array(map("short", struct(field("b", "decimal(10,2)"))))),
		),
		{ widen: true },
	);
	expect(merged.schema).toBe(table);
	expect(merged.changes).toEqual([]);
});

test("widened types leave their history at the nearest field", () => {
	const table = struct(
		field("a", "byte"),
		field("m", map("short", array(struct(field("d", "date"))))),
		field("l", array(array("integer"))),
	);
	const more = (a: DataType) =>
		struct(
			field("a", a),
			field("m", map("long", array(struct(field("d", "timestamp_ntz"))))),
			field("l", array(array("decimal(12,2)"))),
		);
	const once = mergeSchema(table, more("integer"), { widen: true });
	expect(once.conflicts).toEqual([]);
	expect(once.changes.map(({ path }) => path.join("."))).toEqual([
		"a",
		"m.key",
		"m.value.element.d",
		"l.element.element",
	]);
	const twice = mergeSchema(once.schema, more("double"), { widen: true });
	const [a, m, l] = twice.schema.fields;
	expect(a?.metadata[TYPE_CHANGES]).toEqual([
		{ fromType: "byte", toType: "integer" },
		{ fromType: "integer", toType: "double" },
	]);
	expect(m?.metadata[TYPE_CHANGES]).toEqual([
		{ fromType: "short", toType: "long", fieldPath: "key" },
	]);
	expect(JSON.stringify(m?.type)).toContain(
		'"metadata":{"delta.typeChanges":[{"fromType":"date","toType":"timestamp_ntz"}]}',
	);
	expect(l?.metadata[TYPE_CHANGES]).toEqual([
		{
			fromType: "integer",
			toType: "decimal(12,2)",
			fieldPath: "element.element",
		},
	]);
	checkTypeChanges(twice.schema, "t");
	const refused = mergeSchema(table, more("integer"));
	expect(refused.schema).toBe(table);
	expect(refused.conflicts).toHaveLength(4);
});

test("void becomes any type, without a history", () => {
	const merged = mergeSchema(
		struct(field("v", "void"), field("w", "long")),
		struct(field("v", array("long")), field("w", "void")),
	);
	expect(merged.conflicts).toEqual([]);
	expect(merged.schema).toEqual(
		struct(field("v", array("long")), field("w", "long")),
	);
	expect(merged.changes).toHaveLength(1);
});

test("types that have nothing in common conflict", () => {
	for (const [a, b] of [
		["string", "long"],
		["long", struct()],
		[array("long"), struct()],
		["long", "double"],
		["long", "decimal(19,0)"],
		["timestamp", "timestamp_ntz"],
	] as [DataType, DataType][]) {
		const merged = mergeSchema(struct(field("x", a)), struct(field("x", b)), {
			widen: true,
		});
		expect(merged.conflicts).toEqual([{ path: ["x"], table: a, incoming: b }]);
		expect(merged.changes).toEqual([]);
	}
});

test("exactly the protocol's changes of type are known", () => {
	const types: DataType[] = [
		"byte",
		"short",
		"integer",
		"long",
		"float",
		"double",
		"date",
		"timestamp",
		"timestamp_ntz",
		"string",
		"boolean",
		"decimal(9,0)",
		"decimal(10,0)",
		"decimal(12,2)",
		"decimal(20,0)",
		"decimal(22,3)",
	];
	const known = types.flatMap((from) =>
		types
			.filter((to) => from !== to && canWiden(from, to))
			.map((to) => `${from} ${to}`),
	);
	expect(known.sort()).toEqual(
		[
			"byte short",
			"byte integer",
			"byte long",
			"short integer",
			"short long",
			"integer long",
			"byte double",
			"short double",
			"integer double",
			"float double",
			"date timestamp_ntz",
			...["byte", "short", "integer"].flatMap((from) =>
				["10,0", "12,2", "20,0", "22,3"].map((to) => `${from} decimal(${to})`),
			),
			"long decimal(20,0)",
			"decimal(9,0) decimal(10,0)",
			"decimal(9,0) decimal(12,2)",
			"decimal(9,0) decimal(20,0)",
			"decimal(9,0) decimal(22,3)",
			"decimal(10,0) decimal(12,2)",
			"decimal(10,0) decimal(20,0)",
			"decimal(10,0) decimal(22,3)",
			"decimal(12,2) decimal(22,3)",
		].sort(),
	);
});

test("a change of type that is not known is refused with its column", () => {
	const changed = (changes: unknown) =>
		struct(
			field(
				"s",
				struct(field("x", "string", { metadata: { [TYPE_CHANGES]: changes } })),
			),
		);
	expect(() =>
		checkTypeChanges(
			changed([
				{ fromType: "byte", toType: "long", tableVersion: 3 },
				{ fromType: "long", toType: "string", fieldPath: "element" },
			]),
			"t",
		),
	).toThrow(
		expect.objectContaining({
			code: "DELTA_UNSUPPORTED_READER",
			message: expect.stringContaining(
				"s.x.element was changed from long to string",
			) as string,
		}),
	);
	for (const broken of [{}, [1], [{ fromType: "long" }], [null]])
		expect(() => checkTypeChanges(changed(broken), "t")).toThrow(
			expect.objectContaining({ code: "DELTA_LOG_INVALID" }),
		);
});
