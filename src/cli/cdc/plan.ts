import { readFileSync } from "node:fs";
import { parseAllDocuments } from "yaml";
import { connectorConfig, connectorName } from "../../connect/debezium.ts";
import { ConfigError, messageOf } from "../../errors.ts";
import { ApiError } from "../../kube/client.ts";
import { type KubeObject, resourcePath } from "../../kube/object.ts";
import { statefulSet } from "../../operator/cdc-pipeline/stateful-set.ts";
import { configHash } from "../../operator/cdc-pipeline/writer-config.ts";
import { type PipelineObject, TYPES } from "../../operator/types.ts";
import type { CdcPipeline } from "../../resource/cdc-pipeline.ts";
import { FIELD_MANAGER, parsed, resourceName } from "./cluster.ts";
import {
	type Difference,
	differences,
	differenceText,
	mergePatch,
} from "./difference.ts";
import { clusterError } from "./errors.ts";
import type { Session } from "./session.ts";
import { NOT_OK } from "./status.ts";
import { wrapped } from "./text.ts";

/** What applying a resource would do; what `plan -o json` prints. */
export interface Planned {
	readonly name: string;
	readonly namespace: string;
	readonly result: "created" | "changed" | "unchanged" | "refused";
	/** Why the API server would not take it. */
	readonly refusal?: string;
	readonly changes: readonly Difference[];
	readonly connector: {
		readonly name: string;
		readonly result: "created" | "updated" | "unchanged";
		readonly changes: readonly Difference[];
	};
	readonly writers: {
		readonly result: "started" | "rolled" | "scaled" | "stopped" | "unchanged";
		readonly because: readonly string[];
	};
	/** One-shot actions that would be taken. */
	readonly actions: readonly string[];
}

interface PipelineDocument extends KubeObject {
	readonly spec: unknown;
}

/** `plan -f FILE`: a server-side dry run, and what the operator would make of it. Changes nothing. */
export async function showPlan(
	session: Session,
	args: readonly string[],
): Promise<number> {
	const { out, flags } = session;
	const files = flags.filename ?? [];
	if (files.length === 0 || args.length > 0)
		throw new ConfigError(
			`plan takes files: kubectl cdc plan -f pipeline.yaml${args.length > 0 ? ` instead of ${args.join(" ")}` : ""}`,
		);
	const plans: Planned[] = [];
	for (const document of files.flatMap(readDocuments))
		plans.push(await planOf(session, document));
	if (plans.length === 0)
		throw new ConfigError(`${files.join(", ")}: no CdcPipeline in it`);
	out.write(
		flags.output === "json"
			? `${JSON.stringify(plans, undefined, 2)}\n`
			: plans.map(planText).join("\n"),
	);
	if (plans.some(({ result }) => result === "refused")) return 1;
	return plans.every(({ result }) => result === "unchanged") ? 0 : NOT_OK;
}

function readDocuments(file: string): PipelineDocument[] {
	let text: string;
	try {
		text = readFileSync(file === "-" ? 0 : file, "utf8");
	} catch (cause) {
		throw new ConfigError(`can't read ${file}: ${messageOf(cause)}`, { cause });
	}
	return parseAllDocuments(text).flatMap((document, index) => {
		const [broken] = document.errors;
		if (broken !== undefined)
			throw new ConfigError(
				`${file}, document ${index + 1}: ${broken.message}`,
			);
		const content = document.toJS() as PipelineDocument | null;
		if (content?.kind !== TYPES.pipeline.kind) return [];
		if (typeof content.metadata?.name !== "string")
			throw new ConfigError(
				`${file}, document ${index + 1}: metadata.name is missing`,
			);
		return [content];
	});
}

async function planOf(
	session: Session,
	document: PipelineDocument,
): Promise<Planned> {
	const { name } = document.metadata;
	const namespace = document.metadata.namespace ?? session.namespace;
	if (
		session.flags.namespace !== undefined &&
		session.flags.namespace !== namespace
	)
		throw new ConfigError(
			`${name} is in namespace ${namespace} by its file, but --namespace says ${session.flags.namespace}: leave one out`,
		);
	const live = await readLive(session, namespace, name);
	let wanted: PipelineObject;
	try {
		wanted = await dryRun(session, { namespace, name, live, document });
	} catch (error) {
		if (error instanceof ApiError && [400, 409, 422].includes(error.status))
			return refused(name, namespace, error);
		throw clusterError(error, {
			verb: live === undefined ? "create" : "patch",
			resource: resourceName(TYPES.pipeline),
			namespace,
		});
	}
	return effects(live, wanted, { name, namespace });
}

async function readLive(
	{ client }: Session,
	namespace: string,
	name: string,
): Promise<PipelineObject | undefined> {
	try {
		return await client.request<PipelineObject>({
			path: resourcePath(TYPES.pipeline, { namespace, name }),
		});
	} catch (error) {
		if (error instanceof ApiError && error.status === 404) return undefined;
		throw clusterError(error, {
			verb: "get",
			resource: resourceName(TYPES.pipeline),
			namespace,
		});
	}
}

const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

/**
 * As whoever applied it last would apply it now: `kubectl apply` by merge, with what it applied before; a
 * server-side applier under its own name.
 */
async function dryRun(
	{ client }: Session,
	{
		namespace,
		name,
		live,
		document,
	}: {
		namespace: string;
		name: string;
		live: PipelineObject | undefined;
		document: PipelineDocument;
	},
): Promise<PipelineObject> {
	const body = {
		...document,
		metadata: { ...document.metadata, namespace, name },
	};
	const query = { dryRun: "All", fieldValidation: "Strict" };
	if (live === undefined)
		return client.request({
			method: "POST",
			path: resourcePath(TYPES.pipeline, { namespace }),
			query: { ...query, fieldManager: FIELD_MANAGER },
			body,
		});
	const path = resourcePath(TYPES.pipeline, { namespace, name });
	const last = live.metadata.annotations?.[LAST_APPLIED];
	if (last !== undefined) {
		const { spec } = JSON.parse(last) as { spec?: unknown };
		return client.request({
			method: "PATCH",
			path,
			query: { ...query, fieldManager: FIELD_MANAGER },
			contentType: "application/merge-patch+json",
			body: { spec: mergePatch(spec, document.spec) },
		});
	}
	return client.request({
		method: "PATCH",
		path,
		query: { ...query, fieldManager: applier(live), force: true },
		contentType: "application/apply-patch+yaml",
		body,
	});
}

/** Who applied the specification on the server's side; kubectl's name where nobody did. */
function applier({ metadata }: PipelineObject): string {
	const managers =
		(
			metadata as {
				managedFields?: readonly {
					manager?: string;
					operation?: string;
					subresource?: string;
				}[];
			}
		).managedFields ?? [];
	return (
		managers.find(
			({ operation, subresource }) =>
				operation === "Apply" && subresource === undefined,
		)?.manager ?? "kubectl"
	);
}

function refused(name: string, namespace: string, error: ApiError): Planned {
	return {
		name,
		namespace,
		result: "refused",
		refusal: error.message
			.replace(/^[A-Z]+ \S+: \d+ /, "")
			.replace(/^CdcPipeline\.tributary\.dev "[^"]*" is invalid: /, ""),
		changes: [],
		connector: { name: "", result: "unchanged", changes: [] },
		writers: { result: "unchanged", because: [] },
		actions: [],
	};
}

/** Pure. */
function effects(
	live: PipelineObject | undefined,
	wanted: PipelineObject,
	{ name, namespace }: { name: string; namespace: string },
): Planned {
	const before = live && parsed(live);
	const after = parsed(wanted);
	const changes = differences(live === undefined ? {} : { spec: live.spec }, {
		spec: wanted.spec,
	});
	const config = (pipeline: CdcPipeline | undefined) =>
		pipeline &&
		connectorConfig(pipeline, PLACEHOLDERS[pipeline.spec.source.type]);
	const connectorChanges = differences(
		config(before) ?? {},
		config(after) ?? {},
	);
	return {
		name,
		namespace,
		result:
			live === undefined
				? "created"
				: changes.length > 0
					? "changed"
					: "unchanged",
		changes,
		connector: {
			name: after === undefined ? "" : connectorName(after),
			result:
				live === undefined
					? "created"
					: connectorChanges.length > 0
						? "updated"
						: "unchanged",
			changes: connectorChanges,
		},
		writers: writerEffects(before, after, changes),
		actions: actionsOf(before, after),
	};
}

/** The URI is the Secret's: only the specification is compared. */
const PLACEHOLDERS = {
	mongodb: "mongodb://secret",
	postgresql: "postgresql://secret/secret",
	mysql: "mysql://secret/secret",
	mariadb: "mariadb://secret/secret",
} as const;

const OWNER = { apiVersion: "", kind: "", name: "", uid: "" };
const IMAGE = {
	image: "",
	pullPolicy: "Never",
	pullSecrets: [],
	logLevel: "",
} as const;

function writerEffects(
	before: CdcPipeline | undefined,
	after: CdcPipeline | undefined,
	changes: readonly Difference[],
): Planned["writers"] {
	const replicas = (pipeline: CdcPipeline | undefined): number =>
		pipeline?.spec.state === "running" ? pipeline.spec.writer.replicas : 0;
	const was = replicas(before);
	const is = replicas(after);
	if (after === undefined || (was === 0 && is === 0))
		return { result: "unchanged", because: [] };
	if (was === 0) return { result: "started", because: [`${is} of them`] };
	if (is === 0)
		return {
			result: "stopped",
			because: [`spec.state is ${after.spec.state}`],
		};
	const pods = (pipeline: CdcPipeline | undefined): unknown =>
		pipeline &&
		(
			statefulSet(pipeline, OWNER, IMAGE, {
				replicas: 0,
				hash: configHash(pipeline, new Map()),
				restart: pipeline.spec.actions?.restart,
			}).spec as { template: unknown }
		).template;
	const rolled = differences(pods(before), pods(after));
	if (rolled.length > 0)
		return {
			result: "rolled",
			because: changes
				.map(({ path }) => path)
				.filter((path) => ROLLING.test(path)),
		};
	return was === is
		? { result: "unchanged", because: [] }
		: { result: "scaled", because: [`from ${was} to ${is}`] };
}

function actionsOf(
	before: CdcPipeline | undefined,
	after: CdcPipeline | undefined,
): string[] {
	const now = after?.spec.actions;
	const last = before?.spec.actions;
	// Nonces that come with a new pipeline count as done.
	if (before === undefined || now === undefined) return [];
	const taken: string[] = [];
	if (now.restart !== undefined && now.restart !== last?.restart)
		taken.push("the connector and the writers are restarted");
	if (
		now.resnapshot !== undefined &&
		now.resnapshot.nonce !== last?.resnapshot?.nonce
	)
		taken.push(
			`${now.resnapshot.mode} snapshot of ${now.resnapshot.tables.join(", ") || "everything"}`,
		);
	return taken;
}

/** What a running writer can't take up. */
const ROLLING =
	/^spec\.(source\.(type|include|signalCollection)|kafka|sink|writer\.(batch|resources)|actions\.restart|maintenance)/;

const WRITERS = {
	started: "start",
	rolled: "are replaced one by one: their configuration or pods change",
	scaled: "are scaled; partitions move between them",
	stopped: "commit what they hold and end",
	unchanged: "go on untouched",
} as const;

const CONNECTOR = {
	created: "is created, after Kafka Connect has validated it",
	updated:
		"is updated, after Kafka Connect has validated it; its tasks restart at their position",
	unchanged: "goes on untouched",
} as const;

/** For people. Pure. */
export function planText(plan: Planned): string {
	const head = `${plan.namespace}/${plan.name}`;
	if (plan.result === "refused")
		return `${head}: the API server refuses it\n  ${wrapped(plan.refusal ?? "", 2)}\n`;
	if (plan.result === "unchanged") return `${head}: nothing would change\n`;
	const lines = [
		`${head}: would be ${plan.result}`,
		...(plan.result === "created"
			? []
			: plan.changes.map(differenceText).map((line) => `  ${line}`)),
		`  connector ${plan.connector.name} ${CONNECTOR[plan.connector.result]}`,
		...(plan.connector.result === "updated"
			? plan.connector.changes.map((each) => `    ${differenceText(each)}`)
			: []),
		`  writers ${WRITERS[plan.writers.result]}${plan.writers.because.length === 0 ? "" : ` (${plan.writers.because.join(", ")})`}`,
		...plan.actions.map((action) => `  once: ${action}`),
	];
	return `${lines.join("\n")}\n`;
}
