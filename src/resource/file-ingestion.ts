import { z } from "zod";
import { API_VERSION } from "./api.ts";
import { CRON_SHAPE, isCronSchedule } from "./cron-schedule.ts";
import {
	fileIngestionRules,
	INGESTION_NAME,
	isColumnType,
	isGlob,
} from "./file-ingestion-rules.ts";
import {
	columnName,
	objectName,
	STORAGE_SECRET,
	secretKeyRef,
	secretRef,
} from "./names.ts";
import { bytesQuantity, durationText } from "./quantity.ts";
import { refinement } from "./rules.ts";
import { scheduling } from "./scheduling.ts";

const location = z
	.string()
	.max(1024)
	.regex(/^(s3|file):\/\/.+/, "must start with s3:// or file://");

const globs = z
	.array(
		z
			.string()
			.min(1)
			.max(512)
			.refine(isGlob, "must end each [ and { that it begins"),
	)
	.max(100);

const time = z
	.string()
	.max(40)
	.regex(
		/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$/,
		"must be a time in UTC such as 2026-08-31T00:00:00Z",
	);

const source = z
	.strictObject({
		location: location.describe(
			"Where files land: s3://bucket/prefix, or file:///folder for one machine. Paths are below it.",
		),
		storageSecretRef: secretRef.optional().describe(STORAGE_SECRET),
		prefix: z
			.string()
			.max(1024)
			.default("")
			.describe("What paths start with; nothing else is listed."),
		suffix: z.string().max(255).default("").describe("What paths end with."),
		include: globs
			.default([])
			.describe(
				"Globs over the whole path, one of which has to match; all files without any. * and ? stay within a folder, ** spans any number of them, [a-z] and {a,b} are alternatives.",
			),
		exclude: globs
			.default(["**/_*", "**/_*/**", "**/.*", "**/.*/**"])
			.describe(
				"Globs of which none may match. The default passes over what Spark does: _SUCCESS, _delta_log and hidden files.",
			),
		modifiedAfter: time
			.optional()
			.describe("Only files that were modified after this time."),
		modifiedBefore: time
			.optional()
			.describe("Only files that were modified before this time."),
		minAge: durationText
			.default("0s")
			.describe(
				"How long a file has to be as it is: for folders where files grow. Objects of S3 are whole at once.",
			),
	})
	.describe("The files.");

const csv = z.strictObject({
	header: z
		.boolean()
		.default(true)
		.describe(
			"The first line names the columns; without it they are those of sink.schema.columns, or _c0, _c1 and so on.",
		),
	delimiter: z
		.string()
		.min(1)
		.max(1)
		.regex(/^[\t -~]$/, "must be one ASCII character")
		.default(",")
		.describe("What stands between cells; a tab for TSV."),
	quote: z
		.string()
		.max(1)
		.regex(/^[\x21-\x7e]?$/, "must be one ASCII character, or nothing")
		.default('"')
		.describe("What a cell with delimiters or line feeds stands in."),
	escape: z
		.enum(["quote", "backslash"])
		.default("quote")
		.describe("What makes a quote part of a quoted cell: a second one, or \\."),
	nullText: z
		.string()
		.max(100)
		.default("")
		.describe("The text of a cell without quotes that is null."),
	inferTypes: z
		.boolean()
		.default(true)
		.describe(
			"Columns without a type get the narrowest that the first values show; strings otherwise.",
		),
});

const format = z
	.strictObject({
		type: z
			.enum(["ndjson", "json", "csv", "parquet"])
			.describe(
				"ndjson: an object a line; json: an array of objects, or objects one after another; csv; parquet.",
			),
		compression: z
			.enum(["auto", "none", "gzip", "zstd"])
			.default("auto")
			.describe("auto looks at each file's first bytes."),
		onBadRecord: z
			.enum(["fail", "rescue"])
			.default("fail")
			.describe(
				"A record that can't be read: nothing of its file is loaded, or it is a row with its text in _rescued_data.",
			),
		csv: csv.prefault({}).describe("How CSV is written."),
	})
	.describe("What the files hold.");

const column = z.strictObject({
	name: columnName.describe("As it is in the files."),
	type: z
		.string()
		.max(64)
		.refine(
			isColumnType,
			"must be string, long, integer, short, byte, double, float, boolean, binary, date, timestamp, timestamp_ntz or decimal(precision,scale)",
		)
		.describe(
			"string, long, integer, short, byte, double, float, boolean, binary, date, timestamp, timestamp_ntz or decimal(precision,scale).",
		),
});

const schema = z.strictObject({
	columns: z
		.array(column)
		.max(1000)
		.default([])
		.describe(
			"Columns that the table has from the start, in these types; text is read as their values. All others come from the files.",
		),
	contract: z
		.enum(["evolve", "rescue", "freeze"])
		.default("evolve")
		.describe(
			"What the table does about fields and types that it does not have. evolve: what onNewColumn and onWiden say. rescue: they go to _rescued_data. freeze: the file is not loaded. The first files of a new table make its schema.",
		),
	onNewColumn: z
		.enum(["add", "rescue"])
		.default("add")
		.describe(
			"With contract evolve: a field that the table has no column for.",
		),
	onWiden: z
		.enum(["widen", "rescue"])
		.default("rescue")
		.describe(
			"With contract evolve: a value that only a wider type of its column holds: widen the column by Delta's type widening, which not every reader knows, or rescue the value.",
		),
	documents: z
		.enum(["columns", "variant", "json"])
		.default("columns")
		.describe(
			"What nested values of JSON become: struct and array columns, a variant, or JSON text.",
		),
	maxDepth: z
		.int()
		.min(0)
		.max(32)
		.default(32)
		.describe("Levels of nesting that become columns; deeper ones are JSON."),
});

const sink = z
	.strictObject({
		location: location.describe(
			"Where the table is: s3://bucket/prefix/table, or file:///folder. It is made with the first files.",
		),
		storageSecretRef: secretRef.optional().describe(STORAGE_SECRET),
		partitionBy: z
			.array(columnName)
			.max(8)
			.default([])
			.describe(
				"Partition columns of a table that is made, such as _ingestion_date.",
			),
		properties: z
			.record(z.string().max(255), z.string().max(1024))
			.default({})
			.describe(
				"Properties of a table that is made, such as delta.targetFileSize.",
			),
		schema: schema
			.prefault({})
			.describe("What to do with values that the table does not fit yet."),
	})
	.describe("The Delta table.");

const state = z
	.strictObject({
		connectionSecretRef: secretKeyRef
			.optional()
			.describe(
				"The URL of a PostgreSQL database, postgres://user:password@host/database: several workers share it. Without it one worker keeps the state itself.",
			),
		size: bytesQuantity
			.default("1Gi")
			.describe("Disk for a state that the worker keeps itself."),
		storageClassName: objectName
			.optional()
			.describe(
				"With it that disk is a persistent volume and outlives the pod; without it the node's, and a pod that is made anew learns from the table which files it has: history and failures are forgotten, nothing is loaded twice. It can't be changed.",
			),
	})
	.describe("What is known of each file.");

const worker = z
	.strictObject({
		replicas: z
			.int()
			.min(0)
			.max(100)
			.default(1)
			.describe(
				"Worker pods, which share the files; more than one need state.connectionSecretRef.",
			),
		parallelism: z
			.int()
			.min(1)
			.max(64)
			.default(4)
			.describe("Files that one worker loads side by side."),
		batchSize: bytesQuantity
			.default("32Mi")
			.describe(
				"Bytes of a file after which its rows are written to a data file: each file at work takes a few times as much memory.",
			),
		commit: z
			.strictObject({
				maxFiles: z
					.int()
					.min(1)
					.max(10_000)
					.default(100)
					.describe("Files of one commit."),
				maxBytes: bytesQuantity
					.default("1Gi")
					.describe("Bytes of these files."),
			})
			.prefault({})
			.describe("Files that are committed together, at most."),
		resources: z
			.strictObject({
				cpu: z
					.string()
					.max(20)
					.regex(/^[0-9]+(\.[0-9]+)?m?$/, "must be CPUs such as 500m or 2")
					.default("1")
					.describe("CPU that is requested."),
				memory: bytesQuantity
					.default("1536Mi")
					.describe(
						"Memory that is requested, and the limit. A worker that keeps the state itself needs some 400Mi for that, and 1100Mi for a moment when it makes it: less will do with state.connectionSecretRef.",
					),
			})
			.prefault({})
			.describe("Resources of each pod."),
		scheduling: scheduling.describe("Where the pods run."),
		serviceAccountAnnotations: z
			.record(z.string().max(317), z.string().max(1024))
			.default({})
			.describe(
				"Annotations of the pods' ServiceAccount, such as eks.amazonaws.com/role-arn: the identity that storage sees where there is no storageSecretRef.",
			),
	})
	.describe("The pods that load files.");

export const fileIngestionSpec = z
	.strictObject({
		suspend: z
			.boolean()
			.default(false)
			.describe("No worker runs; files wait, and are loaded afterwards."),
		source,
		format,
		sink,
		interval: durationText
			.default("60s")
			.describe("How often the source is looked at."),
		schedule: z
			.string()
			.max(100)
			.regex(
				CRON_SHAPE,
				'must be a cron schedule such as "*/15 * * * *" or "@hourly"',
			)
			.refine(
				isCronSchedule,
				'must be a cron schedule such as "*/15 * * * *" or "@hourly": minute, hour, day, month, weekday',
			)
			.optional()
			.describe("When the source is looked at, in UTC, in place of interval."),
		retry: z
			.strictObject({
				limit: z
					.int()
					.min(0)
					.max(100)
					.default(3)
					.describe(
						"How often a file whose loading failed for a passing reason is tried again by itself. A file whose content is broken waits for a retry, or for other content.",
					),
				delay: durationText
					.default("10s")
					.describe("Wait before the first of them; it doubles."),
			})
			.prefault({})
			.describe("What is done about files that fail."),
		staleAfter: durationText
			.default("10m")
			.describe(
				"A file of a worker that has been silent for so long is another's.",
			),
		state: state.prefault({}),
		worker: worker.prefault({}),
		api: z
			.strictObject({
				tokenSecretRef: secretKeyRef
					.optional()
					.describe(
						"The token that callers of the HTTP API have to show; without it the API answers nobody.",
					),
			})
			.prefault({})
			.describe(
				"The workers' HTTP API: start runs, see runs and files, retry.",
			),
	})
	.superRefine(refinement(fileIngestionRules))
	.describe("The files, the table, and who loads them.");

/** A `FileIngestion` as a user writes it; parsing fills in every default. */
export const fileIngestion = z.strictObject({
	apiVersion: z.literal(API_VERSION),
	kind: z.literal("FileIngestion"),
	metadata: z.looseObject({
		name: z
			.string()
			.regex(
				INGESTION_NAME,
				"must be at most 45 lower-case letters, digits or '-', and start with a letter",
			),
		namespace: objectName.default("default"),
	}),
	spec: fileIngestionSpec,
	status: z.unknown().optional(),
});

export type FileIngestion = z.infer<typeof fileIngestion>;
export type FileIngestionSpec = z.infer<typeof fileIngestionSpec>;
