import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ConnectorOutcome } from "../../../src/operator/cdc-pipeline/connector.ts";
import { tableJobName } from "../../../src/operator/names.ts";
import { documentedGrants } from "../../support/permissions.ts";
import { fail } from "../kube/api-server.ts";
import {
	core,
	OperatorWorld,
	PIPELINES,
	RUNNING,
	SETS,
	wait,
} from "./operator-world.ts";
import { pipelineYaml } from "./pipeline.ts";

vi.setConfig({ testTimeout: 20_000 });

/** By all tests of this file together. */
const used = new Set<string>();
let world: OperatorWorld;

beforeEach(async () => {
	world = await OperatorWorld.start();
});
afterEach(async () => {
	await world.stop();
	for (const use of world.server.granted) used.add(use);
});

test("a pipeline gets a connector, writers and a status that tells lag and freshness", async () => {
	await world.started();
	expect(world.order[0]).toBe("connector shop running mongodb://m");
	expect(world.status()).toMatchObject({
		phase: "Running",
		tableCount: 1,
		lag: 7,
		freshness: "2s",
		rowsPerSecond: 50,
		writers: "1/1",
		connector: { name: "data.shop", tasks: [{ id: 0, state: "RUNNING" }] },
	});
	expect(
		world.status().conditions?.map((c) => `${c.type} ${c.status}`),
	).toEqual([
		"Ready True",
		"SecretsResolved True",
		"ConnectorReady True",
		"WriterReady True",
	]);
	for (const kind of ["configmaps", "services", "serviceaccounts"])
		expect(world.server.get(core(kind, "shop-writer"))).toBeDefined();
	const texts = world.server.requests.map(({ body }) =>
		JSON.stringify(body ?? ""),
	);
	expect(texts.filter((text) => text.includes("mongodb://m"))).toEqual([]);
});

test("maintenance runs on schedule, is suspended with its pipeline, and its last run is told", async () => {
	const jobs = "/apis/batch/v1/namespaces/data/cronjobs";
	const spec = (operation: string) =>
		world.server.get(`${jobs}/shop-${operation}`)?.spec as
			| { schedule: string; suspend: boolean; concurrencyPolicy: string }
			| undefined;
	await world.started();
	await vi.waitFor(
		() =>
			expect([spec("optimize"), spec("vacuum")]).toMatchObject([
				{ schedule: "0 3 * * *", suspend: false, concurrencyPolicy: "Forbid" },
				{ schedule: "0 4 * * 0", suspend: false },
			]),
		wait,
	);
	world.server.put(core("pods", "shop-optimize-1-x"), {
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
			expect(world.status().maintenance?.optimize).toEqual({
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
	expect(world.status()).toMatchObject({ phase: "Running", writers: "1/1" });
	world.server.delete(core("pods", "shop-optimize-1-x"));
	world.server.put(`${PIPELINES}/shop`, pipelineYaml({ state: "stopped" }));
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
	await world.started();
	await new Promise((resolve) => setTimeout(resolve, 1_500));
	const before = world.server.requests.filter(
		({ method }) => method !== "GET",
	).length;
	await new Promise((resolve) => setTimeout(resolve, 1_500));
	const writes = world.server.requests
		.filter(({ method }) => method !== "GET")
		.slice(before)
		.filter(({ path }) => !/\/leases\/|tributary-canary/.test(path));
	expect(writes).toEqual([]);
});

test("a missing Secret and a missing key are named, other pipelines go on, and a fix is enough", async () => {
	world.server.delete(core("secrets", "lake"));
	world.server.put(`${PIPELINES}/shop`, pipelineYaml());
	await vi.waitFor(
		() =>
			expect(world.condition("SecretsResolved")).toMatchObject({
				status: "False",
				reason: "SecretMissing",
				message:
					"Secret lake (spec.sink.storageSecretRef) is not in namespace data: create it",
			}),
		wait,
	);
	expect(world.status().phase).toBe("Failed");
	expect(world.server.get(`${SETS}/shop-writer`)).toBeUndefined();
	world.server.put(core("secrets", "other-lake"), {
		data: { AWS_ACCESS_KEY_ID: "eA==", AWS_SECRET_ACCESS_KEY: "eA==" },
	});
	world.server.put(
		`${PIPELINES}/other`,
		pipelineYaml({
			name: "other",
			sink: { storageSecretRef: { name: "other-lake" } },
		}),
	);
	await vi.waitFor(
		() => expect(world.server.get(`${SETS}/other-writer`)).toBeDefined(),
		wait,
	);
	world.server.put(core("secrets", "lake"), {
		data: { AWS_ACCESS_KEY_ID: "eA==" },
	});
	await vi.waitFor(
		() =>
			expect(world.condition("SecretsResolved")?.message).toBe(
				"Secret lake (spec.sink.storageSecretRef) has no key AWS_SECRET_ACCESS_KEY, only AWS_ACCESS_KEY_ID: add it",
			),
		wait,
	);
	world.server.put(core("secrets", "lake"), {
		data: { AWS_ACCESS_KEY_ID: "eA==", AWS_SECRET_ACCESS_KEY: "eA==" },
	});
	await vi.waitFor(
		() => expect(world.server.get(`${SETS}/shop-writer`)).toBeDefined(),
		wait,
	);
});

test("trouble is an event that warns, and what every pipeline goes through is none", async () => {
	const events = () =>
		[...world.server.objects]
			.filter(([path]) => path.includes("/events.k8s.io/"))
			.map(([, stored]) => stored.object as { type?: string; reason?: string })
			.map(({ type, reason }) => `${type} ${reason}`);
	await world.started();
	world.connectors.outcome = {
		ready: false,
		reason: "ConnectUnreachable",
		message: "no answer from connect:8083",
		terminal: false,
	};
	world.server.delete(core("services", "shop-writer"));
	await vi.waitFor(
		() => expect(events()).toContain("Warning ConnectUnreachable"),
		wait,
	);
	// The writers are at work meanwhile.
	expect(world.status().phase).toBe("Degraded");
	const warnings = events().filter((event) => event.startsWith("Warning"));
	expect(warnings).toEqual(["Warning ConnectUnreachable"]);
	expect(events()).toContain("Normal Running");
});

test("drift is repaired: a deleted Service, a StatefulSet changed by hand", async () => {
	await world.started();
	world.server.delete(core("services", "shop-writer"));
	const set = world.server.get(`${SETS}/shop-writer`);
	world.server.put(`${SETS}/shop-writer`, {
		...set,
		spec: { ...(set?.spec as object), replicas: 9 },
	});
	await vi.waitFor(() => {
		expect(world.server.get(core("services", "shop-writer"))).toBeDefined();
		expect(world.server.get(`${SETS}/shop-writer`)?.spec).toMatchObject({
			replicas: 1,
		});
	}, wait);
});

test("a rejected connector is told with its reason, while the writers start all the same", async () => {
	world.connectors.outcome = {
		ready: false,
		reason: "ConfigRejected",
		message: "mongodb://me:hunter2@m: snapshot.mode: Value must be one of …",
		terminal: true,
	};
	world.server.put(`${PIPELINES}/shop`, pipelineYaml());
	await vi.waitFor(
		() =>
			expect(world.condition("Ready")).toMatchObject({
				status: "False",
				reason: "ConfigRejected",
				message: "mongodb://me:***@m: snapshot.mode: Value must be one of …",
			}),
		wait,
	);
	expect(world.status().phase).toBe("Failed");
	expect(world.server.get(`${SETS}/shop-writer`)).toBeDefined();
});

test("an answer of Kafka Connect that nobody foresaw stops neither the writers nor the status", async () => {
	world.connectors.reconcile = async () => {
		throw new TypeError("configs is not iterable");
	};
	world.server.put(`${PIPELINES}/shop`, pipelineYaml());
	await vi.waitFor(
		() =>
			expect(world.condition("ConnectorReady")).toMatchObject({
				status: "False",
				reason: "ConnectorUnknown",
				message:
					"the connector could not be looked at: configs is not iterable",
			}),
		wait,
	);
	expect(world.server.get(`${SETS}/shop-writer`)).toBeDefined();
});

test("a writer that ends is told with its own words", async () => {
	world.server.put(`${PIPELINES}/shop`, pipelineYaml());
	await vi.waitFor(
		() => expect(world.server.get(`${SETS}/shop-writer`)).toBeDefined(),
		wait,
	);
	world.pod(
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
			expect(world.condition("WriterReady")).toMatchObject({
				reason: "WriterFailed",
				message: "shop-writer-0, restarted 3 times: bucket lake does not exist",
			}),
		wait,
	);
	expect(world.status().phase).toBe("Failed");
});

test("an object that the API server refuses is told, and tried again", async () => {
	let refuse = true;
	world.server.faults.intercept = (method, url, response) => {
		if (!refuse || method !== "PATCH" || !url.pathname.startsWith(SETS))
			return false;
		fail(response, 403, "Forbidden", "exceeded quota: pods");
		return true;
	};
	world.server.put(`${PIPELINES}/shop`, pipelineYaml());
	await vi.waitFor(
		() =>
			expect(world.condition("WriterReady")).toMatchObject({
				reason: "ApplyFailed",
				message: expect.stringContaining("exceeded quota: pods"),
			}),
		wait,
	);
	refuse = false;
	await vi.waitFor(
		() => expect(world.server.get(`${SETS}/shop-writer`)).toBeDefined(),
		wait,
	);
});

test("a specification that can't be worked with leaves the writers as they are", async () => {
	await world.started();
	const set = world.server.get(`${SETS}/shop-writer`)?.spec;
	world.server.put(`${PIPELINES}/shop`, {
		...world.server.get(`${PIPELINES}/shop`),
		spec: { ...pipelineYaml().spec, state: "asleep" },
	});
	await vi.waitFor(
		() => expect(world.condition("Ready")?.reason).toBe("SpecInvalid"),
		wait,
	);
	expect(world.condition("Ready")?.message).toContain("state");
	expect(world.server.get(`${SETS}/shop-writer`)?.spec).toEqual(set);
});

test("paused keeps the writers' place at zero, stopped takes it away", async () => {
	await world.started();
	world.server.put(`${PIPELINES}/shop`, {
		...world.server.get(`${PIPELINES}/shop`),
		spec: pipelineYaml({ state: "paused" }).spec,
	});
	await vi.waitFor(() => {
		expect(world.server.get(`${SETS}/shop-writer`)?.spec).toMatchObject({
			replicas: 0,
		});
		expect(world.status().phase).toBe("Paused");
	}, wait);
	world.server.put(`${PIPELINES}/shop`, {
		...world.server.get(`${PIPELINES}/shop`),
		spec: pipelineYaml({ state: "stopped" }).spec,
	});
	await vi.waitFor(() => {
		expect(world.server.get(`${SETS}/shop-writer`)).toBeUndefined();
		expect(world.status().phase).toBe("Stopped");
	}, wait);
	expect(world.order).toContain("connector shop paused mongodb://m");
	expect(world.order).toContain("connector shop stopped mongodb://m");
});

test("a deleted pipeline loses its writers, then its connector, then itself", async () => {
	await world.started();
	world.server.delete(`${PIPELINES}/shop`);
	await vi.waitFor(
		() => expect(world.server.get(`${SETS}/shop-writer`)).toBeUndefined(),
		wait,
	);
	await vi.waitFor(
		() => expect(world.condition("Ready")?.reason).toBe("Deleting"),
		wait,
	);
	expect(world.order).not.toContain("connector shop removed");
	world.server.delete(core("pods", "shop-writer-0"));
	await vi.waitFor(
		() => expect(world.server.get(`${PIPELINES}/shop`)).toBeUndefined(),
		wait,
	);
	expect(world.order.at(-1)).toBe("connector shop removed");
});

test("Kafka Connect out of reach can't hold a deletion up for ever", async () => {
	await world.started();
	world.connectors.refuses = "connect:8083 refused the connection";
	// As with all of the namespace.
	world.server.delete(core("secrets", "shop-mongo"));
	world.server.delete(`${PIPELINES}/shop`);
	world.server.delete(core("pods", "shop-writer-0"));
	await vi.waitFor(
		() =>
			expect(world.condition("Ready")).toMatchObject({
				reason: "ConnectorCleanupFailed",
				message: expect.stringContaining(
					"the connector could not be deleted: connect:8083 refused the connection; Secret shop-mongo (spec.source.connectionSecretRef) is not in namespace data: create it. To leave it behind, and what it made in the source: kubectl annotate cdcpipeline shop --namespace data tributary.dev/skip-connector-cleanup=true",
				),
			}),
		wait,
	);
	const object = world.server.get(`${PIPELINES}/shop`);
	world.server.put(`${PIPELINES}/shop`, {
		...object,
		metadata: {
			...object?.metadata,
			annotations: { "tributary.dev/skip-connector-cleanup": "true" },
		},
	});
	await vi.waitFor(
		() => expect(world.server.get(`${PIPELINES}/shop`)).toBeUndefined(),
		wait,
	);
});

test("a rotated storage Secret replaces the writers", async () => {
	await world.started();
	const hash = world.status().configHash;
	world.server.put(core("secrets", "lake"), {
		data: { AWS_ACCESS_KEY_ID: "eQ==", AWS_SECRET_ACCESS_KEY: "eQ==" },
	});
	world.server.delete(core("services", "shop-writer"));
	await vi.waitFor(
		() => expect(world.status().configHash).not.toBe(hash),
		wait,
	);
});

test("workers that hang for good end the process by its liveness, an API server that is away does not", async () => {
	const health = async (): Promise<string> =>
		(await fetch(`http://127.0.0.1:${world.port}/healthz`)).text();
	await world.started();
	world.server.faults.intercept = (method, url, response) => {
		if (method === "GET" || url.pathname.includes("/leases/")) return false;
		fail(response, 503, "ServiceUnavailable", "etcd is away");
		return true;
	};
	await new Promise((resolve) => setTimeout(resolve, 2_500));
	expect(await health()).toBe("ok\n");
	delete world.server.faults.intercept;
	const freed = Promise.withResolvers<ConnectorOutcome>();
	world.connectors.reconcile = () => freed.promise;
	// More than there are workers.
	for (let i = 0; i < 9; i++)
		world.server.put(
			`${PIPELINES}/hung${i}`,
			pipelineYaml({ name: `hung${i}` }),
		);
	await vi.waitFor(
		async () =>
			expect(await health()).toBe(
				"controller cdcpipeline does not notice changes any more\n",
			),
		wait,
	);
	freed.resolve(RUNNING);
	await vi.waitFor(async () => expect(await health()).toBe("ok\n"), wait);
});

test("metrics and probes answer with controller-runtime's names", async () => {
	await world.started();
	const get = async (path: string): Promise<string> =>
		(await fetch(`http://127.0.0.1:${world.port}${path}`)).text();
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
	await world.started();
	await vi.waitFor(
		() =>
			expect(world.server.get(`${ours}deltatables/shop.orders`)).toBeDefined(),
		wait,
	);
	world.server.put(`${ours}fileingestions/files`, {
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
			expect(world.server.get(`${ours}fileingestions/files`)).toHaveProperty(
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
		world.server.put(`${ours}deltatables/shop.orders`, {
			...world.server.get(`${ours}deltatables/shop.orders`),
			...kind,
			spec: { ...spec, ...more },
		});
	const suspended = { optimize: { suspend: true } };
	put({ maintenance: suspended, properties: { a: "1" } });
	await vi.waitFor(() => {
		expect(world.server.get(cron)).toBeDefined();
		expect(world.server.get(apply)).toBeDefined();
	}, wait);
	const uid = world.server.get(apply)?.metadata.uid;
	put({ properties: { a: "2" } });
	await vi.waitFor(() => {
		expect(world.server.get(cron)).toBeUndefined();
		expect(world.server.get(apply)?.metadata.uid).not.toBe(uid);
	}, wait);
	world.server.put(`${ours}tableoperations/old`, {
		...kind,
		kind: "TableOperation",
		spec: {
			tableRef: { name: "nope" },
			type: "optimize",
			ttlSecondsAfterFinished: 0,
		},
	});
	await vi.waitFor(
		() =>
			expect(world.server.get(`${ours}tableoperations/old`)).toBeUndefined(),
		wait,
	);
});

// Judges what all tests above made the operator do.
test("the operator asks for nothing that the page of its permissions lacks, and for all that it has", () => {
	expect([...used].sort()).toEqual([...documentedGrants().requested].sort());
});

test("the leader's /metrics tell of its pipelines, its loop and its requests", async () => {
	await world.started();
	await vi.waitFor(async () => {
		const text = await (
			await fetch(`http://127.0.0.1:${world.port}/metrics`)
		).text();
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
