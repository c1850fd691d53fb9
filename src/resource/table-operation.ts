import { z } from "zod";
import { API_VERSION } from "./api.ts";
import { columnName, objectName } from "./names.ts";
import { bytesQuantity, durationText } from "./quantity.ts";
import { refinement } from "./rules.ts";
import { OPERATION_NAME, operationRules } from "./table-operation-rules.ts";

export const OPERATION_TYPES = [
	"optimize",
	"vacuum",
	"restore",
	"checkpoint",
	"cleanLog",
] as const;

const optimize = z.strictObject({
	targetFileSize: bytesQuantity
		.optional()
		.describe(
			"Files below three quarters of it are written together up to this size; the table's delta.targetFileSize, or 256Mi, when absent.",
		),
	zOrderBy: z
		.array(columnName)
		.max(4)
		.default([])
		.describe("Columns whose Z-curve rows are put in the order of."),
	where: z
		.string()
		.min(1)
		.max(4096)
		.optional()
		.describe(
			"Only files that may have rows for which this is true, such as _ingestion_date >= '2026-11-01'.",
		),
	purge: z
		.boolean()
		.default(false)
		.describe(
			"Write every file with deleted rows again, not only from 5 % of them on.",
		),
});

const vacuum = z.strictObject({
	retention: durationText
		.optional()
		.describe(
			"How long files stay that the table does not need any more; the table's own delta.deletedFileRetentionDuration, a week by default, when absent.",
		),
	allowShortRetention: z
		.boolean()
		.default(false)
		.describe(
			"A retention below a week, or below the table's own, is meant: older versions can't be read afterwards, and writers that are slower lose what they are about to commit.",
		),
});

const restore = z.strictObject({
	version: z
		.int()
		.min(0)
		.max(Number.MAX_SAFE_INTEGER)
		.optional()
		.describe("The version to go back to."),
	timestamp: z
		.string()
		.min(4)
		.max(64)
		.optional()
		.describe(
			"The moment to go back to, such as 2026-11-21T12:00:00Z; without a zone, UTC.",
		),
	keepPositions: z
		.boolean()
		.default(false)
		.describe(
			"Of a table that a pipeline writes: what came since stays out. Otherwise the writers read it from Kafka again, and a mirror ends equal to its source.",
		),
});

export const tableOperationSpec = z
	.strictObject({
		tableRef: z
			.strictObject({ name: objectName.describe("Of the DeltaTable.") })
			.describe("A DeltaTable in the same namespace."),
		type: z
			.enum(OPERATION_TYPES)
			.describe(
				"optimize: write small files together; vacuum: delete files that nothing needs; restore: make an older version the newest; checkpoint: write a checkpoint and a checksum; cleanLog: delete the log of versions past the table's retention.",
			),
		dryRun: z
			.boolean()
			.default(false)
			.describe("Only tell what would be done. Not with checkpoint."),
		optimize: optimize.optional().describe("With type optimize."),
		vacuum: vacuum.optional().describe("With type vacuum."),
		restore: restore.optional().describe("With type restore."),
		ttlSecondsAfterFinished: z
			.int()
			.min(0)
			.max(31_536_000)
			.optional()
			.describe(
				"Seconds after the end when the TableOperation is deleted, with its Job; it stays when absent. Leave it out where a repository would apply it again: it would run again.",
			),
	})
	.superRefine(refinement(operationRules))
	.describe("What is done, and to which table. It can't be changed.");

/** A `TableOperation` as a user writes it; parsing fills in every default. */
export const tableOperation = z.strictObject({
	apiVersion: z.literal(API_VERSION),
	kind: z.literal("TableOperation"),
	metadata: z.looseObject({
		name: z
			.string()
			.regex(
				OPERATION_NAME,
				"must be at most 63 lower-case letters, digits, '-' or '.'",
			),
		namespace: objectName.default("default"),
	}),
	spec: tableOperationSpec,
	status: z.unknown().optional(),
});

export type TableOperation = z.infer<typeof tableOperation>;
export type TableOperationSpec = z.infer<typeof tableOperationSpec>;
