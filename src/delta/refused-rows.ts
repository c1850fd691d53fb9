import { take } from "../columnar/batch.ts";
import type { Batch } from "../columnar/vector.ts";
import { tableConstraints } from "./constraints.ts";
import { DeltaError } from "./errors.ts";
import { rowsWithNull } from "./not-null.ts";
import {
	brokenRows,
	completeRows,
	missingValue,
	violation,
	withNulls,
} from "./row-check.ts";
import { columnsFor, type TableLayout } from "./stage.ts";

/**
 * The rows that a table does not take because of its constraints, each with the reason, by their
 * position; `stageFiles` takes the others. `now` in milliseconds since the epoch.
 * @throws DeltaError DELTA_SCHEMA_INCOMPATIBLE, DELTA_UNSUPPORTED_WRITER, as `stageFiles`
 */
export function refusedRows(
	table: TableLayout,
	batch: Batch,
	options: { readonly now: number },
): ReadonlyMap<number, DeltaError> {
	const { metadata, schema } = table;
	const constraints = tableConstraints(metadata, schema);
	const refused = new Map<number, DeltaError>();
	const refuse = (row: number, error: DeltaError): void => {
		if (!refused.has(row)) refused.set(row, error);
	};
	const all = Int32Array.from({ length: batch.length }, (_, row) => row);
	splitFailing(
		all,
		(rows) => {
			completeRows(constraints, take(batch, rows), options);
		},
		refuse,
	);
	const rows = all.filter((row) => !refused.has(row));
	const complete = completeRows(constraints, take(batch, rows), options);
	const checked = withNulls(schema, {
		schema,
		length: rows.length,
		columns: columnsFor(table, complete),
	});
	for (const [at, missing] of rowsWithNull(schema, checked))
		refuse(rows[at] as number, missingValue(missing));
	for (const check of constraints.checks)
		for (const at of brokenRows(check, checked, options))
			refuse(rows[at] as number, violation(check, checked, at));
	return refused;
}

/** Finds the rows that fail by trying ever fewer of them together. */
function splitFailing(
	rows: Int32Array,
	attempt: (rows: Int32Array) => void,
	refuse: (row: number, error: DeltaError) => void,
): void {
	try {
		attempt(rows);
	} catch (error) {
		if (
			!(error instanceof DeltaError) ||
			error.code !== "DELTA_CONSTRAINT_VIOLATED"
		)
			throw error;
		if (rows.length === 1) refuse(rows[0] as number, error);
		else {
			const middle = rows.length >> 1;
			splitFailing(rows.subarray(0, middle), attempt, refuse);
			splitFailing(rows.subarray(middle), attempt, refuse);
		}
	}
}
