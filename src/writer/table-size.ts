import { type Snapshot, totalsOf } from "../delta/snapshot.ts";
import { tableRows } from "../delta/table-rows.ts";

/** A count looks at every file of a table. */
const COUNT_MS = 60_000;

export interface Size {
	readonly version: number;
	readonly files: number;
	readonly bytes: number;
	readonly rows: number | undefined;
}

/** How large a table is, without a count at each scrape: what has to be counted is so once a minute at most. */
export class TableSize {
	#counted: (Size & { readonly at: number }) | undefined;

	of(snapshot: Snapshot, nowMs: number): Size {
		const before = this.#counted;
		const { version } = snapshot;
		if (before !== undefined && before.version === version) return before;
		if (before !== undefined && nowMs - before.at < COUNT_MS)
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
