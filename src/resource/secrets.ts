import type { CdcPipelineSpec } from "./cdc-pipeline.ts";

/** One value of a Secret that a pipeline needs. */
export interface SecretValue {
	readonly name: string;
	readonly key: string;
	/** Without it the pipeline still works. */
	readonly optional: boolean;
	/** The field of the resource that refers to it, for messages. */
	readonly field: string;
}

/** Keys of `sink.storageSecretRef`; their names are those of the AWS SDKs. */
export const STORAGE_KEYS = {
	required: ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"],
	optional: [
		"AWS_SESSION_TOKEN",
		"AWS_REGION",
		"AWS_ENDPOINT_URL",
		"AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
		"AWS_CA_BUNDLE",
	],
} as const;

/** Keys of `kafka.saslSecretRef`. */
export const SASL_KEYS = ["mechanism", "username", "password"] as const;

/**
 * The environment variable that carries a value of a Secret to a writer, or to `tributary run` where
 * there is no cluster: `TRIBUTARY_SECRET_<NAME>_<KEY>` in upper case, `_` for all that is neither
 * letter nor digit.
 */
export function secretEnvName(name: string, key: string): string {
	return `TRIBUTARY_SECRET_${name}_${key}`
		.replace(/[^A-Za-z0-9]/g, "_")
		.toUpperCase();
}

/** What the connector needs. The writer never connects to the source, so it never sees this. */
export function sourceSecrets(spec: CdcPipelineSpec): SecretValue[] {
	const { name, key } = spec.source.connectionSecretRef;
	return [
		{ name, key, optional: false, field: "spec.source.connectionSecretRef" },
	];
}

/** What a writer needs: storage credentials, and what it takes to speak with the brokers. */
export function writerSecrets(spec: CdcPipelineSpec): SecretValue[] {
	const values: SecretValue[] = [];
	const storage = spec.sink.storageSecretRef;
	if (storage !== undefined) {
		const field = "spec.sink.storageSecretRef";
		for (const key of STORAGE_KEYS.required)
			values.push({ name: storage.name, key, optional: false, field });
		for (const key of STORAGE_KEYS.optional)
			values.push({ name: storage.name, key, optional: true, field });
	}
	const ca = spec.kafka.caSecretRef;
	if (ca !== undefined)
		values.push({
			name: ca.name,
			key: ca.key,
			optional: false,
			field: "spec.kafka.caSecretRef",
		});
	const sasl = spec.kafka.saslSecretRef;
	if (sasl !== undefined)
		for (const key of SASL_KEYS)
			values.push({
				name: sasl.name,
				key,
				optional: false,
				field: "spec.kafka.saslSecretRef",
			});
	// Two fields may refer to the same value.
	return values.filter(
		(value, index) =>
			values.findIndex(
				({ name, key }) => name === value.name && key === value.key,
			) === index,
	);
}
