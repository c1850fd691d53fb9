import { expect, test } from "vitest";
import { array, field, struct } from "../../../src/columnar/types.ts";
import type { Protocol } from "../../../src/delta/actions.ts";
import {
	COLUMN_ID,
	enableMapping,
	logicalPath,
	mapNewColumns,
	mappingMode,
	PHYSICAL_NAME,
	physicalPath,
	physicalSchema,
	unmappedSchema,
} from "../../../src/delta/column-mapping.ts";

const SCHEMA = struct(
	field("id", "long"),
	field("lines", array(struct(field("sku", "string"), field("n", "integer")))),
	field("by", {
		type: "map",
		keyType: "string",
		valueType: struct(field("x", "double")),
		valueContainsNull: true,
	}),
);

let next = 0;
const uuid = (): string => `u${next++}`;

const protocol = (more: Partial<Protocol>): Protocol => ({
	minReaderVersion: 1,
	minWriterVersion: 2,
	...more,
});

test("a property that the protocol does not support changes nothing", () => {
	const metadata = { configuration: { "delta.columnMapping.mode": "id" } };
	expect(mappingMode(protocol({}), metadata)).toBe("none");
	expect(mappingMode(protocol({ minReaderVersion: 2 }), metadata)).toBe("id");
	const listed = { minReaderVersion: 3, minWriterVersion: 7 };
	expect(
		mappingMode(protocol({ ...listed, readerFeatures: [] }), metadata),
	).toBe("none");
	expect(
		mappingMode(
			protocol({ ...listed, readerFeatures: ["columnMapping"] }),
			metadata,
		),
	).toBe("id");
	expect(
		mappingMode(protocol({ minReaderVersion: 2 }), { configuration: {} }),
	).toBe("none");
	expect(() =>
		mappingMode(protocol({ minReaderVersion: 2 }), {
			configuration: { "delta.columnMapping.mode": "position" },
		}),
	).toThrow(/"position"/);
});

test("enabling on an existing table keeps the names of its files", () => {
	const mapped = enableMapping(
		{ schema: SCHEMA, configuration: { a: "b" } },
		{ mode: "name", existing: true, uuid },
	);
	expect(mapped.configuration).toEqual({
		a: "b",
		"delta.columnMapping.mode": "name",
		"delta.columnMapping.maxColumnId": "6",
	});
	expect(unmappedSchema(physicalSchema(mapped.schema, "name"))).toEqual(SCHEMA);
	expect(mapped.schema.fields.map((one) => one.metadata[COLUMN_ID])).toEqual([
		1, 2, 3,
	]);
	expect(() =>
		enableMapping(
			{ schema: SCHEMA, configuration: {} },
			{ mode: "id", existing: true, uuid },
		),
	).toThrow(expect.objectContaining({ code: "DELTA_SCHEMA_INCOMPATIBLE" }));
});

test("a new table's physical names are new, and so are those of columns added later", () => {
	const created = enableMapping(
		{ schema: SCHEMA, configuration: {} },
		{ mode: "id", existing: false, uuid },
	);
	const grown = mapNewColumns(
		{
			...created,
			schema: {
				type: "struct",
				fields: [
					...created.schema.fields,
					field("more", struct(field("in", "date"))),
				],
			},
		},
		uuid,
	);
	expect(grown.schema.fields.slice(0, 3)).toEqual(created.schema.fields);
	expect(grown.configuration["delta.columnMapping.maxColumnId"]).toBe("8");
	const names: string[] = [];
	JSON.stringify(physicalSchema(grown.schema, "id"), (key, value) => {
		if (key === "name") names.push(String(value));
		return value as unknown;
	});
	expect(new Set(names).size).toBe(8);
	for (const name of names) expect(name).toMatch(/^col-u\d+$/);
});

test("an id that was dropped is never given again", () => {
	const mapped = mapNewColumns(
		{
			schema: struct(field("a", "long")),
			configuration: { "delta.columnMapping.maxColumnId": "41" },
		},
		uuid,
	);
	expect(mapped.schema.fields[0]?.metadata[COLUMN_ID]).toBe(42);
});

test("paths go to physical names and back at any depth", () => {
	const { schema } = enableMapping(
		{ schema: SCHEMA, configuration: {} },
		{ mode: "name", existing: false, uuid },
	);
	for (const path of [
		["id"],
		["lines", "element", "sku"],
		["by", "key"],
		["by", "value", "x"],
	]) {
		const physical = physicalPath(schema, path, "name");
		expect(physical).toBeDefined();
		expect(physical).not.toEqual(path);
		expect(logicalPath(schema, physical ?? [], "name")).toEqual(path);
		expect(physicalPath(SCHEMA, path, "none")).toEqual(path);
	}
	expect(physicalPath(schema, ["lines", "sku"], "name")).toBeUndefined();
	expect(physicalPath(schema, ["id", "x"], "name")).toBeUndefined();
});

test("a mapped schema without names or ids, or with any twice, is refused", () => {
	const one = (name: string, physical: string | undefined, id: unknown) =>
		field(name, "long", {
			metadata: { [PHYSICAL_NAME]: physical, [COLUMN_ID]: id },
		});
	for (const [schema, message] of [
		[struct(field("a", "long")), /a has no/],
		[struct(one("a", "x", "1")), /"1"/],
		[struct(one("a", "x", 2 ** 31)), /2147483648/],
		[struct(one("a", "x", 1), one("b", "x", 2)), /x of b is given twice/],
		[struct(one("a", "x", 1), one("b", "y", 1)), /id 1 of b/],
	] as const) {
		expect(() => physicalSchema(schema, "name")).toThrow(message);
		expect(() => physicalSchema(schema, "name")).toThrow(
			expect.objectContaining({ code: "DELTA_LOG_INVALID" }),
		);
		expect(physicalSchema(schema, "none")).toBe(schema);
	}
});
