import { expect, test } from "vitest";
import { array, field, struct } from "../../../src/columnar/types.ts";
import { valueAt } from "../../../src/columnar/value.ts";
import type { Value } from "../../../src/columnar/vector.ts";
import type { AddFile } from "../../../src/delta/actions.ts";
import { dropColumn, renameColumn } from "../../../src/delta/column-change.ts";
import {
	enableMapping,
	mapNewColumns,
	physicalSchema,
} from "../../../src/delta/column-mapping.ts";
import { stageDeletionVectors } from "../../../src/delta/deletion-vector.ts";
import { scanFiles } from "../../../src/delta/scan.ts";
import { parseSchema } from "../../../src/delta/schema.ts";
import { bindPredicate } from "../../../src/expression/bind.ts";
import { parseExpression } from "../../../src/expression/parse.ts";
import { engineOf, rowsOf, store, tableOf } from "./scanned.ts";

const NESTED = struct(
	field("p", "integer"),
	field("id", "long"),
	field("lines", array(struct(field("sku", "string"), field("n", "long")))),
);
const LINES = [{ sku: "x", n: 2n }];

for (const mode of ["name", "id"] as const)
	test(`files of a table mapped by ${mode} are found after renames, drops and additions`, async () => {
		const engine = engineOf();
		const mapped = enableMapping(
			{ schema: NESTED, configuration: {} },
			{ mode, existing: false, uuid: engine.uuid },
		);
		const physical = physicalSchema(mapped.schema, mode);
		const [p, ...stored] = physical.fields;
		const inFile = {
			[stored[0]?.name ?? ""]: 7n,
			[stored[1]?.name ?? ""]: [
				Object.fromEntries(
					JSON.stringify(stored[1])
						.match(/col-u\d+/g)
						?.filter((name) => name !== stored[1]?.name)
						.filter((name, i, all) => all.indexOf(name) === i)
						.map((name, i) => [name, i === 0 ? "x" : 2n]) ?? [],
				),
			],
		};
		const add = await store(engine, "f", struct(...stored), [inFile], {
			fieldIds: true,
			add: { partitionValues: { [p?.name ?? ""]: "5" } },
		});
		const table = tableOf(mapped.schema, [add], {
			configuration: mapped.configuration,
			partitionColumns: ["p"],
		});
		expect(await rowsOf(engine, table)).toEqual([
			{ p: 5, id: 7n, lines: LINES },
		]);

		let metadata = renameColumn(table, ["lines", "element", "sku"], "article");
		metadata = renameColumn({ ...table, metadata }, ["p"], "part");
		metadata = dropColumn({ ...table, metadata }, ["id"]);
		const grown = mapNewColumns(
			{
				schema: struct(
					...parseSchema(metadata.schemaString, "t").fields,
					field("id", "string"),
				),
				configuration: metadata.configuration,
			},
			engine.uuid,
		);
		expect(
			await rowsOf(engine, {
				...table,
				metadata: { ...metadata, configuration: grown.configuration },
				schema: grown.schema,
			}),
		).toEqual([{ part: 5, lines: [{ article: "x", n: 2n }], id: null }]);
	});

test("a file without field ids has no values by id, and never those of another column", async () => {
	const engine = engineOf();
	const mapped = enableMapping(
		{ schema: struct(field("a", "long")), configuration: {} },
		{ mode: "id", existing: false, uuid: engine.uuid },
	);
	const physical = physicalSchema(mapped.schema, "id");
	const add = await store(engine, "f", physical, [
		{ [physical.fields[0]?.name ?? ""]: 1n },
	]);
	const table = tableOf(mapped.schema, [add], mapped);
	expect(await rowsOf(engine, table)).toEqual([{ a: null }]);
});

test("columns of a partitioned table come in the schema's order", async () => {
	const engine = engineOf();
	const schema = struct(
		field("a", "long"),
		field("p", "date"),
		field("b", "string"),
		field("late", "double"),
	);
	const data = struct(field("a", "long"), field("b", "string"));
	const files = [
		await store(engine, "p=1/a b", data, [{ a: 1n, b: "x" }], {
			add: { path: "p=1/a%20b", partitionValues: { p: "1970-01-02" } },
		}),
		await store(engine, "g", data, [{ a: 2n, b: null }], {
			add: { partitionValues: { p: null } },
		}),
	];
	const table = tableOf(schema, files, { partitionColumns: ["p"] });
	expect(await rowsOf(engine, table)).toEqual([
		{ a: 1n, p: 1, b: "x", late: null },
		{ a: 2n, p: null, b: null, late: null },
	]);
	expect(await rowsOf(engine, table, { columns: ["b", "p"] })).toEqual([
		{ p: 1, b: "x" },
		{ p: null, b: null },
	]);
	expect(await rowsOf(engine, table, { columns: [] })).toEqual([{}, {}]);
	expect(
		await rowsOf(engine, table, { columns: ["a"], files: files.slice(1) }),
	).toEqual([{ a: 2n }]);
	await expect(rowsOf(engine, table, { columns: ["c"] })).rejects.toMatchObject(
		{ code: "DELTA_SCHEMA_INCOMPATIBLE" },
	);
});

test("many files of many row groups come whole, in order, with their positions", async () => {
	const engine = engineOf();
	const schema = struct(field("n", "long"));
	const files: AddFile[] = [];
	for (let file = 0; file < 30; file++)
		files.push(
			await store(
				engine,
				`f${file}`,
				schema,
				Array.from({ length: 10 }, (_, i) => ({ n: BigInt(file * 10 + i) })),
				{ rowGroupRows: 4 },
			),
		);
	const table = tableOf(schema, files);
	const seen: Value[] = [];
	const places: string[] = [];
	for await (const { batch, file, rows } of scanFiles(engine, table))
		for (const [i, row] of rows.entries()) {
			seen.push(valueAt(batch.columns[0] as never, "long", i));
			places.push(`${file.path}:${row}`);
		}
	expect(seen).toEqual(Array.from({ length: 300 }, (_, i) => BigInt(i)));
	expect(places[299]).toBe("f29:9");
	expect(places[4]).toBe("f0:4");
	for await (const _ of scanFiles(engine, table)) break;
});

test("a shallow clone's files are read where they lie", async () => {
	const engine = engineOf();
	const schema = struct(field("n", "long"));
	const add = await store(engine, "src/f 1", schema, [{ n: 1n }], {
		add: { path: "s3a://lake/src/f%201" },
	});
	const table = tableOf(schema, [add]);
	await expect(rowsOf(engine, table)).rejects.toMatchObject({
		code: "DELTA_FILE_OUTSIDE_TABLE",
	});
	const openAt = (url: string) => ({
		store: engine.store,
		path: decodeURIComponent(url.replace("s3://lake/", "")),
	});
	expect(await rowsOf({ ...engine, openAt }, table)).toEqual([{ n: 1n }]);
});

test("a condition's columns need not be wanted, and deleted rows are not looked at", async () => {
	const engine = engineOf();
	const schema = struct(
		field("id", "long"),
		field("x", "long"),
		field("p", "integer"),
	);
	const data = struct(...schema.fields.slice(0, 2));
	const rows = Array.from({ length: 10 }, (_, i) => ({
		id: BigInt(i),
		x: i === 7 ? null : BigInt(i % 5),
	}));
	const files = await Promise.all(
		["1", "2", null].map((p, i) =>
			store(engine, `f${i}`, data, rows, {
				rowGroupRows: 3,
				add: { partitionValues: { p } },
			}),
		),
	);
	const [descriptor] = stageDeletionVectors(
		[Uint32Array.of(0, 4)],
		"00000000-0000-4000-8000-000000000000",
	).descriptors;
	const table = tableOf(
		schema,
		files.map((file, i) =>
			i === 0 && descriptor ? { ...file, deletionVector: descriptor } : file,
		),
		{ partitionColumns: ["p"] },
	);
	const where = (text: string) => bindPredicate(parseExpression(text), schema);
	const ids = async (text: string, columns = ["id"]) =>
		await rowsOf(engine, table, { columns, where: where(text) });
	expect(await ids("x = 4")).toEqual(
		[9n, 4n, 9n, 4n, 9n].map((id) => ({ id })),
	);
	expect(await ids("x = 4 AND p = 1", ["x", "id"])).toEqual([
		{ id: 9n, x: 4n },
	]);
	expect(await ids("p IS NULL AND x IS NULL")).toEqual([{ id: 7n }]);
	expect(await ids("x > 100")).toEqual([]);
	expect(await ids("x < 1 AND p <= 2", [])).toEqual([{}, {}, {}]);
	const places: number[] = [];
	for await (const { rows: at } of scanFiles(engine, table, {
		where: where("id >= 8 AND p = 2"),
	}))
		places.push(...at);
	expect(places).toEqual([8, 9]);
});

test("names of JavaScript's own are columns like any other", async () => {
	const engine = engineOf();
	const schema = struct(
		field("constructor", "string"),
		field("toString", "long"),
		field("__proto__", "string"),
	);
	const row = { toString: 1n };
	const add = await store(engine, "f", struct(field("toString", "long")), [
		row as never,
	]);
	const table = tableOf(schema, [add], {
		partitionColumns: ["constructor", "__proto__"],
	});
	const [found] = await rowsOf(engine, table, {
		where: bindPredicate(
			parseExpression("constructor IS NULL AND toString = 1"),
			schema,
		),
	});
	expect(Object.entries(found ?? {})).toEqual([
		["constructor", null],
		["toString", 1n],
		["__proto__", null],
	]);
});

test("whatever is wrong with a file is told with its name", async () => {
	const engine = engineOf();
	const schema = struct(field("n", "long"), field("p", "date"));
	const data = struct(field("n", "long"));
	const fine = await store(engine, "fine", data, [{ n: 1n }]);
	const wrong = await store(engine, "bad p", struct(field("n", "string")), [
		{ n: "x" },
	]);
	const odd = await store(engine, "odd", data, [{ n: 1n }], {
		add: { partitionValues: { p: "soon" } },
	});
	const table = (add: AddFile) =>
		tableOf(schema, [fine, add], { partitionColumns: ["p"] });
	for (const [add, code, message] of [
		[{ ...fine, path: "gone" }, "DELTA_FILE_MISSING", /data file gone is gone/],
		[{ ...fine, size: 40 }, "PARQUET_INVALID", /memory:\/\/: fine: /],
		[wrong, "PARQUET_UNSUPPORTED", /: bad p: the column n holds/],
		[odd, "DELTA_LOG_INVALID", /: odd: the partition value "soon"/],
	] as const)
		await expect(rowsOf(engine, table(add))).rejects.toMatchObject({
			code,
			message: expect.stringMatching(message) as string,
		});
});
