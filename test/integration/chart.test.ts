import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { parseAllDocuments, stringify } from "yaml";
import { CACHE } from "../../stack/cache.ts";
import { alertRules, ROOT, RULES_FILE } from "../support/alerts.ts";
import { documentedGrants, grantsOfRules } from "../support/permissions.ts";

const run = promisify(execFile);
const HELM = join(CACHE, "kubectl/bin/helm");
const PROMTOOL = join(CACHE, "promtool/bin/promtool");
const CHART = join(ROOT, "helm/tributary");
const has = (path: string): boolean =>
	existsSync(path) || process.env.CI === "true";

interface Manifest {
	readonly kind: string;
	readonly metadata: {
		readonly name: string;
		readonly namespace?: string;
		readonly labels?: Readonly<Record<string, string>>;
		readonly annotations?: Readonly<Record<string, string>>;
	};
	// Any manifest has any field: what a test looks at is checked by what it expects.
	readonly [field: string]: unknown;
}

/** The chart with these values, as manifests. @throws what helm says on its standard error */
async function rendered(values: object = {}): Promise<readonly Manifest[]> {
	const dir = await mkdtemp(join(tmpdir(), "tributary-chart-"));
	try {
		const file = join(dir, "values.yaml");
		await writeFile(file, stringify(values));
		const { stdout } = await run(
			HELM,
			["template", "rel", CHART, "--namespace", "sys", "--values", file],
			{ maxBuffer: 2 ** 26 },
		);
		return parseAllDocuments(stdout)
			.map((document) => document.toJS() as Manifest | null)
			.filter((manifest) => manifest !== null);
	} finally {
		await rm(dir, { recursive: true, force: true });
	}
}

function only(manifests: readonly Manifest[], kind: string): Manifest {
	const [first, ...more] = manifests.filter((one) => one.kind === kind);
	expect(more, `more than one ${kind}`).toEqual([]);
	if (first === undefined) throw new Error(`no ${kind} was made`);
	return first;
}

const EVERYTHING = {
	image: {
		repository: "registry.example/tributary",
		digest: `sha256:${"a".repeat(64)}`,
	},
	imagePullSecrets: [{ name: "registry" }, { name: "mirror" }],
	replicas: 2,
	workers: 16,
	watchNamespaces: ["data", "shop"],
	extraEnv: [{ name: "NODE_EXTRA_CA_CERTS", value: "/ca.crt" }],
	podLabels: { team: "lake" },
	podAnnotations: { "example.com/a": "b" },
	nodeSelector: { disk: "ssd" },
	tolerations: [{ key: "dedicated", operator: "Exists" }],
	affinity: { podAntiAffinity: {} },
	topologySpreadConstraints: [
		{
			maxSkew: 1,
			topologyKey: "topology.kubernetes.io/zone",
			whenUnsatisfiable: "ScheduleAnyway",
		},
	],
	priorityClassName: "system-cluster-critical",
	networkPolicy: {
		enabled: true,
		kafkaPorts: [9094],
		storagePorts: [443, 9000],
		metricsFrom: [
			{ namespaceSelector: { matchLabels: { name: "monitoring" } } },
		],
		extraEgress: [{ ports: [{ port: 3128, protocol: "TCP" }] }],
	},
	serviceMonitor: { enabled: true, labels: { release: "prometheus" } },
	podMonitor: { enabled: true, interval: "15s" },
	prometheusRule: {
		enabled: true,
		runbookBaseUrl: "https://docs.example/",
		disabled: ["TributarySourceSilent"],
		thresholds: { TributaryTableBehind: 900, TributaryReconcileErrors: 0.25 },
	},
	dashboards: {
		enabled: true,
		namespace: "grafana",
		annotations: { folder: "CDC" },
	},
};

describe.skipIf(!has(HELM))("the chart", () => {
	test("lints with its defaults, and with everything on", async () => {
		const dir = await mkdtemp(join(tmpdir(), "tributary-lint-"));
		try {
			const values = join(dir, "values.yaml");
			await writeFile(values, stringify(EVERYTHING));
			for (const more of [[], ["--values", values]])
				expect(
					(await run(HELM, ["lint", "--strict", CHART, ...more])).stdout,
				).toContain("0 chart(s) failed");
		} finally {
			await rm(dir, { recursive: true, force: true });
		}
	});

	test("is what manifests/ has, rendered", async () => {
		const dir = await mkdtemp(join(tmpdir(), "tributary-render-"));
		try {
			await run(join(ROOT, "manifests/render.sh"), [dir]);
			for (const file of ["install.yaml", "monitoring.yaml"])
				expect(
					await readFile(join(ROOT, "manifests", file), "utf8"),
					`run manifests/render.sh`,
				).toBe(await readFile(join(dir, file), "utf8"));
		} finally {
			await rm(dir, { recursive: true, force: true });
		}
	});

	test("an installation for some namespaces has its rights there alone", async () => {
		const manifests = await rendered({ watchNamespaces: ["data", "shop"] });
		const roles = manifests.filter(({ kind }) => kind === "Role");
		const { watched, own } = documentedGrants();
		const expected = (grants: ReadonlyMap<string, unknown>): string[] =>
			[...grants.keys()].sort();
		expect(manifests.map(({ kind }) => kind)).not.toContain("ClusterRole");
		expect(manifests.map(({ kind }) => kind)).not.toContain(
			"ClusterRoleBinding",
		);
		expect(
			roles.map(({ metadata, rules }) => [
				metadata.namespace,
				grantsOfRules(rules as Parameters<typeof grantsOfRules>[0]).sort(),
			]),
		).toEqual([
			["data", expected(watched)],
			["shop", expected(watched)],
			["sys", expected(own)],
		]);
	});

	test("asks for nothing of a cluster that it does not need by default", async () => {
		const kinds = (await rendered()).map(({ kind }) => kind);
		for (const optional of [
			"NetworkPolicy",
			"ServiceMonitor",
			"PodMonitor",
			"PrometheusRule",
		])
			expect(kinds).not.toContain(optional);
		expect(kinds).toContain("PodDisruptionBudget");
	});

	test("keeps the definitions, and so every pipeline, unless it is told otherwise", async () => {
		const policies = async (crds: object) =>
			(await rendered({ crds }))
				.filter(({ kind }) => kind === "CustomResourceDefinition")
				.map(
					({ metadata }) => metadata.annotations?.["helm.sh/resource-policy"],
				);
		const all = await readdir(join(CHART, "files/crds"));
		expect(all.length).toBeGreaterThan(0);
		expect(await policies({})).toEqual(all.map(() => "keep"));
		expect(await policies({ keep: false })).toEqual(all.map(() => undefined));
		expect(
			(await rendered({ crds: { install: false } })).map(({ kind }) => kind),
		).not.toContain("CustomResourceDefinition");
	});

	test("brings every setting of the pod to the pod", async () => {
		const { spec } = only(await rendered(EVERYTHING), "Deployment") as {
			spec?: unknown;
		};
		expect(spec).toMatchObject({
			replicas: 2,
			template: {
				metadata: {
					labels: { team: "lake" },
					annotations: { "example.com/a": "b" },
				},
				spec: {
					imagePullSecrets: EVERYTHING.imagePullSecrets,
					priorityClassName: EVERYTHING.priorityClassName,
					nodeSelector: EVERYTHING.nodeSelector,
					tolerations: EVERYTHING.tolerations,
					affinity: EVERYTHING.affinity,
					topologySpreadConstraints: EVERYTHING.topologySpreadConstraints,
					containers: [
						{
							image: `registry.example/tributary@sha256:${"a".repeat(64)}`,
							env: expect.arrayContaining([
								{
									name: "TRIBUTARY_IMAGE_PULL_SECRETS",
									value: "registry,mirror",
								},
								{ name: "WORKERS", value: "16" },
								{ name: "WATCH_NAMESPACE", value: "data,shop" },
								...EVERYTHING.extraEnv,
							]),
						},
					],
				},
			},
		});
	});

	test("lets operator and writers speak with what they need, and no other", async () => {
		const manifests = await rendered(EVERYTHING);
		const policies = manifests.filter(({ kind }) => kind === "NetworkPolicy");
		expect(
			policies.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`),
		).toEqual([
			"sys/rel-tributary",
			"data/rel-tributary-writers",
			"shop/rel-tributary-writers",
		]);
		const tcp = (index: number): unknown[] => {
			const { egress } = (policies[index] as Manifest).spec as {
				egress: { ports: { port: unknown; protocol: string }[] }[];
			};
			return egress.flatMap(({ ports }) =>
				ports
					.filter(({ protocol }) => protocol === "TCP")
					.map(({ port }) => port),
			);
		};
		expect(tcp(0)).toEqual([53, 443, 6443, 8083, 9094, "http", 3128]);
		expect(tcp(1)).toEqual([53, 9094, 443, 9000, 3128]);
		for (const policy of policies)
			expect(policy.spec).toMatchObject({
				policyTypes: ["Ingress", "Egress"],
				ingress: [
					{
						from: [
							EVERYTHING.networkPolicy.metricsFrom[0],
							{ podSelector: expect.anything() },
						],
					},
				],
			});
	});

	test("tells Prometheus where samples come from", async () => {
		const manifests = await rendered(EVERYTHING);
		const service = only(manifests, "Service");
		expect(only(manifests, "ServiceMonitor")).toMatchObject({
			metadata: { labels: { release: "prometheus" } },
			spec: {
				endpoints: [{ port: "metrics", honorLabels: true, interval: "30s" }],
				namespaceSelector: { matchNames: ["sys"] },
			},
		});
		const { matchLabels } = (
			only(manifests, "ServiceMonitor").spec as {
				selector: { matchLabels: Record<string, string> };
			}
		).selector;
		expect(service.metadata.labels).toMatchObject(matchLabels);
		expect(only(manifests, "PodMonitor")).toMatchObject({
			spec: {
				namespaceSelector: { matchNames: ["data", "shop"] },
				podMetricsEndpoints: [{ port: "http", interval: "15s" }],
			},
		});
		expect(
			only(await rendered({ podMonitor: { enabled: true } }), "PodMonitor")
				.spec,
		).toMatchObject({ namespaceSelector: { any: true } });
	});

	test("an alert's threshold, and whether it is there, can be chosen; all others stay", async () => {
		const { groups } = only(await rendered(EVERYTHING), "PrometheusRule")
			.spec as {
			groups: { rules: ReturnType<typeof alertRules>[number][] }[];
		};
		const rules = groups.flatMap(({ rules }) => rules);
		const expected = alertRules()
			.filter(({ alert }) => alert !== "TributarySourceSilent")
			.map((rule) => ({
				...rule,
				annotations: {
					...rule.annotations,
					runbook_url: `https://docs.example/${rule.annotations.runbook_url}`,
				},
				expr:
					{
						TributaryTableBehind: rule.expr.replace(/300$/, "900"),
						TributaryReconcileErrors: rule.expr.replace(/0\.5$/, "0.25"),
					}[rule.alert] ?? rule.expr,
			}));
		expect(rules).toEqual(expected);
		await expect(
			rendered({
				prometheusRule: {
					enabled: true,
					thresholds: { TributaryOperatorDown: 1 },
				},
			}),
		).rejects.toThrow(/TributaryOperatorDown: this alert has no threshold/);
		await expect(
			rendered({
				prometheusRule: { enabled: true, disabled: ["TributaryTabelBehind"] },
			}),
		).rejects.toThrow(/there is no alert TributaryTabelBehind; there are /);
	});

	test.skipIf(!has(PROMTOOL))(
		"the rules of the chart are rules that Prometheus takes",
		async () => {
			const { spec } = only(
				await rendered({ prometheusRule: { enabled: true } }),
				"PrometheusRule",
			);
			expect(spec).toEqual(
				parseAllDocuments(await readFile(RULES_FILE, "utf8"))[0]?.toJS(),
			);
		},
	);

	test("dashboards are whole, and where Grafana's sidecar looks", async () => {
		const maps = (await rendered(EVERYTHING)).filter(
			({ kind }) => kind === "ConfigMap",
		);
		expect(maps.map(({ metadata }) => metadata.name)).toEqual([
			"rel-tributary-dashboard-ingestion",
			"rel-tributary-dashboard-operator",
			"rel-tributary-dashboard-pipeline",
			"rel-tributary-dashboard-table",
		]);
		for (const { metadata, data } of maps) {
			expect(metadata).toMatchObject({
				namespace: "grafana",
				labels: { grafana_dashboard: "1" },
				annotations: { folder: "CDC" },
			});
			const [[name = "", text = ""] = []] = Object.entries(
				data as Record<string, string>,
			);
			const file = join(
				CHART,
				"files/dashboards",
				name.replace(/^tributary-/, ""),
			);
			expect(JSON.parse(text)).toEqual(
				JSON.parse(await readFile(file, "utf8")),
			);
		}
	});

	test.each<[object, RegExp]>([
		[{ replica: 2 }, /replica/],
		[{ replicas: -1 }, /replicas/],
		[{ replicas: "two" }, /replicas/],
		[{ workers: 0 }, /workers/],
		[{ logLevel: "loud" }, /logLevel/],
		[{ image: { digest: "sha256:abc" } }, /digest/],
		[{ image: { pullPolicy: "Sometimes" } }, /pullPolicy/],
		[{ imagePullSecrets: ["registry"] }, /imagePullSecrets/],
		[{ watchNamespaces: ["Data"] }, /watchNamespaces/],
		[{ crds: { keep: "maybe" } }, /keep/],
		[{ networkPolicy: { kafkaPorts: [70_000] } }, /kafkaPorts/],
		[{ podMonitor: { interval: "often" } }, /interval/],
		[
			{ prometheusRule: { thresholds: { TributaryTableBehind: "5m" } } },
			/thresholds/,
		],
		[{ prometheusRule: { disabled: ["lag"] } }, /disabled/],
		[{ dashboards: { labels: { a: 1 } } }, /labels/],
		[{ extraEnv: [{ value: "x" }] }, /extraEnv/],
	])("%j is refused with the name of the value", async (values, name) => {
		await expect(rendered(values)).rejects.toThrow(name);
	});
});
