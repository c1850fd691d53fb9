import kafkajs, { type Admin, type Consumer } from "kafkajs";
import { messageOf, TributaryError } from "../errors.ts";
import type { Logger } from "../observe/log.ts";
import { registerCodecs } from "./codecs.ts";
import type { KafkaConfig } from "./config.ts";

export interface KafkaClients {
	readonly admin: Admin;
	readonly clusterId: string;
	newConsumer(): Consumer;
	disconnect(): Promise<void>;
}

/** How often a consumer says that it lives; milliseconds. */
export function heartbeatMs(config: KafkaConfig): number {
	return Math.floor(config.sessionTimeoutMs / 5);
}

/** @throws TributaryError KAFKA_UNREACHABLE or KAFKA_DENIED, naming the brokers */
export async function connectKafka(
	config: KafkaConfig,
	log: Logger,
): Promise<KafkaClients> {
	registerCodecs();
	const kafka = new kafkajs.Kafka({
		clientId: "tributary",
		brokers: [...config.brokers],
		ssl:
			typeof config.ssl === "boolean" ? config.ssl : { ca: [...config.ssl.ca] },
		...(config.sasl === undefined
			? {}
			: { sasl: config.sasl as kafkajs.SASLOptions }),
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
	try {
		await admin.connect();
		const { clusterId } = await admin.describeCluster();
		return {
			admin,
			clusterId,
			newConsumer: () =>
				kafka.consumer({
					groupId: config.groupId,
					readUncommitted: false,
					// A writer that was killed holds its partitions for this long.
					sessionTimeout: config.sessionTimeoutMs,
					heartbeatInterval: heartbeatMs(config),
					rebalanceTimeout: 60_000,
					maxWaitTimeInMs: 250,
					maxBytesPerPartition: 4 * 2 ** 20,
					maxBytes: 16 * 2 ** 20,
					allowAutoTopicCreation: false,
					retry: {
						initialRetryTime: 200,
						maxRetryTime: 10_000,
						retries: 10,
						restartOnFailure: async () => true,
					},
				}),
			disconnect: () => admin.disconnect(),
		};
	} catch (cause) {
		await admin.disconnect();
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
