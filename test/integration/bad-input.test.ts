import { spawn } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { MongoClient } from "mongodb";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { stringify } from "yaml";
import { freePorts, type Stack, startStack } from "../../stack/components.ts";

const TRIBUTARY = resolve(import.meta.dirname, "../../bin/tributary");
const PASSWORD = "very-secret-password";

let dir: string;
let stack: Stack<"kafka" | "connect" | "mongo" | "s3">;

beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "tributary-bad-input-"));
	await chmod(dir, 0o755);
	stack = await startStack({
		dir,
		components: ["kafka", "connect", "mongo", "s3"],
		buckets: ["lake"],
	});
	const client = await MongoClient.connect(stack.mongo.uri);
	await client.db("shop").collection("orders").insertOne({ name: "first" });
	await client.close();
});

afterAll(async () => {
	await stack?.stop();
	await rm(dir, { recursive: true, force: true });
});

interface Changes {
	readonly source?: object;
	readonly kafka?: object;
	readonly sink?: object;
	readonly spec?: object;
}

function pipeline(name: string, changes: Changes = {}): object {
	return {
		apiVersion: "tributary.dev/v1alpha1",
		kind: "CdcPipeline",
		metadata: { name },
		spec: {
			source: {
				type: "mongodb",
				connectionSecretRef: { name: "mongo", key: "uri" },
				include: ["shop.orders"],
				...changes.source,
			},
			kafka: {
				bootstrapServers: [stack.kafka.bootstrap],
				connectUrl: stack.connect.url,
				topicPrefix: name,
				...changes.kafka,
			},
			sink: {
				location: `s3://lake/${name}`,
				storageSecretRef: { name: "lake" },
				...changes.sink,
			},
			writer: { batch: { maxDelay: "200ms" } },
			...changes.spec,
		},
	};
}

function environment(changes: Record<string, string> = {}) {
	return {
		TRIBUTARY_SECRET_MONGO_URI: stack.mongo.uri,
		TRIBUTARY_SECRET_LAKE_AWS_ACCESS_KEY_ID: stack.s3.accessKeyId,
		TRIBUTARY_SECRET_LAKE_AWS_SECRET_ACCESS_KEY: stack.s3.secretAccessKey,
		TRIBUTARY_SECRET_LAKE_AWS_ENDPOINT_URL: stack.s3.endpoint,
		...changes,
	};
}

interface Run {
	readonly port: number;
	/** All that the process has printed. */
	output(): string;
	readonly ended: Promise<number | null>;
	stop(): Promise<void>;
}

async function run(
	pipelines: readonly object[],
	changes: Record<string, string> = {},
): Promise<Run> {
	const [port = 0] = await freePorts(1);
	const file = join(dir, `pipelines-${port}.yaml`);
	await writeFile(file, pipelines.map((one) => stringify(one)).join("---\n"));
	const child = spawn(TRIBUTARY, ["run", "-f", file, "--port", String(port)], {
		env: { ...process.env, ...environment(changes) },
	});
	let text = "";
	child.stdout.on("data", (chunk: Buffer) => {
		text += chunk.toString();
	});
	child.stderr.on("data", (chunk: Buffer) => {
		text += chunk.toString();
	});
	const ended = new Promise<number | null>((done) =>
		child.once("close", (code) => done(code)),
	);
	return {
		port,
		output: () => text,
		ended,
		stop: async () => {
			child.kill("SIGTERM");
			const hard = setTimeout(() => child.kill("SIGKILL"), 15_000);
			await ended;
			clearTimeout(hard);
		},
	};
}

async function notReady(port: number): Promise<string> {
	const response = await fetch(`http://127.0.0.1:${port}/readyz`);
	expect(response.status).toBe(503);
	return await response.text();
}

const soon = { timeout: 60_000, interval: 200 };

test.each([
	[
		"an unknown field",
		() => pipeline("bad", { spec: { wrtier: {} } }),
		{},
		/unknown field spec\.wrtier: correct or remove it/,
	],
	[
		"a value that is not allowed",
		() => pipeline("bad", { sink: { writeMode: "merge" } }),
		{},
		/spec\.sink\.writeMode: "merge": .*append.*upsert/,
	],
	[
		"a missing field",
		() => pipeline("bad", { kafka: { topicPrefix: undefined } }),
		{},
		/spec\.kafka\.topicPrefix is missing/,
	],
	[
		"a missing secret",
		() =>
			pipeline("bad", {
				source: { connectionSecretRef: { name: "nowhere", key: "uri" } },
			}),
		{},
		/connectionSecretRef: no Secret nowhere with a key uri: add a Secret/,
	],
	[
		"a storage secret without a key",
		() => pipeline("bad"),
		{ TRIBUTARY_SECRET_LAKE_AWS_SECRET_ACCESS_KEY: "" },
		/Secret lake has no key AWS_SECRET_ACCESS_KEY: add it/,
	],
] as const)("%s is refused at once, by name", async (_, bad, env, message) => {
	const process = await run([bad()], env);
	expect(await process.ended).toBe(2);
	expect(process.output()).toMatch(message);
	expect(process.output().trim().split("\n")).toHaveLength(1);
});

test("a broker that does not answer is named, and the other pipeline goes on", async () => {
	const [closed = 0] = await freePorts(1);
	const process = await run([
		pipeline("good1"),
		pipeline("nobroker", {
			kafka: { bootstrapServers: [`127.0.0.1:${closed}`] },
		}),
	]);
	try {
		await vi.waitFor(async () => {
			expect(await notReady(process.port)).toMatch(
				new RegExp(
					`no answer from Kafka at 127\\.0\\.0\\.1:${closed}: check kafka\\.bootstrapServers`,
				),
			);
		}, soon);
		await committed(process.port, "good1");
	} finally {
		await process.stop();
	}
});

test("a wrong storage secret is named without its value", async () => {
	const process = await run([pipeline("nosecret")], {
		TRIBUTARY_SECRET_LAKE_AWS_SECRET_ACCESS_KEY: PASSWORD,
	});
	try {
		await vi.waitFor(async () => {
			expect(await notReady(process.port)).toMatch(
				/denied access to s3:\/\/lake\/nosecret.*check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY/,
			);
		}, soon);
		expect(process.output()).not.toContain(PASSWORD);
	} finally {
		await process.stop();
	}
});

test("a missing bucket is named, and once it is there the writer goes on", async () => {
	const process = await run([
		pipeline("nobucket", { sink: { location: "s3://absent/nobucket" } }),
	]);
	try {
		await vi.waitFor(async () => {
			expect(await notReady(process.port)).toMatch(
				/bucket absent does not exist at http:.*: create it, or correct sink\.location/,
			);
		}, soon);
		await mkdir(join(stack.s3.folder, "absent"));
		await committed(process.port, "nobucket");
	} finally {
		await process.stop();
	}
});

test("a connector that Connect rejects says which field and why", async () => {
	const process = await run([
		pipeline("rejected", { source: { config: { "max.batch.size": "many" } } }),
		pipeline("good2"),
	]);
	try {
		await vi.waitFor(async () => {
			expect(await notReady(process.port)).toMatch(
				/Kafka Connect rejects the connector: max\.batch\.size=many: .*An integer is expected/,
			);
		}, soon);
		await committed(process.port, "good2");
	} finally {
		await process.stop();
	}
});

test("a URI of another database is refused without being printed", async () => {
	const process = await run([pipeline("wronguri")], {
		TRIBUTARY_SECRET_MONGO_URI: `mysql://root:${PASSWORD}@db/shop`,
	});
	try {
		await vi.waitFor(async () => {
			expect(await notReady(process.port)).toMatch(
				/key uri of Secret mongo is no connection URI for mongodb: it has to start with mongodb:\/\//,
			);
		}, soon);
		expect(process.output()).not.toContain(PASSWORD);
	} finally {
		await process.stop();
	}
});

test("a Kafka Connect that does not answer is named", async () => {
	const [closed = 0] = await freePorts(1);
	const process = await run([
		pipeline("noconnect", {
			kafka: { connectUrl: `http://127.0.0.1:${closed}` },
		}),
	]);
	try {
		await vi.waitFor(async () => {
			expect(await notReady(process.port)).toMatch(
				new RegExp(
					`no answer from Kafka Connect at http://127\\.0\\.0\\.1:${closed}: check kafka\\.connectUrl`,
				),
			);
		}, soon);
	} finally {
		await process.stop();
	}
});

async function committed(port: number, name: string): Promise<void> {
	await vi.waitFor(async () => {
		const response = await fetch(`http://127.0.0.1:${port}/status`);
		const status = (await response.json()) as Record<
			string,
			{ tables: { name: string; rows: number }[] }
		>;
		expect(status[name]?.tables).toEqual([
			expect.objectContaining({ name: "orders", rows: 1 }),
		]);
	}, soon);
}
