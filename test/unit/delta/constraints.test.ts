import { expect, test } from "vitest";
import { vectorOf } from "../../../src/columnar/literal.ts";
import {
	array,
	type DataType,
	field,
	type StructType,
	struct,
} from "../../../src/columnar/types.ts";
import { valueAt } from "../../../src/columnar/value.ts";
import type { Batch, Value, Vector } from "../../../src/columnar/vector.ts";
import { tableConstraints } from "../../../src/delta/constraints.ts";
import { DeltaError } from "../../../src/delta/errors.ts";
import { checkRows, completeRows } from "../../../src/delta/row-check.ts";

const NOW = { now: Date.UTC(2026, 7, 31, 12) };

type Columns = Readonly<Record<string, readonly [DataType, readonly Value[]]>>;

function rows(columns: Columns): Batch {
	const all = Object.entries(columns);
	return {
		schema: struct(...all.map(([name, [type]]) => field(name, type))),
		length: all[0]?.[1][1].length ?? 0,
		columns: all.map(([, [type, values]]) => vectorOf(type, values)),
	};
}

function error(run: () => unknown): DeltaError {
	try {
		run();
	} catch (caught) {
		if (caught instanceof DeltaError) return caught;
		throw caught;
	}
	throw new Error("nothing was refused");
}

function check(
	schema: StructType,
	batch: Batch,
	checks: Readonly<Record<string, string>> = {},
): void {
	const configuration = Object.fromEntries(
		Object.entries(checks).map(([name, text]) => [
			`delta.constraints.${name}`,
			text,
		]),
	);
	checkRows(tableConstraints({ configuration }, schema), batch, NOW);
}

const AMOUNTS = struct(field("id", "long"), field("amount", "decimal(10,2)"));

function amounts(...values: (bigint | null)[]): Batch {
	return rows({
		id: ["long", values.map((_, i) => BigInt(i) + 9_007_199_254_740_993n)],
		amount: [
			"decimal(10,2)",
			values.map((unscaled) =>
				unscaled === null ? null : { unscaled, scale: 2 },
			),
		],
	});
}

test("a row that breaks a check constraint is named with its values", () => {
	check(AMOUNTS, amounts(1n, 2n), { positive: "amount > 0" });
	const { code, message } = error(() =>
		check(AMOUNTS, amounts(1n, -250n), { positive: "amount > 0 OR id = 7" }),
	);
	expect(code).toBe("DELTA_CONSTRAINT_VIOLATED");
	for (const part of [
		"check constraint positive (amount > 0 OR id = 7)",
		"row 2 of 2",
		"amount = -2.50",
		"id = 9007199254740994",
	])
		expect(message).toContain(part);
});

test("a check that is null for a row fails, as does one without a result", () => {
	for (const text of ["amount > 0", "10 / (amount - 1) > 0"]) {
		const { code, message } = error(() =>
			check(AMOUNTS, amounts(200n, null, 100n), { c: text }),
		);
		expect(code).toBe("DELTA_CONSTRAINT_VIOLATED");
		expect(message).toContain("row 2 of 3: amount = null");
	}
	const { message } = error(() =>
		check(AMOUNTS, amounts(200n, 100n), { c: "10 / (amount - 1) > 0" }),
	);
	expect(message).toContain("row 2 of 2: amount = 1.00");
});

test("a column that rows lack is null to a check", () => {
	const batch = rows({ id: ["long", [1n]] });
	check(AMOUNTS, batch, { c: "amount IS NULL" });
	expect(error(() => check(AMOUNTS, batch, { c: "amount > 0" })).code).toBe(
		"DELTA_CONSTRAINT_VIOLATED",
	);
});

test("NOT NULL holds for columns, and at any depth of those that are there", () => {
	const schema = struct(
		field("id", "long", { nullable: false }),
		field(
			"s",
			struct(
				field("a", "integer", { nullable: false }),
				field("list", array(struct(field("b", "string", { nullable: false })))),
			),
		),
		field("tags", array("string", false)),
		field("m", {
			type: "map",
			keyType: "string",
			valueType: "integer",
			valueContainsNull: false,
		}),
	);
	const loose = struct(
		field("a", "integer"),
		field("list", array(struct(field("b", "string")))),
	);
	const batch = (
		id: Value,
		s: Value,
		tags: Value = null,
		m: Value = null,
	): Batch =>
		rows({
			id: ["long", [1n, id]],
			s: [loose, [null, s]],
			tags: [array("string"), [null, tags]],
			m: [
				{
					type: "map",
					keyType: "string",
					valueType: "integer",
					valueContainsNull: true,
				},
				[new Map([["k", 1]]), m],
			],
		});
	check(schema, batch(2n, null));
	check(schema, batch(2n, { a: 1, list: [{ b: "x" }, null] }, ["t"]));
	const broken: readonly (readonly [string, Batch])[] = [
		["id", batch(null, null)],
		["s.a", batch(2n, { a: null, list: null })],
		["s.list.element.b", batch(2n, { a: 1, list: [{ b: "x" }, { b: null }] })],
		["tags.element", batch(2n, null, ["t", null])],
		["m.value", batch(2n, null, null, new Map([["k", null]]))],
	];
	for (const [name, wrong] of broken) {
		const { code, message } = error(() => check(schema, wrong));
		expect(code).toBe("DELTA_CONSTRAINT_VIOLATED");
		expect(message).toContain(`the column ${name} is NOT NULL`);
		expect(message).toContain("row 2 of 2");
	}
	expect(
		error(() => check(schema, rows({ tags: [array("string"), [null]] })))
			.message,
	).toContain("the column id is NOT NULL");
	expect(
		error(() =>
			check(
				schema,
				rows({
					id: ["long", [1n]],
					s: [struct(field("list", array("string"))), [{ list: null }]],
				}),
			),
		).message,
	).toContain("the column s.a is NOT NULL");
});

test("an invariant is read from its two layers of JSON, of nested fields too", () => {
	const invariant = (text: string) => ({
		metadata: {
			"delta.invariants": JSON.stringify({ expression: { expression: text } }),
		},
	});
	const schema = struct(
		field("a", "integer", invariant("a > 3")),
		field("s", struct(field("b", "integer", invariant("s.b < a")))),
	);
	const batch = (a: Value, b: Value): Batch =>
		rows({ a: ["integer", [a]], s: [struct(field("b", "integer")), [{ b }]] });
	check(schema, batch(5, 4));
	expect(error(() => check(schema, batch(3, 1))).message).toContain(
		"the invariant a (a > 3) is not true for row 1 of 1: a = 3",
	);
	expect(error(() => check(schema, batch(null, 1))).message).toContain(
		"a = null",
	);
	expect(error(() => check(schema, batch(5, 5))).message).toContain("s.b = 5");
	for (const text of ["{", "{}", '{"expression":"a > 3"}', "null"])
		expect(
			error(() =>
				tableConstraints(
					{ configuration: {} },
					struct(
						field("a", "integer", { metadata: { "delta.invariants": text } }),
					),
				),
			).code,
			text,
		).toBe("DELTA_UNSUPPORTED_WRITER");
});

const GENERATED = struct(
	field("at", "timestamp"),
	field("name", "string"),
	field("day", "date", {
		metadata: { "delta.generationExpression": "CAST(at AS DATE)" },
	}),
	field("first", "string", {
		metadata: { "delta.generationExpression": "substring(NAME, 1, 1)" },
	}),
	field("year", "long", {
		metadata: { "delta.generationExpression": "year(at)" },
	}),
);

function column(batch: Batch, name: string): Value[] {
	const at = batch.schema.fields.findIndex((each) => each.name === name);
	const { type } = batch.schema.fields[at] as { type: DataType };
	return Array.from({ length: batch.length }, (_, i) =>
		valueAt(batch.columns[at] as Vector, type, i),
	);
}

test("generated columns that rows lack are computed, those that they have are checked", () => {
	const constraints = tableConstraints({ configuration: {} }, GENERATED);
	const given = rows({
		at: ["timestamp", [86_400_000_000n, null]],
		name: ["string", ["éa", ""]],
	});
	const complete = completeRows(constraints, given, NOW);
	expect(column(complete, "day")).toEqual([1, null]);
	expect(column(complete, "first")).toEqual(["é", ""]);
	expect(column(complete, "year")).toEqual([1970n, null]);
	checkRows(constraints, complete, NOW);
	const wrong = completeRows(
		constraints,
		rows({ at: ["timestamp", [0n, null]], day: ["date", [0, 1]] }),
		NOW,
	);
	expect(column(wrong, "day")).toEqual([0, 1]);
	const { code, message } = error(() => checkRows(constraints, wrong, NOW));
	expect(code).toBe("DELTA_CONSTRAINT_VIOLATED");
	expect(message).toContain(
		"the generated column day (CAST(at AS DATE)) is not true for row 2 of 2: day = 1970-01-02, at = null",
	);
});

test("defaults fill columns that rows lack, before columns are generated of them", () => {
	const schema = struct(
		field("id", "integer"),
		field("state", "string", { metadata: { CURRENT_DEFAULT: "'new'" } }),
		field("rank", "long", { metadata: { CURRENT_DEFAULT: "40 + 2" } }),
		field("seen", "timestamp", {
			metadata: { CURRENT_DEFAULT: "current_timestamp()" },
		}),
		field("label", "string", {
			metadata: { "delta.generationExpression": "concat(state, '!')" },
		}),
	);
	const constraints = tableConstraints({ configuration: {} }, schema);
	const complete = completeRows(
		constraints,
		rows({ id: ["integer", [1, 2]], rank: ["long", [null, 7n]] }),
		NOW,
	);
	expect(column(complete, "state")).toEqual(["new", "new"]);
	expect(column(complete, "rank")).toEqual([null, 7n]);
	expect(column(complete, "seen")).toEqual(
		Array(2).fill(BigInt(NOW.now) * 1000n),
	);
	expect(column(complete, "label")).toEqual(["new!", "new!"]);
	checkRows(constraints, complete, NOW);
	expect(
		completeRows(constraints, rows({ id: ["integer", []] }), NOW).length,
	).toBe(0);
});

test("a value that can't be computed is refused, not null", () => {
	const constraints = tableConstraints(
		{ configuration: {} },
		struct(
			field("a", "integer"),
			field("b", "integer", {
				metadata: { "delta.generationExpression": "CAST(10 / a AS int)" },
			}),
		),
	);
	const batch = rows({ a: ["integer", [5, 0]] });
	const { code, message } = error(() => completeRows(constraints, batch, NOW));
	expect(code).toBe("DELTA_CONSTRAINT_VIOLATED");
	expect(message).toContain("division by zero");
});

test.each<[string, StructType, Record<string, string>]>([
	[
		"an unknown function",
		AMOUNTS,
		{ "delta.constraints.c": "regexp_like(id, 'x')" },
	],
	["broken SQL", AMOUNTS, { "delta.constraints.c": "amount >" }],
	["a column that is gone", AMOUNTS, { "delta.constraints.c": "gone > 1" }],
	["something that is no condition", AMOUNTS, { "delta.constraints.c": "id" }],
	[
		"an unknown generation",
		struct(
			field("a", "integer", {
				metadata: { "delta.generationExpression": "rand()" },
			}),
		),
		{},
	],
	[
		"a generation of another type",
		struct(
			field("d", "date"),
			field("a", "boolean", {
				metadata: { "delta.generationExpression": "d" },
			}),
		),
		{},
	],
	[
		"a generation of a generated column",
		struct(
			field("a", "integer", {
				metadata: { "delta.generationExpression": "1" },
			}),
			field("b", "integer", {
				metadata: { "delta.generationExpression": "A" },
			}),
		),
		{},
	],
	[
		"a default that names a column",
		struct(
			field("a", "integer"),
			field("b", "integer", { metadata: { CURRENT_DEFAULT: "a" } }),
		),
		{},
	],
	[
		"a default of a nested field",
		struct(
			field(
				"s",
				struct(field("b", "integer", { metadata: { CURRENT_DEFAULT: "1" } })),
			),
		),
		{},
	],
	[
		"an invariant in an array",
		struct(
			field(
				"s",
				array(
					struct(
						field("b", "integer", {
							metadata: {
								"delta.invariants": '{"expression":{"expression":"b > 1"}}',
							},
						}),
					),
				),
			),
		),
		{},
	],
])(
	"%s makes a table that is not written, not one without the rule",
	(_, schema, configuration) => {
		const { code, message } = error(() =>
			tableConstraints({ configuration }, schema),
		);
		expect(code).toBe("DELTA_UNSUPPORTED_WRITER");
		expect(message).toContain("can't be enforced");
	},
);

test("a table without constraints checks nothing", () => {
	const constraints = tableConstraints(
		{ configuration: { "delta.appendOnly": "true" } },
		AMOUNTS,
	);
	const batch = amounts(null);
	checkRows(constraints, batch, NOW);
	expect(completeRows(constraints, batch, NOW)).toBe(batch);
});
