import { expect, test } from "vitest";
import { array, field, struct } from "../../../src/columnar/types.ts";
import type { Metadata, Protocol } from "../../../src/delta/actions.ts";
import { dropColumn, renameColumn } from "../../../src/delta/column-change.ts";
import {
	enableMapping,
	physicalSchema,
} from "../../../src/delta/column-mapping.ts";
import { parseSchema } from "../../../src/delta/schema.ts";
import {
	formatColumnList,
	indexedSchema,
	parseColumnList,
} from "../../../src/delta/stats-columns.ts";

const PROTOCOL: Protocol = { minReaderVersion: 2, minWriterVersion: 5 };
const MAPPED = enableMapping(
	{
		schema: struct(
			field("day", "date"),
			field("a", struct(field("b", "long"), field("c", "long"))),
			field("list", array(struct(field("x", "long"), field("y", "long")))),
		),
		configuration: { "delta.dataSkippingStatsColumns": "A.b,list" },
	},
	{ mode: "name", existing: true, uuid: () => "never" },
);
const METADATA: Metadata = {
	id: "t",
	format: { provider: "parquet", options: {} },
	schemaString: JSON.stringify(MAPPED.schema),
	partitionColumns: ["day"],
	configuration: MAPPED.configuration,
};
const TABLE = { protocol: PROTOCOL, metadata: METADATA };

const incompatible = expect.objectContaining({
	code: "DELTA_SCHEMA_INCOMPATIBLE",
});

test("a renamed column is still found in the files under its physical name", () => {
	const renamed = renameColumn(TABLE, ["a", "b"], "bee");
	const schema = parseSchema(renamed.schemaString, "t");
	expect(physicalSchema(schema, "name")).toEqual(
		physicalSchema(MAPPED.schema, "name"),
	);
	expect(JSON.stringify(schema)).toContain('"name":"bee"');
	expect(renamed.configuration["delta.dataSkippingStatsColumns"]).toBe(
		"a.bee,list",
	);
});

test("a renamed partition column stays one", () => {
	expect(renameColumn(TABLE, ["day"], "date").partitionColumns).toEqual([
		"date",
	]);
	expect(
		renameColumn(TABLE, ["list", "element", "x"], "day").partitionColumns,
	).toEqual(["day"]);
});

test("a dropped column leaves schema and statistics, and nothing else", () => {
	const dropped = dropColumn(TABLE, ["a", "b"]);
	expect(dropped.schemaString).not.toContain('"b"');
	expect(dropped.configuration["delta.dataSkippingStatsColumns"]).toBe("list");
	const twice = dropColumn({ ...TABLE, metadata: dropped }, ["a"]);
	expect(
		parseSchema(twice.schemaString, "t").fields.map((one) => one.name),
	).toEqual(["day", "list"]);
	expect(
		dropColumn(TABLE, ["list", "element", "y"]).schemaString,
	).not.toContain('"y"');
});

test("changes that would lose or mix up data are refused", () => {
	const unmapped = {
		...TABLE,
		protocol: { minReaderVersion: 1, minWriterVersion: 2 },
	};
	for (const attempt of [
		() => renameColumn(unmapped, ["a"], "z"),
		() => dropColumn(unmapped, ["a"]),
		() => renameColumn(TABLE, ["a"], "LIST"),
		() => renameColumn(TABLE, ["a"], ""),
		() => renameColumn(TABLE, ["nope"], "z"),
		() => renameColumn(TABLE, [], "z"),
		() => renameColumn(TABLE, ["list", "x"], "z"),
		() => dropColumn(TABLE, ["day"]),
		() =>
			dropColumn({ ...TABLE, metadata: dropColumn(TABLE, ["a", "b"]) }, [
				"a",
				"c",
			]),
	])
		expect(attempt).toThrow(incompatible);
	expect(renameColumn(TABLE, ["a"], "A").schemaString).toContain('"name":"A"');
});

test("lists of columns are read as SQL has them", () => {
	for (const [text, paths] of [
		["", []],
		["  ", []],
		["a", [["a"]]],
		[" a , b.c ", [["a"], ["b", "c"]]],
		["`a.b`.c,`d``e`,`f, g`", [["a.b", "c"], ["d`e"], ["f, g"]]],
		["ä.ö", [["ä", "ö"]]],
	] as const) {
		expect(parseColumnList(text)).toEqual(paths);
		expect(parseColumnList(formatColumnList(paths))).toEqual(paths);
	}
	for (const text of ["a,", ",a", "a..b", "a b", "`a", "a.", "``"])
		expect(() => parseColumnList(text)).toThrow(/no list of columns/);
});

test("leaves are counted in schema order, partition columns left out", () => {
	const schema = struct(
		field("p", "string"),
		field(
			"s",
			struct(field("x", "long"), field("e", struct()), field("y", "long")),
		),
		field("l", array(struct(field("m", "long"), field("n", "long")))),
		field("z", "long"),
	);
	const names = (configuration: Record<string, string>): string => {
		const show = (of: typeof schema): string =>
			of.fields
				.map(({ name, type }) =>
					typeof type !== "string" && type.type === "struct"
						? `${name}(${show(type)})`
						: name,
				)
				.join(" ");
		return show(
			indexedSchema(schema, { partitionColumns: ["p"], configuration }),
		);
	};
	const count = (n: string) => ({ "delta.dataSkippingNumIndexedCols": n });
	expect(names({})).toBe("s(x e() y) l z");
	expect(names(count("-1"))).toBe("s(x e() y) l z");
	expect(names(count("0"))).toBe("");
	expect(names(count("1"))).toBe("s(x)");
	expect(names(count("2"))).toBe("s(x e() y)");
	expect(names(count("3"))).toBe("s(x e() y) l");
	expect(
		names({
			"delta.dataSkippingStatsColumns": "Z, s.Y, p, nope",
			...count("1"),
		}),
	).toBe("s(y) z");
	expect(names({ "delta.dataSkippingStatsColumns": "" })).toBe("");
	for (const bad of ["x", "", "1.5"])
		expect(() => names(count(bad))).toThrow(/has to be a whole number/);
});
