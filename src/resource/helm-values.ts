import { z } from "zod";

const labels = z.record(z.string(), z.string());
const pod = z.looseObject({}).describe("As in a Kubernetes pod.");

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
			.describe("For the operator's pod."),
		replicas: z
			.int()
			.min(0)
			.max(10)
			.default(1)
			.describe("More than one stand by for the leader."),
		watchNamespaces: z
			.array(z.string().min(1).max(63))
			.default([])
			.describe(
				"Namespaces whose pipelines this operator runs, with a Role in each; all of them, with a ClusterRole, where empty.",
			),
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
		priorityClassName: z.string().max(253).default(""),
	})
	.describe("Values of the tributary chart.");
