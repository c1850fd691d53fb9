import type { NewCommit, Snapshot } from "../delta/snapshot.ts";
import { SHARD_TAG } from "../index/shard-tag.ts";
import type { DeadLetter } from "./dead-letter.ts";
import { addsRows, type StagedUpsert } from "./upsert.ts";

/**
 * Whether a mirror has moved from `base` to `snapshot` in a way that matters to rows that were staged for
 * `base`: a newer change of one of them may have come, or a place that they replace is another.
 */
export function hasMoved(
	base: Snapshot,
	snapshot: Snapshot,
	{
		winners,
		letters,
		upsert,
		isReplay,
	}: {
		/** The commits between the two, as far as they are new. */
		readonly winners: readonly NewCommit[];
		/** The letters whose rows were staged. */
		readonly letters: readonly Pick<DeadLetter, "position">[];
		readonly upsert: Pick<StagedUpsert, "replaced">;
		/** Whether a `txn` is a replay's, and no partition's. */
		readonly isReplay: (appId: string) => boolean;
	},
): boolean {
	return (
		watched(snapshot, letters, isReplay).some(
			(position) =>
				snapshot.txns.get(position)?.version !==
				base.txns.get(position)?.version,
		) ||
		winners.some(addsRows) ||
		upsert.replaced.some((key) => !snapshot.files.has(key))
	);
}

/** How many partitions the topic has had, by what the files of its shards say. */
export function partitionCounts(snapshot: Snapshot): ReadonlySet<number> {
	const counts = new Set<number>();
	for (const { tags } of snapshot.files.values()) {
		const of = tags?.[SHARD_TAG]?.split("/")[1];
		if (of !== undefined) counts.add(Number(of));
	}
	return counts;
}

/**
 * The positions whose writers may have newer changes of these rows: those of their own partitions, or
 * all of them where keys have moved, with the number of partitions or with a topic that was made anew.
 */
function watched(
	snapshot: Snapshot,
	letters: readonly Pick<DeadLetter, "position">[],
	isReplay: (appId: string) => boolean,
): readonly string[] {
	const own = new Set(letters.map(({ position }) => position));
	const positions = [...snapshot.txns.keys()].filter((id) => !isReplay(id));
	const topics = new Set([...positions, ...own].map(topicOf));
	return topics.size > 1 || partitionCounts(snapshot).size > 1
		? positions
		: [...own];
}

/** A position without its partition. */
function topicOf(position: string): string {
	return position.slice(0, position.lastIndexOf("/"));
}
