import type { CdcPipeline } from "../resource/cdc-pipeline.ts";
import type { KafkaAccess } from "../resource/kafka-access.ts";
import type { SaslConfig } from "../resource/kafka-sasl.ts";
import { signalCollection } from "../resource/signal-collection.ts";
import type { ConnectorConfig } from "./client.ts";

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
		defaults: consumerSecurity(access),
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

function consumerSecurity({ ssl, sasl }: KafkaAccess): ConnectorConfig {
	const tls = ssl !== false;
	return {
		...((tls || sasl !== undefined) && {
			"signal.consumer.security.protocol":
				sasl === undefined ? "SSL" : tls ? "SASL_SSL" : "SASL_PLAINTEXT",
		}),
		...(typeof ssl === "object" && {
			"signal.consumer.ssl.truststore.type": "PEM",
			"signal.consumer.ssl.truststore.certificates": ssl.ca.join("\n"),
		}),
		...(sasl !== undefined && {
			...saslProperties(sasl),
		}),
	};
}

function saslProperties(sasl: SaslConfig): ConnectorConfig {
	const jaas = (module: string, options: Readonly<Record<string, string>>) =>
		`org.apache.kafka.common.security.${module} required${Object.entries(
			options,
		)
			.map(([name, value]) => ` ${name}=${quoted(value)}`)
			.join("")};`;
	const mechanism = {
		"signal.consumer.sasl.mechanism": sasl.mechanism.toUpperCase(),
	};
	if (sasl.mechanism === "oauthbearer")
		return {
			...mechanism,
			"signal.consumer.sasl.oauthbearer.token.endpoint.url": sasl.tokenEndpoint,
			"signal.consumer.sasl.login.callback.handler.class":
				"org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler",
			"signal.consumer.sasl.jaas.config": jaas(
				"oauthbearer.OAuthBearerLoginModule",
				{
					clientId: sasl.clientId,
					clientSecret: sasl.clientSecret,
					...(sasl.scope !== undefined && { scope: sasl.scope }),
				},
			),
		};
	return {
		...mechanism,
		"signal.consumer.sasl.jaas.config": jaas(
			sasl.mechanism === "plain"
				? "plain.PlainLoginModule"
				: "scram.ScramLoginModule",
			{ username: sasl.username, password: sasl.password },
		),
	};
}

function quoted(text: string): string {
	return `"${text.replace(/[\\"]/g, "\\$&")}"`;
}
