import type { Engine } from "../delta/engine.ts";
import { commitPath } from "../delta/log.ts";
import { readCommit, type Snapshot, totalsOf } from "../delta/snapshot.ts";
import { tableRows } from "../delta/table-rows.ts";
import type { TableFigures } from "../resource/job-result.ts";

/** How large a table is, and when it was last written. */
export async function figuresOf(
	engine: Engine,
	snapshot: Snapshot,
): Promise<TableFigures> {
	const rows = tableRows(snapshot);
	const lastCommit = await committedAt(engine, snapshot.version);
	return {
		version: snapshot.version,
		...(rows !== undefined && { rows }),
		...totalsOf(snapshot),
		...(lastCommit !== undefined && { lastCommit }),
	};
}

/**
 * The time of a commit as time travel sees it: the in-commit timestamp, else the time of its file.
 * `undefined` when the log does not have it any more.
 */
export async function committedAt(
	engine: Engine,
	version: number,
): Promise<string | undefined> {
	const file = await engine.store.head(commitPath(version));
	if (file === undefined) return undefined;
	let ms = file.modified;
	for (const action of (await readCommit(engine, version)) ?? [])
		if ("commitInfo" in action) ms = action.commitInfo.inCommitTimestamp ?? ms;
	return new Date(ms).toISOString();
}
