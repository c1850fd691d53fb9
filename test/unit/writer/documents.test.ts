import { expect, test } from "vitest";
import {
	DEFAULT_SCHEMA,
	type SchemaConfig,
} from "../../../src/writer/schema-rules.ts";
import {
	documentChange,
	typedChange,
	WrittenTable,
} from "../../support/written-table.ts";

const OID = "6560aa0000000000000000aa";

test.each(["append", "upsert"] as const)(
	"%s, documents as JSON: every value of such a column is JSON, also after a restart",
	async (mode) => {
		const table = tableWith({ documents: "json" }, mode);
		await table.write(
			documentChange(
				`{"_id":1,"in":{"at":{"$date":5},"n":{"$numberLong":"9007199254740993"}},"list":[1,"x",{"y":[]}],"text":"{\\"not\\":\\"json\\"}","oid":{"$oid":"${OID}"}}`,
				{ id: "1" },
			),
		);
		table.restart();
		await table.write(
			documentChange('{"_id":2,"in":"text","list":{},"text":"plain"}', {
				id: "2",
			}),
			documentChange('{"_id":3,"in":null,"list":5,"text":{"a":1}}', {
				id: "3",
			}),
		);
		expect(await table.types()).toMatchObject({
			in: "string",
			list: "string",
			text: "string",
		});
		expect(await sorted(table)).toEqual([
			{
				_id: "1",
				in: JSON.stringify(
					'{"at":{"$date":5},"n":{"$numberLong":"9007199254740993"}}',
				),
				list: JSON.stringify('[1,"x",{"y":[]}]'),
				text: JSON.stringify('{"not":"json"}'),
				oid: JSON.stringify(OID),
			},
			{
				_id: "2",
				in: JSON.stringify('"text"'),
				list: JSON.stringify("{}"),
				text: '"plain"',
			},
			{
				_id: "3",
				list: JSON.stringify("5"),
				// A column of texts stays one: a document in it would look like one of them.
				_rescued_data: JSON.stringify('{"text":{"a":1}}'),
			},
		]);
	},
);

test.each(["append", "upsert"] as const)(
	"%s, documents as variants: BSON's types are those of the variant, and nothing is lost",
	async (mode) => {
		const table = tableWith({ documents: "variant" }, mode);
		await table.write(
			documentChange(
				`{"_id":1,"v":{"oid":{"$oid":"${OID}"},"long":{"$numberLong":"9223372036854775807"},"int":-5,"double":3.0,"nan":{"$numberDouble":"NaN"},"at":{"$date":1767323045678},"decimal":{"$numberDecimal":"12.50"},"huge":{"$numberDecimal":"1E+400"},"bin":{"$binary":"aGk=","$type":"00"},"uuid":{"$binary":"AAECAwQFBgcICQoLDA0ODw==","$type":"04"},"regex":{"$regularExpression":{"pattern":"a","options":"i"}},"null":null,"flag":true,"mixed":[1,"x",{"$oid":"${OID}"},[]],"":{"a.b":{"$c":1}}}}`,
				{ id: "1" },
			),
		);
		table.restart();
		await table.write(
			documentChange('{"_id":2,"v":"text"}', { id: "2" }),
			documentChange('{"_id":3,"v":[1e400,123456789012345678901234567890]}', {
				id: "3",
			}),
		);
		const { protocol } = await table.snapshot();
		expect(protocol.readerFeatures).toContain("variantType");
		expect(await table.types()).toMatchObject({ v: "variant" });
		const rows = await sorted(table);
		expect(JSON.parse(rows[0]?.v ?? "")).toEqual({
			oid: OID,
			long: expect.anything(),
			int: -5,
			double: 3,
			nan: "NaN",
			at: "2026-01-02T03:04:05.678000Z",
			decimal: 12.5,
			huge: "1E+400",
			bin: "aGk=",
			uuid: "00010203-0405-0607-0809-0a0b0c0d0e0f",
			regex: { $regularExpression: { pattern: "a", options: "i" } },
			null: null,
			flag: true,
			mixed: [1, "x", OID, []],
			"": { "a.b": { $c: 1 } },
		});
		expect(rows[0]?.v).toContain('"long":9223372036854775807');
		expect(rows[0]?.v).toContain('"decimal":12.50');
		expect(rows.slice(1)).toEqual([
			{ _id: "2", v: '"text"' },
			{ _id: "3", v: '["1e400",123456789012345678901234567890]' },
		]);
	},
);

test("columns as deep as maxDepth says, and JSON below, in arrays too", async () => {
	const table = tableWith({ maxDepth: 2 });
	await table.write(
		documentChange(
			'{"_id":{"k":{"l":{"m":1}}},"a":{"b":{"c":{"d":1}},"e":1},"list":[{"x":[1,{"y":2}]}]}',
		),
	);
	table.restart();
	await table.write(
		documentChange('{"_id":{"k":{"l":2}},"list":[{"x":"text"},null]}'),
	);
	expect(await table.types()).toMatchObject({
		a: expect.stringContaining('"name":"c","type":"string"'),
		list: expect.stringContaining('"name":"x","type":"string"'),
	});
	expect(await table.rows()).toEqual(
		expect.arrayContaining([
			{
				_id: '{"k":{"l":"{\\"m\\":1}"}}',
				a: '{"b":{"c":"{\\"d\\":1}"},"e":1}',
				list: '[{"x":"[1,{\\"y\\":2}]"}]',
			},
			{ _id: '{"k":{"l":"2"}}', list: '[{"x":"\\"text\\""},null]' },
		]),
	);
});

test.each(["columns", "variant", "json"] as const)(
	"a document nested 20,000 levels deep stops nothing: %s",
	async (documents) => {
		const table = tableWith({ documents });
		const deep = `${'{"a":['.repeat(10_000)}1${"]}".repeat(10_000)}`;
		const outcomes = await table.feed(
			documentChange(`{"_id":1,"deep":${deep}}`),
			documentChange('{"_id":2,"deep":{"a":[{"b":1}]}}'),
		);
		expect(outcomes.map((one) => one?.kind)).toEqual(["row", "row"]);
		await table.flush();
		const [first] = await sorted(table);
		// Every level is there: as columns, in a variant, as JSON in what is deepest, or rescued.
		expect(JSON.stringify(first).match(/a/g)?.length).toBeGreaterThanOrEqual(
			10_000,
		);
	},
);

test("jsonb columns of a relational source become variants too", async () => {
	const json = { type: "string", name: "io.debezium.data.Json" };
	const table = new WrittenTable({
		source: "postgresql",
		mode: "upsert",
		config: { schema: { ...DEFAULT_SCHEMA, documents: "variant" } },
	});
	const row = (id: number, text: string) =>
		typedChange({
			id: [{ type: "int32" }, String(id)],
			doc: [json, JSON.stringify(text)],
			plain: [{ type: "string" }, '"{}"'],
		});
	await table.write(
		row(1, '{"a": 1.50, "b": [true, null]}'),
		row(2, '"text"'),
		row(3, "{no json"),
	);
	await table.write(row(1, '{"a": 2}'));
	expect(await table.types()).toMatchObject({
		doc: "variant",
		plain: "string",
	});
	expect(await sorted(table)).toEqual([
		{ id: "1", doc: '{"a":2}', plain: '"{}"' },
		{ id: "2", doc: '"text"', plain: '"{}"' },
		{
			id: "3",
			plain: '"{}"',
			_rescued_data: JSON.stringify('{"doc":"{no json"}'),
		},
	]);
});

test("a mirror finds the rows of keys that are documents, whatever documents become", async () => {
	for (const documents of ["columns", "variant", "json"] as const) {
		const table = tableWith({ documents }, "upsert");
		const id = '{"a":1,"b":{"$oid":"6560aa0000000000000000aa"}}';
		await table.write(
			documentChange(`{"_id":${id},"v":{"x":1}}`, { id }),
			documentChange('{"_id":{"a":2},"v":{"x":2}}', { id: '{"a":2}' }),
		);
		await table.write(documentChange(`{"_id":${id},"v":{"x":3}}`, { id }));
		expect((await table.rows()).map(({ v }) => v).sort()).toEqual(
			documents === "json"
				? [JSON.stringify('{"x":2}'), JSON.stringify('{"x":3}')]
				: ['{"x":2}', '{"x":3}'],
		);
		await table.write(documentChange("", { op: "d", id }));
		expect(await table.rows()).toHaveLength(1);
	}
});

test("JSON is not written to a column that another writer made one of plain texts", async () => {
	const table = tableWith({ documents: "json" });
	await table.write(documentChange('{"_id":1}'));
	const other = tableWith({ documents: "json" }, "append", table);
	await table.feed(documentChange('{"_id":2,"x":{"a":1}}'));
	await other.write(
		documentChange('{"_id":1}'),
		documentChange('{"_id":9,"x":"text"}'),
	);
	expect(await table.flush()).toMatchObject({
		kind: "fenced",
		reason: expect.stringContaining("column x holds documents here"),
	});
});

function tableWith(
	schema: Partial<SchemaConfig>,
	mode: "append" | "upsert" = "append",
	beside?: WrittenTable,
): WrittenTable {
	return new WrittenTable({
		source: "mongodb",
		mode,
		config: {
			schema: { ...DEFAULT_SCHEMA, ...schema },
			...(beside === undefined ? {} : { pipeline: "default.other" }),
		},
		...(beside === undefined ? {} : { store: beside.engine.store }),
	});
}

async function sorted(table: WrittenTable): Promise<Record<string, string>[]> {
	const rows = await table.rows();
	return rows.sort((a, b) => Number(a._id ?? a.id) - Number(b._id ?? b.id));
}
