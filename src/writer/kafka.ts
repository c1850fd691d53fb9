import { setTimeout as sleep } from "node:timers/promises";
import kafkajs, {
	type Consumer,
	type EachBatchPayload,
	type KafkaMessage,
} from "kafkajs";
import { messageOf, TributaryError } from "../errors.ts";
import type { Logger } from "../observe/log.ts";
import { saslOptions } from "../resource/kafka-sasl.ts";
import { withFetchedBatches } from "./cluster.ts";
import { decompress, registerCodecs } from "./codecs.ts";
import type { KafkaConfig } from "./config.ts";
import type { BatchMessage } from "./fetch-response.ts";
import { frameSockets, newFramePool } from "./frames.ts";
import { RecordCursor } from "./record-batch.ts";
import type {
	RecordHeader,
	Source,
	SourceBatch,
	SourceHandler,
	SourceRecord,
	Subscription,
} from "./source.ts";
import { openTopicIds } from "./topic-id.ts";

/** How often a consumer says that it lives; milliseconds. */
export function heartbeatMs(config: KafkaConfig): number {
	return Math.floor(config.sessionTimeoutMs / 5);
}

const PARTITIONS_AT_ONCE = 16;
/** How long stopping waits for a consumer that is about to join; a pod has 30 s in all. */
const LONGEST_RESTART_MS = 8_000;

/** @throws TributaryError KAFKA_UNREACHABLE or KAFKA_DENIED, naming the brokers */
export async function connectKafka(
	config: KafkaConfig,
	log: Logger,
): Promise<Source> {
	registerCodecs();
	const frames = newFramePool();
	const kafka = new kafkajs.Kafka({
		clientId: "tributary",
		brokers: [...config.brokers],
		ssl:
			typeof config.ssl === "boolean" ? config.ssl : { ca: [...config.ssl.ca] },
		...(config.sasl === undefined ? {} : { sasl: saslOptions(config.sasl) }),
		socketFactory: frameSockets(frames),
		connectionTimeout: 5000,
		requestTimeout: 30_000,
		// For connecting: those who call try again themselves, and tell about it sooner.
		retry: { initialRetryTime: 200, maxRetryTime: 10_000, retries: 3 },
		logLevel: kafkajs.logLevel.WARN,
		logCreator: () => (entry) => {
			const { message, ...rest } = entry.log;
			log.debug({ kafka: { ...rest, timestamp: undefined } }, message);
		},
	});
	const admin = kafka.admin({ retry: { retries: 2, initialRetryTime: 200 } });
	const topicIds = openTopicIds(kafka);
	try {
		await admin.connect();
		const { clusterId } = await admin.describeCluster();
		return {
			clusterId,
			topics: async () => {
				const names = await admin.listTopics();
				const ids = await topicIds.read();
				return new Map(names.map((name) => [name, ids.get(name) ?? ""]));
			},
			offsets: async (topic) => {
				const offsets = await admin
					.fetchTopicOffsets(topic)
					.catch((cause: unknown) => {
						if (!(cause instanceof kafkajs.KafkaJSError)) throw cause;
						throw new TributaryError(
							"KAFKA_UNREACHABLE",
							`Kafka at ${config.brokers.join(", ")} does not say which offsets ${topic} has: ${messageOf(cause)}`,
							{ cause, retryable: true },
						);
					});
				return offsets.map(({ partition, low, high }) => ({
					partition,
					low: BigInt(low),
					high: BigInt(high),
				}));
			},
			subscribe: (topics, handler) =>
				subscribe(withFetchedBatches(kafka, frames), topics, handler, config),
			close: async () => {
				await topicIds.close();
				await admin.disconnect();
			},
		};
	} catch (cause) {
		await admin.disconnect();
		const token = tokenError(cause);
		if (token !== undefined) throw token;
		const brokers = config.brokers.join(", ");
		if (cause instanceof Error && /SASL|authentication/i.test(cause.message))
			throw new TributaryError(
				"KAFKA_DENIED",
				`Kafka at ${brokers} refused the credentials: check kafka.saslSecretRef (${cause.message})`,
				{ cause },
			);
		throw new TributaryError(
			"KAFKA_UNREACHABLE",
			`no answer from Kafka at ${brokers}: check kafka.bootstrapServers and the network (${messageOf(cause)})`,
			{ cause, retryable: true },
		);
	}
}

/** That of a token which could not be had, below what kafkajs made of it. */
function tokenError(thrown: unknown): TributaryError | undefined {
	for (let error = thrown; error instanceof Error; ) {
		if (error instanceof TributaryError && error.code === "KAFKA_TOKEN")
			return error;
		const { originalError, cause } = error as {
			originalError?: unknown;
			cause?: unknown;
		};
		error = cause ?? originalError;
	}
	return undefined;
}

function newConsumer(
	kafka: kafkajs.Kafka,
	config: KafkaConfig,
	restartOnFailure: () => Promise<boolean>,
): Consumer {
	return kafka.consumer({
		groupId: config.groupId,
		readUncommitted: false,
		// A writer that was killed holds its partitions for this long.
		sessionTimeout: config.sessionTimeoutMs,
		heartbeatInterval: heartbeatMs(config),
		// A member that the brokers still wait for, but that joined anew under another id, holds up all.
		rebalanceTimeout: Math.max(10_000, 3 * config.sessionTimeoutMs),
		maxWaitTimeInMs: 250,
		maxBytesPerPartition: 4 * 2 ** 20,
		maxBytes: 16 * 2 ** 20,
		allowAutoTopicCreation: false,
		retry: {
			initialRetryTime: 200,
			maxRetryTime: 10_000,
			retries: 10,
			restartOnFailure,
		},
	});
}

async function subscribe(
	kafka: kafkajs.Kafka,
	topics: readonly string[],
	handler: SourceHandler,
	config: KafkaConfig,
): Promise<Subscription> {
	let ended = false;
	// A crash that comes while it is stopped would otherwise start it again, behind everyone's back.
	const consumer = newConsumer(kafka, config, async () => !ended);
	const restarts = restartsOf(consumer);
	consumer.on(consumer.events.GROUP_JOIN, ({ payload }) =>
		handler.assigned(
			Object.entries(payload.memberAssignment).flatMap(([topic, partitions]) =>
				partitions.map((partition) => ({ topic, partition })),
			),
		),
	);
	await consumer.connect();
	await consumer.subscribe({
		topics: [...topics],
		fromBeginning: config.fromBeginning,
	});
	await consumer.run({
		autoCommit: false,
		eachBatchAutoResolve: false,
		// A table that waits for its store holds up its own partitions only.
		partitionsConsumedConcurrently: PARTITIONS_AT_ONCE,
		eachBatch: async (payload) => {
			await handler.consume(batchOf(payload));
			// After an error the bytes are left to the collector.
			const [first] = payload.batch.messages as readonly Message[];
			if (first !== undefined && "release" in first) first.release();
		},
	});
	return {
		seek: ({ topic, partition }, offset) =>
			inGroup(() =>
				consumer.seek({ topic, partition, offset: String(offset) }),
			),
		pause: ({ topic, partition }) => {
			const places = [{ topic, partitions: [partition] }];
			inGroup(() => consumer.pause(places));
			return () => inGroup(() => consumer.resume(places));
		},
		commit: (offsets) =>
			consumer.commitOffsets(
				offsets.map(({ topic, partition, offset }) => ({
					topic,
					partition,
					offset: String(offset),
				})),
			),
		stop: async () => {
			ended = true;
			// One that is about to join again could not be stopped, and would keep its partitions.
			await Promise.race([
				restarts(),
				sleep(LONGEST_RESTART_MS, undefined, { ref: false }),
			]);
			await consumer.stop();
		},
		close: () => consumer.disconnect(),
	};
}

/**
 * A consumer that lost its brokers is in no group for a while, and has nothing to move or to pause;
 * when it has joined again, all its partitions are placed anew.
 */
function inGroup(run: () => void): void {
	try {
		run();
	} catch (error) {
		if (
			!(error instanceof kafkajs.KafkaJSNonRetriableError) ||
			!error.message.includes("Consumer group was not initialized")
		)
			throw error;
	}
}

/** Resolves when the consumer has come to the end of a restart, if one is under way. */
function restartsOf(consumer: Consumer): () => Promise<void> {
	let waiting: (() => void)[] = [];
	let restarting = false;
	const end = (again: boolean): void => {
		restarting = again;
		for (const done of waiting) done();
		waiting = [];
	};
	consumer.on(consumer.events.GROUP_JOIN, () => end(false));
	consumer.on(consumer.events.CRASH, ({ payload }) => end(payload.restart));
	return async () => {
		while (restarting)
			await new Promise<void>((done) => {
				waiting.push(done);
			});
	};
}

function batchOf(payload: EachBatchPayload): SourceBatch {
	const { batch } = payload;
	return {
		topic: batch.topic,
		partition: batch.partition,
		records: recordsOf(batch.messages as readonly Message[]),
		next: BigInt(batch.lastOffset()) + 1n,
		highWatermark: BigInt(batch.highWatermark),
		current: () => payload.isRunning() && !payload.isStale(),
		heartbeat: () => payload.heartbeat(),
		done: (offset) => payload.resolveOffset(String(offset)),
	};
}

/** Records of whole batches, or, of a topic from before Kafka 0.11, messages as kafkajs makes them. */
function recordsOf(messages: readonly Message[]): Iterable<SourceRecord> {
	const batches = messages.flatMap((message) =>
		"recordBatch" in message ? [message.recordBatch] : [],
	);
	return batches.length === messages.length
		? new RecordCursor(batches, decompress)
		: messages.flatMap((message) =>
				"recordBatch" in message
					? []
					: [
							{
								key: message.key,
								value: message.value,
								offset: Number(message.offset),
								headers: () => headersOf(message.headers),
								timestamp: () => Number(message.timestamp),
							},
						],
			);
}

type Message = KafkaMessage | BatchMessage;

function headersOf(headers: KafkaMessage["headers"]): RecordHeader[] {
	return Object.entries(headers ?? {}).flatMap(([name, value]) =>
		(Array.isArray(value) ? value : [value]).map((one) => ({
			name,
			value:
				one === undefined
					? null
					: typeof one === "string"
						? Buffer.from(one)
						: one,
		})),
	);
}
