import kafkajs from "kafkajs";
import { MongoClient } from "mongodb";
import pg from "pg";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { connectClient } from "../../src/connect/client.ts";
import { kafkaConnectors } from "../../src/operator/cdc-pipeline/connector.ts";
import {
	type CdcPipeline,
	cdcPipeline,
} from "../../src/resource/cdc-pipeline.ts";
import { type Stack, startStack } from "../../stack/components.ts";
import { looks, soon, until } from "../support/reconciled-connector.ts";

let stack: Stack<"kafka" | "connect" | "mongo" | "postgres">;
let documents: MongoClient;
let sql: pg.Client;
let kafka: kafkajs.Kafka;

beforeAll(async () => {
	stack = await startStack({
		components: ["kafka", "connect", "mongo", "postgres"],
	});
	documents = await MongoClient.connect(stack.mongo.uri);
	sql = new pg.Client({ connectionString: stack.postgres.uri });
	await sql.connect();
	kafka = new kafkajs.Kafka({
		brokers: [stack.kafka.bootstrap],
		logLevel: kafkajs.logLevel.NOTHING,
	});
});
afterAll(async () => {
	await sql?.end();
	await documents?.close();
	await stack?.stop();
});

function pipeline(
	name: string,
	source: object,
	actions: object = {},
	state = "running",
): CdcPipeline {
	return cdcPipeline.parse({
		apiVersion: "tributary.dev/v1alpha1",
		kind: "CdcPipeline",
		metadata: { name, namespace: "data" },
		spec: {
			state,
			source: { connectionSecretRef: { name: "x", key: "uri" }, ...source },
			kafka: {
				bootstrapServers: [stack.kafka.bootstrap],
				connectUrl: stack.connect.url,
				topicPrefix: name,
			},
			sink: { location: "s3://lake/x" },
			actions,
		},
	});
}

/** Keys of the records of a topic that were read by a snapshot, in order. */
async function snapshotReads(topic: string): Promise<string[]> {
	const admin = kafka.admin();
	await admin.connect();
	const [first] = await admin.fetchTopicOffsets(topic);
	await admin.disconnect();
	const consumer = kafka.consumer({ groupId: `test-${crypto.randomUUID()}` });
	const keys: string[] = [];
	const done = Promise.withResolvers<void>();
	let idle = setTimeout(done.resolve, 5_000);
	await consumer.connect();
	await consumer.subscribe({ topics: [topic], fromBeginning: true });
	await consumer.run({
		eachMessage: async ({ message }) => {
			clearTimeout(idle);
			idle = setTimeout(done.resolve, 1_000);
			const value = JSON.parse(String(message.value)) as {
				op?: string;
				payload?: { op?: string };
			} | null;
			if ((value?.payload ?? value)?.op === "r") keys.push(String(message.key));
		},
	});
	await done.promise;
	await consumer.disconnect();
	expect(Number(first?.high)).toBeGreaterThan(0);
	return keys;
}

const running = { ready: true, reason: "Running" };

test("a collection of MongoDB is read again beside the stream, once for each nonce, and only that one", async () => {
	const db = documents.db("shop");
	await db.collection("orders").insertMany([{ n: 1 }, { n: 2 }, { n: 3 }]);
	await db.collection("other").insertMany([{ n: 1 }]);
	const look = looks(stack.mongo.uri);
	const source = { type: "mongodb", include: ["shop.orders", "shop.other"] };
	const resnapshot = (nonce: string, more: object = {}) =>
		pipeline("again", source, {
			resnapshot: { nonce, tables: ["shop.orders"], ...more },
		});

	// A nonce that came with the pipeline is done; no topic is made for it.
	await until(() => look(resnapshot("n0")), {
		...running,
		actions: { resnapshot: { nonce: "n0", state: "Ignored" } },
	});
	const client = connectClient(stack.connect.url);
	expect(await client.config("data.again")).not.toHaveProperty(
		"signal.kafka.topic",
	);
	await vi.waitFor(
		async () =>
			expect(await snapshotReads("again.shop.orders")).toHaveLength(3),
		soon,
	);
	// Until the first heartbeat after it, a restart would begin the first snapshot anew.
	await vi.waitFor(
		async () =>
			expect(JSON.stringify(await client.offsets("data.again"))).not.toMatch(
				/initsync|"offsets":\[\]/,
			),
		soon,
	);

	await until(() => look(resnapshot("n1")), {
		...running,
		actions: { resnapshot: { nonce: "n1", state: "Completed", rows: 3 } },
	});
	expect(await snapshotReads("again.shop.orders")).toHaveLength(6);
	expect(await snapshotReads("again.shop.other")).toHaveLength(1);

	// Applied again, and taken out of the specification: nothing happens.
	const config = await client.config("data.again");
	await look(resnapshot("n1"));
	await look(pipeline("again", source));
	expect(await client.config("data.again")).toEqual(config);
	expect(await snapshotReads("again.shop.orders")).toHaveLength(6);

	await until(() => look(resnapshot("n2", { mode: "blocking" })), {
		...running,
		actions: { resnapshot: { nonce: "n2", state: "Completed" } },
	});
	expect(await snapshotReads("again.shop.orders")).toHaveLength(9);

	await until(() => look(resnapshot("n3", { tables: ["shop.ordesr"] })), {
		actions: {
			resnapshot: {
				nonce: "n3",
				state: "Failed",
				message: expect.stringMatching(
					/^shop\.ordesr: not captured by spec\.source\.include \(shop\.orders, shop\.other\)/,
				),
			},
		},
	});
});

test("a connector that was deleted by hand comes back and goes on; a restart is taken once; a paused one waits", async () => {
	const db = documents.db("hand");
	await db.collection("items").insertOne({ n: 1 });
	const look = looks(stack.mongo.uri);
	const source = { type: "mongodb", include: ["hand.items"] };
	const now = (actions: object = {}, state = "running") =>
		pipeline("hand", source, actions, state);
	await until(() => look(now()), running);
	await vi.waitFor(
		async () => expect(await snapshotReads("hand.hand.items")).toHaveLength(1),
		soon,
	);
	const client = connectClient(stack.connect.url);
	await client.delete("data.hand");
	await db.collection("items").insertOne({ n: 2 });
	await until(() => look(now()), running);
	await vi.waitFor(async () => {
		const admin = kafka.admin();
		await admin.connect();
		const [first] = await admin.fetchTopicOffsets("hand.hand.items");
		await admin.disconnect();
		expect(Number(first?.high)).toBeGreaterThan(2);
	}, soon);
	expect(await snapshotReads("hand.hand.items")).toHaveLength(1);

	const { actions } = await until(() => look(now({ restart: "r1" })), {
		actions: { restart: { nonce: "r1" } },
	});
	await until(() => look(now({ restart: "r1" })), running);
	expect((await look(now({ restart: "r1" }))).actions).toEqual(actions);

	await until(() => look(now({}, "paused")), { ready: true, reason: "Paused" });
	expect(
		(
			await look(
				now({ resnapshot: { nonce: "p1", tables: ["hand.items"] } }, "paused"),
			)
		).actions?.resnapshot,
	).toMatchObject({
		state: "Requested",
		message: "waits for the pipeline to run: spec.state is paused",
	});
	await until(() => look(now({}, "stopped")), {
		ready: true,
		reason: "Stopped",
	});
});

test("PostgreSQL: nothing is written to the source; a lost slot is told, not restarted, and a full snapshot helps", async () => {
	await sql.query("CREATE TABLE customers (id int PRIMARY KEY, name text)");
	await sql.query(
		"INSERT INTO customers SELECT i, 'c' || i FROM generate_series(1, 5) i",
	);
	const look = looks(stack.postgres.uri);
	const source = { type: "postgresql", include: ["public.customers"] };
	const now = (actions: object = {}) => pipeline("pg", source, actions);
	await until(() => look(now()), running);
	await vi.waitFor(
		async () =>
			expect(await snapshotReads("pg.public.customers")).toHaveLength(5),
		soon,
	);
	await until(
		() =>
			look(now({ resnapshot: { nonce: "a", tables: ["public.customers"] } })),
		{
			...running,
			actions: { resnapshot: { nonce: "a", state: "Completed", rows: 5 } },
		},
	);
	expect(
		(await sql.query("SELECT relname FROM pg_stat_user_tables")).rows,
	).toEqual([{ relname: "customers" }]);

	const client = connectClient(stack.connect.url);
	await client.stop("data.pg");
	await vi.waitFor(
		() => sql.query("SELECT pg_drop_replication_slot('tributary_data_pg')"),
		soon,
	);
	await sql.query("INSERT INTO customers VALUES (6, 'in the gap')");
	const lost = await until(() => look(now()), {
		ready: false,
		terminal: true,
		reason: "HistoryLost",
	});
	expect(lost.message).toContain("kubectl cdc resnapshot pg --all -n data");
	await until(() => look(now({ resnapshot: { nonce: "b", mode: "full" } })), {
		...running,
		actions: { resnapshot: { nonce: "b", state: "Completed" } },
	});
	const reads = await snapshotReads("pg.public.customers");
	expect(reads).toHaveLength(5 + 5 + 6);

	const left = async () => {
		const { rows } = await sql.query<{ name: string }>(
			"SELECT slot_name AS name FROM pg_replication_slots UNION ALL SELECT pubname FROM pg_publication",
		);
		return rows.map(({ name }) => name);
	};
	const remove = (reclaimPolicy: string) =>
		kafkaConnectors(Date.now).remove(
			pipeline("pg", { ...source, reclaimPolicy }),
			stack.postgres.uri,
			{},
		);
	await remove("Retain");
	expect(await client.connectors()).not.toContain("data.pg");
	expect(await left()).toEqual(["tributary_data_pg", "tributary_data_pg"]);
	await until(() => look(now()), running);
	expect(await snapshotReads("pg.public.customers")).toHaveLength(16);
	await remove("Delete");
	expect(await client.connectors()).not.toContain("data.pg");
	expect(await left()).toEqual([]);
	await until(() => look(now()), running);
	await vi.waitFor(
		async () =>
			expect(await snapshotReads("pg.public.customers")).toHaveLength(16 + 6),
		soon,
	);
});
