import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createLogger } from "../../../src/observe/log.ts";
import { operatorSettings } from "../../../src/operator/environment.ts";
import {
	operationJobName,
	tableJobName,
	tableName,
} from "../../../src/operator/names.ts";
import { runOperator } from "../../../src/operator/operator.ts";
import type { DeltaTableStatus } from "../../../src/resource/delta-table-status.ts";
import type { TableOperationStatus } from "../../../src/resource/table-operation-status.ts";
import { TestApiServer } from "../kube/api-server.ts";
import { pipelineYaml } from "./pipeline.ts";

vi.setConfig({ testTimeout: 20_000 });
const wait = { timeout: 10_000 };

const OURS = "/apis/tributary.dev/v1alpha1/namespaces/data";
const BATCH = "/apis/batch/v1/namespaces/data";
const PODS = "/api/v1/namespaces/data/pods";

let server: TestApiServer;
let stop: AbortController;
let operator: Promise<void>;

beforeEach(async () => {
	server = new TestApiServer();
	await server.start();
	stop = new AbortController();
	for (const name of ["lake", "shop-mongo"])
		server.put(`/api/v1/namespaces/data/secrets/${name}`, {
			data: {
				uri: "bQ==",
				AWS_ACCESS_KEY_ID: "eA==",
				AWS_SECRET_ACCESS_KEY: "eA==",
			},
		});
	operator = runOperator({
		client: server.client(),
		settings: operatorSettings(
			["--metrics-port", "0", "--image", "tributary:test"],
			{ POD_NAMESPACE: "system" },
			{ hostname: "h" },
		),
		connectors: {
			reconcile: async () => ({
				ready: true,
				reason: "ConnectorRunning",
				message: "runs",
				terminal: false,
			}),
			remove: async () => {},
		},
		log: createLogger({ level: "silent" }),
		signal: stop.signal,
	});
});
afterEach(async () => {
	stop.abort();
	await operator;
	await server.stop();
});

type Spec = { spec: Record<string, unknown> };
const tableStatus = (name: string): DeltaTableStatus =>
	server.get<{ status?: DeltaTableStatus }>(`${OURS}/deltatables/${name}`)
		?.status ?? {};
const ready = (name: string) => tableStatus(name).conditions?.[0];
const operationStatus = (name: string): TableOperationStatus =>
	server.get<{ status?: TableOperationStatus }>(
		`${OURS}/tableoperations/${name}`,
	)?.status ?? {};
const complete = (name: string) => operationStatus(name).conditions?.[0];
const job = (name: string) => server.get(`${BATCH}/jobs/${name}`);
const cronJob = (name: string) =>
	server.get<Spec & { metadata: object }>(`${BATCH}/cronjobs/${name}`);

/** The arguments of a Job's or a CronJob's container. */
function argsOf(object: unknown): string[] {
	const text = JSON.stringify(object);
	return JSON.parse(/"args":(\[.*?\])/.exec(text)?.[1] ?? "[]") as string[];
}

function pipelineWithTables(...tables: object[]): void {
	server.put(`${OURS}/cdcpipelines/shop`, {
		...pipelineYaml(),
		status: { tables },
	});
}

const orders = { name: "orders", version: 4, tableRows: 100, files: 2 };

function table(name: string, spec: object): void {
	const before = server.get(`${OURS}/deltatables/${name}`);
	server.put(`${OURS}/deltatables/${name}`, {
		...before,
		apiVersion: "tributary.dev/v1alpha1",
		kind: "DeltaTable",
		spec,
	});
}

const rates = {
	location: "s3://lake/rates/",
	storageSecretRef: { name: "lake" },
	schema: { columns: [{ name: "id", type: "long" }] },
};

function operation(name: string, spec: object, metadata: object = {}): void {
	server.put(`${OURS}/tableoperations/${name}`, {
		apiVersion: "tributary.dev/v1alpha1",
		kind: "TableOperation",
		metadata: { creationTimestamp: new Date().toISOString(), ...metadata },
		spec,
	});
}

/** What the Job controller and the kubelet would do. */
function ends(
	name: string,
	{ exitCode = 0, said = {} as object, at = new Date() } = {},
): void {
	const made = job(name);
	const time = at.toISOString();
	server.put(`${PODS}/${name}-x`, {
		metadata: {
			labels: made?.metadata.labels,
			annotations: made?.metadata.annotations,
		},
		status: {
			phase: exitCode === 0 ? "Succeeded" : "Failed",
			containerStatuses: [
				{
					name: "maintain",
					state: {
						terminated: {
							exitCode,
							startedAt: time,
							finishedAt: time,
							message: JSON.stringify(said),
						},
					},
				},
			],
		},
	});
	server.put(`${BATCH}/jobs/${name}`, {
		...made,
		status: {
			startTime: time,
			conditions: [
				{
					type: exitCode === 0 ? "Complete" : "Failed",
					status: "True",
					reason: "BackoffLimitExceeded",
					message: "it failed",
					lastTransitionTime: time,
				},
			],
		},
	});
}

test("a pipeline's table gets a DeltaTable that tells its figures and inherited settings", async () => {
	pipelineWithTables({ ...orders, bytes: 3 * 1024 * 1024 });
	await vi.waitFor(
		() => expect(ready("shop.orders")?.status).toBe("True"),
		wait,
	);
	expect(server.get(`${OURS}/deltatables/shop.orders`)).toMatchObject({
		metadata: {
			labels: { "tributary.dev/pipeline": "shop" },
			ownerReferences: [
				{ kind: "CdcPipeline", name: "shop", controller: true },
			],
		},
		spec: { pipelineRef: { name: "shop" }, path: "orders" },
	});
	expect(tableStatus("shop.orders")).toMatchObject({
		phase: "Ready",
		location: "s3://lake/shop/orders",
		...{ version: 4, rows: 100, files: 2, size: "3.0 MiB" },
		maintenance: {
			optimize: { from: "Pipeline", schedule: "0 3 * * *" },
			vacuum: { from: "Pipeline", retention: "168h" },
		},
	});
	expect(cronJob(tableJobName("shop.orders", "optimize"))).toBeUndefined();
});

test("a table with a schedule of its own is worked on once, not by its pipeline too", async () => {
	pipelineWithTables(orders, { name: "items" });
	const own = tableJobName("shop.orders", "optimize");
	await vi.waitFor(
		() => expect(ready("shop.orders")?.status).toBe("True"),
		wait,
	);
	const spec = { pipelineRef: { name: "shop" }, path: "orders" };
	table("shop.orders", {
		...spec,
		maintenance: { optimize: { schedule: "*/5 * * * *", zOrderBy: ["a"] } },
	});
	await vi.waitFor(() => {
		expect(cronJob(own)?.spec).toMatchObject({ schedule: "*/5 * * * *" });
		expect(argsOf(cronJob("shop-optimize"))).toContain("--exclude=orders");
	}, wait);
	expect(argsOf(cronJob(own))).toEqual([
		...["maintain", "optimize", "--location=s3://lake/shop/orders"],
		...["--target-file-size=256Mi", "--z-order=a", "--json"],
	]);
	expect(argsOf(cronJob("shop-vacuum")).join(" ")).not.toContain("--exclude");
	// What the user set stays through what the operator applies.
	expect(tableStatus("shop.orders").maintenance).toMatchObject({
		optimize: { from: "Table", zOrderBy: ["a"], targetFileSize: "256Mi" },
		vacuum: { from: "Pipeline" },
	});
	table("shop.orders", { ...spec, maintenance: {} });
	await vi.waitFor(() => {
		expect(cronJob(own)).toBeUndefined();
		expect(argsOf(cronJob("shop-optimize"))).not.toContain("--exclude=orders");
	}, wait);
});

test("a deleted DeltaTable comes back; one of that name that is another table is left alone", async () => {
	table("shop.items", { location: "s3://lake/mine" });
	pipelineWithTables(orders, { ...orders, name: "items" });
	await vi.waitFor(
		() => expect(ready("shop.orders")?.status).toBe("True"),
		wait,
	);
	server.delete(`${OURS}/deltatables/shop.orders`);
	await vi.waitFor(
		() => expect(ready("shop.orders")?.status).toBe("True"),
		wait,
	);
	expect(server.get<Spec>(`${OURS}/deltatables/shop.items`)?.spec).toEqual({
		location: "s3://lake/mine",
	});
});

test("a run of the pipeline's CronJob is told table by table", async () => {
	pipelineWithTables(orders, { ...orders, name: "items" });
	await vi.waitFor(
		() => expect(ready("shop.items")?.status).toBe("True"),
		wait,
	);
	const at = "2026-01-01T03:04:00Z";
	server.put(`${PODS}/shop-optimize-1-x`, {
		metadata: {
			labels: {
				"app.kubernetes.io/managed-by": "tributary",
				"app.kubernetes.io/component": "optimize",
				"tributary.dev/pipeline": "shop",
			},
		},
		status: {
			containerStatuses: [
				{
					name: "maintain",
					state: {
						terminated: {
							exitCode: 1,
							finishedAt: at,
							message: JSON.stringify({
								...{ tables: 2, filesRemoved: 40, filesAdded: 3 },
								...{ bytesRemoved: 4e6, bytesAdded: 3e6 },
								...{ interrupted: false, failures: 1, complete: true },
								failed: [{ table: "items", message: "file is gone" }],
								each: [
									{
										table: "orders",
										...{ filesRemoved: 40, filesAdded: 3 },
										...{ bytesRemoved: 4e6, bytesAdded: 3e6 },
									},
								],
							}),
						},
					},
				},
			],
		},
	});
	await vi.waitFor(
		() =>
			expect([
				tableStatus("shop.orders").optimize,
				tableStatus("shop.items").optimize,
			]).toMatchObject([
				{
					...{ result: "Succeeded", lastSuccess: at },
					...{ filesRemoved: 40, bytesAdded: 3e6 },
				},
				{ result: "Failed", message: "file is gone" },
			]),
		wait,
	);
});

test("a table of its own is made by a Job, told, maintained, and changed by another Job", async () => {
	const name = tableJobName("rates", "apply");
	table("rates", rates);
	await vi.waitFor(() => expect(job(name)).toBeDefined(), wait);
	expect(argsOf(job(name))).toEqual([
		...["table", "apply", "s3://lake/rates"],
		...["--file=/etc/tributary/table.yaml", "--json"],
	]);
	await vi.waitFor(
		() =>
			expect(ready("rates")).toMatchObject({
				status: "False",
				reason: "Applying",
			}),
		wait,
	);
	// There is nothing to compact yet.
	expect(cronJob(tableJobName("rates", "optimize"))).toBeUndefined();
	ends(name, {
		said: {
			changes: ["create the table"],
			table: { version: 0, rows: 0, files: 0, bytes: 0 },
		},
	});
	await vi.waitFor(
		() =>
			expect(tableStatus("rates")).toMatchObject({
				...{ phase: "Ready", version: 0, rows: 0, size: "0 B" },
				applied: { result: "Succeeded", changes: ["create the table"] },
			}),
		wait,
	);
	await vi.waitFor(
		() => expect(cronJob(tableJobName("rates", "optimize"))).toBeDefined(),
		wait,
	);
	const first = job(name)?.metadata.uid;
	table("rates", {
		...rates,
		schema: { columns: [{ name: "id", type: "string" }] },
	});
	await vi.waitFor(() => {
		expect(job(name)).toBeDefined();
		expect(job(name)?.metadata.uid).not.toBe(first);
	}, wait);
	ends(name, {
		exitCode: 3,
		said: { error: "id is long", code: "DELTA_SCHEMA_INCOMPATIBLE" },
		at: new Date(Date.now() + 1000),
	});
	await vi.waitFor(
		() =>
			expect(ready("rates")).toMatchObject({
				reason: "Refused",
				message: "the table is as before: id is long",
			}),
		wait,
	);
	expect(tableStatus("rates")).toMatchObject({ phase: "Refused", version: 0 });
});

test("a failed run is tried again, one of the wanted specification is not repeated before its time", async () => {
	const name = tableJobName("rates", "apply");
	table("rates", rates);
	await vi.waitFor(() => expect(job(name)).toBeDefined(), wait);
	const first = job(name)?.metadata.uid;
	ends(name, { exitCode: 1, said: {}, at: new Date(Date.now() - 3_600_000) });
	await vi.waitFor(() => {
		expect(job(name)).toBeDefined();
		expect(job(name)?.metadata.uid).not.toBe(first);
	}, wait);
	const second = job(name)?.metadata.uid;
	ends(name, { said: { table: { version: 0, files: 0, bytes: 0 } } });
	await vi.waitFor(() => expect(ready("rates")?.status).toBe("True"), wait);
	await new Promise((resolve) => setTimeout(resolve, 1000));
	expect(job(name)?.metadata.uid).toBe(second);
	server.delete(`${BATCH}/jobs/${name}`);
	await new Promise((resolve) => setTimeout(resolve, 1000));
	expect(job(name)).toBeUndefined();
});

test("a missing Secret, a missing pipeline and a wrong name are told before any Job is made", async () => {
	table("rates", { ...rates, storageSecretRef: { name: "pond" } });
	table("lost", { pipelineRef: { name: "gone" }, path: "a" });
	pipelineWithTables(orders);
	table("mine", { pipelineRef: { name: "shop" }, path: "orders" });
	await vi.waitFor(
		() =>
			expect(
				["rates", "lost", "mine"].map((name) => ready(name)),
			).toMatchObject([
				{
					reason: "SecretMissing",
					message:
						"Secret pond (spec.storageSecretRef) is not in namespace data: create it",
				},
				{ reason: "PipelineMissing" },
				{
					reason: "NameInvalid",
					message: expect.stringContaining("is called shop.orders, not mine"),
				},
			]),
		wait,
	);
	expect(job(tableJobName("rates", "apply"))).toBeUndefined();
});

test("an operation runs once as a Job and tells what it did", async () => {
	pipelineWithTables(orders);
	await vi.waitFor(
		() => expect(tableStatus("shop.orders").version).toBe(4),
		wait,
	);
	operation("back", {
		tableRef: { name: "shop.orders" },
		type: "restore",
		restore: { version: 2 },
		ttlSecondsAfterFinished: 2,
	});
	const name = operationJobName("back");
	await vi.waitFor(
		() => expect(operationStatus("back").phase).toBe("Running"),
		wait,
	);
	expect(argsOf(job(name))).toEqual([
		...["table", "restore", "s3://lake/shop/orders", "--version=2"],
	]);
	expect(JSON.stringify(job(name))).toContain(
		'"serviceAccountName":"shop-writer"',
	);
	ends(name, {
		said: {
			operation: "restore",
			summary: "version 5 is as version 2",
			metrics: { filesRestored: 3 },
			table: { version: 5, rows: 7, files: 3, bytes: 9 },
		},
	});
	await vi.waitFor(
		() =>
			expect(operationStatus("back")).toMatchObject({
				...{ phase: "Succeeded", summary: "version 5 is as version 2" },
				...{ metrics: { filesRestored: 3 }, version: 5, rows: 7 },
			}),
		wait,
	);
	await vi.waitFor(
		() => expect(server.get(`${OURS}/tableoperations/back`)).toBeUndefined(),
		wait,
	);
});

test("an operation that fails says why, one without a table waits and then gives up", async () => {
	pipelineWithTables(orders);
	await vi.waitFor(
		() => expect(tableStatus("shop.orders").version).toBe(4),
		wait,
	);
	operation("clean", { tableRef: { name: "shop.orders" }, type: "vacuum" });
	operation("nowhere", { tableRef: { name: "nope" }, type: "vacuum" });
	operation(
		"late",
		{ tableRef: { name: "nope" }, type: "vacuum" },
		{ creationTimestamp: "2026-01-01T00:00:00Z" },
	);
	const name = operationJobName("clean");
	await vi.waitFor(() => expect(job(name)).toBeDefined(), wait);
	ends(name, { exitCode: 3, said: { error: "at s3://u:hunter2@lake: no" } });
	await vi.waitFor(
		() =>
			expect(complete("clean")).toMatchObject({
				reason: "OperationFailed",
				message:
					"at s3://u:***@lake: no. It is not tried again: put that right and make a new TableOperation",
			}),
		wait,
	);
	expect(operationStatus("clean").phase).toBe("Failed");
	await vi.waitFor(() => {
		expect(complete("nowhere")).toMatchObject({ reason: "TableMissing" });
		expect(operationStatus("nowhere").phase).toBe("Pending");
		expect(operationStatus("late").phase).toBe("Failed");
	}, wait);
});

test.each([
	["orders", "shop.orders"],
	["public/customers", "shop.public.customers"],
	["Order_Items", /^shop\.order-items-[0-9a-f]{8}$/],
	["order-items", "shop.order-items"],
	["a.b", /^shop\.a\.b-[0-9a-f]{8}$/],
	["_x/", /^shop\.x-[0-9a-f]{8}$/],
	["é", /^shop-[0-9a-f]{8}$/],
	["long/".repeat(40), /^shop\.long\.[a-z0-9.]+-[0-9a-f]{8}$/],
])("the table in %s has a name that Kubernetes takes", (path, name) => {
	const made = tableName("shop", path);
	expect(made).toMatch(
		typeof name === "string" ? new RegExp(`^${name}$`) : name,
	);
	expect(made).toMatch(/^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$/);
	expect(made).not.toMatch(/[-.]\.|\.[-.]/);
	expect(tableJobName(made, "optimize").length).toBeLessThanOrEqual(52);
});
