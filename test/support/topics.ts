import { setTimeout as sleep } from "node:timers/promises";
import kafkajs, { type Admin, type ITopicConfig } from "kafkajs";

const LONGEST_MS = 30_000;
/** A broker does not know yet of a topic, or of a leader, that its controller has made. */
const NOT_YET: ReadonlySet<string> = new Set([
	"UNKNOWN_TOPIC_OR_PARTITION",
	"LEADER_NOT_AVAILABLE",
]);

/**
 * Makes topics, and waits until each partition has a leader. kafkajs waits by itself, but takes a broker
 * that does not know the topic yet for one that never will.
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
				throw new Error(`no leader for ${names.join(", ")}`);
		} catch (error) {
			const waits =
				error instanceof kafkajs.KafkaJSProtocolError &&
				NOT_YET.has(error.type);
			if (!waits || Date.now() > until) throw error;
		}
}
