import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { fail } from "../../kube/api-server.ts";
import { pipelineYaml } from "../../operator/pipeline.ts";
import { type Cdc, startCdc } from "./command.ts";

const PIPELINES = "/apis/tributary.dev/v1alpha1/namespaces/data/cdcpipelines";
const SHOP = `${PIPELINES}/shop`;
let cdc: Cdc;

beforeEach(async () => {
	cdc = await startCdc();
});
afterEach(() => cdc.stop());

const condition = (
	type: string,
	status: string,
	reason: string,
	message = "",
) => ({
	type,
	status,
	reason,
	message,
	lastTransitionTime: "2026-01-01T00:00:00Z",
});

function put(name = "shop", status: object = {}, changes: object = {}): void {
	cdc.server.put(`${PIPELINES}/${name}`, {
		...pipelineYaml({ name, ...changes }),
		status: {
			phase: "Running",
			observedGeneration: 1,
			conditions: [
				condition("Ready", "True", "Running"),
				condition("ConnectorReady", "True", "Running"),
			],
			lag: 3,
			freshnessSeconds: 4,
			readyReplicas: 1,
			tables: [
				{
					name: "orders",
					version: 12,
					rows: 200,
					lastCommit: new Date().toISOString(),
					newestChange: new Date().toISOString(),
					tableRows: 150,
					files: 3,
					bytes: 20_480,
				},
			],
			connector: {
				name: "data.shop",
				state: "RUNNING",
				tasks: [{ id: 0, state: "RUNNING" }],
			},
			...status,
		},
	});
}

function pod(name: string, container: object): void {
	cdc.server.put(`/api/v1/namespaces/data/pods/${name}`, {
		metadata: {
			labels: {
				"tributary.dev/pipeline": "shop",
				"app.kubernetes.io/component": "writer",
			},
		},
		status: {
			phase: "Running",
			containerStatuses: [{ name: "writer", ready: true, ...container }],
		},
	});
}

test("status tells the whole way of a pipeline that is well, and ends with 0", async () => {
	put();
	pod("shop-writer-0", { restartCount: 2 });
	const { text, status } = await cdc.run("status", "shop");
	expect(status).toBe(0);
	expect(text.replace(/\d+[smhd]( ago| old)/g, "N$1")).toBe(
		`Pipeline   data/shop  Running, made N ago
Source     mongodb: shop.orders (Secret shop-mongo/uri)
Connector  data.shop RUNNING at http://connect:8083
           task 0 RUNNING
Kafka      topics shop.*: 3 records behind, newest change N old
Writers    1 of 1 ready, upsert to s3://lake/shop
           shop-writer-0 Running, ready, 2 restarts, N old
Tables     1
  TABLE   VERSION  ROWS  FILES  SIZE      LAST COMMIT  NEWEST CHANGE
  orders  12       150   3      20.0 KiB  N ago       N ago
Next       nothing to do
`,
	);
	const { text: json } = await cdc.run("status", "shop", "-o", "json");
	expect(JSON.parse(json)).toMatchObject({
		ok: true,
		lag: 3,
		writers: { pods: [{ name: "shop-writer-0", restarts: 2 }] },
		next: [],
	});
});

test("status says what failed and what to do, and ends with 3", async () => {
	put("shop", {
		phase: "Degraded",
		conditions: [
			condition("Ready", "False", "WriterFailed", "STORAGE_DENIED"),
			condition("ConnectorReady", "False", "TaskFailed", "task 0 failed: no"),
			condition("WriterReady", "False", "WriterFailed", "STORAGE_DENIED"),
		],
	});
	pod("shop-writer-0", {
		ready: false,
		state: { waiting: { reason: "CrashLoopBackOff" } },
		lastState: { terminated: { exitCode: 1, message: "bad key\u001b[31m\n" } },
	});
	const { text, status } = await cdc.run("status", "shop");
	expect(status).toBe(3);
	expect(text).toContain(
		"shop-writer-0 CrashLoopBackOff, not ready, 0 restarts",
	);
	expect(text).toContain("ended before: bad key");
	expect(text).not.toContain("\u001b");
	expect(text).toContain(
		"Next       ConnectorReady is TaskFailed: task 0 failed",
	);
	expect(text).toContain("kubectl cdc logs shop -n data --previous");
});

test("an operator that does not look at a new specification is noticed", async () => {
	put("shop", { observedGeneration: 0 });
	const { text, status } = await cdc.run("status", "shop");
	expect(status).toBe(3);
	expect(text).toContain(
		"the operator has not looked at the newest specification",
	);
});

test("status of all has a line for each, and the worst of those that are not well", async () => {
	put();
	put("paused", { phase: "Paused" }, { state: "paused" });
	put("broken", {
		phase: "Failed",
		conditions: [
			condition("SecretsResolved", "False", "SecretMissing", "create it"),
		],
	});
	const { text, status } = await cdc.run("status");
	expect(status).toBe(3);
	const lines = text
		.split("\n")
		.map((line) => line.split(/\s{2,}/).slice(0, 4));
	expect(lines.slice(0, 4)).toEqual([
		["NAMESPACE", "NAME", "PHASE", "OK"],
		["data", "shop", "Running", "yes"],
		["data", "paused", "Paused", "yes"],
		["data", "broken", "Failed", "no"],
	]);
	expect(text).toContain(
		"data/broken: SecretsResolved is SecretMissing: create it",
	);
	expect((await cdc.run("status", "-n", "other")).text).toBe(
		"There are no pipelines in namespace other; -A shows those of all.\n",
	);
});

test("what may not be looked at is told with the verb that is missing, and the rest is shown", async () => {
	put();
	cdc.server.faults.intercept = (_, url, response) => {
		if (!/\/(pods|events)$/.test(url.pathname)) return false;
		fail(response, 403, "Forbidden", "no");
		return true;
	};
	const { text, status } = await cdc.run("status", "shop");
	expect(status).toBe(0);
	expect(text.replace(/\s+/g, " ")).toContain(
		"Not seen you may not list pods in namespace data: you need a Role with the verb list on pods; check with kubectl auth can-i list pods -n data",
	);
});

test("an unknown name gets the nearest one, or the namespace that has it", async () => {
	put();
	cdc.server.put(`${PIPELINES.replace("/data/", "/prod/")}/billing`, {
		...pipelineYaml({ name: "billing" }),
	});
	expect(await cdc.failure("status", "shpo")).toBe(
		"PIPELINE_NOT_FOUND: there is no CdcPipeline shpo in namespace data; did you mean shop?",
	);
	expect(await cdc.failure("pause", "billing")).toBe(
		"PIPELINE_NOT_FOUND: there is no CdcPipeline billing in namespace data, but one in namespace prod: use -n prod",
	);
	expect(await cdc.failure("status", "x", "-n", "empty")).toBe(
		"PIPELINE_NOT_FOUND: there is no CdcPipeline x in namespace empty; there are none",
	);
	cdc.server.faults.intercept = (_, __, response) => {
		fail(
			response,
			404,
			"NotFound",
			"the server could not find the requested resource",
		);
		return true;
	};
	expect(await cdc.failure("status", "shop")).toMatch(
		/^CLUSTER_WITHOUT_TRIBUTARY: .*install/,
	);
	expect(await cdc.failure("status")).toMatch(/^CLUSTER_WITHOUT_TRIBUTARY/);
});

test("a missing permission names the verb and the resource, refused credentials the log-in", async () => {
	put();
	let code = 403;
	cdc.server.faults.intercept = (method, _, response) => {
		if (method !== "PATCH" && code === 403) return false;
		fail(response, code, "Forbidden", "no");
		return true;
	};
	expect(await cdc.failure("pause", "shop")).toBe(
		"CLUSTER_DENIED: you may not patch cdcpipelines.tributary.dev in namespace data: you need a Role with the verb patch on cdcpipelines.tributary.dev; check with kubectl auth can-i patch cdcpipelines.tributary.dev -n data",
	);
	code = 401;
	expect(await cdc.failure("status", "shop")).toMatch(
		/^CLUSTER_DENIED: the API server does not accept your credentials/,
	);
});

test("pause, stop and resume change the state and nothing else", async () => {
	put();
	const spec = () =>
		cdc.server.get<{ spec: Record<string, unknown> }>(SHOP)?.spec;
	const before = spec();
	for (const [command, state] of [
		["pause", "paused"],
		["stop", "stopped"],
		["resume", "running"],
	] as const) {
		const { text } = await cdc.run(command, "shop");
		expect(text).toBe(`shop is to be ${state}\n`);
		expect(spec()).toEqual({ ...before, state });
	}
});

test("--wait returns when the pipeline is there, and fails with what it is instead", async () => {
	put();
	setTimeout(
		() =>
			put(
				"shop",
				{ phase: "Paused", replicas: 0, observedGeneration: 3 },
				{ state: "paused" },
			),
		300,
	);
	const { text } = await cdc.run("pause", "shop", "--wait");
	expect(text).toMatch(/^shop is to be paused\n {2}.*\n {2}Paused\n$/);
	expect(await cdc.failure("resume", "shop", "--wait", "--timeout", "1s")).toBe(
		"PIPELINE_NOT_DONE: shop is to be running, but not done after 1s: Paused; see kubectl cdc status shop",
	);
});

test("restart and resnapshot give a new nonce, which is when it was asked for", async () => {
	put();
	await cdc.run("restart", "shop");
	await cdc.run("resnapshot", "shop", "shop.orders");
	const { actions } = (
		cdc.server.get<{ spec: { actions: Record<string, unknown> } }>(SHOP) ?? {
			spec: { actions: {} },
		}
	).spec;
	expect(actions).toEqual({
		restart: expect.stringMatching(/^20\d\d-\d\d-\d\dT[\d:.]+Z$/),
		resnapshot: {
			nonce: expect.stringMatching(/^20\d\d-\d\d-\d\dT[\d:.]+Z$/),
			mode: "incremental",
			tables: ["shop.orders"],
		},
	});
	await cdc.run("pause", "shop");
	expect(await cdc.failure("restart", "shop")).toBe(
		"PIPELINE_NOT_DONE: shop is paused: nothing runs that could be restarted; kubectl cdc resume shop starts it",
	);
	expect(await cdc.failure("resnapshot", "shop")).toBe(
		"CONFIG_INVALID: which table? shop captures shop.orders; or --all",
	);
	expect(await cdc.failure("resnapshot", "shop", "--all")).toMatch(
		/forget its position .* add --yes$/,
	);
	await cdc.run("resnapshot", "shop", "--all", "--yes");
	expect(
		cdc.server.get<{ spec: { actions: { resnapshot: object } } }>(SHOP)?.spec
			.actions.resnapshot,
	).toMatchObject({ mode: "full", tables: [] });
});

test("a snapshot that fails ends --wait with its reason", async () => {
	put();
	const timer = setInterval(() => {
		const nonce = cdc.server.get<{
			spec: { actions?: { resnapshot?: { nonce: string } } };
		}>(SHOP)?.spec.actions?.resnapshot?.nonce;
		if (nonce === undefined) return;
		const object = cdc.server.get(SHOP) as unknown as Record<string, object>;
		cdc.server.put(SHOP, {
			...object,
			status: {
				...object.status,
				actions: {
					resnapshot: { nonce, state: "Failed", message: "no such table" },
				},
			},
		});
	}, 50);
	try {
		expect(await cdc.failure("resnapshot", "shop", "shop.x", "--wait")).toMatch(
			/^PIPELINE_NOT_DONE: the snapshot .* of shop failed: no such table$/,
		);
	} finally {
		clearInterval(timer);
	}
});

test("logs have the pod before each line where there are several, and no password", async () => {
	put();
	pod("shop-writer-0", {});
	pod("shop-writer-1", {});
	const asked: string[] = [];
	cdc.server.faults.intercept = (_, url, response) => {
		if (!url.pathname.endsWith("/log")) return false;
		asked.push(url.search);
		response
			.writeHead(200, { "content-type": "text/plain" })
			.end("one mongodb://u:hunter2@m/\ntwo\n");
		return true;
	};
	const { text } = await cdc.run(
		"logs",
		"shop",
		"--tail",
		"5",
		"--since",
		"2m",
	);
	expect(text.trim().split("\n").sort()).toEqual([
		"[shop-writer-0] one mongodb://u:***@m/",
		"[shop-writer-0] two",
		"[shop-writer-1] one mongodb://u:***@m/",
		"[shop-writer-1] two",
	]);
	expect(asked[0]).toBe("?container=writer&tailLines=5&sinceSeconds=120");
	expect(await cdc.failure("logs", "shop", "--tail", "many")).toMatch(
		/^CONFIG_INVALID: --tail many/,
	);
});

test("bad flags, contexts and kubeconfigs are named with what there is", async () => {
	expect(await cdc.failure("stauts")).toBe(
		"CONFIG_INVALID: there is no command stauts; did you mean status?",
	);
	expect(await cdc.failure("status", "--namespce", "x")).toBe(
		"CONFIG_INVALID: there is no flag --namespce; did you mean --namespace?; see kubectl cdc --help",
	);
	expect(await cdc.failure("tables", "shop", "--wait")).toMatch(
		/^CONFIG_INVALID: tables takes no --wait; it takes --output, --kubeconfig/,
	);
	expect(await cdc.failure("status", "-o", "yaml")).toBe(
		"CONFIG_INVALID: --output yaml is unknown: use json",
	);
	expect(await cdc.failure("status", "--context", "wrok")).toBe(
		"CONFIG_INVALID: the kubeconfig has no context wrok; did you mean work?",
	);
	expect(await cdc.failure("status", "--user", "root")).toBe(
		"CONFIG_INVALID: the kubeconfig has no user root; it has me",
	);
	expect(
		await cdc.failure("status", "--kubeconfig", "/nowhere/config"),
	).toMatch(/^CONFIG_INVALID: the kubeconfig \/nowhere\/config can't be read/);
	const gone = join(cdc.dir, "gone");
	await writeFile(
		gone,
		JSON.stringify({
			clusters: [{ name: "c", cluster: { server: "http://127.0.0.1:1" } }],
			contexts: [{ name: "x", context: { cluster: "c" } }],
			"current-context": "x",
		}),
	);
	expect(await cdc.failure("status", "--kubeconfig", gone)).toMatch(
		/^CLUSTER_UNREACHABLE: the API server does not answer: check --context/,
	);
	expect(await cdc.failure("pause")).toMatch(
		/^CONFIG_INVALID: a change to paused needs the NAME/,
	);
	expect((await cdc.run()).status).toBe(2);
	expect((await cdc.run("logs", "--help")).text).toContain("--previous");
});
