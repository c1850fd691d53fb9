import type { Snapshot } from "./state.ts";
import { numRecords } from "./stats-rows.ts";

/** Rows of a table without those that deletion vectors hide; `undefined` when a file does not tell its number. */
export function tableRows(
	snapshot: Pick<Snapshot, "files">,
): number | undefined {
	let rows = 0;
	for (const { stats, deletionVector } of snapshot.files.values()) {
		const stored = numRecords(stats);
		if (stored === undefined) return undefined;
		rows += stored - (deletionVector?.cardinality ?? 0);
	}
	return rows;
}
