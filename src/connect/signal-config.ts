import type { CdcPipeline } from "../resource/cdc-pipeline.ts";
import type { KafkaAccess } from "../resource/kafka-access.ts";
import { signalCollection } from "../resource/signal-collection.ts";
import type { ConnectorConfig } from "./client.ts";
import { clientSecurity } from "./client-security.ts";

/** Topics and consumer group that a pipeline's one-shot snapshots use. */
export function signalTopics({ metadata, spec }: CdcPipeline): {
	readonly signals: string;
	readonly notifications: string;
	readonly group: string;
} {
	const { topicPrefix } = spec.kafka;
	return {
		signals: `${topicPrefix}-signal`,
		notifications: `${topicPrefix}-notifications`,
		group: `tributary.${metadata.namespace}.${metadata.name}.actions`,
	};
}

export interface SignalConfig {
	/** The user's own properties win over these. */
	readonly defaults: ConnectorConfig;
	readonly owned: ConnectorConfig;
	/** Has to be captured for its records to reach the connector. */
	readonly collection: string | undefined;
}

/**
 * What a connector needs to be told of a snapshot, and to tell of it. It is only configured once a
 * snapshot was asked for: before that, nobody has to create topics or to grant anything.
 */
export function signalConfig(
	pipeline: CdcPipeline,
	access: KafkaAccess,
): SignalConfig {
	const { source, kafka } = pipeline.spec;
	const { signals, notifications, group } = signalTopics(pipeline);
	const collection = signalCollection(source);
	return {
		defaults: clientSecurity("signal.consumer", access),
		owned: {
			"signal.enabled.channels":
				collection === undefined ? "kafka" : "source,kafka",
			"signal.kafka.topic": signals,
			"signal.kafka.bootstrap.servers": kafka.bootstrapServers.join(","),
			"signal.kafka.groupId": `${group}.connector`,
			// Else signals since the last orderly end would come again after a crash.
			"signal.consumer.enable.auto.commit": "true",
			"signal.poll.interval.ms": "1000",
			"notification.enabled.channels": "sink",
			"notification.sink.topic.name": notifications,
			...(collection === undefined
				? { "read.only": "true" }
				: { "signal.data.collection": collection }),
		},
		collection,
	};
}
