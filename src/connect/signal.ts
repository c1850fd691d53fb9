import type kafkajs from "kafkajs";
import { messageOf, TributaryError } from "../errors.ts";
import type { CdcPipeline } from "../resource/cdc-pipeline.ts";
import type { KafkaAccess } from "../resource/kafka-access.ts";
import { saslOptions } from "../resource/kafka-sasl.ts";
import type { Notification } from "./notification.ts";
import { notificationOf } from "./notification.ts";
import { signalTopics } from "./signal-config.ts";
import { createTopics } from "./topics.ts";

/** What a connector is told by a record in its signal topic. */
export interface SnapshotSignal {
	/** Comes back in the notifications of an incremental snapshot. */
	readonly id: string;
	readonly mode: "incremental" | "blocking";
	/** `schema.table` or `database.collection`. */
	readonly tables: readonly string[];
}

/** Debezium's Kafka signal channel, and the topic of its notifications. */
export interface Signals {
	/**
	 * Makes both topics where they are missing.
	 *
	 * @returns the offset of the next notification
	 * @throws TributaryError KAFKA_UNREACHABLE
	 */
	prepare(pipeline: CdcPipeline, access: KafkaAccess): Promise<number>;
	/** A signal that may have arrived is sent again after a failure: snapshots can be taken twice. */
	send(
		pipeline: CdcPipeline,
		access: KafkaAccess,
		signal: SnapshotSignal,
	): Promise<void>;
	/** Notifications from that offset on. */
	notifications(
		pipeline: CdcPipeline,
		access: KafkaAccess,
		from: number,
	): Promise<readonly Notification[]>;
}

const WEEK_MS = 604_800_000;
/** Without a further record for so long, all that was there has been read. */
const IDLE_MS = 1_000;
const READ_MS = 10_000;

export function kafkaSignals(): Signals {
	async function withKafka<T>(
		{ brokers, ssl, sasl }: KafkaAccess,
		use: (kafka: kafkajs.Kafka, admin: kafkajs.Admin) => Promise<T>,
	): Promise<T> {
		// For those few pipelines that take a snapshot again.
		const { Kafka, logLevel } = (await import("kafkajs")).default;
		const kafka = new Kafka({
			clientId: "tributary-operator",
			brokers: [...brokers],
			ssl: typeof ssl === "boolean" ? ssl : { ca: [...ssl.ca] },
			...(sasl === undefined ? {} : { sasl: saslOptions(sasl) }),
			connectionTimeout: 3_000,
			requestTimeout: 10_000,
			retry: { initialRetryTime: 200, maxRetryTime: 1_000, retries: 2 },
			logLevel: logLevel.NOTHING,
		});
		const admin = kafka.admin();
		try {
			await admin.connect();
			return await use(kafka, admin);
		} catch (cause) {
			throw new TributaryError(
				"KAFKA_UNREACHABLE",
				`the operator can't speak with Kafka at ${brokers.join(", ")}: check kafka.bootstrapServers, its credentials and the network (${messageOf(cause)})`,
				{ cause, retryable: true },
			);
		} finally {
			await admin.disconnect();
		}
	}

	return {
		prepare: (pipeline, access) =>
			withKafka(access, async (_, admin) => {
				const { signals, notifications } = signalTopics(pipeline);
				await createTopics(
					admin,
					[signals, notifications].map((topic) => ({
						topic,
						// Debezium reads the first partition only.
						numPartitions: 1,
						configEntries: [{ name: "retention.ms", value: String(WEEK_MS) }],
					})),
				);
				return await endOf(admin, notifications);
			}),
		send: (pipeline, access, { id, mode, tables }) =>
			withKafka(access, async (kafka) => {
				const producer = kafka.producer({ allowAutoTopicCreation: false });
				await producer.connect();
				try {
					await producer.send({
						topic: signalTopics(pipeline).signals,
						messages: [
							{
								partition: 0,
								key: pipeline.spec.kafka.topicPrefix,
								value: JSON.stringify({
									id,
									type: "execute-snapshot",
									data: {
										type: mode.toUpperCase(),
										"data-collections": tables,
									},
								}),
							},
						],
					});
				} finally {
					await producer.disconnect();
				}
			}),
		notifications: (pipeline, access, from) =>
			withKafka(access, async (kafka, admin) => {
				const { notifications, group } = signalTopics(pipeline);
				if ((await endOf(admin, notifications)) <= from) return [];
				return await readFrom(kafka, notifications, group, from);
			}),
	};
}

async function endOf(admin: kafkajs.Admin, topic: string): Promise<number> {
	const [first] = await admin.fetchTopicOffsets(topic);
	return Number(first?.high ?? 0);
}

async function readFrom(
	kafka: kafkajs.Kafka,
	topic: string,
	groupId: string,
	from: number,
): Promise<Notification[]> {
	const consumer = kafka.consumer({
		groupId,
		allowAutoTopicCreation: false,
		maxWaitTimeInMs: 250,
	});
	const found = new Map<string, Notification>();
	const done = Promise.withResolvers<void>();
	let idle: NodeJS.Timeout | undefined;
	const limit = setTimeout(done.resolve, READ_MS);
	await consumer.connect();
	try {
		await consumer.subscribe({ topics: [topic], fromBeginning: true });
		await consumer.run({
			autoCommit: false,
			eachMessage: async ({ message }) => {
				clearTimeout(idle);
				idle = setTimeout(done.resolve, IDLE_MS);
				const notification = notificationOf(message.value);
				if (notification !== undefined && Number(message.offset) >= from)
					found.set(message.offset, notification);
			},
		});
		consumer.seek({ topic, partition: 0, offset: String(from) });
		await done.promise;
		return [...found.values()];
	} finally {
		clearTimeout(limit);
		clearTimeout(idle);
		await consumer.disconnect();
	}
}
