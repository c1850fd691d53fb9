import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createLogger } from "../../../src/observe/log.ts";
import type {
	ConnectorOutcome,
	Connectors,
} from "../../../src/operator/cdc-pipeline/connector.ts";
import { operatorSettings } from "../../../src/operator/environment.ts";
import { tableJobName } from "../../../src/operator/names.ts";
import { runOperator } from "../../../src/operator/operator.ts";
import type { CdcPipelineStatus } from "../../../src/resource/cdc-pipeline-status.ts";
import { documentedGrants } from "../../support/permissions.ts";
import { fail, TestApiServer } from "../kube/api-server.ts";
import { pipelineYaml } from "./pipeline.ts";

vi.setConfig({ testTimeout: 20_000 });
const wait = { timeout: 10_000 };

const PIPELINES = "/apis/tributary.dev/v1alpha1/namespaces/data/cdcpipelines";
const SETS = "/apis/apps/v1/namespaces/data/statefulsets";
const core = (kind: string, name: string): string =>
	`/api/v1/namespaces/data/${kind}/${name}`;

const running: ConnectorOutcome = {
	ready: true,
	reason: "ConnectorRunning",
	message: "1 of 1 tasks run",
	terminal: false,
	connector: {
		name: "data.shop",
		state: "RUNNING",
		tasks: [{ id: 0, state: "RUNNING" }],
	},
};

/** By all tests of this file together. */
const used = new Set<string>();
let server: TestApiServer;
let stop: AbortController;
let operator: Promise<void>;
let order: string[];
let connectors: Connectors & {
	outcome: ConnectorOutcome;
	refuses: string | undefined;
};
let report: object;
let port: number;
const writer = createServer((_, response) => {
	response.end(JSON.stringify(report));
});

beforeEach(async () => {
	server = new TestApiServer();
	await server.start();
	await new Promise<void>((resolve) => writer.listen(0, "127.0.0.1", resolve));
	stop = new AbortController();
	order = [];
	report = {
		tables: [{ name: "orders", version: 4, rows: 100 }],
		lagRecords: 7,
		freshnessSeconds: 2.34,
		rowsPerSecond: 50.4,
	};
	connectors = {
		outcome: running,
		refuses: undefined,
		async reconcile({ metadata, spec }, uri) {
			order.push(`connector ${metadata.name} ${spec.state} ${uri}`);
			return this.outcome;
		},
		async remove({ metadata }) {
			if (this.refuses !== undefined) throw new Error(this.refuses);
			order.push(`connector ${metadata.name} removed`);
		},
	};
	server.put(core("secrets", "shop-mongo"), {
		data: { uri: Buffer.from("mongodb://m\n").toString("base64") },
	});
	server.put(core("secrets", "lake"), {
		data: { AWS_ACCESS_KEY_ID: "eA==", AWS_SECRET_ACCESS_KEY: "eA==" },
	});
	const listening = Promise.withResolvers<number>();
	operator = runOperator({
		client: server.client(),
		settings: operatorSettings(
			["--metrics-port", "0", "--image", "tributary:test"],
			{ POD_NAMESPACE: "system" },
			{ hostname: "h" },
		),
		connectors,
		log: createLogger({ level: "silent" }),
		signal: stop.signal,
		canaryTimes: { intervalMs: 300, limitMs: 1_500 },
		writerPort: (writer.address() as AddressInfo).port,
		listening: listening.resolve,
	});
	port = await listening.promise;
});
afterEach(async () => {
	stop.abort();
	await operator;
	writer.closeAllConnections();
	await new Promise((resolve) => writer.close(resolve));
	for (const use of server.granted) used.add(use);
	await server.stop();
});

const status = (name = "shop"): CdcPipelineStatus =>
	server.get<{ status?: CdcPipelineStatus }>(`${PIPELINES}/${name}`)?.status ??
	{};
const condition = (type: string, name = "shop") =>
	status(name).conditions?.find((c) => c.type === type);

/** What the StatefulSet controller and the kubelet would do. */
function pod(name: string, containerStatus: object, ready: boolean): void {
	server.put(core("pods", `${name}-writer-0`), {
		metadata: {
			labels: {
				"app.kubernetes.io/managed-by": "tributary",
				"tributary.dev/pipeline": name,
			},
		},
		status: {
			phase: "Running",
			podIP: "127.0.0.1",
			conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
			containerStatuses: [{ name: "writer", ready, ...containerStatus }],
		},
	});
	const set = server.get(`${SETS}/${name}-writer`);
	server.put(`${SETS}/${name}-writer`, {
		...set,
		status: {
			observedGeneration: set?.metadata.generation,
			updatedReplicas: 1,
			currentRevision: "r",
			updateRevision: "r",
		},
	});
}

async function started(name = "shop"): Promise<void> {
	server.put(`${PIPELINES}/${name}`, pipelineYaml({ name }));
	await vi.waitFor(
		() => expect(server.get(`${SETS}/${name}-writer`)).toBeDefined(),
		wait,
	);
	pod(name, {}, true);
	await vi.waitFor(() => expect(status(name).phase).toBe("Running"), wait);
}

test("a pipeline gets a connector, writers and a status that tells lag and freshness", async () => {
	await started();
	expect(order[0]).toBe("connector shop running mongodb://m");
	expect(status()).toMatchObject({
		phase: "Running",
		tableCount: 1,
		lag: 7,
		freshness: "2s",
		rowsPerSecond: 50,
		writers: "1/1",
		connector: { name: "data.shop", tasks: [{ id: 0, state: "RUNNING" }] },
	});
	expect(status().conditions?.map((c) => `${c.type} ${c.status}`)).toEqual([
		"Ready True",
		"SecretsResolved True",
		"ConnectorReady True",
		"WriterReady True",
	]);
	for (const kind of ["configmaps", "services", "serviceaccounts"])
		expect(server.get(core(kind, "shop-writer"))).toBeDefined();
	const texts = server.requests.map(({ body }) => JSON.stringify(body ?? ""));
	expect(texts.filter((text) => text.includes("mongodb://m"))).toEqual([]);
});

test("maintenance runs on schedule, is suspended with its pipeline, and its last run is told", async () => {
	const jobs = "/apis/batch/v1/namespaces/data/cronjobs";
	const spec = (operation: string) =>
		server.get(`${jobs}/shop-${operation}`)?.spec as
			| { schedule: string; suspend: boolean; concurrencyPolicy: string }
			| undefined;
	await started();
	await vi.waitFor(
		() =>
			expect([spec("optimize"), spec("vacuum")]).toMatchObject([
				{ schedule: "0 3 * * *", suspend: false, concurrencyPolicy: "Forbid" },
				{ schedule: "0 4 * * 0", suspend: false },
			]),
		wait,
	);
	server.put(core("pods", "shop-optimize-1-x"), {
		metadata: {
			labels: {
				"app.kubernetes.io/managed-by": "tributary",
				"app.kubernetes.io/component": "optimize",
				"tributary.dev/pipeline": "shop",
			},
		},
		status: {
			phase: "Succeeded",
			containerStatuses: [
				{
					name: "maintain",
					state: {
						terminated: {
							exitCode: 0,
							startedAt: "2026-01-01T03:00:00Z",
							finishedAt: "2026-01-01T03:04:00Z",
							message: JSON.stringify({
								...{ tables: 3, filesRemoved: 40, filesAdded: 3 },
								...{ bytesRemoved: 4e6, bytesAdded: 3e6 },
								...{ interrupted: false, failures: 0, failed: [] },
							}),
						},
					},
				},
			],
		},
	});
	await vi.waitFor(
		() =>
			expect(status().maintenance?.optimize).toEqual({
				result: "Succeeded",
				pod: "shop-optimize-1-x",
				started: "2026-01-01T03:00:00Z",
				finished: "2026-01-01T03:04:00Z",
				lastSuccess: "2026-01-01T03:04:00Z",
				...{ tables: 3, failures: 0, filesRemoved: 40, filesAdded: 3 },
				...{ bytesRemoved: 4e6, bytesAdded: 3e6 },
			}),
		wait,
	);
	// Its pod is none of the writers'.
	expect(status()).toMatchObject({ phase: "Running", writers: "1/1" });
	server.delete(core("pods", "shop-optimize-1-x"));
	server.put(`${PIPELINES}/shop`, pipelineYaml({ state: "stopped" }));
	await vi.waitFor(
		() =>
			expect([spec("optimize"), spec("vacuum")]).toMatchObject([
				{ suspend: true },
				{ suspend: true },
			]),
		wait,
	);
});

test("a pipeline that is at rest makes no load", async () => {
	await started();
	await new Promise((resolve) => setTimeout(resolve, 1_500));
	const before = server.requests.filter(
		({ method }) => method !== "GET",
	).length;
	await new Promise((resolve) => setTimeout(resolve, 1_500));
	const writes = server.requests
		.filter(({ method }) => method !== "GET")
		.slice(before)
		.filter(({ path }) => !/\/leases\/|tributary-canary/.test(path));
	expect(writes).toEqual([]);
});

test("a missing Secret and a missing key are named, other pipelines go on, and a fix is enough", async () => {
	server.delete(core("secrets", "lake"));
	server.put(`${PIPELINES}/shop`, pipelineYaml());
	await vi.waitFor(
		() =>
			expect(condition("SecretsResolved")).toMatchObject({
				status: "False",
				reason: "SecretMissing",
				message:
					"Secret lake (spec.sink.storageSecretRef) is not in namespace data: create it",
			}),
		wait,
	);
	expect(status().phase).toBe("Failed");
	expect(server.get(`${SETS}/shop-writer`)).toBeUndefined();
	server.put(core("secrets", "other-lake"), {
		data: { AWS_ACCESS_KEY_ID: "eA==", AWS_SECRET_ACCESS_KEY: "eA==" },
	});
	server.put(
		`${PIPELINES}/other`,
		pipelineYaml({
			name: "other",
			sink: { storageSecretRef: { name: "other-lake" } },
		}),
	);
	await vi.waitFor(
		() => expect(server.get(`${SETS}/other-writer`)).toBeDefined(),
		wait,
	);
	server.put(core("secrets", "lake"), { data: { AWS_ACCESS_KEY_ID: "eA==" } });
	await vi.waitFor(
		() =>
			expect(condition("SecretsResolved")?.message).toBe(
				"Secret lake (spec.sink.storageSecretRef) has no key AWS_SECRET_ACCESS_KEY, only AWS_ACCESS_KEY_ID: add it",
			),
		wait,
	);
	server.put(core("secrets", "lake"), {
		data: { AWS_ACCESS_KEY_ID: "eA==", AWS_SECRET_ACCESS_KEY: "eA==" },
	});
	await vi.waitFor(
		() => expect(server.get(`${SETS}/shop-writer`)).toBeDefined(),
		wait,
	);
});

test("drift is repaired: a deleted Service, a StatefulSet changed by hand", async () => {
	await started();
	server.delete(core("services", "shop-writer"));
	const set = server.get(`${SETS}/shop-writer`);
	server.put(`${SETS}/shop-writer`, {
		...set,
		spec: { ...(set?.spec as object), replicas: 9 },
	});
	await vi.waitFor(() => {
		expect(server.get(core("services", "shop-writer"))).toBeDefined();
		expect(server.get(`${SETS}/shop-writer`)?.spec).toMatchObject({
			replicas: 1,
		});
	}, wait);
});

test("a rejected connector is told with its reason, while the writers start all the same", async () => {
	connectors.outcome = {
		ready: false,
		reason: "ConfigRejected",
		message: "mongodb://me:hunter2@m: snapshot.mode: Value must be one of …",
		terminal: true,
	};
	server.put(`${PIPELINES}/shop`, pipelineYaml());
	await vi.waitFor(
		() =>
			expect(condition("Ready")).toMatchObject({
				status: "False",
				reason: "ConfigRejected",
				message: "mongodb://me:***@m: snapshot.mode: Value must be one of …",
			}),
		wait,
	);
	expect(status().phase).toBe("Failed");
	expect(server.get(`${SETS}/shop-writer`)).toBeDefined();
});

test("an answer of Kafka Connect that nobody foresaw stops neither the writers nor the status", async () => {
	connectors.reconcile = async () => {
		throw new TypeError("configs is not iterable");
	};
	server.put(`${PIPELINES}/shop`, pipelineYaml());
	await vi.waitFor(
		() =>
			expect(condition("ConnectorReady")).toMatchObject({
				status: "False",
				reason: "ConnectorUnknown",
				message:
					"the connector could not be looked at: configs is not iterable",
			}),
		wait,
	);
	expect(server.get(`${SETS}/shop-writer`)).toBeDefined();
});

test("a writer that ends is told with its own words", async () => {
	server.put(`${PIPELINES}/shop`, pipelineYaml());
	await vi.waitFor(
		() => expect(server.get(`${SETS}/shop-writer`)).toBeDefined(),
		wait,
	);
	pod(
		"shop",
		{
			restartCount: 3,
			state: { waiting: { reason: "CrashLoopBackOff" } },
			lastState: {
				terminated: { exitCode: 1, message: "bucket lake does not exist\n" },
			},
		},
		false,
	);
	await vi.waitFor(
		() =>
			expect(condition("WriterReady")).toMatchObject({
				reason: "WriterFailed",
				message: "shop-writer-0, restarted 3 times: bucket lake does not exist",
			}),
		wait,
	);
	expect(status().phase).toBe("Failed");
});

test("an object that the API server refuses is told, and tried again", async () => {
	let refuse = true;
	server.faults.intercept = (method, url, response) => {
		if (!refuse || method !== "PATCH" || !url.pathname.startsWith(SETS))
			return false;
		fail(response, 403, "Forbidden", "exceeded quota: pods");
		return true;
	};
	server.put(`${PIPELINES}/shop`, pipelineYaml());
	await vi.waitFor(
		() =>
			expect(condition("WriterReady")).toMatchObject({
				reason: "ApplyFailed",
				message: expect.stringContaining("exceeded quota: pods"),
			}),
		wait,
	);
	refuse = false;
	await vi.waitFor(
		() => expect(server.get(`${SETS}/shop-writer`)).toBeDefined(),
		wait,
	);
});

test("a specification that can't be worked with leaves the writers as they are", async () => {
	await started();
	const set = server.get(`${SETS}/shop-writer`)?.spec;
	server.put(`${PIPELINES}/shop`, {
		...server.get(`${PIPELINES}/shop`),
		spec: { ...pipelineYaml().spec, surprise: 1 },
	});
	await vi.waitFor(
		() => expect(condition("Ready")?.reason).toBe("SpecInvalid"),
		wait,
	);
	expect(condition("Ready")?.message).toContain("surprise");
	expect(server.get(`${SETS}/shop-writer`)?.spec).toEqual(set);
});

test("paused keeps the writers' place at zero, stopped takes it away", async () => {
	await started();
	server.put(`${PIPELINES}/shop`, {
		...server.get(`${PIPELINES}/shop`),
		spec: pipelineYaml({ state: "paused" }).spec,
	});
	await vi.waitFor(() => {
		expect(server.get(`${SETS}/shop-writer`)?.spec).toMatchObject({
			replicas: 0,
		});
		expect(status().phase).toBe("Paused");
	}, wait);
	server.put(`${PIPELINES}/shop`, {
		...server.get(`${PIPELINES}/shop`),
		spec: pipelineYaml({ state: "stopped" }).spec,
	});
	await vi.waitFor(() => {
		expect(server.get(`${SETS}/shop-writer`)).toBeUndefined();
		expect(status().phase).toBe("Stopped");
	}, wait);
	expect(order).toContain("connector shop paused mongodb://m");
	expect(order).toContain("connector shop stopped mongodb://m");
});

test("a deleted pipeline loses its writers, then its connector, then itself", async () => {
	await started();
	server.delete(`${PIPELINES}/shop`);
	await vi.waitFor(
		() => expect(server.get(`${SETS}/shop-writer`)).toBeUndefined(),
		wait,
	);
	await vi.waitFor(
		() => expect(condition("Ready")?.reason).toBe("Deleting"),
		wait,
	);
	expect(order).not.toContain("connector shop removed");
	server.delete(core("pods", "shop-writer-0"));
	await vi.waitFor(
		() => expect(server.get(`${PIPELINES}/shop`)).toBeUndefined(),
		wait,
	);
	expect(order.at(-1)).toBe("connector shop removed");
});

test("Kafka Connect out of reach can't hold a deletion up for ever", async () => {
	await started();
	connectors.refuses = "connect:8083 refused the connection";
	server.delete(`${PIPELINES}/shop`);
	server.delete(core("pods", "shop-writer-0"));
	await vi.waitFor(
		() =>
			expect(condition("Ready")).toMatchObject({
				reason: "ConnectorCleanupFailed",
				message: expect.stringContaining(
					"kubectl annotate cdcpipeline shop --namespace data tributary.dev/skip-connector-cleanup=true",
				),
			}),
		wait,
	);
	const object = server.get(`${PIPELINES}/shop`);
	server.put(`${PIPELINES}/shop`, {
		...object,
		metadata: {
			...object?.metadata,
			annotations: { "tributary.dev/skip-connector-cleanup": "true" },
		},
	});
	await vi.waitFor(
		() => expect(server.get(`${PIPELINES}/shop`)).toBeUndefined(),
		wait,
	);
});

test("a rotated storage Secret replaces the writers", async () => {
	await started();
	const hash = status().configHash;
	server.put(core("secrets", "lake"), {
		data: { AWS_ACCESS_KEY_ID: "eQ==", AWS_SECRET_ACCESS_KEY: "eQ==" },
	});
	server.delete(core("services", "shop-writer"));
	await vi.waitFor(() => expect(status().configHash).not.toBe(hash), wait);
});

test("workers that hang for good end the process by its liveness, an API server that is away does not", async () => {
	const health = async (): Promise<string> =>
		(await fetch(`http://127.0.0.1:${port}/healthz`)).text();
	await started();
	server.faults.intercept = (method, url, response) => {
		if (method === "GET" || url.pathname.includes("/leases/")) return false;
		fail(response, 503, "ServiceUnavailable", "etcd is away");
		return true;
	};
	await new Promise((resolve) => setTimeout(resolve, 2_500));
	expect(await health()).toBe("ok\n");
	delete server.faults.intercept;
	const freed = Promise.withResolvers<ConnectorOutcome>();
	connectors.reconcile = () => freed.promise;
	// More than there are workers.
	for (let i = 0; i < 9; i++)
		server.put(`${PIPELINES}/hung${i}`, pipelineYaml({ name: `hung${i}` }));
	await vi.waitFor(
		async () =>
			expect(await health()).toBe(
				"controller cdcpipeline does not notice changes any more\n",
			),
		wait,
	);
	freed.resolve(running);
	await vi.waitFor(async () => expect(await health()).toBe("ok\n"), wait);
});

test("metrics and probes answer with controller-runtime's names", async () => {
	await started();
	const get = async (path: string): Promise<string> =>
		(await fetch(`http://127.0.0.1:${port}${path}`)).text();
	expect(await get("/healthz")).toBe("ok\n");
	expect(await get("/readyz")).toBe("ok\n");
	const text = await get("/metrics");
	expect(text).toMatch(
		/controller_runtime_reconcile_total\{controller="cdcpipeline",result="requeue_after"\} [1-9]/,
	);
	expect(text).toContain(
		'leader_election_master_status{name="tributary-operator"} 1',
	);
	expect(text).toContain('tributary_watch_silence_seconds{kind="CdcPipeline"}');
});

test("tables and operations need what the chart grants for them", async () => {
	const ours = PIPELINES.replace("cdcpipelines", "");
	const made = (kind: "jobs" | "cronjobs", name: string) =>
		`/apis/batch/v1/namespaces/data/${kind}/${name}`;
	await started();
	await vi.waitFor(
		() => expect(server.get(`${ours}deltatables/shop.orders`)).toBeDefined(),
		wait,
	);
	server.put(`${ours}fileingestions/files`, {
		apiVersion: "tributary.dev/v1alpha1",
		kind: "FileIngestion",
		spec: {
			source: { location: "s3://landing/files" },
			format: { type: "csv" },
			sink: { location: "s3://lake/files" },
		},
	});
	await vi.waitFor(
		() =>
			expect(server.get(`${ours}fileingestions/files`)).toHaveProperty(
				"status.phase",
				"Pending",
			),
		wait,
	);
	const kind = { apiVersion: "tributary.dev/v1alpha1", kind: "DeltaTable" };
	// A setting that is there, and then is not; a specification that changes under its Job.
	const spec = { pipelineRef: { name: "shop" }, path: "orders" };
	const cron = made("cronjobs", tableJobName("shop.orders", "optimize"));
	const apply = made("jobs", tableJobName("shop.orders", "apply"));
	const put = (more: object): void =>
		server.put(`${ours}deltatables/shop.orders`, {
			...server.get(`${ours}deltatables/shop.orders`),
			...kind,
			spec: { ...spec, ...more },
		});
	const suspended = { optimize: { suspend: true } };
	put({ maintenance: suspended, properties: { a: "1" } });
	await vi.waitFor(() => {
		expect(server.get(cron)).toBeDefined();
		expect(server.get(apply)).toBeDefined();
	}, wait);
	const uid = server.get(apply)?.metadata.uid;
	put({ properties: { a: "2" } });
	await vi.waitFor(() => {
		expect(server.get(cron)).toBeUndefined();
		expect(server.get(apply)?.metadata.uid).not.toBe(uid);
	}, wait);
	server.put(`${ours}tableoperations/old`, {
		...kind,
		kind: "TableOperation",
		spec: {
			tableRef: { name: "nope" },
			type: "optimize",
			ttlSecondsAfterFinished: 0,
		},
	});
	await vi.waitFor(
		() => expect(server.get(`${ours}tableoperations/old`)).toBeUndefined(),
		wait,
	);
});

// Judges what all tests above made the operator do.
test("the operator asks for nothing that the page of its permissions lacks, and for all that it has", () => {
	expect([...used].sort()).toEqual([...documentedGrants().requested].sort());
});

test("the leader's /metrics tell of its pipelines, its loop and its requests", async () => {
	await started();
	await vi.waitFor(async () => {
		const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
		expect(text).toContain(
			'tributary_pipeline_phase{namespace="data",pipeline="shop",phase="Running"} 1',
		);
		expect(text).toContain(
			'tributary_pipeline_lag_records{namespace="data",pipeline="shop"} 7',
		);
		expect(text).toMatch(
			/controller_runtime_reconcile_total\{controller="cdcpipeline",result="requeue_after"\} [1-9]/,
		);
		expect(text).toMatch(
			/leader_election_master_status\{name="tributary-operator"\} 1/,
		);
	}, wait);
});
