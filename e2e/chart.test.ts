import { execFile } from "node:child_process";
import { chmod, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { operatorMetrics } from "../src/operator/metrics.ts";
import { installed } from "../stack/cache.ts";
import { type Cluster, startCluster } from "../stack/cluster.ts";
import { buildImage, IMAGE } from "../stack/image.ts";
import { startKindCluster } from "../stack/kind.ts";

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, "..");
const CHART = join(ROOT, "helm/tributary");
const PREVIOUS = join(ROOT, "test/fixtures/charts/tributary-0.1.0.tgz");
const SYSTEM = "tributary-system";
const minutes = (n: number) => ({ timeout: n * 60_000, interval: 500 });

const [repository = "", tag = ""] = IMAGE.split(/:(?=[^:]+$)/);
const OUR_IMAGE = `image.repository=${repository},image.tag=${tag},image.pullPolicy=Never`;
const ALL_ON = [
	"replicas=2",
	"networkPolicy.enabled=true",
	"networkPolicy.writerNamespaces={data}",
	"serviceMonitor.enabled=true",
	"podMonitor.enabled=true",
	"prometheusRule.enabled=true",
	"dashboards.enabled=true",
].join(",");

let dir: string;
let cluster: Cluster;

beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "tributary-chart-"));
	await chmod(dir, 0o755);
	await run("npm", ["run", "--silent", "build"], { cwd: ROOT });
	const archive = await buildImage({ dir });
	const start =
		process.env.TRIBUTARY_CLUSTER === "kind" ? startKindCluster : startCluster;
	cluster = await start({ dir, images: [archive] });
	for (const namespace of [SYSTEM, "data"]) {
		await cluster.kubectl("create", "namespace", namespace);
		await cluster.kubectl(
			"label",
			"namespace",
			namespace,
			"pod-security.kubernetes.io/enforce=restricted",
		);
	}
	await cluster.kubectl(
		"apply",
		"--server-side",
		"-f",
		installed("promtool", "crds"),
	);
}, 600_000);

afterAll(async () => {
	await cluster?.stop();
	if (dir !== undefined) await rm(dir, { recursive: true, force: true });
});

function helm(command: string, ...args: readonly string[]): Promise<string> {
	return cluster.helm(command, "tributary", ...args, "--namespace", SYSTEM);
}

async function get(path: string, ...args: readonly string[]): Promise<string> {
	return (
		await cluster.kubectl("get", ...args, "-o", `jsonpath=${path}`)
	).trim();
}

const PIPELINE = `
apiVersion: tributary.dev/v1alpha1
kind: CdcPipeline
metadata: { name: kept, namespace: data }
spec:
  source:
    type: mongodb
    connectionSecretRef: { name: absent, key: uri }
    include: ["shop.orders"]
  kafka:
    bootstrapServers: ["127.0.0.1:1"]
    connectUrl: http://127.0.0.1:1
    topicPrefix: shop
  sink:
    location: s3://lake/kept
`;

test("an upgrade from the previous chart keeps pipelines as they are, and brings the new definitions", async () => {
	// Not waited for: the image is of now, and asks for rights that the chart of then does not give.
	await helm("install", PREVIOUS, "--set", OUR_IMAGE);
	await cluster.kubectl(
		"wait",
		"--for=condition=Established",
		"crd/cdcpipelines.tributary.dev",
		"--timeout=60s",
	);
	await cluster.kubectlWith(PIPELINE, "apply", "-f", "-");
	const identity = "{.metadata.uid}/{.metadata.generation}";
	const before = await get(identity, "cdcp", "kept", "-n", "data");
	expect(before).toMatch(/^[\da-f-]{36}\/\d+$/);
	await expect(
		cluster.kubectl("explain", "cdcpipeline.spec.actions"),
	).rejects.toThrow(/actions/);

	// The values of the previous release, without any that the new chart has.
	await helm("upgrade", CHART, "--reuse-values", "--wait", "--timeout", "5m");
	await vi.waitFor(
		async () =>
			expect(await get("{.status.phase}", "cdcp", "kept", "-n", "data")).toBe(
				"Failed",
			),
		minutes(1),
	);
	expect(await get(identity, "cdcp", "kept", "-n", "data")).toBe(before);
	expect(
		await cluster.kubectl("explain", "cdcpipeline.spec.actions"),
	).toContain("FIELDS:");

	await helm(
		"upgrade",
		CHART,
		"--reset-then-reuse-values",
		"--set",
		ALL_ON,
		"--wait",
		"--timeout",
		"5m",
	);
	expect(await get(identity, "cdcp", "kept", "-n", "data")).toBe(before);
	expect(
		await get(
			"{.status.readyReplicas}",
			"deployment",
			"tributary",
			"-n",
			SYSTEM,
		),
	).toBe("2");
});

test("helm test sees the operator and the API", async () => {
	expect(await helm("test", "--timeout", "2m")).toMatch(/Phase: +Succeeded/);
	expect(await cluster.kubectl("logs", "tributary-test", "-n", SYSTEM)).toMatch(
		/^API server: .*\bcdcpipelines\b/m,
	);
});

test("helm test fails when the operator is not there", async () => {
	await cluster.kubectl(
		"scale",
		"deployment/tributary",
		"--replicas=0",
		"-n",
		SYSTEM,
	);
	await cluster.kubectl(
		"wait",
		"--for=delete",
		"pod",
		"-l",
		"app.kubernetes.io/component=operator",
		"-n",
		SYSTEM,
		"--timeout=60s",
	);
	await expect(helm("test", "--timeout", "1m")).rejects.toThrow(/failed/);
	await cluster.kubectl(
		"scale",
		"deployment/tributary",
		"--replicas=2",
		"-n",
		SYSTEM,
	);
	await cluster.kubectl(
		"rollout",
		"status",
		"deployment/tributary",
		"-n",
		SYSTEM,
		"--timeout=120s",
	);
});

test("one of two operators leads, and its metrics are those that the page names", async () => {
	const path = `/api/v1/namespaces/${SYSTEM}/services/tributary-metrics:metrics/proxy/metrics`;
	await vi.waitFor(async () => {
		const text = await cluster.kubectl("get", "--raw", path);
		// The Service picks one of the two; only the leader has the pipelines' samples.
		expect(text).toContain(
			'tributary_pipeline_phase{namespace="data",pipeline="kept",phase="Failed"} 1',
		);
		for (const metric of operatorMetrics().registry.getMetricsAsArray())
			expect(text).toContain(`# TYPE ${metric.name} `);
		expect(text).toMatch(/rest_client_requests_total\{code="200",method="GET"/);
	}, minutes(2));
});

test("operator pods can be moved one at a time", async () => {
	await vi.waitFor(
		async () =>
			expect(
				await get(
					"{.status.disruptionsAllowed}/{.status.expectedPods}",
					"pdb",
					"tributary",
					"-n",
					SYSTEM,
				),
			).toBe("1/2"),
		minutes(1),
	);
});

test("the API server takes every manifest, sample and definition, and no field of one is unknown", async () => {
	await run(join(ROOT, "manifests/render.sh"), [dir]);
	for (const file of ["install.yaml", "monitoring.yaml"])
		await run("diff", [join(ROOT, "manifests", file), join(dir, file)]);
	const samples = (await readdir(join(ROOT, "manifests/samples"))).map((file) =>
		join(ROOT, "manifests/samples", file),
	);
	expect(samples.length).toBeGreaterThan(0);
	for (const file of [
		join(ROOT, "manifests/install.yaml"),
		join(ROOT, "manifests/monitoring.yaml"),
		join(ROOT, "crds"),
		...samples,
	])
		await cluster.kubectl(
			"apply",
			"--dry-run=server",
			"--server-side",
			"--force-conflicts",
			"--validate=strict",
			"-f",
			file,
		);
	const everything = await cluster.helm(
		"template",
		"other",
		CHART,
		"--namespace",
		SYSTEM,
		// A pod is refused without its ServiceAccount; it runs for real above.
		"--skip-tests",
		"--set",
		`${ALL_ON},watchNamespaces={data}`,
	);
	await cluster.kubectlWith(
		everything,
		"apply",
		"--dry-run=server",
		"--server-side",
		"--force-conflicts",
		"--validate=strict",
		"-f",
		"-",
	);
});

test("uninstalling leaves the definitions and the pipelines, and installing again takes them up", async () => {
	const uid = await get("{.metadata.uid}", "cdcp", "kept", "-n", "data");
	await helm("uninstall", "--wait");
	expect(await get("{.metadata.uid}", "cdcp", "kept", "-n", "data")).toBe(uid);
	await helm("install", CHART, "--set", OUR_IMAGE, "--wait", "--timeout", "5m");
	expect(await get("{.metadata.uid}", "cdcp", "kept", "-n", "data")).toBe(uid);
});

test("manifests/install.yaml, applied as the page says, is an operator at work", async () => {
	await helm("uninstall", "--wait");
	const manifest = await readFile(join(ROOT, "manifests/install.yaml"), "utf8");
	const ours = manifest
		.replaceAll(/"?tributary:\d+\.\d+\.\d+"?/g, `"${IMAGE}"`)
		.replaceAll("IfNotPresent", "Never");
	expect(ours.split(IMAGE)).toHaveLength(3);
	await cluster.kubectlWith(ours, "apply", "--server-side", "-f", "-");
	await cluster.kubectl(
		...["rollout", "status", "deployment/tributary", "-n", SYSTEM],
		"--timeout=180s",
	);
	await cluster.kubectl(
		...["patch", "cdcp", "kept", "-n", "data", "--type=merge"],
		...["-p", '{"spec":{"writer":{"replicas":2}}}'],
	);
	await vi.waitFor(async () => {
		const [wanted, observed] = (
			await get(
				"{.metadata.generation}/{.status.observedGeneration}",
				...["cdcp", "kept", "-n", "data"],
			)
		).split("/");
		expect(observed).toBe(wanted);
	}, minutes(1));
});
