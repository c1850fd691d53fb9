import { expect, test } from "vitest";
import {
	array,
	field,
	type StructType,
	struct,
} from "../../../src/columnar/types.ts";
import { alterTable } from "../../../src/delta/alter.ts";
import { createTable } from "../../../src/delta/write.ts";
import { DEFAULT_SCHEMA } from "../../../src/writer/schema-rules.ts";
import {
	documentChange,
	typedChange,
	WrittenTable,
} from "../../support/written-table.ts";

const INT32 = { type: "int32" };
const INT64 = { type: "int64" };
const decimal = (precision: number, scale: number): object => ({
	type: "bytes",
	name: "org.apache.kafka.connect.data.Decimal",
	parameters: {
		scale: String(scale),
		"connect.decimal.precision": String(precision),
	},
});
const unscaled = (value: bigint): string => {
	const hex = BigInt.asUintN(128, value).toString(16).padStart(32, "0");
	return JSON.stringify(Buffer.from(hex, "hex").toString("base64"));
};

test("columns whose types a source widens are widened, and older rows keep their values", async () => {
	const table = new WrittenTable({ source: "postgresql", mode: "append" });
	await table.write(
		typedChange({
			id: [INT32, "1"],
			n: [INT32, "-2147483648"],
			real: [{ type: "float" }, "0.5"],
			price: [decimal(10, 2), unscaled(-1n)],
			whole: [INT32, "7"],
			day: [{ type: "int32", name: "io.debezium.time.Date" }, "-1"],
			tags: [{ type: "array", items: INT32 }, "[1,null]"],
			point: [
				{ type: "struct", fields: [{ ...INT32, field: "x" }] },
				'{"x":3}',
			],
			points: [
				{
					type: "array",
					items: { type: "struct", fields: [{ ...INT32, field: "x" }] },
				},
				'[{"x":4}]',
			],
		}),
	);
	const { schemaChanges } = await table.write(
		typedChange({
			id: [INT32, "2"],
			n: [INT64, "9223372036854775807"],
			real: [{ type: "double" }, "0.1"],
			price: [decimal(12, 4), unscaled(123456789012n)],
			whole: [decimal(12, 2), unscaled(150n)],
			day: [
				{ type: "int64", name: "io.debezium.time.MicroTimestamp" },
				"1500000",
			],
			tags: [{ type: "array", items: INT64 }, "[9007199254740993]"],
			point: [
				{ type: "struct", fields: [{ ...INT64, field: "x" }] },
				'{"x":9007199254740993}',
			],
			points: [
				{
					type: "array",
					items: {
						type: "struct",
						fields: [{ type: "double", field: "x" }],
					},
				},
				'[{"x":4.5}]',
			],
		}),
	);
	expect(
		schemaChanges.map((one) => [
			one.kind,
			one.path.join("."),
			...(one.kind === "drop" ? [] : [one.from, one.to]),
		]),
	).toEqual([
		["widen", "n", "integer", "long"],
		["widen", "real", "float", "double"],
		["widen", "price", "decimal(10,2)", "decimal(12,4)"],
		["widen", "whole", "integer", "decimal(12,2)"],
		["widen", "day", "date", "timestamp_ntz"],
		["widen", "tags.element", "integer", "long"],
		["widen", "point.x", "integer", "long"],
		["widen", "points.element.x", "integer", "double"],
	]);
	const { protocol, metadata } = await table.snapshot();
	expect(protocol.readerFeatures).toContain("typeWidening");
	expect(metadata.configuration["delta.enableTypeWidening"]).toBe("true");
	// A writer that starts now knows the table only.
	table.restart();
	await table.write(typedChange({ id: [INT32, "3"], n: [INT32, "5"] }));
	expect((await table.rows()).sort(byId)).toEqual([
		{
			id: "1",
			n: "-2147483648",
			real: "0.5",
			price: "-0.0100",
			whole: "7.00",
			day: '"1969-12-31T00:00:00.000000"',
			tags: "[1,null]",
			point: '{"x":3}',
			points: '[{"x":4}]',
		},
		{
			id: "2",
			n: "9223372036854775807",
			real: "0.1",
			price: "12345678.9012",
			whole: "1.50",
			day: '"1970-01-01T00:00:01.500000"',
			tags: "[9007199254740993]",
			point: '{"x":9007199254740993}',
			points: '[{"x":4.5}]',
		},
		{ id: "3", n: "5" },
	]);
});

test("a value that needs a wider type widens its column in the middle of a batch", async () => {
	const table = await existing(
		struct(
			field("_id", "long"),
			field("n", "integer"),
			field("tiny", "byte"),
			field("real", "float"),
			field("price", "decimal(5,2)"),
			field("list", array("integer")),
			field("inner", struct(field("n", "integer"))),
		),
	);
	await table.write(
		documentChange(
			'{"_id":1,"n":1,"tiny":1,"price":1,"list":[1],"inner":{"n":1}}',
		),
		documentChange(
			'{"_id":2,"n":2147483648,"tiny":0.5,"real":0.1,"price":{"$numberLong":"12345"},"list":[2,2147483648],"inner":{"n":{"$numberLong":"-2147483649"}}}',
		),
		documentChange('{"_id":3,"n":3,"tiny":-128,"list":[],"inner":{}}'),
	);
	expect((await table.rows()).sort(byId)).toEqual([
		{
			_id: "1",
			n: "1",
			tiny: "1",
			price: "1.00",
			list: "[1]",
			inner: '{"n":1}',
		},
		{
			_id: "2",
			n: "2147483648",
			tiny: "0.5",
			real: "0.1",
			price: "12345.00",
			list: "[2,2147483648]",
			inner: '{"n":-2147483649}',
		},
		{ _id: "3", n: "3", tiny: "-128", list: "[]", inner: '{"n":null}' },
	]);
	expect(await table.types()).toMatchObject({
		n: "long",
		tiny: "double",
		real: "double",
		price: "decimal(7,2)",
	});
});

test("where Delta has no wider type, the value is rescued and the table stays as it is", async () => {
	const table = new WrittenTable({ source: "postgresql", mode: "append" });
	await table.write(
		typedChange({
			id: [INT32, "1"],
			big: [INT64, "1"],
			text: [{ type: "string" }, '"a"'],
			price: [decimal(38, 0), unscaled(1n)],
		}),
	);
	const { schemaChanges } = await table.write(
		typedChange({
			id: [INT32, "2"],
			big: [{ type: "double" }, "2.5"],
			text: [INT32, "5"],
			price: [decimal(38, 1), unscaled(5n)],
		}),
	);
	expect(schemaChanges.map(({ kind, path }) => [kind, ...path])).toEqual([
		["add", "_rescued_data"],
	]);
	expect((await table.rows()).find(({ id }) => id === "2")).toEqual({
		id: "2",
		_rescued_data: JSON.stringify(
			`{"big":2.5,"text":5,"price":${unscaled(5n)}}`,
		),
	});
});

test("with onWiden: rescue no type of the table changes, and the larger values are rescued", async () => {
	const table = new WrittenTable({
		source: "postgresql",
		mode: "append",
		config: { schema: { ...DEFAULT_SCHEMA, onWiden: "rescue" } },
	});
	await table.write(typedChange({ id: [INT32, "1"], n: [INT32, "1"] }));
	const { schemaChanges } = await table.write(
		typedChange({ id: [INT32, "2"], n: [INT64, "2147483648"] }),
		typedChange({ id: [INT32, "3"], n: [INT64, "2147483647"] }),
	);
	expect(schemaChanges.map(({ path }) => path.join("."))).toEqual([
		"_rescued_data",
	]);
	expect((await table.rows()).sort(byId)).toEqual([
		{ id: "1", n: "1" },
		{ id: "2", _rescued_data: JSON.stringify('{"n":2147483648}') },
		{ id: "3", _rescued_data: JSON.stringify('{"n":2147483647}') },
	]);
	expect((await table.snapshot()).protocol.readerFeatures ?? []).not.toContain(
		"typeWidening",
	);
});

test("a mirror whose key is widened finds the old rows of its keys", async () => {
	const table = new WrittenTable({ source: "postgresql", mode: "upsert" });
	const row = (type: object, id: string, v: string) =>
		typedChange({ id: [type, id], v: [{ type: "string" }, `"${v}"`] });
	await table.write(row(INT32, "1", "a"), row(INT32, "2", "b"));
	await table.write(row(INT64, "1", "c"), row(INT64, "4294967297", "d"));
	table.restart();
	await table.write(row(INT64, "2", "e"), row(INT64, "4294967297", "f"));
	expect((await table.rows()).sort(byId)).toEqual([
		{ id: "1", v: '"c"' },
		{ id: "2", v: '"e"' },
		{ id: "4294967297", v: '"f"' },
	]);
});

test("a batch that was decoded before another writer widened its column is written with the wider type", async () => {
	const table = new WrittenTable({ source: "postgresql", mode: "append" });
	await table.write(
		typedChange({ id: [INT32, "1"], n: [INT32, "1"], list: LIST }),
	);
	await table.feed(
		typedChange({ id: [INT32, "2"], n: [INT32, "2"], list: LIST }),
	);
	await alterTable(table.engine, await table.snapshot(), {
		kind: "set-properties",
		properties: { "delta.enableTypeWidening": "true" },
	});
	await alterTable(table.engine, await table.snapshot(), {
		kind: "merge-schema",
		schema: struct(field("n", "double"), field("list", array("long"))),
	});
	expect(await table.flush()).toMatchObject({ kind: "committed" });
	expect((await table.rows()).sort(byId)).toEqual([
		{ id: "1", n: "1", list: "[1]" },
		{ id: "2", n: "2", list: "[1]" },
	]);
});

const LIST = [{ type: "array", items: INT32 }, "[1]"] as const;

function byId(
	a: Readonly<Record<string, string>>,
	b: Readonly<Record<string, string>>,
): number {
	return Number(a.id ?? a._id) - Number(b.id ?? b._id);
}

/** A table of documents that another writer has made. */
async function existing(schema: StructType): Promise<WrittenTable> {
	const table = new WrittenTable({ source: "mongodb", mode: "append" });
	await createTable(table.engine, { schema });
	return table;
}
