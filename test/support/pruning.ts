import { expect } from "vitest";
import type { DataType } from "../../src/columnar/types.ts";
import { dateText, timestampText, valueAt } from "../../src/columnar/value.ts";
import { readTable } from "../../src/delta/scan.ts";
import { predicate } from "../../src/delta/stage-delete.ts";
import type { DeltaRs } from "./deltars.ts";
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
	const conditions = Array.from({ length: count }, () => {
		const { name, of } = randomCondition(random, table, "Spark");
		return of(quoted(name));
	});
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

/**
 * The same for scans of delta-rs or DuckDB that skip files: of a column wrapped in an expression with a
 * random number they know nothing beforehand.
 */
export async function expectSkipsOnlyWhatItMay(
	random: Random,
	deltaRs: DeltaRs,
	engine: "delta-rs" | "DuckDB",
	path: string,
	table: JudgedTable,
	count: number,
): Promise<void> {
	const ids = async (where: string): Promise<string[]> => {
		const { rows } = await deltaRs.read(path, {
			engine,
			where,
			columns: ["id"],
		});
		return rows.map(([id]) => String(id)).sort();
	};
	for (let i = 0; i < count; i++) {
		const { name, of } = randomCondition(random, table, engine);
		const column = `"${name.replaceAll('"', '""')}"`;
		const every = `CASE WHEN random() < 2 THEN ${column} END`;
		expect(await ids(of(column)), `${engine} skips by ${of(column)}`).toEqual(
			await ids(of(every)),
		);
	}
}

type Dialect = "Spark" | "delta-rs" | "DuckDB";

/** A condition on one column, which may be put in as any expression. */
interface Condition {
	readonly name: string;
	readonly of: (column: string) => string;
}

function randomCondition(
	random: Random,
	table: JudgedTable,
	dialect: Dialect,
): Condition {
	const { name, type } = pick(random, [
		// DuckDB can't filter by a column with a point in its name.
		...scalarColumns(table.schema).filter(
			(column) => dialect !== "DuckDB" || !column.name.includes("."),
		),
		{ name: "id", type: "long" as DataType },
	]);
	const value = (): string => {
		const some = someValue(random, table, name, type);
		// The others don't agree with themselves on what is equal to −0.
		const odd =
			dialect !== "Spark" &&
			(type === "float" || type === "double") &&
			(some === "NaN" || Number(some) === 0);
		return literal(type, odd ? "1.5" : some, dialect);
	};
	const [one, other] = [value(), value()];
	switch (
		pick(random, ["compare", "compare", "in", "null", "between", "not"])
	) {
		case "in":
			return { name, of: (column) => `${column} IN (${one}, ${other})` };
		case "null": {
			const not = random() < 0.5 ? "NOT " : "";
			return { name, of: (column) => `${column} IS ${not}NULL` };
		}
		case "between":
			return { name, of: (column) => `${column} BETWEEN ${one} AND ${other}` };
		case "not":
			return { name, of: (column) => `NOT (${column} = ${one})` };
		default: {
			const operator = pick(random, ["=", "<", "<=", ">", ">="]);
			return { name, of: (column) => `${column} ${operator} ${one}` };
		}
	}
}

/** A value of that column in the table, or a little beside it. */
function someValue(
	random: Random,
	{ schema, rows }: JudgedTable,
	name: string,
	type: DataType,
): string {
	const at = schema.fields.findIndex((field) => field.name === name);
	const values = rows
		.map((row) => row[at] ?? null)
		.filter((value): value is string => typeof value === "string");
	if (values.length === 0)
		return type === "boolean" ? "true" : type === "binary" ? "00" : "0";
	const value = pick(random, values);
	if (random() < 0.7) return value;
	switch (type) {
		case "string":
			return [...value].slice(0, 32).join("");
		case "timestamp":
		case "timestamp_ntz":
			return String(inRange(BigInt(value) + pick(random, [1n, -1n, 999n])));
		case "float":
		case "double":
			return pick(random, ["NaN", "-0.0", "0.0"]);
		default:
			return value;
	}
}

function literal(type: DataType, value: string, dialect: Dialect): string {
	switch (type) {
		case "string":
			return dialect === "Spark"
				? `'${value.replaceAll("\\", "\\\\").replaceAll("'", "\\'").replaceAll("\n", "\\n")}'`
				: `'${value.replaceAll("'", "''")}'`;
		case "binary":
			return dialect === "DuckDB"
				? `'${value.replaceAll(/../g, "\\x$&")}'::BLOB`
				: `X'${value}'`;
		case "boolean":
			return value;
		case "date":
			return `DATE '${dateText(Number(value))}'`;
		case "timestamp":
		case "timestamp_ntz": {
			const zoned = type === "timestamp";
			const text = `${timestampText(BigInt(value)).replace("T", " ")}${zoned ? "Z" : ""}`;
			switch (dialect) {
				case "Spark":
					return `${zoned ? "TIMESTAMP" : "TIMESTAMP_NTZ"} '${text}'`;
				case "DuckDB":
					return `${zoned ? "TIMESTAMPTZ" : "TIMESTAMP"} '${text}'`;
				case "delta-rs":
					return `arrow_cast(${value}, 'Timestamp(Microsecond, ${zoned ? 'Some("UTC")' : "None"})')`;
			}
		}
	}
	const names: Readonly<Record<string, string>> = {
		long: "BIGINT",
		integer: "INT",
		short: "SMALLINT",
		byte: "TINYINT",
	};
	const text = typeof type === "string" ? (names[type] ?? type) : "";
	return `CAST('${value}' AS ${text})`;
}

function inRange(micros: bigint): bigint {
	const [least, most] = [-62_135_596_800_000_000n, 253_402_300_799_999_999n];
	return micros < least ? least : micros > most ? most : micros;
}
