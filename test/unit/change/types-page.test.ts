import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import type { DataType } from "../../../src/columnar/types.ts";
import {
	DEFAULT_SCHEMA,
	type SchemaRules,
} from "../../../src/writer/schema-rules.ts";
import {
	DECIMAL_CASES,
	DOCUMENT_CASES,
	type DocumentCase,
	TYPED_CASES,
} from "../../support/type-cases.ts";
import {
	documentChange,
	type RecordText,
	typedChange,
	WrittenTable,
} from "../../support/written-table.ts";

const PAGE = resolve(import.meta.dirname, "../../../docs/reference/types.md");

/** Where a value stands: by itself, in a document, in an array. */
const PLACES = [
	["alone", (json: string) => json, (type: string) => type, (v: string) => v],
	[
		"in a document",
		(json: string) => `{"x":${json}}`,
		(type: string) => `struct<x: ${type}>`,
		(v: string) => `{"x":${v}}`,
	],
	[
		"in an array",
		(json: string) => `[${json},null,${json}]`,
		(type: string) => `array<${type}>`,
		(v: string) => `[${v},null,${v}]`,
	],
] as const;

test.each(PLACES)(
	"BSON's types become what the page says, %s",
	async (_, json, type, value) => {
		for (const [cases, decimals] of [
			[DOCUMENT_CASES, "string"],
			[DECIMAL_CASES, "decimal(20,4)"],
		] as const) {
			const fields = cases.map((one, i) => `"c${i}":${json(one.json)}`);
			const found = await written(
				"mongodb",
				documentChange(`{"_id":1,${fields.join(",")}}`),
				{ decimals },
			);
			for (const [i, one] of cases.entries())
				expect([one.json, ...found(i)]).toEqual(
					one.delta === undefined
						? [one.json, "none", "rescued"]
						: [one.json, type(one.delta), value(one.value ?? "")],
				);
		}
	},
);

test("decimals of a column that is there go by its type, whatever the option says", async () => {
	const table = new WrittenTable({
		source: "mongodb",
		mode: "upsert",
		config: { schema: { ...DEFAULT_SCHEMA, decimals: "decimal(20,4)" } },
	});
	const decimal = (text: string): string => `{"$numberDecimal":"${text}"}`;
	await table.write(
		documentChange(
			`{"_id":${decimal("1.0")},"s":"text","l":1,"b":1.5,"d":${decimal("2.5")}}`,
		),
	);
	await table.write(
		documentChange(
			`{"_id":${decimal("NaN")},"s":${decimal("1.10")},"l":${decimal("2.25")},"b":${decimal("1.5")},"d":7}`,
		),
	);
	expect(
		(await table.snapshot()).schema.fields
			.filter(({ name }) => name.length <= 3)
			.map(({ name, type }) => `${name}: ${typeText(type)}`),
	).toEqual([
		"_id: string",
		"s: string",
		"l: decimal(24,4)",
		"b: double",
		"d: decimal(20,4)",
	]);
	const rows = await table.rows();
	expect(rows.map(({ _id, s, l, b, d }) => [_id, s, l, b, d])).toEqual([
		['"1.0"', '"text"', "1.0000", "1.5", "2.5000"],
		['"NaN"', '"1.10"', "2.2500", undefined, "7.0000"],
	]);
});

test.each(PLACES)(
	"relational types become what the page says, %s",
	async (place, json, type, value) => {
		const columns = TYPED_CASES.map(({ schema }) =>
			place === "alone"
				? schema
				: place === "in an array"
					? { type: "array", items: { ...schema, optional: true } }
					: { type: "struct", fields: [{ ...schema, field: "x" }] },
		);
		const typed = await written(
			"postgresql",
			typedChange({
				id: [{ type: "int32" }, "1"],
				...Object.fromEntries(
					TYPED_CASES.map((one, i) => [
						`c${i}`,
						[columns[i] ?? {}, json(one.json)] as const,
					]),
				),
			}),
		);
		const fields = TYPED_CASES.map((one, i) => `"c${i}":${json(one.json)}`);
		const plain = await written("postgresql", {
			key: '{"id":1}',
			value: `{"before":null,"after":{"id":1,${fields.join(",")}},"source":{"ts_ms":1},"op":"c"}`,
		});
		for (const [i, one] of TYPED_CASES.entries()) {
			expect([one.type, ...typed(i)]).toEqual([
				one.type,
				type(one.delta),
				value(one.value),
			]);
			expect([one.type, ...plain(i)]).toEqual([
				one.type,
				type(one.plain[0]),
				value(one.plain[1]),
			]);
		}
	},
);

test("the page of types has these cases; vitest -u writes them", async () => {
	const documents = (cases: readonly DocumentCase[]): string =>
		table(
			["BSON", "as Debezium writes it", "Delta", "value"],
			cases.map(({ type, json, delta, value }) => [
				type,
				code(json),
				delta === undefined ? "rescued" : code(delta),
				value === undefined ? "" : code(value),
			]),
		);
	const tables: Readonly<Record<string, string>> = {
		mongodb: documents(DOCUMENT_CASES),
		decimals: documents(DECIMAL_CASES),
		relational: table(
			["Debezium", "in a record", "Delta", "value", "without a schema"],
			TYPED_CASES.map(({ type, json, delta, value, plain }) => [
				type,
				code(json),
				code(delta),
				code(value),
				code(plain[0]),
			]),
		),
	};
	const page = readFileSync(PAGE, "utf8").replace(
		/(<!-- cases: (\w+) -->\n)[\s\S]*?(\n<!-- end -->)/g,
		(_, open: string, name: string, close: string) =>
			`${open}${tables[name]}${close}`,
	);
	expect(page).toContain("<!-- cases: mongodb -->\n| BSON |");
	await expect(page).toMatchFileSnapshot(PAGE);
});

/** The type of the column `c…`, and its value in the row. */
async function written(
	source: "mongodb" | "postgresql",
	record: RecordText,
	rules: Partial<SchemaRules> = {},
): Promise<(i: number) => [type: string, value: string]> {
	const table = new WrittenTable({
		source,
		mode: "upsert",
		config: { schema: { ...DEFAULT_SCHEMA, ...rules } },
	});
	await table.write(record);
	const { schema } = await table.snapshot();
	const [row = {}] = await table.rows();
	const rescued = Object.keys(
		JSON.parse(JSON.parse(row._rescued_data ?? '"{}"') as string) as object,
	);
	return (i) => {
		const type = schema.fields.find(({ name }) => name === `c${i}`)?.type;
		return [
			type === undefined ? "none" : typeText(type),
			row[`c${i}`] ?? (rescued.includes(`c${i}`) ? "rescued" : "null"),
		];
	};
}

function typeText(type: DataType): string {
	if (typeof type === "string") return type;
	switch (type.type) {
		case "struct":
			return `struct<${type.fields.map((one) => `${one.name}: ${typeText(one.type)}`).join(", ")}>`;
		case "array":
			return `array<${typeText(type.elementType)}>`;
		case "map":
			return `map<${typeText(type.keyType)}, ${typeText(type.valueType)}>`;
	}
}

function table(
	head: readonly string[],
	rows: readonly (readonly string[])[],
): string {
	const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
	return [line(head), line(head.map(() => "---")), ...rows.map(line)].join(
		"\n",
	);
}

function code(text: string): string {
	return `\`${text.replaceAll("|", "\\|")}\``;
}
