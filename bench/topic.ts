import kafkajs from "kafkajs";
import { createTopics } from "../src/connect/topics.ts";
import type { EnvelopeText } from "./envelope.ts";

const AT_ONCE = 500;
/** Brokers refuse batches of more than 1 MiB. */
const BATCH_BYTES = 900_000;

/** Makes topics, and spreads `events` messages over them and their partitions; gives the bytes of their values. */
export async function fillTopics(options: {
	readonly bootstrap: string;
	readonly topics: readonly string[];
	readonly partitions: number;
	readonly events: number;
	readonly make: (i: number) => EnvelopeText;
}): Promise<number> {
	const { topics, partitions, events, make } = options;
	const kafka = new kafkajs.Kafka({
		brokers: [options.bootstrap],
		logLevel: kafkajs.logLevel.ERROR,
	});
	const admin = kafka.admin();
	await admin.connect();
	await createTopics(
		admin,
		topics.map((topic) => ({ topic, numPartitions: partitions })),
	);
	await admin.disconnect();
	const producer = kafka.producer();
	await producer.connect();
	const atOnce = Math.min(
		AT_ONCE,
		Math.floor(BATCH_BYTES / Buffer.byteLength(make(0).value)),
	);
	let bytes = 0;
	for (let start = 0; start < events; start += atOnce) {
		const turn = start / atOnce;
		const messages = Array.from(
			{ length: Math.min(atOnce, events - start) },
			(_, n) => ({
				...make(start + n),
				partition: Math.floor(turn / topics.length) % partitions,
			}),
		);
		for (const { value } of messages) bytes += Buffer.byteLength(value);
		await producer.send({
			topic: topics[turn % topics.length] as string,
			acks: 1,
			messages,
		});
	}
	await producer.disconnect();
	return bytes;
}
