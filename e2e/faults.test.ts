import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
	afterAll,
	afterEach,
	beforeAll,
	beforeEach,
	describe,
	expect,
	test,
	vi,
} from "vitest";
import { parse, stringify } from "yaml";
import type { ClusterComponent, ClusterComponents } from "../stack/cluster.ts";
import {
	auditEvents,
	documentedGrants,
	requestedGrants,
} from "../test/support/permissions.ts";
import {
	apply,
	becomesReady,
	change,
	cluster,
	condition,
	lakeKeys,
	minutes,
	NAMESPACE,
	pipeline,
	ROOT,
	SYSTEM,
	secret,
	setUp,
	stack,
	status,
	table,
	tableEqualsOrders,
	tearDown,
} from "./setting.ts";

/**
 * What breaks around a pipeline, on a real cluster with real components: two operators that watch one
 * namespace, one pipeline, and a database that changes all the time. After each fault the table equals
 * the source, and the status has told the truth meanwhile.
 */
const LONG = process.env.TEST_LONG === "1";
const SHOP = "shop";
let steps = 0;
let changing: { stop: () => Promise<void> };
/** When the API server started anew, in milliseconds: it denies what it is asked until it knows the roles. */
const starting = { from: Infinity, to: -Infinity };

beforeAll(async () => {
	await setUp({ replicas: "2", watchNamespaces: `{${NAMESPACE}}` });
	await change(++steps);
	await apply(pipeline(SHOP));
	await becomesReady(SHOP);
}, 600_000);
afterAll(tearDown);

beforeEach(() => {
	changing = changes();
});

afterEach(async () => {
	await changing.stop();
	await becomesReady(SHOP);
	await tableEqualsOrders("shop/orders");
});

/** Changes the source until it is told to stop. */
function changes(): { stop: () => Promise<void> } {
	const ended = new AbortController();
	const running = (async () => {
		while (!ended.signal.aborted) {
			await change(++steps);
			// The table is read as a whole after each test.
			await sleep(3_000);
		}
	})();
	return {
		async stop() {
			ended.abort();
			await running;
		},
	};
}

/** Of the cluster that this machine runs itself. */
function parts(): ClusterComponents {
	if (cluster.components === undefined)
		throw new Error("TRIBUTARY_CLUSTER=kind: its components can't be reached");
	return cluster.components;
}

async function down(
	component: ClusterComponent,
	seconds: number,
): Promise<void> {
	await parts().hold(component);
	try {
		await sleep(seconds * 1000);
	} finally {
		parts().release(component);
	}
}

async function json<T>(...args: readonly string[]): Promise<T> {
	return JSON.parse(await cluster.kubectl(...args, "-o", "json")) as T;
}

async function leader(): Promise<string> {
	const { spec } = await json<{ spec: { holderIdentity?: string } }>(
		...["get", "lease", "tributary-operator", "-n", SYSTEM],
	);
	return spec.holderIdentity ?? "";
}

interface PodView {
	readonly metadata: { readonly name: string; readonly uid: string };
	readonly status: {
		readonly containerStatuses?: readonly {
			readonly restartCount: number;
			readonly ready: boolean;
		}[];
	};
}

async function pods(namespace: string, selector: string): Promise<PodView[]> {
	const { items } = await json<{ items: PodView[] }>(
		...["get", "pods", "-n", namespace, "-l", selector],
	);
	return items;
}

const writers = (): Promise<PodView[]> =>
	pods(NAMESPACE, "app.kubernetes.io/component=writer");
const operators = (): Promise<PodView[]> =>
	pods(SYSTEM, "app.kubernetes.io/component=operator");

function restarts(views: readonly PodView[]): number {
	return views
		.flatMap(({ status }) => status.containerStatuses ?? [])
		.reduce((sum, { restartCount }) => sum + restartCount, 0);
}

/** Asks of the operator what only one at work does, and waits until it is done. */
async function operatorWorks(): Promise<void> {
	await vi.waitFor(
		() => cluster.kubectl("delete", "service", "shop-writer", "-n", NAMESPACE),
		minutes(1),
	);
	await vi.waitFor(
		() => cluster.kubectl("get", "service", "shop-writer", "-n", NAMESPACE),
		minutes(1),
	);
}

async function patch(spec: object): Promise<void> {
	await cluster.kubectl(
		...["patch", "cdcp", SHOP, "-n", NAMESPACE, "--type=merge"],
		...["-p", JSON.stringify({ spec })],
	);
}

describe.skipIf(process.env.TRIBUTARY_CLUSTER === "kind")(
	"the control plane",
	() => {
		test("the leader killed: the other takes over, and writers do not notice", async () => {
			const before = await leader();
			const writing = await writers();
			const pod = before.split("_")[0] ?? "";
			await cluster.exec(
				"sh",
				"-c",
				`for p in /proc/[0-9]*; do grep -qz '^POD_NAME=${pod}$' $p/environ 2>/dev/null && grep -qz operator $p/cmdline && kill -9 "\${p#/proc/}"; done; true`,
			);
			await vi.waitFor(
				async () => expect(await leader()).not.toBe(before),
				minutes(1),
			);
			await operatorWorks();
			expect((await writers()).map(({ metadata }) => metadata.uid)).toEqual(
				writing.map(({ metadata }) => metadata.uid),
			);
		});

		test("the API server restarted: watches recover, and writers do not notice", async () => {
			const before = { operators: await operators(), writers: await writers() };
			starting.from = Date.now();
			await down("apiserver", 5);
			await vi.waitFor(
				() => cluster.kubectl("get", "--raw", "/readyz"),
				minutes(2),
			);
			starting.to = Date.now();
			await operatorWorks();
			expect(restarts(await writers())).toBe(restarts(before.writers));
			// The leader ends where its term did before the server was back; nobody else does.
			expect(
				restarts(await operators()) - restarts(before.operators),
			).toBeLessThanOrEqual(1);
		});

		test("etcd held up for longer than a term: the leader resigns, and one leads afterwards", async () => {
			const before = await leader();
			await parts().signal("etcd", "STOP");
			try {
				await sleep(LONG ? 40_000 : 13_000);
			} finally {
				await parts().signal("etcd", "CONT");
			}
			await vi.waitFor(
				() => cluster.kubectl("get", "--raw", "/readyz"),
				minutes(2),
			);
			await vi.waitFor(
				async () => expect(await leader()).not.toBe(before),
				minutes(2),
			);
			await operatorWorks();
			expect(restarts(await writers())).toBe(0);
		});

		test("the kubelet killed: pods go on, and the node is taken up again", async () => {
			const before = await writers();
			if (LONG) {
				await parts().hold("kubelet");
				try {
					// The node is given up on, and what runs there is not known to be ready any more.
					await vi.waitFor(
						async () =>
							expect(await condition(SHOP, "WriterReady")).toMatchObject({
								status: "False",
							}),
						minutes(3),
					);
				} finally {
					parts().release("kubelet");
				}
				await becomesReady(SHOP);
			} else await down("kubelet", 5);
			await operatorWorks();
			expect((await writers()).map(({ metadata }) => metadata.uid)).toEqual(
				before.map(({ metadata }) => metadata.uid),
			);
			expect(restarts(await writers())).toBe(restarts(before));
		});
	},
);

test("Kafka Connect down: the status says so, what is in Kafka is written, and all arrives afterwards", async () => {
	await stack.connect.stop("SIGKILL");
	try {
		await vi.waitFor(
			async () =>
				expect(await condition(SHOP, "ConnectorReady")).toMatchObject({
					status: "False",
					reason: "ConnectUnreachable",
				}),
			minutes(1),
		);
		expect(await status(SHOP)).toMatchObject({
			phase: "Degraded",
			writers: "1/1",
		});
		await sleep(LONG ? 120_000 : 5_000);
		expect(await condition(SHOP, "WriterReady")).toMatchObject({
			status: "True",
		});
	} finally {
		await stack.connect.restart();
	}
});

test("the connector deleted by hand: it is made again, and goes on where it was", async () => {
	const { connector } = await status(SHOP);
	await fetch(`${stack.connect.url}/connectors/${connector?.name}`, {
		method: "DELETE",
	});
	await vi.waitFor(async () => {
		const response = await fetch(`${stack.connect.url}/connectors`);
		expect(await response.json()).toContain(connector?.name);
	}, minutes(1));
});

test("a Secret rotated: writers are rolled with what it says, for bad and for good", async () => {
	const uid = async () => (await writers())[0]?.metadata.uid;
	const before = await uid();
	const { configHash } = await status(SHOP);
	await secret(
		"lake",
		lakeKeys({ AWS_SECRET_ACCESS_KEY: "rotated-too-early" }),
	);
	await vi.waitFor(async () => {
		const now = await status(SHOP);
		expect(now.configHash).not.toBe(configHash);
		expect(await uid()).not.toBe(before);
		const told = now.conditions?.find(({ type }) => type === "WriterReady");
		expect(told).toMatchObject({ status: "False", reason: "WriterFailed" });
		expect(told?.message).toContain("s3://lake/shop");
		expect(JSON.stringify(now)).not.toContain("rotated-too-early");
	}, minutes(2));
	await secret("lake", lakeKeys());
	await becomesReady(SHOP);
});

test("writers scaled up and down while changes flow: each change is in the table once", async () => {
	const name = "wide";
	const ready = async () =>
		(await pods(NAMESPACE, `tributary.dev/pipeline=${name}`)).filter(
			({ status }) => status.containerStatuses?.every(({ ready }) => ready),
		).length;
	const scale = async (replicas: number) => {
		await cluster.kubectl(
			...["scale", "cdcp", name, "-n", NAMESPACE, `--replicas=${replicas}`],
		);
		await vi.waitFor(
			async () => expect(await ready()).toBe(replicas),
			minutes(3),
		);
		await becomesReady(name);
	};
	await apply(
		pipeline(name, {
			source: {
				config: {
					"topic.creation.default.partitions": "4",
					"topic.creation.default.replication.factor": "1",
				},
			},
			sink: { history: true },
		}),
	);
	try {
		await becomesReady(name);
		for (const replicas of [3, 1, 2]) await scale(replicas);
		await changing.stop();
		await tableEqualsOrders(`${name}/orders`);
		await vi.waitFor(
			async () => expect((await status(name)).lag).toBe(0),
			minutes(1),
		);
		const history = await table(`${name}/orders_history`, [
			"_kafka_partition",
			"_kafka_offset",
		]);
		const positions = history.map((position) => position.join("/"));
		expect(new Set(positions).size).toBe(positions.length);
		expect(new Set(history.map(([partition]) => partition)).size).toBe(4);
	} finally {
		await cluster.kubectl(
			...["delete", "cdcp", name, "-n", NAMESPACE, "--timeout=120s"],
		);
	}
});

test("definitions upgraded before the operator: pipelines are the same, and a default that it does not know stops none", async () => {
	const file = join(ROOT, "crds/cdcpipelines.tributary.dev.yaml");
	const original = readFileSync(file, "utf8");
	const newer = parse(original) as {
		spec: {
			versions: {
				schema: {
					openAPIV3Schema: {
						properties: { spec: { properties: Record<string, object> } };
					};
				};
			}[];
		};
	};
	const schema = newer.spec.versions[0]?.schema.openAPIV3Schema;
	if (schema === undefined) throw new Error(`${file} has no version`);
	schema.properties.spec.properties.fieldOfTheFuture = {
		type: "string",
		default: "unheard of",
	};
	const set = (text: string) =>
		cluster.kubectlWith(
			text,
			...["apply", "--server-side", "--force-conflicts", "-f", "-"],
		);
	const { metadata } = await json<{ metadata: { uid: string } }>(
		...["get", "cdcp", SHOP, "-n", NAMESPACE],
	);
	await set(stringify(newer));
	try {
		await operatorWorks();
		await patch({ writer: { batch: { maxRows: 40_000 } } });
		const changed = await json<{ metadata: { generation: number } }>(
			...["get", "cdcp", SHOP, "-n", NAMESPACE],
		);
		expect(changed).toMatchObject({
			metadata: { uid: metadata.uid },
			spec: { fieldOfTheFuture: "unheard of" },
		});
		await vi.waitFor(
			async () =>
				expect(await status(SHOP)).toMatchObject({
					observedGeneration: changed.metadata.generation,
					phase: "Running",
				}),
			minutes(2),
		);
	} finally {
		await set(original);
	}
	await operatorWorks();
});

test("a writer that no node has room for is told, and a smaller one comes by itself", async () => {
	await patch({ writer: { resources: { memory: "900Gi" } } });
	await vi.waitFor(
		async () =>
			expect(await condition(SHOP, "WriterReady")).toMatchObject({
				status: "False",
				reason: "WriterUnschedulable",
			}),
		minutes(2),
	);
	expect((await status(SHOP)).phase).not.toBe("Running");
	await patch({ writer: { resources: { memory: "512Mi" } } });
	await becomesReady(SHOP);
});

test("a pool of nodes that is not there is told in the scheduler's words, and a system's priority is refused", async () => {
	const pool = (name: string | null) =>
		patch({ writer: { scheduling: { nodeSelector: { pool: name } } } });
	await pool("nowhere");
	await vi.waitFor(
		async () =>
			expect(await condition(SHOP, "WriterReady")).toMatchObject({
				status: "False",
				reason: "WriterUnschedulable",
				message: expect.stringMatching(/node affinity\/selector/),
			}),
		minutes(2),
	);
	await pool(null);
	await becomesReady(SHOP);
	await expect(
		patch({
			writer: { scheduling: { priorityClassName: "system-node-critical" } },
		}),
	).rejects.toThrow(/must not be one of the system's classes/);
});

describe.runIf(LONG)("what takes longer", () => {
	test("a drained node: the writer is evicted, waits to be told, and comes back", async () => {
		const before = (await writers())[0]?.metadata.uid;
		await cluster.kubectl(
			...["drain", "node1", "--ignore-daemonsets", "--delete-emptydir-data"],
			...["--pod-selector=app.kubernetes.io/component=writer"],
			"--timeout=120s",
		);
		try {
			await vi.waitFor(
				async () =>
					expect(await condition(SHOP, "WriterReady")).toMatchObject({
						status: "False",
						reason: "WriterUnschedulable",
						message: expect.stringContaining("unschedulable"),
					}),
				minutes(1),
			);
		} finally {
			await cluster.kubectl("uncordon", "node1");
		}
		await becomesReady(SHOP);
		expect((await writers())[0]?.metadata.uid).not.toBe(before);
	});

	test("a writer out of memory is told with what to raise, and goes on with more", async () => {
		await patch({ writer: { resources: { memory: "32Mi" } } });
		await vi.waitFor(
			async () =>
				expect(await condition(SHOP, "WriterReady")).toMatchObject({
					status: "False",
					reason: "WriterFailed",
					message: expect.stringMatching(/spec\.writer\.resources\.memory/),
				}),
			minutes(3),
		);
		await patch({ writer: { resources: { memory: "512Mi" } } });
		await becomesReady(SHOP);
	});
});

test("with rights in one namespace alone the operator was denied nothing, and asked for nothing else", async ({
	skip,
}) => {
	const { auditLog } = cluster;
	if (auditLog === undefined) skip("this cluster's API server keeps no log");
	else {
		const { used, denied } = requestedGrants(
			auditEvents(auditLog).filter(
				({ requestReceivedTimestamp: at = "" }) =>
					!(Date.parse(at) > starting.from && Date.parse(at) < starting.to),
			),
			`system:serviceaccount:${SYSTEM}:tributary`,
		);
		const { requested } = documentedGrants();
		expect([...used].filter((grant) => !requested.has(grant))).toEqual([]);
		expect(denied).toEqual([]);
	}
});
