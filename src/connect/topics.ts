import { setTimeout as sleep } from "node:timers/promises";
import type { Admin, ITopicConfig } from "kafkajs";
import { TributaryError } from "../errors.ts";

const LONGEST_MS = 30_000;
/** A broker does not know yet of a topic, or of a leader, that its controller has made. */
const NOT_YET: ReadonlySet<string> = new Set([
	"UNKNOWN_TOPIC_OR_PARTITION",
	"LEADER_NOT_AVAILABLE",
]);

/**
 * Makes topics, and waits until each partition has a leader. kafkajs waits by itself, but takes a broker
 * that does not know the topic yet for one that never will. Topics that are there stay as they are.
 * @throws TributaryError KAFKA_UNREACHABLE when they have none after half a minute, and what kafkajs throws
 */
export async function createTopics(
	admin: Admin,
	topics: readonly ITopicConfig[],
): Promise<void> {
	await admin.createTopics({ topics: [...topics], waitForLeaders: false });
	const names = topics.map(({ topic }) => topic);
	for (const until = Date.now() + LONGEST_MS; ; await sleep(100))
		try {
			const { topics: made } = await admin.fetchTopicMetadata({
				topics: names,
			});
			const ready = made.every(({ partitions }) =>
				partitions.every(({ leader }) => leader >= 0),
			);
			if (ready) return;
			if (Date.now() > until)
				throw new TributaryError(
					"KAFKA_UNREACHABLE",
					`no broker leads ${names.join(", ")} after ${LONGEST_MS / 1000} s: look at the brokers and their logs`,
					{ retryable: true },
				);
		} catch (error) {
			// By its type's name: the operator has no kafkajs in memory before it needs it.
			const waits =
				error instanceof Error &&
				"type" in error &&
				NOT_YET.has(String(error.type));
			if (!waits || Date.now() > until) throw error;
		}
}
