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
		enabled: z
			.boolean()
			.default(false)
			.describe("Needs the Prometheus operator."),
		interval: duration.default("30s"),
		labels: labels
			.default({})
			.describe("Those that your Prometheus selects by."),
	})
	.prefault({});

/** The values of the Helm chart; `values.schema.json` comes from it. */
export const helmValues = z
	.strictObject({
		nameOverride: z
			.string()
			.max(63)
			.default("")
			.describe("Instead of the chart's name, in labels and names."),
		fullnameOverride: z
			.string()
			.max(63)
			.default("")
			.describe("The name of everything that the chart makes."),
		image: z
			.strictObject({
				repository: z
					.string()
					.min(1)
					.default("tributary")
					.describe("With the registry."),
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
			.default("info")
			.describe("Of the operator and the writers."),
		extraEnv: z
			.array(z.looseObject({ name: z.string().min(1) }))
			.default([])
			.describe("More environment variables of the operator."),
		crds: z
			.strictObject({
				install: z
					.boolean()
					.default(true)
					.describe(
						"Whether the CustomResourceDefinitions are part of the release.",
					),
				keep: z
					.boolean()
					.default(true)
					.describe("Leave them, and so every pipeline, on uninstall."),
			})
			.prefault({}),
		serviceAccount: z
			.strictObject({
				create: z
					.boolean()
					.default(true)
					.describe("Without it, name one that is there."),
				name: z
					.string()
					.max(63)
					.default("")
					.describe("The release's full name where empty."),
				annotations: labels
					.default({})
					.describe("Such as a cloud's role for the pod."),
			})
			.prefault({}),
		rbac: z
			.strictObject({
				create: z
					.boolean()
					.default(true)
					.describe("Roles and bindings; see what it may do in the how-to."),
			})
			.prefault({}),
		metrics: z
			.strictObject({
				service: z
					.boolean()
					.default(true)
					.describe(
						"A Service in front of the operator's metrics, port 8002; helm test and serviceMonitor need it.",
					),
				annotations: labels.default({}).describe("Of that Service."),
			})
			.prefault({}),
		podAnnotations: labels.default({}).describe("Of the operator's pod."),
		podLabels: labels
			.default({})
			.describe("Of the operator's pod, beside its own."),
		resources: pod.default({
			requests: { cpu: "50m", memory: "128Mi" },
			limits: { memory: "256Mi" },
		}),
		nodeSelector: labels.default({}).describe("As in a Kubernetes pod."),
		tolerations: z.array(pod).default([]).describe("As in a Kubernetes pod."),
		affinity: pod.default({}),
		topologySpreadConstraints: z
			.array(pod)
			.default([])
			.describe("As in a Kubernetes pod."),
		priorityClassName: z
			.string()
			.max(253)
			.default("")
			.describe("As in a Kubernetes pod."),
		podDisruptionBudget: z
			.strictObject({ enabled: z.boolean().default(true) })
			.prefault({})
			.describe("One operator pod at a time may be moved."),
		networkPolicy: z
			.strictObject({
				enabled: z
					.boolean()
					.default(false)
					.describe(
						"Name your ports first: a policy that lacks one stops every pipeline.",
					),
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
				apiServerPorts: z
					.array(port)
					.default([443, 6443])
					.describe(
						"Of the Kubernetes API, as its pods are reached and by its Service.",
					),
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
				enabled: z
					.boolean()
					.default(false)
					.describe("Needs the Prometheus operator."),
				labels: labels
					.default({})
					.describe("Those that your Prometheus selects by."),
				runbookBaseUrl: z
					.string()
					.default("")
					.describe(
						"Where docs/ of this version is served; put before runbook_url.",
					),
				disabled: z
					.array(alertName)
					.default([])
					.describe("Alerts that are left out."),
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
				enabled: z.boolean().default(false).describe("A ConfigMap for each."),
				namespace: z
					.string()
					.max(63)
					.default("")
					.describe("The release's where empty."),
				labels: labels
					.default({ grafana_dashboard: "1" })
					.describe("Those that Grafana's sidecar looks for."),
				annotations: labels
					.default({})
					.describe("Such as the folder in Grafana."),
			})
			.prefault({}),
	})
	.describe("Values of the tributary chart.");
