import { ConfigError } from "../errors.ts";
import type { CdcPipelineSpec } from "./cdc-pipeline.ts";
import { type SaslConfig, saslConfig } from "./kafka-sasl.ts";

/** A value of a Secret, by the Secret's name and key; `undefined` when there is none. */
export type SecretReader = (name: string, key: string) => string | undefined;

/** How to reach the brokers of a pipeline. */
export interface KafkaAccess {
	readonly brokers: readonly string[];
	readonly ssl: boolean | { readonly ca: readonly string[] };
	readonly sasl: SaslConfig | undefined;
}

/** @throws ConfigError naming the Secret and the key that is missing */
export function kafkaAccess(
	{
		bootstrapServers,
		tls,
		caSecretRef,
		saslSecretRef,
	}: CdcPipelineSpec["kafka"],
	secret: SecretReader,
): KafkaAccess {
	return {
		brokers: bootstrapServers,
		ssl:
			caSecretRef === undefined
				? tls
				: {
						ca: [
							needSecret(
								secret,
								caSecretRef.name,
								caSecretRef.key,
								"spec.kafka.caSecretRef",
							),
						],
					},
		sasl:
			saslSecretRef === undefined
				? undefined
				: saslConfig(
						(key) => secret(saslSecretRef.name, key),
						`spec.kafka.saslSecretRef: Secret ${saslSecretRef.name}`,
					),
	};
}

/** @throws ConfigError where the value is missing or empty */
export function needSecret(
	secret: SecretReader,
	name: string,
	key: string,
	where: string,
): string {
	const value = secret(name, key);
	if (value === undefined || value === "")
		throw new ConfigError(`${where}: Secret ${name} has no key ${key}: add it`);
	return value;
}
