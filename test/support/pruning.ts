import { expect } from "vitest";
import type { DataType } from "../../src/columnar/types.ts";
import { dateText, timestampText, valueAt } from "../../src/columnar/value.ts";
import { readTable } from "../../src/delta/scan.ts";
import { predicate } from "../../src/delta/stage-delete.ts";
import { engineOf, snapshotOf } from "./differential.ts";
import type { JudgedTable, Spark } from "./spark.ts";
import { pick, quoted, type Random, scalarColumns } from "./table-values.ts";

/**
 * Conditions at random, on values that are in the table or beside it: which rows satisfy them is what
 * Spark says when it looks at every row. A scan of Spark's and a scan of ours that skip files must
 * find the same rows.
 * @returns how many files our scans skipped
 */
export async function expectSameAfterPruning(
	random: Random,
	spark: Spark,
	path: string,
	table: JudgedTable,
	count: number,
): Promise<number> {
	const conditions = Array.from({ length: count }, () =>
		randomCondition(random, table),
	);
	const source = `delta.${quoted(path)}`;
	// A scan that returns a condition's value can't skip by it.
	const everyRow = await spark.sql(
		`SELECT CAST(id AS STRING), ${conditions.map((condition) => `(${condition})`).join(", ")} FROM ${source}`,
	);
	const scans = await spark.sql(
		conditions
			.map(
				(condition, i) =>
					`SELECT ${i}, CAST(id AS STRING) FROM ${source} WHERE ${condition}`,
			)
			.join(" UNION ALL "),
	);
	const snapshot = await snapshotOf(path);
	const engine = engineOf(path);
	let skipped = 0;
	for (const [i, condition] of conditions.entries()) {
		const truth = everyRow
			.filter((row) => row[i + 1]?.toLowerCase() === "true")
			.map((row) => String(row[0]))
			.sort();
		const theirs = scans
			.filter((row) => row[0] === String(i))
			.map((row) => String(row[1]))
			.sort();
		expect(theirs, `Spark skips by ${condition}`).toEqual(truth);
		const where = predicate(snapshot, condition);
		if (where === undefined) throw new Error("a condition is a condition");
		const all = [...snapshot.files.values()];
		const files = all.filter((file) => where.mayMatch(file));
		skipped += all.length - files.length;
		const ours: string[] = [];
		for await (const batch of readTable(engine, snapshot, {
			files,
			columns: ["id"],
			where: where.bound,
		}))
			for (let row = 0; row < batch.length; row++)
				if (batch.columns[0] !== undefined)
					ours.push(String(valueAt(batch.columns[0], "long", row)));
		expect(ours.sort(), `we skip by ${condition}`).toEqual(truth);
	}
	return skipped;
}

function randomCondition(random: Random, table: JudgedTable): string {
	const column = pick(random, [
		...scalarColumns(table.schema),
		{ name: "id", type: "long" as DataType },
	]);
	const name = quoted(column.name);
	const value = (): string => literal(random, table, column.name, column.type);
	switch (
		pick(random, ["compare", "compare", "in", "null", "between", "not"])
	) {
		case "in":
			return `${name} IN (${value()}, ${value()})`;
		case "null":
			return `${name} IS ${random() < 0.5 ? "NOT " : ""}NULL`;
		case "between":
			return `${name} BETWEEN ${value()} AND ${value()}`;
		case "not":
			return `NOT (${name} = ${value()})`;
		default:
			return `${name} ${pick(random, ["=", "<", "<=", ">", ">=", "<=>"])} ${value()}`;
	}
}

/** A value of that column in the table, or a little beside it. */
function literal(
	random: Random,
	{ schema, rows }: JudgedTable,
	name: string,
	type: DataType,
): string {
	const at = schema.fields.findIndex((field) => field.name === name);
	const values = rows
		.map((row) => row[at] ?? null)
		.filter((value): value is string => typeof value === "string");
	const value = values.length === 0 ? "0" : pick(random, values);
	const beside = random() < 0.3;
	switch (type) {
		case "string": {
			const text = beside ? [...value].slice(0, 32).join("") : value;
			return quotedText(text);
		}
		case "binary":
			return `X'${values.length === 0 ? "" : value}'`;
		case "boolean":
			return values.length === 0 ? "true" : value;
		case "date":
			return `DATE '${dateText(Number(value))}'`;
		case "timestamp":
		case "timestamp_ntz": {
			const micros =
				BigInt(value) + (beside ? pick(random, [1n, -1n, 999n]) : 0n);
			const text = timestampText(inRange(micros)).replace("T", " ");
			return type === "timestamp"
				? `TIMESTAMP '${text}Z'`
				: `TIMESTAMP_NTZ '${text}'`;
		}
		case "float":
			return `CAST('${beside ? "NaN" : value}' AS FLOAT)`;
		case "double":
			return `CAST('${beside ? "-0.0" : value}' AS DOUBLE)`;
		default:
			return `CAST('${value}' AS ${type === "long" ? "BIGINT" : type === "integer" ? "INT" : type === "short" ? "SMALLINT" : type === "byte" ? "TINYINT" : type})`;
	}
}

function inRange(micros: bigint): bigint {
	const [least, most] = [-62_135_596_800_000_000n, 253_402_300_799_999_999n];
	return micros < least ? least : micros > most ? most : micros;
}

function quotedText(text: string): string {
	return `'${text
		.replaceAll("\\", "\\\\")
		.replaceAll("'", "\\'")
		.replaceAll("\n", "\\n")}'`;
}
