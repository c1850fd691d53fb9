import type { KafkaAccess } from "../resource/kafka-access.ts";
import type { SaslConfig } from "../resource/kafka-sasl.ts";
import type { ConnectorConfig } from "./client.ts";

/** The properties below `prefix` of a Kafka client inside the connector: it reaches the brokers as the writers do. */
export function clientSecurity(
	prefix: string,
	{ ssl, sasl }: Pick<KafkaAccess, "ssl" | "sasl">,
): ConnectorConfig {
	const tls = ssl !== false;
	return {
		...((tls || sasl !== undefined) && {
			[`${prefix}.security.protocol`]:
				sasl === undefined ? "SSL" : tls ? "SASL_SSL" : "SASL_PLAINTEXT",
		}),
		...(typeof ssl === "object" && {
			[`${prefix}.ssl.truststore.type`]: "PEM",
			[`${prefix}.ssl.truststore.certificates`]: ssl.ca.join("\n"),
		}),
		...(sasl !== undefined && {
			...saslProperties(prefix, sasl),
		}),
	};
}

function saslProperties(prefix: string, sasl: SaslConfig): ConnectorConfig {
	const jaas = (module: string, options: Readonly<Record<string, string>>) =>
		`org.apache.kafka.common.security.${module} required${Object.entries(
			options,
		)
			.map(([name, value]) => ` ${name}=${quoted(value)}`)
			.join("")};`;
	const mechanism = {
		[`${prefix}.sasl.mechanism`]: sasl.mechanism.toUpperCase(),
	};
	if (sasl.mechanism === "oauthbearer")
		return {
			...mechanism,
			[`${prefix}.sasl.oauthbearer.token.endpoint.url`]: sasl.tokenEndpoint,
			[`${prefix}.sasl.login.callback.handler.class`]:
				"org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler",
			[`${prefix}.sasl.jaas.config`]: jaas(
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
		[`${prefix}.sasl.jaas.config`]: jaas(
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
