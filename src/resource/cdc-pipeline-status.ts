import { z } from "zod";
import { pipelineActionsStatus } from "./cdc-pipeline-actions.ts";
import { conditions, count, observedGeneration, time } from "./status.ts";

export const PHASES = [
	"Pending",
	"Running",
	"Degraded",
	"Paused",
	"Stopped",
	"Failed",
	"Deleting",
] as const;

const table = z.strictObject({
	name: z.string().describe("Name of the table below spec.sink.location."),
	version: count.optional().describe("Newest version that a writer committed."),
	rows: count
		.optional()
		.describe("Rows that the running writers committed since they started."),
	lastCommit: time.optional().describe("Time of that commit."),
	newestChange: time
		.optional()
		.describe("Newest change that it holds, by the source's clock."),
	tableRows: count
		.optional()
		.describe("Rows of the table, where its files tell; a minute old at most."),
	files: count.optional().describe("Data files of the table."),
	bytes: count.optional().describe("Bytes of these files."),
});

const task = z.strictObject({
	id: z.int().min(0).max(10_000).describe("Its number."),
	state: z.string().describe("Such as RUNNING or FAILED."),
	message: z.string().optional().describe("First line of the task's error."),
});

const maintenanceRun = z.strictObject({
	result: z
		.enum(["Succeeded", "Failed"])
		.describe("Failed: at least one table could not be worked on."),
	started: time.optional().describe("When it began."),
	finished: time.describe("When it ended."),
	lastSuccess: time.optional().describe("When a run last succeeded."),
	pod: z.string().max(253).describe("The run's pod, for its log."),
	tables: count.optional().describe("Tables that were looked at."),
	failures: count.optional().describe("Those of them that failed."),
	filesRemoved: count
		.optional()
		.describe("Files taken out of tables, or deleted from the store."),
	filesAdded: count.optional().describe("Files that took their place."),
	bytesRemoved: count.optional().describe("Bytes of the files removed."),
	bytesAdded: count.optional().describe("Bytes of the files added."),
	message: z.string().optional().describe("What went wrong first."),
});

export type MaintenanceRun = z.infer<typeof maintenanceRun>;

/** What the operator reports of a pipeline. */
export const cdcPipelineStatus = z
	.strictObject({
		phase: z
			.enum(PHASES)
			.optional()
			.describe(
				"Pending: not yet at work; Running; Degraded: at work, but a part has failed; Paused; Stopped; Failed: nothing flows until a person acts; Deleting.",
			),
		observedGeneration,
		conditions: conditions(
			"Ready, SecretsResolved, ConnectorReady, WriterReady, with a reason and the next step.",
		),
		tables: z
			.array(table)
			.max(10_000)
			.optional()
			.meta({
				"x-kubernetes-list-type": "map",
				"x-kubernetes-list-map-keys": ["name"],
			})
			.describe("The tables that are written."),
		tableCount: count.optional().describe("Number of tables written."),
		lag: count.optional().describe("Records in Kafka that no table holds yet."),
		freshnessSeconds: z
			.number()
			.optional()
			.describe("Age of the newest committed change, by the source's clock."),
		freshness: z.string().optional().describe("The same, to read."),
		rowsPerSecond: count.optional().describe("Rows committed a second."),
		replicas: z.int().min(0).max(10_000).optional().describe("Writer pods."),
		readyReplicas: z
			.int()
			.min(0)
			.max(10_000)
			.optional()
			.describe("Writer pods that are ready."),
		writers: z.string().optional().describe("Ready of wanted writer pods."),
		selector: z
			.string()
			.optional()
			.describe(
				"Label selector of the writer pods, for the scale subresource.",
			),
		connector: z
			.strictObject({
				name: z.string().describe("NAMESPACE.NAME of the pipeline."),
				state: z.string().describe("Such as RUNNING, PAUSED or FAILED."),
				tasks: z.array(task).max(1000).describe("What does the work."),
			})
			.optional()
			.describe("The Debezium connector as Kafka Connect reports it."),
		actions: pipelineActionsStatus.optional(),
		maintenance: z
			.strictObject({
				optimize: maintenanceRun
					.optional()
					.describe("The last run of optimize."),
				vacuum: maintenanceRun.optional().describe("The last run of vacuum."),
			})
			.optional()
			.describe("The last runs of spec.maintenance."),
		configHash: z
			.string()
			.optional()
			.describe("Hash of the configuration that the writers were given."),
	})
	.describe("What the operator observed.");

export type CdcPipelineStatus = z.infer<typeof cdcPipelineStatus>;
export type Phase = (typeof PHASES)[number];
