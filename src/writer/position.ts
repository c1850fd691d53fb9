import { TributaryError } from "../errors.ts";
import type { PartitionOffsets, TopicId, TopicPartition } from "./source.ts";

/** What a position in a table belongs to. */
export interface PositionOf extends TopicPartition {
	readonly pipeline: string;
	readonly clusterId: string;
	readonly topicId: TopicId;
}

/**
 * The application id under which a table's `txn` holds the last offset of a partition. Pipeline,
 * cluster and the topic's UUID are in it, so that another cluster's offsets, or those of a topic that
 * was made anew, are never taken for these.
 */
export function appId(of: PositionOf): string {
	return `${topicKey(of)}${of.topicId}/${of.partition}`;
}

/** What all positions of a topic's name begin with, whichever topic it was. */
export function topicKey(
	of: Pick<PositionOf, "pipeline" | "clusterId" | "topic">,
): string {
	return `tributary/${of.pipeline}/${of.clusterId}/${of.topic}/`;
}

/** What to do when Kafka no longer has the record that a table needs next. */
export type OnPositionLost = "stop" | "continue";

/**
 * Where to read on: behind the last offset that is in the tables, 0 without one.
 * @throws TributaryError KAFKA_POSITION_LOST when Kafka has no record there any more, or not yet
 */
export function nextOffset(
	place: TopicPartition,
	wanted: bigint,
	kept: Pick<PartitionOffsets, "low" | "high">,
	onLost: OnPositionLost,
): bigint {
	if (wanted > 0n && wanted < kept.low) {
		if (onLost === "continue") return kept.low;
		throw lost(
			place,
			`the table needs offset ${wanted}, but Kafka keeps only those from ${kept.low} on: the changes between are gone`,
		);
	}
	if (wanted > kept.high) {
		if (onLost === "continue") return kept.low;
		throw lost(
			place,
			`the table holds changes up to offset ${wanted - 1n}, but Kafka's next is ${kept.high}: the topic lost records, or was made anew`,
		);
	}
	return wanted > kept.low ? wanted : kept.low;
}

/** @throws TributaryError KAFKA_POSITION_LOST when the table has positions of another topic of the name */
export function checkSameTopic(
	place: TopicPartition & { readonly topicId: TopicId },
	known: readonly TopicId[],
	onLost: OnPositionLost,
): void {
	if (onLost === "continue" || known.length === 0) return;
	if (known.includes(place.topicId)) return;
	throw lost(
		place,
		`the topic was made anew (its id is ${place.topicId}, the table holds changes of ${known.join(", ")}), and what was not read of the old one is gone`,
	);
}

function lost(
	{ topic, partition }: TopicPartition,
	what: string,
): TributaryError {
	return new TributaryError(
		"KAFKA_POSITION_LOST",
		`${topic}, partition ${partition}: ${what}. Take a new snapshot of the table, or set kafka.onPositionLost to continue, which goes on with what Kafka has, or delete the table to build it anew`,
	);
}
