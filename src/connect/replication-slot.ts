import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { messageOf, TributaryError } from "../errors.ts";
import type { CdcPipeline } from "../resource/cdc-pipeline.ts";
import { postgresqlUrl, replicationName } from "./debezium.ts";

/** What a pipeline made in its source could not be taken back. */
export class SourceCleanupError extends TributaryError {
	declare readonly code: "SOURCE_CLEANUP_FAILED";
}

/** A walsender ends a little after its connector. */
const RELEASE_MS = 5_000;
const LOOK_MS = 250;
const IN_USE = "55006";

/**
 * Drops what a pipeline's connector made in PostgreSQL: its replication slot, and its publication unless
 * `publication.autocreate.mode` says that somebody else made it. What is gone is fine. The connector has to
 * be stopped.
 *
 * @throws SourceCleanupError with the server's reason; the URI is not in the message
 * @throws ConfigError for a URI that can't be used
 */
export async function dropReplication(
	pipeline: CdcPipeline,
	uri: string,
): Promise<void> {
	const url = postgresqlUrl(pipeline, uri);
	const name = replicationName(pipeline);
	let client: pg.Client | undefined;
	try {
		client = await connected(url);
		await dropSlot(client, name);
		if (
			pipeline.spec.source.config["publication.autocreate.mode"] !== "disabled"
		)
			await client.query(
				`DROP PUBLICATION IF EXISTS ${client.escapeIdentifier(name)}`,
			);
	} catch (cause) {
		throw new SourceCleanupError(
			"SOURCE_CLEANUP_FAILED",
			`the replication slot and the publication ${name} in PostgreSQL at ${url.host} could not be dropped: ${messageOf(cause)}; the operator needs to reach the server, and the role to own the publication`,
			{ cause, retryable: true },
		);
	} finally {
		// Everything is done by now; how the connection ends changes nothing.
		await client?.end().catch(() => {});
	}
}

async function dropSlot(client: pg.Client, name: string): Promise<void> {
	for (const until = Date.now() + RELEASE_MS; ; await sleep(LOOK_MS))
		try {
			await client.query(
				"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1",
				[name],
			);
			return;
		} catch (error) {
			if (!isInUse(error) || Date.now() >= until) throw error;
		}
}

function isInUse(error: unknown): boolean {
	return error instanceof Error && "code" in error && error.code === IN_USE;
}

/** Speaks TLS as the connector does with the same `sslmode`, whose default is to prefer it. */
async function connected(url: URL): Promise<pg.Client> {
	const mode = url.searchParams.get("sslmode") ?? "prefer";
	const tries: pg.ClientConfig["ssl"][] = {
		disable: [false],
		prefer: [{ rejectUnauthorized: false }, false],
		require: [{ rejectUnauthorized: false }],
		"verify-ca": [{ checkServerIdentity: () => undefined }],
	}[mode] ?? [{}];
	for (const [index, ssl] of tries.entries()) {
		const client = new pg.Client({
			host: url.hostname.replace(/^\[|\]$/g, ""),
			port: url.port === "" ? 5432 : Number(url.port),
			user: decodeURIComponent(url.username),
			password: decodeURIComponent(url.password),
			database: decodeURIComponent(url.pathname.slice(1)),
			connectionTimeoutMillis: 10_000,
			query_timeout: 10_000,
			application_name: "tributary-operator",
			...(ssl !== undefined && { ssl }),
		});
		// A connection that breaks fails the query that waits for it.
		client.on("error", () => {});
		try {
			await client.connect();
			return client;
		} catch (error) {
			await client.end().catch(() => {});
			const last = index === tries.length - 1;
			if (last || !/does not support SSL/.test(messageOf(error))) throw error;
		}
	}
	throw new TypeError("no way to connect");
}
