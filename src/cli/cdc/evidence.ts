import { connectClient } from "../../connect/client.ts";
import { connectorName } from "../../connect/debezium.ts";
import { messageOf, withoutUserInfo } from "../../errors.ts";
import { type ResourceType, resourcePath } from "../../kube/object.ts";
import { LABELS, writerName } from "../../operator/names.ts";
import {
	CHILD_KINDS,
	type PipelineObject,
	type Pod,
	TYPES,
} from "../../operator/types.ts";
import { sourceSecrets, writerSecrets } from "../../resource/secrets.ts";
import { VERSION } from "../../version.ts";
import { type Chain, chainOf } from "./chain.ts";
import {
	ask,
	parsed,
	pipelineEvents,
	resourceName,
	writerPods,
} from "./cluster.ts";
import { logLines, operatorPods } from "./logs.ts";
import { PUBLIC_KEYS } from "./redact.ts";
import type { Session } from "./session.ts";

/** What a report is made of, before it is redacted: it never leaves as it is. */
export interface Collected {
	readonly chain: Chain;
	readonly versions: object;
	readonly objects: Readonly<Record<string, unknown>>;
	readonly logs: Readonly<Record<string, string>>;
	/** What could not be had, and why. */
	readonly missing: readonly string[];
	/** Values to be masked. */
	readonly secrets: readonly string[];
	readonly secretsKnown: boolean;
}

const LOG_LINES = 5_000;

/** Asks for everything; what is not allowed or not there is noted and left out. */
export async function collect(
	session: Session,
	object: PipelineObject,
): Promise<Collected> {
	const { name, namespace = session.namespace } = object.metadata;
	const missing: string[] = [];
	const objects: Record<string, unknown> = { pipeline: object };
	const logs: Record<string, string> = {};
	async function attempt<T>(
		what: string,
		asked: Promise<T>,
	): Promise<T | undefined> {
		try {
			return await asked;
		} catch (error) {
			missing.push(`${what}: ${messageOf(error)}`);
			return undefined;
		}
	}

	const [pods, events, version, secrets] = await Promise.all([
		attempt("writer pods", writerPods(session, object)),
		attempt("events", pipelineEvents(session, object)),
		attempt(
			"version of the API server",
			ask<object>(
				session,
				{ verb: "get", resource: "/version" },
				{ path: "/version" },
			),
		),
		readSecretValues(session, object, attempt),
	]);
	objects.pods = pods;
	objects.events = events;
	for (const kind of CHILD_KINDS)
		objects[TYPES[kind].kind.toLowerCase()] = await attempt(
			TYPES[kind].kind,
			child(session, TYPES[kind], namespace, name),
		);
	objects.tables = await attempt(
		"DeltaTables",
		tablesOf(session, namespace, name),
	);
	await collectLogs(session, pods ?? [], logs, attempt);
	const operators = await attempt("the operator's pods", operatorPods(session));
	if (operators !== undefined) {
		objects.operator = operators;
		for (const pod of operators)
			await logOf(session, pod, `operator-${pod.metadata.name}`, logs, attempt);
	}
	objects.connector = await attempt(
		"the connector at Kafka Connect",
		connectorOf(object),
	);
	for (const [path, value] of Object.entries(objects))
		if (value === undefined) delete objects[path];
	return {
		chain: chainOf({
			object,
			pods,
			events: events,
			notes: [],
		}),
		versions: {
			tributary: VERSION,
			kubernetes: (version as { gitVersion?: string } | undefined)?.gitVersion,
			image: imageOf(pods ?? []),
		},
		objects,
		logs,
		missing,
		secrets: secrets.values,
		secretsKnown: secrets.known,
	};
}

type Attempt = <T>(what: string, asked: Promise<T>) => Promise<T | undefined>;

function child(
	session: Session,
	type: ResourceType,
	namespace: string,
	pipeline: string,
): Promise<unknown> {
	return ask(
		session,
		{ verb: "get", resource: resourceName(type), namespace },
		{ path: resourcePath(type, { namespace, name: writerName(pipeline) }) },
	);
}

async function tablesOf(
	session: Session,
	namespace: string,
	pipeline: string,
): Promise<unknown> {
	const { items } = await ask<{ items: unknown[] }>(
		session,
		{ verb: "list", resource: resourceName(TYPES.table), namespace },
		{
			path: resourcePath(TYPES.table, { namespace }),
			query: { labelSelector: `${LABELS.pipeline}=${pipeline}` },
		},
	);
	return items;
}

async function collectLogs(
	session: Session,
	pods: readonly Pod[],
	logs: Record<string, string>,
	attempt: Attempt,
): Promise<void> {
	for (const pod of pods) {
		await logOf(session, pod, pod.metadata.name, logs, attempt);
		if ((pod.status?.containerStatuses?.[0]?.restartCount ?? 0) > 0)
			await logOf(
				session,
				pod,
				`${pod.metadata.name}-previous`,
				logs,
				attempt,
				true,
			);
	}
}

async function logOf(
	session: Session,
	pod: Pod,
	path: string,
	logs: Record<string, string>,
	attempt: Attempt,
	previous = false,
): Promise<void> {
	const read = async (): Promise<string> => {
		const lines: string[] = [];
		for await (const line of logLines(session, pod, {
			tail: LOG_LINES,
			sinceSeconds: undefined,
			previous,
			follow: false,
		}))
			lines.push(line);
		return `${lines.join("\n")}\n`;
	};
	const text = await attempt(`log ${path}`, read());
	if (text !== undefined) logs[path] = text;
}

/** Straight from here, which works where Kafka Connect is reached from outside of the cluster. */
async function connectorOf(object: PipelineObject): Promise<unknown> {
	const pipeline = parsed(object);
	if (pipeline === undefined)
		throw new Error("the specification can't be worked with");
	const { connectUrl } = pipeline.spec.kafka;
	const client = connectClient(connectUrl, { timeoutMs: 5_000, attempts: 1 });
	const name = connectorName(pipeline);
	const [config, status, offsets] = await Promise.all([
		client.config(name),
		client.status(name),
		client.offsets(name),
	]);
	return { url: withoutUserInfo(connectUrl), name, config, status, offsets };
}

/** Values of the Secrets that the pipeline names, so that they can be masked wherever they turn up. */
async function readSecretValues(
	session: Session,
	object: PipelineObject,
	attempt: Attempt,
): Promise<{ values: string[]; known: boolean }> {
	const { namespace = session.namespace } = object.metadata;
	const spec = parsed(object)?.spec;
	if (spec === undefined) return { values: [], known: false };
	const names = new Set(
		[...sourceSecrets(spec), ...writerSecrets(spec)].map(({ name }) => name),
	);
	const values: string[] = [];
	let known = true;
	for (const name of names) {
		const secret = await attempt(
			`Secret ${name}, to mask its values`,
			ask<{ data?: Record<string, string> }>(
				session,
				{ verb: "get", resource: "secrets", namespace },
				{ path: resourcePath(TYPES.secret, { namespace, name }) },
			),
		);
		if (secret === undefined) known = false;
		for (const [key, value] of Object.entries(secret?.data ?? {}))
			if (!PUBLIC_KEYS.includes(key))
				values.push(Buffer.from(value, "base64").toString());
	}
	return { values, known };
}

function imageOf(pods: readonly Pod[]): string | undefined {
	const [pod] = pods as readonly {
		spec?: { containers?: readonly { image?: string }[] };
	}[];
	return pod?.spec?.containers?.[0]?.image;
}
