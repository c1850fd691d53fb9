import { vectorOf } from "../columnar/literal.ts";
import { inferContent } from "../columnar/parquet/inference.ts";
import { type RandomAccess, readParquet } from "../columnar/parquet/read.ts";
import {
	type StructField,
	type StructType,
	struct,
} from "../columnar/types.ts";
import { toJson, valueAt } from "../columnar/value.ts";
import type { Batch, Vector } from "../columnar/vector.ts";
import { mergeSchema } from "../delta/schema.ts";
import { FileError } from "./errors.ts";
import { knownColumns } from "./row-batch.ts";
import {
	addsColumns,
	type SchemaRules,
	widensColumns,
} from "./schema-rules.ts";
import {
	RESCUED_DATA,
	RESERVED,
	type RowOrigin,
	SOURCE_COLUMNS,
	sourceVectors,
} from "./source-columns.ts";

/**
 * The rows of a Parquet file as batches of one table. A column that the table can't take in the file's type
 * is rescued, value by value, as JSON.
 * @throws FileError INGEST_FILE_INVALID, SCHEMA_FROZEN; ParquetError; what reading the file throws
 */
export async function* parquetBatches(
	file: RandomAccess,
	options: {
		readonly path: string;
		readonly origin: RowOrigin;
		readonly rules: SchemaRules;
		readonly tableSchema: StructType | undefined;
		readonly batchBytes: number;
	},
): AsyncGenerator<Batch> {
	const { path, origin, rules, tableSchema } = options;
	const { schema, unknown } = await inferContent(file);
	if (unknown.length > 0)
		throw new FileError(
			"INGEST_FILE_INVALID",
			`${path} has ${unknown.join(", ")} of a type that Delta has none for: convert ${unknown.length === 1 ? "it" : "them"}, for instance to text`,
		);
	const known = struct(...knownColumns(tableSchema, rules.columns));
	const kept = new Set(
		schema.fields.filter((one) => fits(known, one, rules)).map((f) => f.name),
	);
	const misfits = schema.fields.filter(({ name }) => !kept.has(name));
	if (
		rules.contract === "freeze" &&
		misfits.length > 0 &&
		known.fields.length > 0
	)
		throw new FileError(
			"SCHEMA_FROZEN",
			`${path} has the column ${misfits[0]?.name} (${JSON.stringify(misfits[0]?.type)}), which the table has no place for, and its schema is frozen: alter the table, or use another contract`,
		);
	const inTable =
		tableSchema?.fields.some(({ name }) => name === RESCUED_DATA.name) ?? false;
	for await (const { batch, firstRow } of readParquet(file, {
		schema,
		batchBytes: options.batchBytes,
		batchRows: 262_144,
	})) {
		const fields: StructField[] = [];
		const columns: Vector[] = [];
		const rescued: { field: StructField; vector: Vector }[] = [];
		for (const [i, field] of batch.schema.fields.entries()) {
			const vector = batch.columns[i] as Vector;
			if (kept.has(field.name)) {
				fields.push(field);
				columns.push(vector);
			} else rescued.push({ field, vector });
		}
		const given = rules.columns.filter(
			({ name }) => !fields.some((one) => sameName(one.name, name)),
		);
		for (const field of given) {
			fields.push(field);
			columns.push(vectorOf(field.type, new Array(batch.length).fill(null)));
		}
		fields.push(...SOURCE_COLUMNS);
		columns.push(...sourceVectors(origin, firstRow + 1, batch.length));
		if (rescued.length > 0 || inTable) {
			fields.push(RESCUED_DATA);
			columns.push(rescuedVector(rescued, batch.length));
		}
		yield { schema: struct(...fields), length: batch.length, columns };
	}
}

/** Whether the table takes a column of the file as it is, or is changed so that it does. */
function fits(known: StructType, field: StructField, rules: SchemaRules) {
	if (RESERVED.has(field.name.toLowerCase())) return false;
	const { changes, conflicts } = mergeSchema(known, struct(field), {
		widen: widensColumns(rules),
	});
	if (conflicts.length > 0) return false;
	const first = known.fields.length === 0;
	return (
		first || addsColumns(rules) || !changes.some(({ kind }) => kind === "add")
	);
}

function sameName(a: string, b: string): boolean {
	return a.toLowerCase() === b.toLowerCase();
}

function rescuedVector(
	columns: readonly { field: StructField; vector: Vector }[],
	length: number,
): Vector {
	const texts: (string | null)[] = [];
	for (let row = 0; row < length; row++) {
		const parts = columns.flatMap(({ field, vector }) => {
			const value = valueAt(vector, field.type, row);
			return value === null
				? []
				: [`${JSON.stringify(field.name)}:${toJson(value, field.type)}`];
		});
		texts.push(parts.length === 0 ? null : `{${parts.join(",")}}`);
	}
	return vectorOf("string", texts);
}
