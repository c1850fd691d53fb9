import { expect, test } from "vitest";
import { take } from "../../../src/columnar/batch.ts";
import { array, field, struct } from "../../../src/columnar/types.ts";
import { refusedRows } from "../../../src/delta/refused-rows.ts";
import { append, createTable } from "../../../src/delta/write.ts";
import { batchOf } from "../../support/batch.ts";
import { generator } from "../../support/seed.ts";
import { memoryEngine } from "./table.ts";

const SCHEMA = struct(
	field("id", "long", { nullable: false }),
	field("amount", "long"),
	field("tags", array("string", false)),
	field("share", "double", {
		metadata: { "delta.generationExpression": "100.0D / CAST(id AS DOUBLE)" },
	}),
);
const ROWS = struct(...SCHEMA.fields.slice(0, 3));
const CONFIGURATION = {
	"delta.constraints.positive": "amount > 0",
	"delta.constraints.ratio": "10 / (amount - 3) <> 5",
};

test("exactly the rows that can't be written alone are refused, each for its own reason", async () => {
	const NOW = { now: 0 };
	for (let seed = 1; seed <= 40; seed++) {
		const random = generator(seed);
		const pick = <T>(...values: readonly T[]): T =>
			values[Math.floor(random() * values.length)] as T;
		const engine = memoryEngine();
		let table = await createTable(engine, {
			schema: SCHEMA,
			configuration: CONFIGURATION,
		});
		const batch = batchOf(
			ROWS,
			Array.from({ length: Math.floor(random() * 30) }, (_, i) => ({
				id: random() < 0.1 ? null : BigInt(i + (random() < 0.9 ? 1 : 0)),
				amount: pick(null, -1n, 0n, 1n, 3n, 4n, 5n, 6n, 7n),
				tags: pick(null, [], ["a"], ["a", null]),
			})),
		);
		const refused = refusedRows(table, batch, NOW);
		for (let row = 0; row < batch.length; row++) {
			const alone = append(engine, table, [take(batch, Int32Array.of(row))]);
			const note = `seed ${seed}, row ${row}`;
			if (refused.has(row))
				await expect(alone, note).rejects.toMatchObject({
					code: "DELTA_CONSTRAINT_VIOLATED",
				});
			else table = await alone;
		}
		const rest = Int32Array.from(
			{ length: batch.length },
			(_, row) => row,
		).filter((row) => !refused.has(row));
		await append(engine, table, [take(batch, rest)]);
	}
});

test("the reason names the constraint and this row's values", async () => {
	const table = await createTable(memoryEngine(), {
		schema: SCHEMA,
		configuration: CONFIGURATION,
	});
	const refused = refusedRows(
		table,
		batchOf(ROWS, [
			{ id: 1n, amount: 1n, tags: null },
			{ id: 2n, amount: -5n, tags: null },
			{ id: null, amount: 1n, tags: null },
			{ id: 3n, amount: 1n, tags: [null] },
		]),
		{ now: 0 },
	);
	expect(
		[...refused].map(([row, { message }]) => `${row}: ${message}`),
	).toEqual([
		"2: the column id is NOT NULL, and has no value",
		"3: the column tags.element is NOT NULL, and has no value",
		"1: the check constraint positive (amount > 0) is not true: amount = -5",
	]);
});
