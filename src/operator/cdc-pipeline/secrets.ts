import { messageOf } from "../../errors.ts";
import { type ApiClient, ApiError } from "../../kube/client.ts";
import { resourcePath } from "../../kube/object.ts";
import type { CdcPipeline } from "../../resource/cdc-pipeline.ts";
import type { SecretReader } from "../../resource/kafka-access.ts";
import {
	type SecretValue,
	STORAGE_KEYS,
	sourceSecrets,
	writerSecrets,
} from "../../resource/secrets.ts";
import { type Secret, TYPES } from "../types.ts";
import { REASONS } from "./reasons.ts";
import type { SecretVersions } from "./writer-config.ts";

export interface SecretProblem {
	readonly reason: string;
	readonly message: string;
	/** The connector can't be made without it. */
	readonly source: boolean;
}

export interface Secrets {
	readonly problems: readonly SecretProblem[];
	readonly versions: SecretVersions;
	/** The source's connection URI, for the connector alone; never for a log or a status. */
	readonly connectionUri: string | undefined;
	/** Any value; for what speaks with Kafka, and never for a log or a status. */
	readonly read: SecretReader;
}

type Found = Secret | { readonly error: unknown } | undefined;

/** Reads every Secret of a pipeline, each once, in the pipeline's own namespace. */
export async function readSecrets(
	client: ApiClient,
	{ metadata, spec }: CdcPipeline,
): Promise<Secrets> {
	const names = [
		...new Set(
			[...sourceSecrets(spec), ...writerSecrets(spec)].map(({ name }) => name),
		),
	];
	const found = new Map<string, Found>(
		await Promise.all(
			names.map(
				async (name): Promise<[string, Found]> => [
					name,
					await read(client, metadata.namespace, name),
				],
			),
		),
	);
	const sasl = spec.kafka.saslSecretRef;
	const mechanism = sasl && text(found, { ...sasl, key: "mechanism" });
	const wanted = [
		...sourceSecrets(spec).map((value) => ({ ...value, source: true })),
		...writerSecrets(spec, mechanism ?? "").map((value) => ({
			...value,
			source: false,
		})),
	];
	const problems: SecretProblem[] = [];
	for (const value of wanted) {
		const problem = problemOf(value, metadata.namespace, found.get(value.name));
		if (
			problem !== undefined &&
			!problems.some(({ message }) => message === problem.message)
		)
			problems.push({ ...problem, source: value.source });
	}
	return {
		problems,
		versions: versionsOf(found),
		connectionUri: text(found, spec.source.connectionSecretRef),
		read: (name, key) => text(found, { name, key }),
	};
}

/**
 * What is wrong with a Secret of storage credentials.
 * @param field - what refers to it, for the message
 */
export async function storageProblem(
	client: ApiClient,
	namespace: string,
	name: string,
	field: string,
): Promise<Omit<SecretProblem, "source"> | undefined> {
	const secret = await read(client, namespace, name);
	for (const key of STORAGE_KEYS.required) {
		const value = { name, key, optional: false, field };
		const problem = problemOf(value, namespace, secret);
		if (problem !== undefined) return problem;
	}
	return undefined;
}

/** What is wrong with some values of Secrets, and the versions of those Secrets that are there. */
export async function checkSecrets(
	client: ApiClient,
	namespace: string,
	values: readonly SecretValue[],
): Promise<{
	readonly problems: readonly Omit<SecretProblem, "source">[];
	readonly versions: SecretVersions;
}> {
	const names = [...new Set(values.map(({ name }) => name))];
	const found = new Map<string, Found>(
		await Promise.all(
			names.map(
				async (name): Promise<[string, Found]> => [
					name,
					await read(client, namespace, name),
				],
			),
		),
	);
	const problems = new Map<string, Omit<SecretProblem, "source">>();
	for (const value of values) {
		const problem = problemOf(value, namespace, found.get(value.name));
		if (problem !== undefined) problems.set(problem.message, problem);
	}
	return { problems: [...problems.values()], versions: versionsOf(found) };
}

function versionsOf(found: ReadonlyMap<string, Found>): SecretVersions {
	const versions = new Map<string, string>();
	for (const [name, secret] of found)
		if (secret !== undefined && !("error" in secret))
			versions.set(
				name,
				`${secret.metadata.uid ?? ""}/${secret.metadata.resourceVersion ?? ""}`,
			);
	return versions;
}

async function read(
	client: ApiClient,
	namespace: string,
	name: string,
): Promise<Found> {
	try {
		return await client.request<Secret>({
			path: resourcePath(TYPES.secret, { namespace, name }),
		});
	} catch (error) {
		if (error instanceof ApiError && error.status === 404) return undefined;
		if (error instanceof ApiError && !error.retryable) return { error };
		throw error;
	}
}

function problemOf(
	{ name, key, optional, field }: SecretValue,
	namespace: string,
	secret: Found,
): Omit<SecretProblem, "source"> | undefined {
	if (secret === undefined)
		return {
			reason: REASONS.secretMissing,
			message: `Secret ${name} (${field}) is not in namespace ${namespace}: create it`,
		};
	if ("error" in secret)
		return {
			reason: REASONS.secretUnreadable,
			message: `Secret ${name} (${field}) can't be read: ${messageOf(secret.error)}; the operator needs the verb get on secrets in namespace ${namespace}`,
		};
	if (optional || secret.data?.[key]) return undefined;
	const keys = Object.keys(secret.data ?? {});
	return {
		reason: REASONS.secretKeyMissing,
		message: `Secret ${name} (${field}) has no key ${key}${keys.length === 0 ? "" : `, only ${keys.join(", ")}`}: add it`,
	};
}

function text(
	found: ReadonlyMap<string, Found>,
	{ name, key }: { name: string; key: string },
): string | undefined {
	const secret = found.get(name);
	const value =
		secret === undefined || "error" in secret ? undefined : secret.data?.[key];
	// A file piped into `kubectl create secret` often ends in a newline.
	return value ? Buffer.from(value, "base64").toString().trim() : undefined;
}
