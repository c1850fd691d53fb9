import { Gauge, type Registry } from "prom-client";
import { READY, TABLE_REASONS } from "./delta-table/reasons.ts";
import { OPERATIONS, type Operation } from "./names.ts";
import type { CronJob, TableObject } from "./types.ts";

type Sample = readonly [
	labels: Readonly<Record<string, string>>,
	value: number,
];

interface Definition {
	readonly name: string;
	readonly help: string;
	readonly labels?: readonly string[];
	samples(table: TableObject, cronJob: CronJobOf): readonly Sample[];
}

/** The CronJob that a table has of its own, where it has one. */
type CronJobOf = (operation: Operation) => CronJob | undefined;

const DEFINITIONS: readonly Definition[] = [
	{
		name: "tributary_deltatable_ready",
		help: "1 for a DeltaTable that is ready, 0 for one that is not; absent for one with dryRun.",
		samples: ({ status }) => {
			const ready = status?.conditions?.find(({ type }) => type === READY);
			return ready === undefined || ready.reason === TABLE_REASONS.planned
				? []
				: [[{}, Number(ready.status === "True")]];
		},
	},
	{
		name: "tributary_deltatable_maintenance_last_success_timestamp_seconds",
		help: "Time of the last successful run on a table with a CronJob of its own, or of the CronJob's creation before the first; absent while it is suspended.",
		labels: ["operation"],
		samples: ({ status }, cronJob) =>
			OPERATIONS.flatMap((operation) => {
				const job = cronJob(operation);
				if (job === undefined || job.spec?.suspend === true) return [];
				const at = Date.parse(
					status?.[operation]?.lastSuccess ??
						job.metadata.creationTimestamp ??
						"",
				);
				return Number.isNaN(at) ? [] : [[{ operation }, at / 1000] as const];
			}),
	},
	{
		name: "tributary_deltatable_maintenance_last_run_failed",
		help: "1 where the last run on a table with a CronJob of its own has failed, 0 where it has not.",
		labels: ["operation"],
		samples: ({ status }, cronJob) =>
			OPERATIONS.flatMap((operation) => {
				const run = status?.[operation];
				return run === undefined || cronJob(operation) === undefined
					? []
					: [[{ operation }, Number(run.result === "Failed")] as const];
			}),
	},
];

/**
 * What the statuses of all `DeltaTable`s say that no writer and no pipeline tells, read at each scrape;
 * of the leader only.
 */
export function tableMetrics(
	registry: Registry,
	tables: () => Iterable<TableObject>,
	cronJob: (table: TableObject, operation: Operation) => ReturnType<CronJobOf>,
): void {
	for (const { name, help, labels = [], samples } of DEFINITIONS)
		new Gauge<string>({
			name,
			help,
			labelNames: ["namespace", "deltatable", ...labels],
			registers: [registry],
			collect() {
				this.reset();
				for (const object of tables()) {
					const { namespace = "", name: deltatable } = object.metadata;
					const own: CronJobOf = (operation) => cronJob(object, operation);
					for (const [labels, value] of samples(object, own))
						this.set({ namespace, deltatable, ...labels }, value);
				}
			},
		});
}
