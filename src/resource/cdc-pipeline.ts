import { z } from "zod";
import { API_VERSION } from "./api.ts";
import { pipelineActions } from "./cdc-pipeline-actions.ts";
import { crossFieldRules, PIPELINE_NAME } from "./cdc-pipeline-rules.ts";
import { maintenance } from "./maintenance.ts";
import {
	objectName,
	STORAGE_SECRET,
	secretKeyRef,
	secretRef,
} from "./names.ts";
import { bytesQuantity, durationText } from "./quantity.ts";
import { refinement } from "./rules.ts";
import { scheduling } from "./scheduling.ts";

const snapshot = z.strictObject({
	mode: z
		.enum(["initial", "always", "initial_only", "no_data", "when_needed"])
		.default("initial")
		.describe("Debezium's snapshot.mode."),
	parallelism: z
		.int()
		.min(1)
		.max(64)
		.default(4)
		.describe("Debezium's snapshot.max.threads."),
	fetchSize: z
		.int()
		.min(1)
		.max(1_000_000)
		.default(10_000)
		.describe("Debezium's snapshot.fetch.size."),
});

const source = z
	.strictObject({
		type: z
			.enum(["mongodb", "postgresql", "mysql", "mariadb"])
			.describe("The kind of database. It can't be changed."),
		connectionSecretRef: secretKeyRef.describe(
			"The connection URI of the database: mongodb://…, postgresql://…, mysql://… or mariadb://…. With `?ssl-mode=` the last two take Debezium's database.ssl.mode, as PostgreSQL takes `?sslmode=`.",
		),
		include: z
			.array(z.string().min(1).max(512))
			.min(1)
			.max(1000)
			.describe(
				"What to capture: database.collection (MongoDB), schema.table (PostgreSQL), database.table (MySQL, MariaDB). Each is a regular expression, anchored at both ends.",
			),
		snapshot: snapshot
			.prefault({})
			.describe("How Debezium reads what is there before the first change."),
		signalCollection: z
			.string()
			.max(512)
			.regex(/^[^\s.,"]+\.[^\s,"]+$/, "must be database.collection")
			.optional()
			.describe(
				"MongoDB, MySQL, MariaDB: where an incremental snapshot marks its chunks; the source's user must be able to write there. MongoDB's default is tributary.signals, or tributary_signals in the database of capture.target. Without it MySQL needs GTIDs, which MariaDB always has; PostgreSQL never needs it.",
			),
		reclaimPolicy: z
			.enum(["Retain", "Delete"])
			.default("Retain")
			.describe(
				"What a deleted pipeline leaves behind. Retain: the connector's position, and PostgreSQL's slot and publication, so that a pipeline of the same name goes on; the slot holds back WAL meanwhile. Delete: they are dropped, and such a pipeline reads everything anew. Tables and topics stay either way.",
			),
		config: z
			.record(z.string(), z.string())
			.default({})
			.describe(
				"Further Debezium connector properties; they win over the defaults, but not over what Tributary has to own.",
			),
	})
	.describe("The operational database.");

const kafka = z
	.strictObject({
		bootstrapServers: z
			.array(z.string().min(1).max(255))
			.min(1)
			.max(100)
			.describe("Brokers to start from, as host:port."),
		connectUrl: z
			.url({ protocol: /^https?$/ })
			.max(2048)
			.describe("The REST API of Kafka Connect, such as http://connect:8083."),
		connectSecretRef: secretRef
			.optional()
			.describe(
				"A Secret with what Kafka Connect asks for: username and password (basic authentication), and ca.crt, the authority (PEM) that signed the certificate of an https connectUrl.",
			),
		topicPrefix: z
			.string()
			.min(1)
			.max(100)
			.regex(/^[A-Za-z0-9._-]+$/, "must be letters, digits, '.', '_' or '-'")
			.describe(
				"Debezium's topic.prefix: the first part of every topic of this pipeline. It can't be changed.",
			),
		onPositionLost: z
			.enum(["stop", "continue"])
			.default("stop")
			.describe(
				"What to do when Kafka no longer has the changes that a table needs next, or a topic was made anew: stop that partition, or continue with what there is.",
			),
		tls: z.boolean().default(false).describe("Speak TLS with the brokers."),
		caSecretRef: secretKeyRef
			.optional()
			.describe(
				"The certificate authority (PEM) that signed the brokers' certificates.",
			),
		saslSecretRef: secretRef
			.optional()
			.describe(
				"A Secret with the key mechanism: plain, scram-sha-256 or scram-sha-512 with username and password, or oauthbearer with token.endpoint.url, client.id, client.secret and, where wanted, scope.",
			),
	})
	.describe(
		"The Kafka cluster, and the Kafka Connect cluster that runs Debezium.",
	);

const contract = z.enum(["evolve", "rescue", "freeze"]);
const onNewColumn = z.enum(["add", "rescue"]);
const onWiden = z.enum(["widen", "rescue"]);

const INSTEAD = "In place of the one for all tables.";

const documents = z.enum(["columns", "variant", "json"]);
const maxDepth = z.int().min(0).max(32);

/** Of at most 38 digits, so many of them behind the point. */
const DECIMALS =
	/^(string|decimal\(([1-9]|[12][0-9]|3[0-8]),([0-9]|[12][0-9]|3[0-8])\))$/;
const decimals = z
	.string()
	.max(32)
	.regex(
		DECIMALS,
		"must be string or decimal(precision,scale) of at most 38 digits, such as decimal(38,10)",
	);

function isRegExp(text: string): boolean {
	try {
		return new RegExp(text) instanceof RegExp;
	} catch {
		return false;
	}
}

const sink = z
	.strictObject({
		location: z
			.string()
			.max(1024)
			.regex(/^(s3|file):\/\/.+/, "must start with s3:// or file://")
			.describe(
				"Where the tables live: s3://bucket/prefix, or file:///folder for one machine.",
			),
		storageSecretRef: secretRef.optional().describe(STORAGE_SECRET),
		tablePath: z
			.string()
			.min(1)
			.max(256)
			.default("{table}")
			.describe(
				"The folder of a table below the location; {schema} and {table} are replaced.",
			),
		writeMode: z
			.enum(["append", "upsert"])
			.default("upsert")
			.describe(
				"append keeps the history of changes, upsert mirrors the source by key.",
			),
		history: z
			.boolean()
			.default(false)
			.describe(
				"With upsert: also keep the history of changes, in a table beside the mirror whose path ends in _history.",
			),
		deletes: z
			.enum(["hard", "soft"])
			.default("hard")
			.describe(
				"With upsert: remove a deleted row, or keep it with _deleted set.",
			),
		partitionBy: z
			.array(z.string().min(1).max(255))
			.max(8)
			.optional()
			.describe(
				"Partition columns; append partitions by _ingestion_date unless this says otherwise. A table that is there keeps those that it was made with.",
			),
		clusterBy: z
			.array(z.string().min(1).max(255))
			.max(4)
			.default([])
			.describe(
				"Columns that compaction puts rows in order by, unless maintenance.optimize.zOrderBy names others.",
			),
		schema: z
			.strictObject({
				contract: contract
					.default("evolve")
					.describe(
						"What a table does about fields and types that it does not have. evolve: what onNewColumn and onWiden say. rescue: they go to _rescued_data. freeze: the record is a dead letter. The first batch of a new table makes its schema.",
					),
				onNewColumn: onNewColumn
					.default("add")
					.describe(
						"With contract evolve: a field that the table has no column for.",
					),
				onWiden: onWiden
					.default("widen")
					.describe(
						"With contract evolve: a value that only a wider type of its column holds: widen the column by Delta's type widening, or rescue the value.",
					),
				onConflict: z
					.enum(["rescue"])
					.default("rescue")
					.describe(
						"A value that its column can't be widened for: it goes to _rescued_data.",
					),
				documents: documents
					.default("columns")
					.describe(
						"What nested documents and arrays become: struct and array columns, a variant, or JSON text. _id is columns always.",
					),
				maxDepth: maxDepth
					.default(32)
					.describe(
						"Levels of nesting that become columns, or parts of a variant; what lies deeper is JSON text.",
					),
				decimals: decimals
					.default("string")
					.describe(
						"What MongoDB's Decimal128 becomes: string keeps its exact text; decimal(precision,scale) makes a number of it, and rescues what has no place there, such as NaN. A column of decimals that a table has already takes them as numbers either way, one of strings as texts. _id is text always.",
					),
				cacheTtl: durationText
					.default("300s")
					.describe(
						"How long a table's schema is trusted without a look at the table. Every commit checks it, whatever this says.",
					),
				tables: z
					.array(
						z.strictObject({
							table: z
								.string()
								.min(1)
								.max(512)
								.refine(isRegExp, "must be a regular expression")
								.describe(
									"schema.table of the source, a regular expression that the whole name has to match.",
								),
							contract: contract.optional().describe(INSTEAD),
							onNewColumn: onNewColumn.optional().describe(INSTEAD),
							onWiden: onWiden.optional().describe(INSTEAD),
							documents: documents.optional().describe(INSTEAD),
							maxDepth: maxDepth.optional().describe(INSTEAD),
							decimals: decimals.optional().describe(INSTEAD),
						}),
					)
					.max(1000)
					.default([])
					.describe(
						"Other rules for single tables; the first entry that matches counts.",
					),
			})
			.prefault({})
			.describe("What to do with values that the table does not fit yet."),
	})
	.describe("The Delta tables.");

const writer = z
	.strictObject({
		replicas: z
			.int()
			.min(0)
			.max(100)
			.default(1)
			.describe("Writer pods; partitions are shared among them."),
		batch: z
			.strictObject({
				maxRows: z
					.int()
					.min(1)
					.max(10_000_000)
					.default(50_000)
					.describe("Rows after which a table is committed."),
				maxBytes: bytesQuantity
					.default("64Mi")
					.describe("Bytes of input after which a table is committed."),
				maxDelay: durationText
					.default("5s")
					.describe("Longest wait of a change for its commit."),
			})
			.prefault({})
			.describe("When a batch is committed: whichever comes first."),
		resources: z
			.strictObject({
				cpu: z
					.string()
					.max(20)
					.regex(/^[0-9]+(\.[0-9]+)?m?$/, "must be CPUs such as 500m or 2")
					.default("1")
					.describe("CPU that is requested."),
				memory: bytesQuantity
					.default("1Gi")
					.describe("Memory that is requested, and the limit."),
			})
			.prefault({})
			.describe("Resources of each writer pod."),
		keyIndex: z
			.strictObject({
				size: bytesQuantity
					.default("10Gi")
					.describe(
						"Disk of each writer pod: some 50 bytes for each key of its shards, more for long keys.",
					),
				storageClassName: z
					.string()
					.max(253)
					.regex(
						/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/,
						"must be the name of a StorageClass",
					)
					.optional()
					.describe(
						"With it the disk is a persistent volume and outlives the pod; without it the node's, and a pod that is made anew reads the keys of its tables once. It can't be changed.",
					),
				memory: bytesQuantity
					.default("256Mi")
					.describe(
						"Memory for all key indexes of a pod together; it is part of resources.memory. With 24 bytes for each key of its shards, and a quarter more, a change costs the same in a table of any size.",
					),
			})
			.prefault({})
			.describe(
				"With upsert: where each writer keeps what row a key has. It can always be made again from the tables.",
			),
		scheduling: scheduling.describe(
			"Where the pods run, and those of Jobs that look after the tables.",
		),
		serviceAccountAnnotations: z
			.record(z.string().max(317), z.string().max(1024))
			.default({})
			.describe(
				"Annotations of the pods' ServiceAccount, such as eks.amazonaws.com/role-arn: the identity that storage sees where there is no storageSecretRef.",
			),
	})
	.describe("The pods that consume Kafka and write Delta.");

export const cdcPipelineSpec = z
	.strictObject({
		state: z
			.enum(["running", "paused", "stopped"])
			.default("running")
			.describe(
				"running; paused: connector paused and writers at rest; stopped: connector stopped and no writers.",
			),
		source,
		kafka,
		sink,
		writer: writer.prefault({}),
		maintenance: maintenance
			.prefault({})
			.describe(
				"Compaction and clean-up of all tables below sink.location, by CronJobs. A table's DeltaTable can have other settings.",
			),
		actions: pipelineActions.optional(),
	})
	.superRefine(refinement(crossFieldRules))
	.describe(
		"The source, the way through Kafka, the tables, and who writes them.",
	);

/** So short that every name made from it fits a Kubernetes label. */
const pipelineName = z
	.string()
	.regex(
		PIPELINE_NAME,
		"must be at most 45 lower-case letters, digits or '-', and start with a letter",
	);

export const objectMeta = z.looseObject({
	name: pipelineName,
	namespace: objectName.default("default"),
});

/** A `CdcPipeline` as a user writes it; parsing fills in every default. */
export const cdcPipeline = z.strictObject({
	apiVersion: z.literal(API_VERSION),
	kind: z.literal("CdcPipeline"),
	metadata: objectMeta,
	spec: cdcPipelineSpec,
	status: z.unknown().optional(),
});

export type CdcPipeline = z.infer<typeof cdcPipeline>;
export type CdcPipelineSpec = z.infer<typeof cdcPipelineSpec>;
export type SourceType = CdcPipelineSpec["source"]["type"];
