import type { CommitInfo, Metadata } from "./actions.ts";
import type { Engine } from "./engine.ts";
import { DeltaError } from "./errors.ts";
import {
	ENABLEMENT_TIMESTAMP,
	ENABLEMENT_VERSION,
	inCommitTimestamps,
} from "./in-commit-timestamp.ts";
import { type ListedVersion, listLog } from "./listing.ts";
import { readCommit } from "./snapshot.ts";

export interface HistoryEntry {
	readonly version: number;
	/** Milliseconds since the epoch. */
	readonly timestamp: number;
	readonly info: CommitInfo | undefined;
	readonly added: number;
	readonly removed: number;
	readonly schemaChanged: boolean;
}

/**
 * The commits of the log, newest first. A commit's time is its in-commit timestamp; without, that of
 * its file in the store, as time travel sees it.
 */
export async function* history(
	engine: Engine,
	metadata: Metadata,
	options: { readonly from?: number } = {},
): AsyncGenerator<HistoryEntry, void, undefined> {
	const commits = orderedTimes((await listLog(engine)).commits);
	for (const { version, modified } of commits.reverse()) {
		if (version > (options.from ?? version)) continue;
		const actions = await readCommit(engine, version);
		if (actions === undefined) return; // Cleaned up meanwhile.
		let info: CommitInfo | undefined;
		let [added, removed, schemaChanged] = [0, 0, false];
		for (const action of actions) {
			if ("commitInfo" in action) info = action.commitInfo;
			else if ("add" in action) added++;
			else if ("remove" in action) removed++;
			else if ("metaData" in action) schemaChanged = true;
		}
		const timestamp = inCommitFrom(metadata, version)
			? info?.inCommitTimestamp
			: undefined;
		yield {
			version,
			timestamp: timestamp ?? modified,
			info,
			added,
			removed,
			schemaChanged,
		};
	}
}

/**
 * The newest version that was committed at `timestampMs` or before (PROTOCOL.md, "In-Commit
 * Timestamps"; file times are made ascending, as the reference implementation does).
 * @throws DeltaError DELTA_VERSION_NOT_FOUND when the log starts later
 */
export async function versionAt(
	engine: Engine,
	metadata: Metadata,
	timestampMs: number,
): Promise<number> {
	const { commits } = await listLog(engine);
	const first = inCommitStart(metadata);
	const since = Number(metadata.configuration[ENABLEMENT_TIMESTAMP] ?? 0);
	let found: number | undefined;
	let earliest: number | undefined;
	if (first !== undefined && timestampMs >= since) {
		const candidates = commits.filter(({ version }) => version >= first);
		const time = async (at: number): Promise<number> =>
			await inCommitTime(engine, candidates[at]?.version ?? 0);
		// Timestamps ascend: the last that is not later is found by halving.
		let [low, high] = [0, candidates.length];
		while (low < high) {
			const middle = (low + high) >>> 1;
			if ((await time(middle)) <= timestampMs) low = middle + 1;
			else high = middle;
		}
		found = candidates[low - 1]?.version;
		if (found === undefined && candidates.length > 0) earliest = await time(0);
	} else {
		const candidates = orderedTimes(
			commits.filter(({ version }) => version < (first ?? version + 1)),
		);
		found = candidates.findLast(
			({ modified }) => modified <= timestampMs,
		)?.version;
		earliest = candidates[0]?.modified;
	}
	if (found !== undefined) return found;
	throw new DeltaError(
		"DELTA_VERSION_NOT_FOUND",
		`${engine.store.url} has no version of ${new Date(timestampMs).toISOString()} or before${earliest === undefined ? "" : `; its log starts at ${new Date(earliest).toISOString()}`}`,
	);
}

/** The version from which on timestamps are in the commits; `undefined` where they are not. */
function inCommitStart(metadata: Metadata): number | undefined {
	return inCommitTimestamps(metadata)
		? Number(metadata.configuration[ENABLEMENT_VERSION] ?? 0)
		: undefined;
}

function inCommitFrom(metadata: Metadata, version: number): boolean {
	const start = inCommitStart(metadata);
	return start !== undefined && version >= start;
}

async function inCommitTime(engine: Engine, version: number): Promise<number> {
	const actions = await readCommit(engine, version);
	for (const action of actions ?? [])
		if (
			"commitInfo" in action &&
			action.commitInfo.inCommitTimestamp !== undefined
		)
			return action.commitInfo.inCommitTimestamp;
	throw new DeltaError(
		"DELTA_LOG_INVALID",
		`${engine.store.url}: version ${version} has no inCommitTimestamp, though the table's metadata says so`,
	);
}

/** A copied or clock-skewed log may have files whose times go back: here they ascend. */
export function orderedTimes(
	commits: readonly ListedVersion[],
): ListedVersion[] {
	let last = Number.NEGATIVE_INFINITY;
	return commits.map(({ version, modified }) => {
		last = Math.max(modified, last + 1);
		return { version, modified: last };
	});
}
