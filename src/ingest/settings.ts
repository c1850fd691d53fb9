import { type DataType, field } from "../columnar/types.ts";
import type { FileIngestion } from "../resource/file-ingestion.ts";
import type { SecretReader } from "../resource/kafka-access.ts";
import { parseBytes, parseDuration } from "../resource/quantity.ts";
import { storageValues } from "../resource/storage-access.ts";
import {
	type StorageCredentials,
	storageCredentials,
} from "../storage/open.ts";
import type { IngestConfig } from "./config.ts";

/** Files that are tried again so soon are waited for by the run that they failed in. Milliseconds. */
const WAIT_MS = 60_000;

/**
 * How the worker of a `FileIngestion` runs.
 * @throws ConfigError naming the Secret and the key that is missing
 */
export function ingestConfig(
	{ metadata, spec }: FileIngestion,
	secret: SecretReader,
): IngestConfig {
	const { source, format, sink, worker, retry } = spec;
	const { columns, ...rules } = sink.schema;
	return {
		id: `${metadata.namespace}.${metadata.name}`,
		source: {
			location: source.location,
			credentials: credentialsOf(source, secret, "spec.source"),
		},
		selection: {
			prefix: source.prefix,
			suffix: source.suffix,
			include: source.include,
			exclude: [...source.exclude, ...ownTable(source.location, sink.location)],
			modifiedAfterMs: timeOf(source.modifiedAfter),
			modifiedBeforeMs: timeOf(source.modifiedBefore),
			minAgeMs: parseDuration(source.minAge),
		},
		format,
		rules: {
			...rules,
			columns: columns.map(({ name, type }) => field(name, type as DataType)),
		},
		sink: {
			location: sink.location,
			credentials: credentialsOf(sink, secret, "spec.sink"),
			partitionBy: sink.partitionBy,
			properties: sink.properties,
		},
		commit: {
			maxFiles: worker.commit.maxFiles,
			maxBytes: parseBytes(worker.commit.maxBytes),
		},
		parallelism: worker.parallelism,
		batchBytes: parseBytes(worker.batchSize),
		retry: {
			limit: retry.limit,
			delayMs: parseDuration(retry.delay),
			waitMs: WAIT_MS,
		},
		staleMs: parseDuration(spec.staleAfter),
		intervalMs: parseDuration(spec.interval),
		schedule: spec.schedule,
	};
}

function credentialsOf(
	{
		storageSecretRef,
	}: { readonly storageSecretRef?: { name: string } | undefined },
	secret: SecretReader,
	where: string,
): StorageCredentials {
	return storageSecretRef === undefined
		? {}
		: storageCredentials(
				storageValues(
					storageSecretRef.name,
					secret,
					`${where}.storageSecretRef`,
				),
			);
}

/** A table that lies below the source is no source of itself. */
function ownTable(source: string, sink: string): string[] {
	const root = `${source.replace(/\/+$/, "")}/`;
	if (!sink.startsWith(root)) return [];
	const path = sink.slice(root.length).replace(/\/+$/, "");
	return [`${path.replace(/[*?[\]{}\\,]/g, "\\$&")}/**`];
}

function timeOf(text: string | undefined): number | undefined {
	return text === undefined ? undefined : Date.parse(text);
}
