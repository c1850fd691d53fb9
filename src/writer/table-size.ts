import { type Snapshot, totalsOf } from "../delta/snapshot.ts";
import { tableRows } from "../delta/table-rows.ts";

/** A count looks at every file of a table: those with more than this many are counted now and then. */
const FEW_FILES = 10_000;
const COUNT_MS = 60_000;

export interface Size {
	readonly version: number;
	readonly files: number;
	readonly bytes: number;
	readonly rows: number | undefined;
}

/** How large a table is, without a long count at each scrape. */
export class TableSize {
	#counted: (Size & { readonly at: number }) | undefined;

	of(snapshot: Snapshot, nowMs: number): Size {
		const before = this.#counted;
		const { version } = snapshot;
		if (before !== undefined && before.version === version) return before;
		const few = (snapshot.totals?.files ?? FEW_FILES + 1) <= FEW_FILES;
		if (before !== undefined && !few && nowMs - before.at < COUNT_MS)
			return { ...before, ...snapshot.totals, version };
		this.#counted = {
			at: nowMs,
			version,
			...totalsOf(snapshot),
			rows: tableRows(snapshot),
		};
		return this.#counted;
	}
}
