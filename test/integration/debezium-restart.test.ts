import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import kafkajs from "kafkajs";
import { Client } from "pg";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { tableRows } from "../../demo/lake.ts";
import {
	type RunningConnect,
	type Stack,
	startConnect,
	startStack,
} from "../../stack/components.ts";
import { WriterUnderTest } from "../support/writer-process.ts";

const ROWS = 400;
const TOPIC = "again.public.orders";

let dir: string;
let stack: Stack<"kafka" | "postgres" | "s3">;
let connect: RunningConnect | undefined;
let writer: WriterUnderTest | undefined;

beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "tributary-again-"));
	stack = await startStack({
		dir,
		components: ["kafka", "postgres", "s3"],
		buckets: ["lake"],
	});
	const { bootstrap } = stack.kafka;
	connect = await startConnect({ dir, bootstrap, exactlyOnce: false });
});

afterAll(async () => {
	await writer?.killAll();
	await connect?.stop("SIGKILL");
	await stack?.stop("SIGKILL");
	await rm(dir, { recursive: true, force: true });
});

test("changes that Debezium sends again after it was killed are in the history once", {
	timeout: 600_000,
}, async () => {
	const { postgres, kafka } = stack;
	const source = new Client({ connectionString: postgres.uri });
	await source.connect();
	await source.query(
		"CREATE TABLE orders (id int PRIMARY KEY, note text); INSERT INTO orders VALUES (0, 'snapshot')",
	);
	await connector("again", {
		"connector.class": "io.debezium.connector.postgresql.PostgresConnector",
		"database.hostname": postgres.host,
		"database.port": String(postgres.port),
		"database.user": postgres.user,
		"database.password": postgres.password,
		"database.dbname": postgres.database,
		"topic.prefix": "again",
		"plugin.name": "pgoutput",
		"table.include.list": "public.orders",
		"key.converter.schemas.enable": "false",
		"value.converter.schemas.enable": "false",
		"value.converter": "org.apache.kafka.connect.json.JsonConverter",
		"key.converter": "org.apache.kafka.connect.json.JsonConverter",
	});
	const admin = new kafkajs.Kafka({
		brokers: [kafka.bootstrap],
		logLevel: kafkajs.logLevel.NOTHING,
	}).admin();
	await admin.connect();
	const sent = async (): Promise<number> =>
		Number((await admin.fetchTopicOffsets(TOPIC))[0]?.high ?? 0);
	const sentAre = (count: number) =>
		vi.waitFor(async () => expect(await sent()).toBeGreaterThanOrEqual(count), {
			timeout: 120_000,
			interval: 50,
		});
	try {
		await sentAre(1);
		writer = new WriterUnderTest({
			name: "again",
			dir,
			stack,
			source: "postgresql",
			include: ["public.orders"],
			sink: { writeMode: "append" },
			batch: { maxDelay: "300ms" },
		});
		const running = await writer.start();
		// One that is killed before it has stored that its snapshot is done takes another, and rows of a
		// snapshot are never taken for repetitions.
		await vi.waitFor(
			async () =>
				expect(await storedOffset()).toContain('"snapshot_completed":true'),
			{ timeout: 120_000, interval: 200 },
		);
		// Killed before it has stored how far it is, which it does every second.
		let made = 0;
		let again = 0;
		for (let round = 0; round < 5 && again === 0; round++) {
			await source.query(
				`INSERT INTO orders SELECT n, 'row ' || n FROM generate_series(${made + 1}, ${made + ROWS}) n`,
			);
			made += ROWS;
			await sentAre(made + 1);
			await connect?.stop("SIGKILL");
			await connect?.restart();
			await source.query(
				`INSERT INTO orders VALUES (${++made}, 'after the restart')`,
			);
			await sentAre(made + 1);
			await vi.waitFor(
				async () =>
					expect((await rows()).some((row) => row.id === String(made))).toBe(
						true,
					),
				{ timeout: 120_000, interval: 500 },
			);
			again = (await sent()) - made - 1;
		}
		expect(again, "Debezium sent nothing again").toBeGreaterThan(0);
		await sleep(1000);
		const ids = (await rows()).map((row) => Number(row.id));
		expect(ids.sort((a, b) => a - b)).toEqual(
			Array.from({ length: made + 1 }, (_, n) => n),
		);
		expect(await running.metrics()).toMatch(
			new RegExp(`tributary_repeated_changes_total\\{[^}]*\\} ${again}\\n`),
		);
		process.stdout.write(`${again} changes were sent again\n`);
	} finally {
		await admin.disconnect();
		await source.end();
	}
});

async function rows() {
	if (writer === undefined) return [];
	return (await tableRows(writer.lake, "orders"))?.rows ?? [];
}

/** How far the connector is, as it would find it after a start. */
async function storedOffset(): Promise<string> {
	const answer = await fetch(`${connect?.url}/connectors/again/offsets`);
	return await answer.text();
}

async function connector(
	name: string,
	config: Readonly<Record<string, string>>,
): Promise<void> {
	const answer = await fetch(`${connect?.url}/connectors`, {
		method: "POST",
		headers: { "content-type": "application/json" },
		body: JSON.stringify({ name, config }),
	});
	expect(answer.status, await answer.text()).toBe(201);
}
