import { execFile } from "node:child_process";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import pg from "pg";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import {
	auditEvents,
	documentedGrants,
	requestedGrants,
} from "../test/support/permissions.ts";
import { cdcPluginTests } from "./cdc-plugin.ts";
import { deltaTableTests } from "./delta-tables.ts";
import { fileIngestionTests } from "./file-ingestion.ts";
import {
	apply,
	becomesReady,
	type Changes,
	change,
	cluster,
	condition,
	dir,
	lakeKeys,
	minutes,
	NAMESPACE,
	orders,
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

const run = promisify(execFile);

beforeAll(() => setUp(), 600_000);
afterAll(tearDown);

test("kubectl apply of a pipeline brings the collection into a table on S3", async () => {
	await change(1);
	await apply(pipeline("shop"));
	await becomesReady("shop");
	await change(2);
	await tableEqualsOrders("shop/orders");
	await vi.waitFor(async () => {
		const { lag, tableCount } = await status("shop");
		expect({ lag, tableCount }).toEqual({ lag: 0, tableCount: 1 });
	}, minutes(1));
	const [header, line] = (
		await cluster.kubectl("get", "cdcp", "shop", "-n", NAMESPACE)
	).split("\n");
	expect(header?.split(/\s+/)).toEqual([
		"NAME",
		"PHASE",
		"READY",
		"SOURCE",
		"TABLES",
		"LAG",
		"FRESHNESS",
		"AGE",
	]);
	expect(line).toMatch(
		/^shop\s+Running\s+True\s+mongodb\s+1\s+0\s+\d+[smh]\s+/,
	);
});

test("the writer and the operator run without root, without a token they don't need, and can't write their image", async () => {
	const pods = JSON.parse(
		await cluster.kubectl("get", "pods", "-A", "-o", "json"),
	) as {
		items: {
			metadata: { name: string };
			spec: {
				automountServiceAccountToken?: boolean;
				containers: { securityContext: object }[];
			};
		}[];
	};
	const ours = pods.items.filter(({ metadata }) =>
		/^(tributary|shop)-/.test(metadata.name),
	);
	expect(ours.length).toBe(2);
	for (const { spec } of ours)
		expect(spec.containers[0]?.securityContext).toMatchObject({
			allowPrivilegeEscalation: false,
			readOnlyRootFilesystem: true,
			runAsNonRoot: true,
			capabilities: { drop: ["ALL"] },
		});
	const probe = `const fs = require("fs"); const tries = {};
for (const path of ["/app/x", "/etc/tributary/x", "/tmp/x"]) try { fs.writeFileSync(path, ""); tries[path] = "written"; } catch (e) { tries[path] = e.code; }
console.log(JSON.stringify({ uid: process.getuid(), token: fs.existsSync("/var/run/secrets/kubernetes.io"), tries }));`;
	const seen = JSON.parse(
		await cluster.kubectl(
			"exec",
			"-n",
			NAMESPACE,
			"shop-writer-0",
			"--",
			"/usr/local/bin/node",
			"-e",
			probe,
		),
	) as unknown;
	expect(seen).toEqual({
		uid: 65532,
		token: false,
		tries: {
			"/app/x": "EROFS",
			"/etc/tributary/x": "EROFS",
			"/tmp/x": "written",
		},
	});
});

test("rows of PostgreSQL come the same way", async () => {
	const client = new pg.Client({ connectionString: stack.postgres.uri });
	await client.connect();
	try {
		await client.query(
			"CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, visits bigint)",
		);
		await client.query(
			"INSERT INTO customers SELECT i, 'customer ' || i, i * 10 FROM generate_series(1, 50) i",
		);
		await apply(
			pipeline("pg", {
				source: {
					type: "postgresql",
					connectionSecretRef: { name: "shop-postgres", key: "uri" },
					include: ["public.customers"],
				},
			}),
		);
		await becomesReady("pg");
		await client.query(
			"UPDATE customers SET visits = 9007199254740993 WHERE id = 7",
		);
		await client.query("DELETE FROM customers WHERE id > 45");
		await client.query("INSERT INTO customers VALUES (100, 'late', NULL)");
		const { rows } = await client.query<unknown[]>({
			text: "SELECT id, name, visits::text FROM customers ORDER BY id",
			rowMode: "array",
		});
		await vi.waitFor(
			async () =>
				expect(
					(await table("pg/customers", ["id", "name", "visits"])).map(
						([id, name, visits]) => [id, name, visits],
					),
				).toEqual(
					rows.map(([id, name, visits]) => [
						id,
						name,
						visits === null ? null : Number(visits),
					]),
				),
			minutes(2),
		);
	} finally {
		await client.end();
	}
});

test("a deleted writer pod comes back and goes on where the table ends", async () => {
	const uid = await cluster.kubectl(
		"get",
		"pod",
		"shop-writer-0",
		"-n",
		NAMESPACE,
		"-o",
		"jsonpath={.metadata.uid}",
	);
	await cluster.kubectl(
		"delete",
		"pod",
		"shop-writer-0",
		"-n",
		NAMESPACE,
		"--wait=false",
	);
	await change(3);
	await vi.waitFor(async () => {
		const now = await cluster.kubectl(
			"get",
			"pod",
			"shop-writer-0",
			"-n",
			NAMESPACE,
			"-o",
			"jsonpath={.metadata.uid}",
		);
		expect(now).not.toBe(uid);
	}, minutes(2));
	await tableEqualsOrders("shop/orders");
	await becomesReady("shop");
});

test("what is changed or deleted by hand is put back", async () => {
	await cluster.kubectl(
		"delete",
		"service,configmap",
		"shop-writer",
		"-n",
		NAMESPACE,
	);
	await fetch(
		`${stack.connect.url}/connectors/${(await status("shop")).connector?.name}`,
		{ method: "DELETE" },
	);
	await vi.waitFor(
		() =>
			cluster
				.kubectl(
					"get",
					"service,configmap",
					"-n",
					NAMESPACE,
					"-l",
					"tributary.dev/pipeline=shop",
					"-o",
					"name",
				)
				.then((text) =>
					expect(text.trim().split("\n").sort()).toEqual([
						"configmap/shop-writer",
						"service/shop-writer",
					]),
				),
		minutes(1),
	);
	await vi.waitFor(async () => {
		const response = await fetch(`${stack.connect.url}/connectors`);
		expect(await response.json()).toContain(
			(await status("shop")).connector?.name,
		);
	}, minutes(1));
	await becomesReady("shop");
	await change(4);
	await tableEqualsOrders("shop/orders");
});

cdcPluginTests(() => ({
	dir,
	cluster,
	namespace: NAMESPACE,
	connectUrl: stack.connect.url,
	bootstrap: stack.kafka.bootstrap,
	pipeline,
	secrets: [stack.s3.secretAccessKey, stack.mongo.uri],
	status,
	change,
	equal: () => tableEqualsOrders("shop/orders"),
}));

fileIngestionTests(() => ({
	cluster,
	namespace: NAMESPACE,
	s3: stack.s3,
	apply,
	table,
}));

deltaTableTests(() => ({
	cluster,
	namespace: NAMESPACE,
	apply,
	change,
	rows: async () => (await orders()).length,
	equal: () => tableEqualsOrders("shop/orders"),
	table,
}));

test.each<[string, Changes, string, RegExp]>([
	[
		"missing-secret",
		{ sink: { storageSecretRef: { name: "absent" } } },
		"SecretsResolved",
		/Secret absent \(spec\.sink\.storageSecretRef\) is not in namespace data/,
	],
	[
		"missing-key",
		{ source: { connectionSecretRef: { name: "shop-mongo", key: "url" } } },
		"SecretsResolved",
		/Secret shop-mongo .* has no key url, only uri/,
	],
	[
		"wrong-bootstrap",
		{ kafka: { bootstrapServers: ["127.0.0.1:1"] } },
		"WriterReady",
		/127\.0\.0\.1:1/,
	],
	[
		"wrong-s3-secret",
		{ sink: { storageSecretRef: { name: "lake-wrong" } } },
		"WriterReady",
		/s3:\/\/lake\/wrong-s3-secret/,
	],
	[
		"missing-bucket",
		{ sink: { location: "s3://nobucket/x" } },
		"WriterReady",
		/nobucket/,
	],
	[
		"rejected",
		{ source: { config: { "capture.mode": "sideways" } } },
		"ConnectorReady",
		/capture\.mode/,
	],
])(
	"%s is told in a condition that names it",
	async (name, changes, type, message) => {
		if (name === "wrong-s3-secret")
			await secret(
				"lake-wrong",
				lakeKeys({ AWS_SECRET_ACCESS_KEY: "wrong-one" }),
			);
		await apply(pipeline(name, changes));
		await vi.waitFor(async () => {
			const found = await condition(name, type);
			expect(found).toMatchObject({ status: "False" });
			expect(found?.message).toMatch(message);
			expect(found?.message).not.toContain("wrong-one");
		}, minutes(3));
		expect(await condition(name, "Ready")).toMatchObject({ status: "False" });
		expect(await condition("shop", "Ready")).toMatchObject({ status: "True" });
		await cluster.kubectl(
			"delete",
			"cdcp",
			name,
			"-n",
			NAMESPACE,
			"--timeout=120s",
		);
	},
);

test("Jobs of the CronJobs compact and clean up a table while its writer goes on", async () => {
	await change(9);
	await apply(pipeline("tidy"));
	await becomesReady("tidy").catch(async (error: unknown) => {
		console.log(JSON.stringify(await status("tidy")));
		throw error;
	});
	for (let step = 10; step < 16; step++) {
		await change(step);
		await tableEqualsOrders("tidy/orders");
	}
	let stopped = false;
	const changes = (async () => {
		for (let step = 20; !stopped; step++) {
			await change(step);
			await sleep(300);
		}
	})();
	const job = (operation: string) =>
		cluster.kubectl(
			...["create", "job", `tidy-${operation}-now`, "-n", NAMESPACE],
			`--from=cronjob/tidy-${operation}`,
		);
	try {
		await job("optimize");
		await vi.waitFor(
			async () =>
				expect((await status("tidy")).maintenance?.optimize).toMatchObject({
					result: "Succeeded",
					tables: 1,
					failures: 0,
				}),
			minutes(4),
		);
	} finally {
		stopped = true;
		await changes;
	}
	const run = (await status("tidy")).maintenance?.optimize;
	expect(run?.filesRemoved).toBeGreaterThan(run?.filesAdded ?? 0);
	expect(run?.filesAdded).toBeGreaterThan(0);
	await tableEqualsOrders("tidy/orders");
	expect(await status("tidy")).toMatchObject({
		phase: "Running",
		writers: "1/1",
	});
	await job("vacuum");
	await vi.waitFor(
		async () =>
			expect((await status("tidy")).maintenance?.vacuum).toMatchObject({
				result: "Succeeded",
				tables: 1,
				// All of it was needed less than a week ago.
				filesRemoved: 0,
			}),
		minutes(3),
	);
	await cluster.kubectl(
		...["patch", "cdcpipeline", "tidy", "-n", NAMESPACE, "--type=merge"],
		...["-p", '{"spec":{"state":"stopped"}}'],
	);
	await vi.waitFor(
		async () =>
			expect(
				await cluster.kubectl(
					...["get", "cronjob", "-n", NAMESPACE],
					...["-l", "tributary.dev/pipeline=tidy"],
					...["-o", "jsonpath={.items[*].spec.suspend}"],
				),
			).toBe("true true"),
		minutes(1),
	);
});

test("an unknown field and a changed location are refused by the API server", async () => {
	await expect(
		apply(pipeline("typo", { kafka: { topicPrefixx: "x" } })),
	).rejects.toThrow(/unknown field "spec\.kafka\.topicPrefixx"/);
	await expect(
		apply(pipeline("shop", { sink: { location: "s3://lake/elsewhere" } })),
	).rejects.toThrow(/sink\.location can't be changed/);
});

test("a deleted pipeline takes its writers and its connector along, and leaves the tables", async () => {
	const connector = (await status("shop")).connector?.name;
	const before = await table("shop/orders", ["_id", "name", "qty"]);
	await cluster.kubectl(
		"delete",
		"cdcp",
		"shop",
		"-n",
		NAMESPACE,
		"--timeout=120s",
	);
	const connectors = (await (
		await fetch(`${stack.connect.url}/connectors`)
	).json()) as string[];
	expect(connectors).not.toContain(connector);
	await vi.waitFor(
		async () =>
			expect(
				await cluster.kubectl(
					"get",
					"all,configmaps,serviceaccounts,poddisruptionbudgets",
					"-n",
					NAMESPACE,
					"-l",
					"tributary.dev/pipeline=shop",
					"-o",
					"name",
				),
			).toBe(""),
		minutes(1),
	);
	expect(await table("shop/orders", ["_id", "name", "qty"])).toEqual(before);
	expect(before.length).toBeGreaterThan(100);
	expect(await readdir(join(stack.s3.folder, "lake/shop/orders"))).toContain(
		"_delta_log",
	);
});

test("manifests/install.yaml is the chart, rendered, and the API server takes all of it", async () => {
	const rendered = join(dir, "install.yaml");
	await run(join(ROOT, "manifests/render.sh"), [dir]);
	await run("diff", [join(ROOT, "manifests/install.yaml"), rendered]);
	await cluster.kubectl(
		"apply",
		"--dry-run=server",
		"--server-side",
		"--force-conflicts",
		"-f",
		rendered,
	);
	await cluster.kubectl(
		"apply",
		"--dry-run=server",
		"--server-side",
		"--force-conflicts",
		"-f",
		join(ROOT, "crds"),
	);
});

test("the operator of this whole run asked for what the page of its permissions has, for all of it, and was denied nothing", async ({
	skip,
}) => {
	if (cluster.auditLog === undefined)
		skip("this cluster's API server keeps no audit log");
	else
		expect(
			requestedGrants(
				auditEvents(cluster.auditLog),
				`system:serviceaccount:${SYSTEM}:tributary`,
			),
		).toEqual({ used: documentedGrants().requested, denied: [] });
});

test("uninstalling leaves the definitions, and so the pipelines", async () => {
	await cluster.helm("uninstall", "tributary", "--namespace", SYSTEM, "--wait");
	expect(
		await cluster.kubectl("get", "cdcpipelines", "-n", NAMESPACE, "-o", "name"),
	).toBe("cdcpipeline.tributary.dev/pg\ncdcpipeline.tributary.dev/tidy\n");
});
