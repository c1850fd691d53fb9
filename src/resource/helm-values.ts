import { z } from "zod";

const labels = z.record(z.string(), z.string());
const pod = z.looseObject({}).describe("As in a Kubernetes pod.");
const port = z.int().min(1).max(65_535);
const namespaceName = z
	.string()
	.max(63)
	.regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);
const duration = z.string().regex(/^(\d+(ms|[smhd]))+$/);
const alertName = z.string().regex(/^Tributary[A-Za-z]+$/);

/** How Prometheus finds the targets of one kind. */
const monitor = z
	.strictObject({
		enabled: z.boolean().default(false),
		interval: duration.default("30s"),
		labels: labels
			.default({})
			.describe("Those that your Prometheus selects by."),
	})
	.prefault({});

/** The values of the Helm chart; `values.schema.json` comes from it. */
export const helmValues = z
	.strictObject({
		nameOverride: z.string().max(63).default(""),
		fullnameOverride: z.string().max(63).default(""),
		image: z
			.strictObject({
				repository: z.string().min(1).default("tributary"),
				tag: z
					.string()
					.default("")
					.describe("The version of the chart's application where empty."),
				digest: z
					.string()
					.regex(/^(sha256:[a-f0-9]{64})?$/)
					.default("")
					.describe("Wins over the tag."),
				pullPolicy: z
					.enum(["Always", "IfNotPresent", "Never"])
					.default("IfNotPresent"),
			})
			.prefault({})
			.describe("The image of the operator and of the writers it makes."),
		imagePullSecrets: z
			.array(z.strictObject({ name: z.string().min(1) }))
			.default([])
			.describe(
				"For the operator's pod, and by name for the writers' in their own namespaces.",
			),
		replicas: z
			.int()
			.min(0)
			.max(10)
			.default(1)
			.describe("More than one stand by for the leader."),
		watchNamespaces: z
			.array(namespaceName)
			.default([])
			.describe(
				"Namespaces whose pipelines this operator runs, with a Role in each; all of them, with a ClusterRole, where empty.",
			),
		workers: z
			.int()
			.min(1)
			.max(100)
			.default(8)
			.describe("Pipelines that are worked on at a time."),
		logLevel: z
			.enum(["trace", "debug", "info", "warn", "error"])
			.default("info"),
		extraEnv: z
			.array(z.looseObject({ name: z.string().min(1) }))
			.default([])
			.describe("More environment variables of the operator."),
		crds: z
			.strictObject({
				install: z.boolean().default(true),
				keep: z
					.boolean()
					.default(true)
					.describe("Leave them, and so every pipeline, on uninstall."),
			})
			.prefault({}),
		serviceAccount: z
			.strictObject({
				create: z.boolean().default(true),
				name: z.string().max(63).default(""),
				annotations: labels.default({}),
			})
			.prefault({}),
		rbac: z.strictObject({ create: z.boolean().default(true) }).prefault({}),
		metrics: z
			.strictObject({
				service: z.boolean().default(true),
				annotations: labels.default({}),
			})
			.prefault({}),
		podAnnotations: labels.default({}),
		podLabels: labels.default({}),
		resources: pod.default({
			requests: { cpu: "50m", memory: "128Mi" },
			limits: { memory: "256Mi" },
		}),
		nodeSelector: labels.default({}),
		tolerations: z.array(pod).default([]),
		affinity: pod.default({}),
		topologySpreadConstraints: z.array(pod).default([]),
		priorityClassName: z.string().max(253).default(""),
		podDisruptionBudget: z
			.strictObject({ enabled: z.boolean().default(true) })
			.prefault({})
			.describe("One operator pod at a time may be moved."),
		networkPolicy: z
			.strictObject({
				enabled: z.boolean().default(false),
				writerNamespaces: z
					.array(namespaceName)
					.default([])
					.describe(
						"Where the writers' policy is made; watchNamespaces where empty.",
					),
				connectPorts: z
					.array(port)
					.default([8083])
					.describe("Of Kafka Connect."),
				kafkaPorts: z
					.array(port)
					.default([9092, 9093])
					.describe("Of every broker, as they are advertised."),
				storagePorts: z
					.array(port)
					.default([443])
					.describe("Of the object store."),
				apiServerPorts: z.array(port).default([443, 6443]),
				metricsFrom: z
					.array(z.looseObject({}))
					.default([])
					.describe(
						"Peers that may read metrics, as in a NetworkPolicy; everyone where empty.",
					),
				extraEgress: z
					.array(z.looseObject({}))
					.default([])
					.describe("More rules for operator and writers."),
			})
			.prefault({}),
		serviceMonitor: monitor.describe("The operator's metrics."),
		podMonitor: monitor.describe("The writers' metrics."),
		prometheusRule: z
			.strictObject({
				enabled: z.boolean().default(false),
				labels: labels.default({}),
				runbookBaseUrl: z
					.string()
					.default("")
					.describe(
						"Where docs/ of this version is served; put before runbook_url.",
					),
				disabled: z.array(alertName).default([]),
				thresholds: z
					.record(alertName, z.number())
					.default({})
					.describe(
						"By alert, instead of the number that its expression ends with.",
					),
			})
			.prefault({}),
		dashboards: z
			.strictObject({
				enabled: z.boolean().default(false),
				namespace: z
					.string()
					.max(63)
					.default("")
					.describe("The release's where empty."),
				labels: labels
					.default({ grafana_dashboard: "1" })
					.describe("Those that Grafana's sidecar looks for."),
				annotations: labels.default({}),
			})
			.prefault({}),
	})
	.describe("Values of the tributary chart.");
