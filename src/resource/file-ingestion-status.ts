import { z } from "zod";
import { condition } from "./status.ts";

const time = z.string().max(64);
const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER);

export const INGESTION_PHASES = [
	"Pending",
	"Running",
	"Degraded",
	"Suspended",
	"Failed",
] as const;

const lastRun = z.strictObject({
	id: z.string().max(64).describe("As tributary ingest runs shows it."),
	trigger: z.string().max(16).describe("manual, schedule, watch or api."),
	status: z
		.string()
		.max(16)
		.describe(
			"PENDING, RUNNING, SUCCESS, PARTIAL (some files failed) or FAILED.",
		),
	started: time.optional().describe("When it began."),
	finished: time.optional().describe("When it ended."),
	filesLoaded: count.optional().describe("Files that it brought to the table."),
	filesFailed: count.optional().describe("Files that it could not load."),
	records: count.optional().describe("Rows that it loaded."),
	message: z.string().max(2048).optional().describe("Why it failed."),
});

/** What the operator reports of an ingestion. */
export const fileIngestionStatus = z
	.strictObject({
		phase: z
			.enum(INGESTION_PHASES)
			.optional()
			.describe(
				"Pending: not yet at work; Running; Degraded: at work, but files have failed or a worker is missing; Suspended; Failed: nothing is loaded until a person acts.",
			),
		observedGeneration: count
			.optional()
			.describe("Generation of the specification that this status is about."),
		conditions: z
			.array(condition)
			.max(16)
			.optional()
			.meta({
				"x-kubernetes-list-type": "map",
				"x-kubernetes-list-map-keys": ["type"],
			})
			.describe(
				"Ready, SecretsResolved, WorkerReady, FilesLoaded, with a reason and the next step.",
			),
		files: z
			.strictObject({
				discovered: count.describe("They wait."),
				processing: count.describe("A worker is at them."),
				loaded: count.describe("They are in the table."),
				failed: count.describe(
					"tributary ingest files --status FAILED says why.",
				),
				skipped: count.describe("They went before they were loaded."),
			})
			.optional()
			.describe("Files by what became of them."),
		tableVersion: count
			.optional()
			.describe("Newest version that a worker committed."),
		lastRun: lastRun
			.optional()
			.describe("The last look that found anything to do."),
		replicas: z.int().min(0).max(10_000).optional().describe("Worker pods."),
		readyReplicas: z
			.int()
			.min(0)
			.max(10_000)
			.optional()
			.describe("Worker pods that are ready."),
		workers: z.string().optional().describe("Ready of wanted worker pods."),
		selector: z
			.string()
			.optional()
			.describe(
				"Label selector of the worker pods, for the scale subresource.",
			),
		configHash: z
			.string()
			.optional()
			.describe("Hash of the configuration that the workers were given."),
	})
	.describe("What the operator observed.");

export type FileIngestionStatus = z.infer<typeof fileIngestionStatus>;
export type IngestionPhase = (typeof INGESTION_PHASES)[number];
