import { z } from "zod";
import { conditions, count, observedGeneration, time } from "./status.ts";

export const TABLE_PHASES = [
	"Pending",
	"Applying",
	"Ready",
	"Refused",
	"Failed",
] as const;

const run = z.strictObject({
	result: z.enum(["Succeeded", "Failed"]).describe("How it ended."),
	started: time.optional().describe("When it began."),
	finished: time.describe("When it ended."),
	lastSuccess: time.optional().describe("When a run last succeeded."),
	pod: z.string().max(253).describe("The run's pod, for its log."),
	filesRemoved: count
		.optional()
		.describe("Files taken out of the table, or deleted from the store."),
	filesAdded: count.optional().describe("Files that took their place."),
	bytesRemoved: count.optional().describe("Bytes of the files removed."),
	bytesAdded: count.optional().describe("Bytes of the files added."),
	message: z.string().max(4096).optional().describe("What went wrong."),
});

export type TableRun = z.infer<typeof run>;

const from = z
	.enum(["Table", "Pipeline", "Default"])
	.describe("Who settles it: this table, its pipeline, or nobody.");

const schedule = z.string().max(100).describe("A cron schedule, in UTC.");
const suspend = z.boolean().describe("Whether no further run starts.");

const settings = z
	.strictObject({
		optimize: z
			.strictObject({
				from,
				schedule,
				suspend,
				targetFileSize: z
					.string()
					.max(20)
					.describe("Size that small files are written together up to."),
				zOrderBy: z
					.array(z.string().max(255))
					.max(4)
					.describe("Columns that files are put in order by."),
			})
			.describe("Of compaction."),
		vacuum: z
			.strictObject({
				from,
				schedule,
				suspend,
				retention: z
					.string()
					.max(20)
					.describe("How long files stay that the table does not need."),
			})
			.describe("Of clean-up."),
	})
	.describe("The settings in force, the table's own and inherited ones.");

const applied = z
	.strictObject({
		result: z
			.enum(["Succeeded", "Refused", "Failed"])
			.describe(
				"Refused: the table can't become what the specification says, and is as before; Failed: it is tried again.",
			),
		hash: z.string().max(64).describe("Of the specification that was applied."),
		finished: time.describe("When it ended."),
		pod: z.string().max(253).optional().describe("For its log."),
		dryRun: z
			.boolean()
			.optional()
			.describe("Whether it only told what it would change."),
		changes: z
			.array(z.string().max(1024))
			.max(100)
			.optional()
			.describe("What was changed, or with dryRun would be."),
		message: z.string().max(4096).optional().describe("Why not."),
	})
	.describe("The last run that brought the table to its specification.");

export type Applied = z.infer<typeof applied>;

/** What the operator reports of a table. */
export const deltaTableStatus = z
	.strictObject({
		phase: z
			.enum(TABLE_PHASES)
			.optional()
			.describe(
				"Pending: something is missing, see Ready; Applying; Ready; Refused: the table can't become what the specification says; Failed: the last try failed, another comes.",
			),
		observedGeneration,
		conditions: conditions("Ready, with a reason and the next step."),
		location: z.string().max(2100).optional().describe("Where the table is."),
		version: count.optional().describe("Newest version that is known."),
		rows: count.optional().describe("Rows, where the files tell."),
		files: count.optional().describe("Data files."),
		bytes: count.optional().describe("Bytes of these files."),
		size: z.string().max(40).optional().describe("The same, to read."),
		lastCommit: time.optional().describe("Time of the newest commit."),
		observed: time
			.optional()
			.describe("When a run read these figures; absent where a writer tells."),
		maintenance: settings.optional(),
		optimize: run.optional().describe("The last run of optimize."),
		vacuum: run.optional().describe("The last run of vacuum."),
		applied: applied.optional(),
	})
	.describe("What the operator observed.");

export type DeltaTableStatus = z.infer<typeof deltaTableStatus>;
