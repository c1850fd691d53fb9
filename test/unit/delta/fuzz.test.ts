import { expect, test } from "vitest";
import { array, field, struct } from "../../../src/columnar/types.ts";
import { DeltaError } from "../../../src/delta/errors.ts";
import { parsePartitionValue } from "../../../src/delta/partition.ts";
import { canonicalPath, placeOf } from "../../../src/delta/path.ts";
import { parseSchema } from "../../../src/delta/schema.ts";
import { looseStats } from "../../../src/delta/stats.ts";
import { parseColumnList } from "../../../src/delta/stats-columns.ts";
import { parseStats } from "../../../src/delta/stats-text.ts";
import { checkTypeChanges } from "../../../src/delta/type-widening.ts";
import { generator, pick, type Random, SEED, textOf } from "./random.ts";

/** The text with some of its characters cut out, doubled, or replaced. */
function damaged(random: Random, text: string): string {
	let result = text;
	for (let n = 0; n < 1 + random() * 3; n++) {
		const at = Math.floor(random() * (result.length + 1));
		const end = at + Math.floor(random() * 6);
		const part = pick(random, [
			"",
			result.slice(at, end).repeat(2),
			textOf(random, 3),
			pick(random, ["{", "}", "[", "]", '"', ":", ",", "-", "1e999", "null"]),
		]);
		result = result.slice(0, at) + part + result.slice(end);
	}
	return result;
}

function onlyTyped(note: string, attempt: () => unknown): boolean {
	try {
		attempt();
		return true;
	} catch (error) {
		expect(error, note).toBeInstanceOf(DeltaError);
		return false;
	}
}

const SCHEMA = struct(
	field("a", "decimal(38,10)", {
		metadata: { "delta.typeChanges": [{ fromType: "long", toType: "double" }] },
	}),
	field("b", array(struct(field("c", "timestamp"), field("d", "string")))),
	field("e", "date"),
);

test("a damaged schema is a typed error, or a schema", () => {
	const random = generator(SEED);
	const text = JSON.stringify(SCHEMA);
	let read = 0;
	for (let i = 0; i < 5000; i++) {
		const input = damaged(random, text);
		const note = `seed ${SEED}, ${i}: ${input}`;
		const fine = onlyTyped(note, () => {
			const schema = parseSchema(input, "t");
			expect(parseSchema(JSON.stringify(schema), "t"), note).toEqual(schema);
			checkTypeChanges(schema, "t");
		});
		if (fine) read++;
	}
	expect(read).toBeGreaterThan(0);
	expect(read).toBeLessThan(5000);
	const deep = (levels: number) =>
		`{"type":"struct","fields":[{"name":"x","nullable":true,"type":${'{"type":"array","containsNull":true,"elementType":'.repeat(levels)}"long"${"}".repeat(levels)}}]}`;
	expect(parseSchema(deep(400), "t").fields).toHaveLength(1);
	expect(onlyTyped("deep", () => parseSchema(deep(100_000), "t"))).toBe(false);
});

test("damaged statistics are none, or statistics", () => {
	const random = generator(SEED);
	const text =
		'{"numRecords":3,"minValues":{"a":-1.5,"e":"2020-01-01"},"maxValues":{"a":99999999999999999.25,"e":"2021-01-01"},"nullCount":{"a":0,"b":1},"tightBounds":true}';
	for (let i = 0; i < 5000; i++) {
		const input = damaged(random, text);
		const note = `seed ${SEED}, ${i}: ${input}`;
		onlyTyped(note, () => parseStats(input, SCHEMA));
		const stats = parseStats(input, SCHEMA);
		if (stats !== undefined)
			expect(parseStats(looseStats(input), SCHEMA), note).toMatchObject({
				tightBounds: false,
			});
	}
});

test("no text at all breaks paths, partition values and lists of columns but with a typed error", () => {
	const random = generator(SEED);
	const types = [
		"long",
		"double",
		"date",
		"timestamp",
		"timestamp_ntz",
		"decimal(10,2)",
		"boolean",
	] as const;
	for (let i = 0; i < 20_000; i++) {
		const base = pick(random, [
			"2020-01-01T00:00:00.123456+01:00",
			"-12345.678e-5",
			"s3a://bucket/a%20b/c",
			"file:///x//y",
			"a.`b``c`, d",
		]);
		const input = random() < 0.2 ? textOf(random, 10) : damaged(random, base);
		const note = `seed ${SEED}, ${i}: ${JSON.stringify(input)}`;
		const type = pick(random, types);
		onlyTyped(note, () => parsePartitionValue(input, type));
		onlyTyped(note, () => parseColumnList(input));
		onlyTyped(note, () => placeOf(input, "s3://bucket/a b"));
		onlyTyped(note, () => {
			const key = canonicalPath(input);
			if (!key.includes("%")) expect(canonicalPath(key), note).toBe(key);
		});
	}
});
