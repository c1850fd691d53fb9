import { setTimeout as sleep } from "node:timers/promises";
import { ConfigError } from "../errors.ts";
import type { CdcPipeline } from "../resource/cdc-pipeline.ts";
import { type ConnectClient, ConnectError } from "./client.ts";
import { connectorName } from "./debezium.ts";
import { dropReplication } from "./replication-slot.ts";

const STOPPING_MS = 10_000;
const LOOK_MS = 250;

/**
 * Takes a pipeline's connector away; one that is gone is fine. With `source.reclaimPolicy: Delete` also its
 * position, and what it made in PostgreSQL; without, they stay for a pipeline of the same name. What fails
 * half-way can be done again: the connector goes last.
 *
 * @throws ConnectError, SourceCleanupError
 * @throws ConfigError where the URI is needed, and is not there or can't be used
 */
export async function removeConnector(
	client: ConnectClient,
	pipeline: CdcPipeline,
	connectionUri: string | undefined,
): Promise<void> {
	const name = connectorName(pipeline);
	const { source } = pipeline.spec;
	if (source.reclaimPolicy === "Delete") {
		await stopped(client, name);
		if (source.type === "postgresql") {
			if (connectionUri === undefined) throw withoutUri(pipeline);
			await dropReplication(pipeline, connectionUri);
		}
		await client.deleteOffsets(name);
	}
	await client.delete(name);
}

/** Only a stopped connector's offsets can be deleted, and no task may hold the slot. */
async function stopped(client: ConnectClient, name: string): Promise<void> {
	await client.stop(name);
	for (const until = Date.now() + STOPPING_MS; ; await sleep(LOOK_MS)) {
		const status = await client.status(name);
		if (status === undefined) return;
		const { state } = status.connector;
		if (state === "STOPPED" && status.tasks.length === 0) return;
		if (Date.now() >= until)
			throw new ConnectError(
				"CONNECT_FAILED",
				`connector ${name} is told to stop, but is ${state} with ${status.tasks.length} tasks: see the log of Kafka Connect`,
				{ retryable: true },
			);
	}
}

function withoutUri({ metadata, spec }: CdcPipeline): ConfigError {
	const { name, key } = spec.source.connectionSecretRef;
	return new ConfigError(
		`spec.source.reclaimPolicy is Delete, but Secret ${name} with the key ${key} is not in namespace ${metadata.namespace} any more: create it, so that the slot and the publication can be dropped`,
	);
}
