import { Gauge, type Registry } from "prom-client";
import { PHASES } from "../resource/cdc-pipeline-status.ts";
import { OPERATIONS, type Operation } from "./names.ts";
import type { CronJob, PipelineObject } from "./types.ts";

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [labels: Labels, value: number];

const PIPELINE = ["namespace", "pipeline"] as const;

interface Definition {
	readonly name: string;
	readonly help: string;
	readonly labels?: readonly string[];
	samples(pipeline: PipelineObject, cronJob: CronJobOf): readonly Sample[];
}

/** The CronJob of a pipeline, where there is one. */
type CronJobOf = (operation: Operation) => CronJob | undefined;

/** The states of tasks and connectors that Kafka Connect knows. */
const CONNECT_STATES = [
	"RUNNING",
	"PAUSED",
	"STOPPED",
	"FAILED",
	"UNASSIGNED",
	"RESTARTING",
] as const;

const DEFINITIONS: readonly Definition[] = [
	{
		name: "tributary_pipeline_info",
		help: "1 for every CdcPipeline.",
		labels: ["source", "write_mode", "state"],
		samples: ({ spec }) => {
			const { source, sink, state } = spec as {
				source?: { type?: string };
				sink?: { writeMode?: string };
				state?: string;
			};
			return [
				[
					{
						source: source?.type ?? "",
						write_mode: sink?.writeMode ?? "",
						state: state ?? "running",
					},
					1,
				],
			];
		},
	},
	{
		name: "tributary_pipeline_phase",
		help: "1 for the phase that a pipeline is in, 0 for the others.",
		labels: ["phase"],
		samples: ({ status }) => oneOf("phase", PHASES, status?.phase ?? "Pending"),
	},
	{
		name: "tributary_pipeline_condition",
		help: "1 where a condition of a pipeline is True, 0 where it is not.",
		labels: ["condition"],
		samples: ({ status }) =>
			(status?.conditions ?? []).map(({ type, status }) => [
				{ condition: type },
				Number(status === "True"),
			]),
	},
	{
		name: "tributary_pipeline_lag_records",
		help: "Records in Kafka that no table holds yet.",
		samples: ({ status }) => known(status?.lag),
	},
	{
		name: "tributary_pipeline_freshness_seconds",
		help: "Age of the newest committed change; it grows while the source is quiet.",
		samples: ({ status }) => known(status?.freshnessSeconds),
	},
	{
		name: "tributary_pipeline_tables",
		help: "Tables that are written.",
		samples: ({ status }) => known(status?.tableCount),
	},
	{
		name: "tributary_pipeline_writers",
		help: "Writer pods.",
		samples: ({ status }) => known(status?.replicas),
	},
	{
		name: "tributary_pipeline_writers_ready",
		help: "Writer pods that are ready.",
		samples: ({ status }) => known(status?.readyReplicas),
	},
	{
		name: "tributary_connector_state",
		help: "1 for the state that Kafka Connect reports of the connector, 0 for the others.",
		labels: ["connector", "state"],
		samples: ({ status }) =>
			status?.connector === undefined
				? []
				: states({ connector: status.connector.name }, status.connector.state),
	},
	{
		name: "tributary_connector_task_state",
		help: "1 for the state of a task of the connector, 0 for the others.",
		labels: ["connector", "task", "state"],
		samples: ({ status }) =>
			(status?.connector?.tasks ?? []).flatMap((task) =>
				states(
					{
						connector: status?.connector?.name ?? "",
						task: String(task.id),
					},
					task.state,
				),
			),
	},
	{
		name: "tributary_maintenance_last_success_timestamp_seconds",
		help: "Time of the last successful run, or of the CronJob's creation before the first; absent while it is suspended.",
		labels: ["operation"],
		samples: ({ status }, cronJob) =>
			OPERATIONS.flatMap((operation) => {
				const job = cronJob(operation);
				const at =
					status?.maintenance?.[operation]?.lastSuccess ??
					job?.metadata.creationTimestamp;
				return job === undefined || job.spec?.suspend === true
					? []
					: timestamp(at).map((value) => [{ operation }, value] as const);
			}),
	},
	{
		name: "tributary_maintenance_last_run_failed",
		help: "1 where some table could not be worked on in the last run, 0 where all were.",
		labels: ["operation"],
		samples: ({ status }) =>
			OPERATIONS.flatMap((operation) => {
				const run = status?.maintenance?.[operation];
				return run === undefined
					? []
					: [[{ operation }, Number(run.result === "Failed")] as const];
			}),
	},
	{
		name: "tributary_maintenance_last_run_seconds",
		help: "How long the last run took.",
		labels: ["operation"],
		samples: ({ status }) =>
			OPERATIONS.flatMap((operation) => {
				const run = status?.maintenance?.[operation];
				const [end] = timestamp(run?.finished);
				return end === undefined
					? []
					: timestamp(run?.started).map(
							(start) => [{ operation }, Math.max(0, end - start)] as const,
						);
			}),
	},
	{
		name: "tributary_maintenance_last_run_files_removed",
		help: "Files that the last run took out of tables, or deleted from the store.",
		labels: ["operation"],
		samples: ({ status }) =>
			OPERATIONS.flatMap((operation) =>
				known(status?.maintenance?.[operation]?.filesRemoved).map(
					([, value]) => [{ operation }, value] as const,
				),
			),
	},
];

/**
 * What the statuses of all pipelines say, read at each scrape, so that nothing of a deleted pipeline
 * stays. Only the leader tells it: a sum over pods counts each pipeline once.
 */
export function pipelineMetrics(
	registry: Registry,
	pipelines: () => Iterable<PipelineObject>,
	cronJob: (
		pipeline: PipelineObject,
		operation: Operation,
	) => ReturnType<CronJobOf>,
): void {
	for (const { name, help, labels = [], samples } of DEFINITIONS)
		new Gauge<string>({
			name,
			help,
			labelNames: [...PIPELINE, ...labels],
			registers: [registry],
			collect() {
				this.reset();
				for (const object of pipelines()) {
					const { namespace = "", name: pipeline } = object.metadata;
					const own: CronJobOf = (operation) => cronJob(object, operation);
					for (const [labels, value] of samples(object, own))
						this.set({ namespace, pipeline, ...labels }, value);
				}
			},
		});
}

function known(value: number | undefined): readonly Sample[] {
	return value === undefined ? [] : [[{}, value]];
}

/** Seconds since the epoch. */
function timestamp(text: string | undefined): readonly number[] {
	const ms = text === undefined ? Number.NaN : Date.parse(text);
	return Number.isNaN(ms) ? [] : [ms / 1000];
}

function oneOf(
	label: string,
	values: readonly string[],
	actual: string,
): readonly Sample[] {
	return values.map((value) => [{ [label]: value }, Number(value === actual)]);
}

/** A state that is not known here is told as it is. */
function states(labels: Labels, actual: string): readonly Sample[] {
	return [...new Set([...CONNECT_STATES, actual])].map((state) => [
		{ ...labels, state },
		Number(state === actual),
	]);
}
