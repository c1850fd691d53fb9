import type { ChangeBatch } from "../change/change.ts";
import { take } from "../columnar/batch.ts";
import { dryEngine, type Engine } from "../delta/engine.ts";
import { refusedRows } from "../delta/refused-rows.ts";
import { stageFiles, type TableLayout } from "../delta/stage.ts";
import { messageOf, TributaryError } from "../errors.ts";
import type { Reason } from "./refused-batch.ts";

/** Expected errors that one row can be the reason of. */
const OF_ROWS: ReadonlySet<string> = new Set([
	"DELTA_SCHEMA_INCOMPATIBLE",
	"BATCH_TOO_LARGE",
	"VALUE_MISMATCH",
	"VARIANT_INVALID",
	"EXPRESSION_FAILED",
]);

/**
 * The rows of a batch that are why it can't be stored, by their position; `undefined` when the failure is
 * not the rows': then it concerns the store, or the whole table.
 */
export async function faultyRows(
	error: unknown,
	changes: ChangeBatch,
	{
		engine,
		table,
		storesDeleted,
	}: {
		readonly engine: Engine;
		readonly table: TableLayout;
		/** Rows that the source has deleted are written too. */
		readonly storesDeleted: boolean;
	},
): Promise<ReadonlyMap<number, Reason> | undefined> {
	const constraint =
		error instanceof TributaryError &&
		error.code === "DELTA_CONSTRAINT_VIOLATED";
	if (
		!constraint &&
		error instanceof TributaryError &&
		!OF_ROWS.has(error.code)
	)
		return undefined;
	const stored = Int32Array.from(
		{ length: changes.batch.length },
		(_, row) => row,
	).filter((row) => storesDeleted || changes.deleted[row] !== 1);
	const faults = new Map<number, Reason>();
	if (constraint) {
		const refused = refusedRows(table, take(changes.batch, stored), {
			now: engine.now(),
		});
		for (const [row, { code, message }] of refused)
			faults.set(stored[row] as number, { code, message });
	} else {
		const dry = dryEngine(engine);
		await splitFailing(stored, faults, async (rows) => {
			await stageFiles(dry, table, take(changes.batch, rows));
		});
		// What no row can be written for is not the fault of each of them.
		if (faults.size === stored.length && stored.length > 1) return undefined;
	}
	return faults.size === 0 ? undefined : faults;
}

/** Finds the rows that fail by trying ever fewer of them together. */
async function splitFailing(
	rows: Int32Array,
	faults: Map<number, Reason>,
	attempt: (rows: Int32Array) => Promise<void>,
): Promise<void> {
	try {
		await attempt(rows);
	} catch (error) {
		if (rows.length === 1) {
			faults.set(rows[0] as number, {
				code: error instanceof TributaryError ? error.code : "ROW_UNWRITABLE",
				message: messageOf(error),
			});
			return;
		}
		const middle = rows.length >> 1;
		await splitFailing(rows.subarray(0, middle), faults, attempt);
		await splitFailing(rows.subarray(middle), faults, attempt);
	}
}
