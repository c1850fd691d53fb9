import { z } from "zod";
import { conditions, count, observedGeneration, time } from "./status.ts";

export const OPERATION_PHASES = [
	"Pending",
	"Running",
	"Succeeded",
	"Failed",
] as const;

/** What the operator reports of an operation. */
export const tableOperationStatus = z
	.strictObject({
		phase: z
			.enum(OPERATION_PHASES)
			.optional()
			.describe(
				"Pending: it waits for what Complete says; Running; Succeeded; Failed: it is not tried again.",
			),
		observedGeneration,
		conditions: conditions(
			"Complete: True when it succeeded, with a reason and the next step otherwise.",
		),
		location: z.string().max(2100).optional().describe("The table's place."),
		job: z.string().max(253).optional().describe("The Job that runs it."),
		pod: z.string().max(253).optional().describe("Its pod, for its log."),
		started: time.optional().describe("When it began."),
		finished: time.optional().describe("When it ended."),
		summary: z
			.string()
			.max(1024)
			.optional()
			.describe("What it did, or with dryRun would do, to read."),
		metrics: z
			.record(z.string().max(64), count)
			.optional()
			.describe(
				"Figures of what it did: version, filesRemoved, filesAdded, bytesRemoved, bytesAdded, filesDeleted and so on.",
			),
		version: count.optional().describe("Of the table afterwards."),
		rows: count.optional().describe("Of the table afterwards."),
		files: count.optional().describe("Of the table afterwards."),
		bytes: count.optional().describe("Of the table afterwards."),
	})
	.describe("What the operator observed.");

export type TableOperationStatus = z.infer<typeof tableOperationStatus>;
