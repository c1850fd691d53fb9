import type { Manifest } from "../../kube/apply.ts";
import type { OwnerReference } from "../../kube/object.ts";
import type { CdcPipeline } from "../../resource/cdc-pipeline.ts";
import { writerSecrets } from "../../resource/secrets.ts";
import {
	ANNOTATIONS,
	KEY_INDEX_DIR,
	WRITER_CONFIG_DIR,
	WRITER_CONFIG_FILE,
	WRITER_CONTAINER,
	WRITER_PORT,
	writerLabels,
	writerName,
	writerSelector,
} from "../names.ts";
import { podScheduling } from "../scheduling.ts";
import { writerMeta } from "./manifests.ts";
import {
	CONTAINER_SECURITY,
	POD_SECURITY,
	secretVariable,
} from "./pod-security.ts";

/** What the operator's own environment says about the pods it makes. */
export interface WriterImage {
	readonly image: string;
	readonly pullPolicy: "Always" | "IfNotPresent" | "Never";
	/** Names of Secrets in each pipeline's own namespace. */
	readonly pullSecrets: readonly string[];
	readonly logLevel: string;
}

const KEY_INDEX = "key-index";

/**
 * The writers: stable names, so that each finds its partitions and its disk again. Pods start all at
 * once, for they depend on nothing of each other's, and are rolled one by one.
 */
export function statefulSet(
	pipeline: CdcPipeline,
	owner: OwnerReference,
	{ image, pullPolicy, pullSecrets, logLevel }: WriterImage,
	{
		replicas,
		hash,
		restart,
	}: { replicas: number; hash: string; restart?: string | undefined },
): Manifest & { spec: object } {
	const { name } = pipeline.metadata;
	const { cpu, memory } = pipeline.spec.writer.resources;
	const { keyIndex } = pipeline.spec.writer;
	const mirrors = pipeline.spec.sink.writeMode === "upsert";
	const claimed = mirrors && keyIndex.storageClassName !== undefined;
	return {
		apiVersion: "apps/v1",
		kind: "StatefulSet",
		metadata: writerMeta(pipeline, owner),
		spec: {
			replicas,
			serviceName: writerName(name),
			podManagementPolicy: "Parallel",
			revisionHistoryLimit: 2,
			...(claimed && {
				// What a volume holds can be made again; a pod that comes back finds it.
				persistentVolumeClaimRetentionPolicy: {
					whenDeleted: "Delete",
					whenScaled: "Delete",
				},
				volumeClaimTemplates: [
					{
						apiVersion: "v1",
						kind: "PersistentVolumeClaim",
						metadata: { name: KEY_INDEX },
						spec: {
							accessModes: ["ReadWriteOnce"],
							storageClassName: keyIndex.storageClassName,
							resources: { requests: { storage: keyIndex.size } },
						},
					},
				],
			}),
			selector: { matchLabels: writerSelector(name) },
			template: {
				metadata: {
					labels: writerLabels(name),
					annotations: {
						[ANNOTATIONS.configHash]: hash,
						...(restart !== undefined && { [ANNOTATIONS.restart]: restart }),
					},
				},
				spec: {
					serviceAccountName: writerName(name),
					automountServiceAccountToken: false,
					enableServiceLinks: false,
					...(pullSecrets.length > 0 && {
						imagePullSecrets: pullSecrets.map((name) => ({ name })),
					}),
					...podScheduling(pipeline.spec.writer.scheduling),
					// As pid 1 a writer that still starts would not hear SIGTERM, and hold a deletion up.
					shareProcessNamespace: true,
					// Time to commit what it holds.
					terminationGracePeriodSeconds: 60,
					securityContext: POD_SECURITY,
					containers: [
						{
							name: WRITER_CONTAINER,
							image,
							imagePullPolicy: pullPolicy,
							args: [
								"writer",
								"--config",
								`${WRITER_CONFIG_DIR}/${WRITER_CONFIG_FILE}`,
							],
							env: [
								{ name: "LOG_LEVEL", value: logLevel },
								{
									name: "POD_NAME",
									valueFrom: { fieldRef: { fieldPath: "metadata.name" } },
								},
								...(mirrors
									? [
											{ name: "KEY_INDEX_DIR", value: KEY_INDEX_DIR },
											{ name: "KEY_INDEX_MEMORY", value: keyIndex.memory },
										]
									: []),
								...writerSecrets(pipeline.spec).map(secretVariable),
							],
							ports: [
								{ name: "http", containerPort: WRITER_PORT, protocol: "TCP" },
							],
							startupProbe: probe("/healthz", 2, 60),
							livenessProbe: probe("/healthz", 10, 6),
							readinessProbe: probe("/readyz", 5, 3),
							resources: { requests: { cpu, memory }, limits: { memory } },
							securityContext: CONTAINER_SECURITY,
							terminationMessagePath: "/dev/termination-log",
							terminationMessagePolicy: "FallbackToLogsOnError",
							volumeMounts: [
								{
									name: "config",
									mountPath: WRITER_CONFIG_DIR,
									readOnly: true,
								},
								{ name: "tmp", mountPath: "/tmp" },
								...(mirrors
									? [{ name: KEY_INDEX, mountPath: KEY_INDEX_DIR }]
									: []),
							],
						},
					],
					volumes: [
						{ name: "config", configMap: { name: writerName(name) } },
						{ name: "tmp", emptyDir: { sizeLimit: "2Gi" } },
						...(mirrors && !claimed
							? [{ name: KEY_INDEX, emptyDir: { sizeLimit: keyIndex.size } }]
							: []),
					],
				},
			},
		},
	};
}

export function probe(
	path: string,
	periodSeconds: number,
	failureThreshold: number,
): object {
	return {
		httpGet: { path, port: "http" },
		periodSeconds,
		timeoutSeconds: 5,
		failureThreshold,
	};
}
