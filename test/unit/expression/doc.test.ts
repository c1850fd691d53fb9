import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { vectorOf } from "../../../src/columnar/literal.ts";
import { type DataType, field, struct } from "../../../src/columnar/types.ts";
import { valueAt } from "../../../src/columnar/value.ts";
import type { Batch, Value } from "../../../src/columnar/vector.ts";
import { bind } from "../../../src/expression/bind.ts";
import { castValue } from "../../../src/expression/cast.ts";
import { evaluate } from "../../../src/expression/evaluate.ts";
import { parseExpression } from "../../../src/expression/parse.ts";
import { FUNCTIONS, SYNONYMS } from "../../../src/expression/signature.ts";

const PAGE = readFileSync(
	resolve(import.meta.dirname, "../../../docs/reference/expressions.md"),
	"utf8",
);

const COLUMNS: readonly (readonly [string, DataType, Value])[] = [
	["id", "long", 9_007_199_254_740_993n],
	["qty", "integer", 7],
	["price", "decimal(10,2)", { unscaled: 1990n, scale: 2 }],
	["ratio", "double", Number.NaN],
	["name", "string", "Ærø 7%"],
	["note", "string", null],
	["born", "date", 20_696],
	["at", "timestamp", 1_788_185_109_000_001n],
	["paid", "boolean", true],
	["raw", "binary", Uint8Array.of(0x0a, 0xff)],
	["address", struct(field("city", "string")), { city: "Oslo" }],
];

const ROW: Batch = {
	schema: struct(...COLUMNS.map(([name, type]) => field(name, type))),
	length: 1,
	columns: COLUMNS.map(([, type, value]) => vectorOf(type, [value])),
};

const examples = [...PAGE.matchAll(/^\| .+ \| (`.+`) \| (.+) \|$/gm)].map(
	([, code = "", result = ""]) => ({
		example: code
			.replace(/^`` | ``$|^`|`$/g, "")
			.replaceAll("\\|", "|")
			.trim(),
		result,
	}),
);

function textOf(example: string): string {
	const bound = bind(parseExpression(example), ROW.schema);
	const vector = evaluate(bound, ROW, { now: Date.UTC(2026, 11, 1) });
	const value = valueAt(vector, bound.type, 0);
	return value === null
		? "null"
		: String(castValue(value, bound.type, "string"));
}

test("the page has an example of every form", () => {
	expect(examples.length).toBeGreaterThan(60);
	for (const name of [...Object.keys(FUNCTIONS), ...Object.keys(SYNONYMS)])
		expect(PAGE).toMatch(new RegExp(`\\b${name}\\b`));
});

test.each(examples)(
	"$example is $result, as the page says",
	({ example, result }) => {
		expect(textOf(example)).toBe(result);
	},
);
