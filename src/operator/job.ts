import type { Manifest } from "../kube/apply.ts";
import type { OwnerReference } from "../kube/object.ts";
import type { Scheduling } from "../resource/scheduling.ts";
import { STORAGE_KEYS } from "../resource/secrets.ts";
import {
	CONTAINER_SECURITY,
	POD_SECURITY,
} from "./cdc-pipeline/pod-security.ts";
import type { WriterImage } from "./cdc-pipeline/stateful-set.ts";
import { MAINTENANCE_CONTAINER, WRITER_CONFIG_DIR } from "./names.ts";
import { podScheduling } from "./scheduling.ts";

/** A run that could not start for so long, for want of a node or a controller, waits for the next. */
const LATEST_START_SECONDS = 3600;
/** Longer than any night: a run that hangs must not keep the next ones from starting. */
const LONGEST_RUN_SECONDS = 12 * 3600;

/** A run of our image that ends by itself. */
export interface Run {
	readonly namespace: string;
	readonly name: string;
	readonly labels: Readonly<Record<string, string>>;
	readonly annotations?: Readonly<Record<string, string>>;
	readonly owner: OwnerReference;
	readonly serviceAccountName: string;
	readonly args: readonly string[];
	/** Variables of the container beside `LOG_LEVEL`. */
	readonly variables: readonly object[];
	readonly resources: { readonly cpu: string; readonly memory: string };
	readonly scheduling?: Scheduling | undefined;
	/** Name of a ConfigMap that is mounted. */
	readonly config?: string;
}

/** Runs again and again; what failed is left to the next time. */
export function cronJobOf(
	run: Run,
	image: WriterImage,
	{
		schedule,
		suspend,
	}: { readonly schedule: string; readonly suspend: boolean },
): Manifest & { spec: object } {
	return {
		apiVersion: "batch/v1",
		kind: "CronJob",
		metadata: metadataOf(run),
		spec: {
			schedule,
			timeZone: "Etc/UTC",
			suspend,
			concurrencyPolicy: "Forbid",
			startingDeadlineSeconds: LATEST_START_SECONDS,
			successfulJobsHistoryLimit: 1,
			failedJobsHistoryLimit: 2,
			jobTemplate: {
				metadata: { labels: run.labels },
				spec: {
					backoffLimit: 1,
					activeDeadlineSeconds: LONGEST_RUN_SECONDS,
					template: podTemplate(run, image),
				},
			},
		},
	};
}

/** Exit statuses of what another try can't help: bad input, a table that must not be read or written. */
export const REFUSALS: readonly number[] = [2, 3];

/** Runs once; a pod that was evicted, or could not reach the store, is tried again. */
export function jobOf(
	run: Run,
	image: WriterImage,
	{ ttlSeconds }: { readonly ttlSeconds?: number } = {},
): Manifest & { spec: object } {
	return {
		apiVersion: "batch/v1",
		kind: "Job",
		metadata: metadataOf(run),
		spec: {
			backoffLimit: 2,
			activeDeadlineSeconds: LONGEST_RUN_SECONDS,
			...(ttlSeconds !== undefined && { ttlSecondsAfterFinished: ttlSeconds }),
			podFailurePolicy: {
				rules: [
					{
						action: "FailJob",
						onExitCodes: {
							containerName: MAINTENANCE_CONTAINER,
							operator: "In",
							values: REFUSALS,
						},
					},
					{
						action: "Ignore",
						onPodConditions: [{ type: "DisruptionTarget", status: "True" }],
					},
				],
			},
			template: podTemplate(run, image),
		},
	};
}

function metadataOf({ name, namespace, labels, owner, annotations }: Run) {
	return {
		name,
		namespace,
		labels,
		...(annotations && { annotations }),
		ownerReferences: [owner],
	};
}

/** Storage credentials under the names that every command of the image reads; none without a Secret. */
export function storageVariables(secret: string | undefined): object[] {
	if (secret === undefined) return [];
	const variable = (key: string, optional: boolean): object => ({
		name: key,
		valueFrom: {
			secretKeyRef: { name: secret, key, ...(optional && { optional }) },
		},
	});
	return [
		...STORAGE_KEYS.required.map((key) => variable(key, false)),
		...STORAGE_KEYS.optional.map((key) => variable(key, true)),
	];
}

function podTemplate(
	{
		labels,
		annotations,
		serviceAccountName,
		args,
		variables,
		resources,
		scheduling,
		config,
	}: Run,
	{ image, pullPolicy, pullSecrets, logLevel }: WriterImage,
): object {
	const { cpu, memory } = resources;
	return {
		metadata: { labels, ...(annotations && { annotations }) },
		spec: {
			serviceAccountName,
			automountServiceAccountToken: false,
			enableServiceLinks: false,
			shareProcessNamespace: true,
			restartPolicy: "Never",
			...podScheduling(scheduling),
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
					args,
					env: [{ name: "LOG_LEVEL", value: logLevel }, ...variables],
					resources: { requests: { cpu, memory }, limits: { memory } },
					securityContext: CONTAINER_SECURITY,
					terminationMessagePath: "/dev/termination-log",
					terminationMessagePolicy: "FallbackToLogsOnError",
					volumeMounts: [
						...(config === undefined
							? []
							: [
									{
										name: "config",
										mountPath: WRITER_CONFIG_DIR,
										readOnly: true,
									},
								]),
						{ name: "tmp", mountPath: "/tmp" },
					],
				},
			],
			volumes: [
				...(config === undefined
					? []
					: [{ name: "config", configMap: { name: config } }]),
				{ name: "tmp", emptyDir: { sizeLimit: "1Gi" } },
			],
		},
	};
}
