import { createHash } from "node:crypto";
import { API_GROUP } from "../resource/api.ts";

/** Every label, annotation, finalizer and object name that the operator uses. */

export const LABELS = {
	name: "app.kubernetes.io/name",
	instance: "app.kubernetes.io/instance",
	component: "app.kubernetes.io/component",
	managedBy: "app.kubernetes.io/managed-by",
	pipeline: `${API_GROUP}/pipeline`,
	table: `${API_GROUP}/table`,
	operation: `${API_GROUP}/operation`,
	ingestion: `${API_GROUP}/ingestion`,
} as const;

export const ANNOTATIONS = {
	/** On pods: hash of their configuration and of the versions of their secrets. */
	configHash: `${API_GROUP}/config-hash`,
	/** On pods: the nonce of the restart that they were made by. */
	restart: `${API_GROUP}/restart`,
	/** On a pipeline, "true": delete it although its connector can't be deleted. */
	skipConnectorCleanup: `${API_GROUP}/skip-connector-cleanup`,
} as const;

/** The ConfigMap by which the leader watches over itself. */
export const CANARY = "tributary-canary";
/** Owner of the canary, as a label: what no object can be called. */
export const CANARY_OWNER = "CANARY";

export const FINALIZER = `${API_GROUP}/pipeline`;
export const MANAGED_BY = "tributary";
/** What the operator made, and nothing else. */
export const MANAGED_SELECTOR = `${LABELS.managedBy}=${MANAGED_BY}`;

export const WRITER_CONTAINER = "writer";
export const WRITER_PORT = 8001;
export const OPERATOR_PORT = 8002;
export const WRITER_CONFIG_DIR = "/etc/tributary";
export const WRITER_CONFIG_FILE = "writer.yaml";
export const KEY_INDEX_DIR = "/var/lib/tributary/key-index";

/** Name of every object that belongs to the writers of a pipeline. */
export function writerName(pipeline: string): string {
	return `${pipeline}-writer`;
}

export function writerLabels(pipeline: string): Record<string, string> {
	return {
		...writerSelector(pipeline),
		[LABELS.component]: "writer",
		[LABELS.managedBy]: MANAGED_BY,
	};
}

export const INGEST_CONTAINER = "ingest";
export const INGEST_CONFIG_FILE = "ingestion.yaml";
export const INGEST_STATE_DIR = "/var/lib/tributary/ingest";

/** Name of every object that belongs to the workers of a `FileIngestion`. */
export function ingestName(ingestion: string): string {
	return `${ingestion}-ingest`;
}

export function ingestLabels(ingestion: string): Record<string, string> {
	return {
		...ingestSelector(ingestion),
		[LABELS.component]: "ingest",
		[LABELS.managedBy]: MANAGED_BY,
	};
}

/** The labels that a StatefulSet selects its pods by; they can never change. */
export function ingestSelector(ingestion: string): Record<string, string> {
	return {
		[LABELS.name]: "tributary-ingest",
		[LABELS.instance]: ingestion,
		[LABELS.ingestion]: ingestion,
	};
}

export const MAINTENANCE_CONTAINER = "maintain";

/** What CronJobs do to the tables of a pipeline. */
export const OPERATIONS = ["optimize", "vacuum"] as const;
export type Operation = (typeof OPERATIONS)[number];

/**
 * The name of the `DeltaTable` of a pipeline's table, always the same for the same folder. A pipeline's
 * name has no dot, so no two tables share one; what can't be in a name is told apart by a hash.
 */
export function tableName(pipeline: string, path: string): string {
	const plain = `${pipeline}.${path.replaceAll("/", ".")}`;
	const clean = path
		.split("/")
		.every((part) => /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(part));
	if (clean && plain.length <= LABEL_VALUE) return plain;
	const slug = plain
		.toLowerCase()
		.replace(/[^a-z0-9.]+/g, "-")
		.replace(/[-.]*\.[-.]*/g, ".")
		.slice(0, LABEL_VALUE - HASH - 1)
		.replace(/[-.]+$/, "");
	return `${slug}-${hashOf(path)}`;
}

/** The longest value of a label. */
const LABEL_VALUE = 63;
const HASH = 8;

function hashOf(text: string): string {
	return createHash("sha256").update(text).digest("hex").slice(0, HASH);
}

/** What Jobs do to a table. */
export type TableTask = Operation | "apply";

/** Of what is made for a table; the hash keeps it apart from what is made for a pipeline. */
export function tableJobName(table: string, task: TableTask): string {
	return derivedName(`table/${table}`, table, task);
}

/** Of the Job of an operation. */
export function operationJobName(operation: string): string {
	return derivedName(`operation/${operation}`, operation, "run");
}

/** Jobs' names have no dot: they become the host names of pods. */
function derivedName(identity: string, owner: string, suffix: string): string {
	const room = CRON_JOB_NAME - suffix.length - HASH - 2;
	const slug = owner.replaceAll(".", "-").slice(0, room).replace(/-+$/, "");
	return `${slug}-${hashOf(identity)}-${suffix}`;
}

export function tableLabels(
	table: string,
	task: TableTask | "operation",
): Record<string, string> {
	return {
		[LABELS.name]: "tributary-maintenance",
		[LABELS.instance]: table,
		[LABELS.table]: table,
		[LABELS.component]: task,
		[LABELS.managedBy]: MANAGED_BY,
	};
}

/** A CronJob's name, which Kubernetes lets have so many letters, for its Jobs add some. */
const CRON_JOB_NAME = 52;

/** The longest names of pipelines are cut, and told apart by a hash. */
export function maintenanceName(
	pipeline: string,
	operation: Operation,
): string {
	const name = `${pipeline}-${operation}`;
	if (name.length <= CRON_JOB_NAME) return name;
	const hash = hashOf(pipeline);
	const room = CRON_JOB_NAME - operation.length - hash.length - 2;
	return `${pipeline.slice(0, room)}-${hash}-${operation}`;
}

export function maintenanceLabels(
	pipeline: string,
	operation: Operation,
): Record<string, string> {
	return {
		[LABELS.name]: "tributary-maintenance",
		[LABELS.instance]: pipeline,
		[LABELS.pipeline]: pipeline,
		[LABELS.component]: operation,
		[LABELS.managedBy]: MANAGED_BY,
	};
}

/** The labels that a StatefulSet selects its pods by; they can never change. */
export function writerSelector(pipeline: string): Record<string, string> {
	return {
		[LABELS.name]: "tributary-writer",
		[LABELS.instance]: pipeline,
		[LABELS.pipeline]: pipeline,
	};
}
