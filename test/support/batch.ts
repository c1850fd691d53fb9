import { vectorOf } from "../../src/columnar/literal.ts";
import type { StructType } from "../../src/columnar/types.ts";
import { fieldOf } from "../../src/columnar/value.ts";
import type { Batch, Row } from "../../src/columnar/vector.ts";

/** Rows as a batch; fields that a row lacks are null. */
export function batchOf(schema: StructType, rows: readonly Row[]): Batch {
	return {
		schema,
		length: rows.length,
		columns: schema.fields.map(({ name, type }) =>
			vectorOf(
				type,
				rows.map((row) => fieldOf(row, name)),
			),
		),
	};
}
