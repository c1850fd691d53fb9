import { existsSync } from "node:fs";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ListBucketsCommand, S3Client } from "@aws-sdk/client-s3";
import { MongoClient } from "mongodb";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
	type Running,
	startConnect,
	startKafka,
	startMongoDouble,
	startPostgres,
	startS3,
} from "../../stack/components.ts";

let dir: string;
const running: Running[] = [];

beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "tributary-stack-"));
	await chmod(dir, 0o755);
});

afterAll(async () => {
	await Promise.all(running.map((component) => component.stop()));
	await rm(dir, { recursive: true, force: true });
});

test("Kafka Connect offers Debezium's connectors", async () => {
	const kafka = await startKafka({ dir });
	running.push(kafka);
	const connect = await startConnect({ dir, bootstrap: kafka.bootstrap });
	running.push(connect);
	const response = await fetch(`${connect.url}/connector-plugins`);
	const plugins = (await response.json()) as { class: string }[];
	expect(plugins.map((plugin) => plugin.class)).toEqual(
		expect.arrayContaining([
			"io.debezium.connector.mongodb.MongoDbConnector",
			"io.debezium.connector.postgresql.PostgresConnector",
			"io.debezium.connector.mysql.MySqlConnector",
		]),
	);
});

test("PostgreSQL decodes its log for subscribers", async () => {
	const postgres = await startPostgres({ dir });
	running.push(postgres);
	const client = new pg.Client({ connectionString: postgres.uri });
	await client.connect();
	const { rows } = await client.query<{ wal_level: string }>("SHOW wal_level");
	await client.end();
	expect(rows).toEqual([{ wal_level: "logical" }]);
});

test("the MongoDB test double has change streams", async () => {
	const mongo = await startMongoDouble({ dir });
	running.push(mongo);
	const client = await MongoClient.connect(mongo.uri);
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
	const s3 = await startS3({ dir, buckets: ["lake"] });
	running.push(s3);
	const list = (secretAccessKey: string) =>
		new S3Client({
			endpoint: s3.endpoint,
			region: s3.region,
			forcePathStyle: true,
			credentials: { accessKeyId: s3.accessKeyId, secretAccessKey },
		}).send(new ListBucketsCommand({}));
	const { Buckets } = await list(s3.secretAccessKey);
	expect(Buckets?.map((bucket) => bucket.Name)).toEqual(["lake"]);
	await expect(list("wrong")).rejects.toThrow();
});

test("a stopped component leaves no process behind, and a restart keeps its port", async () => {
	const s3 = await startS3({ dir: join(dir, "again") });
	const first = s3.pid;
	await s3.restart();
	expect(s3.pid).not.toBe(first);
	expect((await fetch(s3.endpoint)).status).toBeLessThan(500);
	const second = s3.pid;
	await s3.stop();
	expect(existsSync(`/proc/${first}`)).toBe(false);
	expect(existsSync(`/proc/${second}`)).toBe(false);
});
