import { expect, test } from "vitest";
import { vectorOf } from "../../../src/columnar/literal.ts";
import { assemble } from "../../../src/columnar/parquet/assembly.ts";
import type { SchemaElement } from "../../../src/columnar/parquet/metadata.ts";
import { fileTree, project } from "../../../src/columnar/parquet/projection.ts";
import type { DataType } from "../../../src/columnar/types.ts";
import { array, field, struct } from "../../../src/columnar/types.ts";
import { valueAt } from "../../../src/columnar/value.ts";

/** Elements of a column `c` below the root, in the shapes of LogicalTypes.md. */
function elements(...column: SchemaElement[]): SchemaElement[] {
	return [{ name: "schema", children: 1 }, ...column];
}

const LIST = { children: 1, converted: "LIST" } as const;
const INT = { type: "INT32" } as const;

/** Four rows: [1, 2], [], null where the list is optional, [3]. */
function readInts(
	schema: SchemaElement[],
	type: DataType,
	definition: number[],
	repetition: number[],
) {
	const [node] = project(struct(field("c", type)), fileTree(schema));
	if (node === undefined) throw new Error("no field");
	const rows = repetition.filter((level) => level === 0).length;
	const vector = assemble(node, rows, () => ({
		entries: definition.length,
		repetition: Uint8Array.from(repetition),
		definition: Uint8Array.from(definition),
		values: vectorOf("integer", [1, 2, 3]),
	}));
	return Array.from({ length: rows }, (_, i) => valueAt(vector, type, i));
}

const ITEM = struct(field("n", "integer"));

test.each<[string, SchemaElement[], DataType, (n: number) => unknown]>([
	[
		"a repeated value",
		elements(
			{ name: "c", repetition: "OPTIONAL", ...LIST },
			{ name: "element", repetition: "REPEATED", ...INT },
		),
		array("integer"),
		(n) => n,
	],
	[
		"a repeated group named array",
		elements(
			{ name: "c", repetition: "OPTIONAL", ...LIST },
			{ name: "array", repetition: "REPEATED", children: 1 },
			{ name: "n", repetition: "REQUIRED", ...INT },
		),
		array(ITEM),
		(n) => ({ n }),
	],
	[
		"a repeated group named after its list",
		elements(
			{ name: "c", repetition: "OPTIONAL", ...LIST },
			{ name: "c_tuple", repetition: "REPEATED", children: 1 },
			{ name: "n", repetition: "REQUIRED", ...INT },
		),
		array(ITEM),
		(n) => ({ n }),
	],
	[
		"any other repeated group around a required value",
		elements(
			{ name: "c", repetition: "OPTIONAL", ...LIST },
			{ name: "bag", repetition: "REPEATED", children: 1 },
			{ name: "n", repetition: "REQUIRED", ...INT },
		),
		array("integer"),
		(n) => n,
	],
])("a list of old writers keeps its elements: %s", (_, schema, type, item) => {
	expect(readInts(schema, type, [2, 2, 1, 0, 2], [0, 1, 0, 0, 0])).toEqual([
		[item(1), item(2)],
		[],
		null,
		[item(3)],
	]);
});

test("a repeated field without a list around it is a list", () => {
	const schema = elements({ name: "c", repetition: "REPEATED", ...INT });
	expect(
		readInts(schema, array("integer"), [1, 1, 0, 1], [0, 1, 0, 0]),
	).toEqual([[1, 2], [], [3]]);
});

test("Hive's lists of optional elements keep their nulls", () => {
	const schema = elements(
		{ name: "c", repetition: "OPTIONAL", ...LIST },
		{ name: "bag", repetition: "REPEATED", children: 1 },
		{ name: "array_element", repetition: "OPTIONAL", ...INT },
	);
	expect(
		readInts(schema, array("integer"), [3, 2, 3, 1, 0, 3], [0, 1, 1, 0, 0, 0]),
	).toEqual([[1, null, 2], [], null, [3]]);
});

test("a list of lists in two levels each keeps both", () => {
	const schema = elements(
		{ name: "c", repetition: "OPTIONAL", ...LIST },
		{ name: "array", repetition: "REPEATED", children: 1, converted: "LIST" },
		{ name: "array", repetition: "REPEATED", ...INT },
	);
	expect(
		readInts(
			schema,
			array(array("integer", false), false),
			[3, 3, 2, 3, 1, 0],
			[0, 2, 1, 1, 0, 0],
		),
	).toEqual([[[1, 2], [], [3]], [], null]);
});

test.each([
	["MAP_KEY_VALUE", "map"],
	["MAP", "key_value"],
	[undefined, "entries"],
])(
	"a map that is annotated as %s around %s keeps its entries",
	(converted, name) => {
		const schema = elements(
			{ name: "c", repetition: "OPTIONAL", children: 1, converted },
			{ name, repetition: "REPEATED", children: 2, converted: "MAP_KEY_VALUE" },
			{ name: "k", repetition: "REQUIRED", ...INT },
			{ name: "v", repetition: "OPTIONAL", ...INT },
		);
		const type: DataType = {
			type: "map",
			keyType: "integer",
			valueType: "integer",
			valueContainsNull: true,
		};
		const [node] = project(struct(field("c", type)), fileTree(schema));
		if (node === undefined) throw new Error("no field");
		const repetition = Uint8Array.of(0, 1, 0, 0);
		const vector = assemble(node, 3, (column) => ({
			entries: 4,
			repetition,
			definition:
				column === 0 ? Uint8Array.of(2, 2, 1, 0) : Uint8Array.of(3, 2, 1, 0),
			values: vectorOf("integer", column === 0 ? [1, 2] : [10]),
		}));
		expect([0, 1, 2].map((i) => valueAt(vector, type, i))).toEqual([
			new Map([
				[1, 10],
				[2, null],
			]),
			new Map(),
			null,
		]);
	},
);
