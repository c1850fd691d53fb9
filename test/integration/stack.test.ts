import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { ListBucketsCommand, S3Client } from "@aws-sdk/client-s3";
import { Kafka, logLevel } from "kafkajs";
import { MongoClient } from "mongodb";
import pg from "pg";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { createTopics } from "../../src/connect/topics.ts";
import { type Stack, startStack } from "../../stack/components.ts";
import { start } from "../../stack/process.ts";

let dir: string;
let stack: Stack;

beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "tributary-stack-"));
	stack = await startStack({
		dir,
		components: ["kafka", "connect", "postgres", "mariadb", "mongo", "s3"],
		buckets: ["lake"],
	});
});

afterAll(async () => {
	await stack?.stop();
	await rm(dir, { recursive: true, force: true });
});

test("Kafka Connect offers Debezium's connectors", async () => {
	const response = await fetch(`${stack.connect.url}/connector-plugins`);
	const plugins = (await response.json()) as { class: string }[];
	expect(plugins.map((plugin) => plugin.class)).toEqual(
		expect.arrayContaining([
			"io.debezium.connector.mongodb.MongoDbConnector",
			"io.debezium.connector.postgresql.PostgresConnector",
			"io.debezium.connector.mysql.MySqlConnector",
			"io.debezium.connector.mariadb.MariaDbConnector",
		]),
	);
});

test("PostgreSQL decodes its log for subscribers, and refuses a wrong password", async () => {
	const client = new pg.Client({ connectionString: stack.postgres.uri });
	await client.connect();
	const { rows } = await client.query<{ wal_level: string }>("SHOW wal_level");
	await client.end();
	expect(rows).toEqual([{ wal_level: "logical" }]);
	const { uri, password } = stack.postgres;
	const stranger = new pg.Client({
		connectionString: uri.replace(password, "wrong"),
	});
	await expect(stranger.connect()).rejects.toThrow("password");
});

test("the MongoDB test double has change streams", async () => {
	const client = await MongoClient.connect(stack.mongo.uri);
	const orders = client.db("shop").collection("orders");
	await orders.insertOne({ name: "first" });
	const stream = orders.watch();
	const next = stream.next();
	await orders.insertOne({ name: "second" });
	const change = await next;
	expect(change).toMatchObject({ operationType: "insert" });
	await stream.close();
	await client.close();
});

test("S3 has the buckets that were asked for, and refuses a wrong secret", async () => {
	const { endpoint, region, accessKeyId, secretAccessKey } = stack.s3;
	const list = (secret: string) =>
		new S3Client({
			endpoint,
			region,
			forcePathStyle: true,
			credentials: { accessKeyId, secretAccessKey: secret },
		}).send(new ListBucketsCommand({}));
	const { Buckets } = await list(secretAccessKey);
	expect(Buckets?.map((bucket) => bucket.Name)).toEqual(["lake"]);
	await expect(list("wrong")).rejects.toThrow();
});

test("a killed Kafka comes back at the same address with its topics", async () => {
	const { kafka } = stack;
	const before = kafka.pid;
	const admin = new Kafka({
		brokers: [kafka.bootstrap],
		logLevel: logLevel.NOTHING,
	}).admin();
	await admin.connect();
	await createTopics(admin, [{ topic: "kept" }]);
	kafka.kill("SIGKILL");
	await kafka.restart();
	expect(kafka.pid).not.toBe(before);
	expect(await admin.listTopics()).toContain("kept");
	await admin.disconnect();
});

test("the error of a component that does not start has the end of its log", async () => {
	const starting = start(
		{
			name: "failing",
			place: { dir },
			argv: ["sh", "-c", "echo the reason; exit 7"],
			ready: async () => false,
		},
		{},
	);
	await expect(starting).rejects.toThrow(
		`exit status 7); ${join(dir, "log", "failing.log")} ends with:\nthe reason`,
	);
});

test("a component that can't start takes the others down with it", async () => {
	const half = await mkdtemp(join(dir, "half-"));
	// Where S3 needs a folder.
	await writeFile(join(half, "s3"), "");
	const starting = startStack({ dir: half, components: ["mongo", "s3"] });
	await expect(starting).rejects.toThrow("EEXIST");
	expect(existsSync(join(half, "log", "mongo-double.log"))).toBe(true);
	expect(await processesIn(half)).toEqual([]);
});

test("an address that can't be listened on is an error at once, not a time-out", async () => {
	const starting = startStack({
		dir: join(dir, "elsewhere"),
		host: "203.0.113.1",
		components: ["mongo"],
	});
	await expect(starting).rejects.toThrow("MongoDouble can't listen");
});

test("components end with a process that is killed", async () => {
	const components = resolve("stack/components.ts");
	const script = `
		const { startS3 } = await import(${JSON.stringify(components)});
		const s3 = await startS3({ dir: ${JSON.stringify(join(dir, "orphan"))} });
		console.log(s3.pid);
		setInterval(() => {}, 1000);`;
	const parent = spawn(
		process.execPath,
		["--input-type=module", "-e", script],
		{ stdio: ["ignore", "pipe", "inherit"] },
	);
	const [line] = (await once(parent.stdout, "data")) as [Buffer];
	const pid = Number(line);
	expect(existsSync(`/proc/${pid}`)).toBe(true);
	parent.kill("SIGKILL");
	await vi.waitFor(() => expect(existsSync(`/proc/${pid}`)).toBe(false), 5000);
});

test("a stopped stack leaves no process behind", async () => {
	const { kafka, connect, postgres, mongo, s3 } = stack;
	const pids = [kafka, connect, postgres, mongo, s3].map(({ pid }) => pid);
	expect(pids.every((pid) => existsSync(`/proc/${pid}`))).toBe(true);
	await stack.stop();
	expect(pids.filter((pid) => existsSync(`/proc/${pid}`))).toEqual([]);
});

/** The processes whose working folder is `folder` or below it. */
async function processesIn(folder: string): Promise<string[]> {
	const found: string[] = [];
	for (const pid of await readdir("/proc")) {
		if (!/^\d+$/.test(pid)) continue;
		const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => "");
		if (cwd === folder || cwd.startsWith(`${folder}/`)) found.push(pid);
	}
	return found;
}
