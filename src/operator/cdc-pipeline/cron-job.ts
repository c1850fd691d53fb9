import type { Manifest } from "../../kube/apply.ts";
import type { OwnerReference } from "../../kube/object.ts";
import type { CdcPipeline } from "../../resource/cdc-pipeline.ts";
import { writerSecrets } from "../../resource/secrets.ts";
import {
	MAINTENANCE_CONTAINER,
	maintenanceLabels,
	maintenanceName,
	type Operation,
	WRITER_CONFIG_DIR,
	WRITER_CONFIG_FILE,
	writerName,
} from "../names.ts";
import {
	CONTAINER_SECURITY,
	POD_SECURITY,
	secretVariable,
} from "./pod-security.ts";
import type { WriterImage } from "./stateful-set.ts";

/** A run that could not start for so long, for want of a node or a controller, waits for the next. */
const LATEST_START_SECONDS = 3600;
/** Longer than any night: a run that hangs must not keep the next ones from starting. */
const LONGEST_RUN_SECONDS = 12 * 3600;

/**
 * Runs `tributary maintain` on all tables of a pipeline, with the image and the storage credentials of
 * its writers. A commit stands for itself, so that a run that is evicted loses what it was at, and a
 * table that failed is told of; both are left to the next run.
 */
export function cronJob(
	pipeline: CdcPipeline,
	owner: OwnerReference,
	{ image, pullPolicy, pullSecrets, logLevel }: WriterImage,
	operation: Operation,
): Manifest & { spec: object } {
	const { metadata, spec } = pipeline;
	const labels = maintenanceLabels(metadata.name, operation);
	const { schedule, suspend } = spec.maintenance[operation];
	const { cpu, memory } = spec.writer.resources;
	return {
		apiVersion: "batch/v1",
		kind: "CronJob",
		metadata: {
			name: maintenanceName(metadata.name, operation),
			namespace: metadata.namespace,
			labels,
			ownerReferences: [owner],
		},
		spec: {
			schedule,
			timeZone: "Etc/UTC",
			suspend: suspend || spec.state === "stopped",
			concurrencyPolicy: "Forbid",
			startingDeadlineSeconds: LATEST_START_SECONDS,
			successfulJobsHistoryLimit: 1,
			failedJobsHistoryLimit: 2,
			jobTemplate: {
				metadata: { labels },
				spec: {
					backoffLimit: 1,
					activeDeadlineSeconds: LONGEST_RUN_SECONDS,
					template: {
						metadata: { labels },
						spec: {
							serviceAccountName: writerName(metadata.name),
							automountServiceAccountToken: false,
							enableServiceLinks: false,
							shareProcessNamespace: true,
							restartPolicy: "Never",
							...(pullSecrets.length > 0 && {
								imagePullSecrets: pullSecrets.map((name) => ({ name })),
							}),
							// Time to come to the end of a commit.
							terminationGracePeriodSeconds: 120,
							securityContext: POD_SECURITY,
							containers: [
								{
									name: MAINTENANCE_CONTAINER,
									image,
									imagePullPolicy: pullPolicy,
									args: [
										"maintain",
										operation,
										"--config",
										`${WRITER_CONFIG_DIR}/${WRITER_CONFIG_FILE}`,
										"--json",
									],
									env: [
										{ name: "LOG_LEVEL", value: logLevel },
										...writerSecrets(spec)
											.filter(
												({ name }) => name === spec.sink.storageSecretRef?.name,
											)
											.map(secretVariable),
									],
									resources: {
										requests: { cpu, memory },
										limits: { memory },
									},
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
									],
								},
							],
							volumes: [
								{
									name: "config",
									configMap: { name: writerName(metadata.name) },
								},
								{ name: "tmp", emptyDir: { sizeLimit: "1Gi" } },
							],
						},
					},
				},
			},
		},
	};
}
