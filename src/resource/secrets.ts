import type { CdcPipelineSpec } from "./cdc-pipeline.ts";
import type { FileIngestionSpec } from "./file-ingestion.ts";

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

/** What a worker of file ingestion needs. */
export function ingestSecrets({
	source,
	sink,
	state,
	api,
}: FileIngestionSpec): SecretValue[] {
	const storage = (
		ref: { readonly name: string } | undefined,
		field: string,
	): SecretValue[] =>
		ref === undefined
			? []
			: [
					...STORAGE_KEYS.required.map((key) => ({
						name: ref.name,
						key,
						optional: false,
						field,
					})),
					...STORAGE_KEYS.optional.map((key) => ({
						name: ref.name,
						key,
						optional: true,
						field,
					})),
				];
	const one = (
		ref: { readonly name: string; readonly key: string } | undefined,
		field: string,
	): SecretValue[] =>
		ref === undefined ? [] : [{ ...ref, optional: false, field }];
	return distinct([
		...storage(source.storageSecretRef, "spec.source.storageSecretRef"),
		...storage(sink.storageSecretRef, "spec.sink.storageSecretRef"),
		...one(state.connectionSecretRef, "spec.state.connectionSecretRef"),
		...one(api.tokenSecretRef, "spec.api.tokenSecretRef"),
	]);
}

/** Two fields may refer to the same value. */
function distinct(values: readonly SecretValue[]): SecretValue[] {
	return values.filter(
		(value, index) =>
			values.findIndex(
				({ name, key }) => name === value.name && key === value.key,
			) === index,
	);
}

export const SASL_MECHANISMS = [
	"plain",
	"scram-sha-256",
	"scram-sha-512",
	"oauthbearer",
] as const;

/** Keys of `kafka.saslSecretRef` beside `mechanism`, which says which of them are needed. */
export function saslKeys(mechanism: string | undefined): {
	readonly required: readonly string[];
	readonly optional: readonly string[];
} {
	return mechanism?.toLowerCase() === "oauthbearer"
		? {
				required: ["token.endpoint.url", "client.id", "client.secret"],
				optional: ["scope"],
			}
		: { required: ["username", "password"], optional: [] };
}

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

/** Keys of `kafka.connectSecretRef`. */
export const CONNECT_KEYS = ["username", "password", "ca.crt"] as const;

/** What the connector needs. The writer never connects to the source, so it never sees this. */
export function sourceSecrets(spec: CdcPipelineSpec): SecretValue[] {
	const { name, key } = spec.source.connectionSecretRef;
	const connect = spec.kafka.connectSecretRef;
	return [
		{ name, key, optional: false, field: "spec.source.connectionSecretRef" },
		...(connect === undefined
			? []
			: CONNECT_KEYS.map((key) => ({
					name: connect.name,
					key,
					optional: true,
					field: "spec.kafka.connectSecretRef",
				}))),
	];
}

/** What Kafka Connect is told of us, from the values of `kafka.connectSecretRef`. */
export function connectAccess(
	value: (key: (typeof CONNECT_KEYS)[number]) => string | undefined,
): {
	readonly basicAuth?: { readonly username: string; readonly password: string };
	readonly ca?: string;
} {
	const [username, password, ca] = CONNECT_KEYS.map(value);
	return {
		...(username && { basicAuth: { username, password: password ?? "" } }),
		...(ca && { ca }),
	};
}

/**
 * What a writer needs: storage credentials, and what it takes to speak with the brokers. Until the
 * mechanism is known, the keys of none are required.
 */
export function writerSecrets(
	spec: CdcPipelineSpec,
	saslMechanism?: string,
): SecretValue[] {
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
	if (sasl !== undefined) {
		const field = "spec.kafka.saslSecretRef";
		const { name } = sasl;
		values.push({ name, key: "mechanism", optional: false, field });
		const own = saslKeys(saslMechanism);
		const other = saslKeys(
			saslMechanism?.toLowerCase() === "oauthbearer" ? "plain" : "oauthbearer",
		);
		for (const key of own.required)
			values.push({ name, key, optional: saslMechanism === undefined, field });
		for (const key of [...own.optional, ...other.required, ...other.optional])
			values.push({ name, key, optional: true, field });
	}
	return distinct(values);
}
