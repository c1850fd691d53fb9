import { readFileSync } from "node:fs";
import { MAX_DEPTH } from "../change/row-options.ts";
import { ConfigError, messageOf } from "../errors.ts";
import { saslConfig } from "../resource/kafka-sasl.ts";
import { bytesQuantity, parseBytes } from "../resource/quantity.ts";
import { storageCredentials } from "../storage/open.ts";
import {
	DEFAULT_INDEX_MEMORY,
	DEFAULT_PORT,
	DEFAULT_SESSION_TIMEOUT_MS,
	DEFAULT_TOTAL_BYTES,
	type IndexConfig,
	type WriterConfig,
} from "./config.ts";
import {
	DEFAULT_SCHEMA,
	decimalsOf,
	type SchemaConfig,
	type SchemaRules,
} from "./schema-rules.ts";

/** Every environment variable of a writer that runs alone, without a `CdcPipeline`. */
export const ENVIRONMENT = {
	KAFKA_BOOTSTRAP_SERVERS: "brokers as host:port, comma-separated (required)",
	KAFKA_CONSUMER_GROUP: "consumer group (tributary)",
	KAFKA_TOPIC_PATTERN:
		"regular expression that a whole topic name has to match (required)",
	KAFKA_AUTO_OFFSET_RESET:
		"earliest (default) or latest, for a partition that no table has a position of",
	KAFKA_ON_POSITION_LOST:
		"what to do when Kafka no longer has the changes that a table needs next: stop that partition (default), or continue with what there is",
	KAFKA_MAX_POLL_RECORDS:
		"rows after which a table is committed, if lower than DELTA_BATCH_SIZE",
	MINIO_ENDPOINT:
		"endpoint of an S3 store other than AWS, such as http://minio:9000",
	MINIO_ACCESS_KEY: "access key id",
	MINIO_SECRET_KEY: "secret access key",
	MINIO_BUCKET:
		"bucket; without it DELTA_TABLE_BASE_PATH is the whole location",
	DELTA_TABLE_BASE_PATH:
		"prefix in the bucket, or s3:// or file:// location of the tables",
	KAFKA_SSL: "true to speak TLS with the brokers (false)",
	KAFKA_SSL_CA:
		"certificate authority of the brokers: a PEM file, or the text of one; it implies KAFKA_SSL",
	KAFKA_SASL_MECHANISM:
		"plain, scram-sha-256, scram-sha-512 or oauthbearer; none without it",
	KAFKA_SASL_USERNAME: "for plain and scram",
	KAFKA_SASL_PASSWORD: "for plain and scram",
	KAFKA_SASL_TOKEN_ENDPOINT_URL:
		"for oauthbearer: where tokens are had by client credentials",
	KAFKA_SASL_CLIENT_ID: "for oauthbearer",
	KAFKA_SASL_CLIENT_SECRET: "for oauthbearer",
	KAFKA_SASL_SCOPE: "for oauthbearer: the scope to ask for, if any",
	DELTA_WRITE_MODE: "append (default) or upsert",
	DELTA_PARTITION_BY:
		"partition columns, comma-separated (_ingestion_date with append)",
	DELTA_SCHEMA_CONTRACT:
		"what a table does about fields and types that it does not have: evolve (default), rescue or freeze; for single tables after a comma, such as evolve,shop.orders=freeze",
	DELTA_DOCUMENTS:
		"what nested documents and arrays become: columns (default), variant or json",
	DELTA_MAX_DEPTH:
		"levels of nesting that become columns, or parts of a variant; what lies deeper is JSON (32, the most)",
	DELTA_DECIMALS:
		"what MongoDB's Decimal128 becomes: string (default) or a number, such as decimal(38,10)",
	DELTA_SCHEMA_CACHE_TTL:
		"seconds for which a table's schema is trusted without a look at the table (300); every commit checks it",
	DELTA_BATCH_SIZE: "rows after which a table is committed (50000)",
	DELTA_MAX_PENDING_BYTES:
		"bytes of changes that all tables may hold together (201326592): at half of it the largest are committed early, at all of it no more is read",
	DELTA_BATCH_TIMEOUT_MS: "longest wait of a change for its commit (5000)",
	SOURCE_TYPE: "mongodb (default), postgresql, mysql or mariadb",
	LOG_LEVEL: "debug, info (default), warn or error",
	TRIBUTARY_KAFKA_SESSION_TIMEOUT_MS:
		"how long a killed writer holds its partitions (10000); at least 1000, and the brokers' group.min.session.timeout.ms",
	KEY_INDEX_DIR:
		"folder on a local disk for the key indexes of mirrors; in memory without it",
	KEY_INDEX_MEMORY:
		"memory of all key indexes together, such as 256Mi (default)",
	METRICS_PORT: "port of health, metrics and status (8001)",
} as const;

type Environment = Readonly<Record<string, string | undefined>>;

/** Milliseconds. @throws ConfigError when it is no number from 1000 to 1800000 */
export function sessionTimeoutFromEnvironment(env: Environment): number {
	const text = env.TRIBUTARY_KAFKA_SESSION_TIMEOUT_MS;
	if (text === undefined || text === "") return DEFAULT_SESSION_TIMEOUT_MS;
	const value = Number(text);
	if (!/^\d+$/.test(text) || value < 1000 || value > 1_800_000)
		throw new ConfigError(
			`TRIBUTARY_KAFKA_SESSION_TIMEOUT_MS=${text} is not a number of milliseconds from 1000 to 1800000`,
		);
	return value;
}

/** @throws ConfigError when the memory is no size */
export function indexFromEnvironment(env: Environment): IndexConfig {
	const text = env.KEY_INDEX_MEMORY;
	if (
		text !== undefined &&
		text !== "" &&
		!bytesQuantity.safeParse(text).success
	)
		throw new ConfigError(`KEY_INDEX_MEMORY=${text} is no size such as 256Mi`);
	const memory =
		text === undefined || text === "" ? DEFAULT_INDEX_MEMORY : parseBytes(text);
	const folder = env.KEY_INDEX_DIR;
	return { folder: folder === "" ? undefined : folder, memory };
}

/** @throws ConfigError naming the variable, its value and what is allowed */
export function writerConfigFromEnvironment(env: Environment): WriterConfig {
	const need = (name: keyof typeof ENVIRONMENT): string => {
		const value = env[name];
		if (value === undefined || value === "")
			throw new ConfigError(`${name} is not set: ${ENVIRONMENT[name]}`);
		return value;
	};
	const whole = (name: keyof typeof ENVIRONMENT, otherwise: number): number => {
		const text = env[name];
		if (text === undefined || text === "") return otherwise;
		if (!/^[1-9]\d{0,9}$/.test(text))
			throw new ConfigError(`${name}=${text} is not a positive whole number`);
		return Number(text);
	};
	const choice = <const T extends string>(
		name: keyof typeof ENVIRONMENT,
		allowed: readonly T[],
		otherwise: T,
	): T => {
		const text = env[name];
		if (text === undefined || text === "") return otherwise;
		const found = allowed.find((one) => one === text);
		if (found === undefined)
			throw new ConfigError(`${name}=${text} is none of ${allowed.join(", ")}`);
		return found;
	};
	const pattern = need("KAFKA_TOPIC_PATTERN");
	let topics: RegExp;
	try {
		topics = new RegExp(`^(?:${pattern})$`);
	} catch (cause) {
		throw new ConfigError(
			`KAFKA_TOPIC_PATTERN=${pattern} is no regular expression`,
			{ cause },
		);
	}
	const base = need("DELTA_TABLE_BASE_PATH");
	const depth = whole("DELTA_MAX_DEPTH", MAX_DEPTH);
	if (depth > MAX_DEPTH)
		throw new ConfigError(
			`DELTA_MAX_DEPTH=${depth} is more than the ${MAX_DEPTH} levels of columns that a table can have`,
		);
	const bucket = env.MINIO_BUCKET ?? "";
	const groupId = env.KAFKA_CONSUMER_GROUP ?? "tributary";
	const rows = whole("DELTA_BATCH_SIZE", 50_000);
	return {
		pipeline: groupId,
		source: choice(
			"SOURCE_TYPE",
			["mongodb", "postgresql", "mysql", "mariadb"],
			"mongodb",
		),
		kafka: {
			brokers: need("KAFKA_BOOTSTRAP_SERVERS")
				.split(",")
				.map((one) => one.trim()),
			groupId,
			topics,
			topicPrefix: "",
			fromBeginning:
				choice(
					"KAFKA_AUTO_OFFSET_RESET",
					["earliest", "latest"],
					"earliest",
				) === "earliest",
			onPositionLost: choice(
				"KAFKA_ON_POSITION_LOST",
				["stop", "continue"],
				"stop",
			),
			sessionTimeoutMs: sessionTimeoutFromEnvironment(env),
			ssl: sslFromEnvironment(
				env,
				choice("KAFKA_SSL", ["true", "false"], "false"),
			),
			sasl:
				(env.KAFKA_SASL_MECHANISM ?? "") === ""
					? undefined
					: saslConfig(
							(key) =>
								env[`KAFKA_SASL_${key.replaceAll(".", "_").toUpperCase()}`],
							"the environment (KAFKA_SASL_…)",
						),
		},
		location:
			bucket === "" || /^[a-z0-9]+:\/\//.test(base)
				? base
				: `s3://${bucket}/${base.replace(/^\/+/, "")}`,
		credentials: storageCredentials({
			...env,
			...(env.MINIO_ENDPOINT === undefined
				? {}
				: { AWS_ENDPOINT_URL: endpoint(env.MINIO_ENDPOINT) }),
			...(env.MINIO_ACCESS_KEY === undefined
				? {}
				: { AWS_ACCESS_KEY_ID: env.MINIO_ACCESS_KEY }),
			...(env.MINIO_SECRET_KEY === undefined
				? {}
				: { AWS_SECRET_ACCESS_KEY: env.MINIO_SECRET_KEY }),
		}),
		tablePath: "{table}",
		writeMode: choice("DELTA_WRITE_MODE", ["append", "upsert"], "append"),
		history: false,
		deletes: "hard",
		partitionBy:
			env.DELTA_PARTITION_BY === undefined
				? undefined
				: env.DELTA_PARTITION_BY.split(",")
						.map((one) => one.trim())
						.filter((one) => one !== ""),
		schema: {
			...DEFAULT_SCHEMA,
			...contracts(env.DELTA_SCHEMA_CONTRACT),
			documents: choice(
				"DELTA_DOCUMENTS",
				["columns", "variant", "json"],
				"columns",
			),
			maxDepth: depth,
			decimals: decimalsOf("DELTA_DECIMALS", env.DELTA_DECIMALS ?? "string"),
			cacheTtlMs: whole("DELTA_SCHEMA_CACHE_TTL", 300) * 1000,
		},
		batch: {
			maxRows: Math.min(rows, whole("KAFKA_MAX_POLL_RECORDS", rows)),
			maxBytes: 64 * 2 ** 20,
			maxDelayMs: whole("DELTA_BATCH_TIMEOUT_MS", 5000),
			maxTotalBytes: whole("DELTA_MAX_PENDING_BYTES", DEFAULT_TOTAL_BYTES),
		},
		port: whole("METRICS_PORT", DEFAULT_PORT),
		index: indexFromEnvironment(env),
	};
}

/** @throws ConfigError for a contract that is none, or a table that is no regular expression */
function contracts(
	text = "",
): Partial<Pick<SchemaConfig, "contract" | "tables">> {
	const wrong = (part: string, why: string, cause?: unknown): ConfigError =>
		new ConfigError(`DELTA_SCHEMA_CONTRACT=${text}: ${part} ${why}`, { cause });
	const contractOf = (part: string): SchemaRules["contract"] => {
		switch (part) {
			case "evolve":
			case "rescue":
			case "freeze":
				return part;
			default:
				throw wrong(part, "is none of evolve, rescue, freeze");
		}
	};
	const parts = text.split(",").map((one) => one.trim());
	const all = parts.filter((one) => one !== "" && !one.includes("="));
	if (all.length > 1) throw wrong(all[1] ?? "", "is a second contract for all");
	return {
		contract: contractOf(all[0] ?? DEFAULT_SCHEMA.contract),
		tables: parts
			.filter((one) => one.includes("="))
			.map((part) => {
				const at = part.lastIndexOf("=");
				const rules = { contract: contractOf(part.slice(at + 1)) };
				try {
					return { table: new RegExp(`^(?:${part.slice(0, at)})$`), rules };
				} catch (cause) {
					throw wrong(part, "has no regular expression before the =", cause);
				}
			}),
	};
}

/** MinIO's own settings name hosts without a scheme. */
function endpoint(text: string): string {
	return /^https?:\/\//.test(text) ? text : `http://${text}`;
}

/** @throws ConfigError when the certificates can't be read */
function sslFromEnvironment(
	env: Environment,
	wanted: "true" | "false",
): boolean | { readonly ca: readonly string[] } {
	const given = env.KAFKA_SSL_CA ?? "";
	if (given === "") return wanted === "true";
	if (given.includes("-----BEGIN")) return { ca: [given] };
	try {
		return { ca: [readFileSync(given, "utf8")] };
	} catch (cause) {
		throw new ConfigError(
			`KAFKA_SSL_CA=${given} can't be read: ${messageOf(cause)}`,
			{ cause },
		);
	}
}
