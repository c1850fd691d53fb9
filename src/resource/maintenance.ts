import { z } from "zod";
import { CRON_SHAPE, isCronSchedule } from "./cron-schedule.ts";
import { columnName } from "./names.ts";
import { bytesQuantity, durationText } from "./quantity.ts";

const schedule = z
	.string()
	.max(100)
	.regex(CRON_SHAPE, 'must be a cron schedule such as "0 3 * * *" or "@daily"')
	.refine(
		isCronSchedule,
		'must be a cron schedule such as "0 3 * * *" or "@daily": minute, hour, day, month, weekday',
	)
	.describe("A cron schedule, in UTC.");

const suspend = z.boolean();
const SUSPEND = "No further run starts; one at work comes to its end.";
const TARGET =
	"Files below three quarters of it are written together up to this size.";
const RETENTION =
	"How long files stay that the table does not need any more; never less than the table's own delta.deletedFileRetentionDuration.";
const OPTIMIZE =
	"Writes small files together and leaves deleted rows out, beside the writers.";
const VACUUM = "Deletes files that no version within the retention needs.";
const zOrderBy = z.array(columnName).max(4);

/** When tables are compacted and cleaned up, with the defaults of whoever does not say. */
export const maintenance = z.strictObject({
	optimize: z
		.strictObject({
			schedule: schedule.default("0 3 * * *"),
			suspend: suspend.default(false).describe(SUSPEND),
			targetFileSize: bytesQuantity.default("256Mi").describe(TARGET),
			zOrderBy: zOrderBy
				.default([])
				.describe(
					"Columns that files are put in order by, in tables that have them; sink.clusterBy when empty.",
				),
		})
		.prefault({})
		.describe(OPTIMIZE),
	vacuum: z
		.strictObject({
			schedule: schedule.default("0 4 * * 0"),
			suspend: suspend.default(false).describe(SUSPEND),
			retention: durationText.default("168h").describe(RETENTION),
		})
		.prefault({})
		.describe(VACUUM),
});

export type Maintenance = z.infer<typeof maintenance>;

/** What one table has otherwise. */
export const maintenanceOverrides = z.strictObject({
	optimize: z
		.strictObject({
			schedule: schedule.optional(),
			suspend: suspend.optional().describe(SUSPEND),
			targetFileSize: bytesQuantity.optional().describe(TARGET),
			zOrderBy: zOrderBy
				.optional()
				.describe("Columns that files are put in order by."),
		})
		.optional()
		.describe(OPTIMIZE),
	vacuum: z
		.strictObject({
			schedule: schedule.optional(),
			suspend: suspend.optional().describe(SUSPEND),
			retention: durationText.optional().describe(RETENTION),
		})
		.optional()
		.describe(VACUUM),
});

export type MaintenanceOverrides = z.infer<typeof maintenanceOverrides>;

/** The settings of a table: its own where it has some, else those given. */
export function overridden(
	given: Maintenance,
	own: MaintenanceOverrides | undefined,
): Maintenance {
	return {
		optimize: { ...given.optimize, ...known(own?.optimize) },
		vacuum: { ...given.vacuum, ...known(own?.vacuum) },
	};
}

/** Whether a table has a setting of its own for the operation. */
export function overrides(
	own: MaintenanceOverrides | undefined,
	operation: keyof Maintenance,
): boolean {
	return Object.keys(known(own?.[operation])).length > 0;
}

function known<T extends object>(
	values: T | undefined,
): { [K in keyof T]?: Exclude<T[K], undefined> } {
	return Object.fromEntries(
		Object.entries(values ?? {}).filter(([, value]) => value !== undefined),
	) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
