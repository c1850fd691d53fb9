import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { join } from "node:path";
import { ConfigError } from "../../errors.ts";
import type { IngestContext } from "../../ingest/context.ts";
import type { Database } from "../../ingest/database.ts";
import { openEmbedded } from "../../ingest/embedded.ts";
import { migrate } from "../../ingest/migrations.ts";
import { openPostgres } from "../../ingest/postgres.ts";
import { registerIngestion } from "../../ingest/runs.ts";
import { ingestConfig } from "../../ingest/settings.ts";
import { releaseClaims } from "../../ingest/state.ts";
import type { Logger } from "../../observe/log.ts";
import {
	type FileIngestion,
	fileIngestion,
} from "../../resource/file-ingestion.ts";
import { needSecret, type SecretReader } from "../../resource/kafka-access.ts";
import { openStore } from "../../storage/open.ts";
import { parseResource, readResourceFiles } from "../resource-file.ts";
import { engineOn } from "../table/open.ts";

/** The variable that says where the state is: a folder, or a PostgreSQL URL. */
export const STATE_VARIABLE = "TRIBUTARY_INGEST_STATE";

export interface OpenedIngestion {
	readonly ingestion: FileIngestion;
	readonly context: IngestContext;
	/** Of the HTTP API. */
	readonly token: string | undefined;
	close(): Promise<void>;
}

/**
 * Everything that an ingestion's file names, opened.
 * @throws ConfigError for what is wrong in the file, StateError
 */
export async function openIngestion(
	files: readonly string[],
	options: { readonly state: string | undefined; readonly log: Logger },
): Promise<OpenedIngestion> {
	const { ingestion, secret } = readIngestion(files);
	const config = ingestConfig(ingestion, secret);
	const source = openStore(config.source.location, config.source.credentials);
	const engine = engineOn(
		openStore(config.sink.location, config.sink.credentials),
		config.sink.credentials,
	);
	const { tokenSecretRef } = ingestion.spec.api;
	const token =
		tokenSecretRef &&
		needSecret(
			secret,
			tokenSecretRef.name,
			tokenSecretRef.key,
			"spec.api.tokenSecretRef",
		).trim();
	const db = await openState(ingestion, secret, options.state);
	try {
		await migrate(db);
		await registerIngestion(db, {
			id: config.id,
			source: source.url,
			target: engine.store.url,
		});
		// The folder is this process's alone; a pod's name is one pod's at a time.
		const before = db.shared ? podPrefix() : undefined;
		if (!db.shared || before !== undefined)
			await releaseClaims(db, config.id, before);
	} catch (error) {
		await db.close();
		throw error;
	}
	return {
		ingestion,
		context: {
			config,
			source,
			engine,
			db,
			worker: `${podPrefix() ?? `${hostname()}/`}${process.pid}/${randomUUID().slice(0, 8)}`,
			log: options.log,
		},
		token,
		close: () => db.close(),
	};
}

/** What workers of this pod, a StatefulSet's, are called, before a restart too. */
function podPrefix(): string | undefined {
	const { POD_NAME } = process.env;
	return POD_NAME === undefined || POD_NAME === "" ? undefined : `${POD_NAME}/`;
}

/** @throws ConfigError unless there is one in the files, and all in it is right */
export function readIngestion(files: readonly string[]): {
	readonly ingestion: FileIngestion;
	readonly secret: SecretReader;
} {
	const { documents, secret } = readResourceFiles(
		files,
		"FileIngestion",
		process.env,
	);
	const [document, more] = documents;
	if (document === undefined || more !== undefined)
		throw new ConfigError(
			`${files.join(", ")} has ${documents.length} FileIngestions: tributary ingest takes one`,
		);
	return {
		ingestion: parseResource(fileIngestion, document.content, document.where),
		secret,
	};
}

async function openState(
	{ metadata, spec }: FileIngestion,
	secret: SecretReader,
	flag: string | undefined,
): Promise<Database> {
	const given = flag ?? process.env[STATE_VARIABLE];
	if (given !== undefined && given !== "")
		return /^postgres(?:ql)?:/.test(given)
			? openPostgres(given)
			: await openEmbedded(given);
	const { connectionSecretRef } = spec.state;
	if (connectionSecretRef !== undefined)
		return openPostgres(
			needSecret(
				secret,
				connectionSecretRef.name,
				connectionSecretRef.key,
				"spec.state.connectionSecretRef",
			).trim(),
		);
	return await openEmbedded(
		join(".tributary", "ingest", `${metadata.namespace}.${metadata.name}`),
	);
}
