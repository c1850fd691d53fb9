import { ConfigError } from "../errors.ts";
import type { CdcPipeline, SourceType } from "../resource/cdc-pipeline.ts";
import type { KafkaAccess } from "../resource/kafka-access.ts";
import type { ConnectorConfig } from "./client.ts";
import { clientSecurity } from "./client-security.ts";
import type { SignalConfig } from "./signal-config.ts";

/** Connectors of all namespaces share one Connect cluster. */
export function connectorName(pipeline: CdcPipeline): string {
	return `${pipeline.metadata.namespace}.${pipeline.metadata.name}`;
}

const JSON_CONVERTER = "org.apache.kafka.connect.json.JsonConverter";

/**
 * The Debezium configuration of a pipeline. The user's `source.config` wins over defaults, but not
 * over what the pipeline's own fields say and what the writers rely on.
 *
 * @throws ConfigError when the connection URI can't be used; the URI itself is not in the message
 */
export function connectorConfig(
	pipeline: CdcPipeline,
	connectionUri: string,
	signals?: SignalConfig,
	access?: KafkaAccess,
): ConnectorConfig {
	const { source, kafka } = pipeline.spec;
	const { defaults, owned, included } = SOURCES[source.type](
		pipeline,
		connectionUri,
	);
	const history =
		access !== undefined && keepsSchemaHistory(source.type)
			? {
					...clientSecurity(`${SCHEMA_HISTORY}.producer`, access),
					...clientSecurity(`${SCHEMA_HISTORY}.consumer`, access),
				}
			: {};
	return {
		"poll.interval.ms": "100",
		"max.batch.size": "2048",
		"max.queue.size": "16384",
		"heartbeat.interval.ms": "10000",
		"provide.transaction.metadata": "true",
		"tombstones.on.delete": "true",
		"snapshot.mode": source.snapshot.mode,
		"snapshot.fetch.size": String(source.snapshot.fetchSize),
		"snapshot.max.threads": String(source.snapshot.parallelism),
		...defaults,
		...history,
		...signals?.defaults,
		...source.config,
		name: connectorName(pipeline),
		"tasks.max": "1",
		"topic.prefix": kafka.topicPrefix,
		"key.converter": JSON_CONVERTER,
		"value.converter": JSON_CONVERTER,
		...owned,
		...signals?.owned,
		[included]: [
			...source.include,
			...(signals?.collection === undefined
				? []
				: [signals.collection.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")]),
		].join(","),
	};
}

const SCHEMA_HISTORY = "schema.history.internal";

/** Whether the connector keeps the tables' schemas in a topic, which it reads and writes by itself. */
export function keepsSchemaHistory(type: SourceType): boolean {
	return type === "mysql" || type === "mariadb";
}

interface SourceConfig {
	readonly defaults: ConnectorConfig;
	readonly owned: ConnectorConfig;
	/** The property that lists what is captured. */
	readonly included: string;
}

const SOURCES: Readonly<
	Record<SourceType, (pipeline: CdcPipeline, uri: string) => SourceConfig>
> = {
	mongodb,
	postgresql,
	mysql: (pipeline, uri) =>
		binlog(pipeline, uri, {
			type: "mysql",
			connector: "io.debezium.connector.mysql.MySqlConnector",
		}),
	mariadb: (pipeline, uri) =>
		binlog(pipeline, uri, {
			type: "mariadb",
			connector: "io.debezium.connector.mariadb.MariaDbConnector",
		}),
};

function mongodb(pipeline: CdcPipeline, uri: string): SourceConfig {
	if (!/^mongodb(\+srv)?:\/\//.test(uri))
		throw wrongUri(pipeline, "mongodb:// or mongodb+srv://");
	return {
		included: "collection.include.list",
		defaults: { "capture.mode": "change_streams_update_full" },
		owned: {
			"connector.class": "io.debezium.connector.mongodb.MongoDbConnector",
			"mongodb.connection.string": uri,
			// Documents are strings of Extended JSON, which carries the types itself.
			"key.converter.schemas.enable": "false",
			"value.converter.schemas.enable": "false",
		},
	};
}

/** Without their schemas, relational values lose their types: a numeric is base64, a date days. */
const RELATIONAL: ConnectorConfig = {
	"key.converter.schemas.enable": "true",
	"value.converter.schemas.enable": "true",
};

const RELATIONAL_DEFAULTS: ConnectorConfig = {
	"decimal.handling.mode": "precise",
	"time.precision.mode": "adaptive_time_microseconds",
	// Debezium leaves truncates out by itself: a mirror would keep the rows.
	"skipped.operations": "none",
};

function postgresql(pipeline: CdcPipeline, uri: string): SourceConfig {
	const url = postgresqlUrl(pipeline, uri);
	const id = replicationName(pipeline);
	return {
		included: "table.include.list",
		defaults: {
			...RELATIONAL_DEFAULTS,
			"publication.autocreate.mode": "filtered",
		},
		owned: {
			"connector.class": "io.debezium.connector.postgresql.PostgresConnector",
			"database.hostname": url.hostname,
			"database.port": url.port === "" ? "5432" : url.port,
			"database.user": decodeURIComponent(url.username),
			"database.password": decodeURIComponent(url.password),
			"database.dbname": decodeURIComponent(url.pathname.slice(1)),
			...(url.searchParams.get("sslmode") === null
				? {}
				: { "database.sslmode": url.searchParams.get("sslmode") ?? "" }),
			"plugin.name": "pgoutput",
			"slot.name": id,
			"publication.name": id,
			...RELATIONAL,
		},
	};
}

/** MySQL and MariaDB: one protocol, two connectors. */
function binlog(
	pipeline: CdcPipeline,
	uri: string,
	of: { readonly type: "mysql" | "mariadb"; readonly connector: string },
): SourceConfig {
	const url = relational(
		pipeline,
		uri,
		new RegExp(`^${of.type}:$`),
		`${of.type}://`,
	);
	const sslMode = url.searchParams.get("ssl-mode");
	return {
		included: "table.include.list",
		defaults: {
			...RELATIONAL_DEFAULTS,
			// As a long, what is beyond 2^63 would be another number.
			"bigint.unsigned.handling.mode": "precise",
			"include.schema.changes": "false",
			"database.server.id": String(serverId(connectorName(pipeline))),
			[`${SCHEMA_HISTORY}.kafka.bootstrap.servers`]:
				pipeline.spec.kafka.bootstrapServers.join(","),
		},
		owned: {
			"connector.class": of.connector,
			"database.hostname": url.hostname,
			"database.port": url.port === "" ? "3306" : url.port,
			"database.user": decodeURIComponent(url.username),
			"database.password": decodeURIComponent(url.password),
			...(sslMode === null ? {} : { "database.ssl.mode": sslMode }),
			[`${SCHEMA_HISTORY}.kafka.topic`]: `__schema-history.${pipeline.spec.kafka.topicPrefix}`,
			...RELATIONAL,
		},
	};
}

function relational(
	pipeline: CdcPipeline,
	uri: string,
	protocol: RegExp,
	wanted: string,
): URL {
	let url: URL;
	try {
		url = new URL(uri);
	} catch {
		throw wrongUri(pipeline, wanted);
	}
	if (!protocol.test(url.protocol) || url.hostname === "")
		throw wrongUri(pipeline, wanted);
	return url;
}

function wrongUri(pipeline: CdcPipeline, wanted: string): ConfigError {
	const { name, key } = pipeline.spec.source.connectionSecretRef;
	return new ConfigError(
		`key ${key} of Secret ${name} is no connection URI for ${pipeline.spec.source.type}: it has to start with ${wanted} and name a host`,
	);
}

/** @throws ConfigError for a URI that can't be used */
export function postgresqlUrl(pipeline: CdcPipeline, uri: string): URL {
	return relational(pipeline, uri, /^postgres(ql)?:$/, "postgresql://");
}

/** Of the slot and of the publication: lower case, digits and underscores, at most 63. */
export function replicationName(pipeline: CdcPipeline): string {
	const name = connectorName(pipeline);
	const safe = `tributary_${name.toLowerCase().replace(/[^a-z0-9_]/g, "_")}`;
	return safe.length <= 63
		? safe
		: `${safe.slice(0, 54)}_${serverId(name).toString(16).padStart(8, "0")}`;
}

/** A number that a replica's id can be, the same for the same name (FNV-1a). */
function serverId(name: string): number {
	let hash = 0x811c9dc5;
	for (const byte of Buffer.from(name))
		hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
	return (hash % 0x7fff_fffe) + 1;
}
