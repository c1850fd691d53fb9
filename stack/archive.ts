import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Kafka, logLevel } from "kafkajs";
import { startConnect, startKafka } from "./kafka.ts";

/**
 * archive.ts kafka|connect FILE: starts the component, lets it do a little of what it does in tests, and
 * leaves an archive of the classes which that took.
 */
const [component, file = ""] = process.argv.slice(2);
const dir = mkdtempSync(join(tmpdir(), "tributary-archive-"));
try {
	if (component === "connect") await archiveConnect();
	else await archiveKafka();
} finally {
	rmSync(dir, { recursive: true, force: true });
}

async function archiveKafka(): Promise<void> {
	const kafka = await startKafka({ dir, archiveTo: file });
	const client = new Kafka({
		brokers: [kafka.bootstrap],
		logLevel: logLevel.NOTHING,
	});
	const producer = client.producer({
		transactionalId: "archive",
		idempotent: true,
		maxInFlightRequests: 1,
	});
	const consumer = client.consumer({ groupId: "archive" });
	await producer.connect();
	const transaction = await producer.transaction();
	await transaction.send({ topic: "archive", messages: [{ value: "one" }] });
	await transaction.commit();
	await consumer.connect();
	await consumer.subscribe({ topic: "archive", fromBeginning: true });
	const { promise: read, resolve } = Promise.withResolvers<void>();
	await consumer.run({ eachMessage: async () => resolve() });
	await read;
	await consumer.disconnect();
	await producer.disconnect();
	await kafka.stop();
}

async function archiveConnect(): Promise<void> {
	const kafka = await startKafka({ dir });
	const { bootstrap } = kafka;
	const connect = await startConnect({ dir, bootstrap, archiveTo: file });
	// Refused, because it has no settings: what answers is what matters.
	await fetch(
		`${connect.url}/connector-plugins/MongoDbConnector/config/validate`,
		{
			method: "PUT",
			headers: { "content-type": "application/json" },
			body: JSON.stringify({ "connector.class": "MongoDbConnector" }),
		},
	);
	await connect.stop();
	await kafka.stop();
}
