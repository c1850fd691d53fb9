import type { Condition } from "../kube/conditions.ts";
import type { KubeObject, ResourceType } from "../kube/object.ts";
import type { CdcPipelineStatus } from "../resource/cdc-pipeline-status.ts";
import type { ResourceKind } from "../resource/crd.ts";
import type { DeltaTableStatus } from "../resource/delta-table-status.ts";
import type { FileIngestionStatus } from "../resource/file-ingestion-status.ts";
import { CDC_PIPELINE, FILE_INGESTION } from "../resource/kinds.ts";
import { DELTA_TABLE, TABLE_OPERATION } from "../resource/table-kinds.ts";
import type { TableOperationStatus } from "../resource/table-operation-status.ts";

/** The parts of the cluster's objects that the operator reads. */

export interface PipelineObject extends KubeObject {
	readonly spec: unknown;
	readonly status?: CdcPipelineStatus;
}

export interface StatefulSet extends KubeObject {
	readonly spec?: { readonly replicas?: number };
	readonly status?: {
		readonly observedGeneration?: number;
		readonly replicas?: number;
		readonly readyReplicas?: number;
		readonly updatedReplicas?: number;
		readonly currentRevision?: string;
		readonly updateRevision?: string;
	};
}

export interface CronJob extends KubeObject {
	readonly spec?: { readonly suspend?: boolean };
	readonly status?: { readonly lastScheduleTime?: string };
}

export interface ConfigMap extends KubeObject {
	readonly data?: Readonly<Record<string, string>>;
}

export interface Job extends KubeObject {
	readonly status?: {
		readonly startTime?: string;
		readonly conditions?: readonly Pick<
			Condition,
			"type" | "status" | "reason" | "message" | "lastTransitionTime"
		>[];
	};
}

export interface TableObject extends KubeObject {
	readonly spec: unknown;
	readonly status?: DeltaTableStatus;
}

export interface OperationObject extends KubeObject {
	readonly spec: unknown;
	readonly status?: TableOperationStatus;
}

export interface IngestionObject extends KubeObject {
	readonly spec: unknown;
	readonly status?: FileIngestionStatus;
}

export interface ContainerStatus {
	readonly name: string;
	readonly ready?: boolean;
	readonly restartCount?: number;
	readonly state?: {
		readonly waiting?: { readonly reason?: string; readonly message?: string };
		readonly running?: object;
		readonly terminated?: Terminated;
	};
	readonly lastState?: { readonly terminated?: Terminated };
}

export interface Terminated {
	readonly exitCode?: number;
	readonly reason?: string;
	readonly message?: string;
	readonly startedAt?: string;
	readonly finishedAt?: string;
}

export interface Pod extends KubeObject {
	readonly status?: {
		readonly phase?: string;
		readonly podIP?: string;
		readonly conditions?: readonly Pick<
			Condition,
			"type" | "status" | "reason" | "message"
		>[];
		readonly containerStatuses?: readonly ContainerStatus[];
	};
}

export interface Secret {
	readonly metadata: {
		readonly uid?: string;
		readonly resourceVersion?: string;
	};
	/** Base64. */
	readonly data?: Readonly<Record<string, string>>;
}

/** Where objects of one of our kinds are served. */
export function servedAs({
	group,
	version,
	kind,
	plural,
}: ResourceKind): ResourceType {
	return { group, version, kind, plural };
}

export const TYPES = {
	pipeline: servedAs(CDC_PIPELINE),
	table: servedAs(DELTA_TABLE),
	operation: servedAs(TABLE_OPERATION),
	ingestion: servedAs(FILE_INGESTION),
	job: { group: "batch", version: "v1", kind: "Job", plural: "jobs" },
	configMap: {
		group: "",
		version: "v1",
		kind: "ConfigMap",
		plural: "configmaps",
	},
	service: { group: "", version: "v1", kind: "Service", plural: "services" },
	serviceAccount: {
		group: "",
		version: "v1",
		kind: "ServiceAccount",
		plural: "serviceaccounts",
	},
	statefulSet: {
		group: "apps",
		version: "v1",
		kind: "StatefulSet",
		plural: "statefulsets",
	},
	podDisruptionBudget: {
		group: "policy",
		version: "v1",
		kind: "PodDisruptionBudget",
		plural: "poddisruptionbudgets",
	},
	cronJob: {
		group: "batch",
		version: "v1",
		kind: "CronJob",
		plural: "cronjobs",
	},
	pod: { group: "", version: "v1", kind: "Pod", plural: "pods" },
	secret: { group: "", version: "v1", kind: "Secret", plural: "secrets" },
} as const satisfies Record<string, ResourceType>;

/** Kinds that the operator writes for a pipeline, in the order of writing. */
export const CHILD_KINDS = [
	"serviceAccount",
	"configMap",
	"service",
	"podDisruptionBudget",
	"statefulSet",
] as const;
export type ChildKind = (typeof CHILD_KINDS)[number];
