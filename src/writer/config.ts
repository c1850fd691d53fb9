import type { CdcPipeline, SourceType } from "../resource/cdc-pipeline.ts";
import {
	type KafkaAccess,
	kafkaAccess,
	type SecretReader,
} from "../resource/kafka-access.ts";
import { parseBytes, parseDuration } from "../resource/quantity.ts";
import { signalCollection } from "../resource/signal-collection.ts";
import { storageValues } from "../resource/storage-access.ts";
import {
	type StorageCredentials,
	storageCredentials,
} from "../storage/open.ts";
import type { OnPositionLost } from "./position.ts";
import {
	decimalsOf,
	type SchemaConfig,
	type SchemaRules,
} from "./schema-rules.ts";

export type { SecretReader } from "../resource/kafka-access.ts";

/** All that one writer process needs, with every default filled in. */
export interface WriterConfig {
	/** `namespace.name`; part of what identifies a position in a table. */
	readonly pipeline: string;
	readonly source: SourceType;
	readonly kafka: KafkaConfig;
	readonly location: string;
	readonly credentials: StorageCredentials;
	readonly tablePath: string;
	readonly writeMode: "append" | "upsert";
	readonly history: boolean;
	readonly deletes: "hard" | "soft";
	readonly partitionBy: readonly string[] | undefined;
	/** `DEFAULT_SCHEMA` unless given. */
	readonly schema?: SchemaConfig;
	readonly batch: {
		readonly maxRows: number;
		readonly maxBytes: number;
		readonly maxDelayMs: number;
		/** Of all tables together. */
		readonly maxTotalBytes: number;
	};
	/** Port of health, metrics and status; `undefined` for none. */
	readonly port: number | undefined;
	/** Key indexes of mirrors; in memory unless it says where on disk. */
	readonly index?: IndexConfig;
}

export interface IndexConfig {
	/** A folder of this writer's own on a local disk. */
	readonly folder: string | undefined;
	/** Of all indexes together, bytes. */
	readonly memory: number;
}

export interface KafkaConfig extends KafkaAccess {
	readonly groupId: string;
	/** Topics to consume; the whole name has to match. */
	readonly topics: RegExp;
	/** What topics start with, before schema and table; "" where it is unknown. */
	readonly topicPrefix: string;
	readonly fromBeginning: boolean;
	readonly onPositionLost: OnPositionLost;
	/** How long the group waits for a member that is silent. */
	readonly sessionTimeoutMs: number;
}

/** What all tables may hold before the largest is committed early. */
export const DEFAULT_TOTAL_BYTES = 192 * 2 ** 20;
export const DEFAULT_PORT = 8001;
/** Bytes. */
export const DEFAULT_INDEX_MEMORY = 256 * 2 ** 20;
export const DEFAULT_SESSION_TIMEOUT_MS = 10_000;

/** @throws ConfigError naming the Secret and the key that is missing */
export function writerConfig(
	{ metadata, spec }: CdcPipeline,
	secret: SecretReader,
	options: {
		readonly port?: number | undefined;
		readonly sessionTimeoutMs?: number | undefined;
		readonly index?: IndexConfig | undefined;
	} = {},
): WriterConfig {
	const credentials = sinkCredentials(spec.sink, secret);
	const pipeline = `${metadata.namespace}.${metadata.name}`;
	const prefix = spec.kafka.topicPrefix;
	return {
		pipeline,
		source: spec.source.type,
		kafka: {
			...kafkaAccess(spec.kafka, secret),
			groupId: `tributary.${pipeline}`,
			topics: topicsOf(spec),
			topicPrefix: prefix,
			fromBeginning: true,
			onPositionLost: spec.kafka.onPositionLost,
			sessionTimeoutMs: options.sessionTimeoutMs ?? DEFAULT_SESSION_TIMEOUT_MS,
		},
		location: spec.sink.location,
		credentials,
		tablePath: spec.sink.tablePath,
		writeMode: spec.sink.writeMode,
		history: spec.sink.writeMode === "upsert" && spec.sink.history,
		deletes: spec.sink.deletes,
		partitionBy: spec.sink.partitionBy,
		schema: schemaConfig(spec.sink.schema),
		batch: {
			maxRows: spec.writer.batch.maxRows,
			maxBytes: parseBytes(spec.writer.batch.maxBytes),
			maxDelayMs: parseDuration(spec.writer.batch.maxDelay),
			maxTotalBytes: DEFAULT_TOTAL_BYTES,
		},
		port: options.port,
		...(options.index === undefined ? {} : { index: options.index }),
	};
}

/**
 * What the tables of a pipeline are reached with.
 * @throws ConfigError naming the Secret and the key that is missing
 */
export function sinkCredentials(
	{ storageSecretRef }: CdcPipeline["spec"]["sink"],
	secret: SecretReader,
): StorageCredentials {
	if (storageSecretRef === undefined) return {};
	return storageCredentials(
		storageValues(storageSecretRef.name, secret, "spec.sink.storageSecretRef"),
	);
}

/** What is captured, without the collection in which the connector marks chunks of a snapshot. */
function topicsOf({ source, kafka }: CdcPipeline["spec"]): RegExp {
	const included = `(?:${source.include.map((one) => `(?:${one})`).join("|")})$`;
	const signals = signalCollection(source);
	const marked =
		signals !== undefined && new RegExp(`^${included}`).test(signals)
			? `(?!${escapeRegExp(signals)}$)`
			: "";
	return new RegExp(
		`^${escapeRegExp(kafka.topicPrefix)}\\.${marked}${included}`,
	);
}

function schemaConfig({
	cacheTtl,
	onConflict: _,
	tables,
	decimals,
	...rules
}: CdcPipeline["spec"]["sink"]["schema"]): SchemaConfig {
	const name = "sink.schema.decimals";
	return {
		...rules,
		decimals: decimalsOf(name, decimals),
		cacheTtlMs: parseDuration(cacheTtl),
		tables: tables.map(({ table, decimals, ...own }) => ({
			table: new RegExp(`^(?:${table})$`),
			rules: {
				...(own as Partial<SchemaRules>),
				...(decimals === undefined
					? {}
					: { decimals: decimalsOf(`${name} of ${table}`, decimals) }),
			},
		})),
	};
}

function escapeRegExp(text: string): string {
	return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
