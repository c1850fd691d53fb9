import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { dropReplication } from "../../src/connect/replication-slot.ts";
import { cdcPipeline } from "../../src/resource/cdc-pipeline.ts";
import { type Stack, startStack } from "../../stack/components.ts";

const NAME = "tributary_data_shop";
let stack: Stack<"postgres">;
let sql: pg.Client;

beforeAll(async () => {
	stack = await startStack({ components: ["postgres"] });
	sql = new pg.Client({ connectionString: stack.postgres.uri });
	await sql.connect();
	await sql.query("CREATE TABLE items (id int PRIMARY KEY)");
	await sql.query("CREATE ROLE cdc LOGIN REPLICATION PASSWORD 'a-secret'");
});
afterAll(async () => {
	await sql?.end();
	await stack?.stop();
});
beforeEach(async () => {
	await sql.query(
		`SELECT pg_create_logical_replication_slot('${NAME}', 'pgoutput')`,
	);
	await sql.query(`DROP PUBLICATION IF EXISTS ${NAME}`);
	await sql.query(`CREATE PUBLICATION ${NAME} FOR TABLE items`);
	await sql.query(
		"SELECT pg_create_logical_replication_slot('of_another', 'pgoutput')",
	);
	return () => sql.query("SELECT pg_drop_replication_slot('of_another')");
});

function pipeline(config: Readonly<Record<string, string>> = {}) {
	return cdcPipeline.parse({
		apiVersion: "tributary.dev/v1alpha1",
		kind: "CdcPipeline",
		metadata: { name: "shop", namespace: "data" },
		spec: {
			source: {
				type: "postgresql",
				connectionSecretRef: { name: "x", key: "uri" },
				include: ["public.items"],
				reclaimPolicy: "Delete",
				config,
			},
			kafka: {
				bootstrapServers: ["kafka:9092"],
				connectUrl: "http://connect:8083",
				topicPrefix: "shop",
			},
			sink: { location: "s3://lake/shop" },
		},
	});
}

async function left(): Promise<{ slots: string[]; publications: string[] }> {
	const slots = await sql.query<{ name: string }>(
		"SELECT slot_name AS name FROM pg_replication_slots ORDER BY 1",
	);
	const publications = await sql.query<{ name: string }>(
		"SELECT pubname AS name FROM pg_publication ORDER BY 1",
	);
	return {
		slots: slots.rows.map(({ name }) => name),
		publications: publications.rows.map(({ name }) => name),
	};
}

test("a slot that would hold back WAL for ever is dropped with its publication, those of others are not", async () => {
	await dropReplication(pipeline(), stack.postgres.uri);
	expect(await left()).toEqual({ slots: ["of_another"], publications: [] });
	// As after a crash between this and the finalizer.
	await dropReplication(pipeline(), stack.postgres.uri);
});

test("a publication that somebody else made stays", async () => {
	await dropReplication(
		pipeline({ "publication.autocreate.mode": "disabled" }),
		stack.postgres.uri,
	);
	expect(await left()).toEqual({ slots: ["of_another"], publications: [NAME] });
});

test("a slot that its connector has not let go of yet is waited for", async () => {
	const walsender = new pg.Client({
		connectionString: stack.postgres.uri,
		...({ replication: "database" } as object),
	});
	walsender.on("error", () => {});
	await walsender.connect();
	// It answers when it ends.
	void walsender
		.query(
			`START_REPLICATION SLOT ${NAME} LOGICAL 0/0 (proto_version '1', publication_names '${NAME}')`,
		)
		.catch(() => {});
	await sleep(500);
	await expect(
		sql.query(`SELECT pg_drop_replication_slot('${NAME}')`),
	).rejects.toThrow(/is active/);
	const dropped = dropReplication(pipeline(), stack.postgres.uri);
	await sleep(500);
	await sql.query(
		"SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1",
		[NAME],
	);
	await dropped;
	expect(await left()).toEqual({ slots: ["of_another"], publications: [] });
	await walsender.end().catch(() => {});
});

test("what the server refuses is told with its reason, and without the password", async () => {
	const uri = new URL(stack.postgres.uri);
	uri.username = "cdc";
	uri.password = "a-secret";
	const refused = await dropReplication(pipeline(), uri.href).catch(
		(error: unknown) => error,
	);
	expect(refused).toMatchObject({
		code: "SOURCE_CLEANUP_FAILED",
		message: expect.stringMatching(
			/tributary_data_shop in PostgreSQL at \S+ could not be dropped: must be owner of publication/,
		),
	});
	expect(String(refused)).not.toContain("a-secret");
	uri.port = "1";
	await expect(dropReplication(pipeline(), uri.href)).rejects.toThrow(
		/could not be dropped: connect ECONNREFUSED/,
	);
});
