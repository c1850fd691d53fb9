import { mkdtempSync } from "node:fs";
import { readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { array, field, struct } from "../../../src/columnar/types.ts";
import { failure, table } from "./command.ts";

const dir = mkdtempSync(join(tmpdir(), "tributary-flags-"));
const path = join(dir, "t");
const schema = async (): Promise<unknown> =>
	JSON.parse(await table("schema", path, "--json"));

beforeAll(async () => {
	await table(
		...["create", path, "--schema"],
		"id long not null, customer_name string, address struct<city: string>, stops array<struct<at: timestamp>>, qty int",
		...["--property", "delta.columnMapping.mode=name"],
		...["--property", "delta.enableTypeWidening=true"],
	);
});

afterAll(async () => {
	await rm(dir, { recursive: true, force: true });
});

/** What is wrong, and a part of what has to be said of it. */
const WRONG: readonly (readonly [readonly string[], string])[] = [
	[["reed", "P"], "there is no command table reed; did you mean read?"],
	[["dance", "P"], "there are create, apply, show, schema"],
	[["read"], "table read needs a PATH"],
	[["create", "", "--schema", "id long"], "table create needs a PATH"],
	[["read", "P", "more"], "takes one PATH; more is too much"],
	[["read", "gopher://x"], "gopher://x has a scheme that is not supported"],
	[["read", "P", "--colums", "a"], "no flag --colums; did you mean --columns?"],
	[["read", "P", "--limit"], "'--limit <value>' argument missing"],
	[["read", "P", "--limit", "few"], "--limit few is not a whole number"],
	[["read", "P", "--version", "-1"], "--version"],
	[
		["read", "P", "--version", "1", "--timestamp", "2026-01-01"],
		"--version and --timestamp don't go together",
	],
	[
		["read", "P", "--timestamp", "yesterday"],
		"--timestamp yesterday is no point in time",
	],
	[
		["read", "P", "--format", "xml"],
		"--format xml is not known: use table, ndjson or csv",
	],
	[
		["read", "P", "--format", "csv", "--json"],
		"--json and --format csv don't go together",
	],
	[
		["read", "P", "--count", "--columns", "id"],
		"--count and --columns don't go together",
	],
	[
		["read", "P", "--columns", "customer_nam"],
		"the column customer_nam, which is not there; did you mean customer_name?",
	],
	[
		["read", "P", "--columns", "total"],
		"there are id, customer_name, address, stops, qty",
	],
	[["read", "P", "--columns", "id,ID"], "--columns has id twice"],
	[["read", "P", "--columns", "id,"], '"id," is no list of names'],
	[
		["read", "P", "--where", "qyt > 1"],
		"--where names the column qyt, which is not there; did you mean qty?",
	],
	[["read", "P", "--from", "1"], "table read takes no --from"],
	[["changes", "P"], "table changes needs --from N"],
	[["cdf", "P", "--to", "1"], "table cdf needs --from N"],
	[["changes", "P", "--from", "2", "--to", "1"], "--to 1 is before --from 2"],
	[["changes", "P", "--from", "99"], "--from 99 is after the last version"],
	[
		["changes", "P", "--from", "0", "--to", "0", "--version", "0"],
		"--to and --version don't go together",
	],
	[["checkpoint", "P", "--dry-run"], "--dry-run goes with --clean-log only"],
	[
		["checkpoint", "P", "--compact-log", "3..3"],
		"--compact-log 3..3 is no range of versions",
	],
	[
		["checkpoint", "P", "--compact-log", "0..1", "--clean-log"],
		"--compact-log and --clean-log don't go together",
	],
	[
		["checkpoint", "P", "--version", "0"],
		"table checkpoint takes no --version",
	],
	[["create", "N"], "table create needs --schema"],
	[
		["create", "N", "--schema", "id long", "--schema-file", "f"],
		"--schema and --schema-file don't go together",
	],
	[
		["create", "N", "--schema-file", "/no/such/file"],
		"/no/such/file can't be read",
	],
	[
		["create", "N", "--schema", ""],
		"expected the name of a column at character 1, found the end",
	],
	[
		["create", "N", "--schema", "id lnog"],
		"expected the type of id at character 4, found lnog; did you mean long?",
	],
	[
		["create", "N", "--schema", "id long long"],
		"expected a comma at character 9, found long",
	],
	[
		["create", "N", "--schema", "id array<long"],
		"expected > at character 14, found the end",
	],
	[["create", "N", "--schema", "id decimal(39)"], "decimal(39,0)"],
	[["create", "N", "--schema", "id long, Id int"], "differ only in case"],
	[
		["create", "N", "--schema", `a ${"array<".repeat(101)}int`],
		"nests deeper than 100 levels",
	],
	[
		["create", "N", "--schema", "a struct<`b c`: int>"],
		"the column `b c` has a character that needs column mapping",
	],
	[
		["create", "N", "--schema", "id long, a int", "--partition-by", "b"],
		"--partition-by names the column b",
	],
	[
		["create", "N", "--schema", "id long, a array<int>", "--partition-by", "a"],
		"a column of type array can't be a partition column",
	],
	[
		["create", "N", "--schema", "id long", "--partition-by", "id"],
		"--partition-by names all columns",
	],
	[
		[
			"create",
			"N",
			"--schema",
			"id long",
			"--property",
			"delta.appendOny=true",
		],
		"delta.appendOny is no property of Delta that can be set; did you mean delta.appendOnly?",
	],
	[
		[
			"create",
			"N",
			"--schema",
			"id long",
			"--property",
			"delta.appendOnly=yes",
		],
		"it has to be true or false",
	],
	[
		[
			"create",
			"N",
			"--schema",
			"id long",
			"--property",
			"delta.logRetentionDuration=long",
		],
		"an interval such as interval 30 days",
	],
	[
		["create", "N", "--schema", "id long", "--property", "x"],
		"x is no key=value",
	],
	[
		[
			"create",
			"N",
			"--schema",
			"id long",
			"--property",
			"a=1",
			"--property",
			"a=2",
		],
		"a is given twice",
	],
	[
		[
			"create",
			"N",
			"--schema",
			"id long",
			"--property",
			"delta.minWriterVersion=7",
		],
		"follow from what the table uses",
	],
	[
		[
			"create",
			"N",
			"--schema",
			"id long",
			"--property",
			"delta.feature.warpDrive=supported",
		],
		"knows no such feature",
	],
	[
		[
			"create",
			"N",
			"--schema",
			"id long",
			"--property",
			"delta.constraints.a=ix > 0",
		],
		"there is no column ix",
	],
	[["alter", "P"], "table alter needs one of --add-column"],
	[["alter", "P", "--add-column", "id long"], "there is a column id"],
	[["alter", "P", "--add-column", "x long not null"], "can't be NOT NULL"],
	[
		["alter", "P", "--add-column", "adress.x long"],
		"the column adress, which is not there; did you mean address?",
	],
	[["alter", "P", "--add-column", "id.x long"], "id is no struct"],
	[["alter", "P", "--add-column", "x long, y long"], "is more than one column"],
	[
		["alter", "P", "--add-column", "x longer"],
		"--add-column: expected the type of x",
	],
	[["alter", "P", "--rename-column", "id"], "is no old=new"],
	[
		["alter", "P", "--drop-column", "none"],
		"--drop-column names the column none",
	],
	[
		["alter", "P", "--drop-column", "id", "--set", "a=b"],
		"--drop-column and --set don't go together",
	],
	[
		["alter", "P", "--set", "delta.constraints.a=id > 0"],
		"use --add-constraint 'a: EXPR'",
	],
	[
		["alter", "P", "--set", "delta.feature.clustering=supported"],
		"features come with what uses them",
	],
	[
		["alter", "P", "--unset", "delta.columnMapping.maxColumnId"],
		"Delta itself keeps that property",
	],
	[["alter", "P", "--unset", "mine"], "the table has no such property"],
	[["alter", "P", "--set", "mine=1", "--unset", "mine"], "both name mine"],
	[["alter", "P", "--add-constraint", "id > 0"], "is no name: expression"],
	[
		["alter", "P", "--add-constraint", "a: ix > 0"],
		"--add-constraint names the column ix",
	],
	[
		["alter", "P", "--drop-constraint", "a"],
		"the table has no such constraint; it has none",
	],
];

test.each(WRONG)("wrong input %j is told", async (argv, said) => {
	const before = await readdir(dir);
	const found = await failure(
		...argv.map((arg) => ({ P: path, N: join(dir, "new") })[arg] ?? arg),
	);
	expect(found).toContain(said);
	expect(found).toMatch(/^CONFIG_INVALID: [^\n]+$/);
	expect(await readdir(dir)).toEqual(before);
});

test("what an expression lacks is told by the expression's own code", async () => {
	expect(await failure("read", path, "--where", "id >")).toMatch(
		/^EXPRESSION_INVALID: /,
	);
	expect(await failure("files", path, "--where", "id")).toMatch(
		/^EXPRESSION_INVALID: /,
	);
	expect(
		await failure("read", path, "--where", "soundex(customer_name) = 'x'"),
	).toMatch(/^EXPRESSION_(UNSUPPORTED|INVALID): /);
});

test("every command tells of its flags", async () => {
	const all = await table();
	const names = [...all.matchAll(/^ {2}(\w+) /gm)].map((match) => match[1]);
	expect(names).toHaveLength(14);
	for (const name of names)
		expect(await table(name ?? "", "--help")).toMatch(
			new RegExp(`^Usage: tributary table ${name} PATH.*--json`, "s"),
		);
});

test("a list of columns is read as SQL means it", async () => {
	await table(
		...["create", join(dir, "types"), "--schema"],
		"`a,``b` DECIMAL, b Dec(5), c numeric(38, 38) NOT NULL COMMENT 'it''s', d struct<x: array<map<string,bigint>>, y tinyint not null>, e variant, 1f smallint",
		...["--property", "delta.columnMapping.mode=id"],
	);
	const shown = await table("schema", join(dir, "types"));
	expect(shown).toBe(
		`\`a,\`\`b\` decimal(10,0),
b decimal(5,0),
c decimal(38,38) not null comment 'it''s',
d struct<x: array<map<string, long>>, y: byte not null>,
e variant,
\`1f\` short
`,
	);
});

test("a schema file that is none is told with its name", async () => {
	const file = join(dir, "schema.json");
	for (const text of [
		"{",
		'{"type":"struct","fields":[]}',
		'{"type":"struct","fields":[{"name":"a","type":"money","nullable":true,"metadata":{}}]}',
	]) {
		await writeFile(file, text);
		expect(
			await failure("create", join(dir, "new"), "--schema-file", file),
		).toMatch(/^CONFIG_INVALID: .*schema\.json/);
	}
});

test("columns, properties and constraints are altered, each in a commit", async () => {
	const alter = (...argv: string[]): Promise<string> =>
		table("alter", path, ...argv);
	expect(
		await alter(
			"--add-column",
			"address.zip int comment 'code'",
			"--add-column",
			"stops.element.note string",
		),
	).toBe("altered: version 1\n");
	expect(await alter("--widen-column", "QTY long")).toBe(
		"altered: version 2\n",
	);
	expect(await alter("--widen-column", "qty long", "--json")).toBe(
		'{"version":2,"changed":false}\n',
	);
	expect(await alter("--rename-column", "address.zip=`post code`")).toBe(
		"altered: version 3\n",
	);
	expect(await alter("--drop-column", "customer_name")).toBe(
		"altered: version 4\n",
	);
	expect(await schema()).toMatchObject(
		struct(
			field("id", "long", { nullable: false }),
			field(
				"address",
				struct(field("city", "string"), field("post code", "integer")),
			),
			field(
				"stops",
				array(struct(field("at", "timestamp"), field("note", "string"))),
			),
			field("qty", "long"),
		),
	);
	await alter("--set", "mine=1", "--set", "delta.appendOnly=true");
	await alter("--unset", "mine");
	await alter("--add-constraint", "some: qty > 0 and qty < 100");
	const shown = JSON.parse(await table("show", path, "--json")) as {
		configuration: Record<string, string>;
	};
	expect(shown.configuration).toMatchObject({
		"delta.appendOnly": "true",
		"delta.constraints.some": "qty > 0 and qty < 100",
	});
	expect(shown.configuration).not.toHaveProperty("mine");
	expect(await failure("alter", path, "--drop-column", "qty")).toMatch(
		/^DELTA_SCHEMA_INCOMPATIBLE: .*the constraint some uses it/,
	);
	expect(await failure("alter", path, "--widen-column", "id string")).toMatch(
		/^DELTA_SCHEMA_INCOMPATIBLE: /,
	);
	await alter("--drop-constraint", "some");
	await alter("--drop-column", "qty");
	expect(await table("history", path, "--limit", "1")).toMatch(
		/^ +9 .*DROP COLUMNS/,
	);
});
