import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { MAX_DEPTH } from "../../src/change/row-options.ts";
import type { SourceType } from "../../src/resource/cdc-pipeline.ts";
import { openStore } from "../../src/storage/open.ts";
import { JUDGES, judged, ours } from "../support/judged.ts";
import { DOCUMENT_CASES, TYPED_CASES } from "../support/type-cases.ts";
import {
	documentChange,
	typedChange,
	WrittenTable,
} from "../support/written-table.ts";

let dir: string;

beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "tributary-types-"));
});

afterAll(async () => {
	await rm(dir, { recursive: true, force: true });
});

/** A table in a folder of its own. */
function tableIn(folder: string, source: SourceType): WrittenTable {
	return new WrittenTable({
		source,
		mode: "upsert",
		store: openStore(join(dir, folder)),
	});
}

/** All judges read the same as we do, which is what is expected. */
async function sameEverywhere(
	folder: string,
	judges: readonly (typeof JUDGES)[number][] = JUDGES,
): Promise<string[]> {
	const { rows } = await ours(join(dir, folder));
	for (const judge of judges)
		expect(judged(judge, join(dir, folder)), judge).toEqual(rows);
	return rows;
}

const wrapped = (json: string): string =>
	`{"alone":${json},"in":{"x":${json}},"list":[${json},null]}`;

test("values of every BSON type, alone, in documents and in arrays, are read by others as by us", async () => {
	const table = tableIn("bson", "mongodb");
	// Columns that hold no more than rescued values are no columns.
	const fields = DOCUMENT_CASES.filter(({ delta }) => delta !== undefined).map(
		({ json }, i) => `"c${i}":${wrapped(json)}`,
	);
	await table.write(
		documentChange(`{"_id":1,${fields.join(",")}}`),
		documentChange('{"_id":2}', { id: "2" }),
	);
	expect(await sameEverywhere("bson")).toHaveLength(2);
});

test("values of every relational type, with and without a schema, are read by others as by us", async () => {
	const table = tableIn("typed", "postgresql");
	await table.write(
		typedChange({
			id: [{ type: "int32" }, "1"],
			...Object.fromEntries(
				TYPED_CASES.flatMap(({ schema, json }, i) => [
					[`c${i}`, [schema, json] as const],
					[
						`list${i}`,
						[
							{ type: "array", items: { ...schema, optional: true } },
							`[${json},null]`,
						] as const,
					],
				]),
			),
		}),
	);
	expect(await sameEverywhere("typed")).toHaveLength(1);
	const plain = tableIn("plain", "postgresql");
	await plain.write({
		key: '{"id":1}',
		value: `{"before":null,"after":{"id":1,${TYPED_CASES.map(({ json }, i) => `"c${i}":${wrapped(json)}`).join(",")}},"source":{"ts_ms":1},"op":"c"}`,
	});
	expect(await sameEverywhere("plain")).toHaveLength(1);
});

const NAMES = [
	"a.b",
	"sp ace",
	"$dollar",
	"ünïcode 日本",
	"emoji 🙂",
	"tick`tick",
	"comma,semi;(brace){}=",
	'quo"te',
	"back\\slash",
	"tab\tline\nfeed",
	"select",
	"123",
	"x".repeat(255),
];

test("names with dots, spaces, $, quotes, unicode or controls are columns that others read", async () => {
	const table = tableIn("names", "mongodb");
	const members = (value: number): string =>
		NAMES.map((name, i) => `${JSON.stringify(name)}:${value + i}`).join(",");
	await table.write(
		documentChange(`{"_id":1,${members(0)},"in":{${members(100)}}}`),
	);
	// Columns that come later have such names too.
	await table.write(
		documentChange('{"_id":2,"new one.":{"and, in it":true}}', { id: "2" }),
	);
	const [first = ""] = await sameEverywhere("names");
	for (const [i, name] of NAMES.entries()) {
		expect(first).toContain(`[${JSON.stringify(name)},${i}]`);
		expect(first).toContain(`[${JSON.stringify(name)},${100 + i}]`);
	}
});

test("names that differ by case only, or are empty, are rescued, and the table can be read", async () => {
	const table = tableIn("case", "mongodb");
	await table.write(
		documentChange(
			'{"_id":1,"Name":"A","name":"b","NAME":"c","":5,"in":{"X":1,"x":2,"":3},"_kafka_offset":7}',
		),
	);
	const [row = ""] = await sameEverywhere("case");
	expect(row).toContain('["Name","A"]');
	expect(row).toContain('["in",[["X",1]]]');
	expect(row).toContain(
		JSON.stringify([
			"_rescued_data",
			'{"name":"b","NAME":"c","":5,"in.x":2,"in.":3,"_kafka_offset":7}',
		]),
	);
});

test("a table gets 1,000 columns, and 1,000 more", async () => {
	const table = tableIn("wide", "mongodb");
	const columns = (from: number): string =>
		Array.from({ length: 1000 }, (_, i) => `"c${from + i}":${from + i}`).join(
			",",
		);
	await table.write(documentChange(`{"_id":1,${columns(0)}}`));
	await table.write(documentChange(`{"_id":2,${columns(1000)}}`, { id: "2" }));
	const rows = await sameEverywhere("wide");
	expect(rows[0]).toContain('["c999",999]');
	expect(rows[1]).toContain('["c1999",1999]');
});

test("a document of 16 MB is a row as any other", async () => {
	const table = tableIn("large", "mongodb");
	const text = 'ünïcode \\" '.repeat(1_400_000);
	const numbers = Array.from({ length: 100_000 }, (_, i) => i).join(",");
	await table.write(
		documentChange(`{"_id":1,"text":"${text}","numbers":[${numbers}]}`),
		documentChange('{"_id":2,"text":"small"}', { id: "2" }),
	);
	const rows = await sameEverywhere("large");
	expect(rows).toHaveLength(2);
	expect(Math.max(...rows.map((row) => row.length))).toBeGreaterThan(14e6);
});

test("columns as deep as they get are read by others, and what lies deeper is JSON", async () => {
	const table = tableIn("deep", "mongodb");
	const deep = (levels: number): string =>
		`${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`;
	await table.write(documentChange(`{"_id":1,"x":${deep(MAX_DEPTH)}}`));
	await table.write(documentChange(`{"_id":2,"y":${deep(100)}}`, { id: "2" }));
	// DuckDB takes twice the time for each level of arrays from about 20 on.
	await table.write(
		documentChange(
			`{"_id":3,"list":${"[".repeat(12)}{"b":1}${"]".repeat(12)}}`,
			{ id: "3" },
		),
	);
	const rows = await sameEverywhere("deep");
	expect(rows.join()).toContain(JSON.stringify(deep(100 - MAX_DEPTH)));
});

test("a table whose columns were widened is read by DuckDB, older files too", async () => {
	const table = tableIn("widened", "postgresql");
	const row = (id: string, type: string, json: string) =>
		typedChange({
			id: [{ type: "int32" }, id],
			n: [{ type }, json],
			in: [{ type: "struct", fields: [{ type, field: "x" }] }, `{"x":${json}}`],
			list: [{ type: "array", items: { type } }, `[${json}]`],
		});
	await table.write(row("1", "int32", "-5"));
	await table.write(row("2", "int64", "9007199254740993"));
	const rows = await sameEverywhere("widened", ["DuckDB"]);
	expect(rows[1]).toContain('["n","9007199254740993"]');
});
