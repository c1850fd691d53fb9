import { writeCheckpoint } from "./checkpoint.ts";
import { writeChecksum } from "./checksum.ts";
import type { Engine } from "./engine.ts";
import { cleanUpLog } from "./log-cleanup.ts";
import { writeLogCompaction } from "./log-compaction.ts";
import { type Snapshot, totalsOf } from "./snapshot.ts";

/** Commits between checkpoints, where the table's `delta.checkpointInterval` doesn't say. */
const INTERVAL = 10;
/** A classic checkpoint costs by the number of files: large tables get theirs less often. */
const FILES_PER_COMMIT = 5000;
const LONGEST = 100;
/** Checkpoints between clean-ups of the log. */
const CLEANUP_EVERY = 10;

/**
 * What is due after a commit: a checkpoint with its checksum and now and then a clean-up of the log;
 * in between, for tables whose checkpoints are far apart, a log compaction file. A commit has
 * succeeded once it is published: whatever fails here is made good by a later commit.
 */
export async function maintainLog(
	engine: Engine,
	snapshot: Snapshot,
): Promise<Snapshot> {
	const { version } = snapshot;
	if (version === 0) return snapshot;
	let state = snapshot;
	try {
		const interval = checkpointInterval(snapshot);
		if (version % interval === 0) {
			state = await writeCheckpoint(engine, {
				...snapshot,
				totals: totalsOf(snapshot),
			});
			await writeChecksum(engine, state);
			if (version % (interval * CLEANUP_EVERY) === 0)
				await cleanUpLog(engine, state);
		} else if (version % INTERVAL === 0 && interval > INTERVAL)
			await writeLogCompaction(engine, version - INTERVAL + 1, version);
	} catch (error) {
		engine.onCheckpointFailure?.(error);
	}
	return state;
}

/** Commits from one checkpoint to the next. */
export function checkpointInterval(snapshot: Snapshot): number {
	const set = Number(
		snapshot.metadata.configuration["delta.checkpointInterval"],
	);
	if (Number.isInteger(set) && set > 0) return set;
	// What isn't known without counting is not worth counting at every commit.
	const files = snapshot.totals?.files ?? 0;
	const wanted = Math.ceil(files / FILES_PER_COMMIT / INTERVAL) * INTERVAL;
	return Math.min(LONGEST, Math.max(INTERVAL, wanted));
}
