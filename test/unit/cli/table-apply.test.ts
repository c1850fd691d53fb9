import { mkdtempSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, expect, test } from "vitest";
import { stringify } from "yaml";
import { loadSnapshot } from "../../../src/delta/snapshot.ts";
import { append } from "../../../src/delta/write.ts";
import { openFileStore } from "../../../src/storage/file.ts";
import { batchOf } from "../../support/batch.ts";
import { engineOn } from "../../support/cli-table.ts";
import { failure, table } from "./command.ts";

const dir = mkdtempSync(join(tmpdir(), "tributary-apply-"));
const file = join(dir, "table.yaml");
let path: string;
let tables = 0;

beforeEach(() => {
	path = join(dir, `table-${++tables}`);
});
afterAll(() => rm(dir, { recursive: true, force: true }));

function write(spec: object): void {
	writeFileSync(
		file,
		stringify({
			apiVersion: "tributary.dev/v1alpha1",
			kind: "DeltaTable",
			metadata: { name: "rates" },
			spec: { location: "s3://elsewhere/rates", ...spec },
		}),
	);
}

const apply = (spec: object, ...flags: string[]): Promise<string> => {
	write(spec);
	return table("apply", path, "--file", file, ...flags);
};
const refused = (spec: object): Promise<string> => {
	write(spec);
	return failure("apply", path, "--file", file);
};
const schema = async (): Promise<string> =>
	(await table("schema", path)).trim().replaceAll("\n", " ");

const free = {
	"delta.columnMapping.mode": "name",
	"delta.enableTypeWidening": "true",
};
const columns = [
	{ name: "id", type: "int", nullable: false },
	{ name: "day", type: "date" },
	{ name: "rate", type: "decimal(10,2)", comment: "net" },
];

async function rows(): Promise<void> {
	const engine = engineOn(openFileStore(path));
	const base = await loadSnapshot(engine);
	if (base === undefined) throw new Error("no table");
	await append(engine, base, [
		batchOf(base.schema, [
			{ id: 7, day: 20_000, rate: { unscaled: 123n, scale: 2 } },
		]),
	]);
}

test("a table is made, and then there is nothing to change", async () => {
	const spec = {
		schema: { columns },
		partitionBy: ["day"],
		properties: { "delta.logRetentionDuration": "interval 90 days" },
	};
	expect(await apply(spec, "--dry-run")).toBe(
		"would create the table with 3 columns, partitioned by day\n",
	);
	expect(await failure("show", path)).toContain("holds no Delta table");
	expect(await apply(spec)).toBe(
		"done: create the table with 3 columns, partitioned by day\n",
	);
	expect(await apply(spec)).toBe("nothing to change\n");
	expect(await schema()).toBe(
		"id int not null, day date, rate decimal(10,2) comment 'net'",
	);
	expect(JSON.parse(await table("show", path, "--json"))).toMatchObject({
		version: 0,
		partitionColumns: ["day"],
		configuration: { "delta.logRetentionDuration": "interval 90 days" },
	});
});

test("columns are added, dropped, renamed, reordered and widened in one commit, and no value is lost", async () => {
	await apply({ schema: { columns }, properties: free });
	await rows();
	const wanted = {
		properties: { ...free, owner: "finance" },
		schema: {
			unlisted: "drop",
			columns: [
				{ name: "price", type: "decimal(12,2)", renamedFrom: "rate" },
				{ name: "id", type: "long", comment: "of the rate" },
				{ name: "note", type: "struct<by: string>" },
			],
		},
	};
	const would = await apply(wanted, "--dry-run");
	expect(await schema()).toContain("rate");
	const done = await apply(wanted);
	expect(done).toBe(would.replaceAll("would ", "done: "));
	expect(done.trim().split("\n")).toEqual([
		"done: set owner=finance",
		"done: rename rate to price",
		"done: widen price from decimal(10,2) to decimal(12,2)",
		"done: widen id from int to long",
		"done: add note struct<by: string>",
		"done: drop day",
		"done: let id be null",
		"done: comment on id",
	]);
	expect(await schema()).toBe(
		"price decimal(12,2) comment 'net', id long comment 'of the rate', note struct<by: string>",
	);
	expect(await table("read", path, "--json")).toBe(
		'{"price":1.23,"id":7,"note":null}\n',
	);
	expect(await apply(wanted)).toBe("nothing to change\n");
	expect(JSON.parse(await table("show", path, "--json"))).toMatchObject({
		version: 2,
	});
});

test("columns that the list does not have stay, behind the others", async () => {
	await apply({ schema: { columns } });
	expect(await apply({ schema: { columns: [columns[2], columns[0]] } })).toBe(
		"done: order columns rate, id, day\n",
	);
	expect(await schema()).toBe(
		"rate decimal(10,2) comment 'net', id int not null, day date",
	);
});

test.each([
	[
		"a type that values don't fit",
		{ schema: { columns: [{ name: "id", type: "string", nullable: false }] } },
		/DELTA_SCHEMA_INCOMPATIBLE: .*the column id is "integer" and can't become "string"/,
	],
	[
		"a type that holds less",
		{ schema: { columns: [{ name: "id", type: "short", nullable: false }] } },
		/the column id is int and can't become short, which holds less: say int/,
	],
	[
		"a wider type without type widening",
		{ schema: { columns: [{ name: "id", type: "long", nullable: false }] } },
		/the column id can be widened once delta.enableTypeWidening is true; set it first/,
	],
	[
		"a drop without column mapping",
		{ schema: { columns: columns.slice(0, 2), unlisted: "drop" } },
		/the column rate can't be dropped without rewriting every file; set delta.columnMapping.mode to name first/,
	],
	[
		"a new column that may not be null",
		{
			schema: {
				columns: [...columns, { name: "x", type: "int", nullable: false }],
			},
		},
		/the column x is new, and rows that are there have no value of it: leave it nullable/,
	],
	[
		"a column that becomes not null",
		{ schema: { columns: [{ name: "day", type: "date", nullable: false }] } },
		/the column day may have no value in rows that are there/,
	],
	[
		"another partitioning",
		{ schema: { columns }, partitionBy: ["day"] },
		/is partitioned by nothing, not by day as spec.partitionBy says/,
	],
	[
		"an unknown type",
		{ schema: { columns: [{ name: "id", type: "strng" }] } },
		/CONFIG_INVALID: spec.schema.columns\[0\] id: expected the type of id .* found strng; did you mean string/,
	],
	[
		"a column twice",
		{ schema: { columns: [...columns, { name: "ID", type: "int" }] } },
		/spec.schema.columns\[3\] ID: there is a column of that name before it/,
	],
	[
		"a misspelt property",
		{ properties: { "delta.logRetentionDurations": "interval 1 day" } },
		/spec.properties delta.logRetentionDurations is no property of Delta that can be set; did you mean/,
	],
	[
		"a constraint",
		{ properties: { "delta.constraints.pos": "id > 0" } },
		/spec.properties delta.constraints.pos: rows that are there have to be checked first; run tributary table alter --add-constraint 'pos: id > 0'/,
	],
	[
		"one of several changes",
		{
			properties: { owner: "me" },
			schema: {
				columns: [...columns, { name: "y", type: "int" }],
				unlisted: "drop",
			},
			partitionBy: ["id"],
		},
		/not by id/,
	],
])("%s is refused, and the table stays as it is", async (_, spec, message) => {
	await apply({ schema: { columns } });
	expect(await refused(spec)).toMatch(message);
	const shown = JSON.parse(await table("show", path, "--json")) as object;
	expect(shown).toMatchObject({ version: 0, configuration: {} });
});

test("a table that is not there and has no schema is refused", async () => {
	expect(await refused({})).toMatch(
		/DELTA_TABLE_NOT_FOUND: .* give spec.schema for one to be made, or correct the location/,
	);
	expect(await refused({ schema: { columns }, partitionBy: ["dya"] })).toMatch(
		/spec.partitionBy names the column dya, which is not in spec.schema.columns; did you mean day/,
	);
	expect(await failure("apply", path)).toMatch(/needs --file FILE/);
});
