import { expect, test } from "vitest";
import { vectorOf } from "../../../src/columnar/literal.ts";
import { type DataType, field, struct } from "../../../src/columnar/types.ts";
import { valueAt } from "../../../src/columnar/value.ts";
import type { Batch, Value } from "../../../src/columnar/vector.ts";
import { commit } from "../../../src/delta/commit.ts";
import { DeltaError } from "../../../src/delta/errors.ts";
import { scanFiles } from "../../../src/delta/scan.ts";
import type { Snapshot } from "../../../src/delta/snapshot.ts";
import { append, createTable, deleteRows } from "../../../src/delta/write.ts";
import { committed, memoryEngine } from "./table.ts";

function rows(
	columns: Readonly<Record<string, readonly [DataType, readonly Value[]]>>,
): Batch {
	const all = Object.entries(columns);
	return {
		schema: struct(...all.map(([name, [type]]) => field(name, type))),
		length: all[0]?.[1][1].length ?? 0,
		columns: all.map(([, [type, values]]) => vectorOf(type, values)),
	};
}

const SCHEMA = struct(
	field("id", "long", { nullable: false }),
	field("at", "timestamp"),
	field("day", "date", {
		metadata: { "delta.generationExpression": "CAST(at AS DATE)" },
	}),
	field("state", "string", { metadata: { CURRENT_DEFAULT: "'new'" } }),
);
const CHECK = { "delta.constraints.small": "id < 10" };
const DAY = 86_400_000_000n;

async function contents(
	engine: ReturnType<typeof memoryEngine>,
	snapshot: Snapshot,
): Promise<Value[][]> {
	const found: Value[][] = [];
	for await (const { batch } of scanFiles(engine, snapshot))
		for (let i = 0; i < batch.length; i++)
			found.push(
				batch.schema.fields.map(({ type }, at) =>
					valueAt(batch.columns[at] as never, type, i),
				),
			);
	return found.sort((a, b) => Number(a[0]) - Number(b[0]));
}

test("a table with constraints is written, and a row that breaks one leaves no trace", async () => {
	const engine = memoryEngine();
	const created = await createTable(engine, {
		schema: SCHEMA,
		partitionColumns: ["day"],
		configuration: CHECK,
	});
	expect(created.protocol.minWriterVersion).toBe(7);
	expect(created.protocol.writerFeatures).toEqual(
		expect.arrayContaining([
			"allowColumnDefaults",
			"checkConstraints",
			"generatedColumns",
		]),
	);
	const written = await append(engine, created, [
		rows({ id: ["long", [1n, 2n]], at: ["timestamp", [5n, DAY]] }),
	]);
	expect(await contents(engine, written)).toEqual([
		[1n, 5n, 0, "new"],
		[2n, DAY, 1, "new"],
	]);
	expect(
		[...written.files.values()].map(({ partitionValues }) => partitionValues),
	).toEqual(
		expect.arrayContaining([{ day: "1970-01-01" }, { day: "1970-01-02" }]),
	);
	const before = [...engine.objects.keys()];
	for (const wrong of [
		rows({ id: ["long", [3n, 10n]] }),
		rows({ id: ["long", [null]] }),
		rows({ at: ["timestamp", [1n]] }),
		rows({ id: ["long", [3n]], day: ["date", [0]] }),
	]) {
		const caught: unknown = await append(engine, written, [wrong]).catch(
			(error: unknown) => error,
		);
		expect(caught).toBeInstanceOf(DeltaError);
		expect((caught as DeltaError).code).toBe("DELTA_CONSTRAINT_VIOLATED");
	}
	expect([...engine.objects.keys()]).toEqual(before);
});

test("rows from before a constraint can be copied, and are not checked as new ones", async () => {
	const engine = memoryEngine();
	const created = await createTable(engine, { schema: SCHEMA });
	const written = await append(engine, created, [
		rows({ id: ["long", [1n, 20n, 30n]] }),
	]);
	// Another engine may have added it without looking at the rows.
	const metadata = { ...written.metadata, configuration: CHECK };
	const constrained = committed(
		await commit(engine, {
			base: written,
			plan: () => ({
				kind: "commit",
				info: { operation: "ADD CONSTRAINT" },
				actions: [
					{
						protocol: {
							minReaderVersion: 1,
							minWriterVersion: 7,
							writerFeatures: [
								"allowColumnDefaults",
								"checkConstraints",
								"generatedColumns",
							],
						},
					},
					{ metaData: metadata },
				],
			}),
		}),
	);
	const left = await deleteRows(engine, constrained, "id = 20");
	expect((await contents(engine, left)).map(([id]) => id)).toEqual([1n, 30n]);
});

test("a table whose constraint is outside of the subset takes no rows", async () => {
	const engine = memoryEngine();
	const created = await createTable(engine, {
		schema: SCHEMA,
		configuration: { "delta.constraints.c": "regexp_like(state, 'n.*')" },
	});
	const before = [...engine.objects.keys()];
	const caught: unknown = await append(engine, created, [
		rows({ id: ["long", [1n]] }),
	]).catch((error: unknown) => error);
	expect((caught as DeltaError).code).toBe("DELTA_UNSUPPORTED_WRITER");
	expect((caught as DeltaError).message).toContain("regexp_like");
	expect([...engine.objects.keys()]).toEqual(before);
});

test("a text that is longer than its VARCHAR or CHAR leaves no trace, in code points as Spark counts them", async () => {
	const engine = memoryEngine();
	const created = await createTable(engine, {
		schema: struct(
			field("name", "string", {
				metadata: { __CHAR_VARCHAR_TYPE_STRING: "varchar(3)" },
			}),
			field("code", "string", {
				metadata: { __CHAR_VARCHAR_TYPE_STRING: "char(2)" },
			}),
		),
	});
	const after = await append(engine, created, [
		rows({
			name: ["string", ["abc", null, "\u{1f600}\u{1f600}\u{1f600}"]],
			code: ["string", ["ab", "", null]],
		}),
	]);
	for (const [name, code] of [
		["abcd", "x"],
		["a", "xyz"],
	] as const)
		await expect(
			append(engine, after, [
				rows({ name: ["string", [name]], code: ["string", [code]] }),
			]),
		).rejects.toThrow(
			name === "abcd"
				? /length of name .* is not true for row 1 .*abcd/
				: /length of code .* is not true for row 1 .*xyz/,
		);
});

test("a nested VARCHAR, whose length can't be held, is written over", async () => {
	const engine = memoryEngine();
	const names = field(
		"names",
		{ type: "array", elementType: "string", containsNull: true },
		{ metadata: { __CHAR_VARCHAR_TYPE_STRING: "array<varchar(3)>" } },
	);
	await expect(
		createTable(engine, { schema: struct(names) }).then((table) =>
			append(engine, table, [
				{
					schema: struct(names),
					length: 1,
					columns: [vectorOf(names.type, [["abcd"]])],
				},
			]),
		),
	).rejects.toThrow(
		/length of names \(array<varchar\(3\)>\) can't be enforced/,
	);
});
