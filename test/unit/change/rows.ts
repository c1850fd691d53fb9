import { toJson, valueAt } from "../../../src/columnar/value.ts";
import type { Batch } from "../../../src/columnar/vector.ts";

/** Rows as JSON texts by column, nulls left out. */
export function rowsOf({
	schema,
	columns,
	length,
}: Batch): Record<string, string>[] {
	return Array.from({ length }, (_, row) =>
		Object.fromEntries(
			schema.fields.flatMap(({ name, type }, i) => {
				const vector = columns[i];
				const value = vector === undefined ? null : valueAt(vector, type, row);
				return value === null ? [] : [[name, toJson(value, type)]];
			}),
		),
	);
}
