import { createHash } from "node:crypto";
import { stringify } from "yaml";
import type { Manifest } from "../../kube/apply.ts";
import type { OwnerReference } from "../../kube/object.ts";
import type { FileIngestion } from "../../resource/file-ingestion.ts";
import { ingestSecrets } from "../../resource/secrets.ts";
import {
	CONTAINER_SECURITY,
	POD_SECURITY,
	secretVariable,
} from "../cdc-pipeline/pod-security.ts";
import { probe, type WriterImage } from "../cdc-pipeline/stateful-set.ts";
import type { SecretVersions } from "../cdc-pipeline/writer-config.ts";
import {
	ANNOTATIONS,
	INGEST_CONFIG_FILE,
	INGEST_CONTAINER,
	INGEST_STATE_DIR,
	ingestLabels,
	ingestName,
	ingestSelector,
	WRITER_CONFIG_DIR,
	WRITER_PORT,
} from "../names.ts";
import { podScheduling } from "../scheduling.ts";

export function ingestionOwner(
	{ apiVersion, kind, metadata }: FileIngestion,
	uid: string,
): OwnerReference {
	return {
		apiVersion,
		kind,
		name: metadata.name,
		uid,
		controller: true,
		blockOwnerDeletion: true,
	};
}

function meta(
	{ metadata }: FileIngestion,
	owner: OwnerReference,
): Manifest["metadata"] {
	return {
		name: ingestName(metadata.name),
		namespace: metadata.namespace,
		labels: ingestLabels(metadata.name),
		ownerReferences: [owner],
	};
}

export function ingestServiceAccount(
	ingestion: FileIngestion,
	owner: OwnerReference,
): Manifest & { automountServiceAccountToken: boolean } {
	const annotations = ingestion.spec.worker.serviceAccountAnnotations;
	return {
		apiVersion: "v1",
		kind: "ServiceAccount",
		metadata: {
			...meta(ingestion, owner),
			...(Object.keys(annotations).length > 0 && { annotations }),
		},
		automountServiceAccountToken: false,
	};
}

/** The resource itself with every default; it holds names of Secrets, never their values. */
export function ingestConfigMap(
	ingestion: FileIngestion,
	owner: OwnerReference,
): Manifest & { data: Record<string, string> } {
	return {
		apiVersion: "v1",
		kind: "ConfigMap",
		metadata: meta(ingestion, owner),
		data: {
			[INGEST_CONFIG_FILE]: stringify(given(ingestion), { lineWidth: 0 }),
		},
	};
}

/** The API of the workers, and Prometheus' targets. */
export function ingestService(
	ingestion: FileIngestion,
	owner: OwnerReference,
): Manifest & { spec: object } {
	return {
		apiVersion: "v1",
		kind: "Service",
		metadata: meta(ingestion, owner),
		spec: {
			selector: ingestSelector(ingestion.metadata.name),
			ports: [
				{
					name: "http",
					port: WRITER_PORT,
					targetPort: "http",
					protocol: "TCP",
				},
			],
		},
	};
}

/**
 * Changes whenever a running worker has to be replaced: with its configuration, or with a Secret that it
 * reads. Secrets go in by version, so the hash tells nothing about their values.
 */
export function ingestHash(
	ingestion: FileIngestion,
	versions: SecretVersions,
): string {
	const { suspend: _suspend, worker, ...spec } = ingestion.spec;
	const { replicas: _replicas, resources: _resources, ...rest } = worker;
	const names = [
		...new Set(ingestSecrets(ingestion.spec).map(({ name }) => name)),
	].sort();
	return createHash("sha256")
		.update(
			JSON.stringify({
				spec,
				worker: rest,
				secrets: names.map((name) => [name, versions.get(name) ?? ""]),
			}),
		)
		.digest("hex")
		.slice(0, 16);
}

const STATE = "state";

/** The workers; one that keeps the state itself has a disk for it. */
export function ingestStatefulSet(
	ingestion: FileIngestion,
	owner: OwnerReference,
	{ image, pullPolicy, pullSecrets, logLevel }: WriterImage,
	{ replicas, hash }: { readonly replicas: number; readonly hash: string },
): Manifest & { spec: object } {
	const { name } = ingestion.metadata;
	const { worker, state } = ingestion.spec;
	const { cpu, memory } = worker.resources;
	const embedded = state.connectionSecretRef === undefined;
	const claimed = embedded && state.storageClassName !== undefined;
	return {
		apiVersion: "apps/v1",
		kind: "StatefulSet",
		metadata: meta(ingestion, owner),
		spec: {
			replicas,
			serviceName: ingestName(name),
			podManagementPolicy: "Parallel",
			revisionHistoryLimit: 2,
			...(claimed && {
				// The table says which files it has; history goes with the resource.
				persistentVolumeClaimRetentionPolicy: {
					whenDeleted: "Delete",
					whenScaled: "Retain",
				},
				volumeClaimTemplates: [
					{
						apiVersion: "v1",
						kind: "PersistentVolumeClaim",
						metadata: { name: STATE },
						spec: {
							accessModes: ["ReadWriteOnce"],
							storageClassName: state.storageClassName,
							resources: { requests: { storage: state.size } },
						},
					},
				],
			}),
			selector: { matchLabels: ingestSelector(name) },
			template: {
				metadata: {
					labels: ingestLabels(name),
					annotations: { [ANNOTATIONS.configHash]: hash },
				},
				spec: {
					serviceAccountName: ingestName(name),
					automountServiceAccountToken: false,
					enableServiceLinks: false,
					...(pullSecrets.length > 0 && {
						imagePullSecrets: pullSecrets.map((name) => ({ name })),
					}),
					...podScheduling(worker.scheduling),
					// As pid 1 a worker that still starts would not hear SIGTERM, and hold a deletion up.
					shareProcessNamespace: true,
					// Time to commit the files at work.
					terminationGracePeriodSeconds: 60,
					securityContext: POD_SECURITY,
					containers: [
						{
							name: INGEST_CONTAINER,
							image,
							imagePullPolicy: pullPolicy,
							args: [
								"ingest",
								"run",
								"--watch",
								"--file",
								`${WRITER_CONFIG_DIR}/${INGEST_CONFIG_FILE}`,
								"--port",
								String(WRITER_PORT),
							],
							env: [
								{ name: "LOG_LEVEL", value: logLevel },
								{
									name: "POD_NAME",
									valueFrom: { fieldRef: { fieldPath: "metadata.name" } },
								},
								...(embedded
									? [
											{
												name: "TRIBUTARY_INGEST_STATE",
												value: `${INGEST_STATE_DIR}/state`,
											},
										]
									: []),
								...ingestSecrets(ingestion.spec).map(secretVariable),
							],
							ports: [
								{ name: "http", containerPort: WRITER_PORT, protocol: "TCP" },
							],
							// The first start makes a database, which takes a while on a small share of a CPU.
							startupProbe: probe("/healthz", 2, 120),
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
								...(embedded
									? [{ name: STATE, mountPath: INGEST_STATE_DIR }]
									: []),
							],
						},
					],
					volumes: [
						{ name: "config", configMap: { name: ingestName(name) } },
						{ name: "tmp", emptyDir: { sizeLimit: "2Gi" } },
						...(embedded && !claimed
							? [{ name: STATE, emptyDir: { sizeLimit: state.size } }]
							: []),
					],
				},
			},
		},
	};
}

function given({ apiVersion, kind, metadata, spec }: FileIngestion): object {
	return {
		apiVersion,
		kind,
		metadata: { name: metadata.name, namespace: metadata.namespace },
		spec,
	};
}
