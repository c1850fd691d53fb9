import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import kafkajs from "kafkajs";
import { expect, test, vi } from "vitest";
import { stringify } from "yaml";
import type { CdcPipelineStatus } from "../src/resource/cdc-pipeline-status.ts";
import { installed } from "../stack/cache.ts";
import type { Cluster } from "../stack/cluster.ts";

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, "..");

/** What the tests of the pipelines share with these. */
export interface Stage {
	readonly dir: string;
	readonly cluster: Cluster;
	readonly namespace: string;
	readonly connectUrl: string;
	readonly bootstrap: string;
	status(name: string): Promise<CdcPipelineStatus>;
	/** A pipeline from MongoDB as a user would apply it. */
	pipeline(name: string, changes?: { sink?: object; source?: object }): object;
	/** Values that no report may hold. */
	readonly secrets: readonly string[];
	/** Changes the source of the pipeline `shop`. */
	change(step: number): Promise<void>;
	/** Until the table of the pipeline `shop` equals its source. */
	equal(): Promise<void>;
}

/** `kubectl cdc` on the pipeline `shop`, with the real kubectl, which finds the plugin by its name. */
export function cdcPluginTests(stage: () => Stage): void {
	async function cdc(
		...args: readonly string[]
	): Promise<{ text: string; error: string; code: number }> {
		const { cluster, namespace } = stage();
		const bin = installed("kubectl", "bin");
		try {
			const { stdout, stderr } = await run(
				join(bin, "kubectl"),
				["cdc", "-n", namespace, ...args],
				{
					env: {
						...process.env,
						KUBECONFIG: cluster.kubeconfig,
						PATH: `${join(ROOT, "bin")}:${bin}:${process.env.PATH ?? ""}`,
					},
					timeout: 280_000,
					maxBuffer: 64 * 2 ** 20,
				},
			);
			return { text: stdout, error: stderr, code: 0 };
		} catch (error) {
			const failed = error as {
				stdout: string;
				stderr: string;
				code: number;
			};
			return { text: failed.stdout, error: failed.stderr, code: failed.code };
		}
	}

	async function fine(...args: readonly string[]): Promise<string> {
		const { text, error, code } = await cdc(...args);
		expect({ error, code }).toEqual({ error: "", code: 0 });
		return text;
	}

	function connector(): Promise<string> {
		const { connectUrl, namespace } = stage();
		return fetch(`${connectUrl}/connectors/${namespace}.shop/status`)
			.then((response) => response.json())
			.then(
				(body) => (body as { connector: { state: string } }).connector.state,
			);
	}

	test("kubectl cdc status shows the way from the source to the tables", async () => {
		const text = await fine("status", "shop");
		expect(text).toContain("Pipeline   data/shop  Running");
		expect(text).toMatch(/shop-writer-0 Running, ready/);
		expect(text).toMatch(
			/\n {2}orders +\d+ +\d+ +\d+ +[\d.]+ KiB +\d+[smh] ago +\d+[smh] ago\n/,
		);
		expect(text).toContain("Next       nothing to do");
		expect(await fine("status")).toMatch(/data +shop +Running +yes/);
		expect(await fine("tables", "shop")).toMatch(/orders +\d+/);
		expect(await fine("logs", "shop", "--tail", "5")).toMatch(/^\{"level":/m);
	});

	test("kubectl cdc pause and resume: nothing flows meanwhile, and all of it afterwards", async () => {
		const { cluster, namespace, status, change, equal } = stage();
		await fine("pause", "shop", "--wait");
		expect(await status("shop")).toMatchObject({
			phase: "Paused",
			replicas: 0,
			connector: { state: "PAUSED" },
		});
		expect(
			await cluster.kubectl(
				"get",
				"pods",
				"-n",
				namespace,
				"-l",
				"tributary.dev/pipeline=shop",
				"-o",
				"name",
			),
		).toBe("");
		await change(40);
		const text = await fine("status", "shop");
		expect(text).toContain("kubectl cdc resume shop -n data");
		await fine("stop", "shop", "--wait");
		expect(await connector()).toBe("STOPPED");
		await fine("resume", "shop", "--wait");
		await equal();
	});

	test("kubectl cdc restart makes the connector's tasks and the writers anew, once", async () => {
		const { cluster, namespace, change, equal } = stage();
		const pod = () =>
			cluster.kubectl(
				"get",
				"pod",
				"shop-writer-0",
				"-n",
				namespace,
				"-o",
				"jsonpath={.metadata.uid} {.metadata.annotations}",
			);
		const before = await pod();
		await fine("restart", "shop", "--wait");
		const after = await pod();
		expect(after).not.toBe(before);
		expect(after).toContain("tributary.dev/restart");
		// As a GitOps tool would, which does not know of the nonce.
		await cluster.kubectl(
			"patch",
			"cdcp",
			"shop",
			"-n",
			namespace,
			"--type=json",
			"-p",
			'[{"op":"remove","path":"/spec/actions"}]',
		);
		await change(41);
		await equal();
		expect(await pod()).toBe(after);
	});

	test("kubectl cdc resnapshot reads a collection again; a wrong name is told", async () => {
		const { equal, change } = stage();
		const text = await fine("resnapshot", "shop", "shop.orders", "--wait");
		expect(text).toMatch(/incremental snapshot of shop\.orders is asked for/);
		expect(text).toMatch(/Completed, \d\d+ rows\n$/);
		await change(42);
		await equal();
		const wrong = await cdc("resnapshot", "shop", "shop.ordesr", "--wait");
		expect(wrong.code).toBe(1);
		expect(wrong.error).toMatch(
			/PIPELINE_NOT_DONE: .*shop\.ordesr: not captured by spec\.source\.include \(shop\.orders\)/,
		);
		expect((await cdc("status", "shop")).code).toBe(3);
		await fine(
			"resnapshot",
			"shop",
			"shop.orders",
			"--mode",
			"blocking",
			"--wait",
		);
		await equal();
		expect((await cdc("status", "shop")).code).toBe(0);
	});

	test("a position that the source no longer has is told, and a full snapshot helps", async () => {
		const { connectUrl, namespace, status, equal } = stage();
		const name = `${namespace}.shop`;
		await fine("stop", "shop", "--wait");
		const { offsets } = (await (
			await fetch(`${connectUrl}/connectors/${name}/offsets`)
		).json()) as { offsets: { partition: object; offset: object }[] };
		const [first] = offsets;
		await fetch(`${connectUrl}/connectors/${name}/offsets`, {
			method: "PATCH",
			headers: { "content-type": "application/json" },
			body: JSON.stringify({
				offsets: [
					{
						partition: first?.partition,
						offset: {
							...first?.offset,
							resume_token: "8200000001000000012B0229296E04",
						},
					},
				],
			}),
		});
		await fine("resume", "shop");
		await vi.waitFor(
			async () =>
				expect((await status("shop")).conditions).toContainEqual(
					expect.objectContaining({
						type: "ConnectorReady",
						reason: "HistoryLost",
					}),
				),
			{ timeout: 90_000, interval: 1_000 },
		);
		const told = await cdc("status", "shop");
		expect(told.code).toBe(3);
		expect(told.text.replace(/\s+/g, " ")).toContain(
			"kubectl cdc resnapshot shop --all -n data",
		);
		await fine("resnapshot", "shop", "--all", "--yes", "--wait");
		await equal();
	});

	test("kubectl cdc plan tells what a file would change, and what the API server refuses", async () => {
		const { dir, pipeline } = stage();
		const file = join(dir, "plan.yaml");
		const plan = async (changes: Parameters<Stage["pipeline"]>[1]) => {
			await writeFile(file, stringify(pipeline("shop", changes)));
			return await cdc("plan", "-f", file);
		};
		expect(await plan({})).toEqual({
			code: 0,
			error: "",
			text: "data/shop: nothing would change\n",
		});
		const changed = await plan({
			source: { snapshot: { fetchSize: 500 } },
			sink: { deletes: "soft" },
		});
		expect(changed).toMatchObject({ code: 3, error: "" });
		expect(changed.text).toBe(`data/shop: would be changed
  ~ spec.sink.deletes  hard -> soft
  ~ spec.source.snapshot.fetchSize  10000 -> 500
  connector data.shop is updated, after Kafka Connect has validated it; its tasks restart at their position
    ~ snapshot.fetch.size  10000 -> 500
  writers are replaced one by one: their configuration or pods change (spec.sink.deletes)
`);
		const refused = await plan({ sink: { location: "s3://lake/elsewhere" } });
		expect(refused.code).toBe(1);
		expect(refused.text).toMatch(
			/^data\/shop: the API server refuses it\n {2}spec\.sink\.location: Invalid value: .*sink\.location can't be changed/s,
		);
		const typo = await plan({ sink: { writeMod: "append" } });
		expect(typo.code).toBe(1);
		expect(typo.text).toContain('unknown field "spec.sink.writeMod"');
		expect((await stage().status("shop")).phase).toBe("Running");
	});

	test("kubectl cdc dlq lists what could not become a row, from inside of the cluster", async () => {
		const { bootstrap, equal } = stage();
		const producer = new kafkajs.Kafka({
			brokers: [bootstrap],
			logLevel: kafkajs.logLevel.NOTHING,
		}).producer();
		await producer.connect();
		await producer.send({
			topic: "shop.shop.orders",
			messages: [{ key: '{"id":"1"}', value: "no JSON" }],
		});
		await producer.disconnect();
		await vi.waitFor(
			async () =>
				expect(await fine("dlq", "shop", "list")).toMatch(/orders .*1/),
			{ timeout: 60_000, interval: 2_000 },
		);
		const letters = await fine(
			"dlq",
			"shop",
			"-o",
			"json",
			"--",
			"--table",
			"orders",
		);
		expect(letters).toContain("orders");
		const wrong = await cdc("dlq", "shop", "lsit");
		expect(wrong.error).toContain("dlq lsit is unknown; did you mean list?");
		await equal();
	});

	test("kubectl cdc report has what helps, and no secret of the pipeline", async () => {
		const { dir, secrets } = stage();
		const archive = join(dir, "report.tar.gz");
		const text = await fine("report", "shop", "--to", archive);
		expect(text).toContain("Secrets are masked.\n");
		const { stdout: names } = await run("tar", ["-tzf", archive]);
		for (const name of [
			"status.txt",
			"pipeline.yaml",
			"connector.yaml",
			"events.yaml",
			"logs/shop-writer-0.log",
			"versions.yaml",
		])
			expect(names).toContain(`/${name}\n`);
		expect(names).toMatch(/logs\/operator-tributary-\S+\.log/);
		const { stdout: all } = await run("tar", ["-xzOf", archive], {
			maxBuffer: 64 * 2 ** 20,
		});
		expect(secrets.length).toBeGreaterThan(1);
		for (const secret of secrets) expect(all).not.toContain(secret);
		expect(all).toContain("io.debezium.connector.mongodb.MongoDbConnector");
	});

	test("without the right, kubectl cdc names the verb; an unknown pipeline gets the nearest name", async () => {
		const { cluster, namespace, dir } = stage();
		const wrong = await cdc("status", "shopp");
		expect(wrong).toMatchObject({ code: 1, text: "" });
		expect(wrong.error).toContain(
			"there is no CdcPipeline shopp in namespace data; did you mean shop?",
		);
		await cluster.kubectl(
			"create",
			"serviceaccount",
			"onlooker",
			"-n",
			namespace,
		);
		await cluster.kubectl(
			"create",
			"role",
			"onlooker",
			"-n",
			namespace,
			"--verb=get,list",
			"--resource=cdcpipelines.tributary.dev",
		);
		await cluster.kubectl(
			"create",
			"rolebinding",
			"onlooker",
			"-n",
			namespace,
			"--role=onlooker",
			`--serviceaccount=${namespace}:onlooker`,
		);
		const token = (
			await cluster.kubectl("create", "token", "onlooker", "-n", namespace)
		).trim();
		const config = JSON.parse(
			await cluster.kubectl("config", "view", "--raw", "-o", "json"),
		) as { clusters: { name: string }[] };
		const file = join(dir, "onlooker.kubeconfig");
		await writeFile(
			file,
			JSON.stringify({
				clusters: config.clusters,
				users: [{ name: "onlooker", user: { token } }],
				contexts: [
					{
						name: "onlooker",
						context: { cluster: config.clusters[0]?.name, user: "onlooker" },
					},
				],
				"current-context": "onlooker",
			}),
		);
		const denied = await cdc("pause", "shop", "--kubeconfig", file);
		expect(denied.code).toBe(1);
		expect(denied.error).toContain(
			"you may not patch cdcpipelines.tributary.dev in namespace data: you need a Role with the verb patch on cdcpipelines.tributary.dev",
		);
		const seen = await cdc("status", "shop", "--kubeconfig", file);
		expect(seen.code).toBe(0);
		expect(seen.text.replace(/\s+/g, " ")).toContain(
			"Not seen you may not list pods in namespace data",
		);
	});
}
