import { z } from "zod";
import { API_VERSION } from "./api.ts";
import { TABLE_NAME, tableRules } from "./delta-table-rules.ts";
import { maintenanceOverrides } from "./maintenance.ts";
import { columnName, objectName, STORAGE_SECRET, secretRef } from "./names.ts";
import { bytesQuantity, durationText } from "./quantity.ts";
import { refinement } from "./rules.ts";

const column = z.strictObject({
	name: columnName.describe("Of the column."),
	type: z
		.string()
		.min(1)
		.max(8192)
		.describe(
			'A Delta type: long, int, string, double, boolean, date, timestamp, decimal(10,2), binary, variant, array<string>, map<string, long>, struct<city: string>. A wider one widens the column, where the property delta.enableTypeWidening is "true".',
		),
	nullable: z
		.boolean()
		.default(true)
		.describe(
			"Whether a row may have no value. A column can become nullable, never the other way.",
		),
	comment: z.string().max(4096).optional().describe("What it holds."),
	renamedFrom: columnName
		.optional()
		.describe(
			"Its former name: a column of that name is renamed. Needs the property delta.columnMapping.mode: name.",
		),
});

const schema = z.strictObject({
	columns: z
		.array(column)
		.min(1)
		.max(2000)
		.describe("The columns, in their order."),
	unlisted: z
		.enum(["keep", "drop"])
		.default("keep")
		.describe(
			"Columns of the table that the list does not have: keep them, behind the others, or drop them, which needs the property delta.columnMapping.mode: name. A dropped column's values can't be read any more.",
		),
});

const resources = z.strictObject({
	cpu: z
		.string()
		.max(20)
		.regex(/^[0-9]+(\.[0-9]+)?m?$/, "must be CPUs such as 500m or 2")
		.default("250m")
		.describe("CPU that is requested."),
	memory: bytesQuantity
		.default("1Gi")
		.describe("Memory that is requested, and the limit."),
});

export const deltaTableSpec = z
	.strictObject({
		pipelineRef: z
			.strictObject({ name: objectName.describe("Of the CdcPipeline.") })
			.optional()
			.describe(
				"The CdcPipeline that writes the table; the operator fills it in. It can't be changed.",
			),
		path: z
			.string()
			.min(1)
			.max(1024)
			.optional()
			.describe(
				"With pipelineRef: the table's folder below sink.location of the pipeline. It can't be changed.",
			),
		location: z
			.string()
			.max(1024)
			.regex(
				/^(s3|file):\/\/[^\s]+$/,
				"must start with s3:// or file://, without spaces",
			)
			.optional()
			.describe(
				"Of a table that no pipeline writes: s3://bucket/prefix, or file:///folder for one machine. It can't be changed.",
			),
		storageSecretRef: secretRef
			.optional()
			.describe(`With location: ${STORAGE_SECRET}`),
		serviceAccountName: objectName
			.optional()
			.describe(
				"With location: the ServiceAccount of the table's Jobs, which is the identity that storage sees where there is no storageSecretRef; default when absent.",
			),
		schema: schema
			.optional()
			.describe(
				"With location: the columns that the table shall have. It is made with them, or brought to them without a file being written again; what can't be done so is refused as a whole. Without it the columns are left alone, and a table has to be there.",
			),
		partitionBy: z
			.array(columnName)
			.max(8)
			.default([])
			.describe(
				"With schema: partition columns of a table that is made; those of one that is there can't be changed.",
			),
		clusterBy: z
			.array(columnName)
			.max(4)
			.default([])
			.describe(
				"With location: columns that optimize puts rows in order by, unless maintenance.optimize.zOrderBy names others.",
			),
		properties: z
			.record(z.string().max(256), z.string().max(4096))
			.default({})
			.describe(
				"Properties that the table shall have, such as delta.logRetentionDuration: interval 90 days. One that is not named here stays as it is.",
			),
		dryRun: z
			.boolean()
			.default(false)
			.describe(
				"Only tell in status.applied what schema and properties would change.",
			),
		interval: durationText
			.default("1h")
			.describe(
				"With location: how often the table is looked at, for its figures and for what others changed.",
			),
		maintenance: maintenanceOverrides
			.prefault({})
			.describe(
				"Compaction and clean-up of this table where it differs: from spec.maintenance of the pipeline, or from the defaults (optimize daily at 3, vacuum on Sundays at 4). With settings of its own the table has CronJobs of its own, and the pipeline's leave it out.",
			),
		resources: resources
			.optional()
			.describe(
				"Of the table's Jobs; those of the pipeline's writers when absent, or 250m and 1Gi.",
			),
	})
	.superRefine(refinement(tableRules))
	.describe(
		"What the table shall be, and how it is looked after. Of a pipeline's table the operator sets pipelineRef and path; the rest is yours.",
	);

/** A `DeltaTable` as a user writes it; parsing fills in every default. */
export const deltaTable = z.strictObject({
	apiVersion: z.literal(API_VERSION),
	kind: z.literal("DeltaTable"),
	metadata: z.looseObject({
		name: z
			.string()
			.regex(
				TABLE_NAME,
				"must be at most 63 lower-case letters, digits, '-' or '.'",
			),
		namespace: objectName.default("default"),
	}),
	spec: deltaTableSpec,
	status: z.unknown().optional(),
});

export type DeltaTable = z.infer<typeof deltaTable>;
export type DeltaTableSpec = z.infer<typeof deltaTableSpec>;
export type TableSchema = NonNullable<DeltaTableSpec["schema"]>;

/** Of Jobs of tables that say nothing else. */
export const DEFAULT_RESOURCES = resources.parse({});
