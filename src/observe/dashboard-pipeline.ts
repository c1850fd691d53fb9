import type { Dashboard } from "./dashboard.ts";
import {
	BY_PIPELINE,
	BY_TABLE,
	LEGEND,
	PIPELINE,
	PIPELINE_VARIABLES,
	processPanels,
	quantiles,
	RATE,
} from "./dashboard-queries.ts";

/** Is a pipeline at work, how late is it, and where is the time spent. */
export const pipelineDashboard: Dashboard = {
	uid: "tributary-pipeline",
	title: "Tributary / Pipeline",
	description:
		"From the source to the tables: is it at work, how late is it, and where is the time spent.",
	variables: PIPELINE_VARIABLES,
	rows: [
		{
			title: "Now",
			panels: [
				{
					title: "Phase",
					description: "What the operator says of each pipeline.",
					type: "stat",
					unit: "none",
					showName: true,
					queries: [
						{
							expr: `max by (${BY_PIPELINE}, phase) (tributary_pipeline_phase{${PIPELINE}}) == 1`,
							legend: `${LEGEND} {{phase}}`,
						},
					],
				},
				{
					title: "Behind the source",
					description:
						"The table that is furthest behind; 0 when nothing waits.",
					type: "stat",
					unit: "s",
					redFrom: 300,
					queries: [
						{
							expr: `max(tributary_lag_seconds{${PIPELINE}})`,
							legend: "behind",
						},
					],
				},
				{
					title: "Lag",
					description: "Records in Kafka that no table holds yet.",
					type: "stat",
					unit: "short",
					queries: [
						{
							expr: `sum(max by (${BY_PIPELINE}) (tributary_pipeline_lag_records{${PIPELINE}}))`,
							legend: "records",
						},
					],
				},
				{
					title: "Tables failing",
					description: "Tables whose last commit failed.",
					type: "stat",
					unit: "none",
					redFrom: 1,
					queries: [
						{
							expr: `sum(max by (${BY_TABLE}) (tributary_table_failing{${PIPELINE}}))`,
							legend: "tables",
						},
					],
				},
				{
					title: "Failed tasks",
					description: "Connector tasks that are FAILED: nothing is captured.",
					type: "stat",
					unit: "none",
					redFrom: 1,
					queries: [
						{
							expr: `sum(max by (${BY_PIPELINE}, task) (tributary_connector_task_state{${PIPELINE}, state="FAILED"}))`,
							legend: "tasks",
						},
					],
				},
				{
					title: "Writers missing",
					description: "Writer pods that are not ready.",
					type: "stat",
					unit: "none",
					redFrom: 1,
					queries: [
						{
							expr: `sum(max by (${BY_PIPELINE}) (tributary_pipeline_writers{${PIPELINE}}) - max by (${BY_PIPELINE}) (tributary_pipeline_writers_ready{${PIPELINE}}))`,
							legend: "pods",
						},
					],
				},
			],
		},
		{
			title: "How late",
			panels: [
				{
					title: "Behind the source, by table",
					description:
						"Age of the newest committed change while records wait, 0 when none does.",
					unit: "s",
					queries: [
						{
							expr: `max by (${BY_TABLE}) (tributary_lag_seconds{${PIPELINE}})`,
							legend: `${LEGEND} {{table}}`,
						},
					],
				},
				{
					title: "From the source to the commit",
					description: "How long changes took, the oldest of each batch.",
					unit: "s",
					queries: quantiles(
						"tributary_source_to_commit_seconds",
						PIPELINE,
						BY_PIPELINE,
						LEGEND,
					),
				},
				{
					title: "Lag by partition, the ten largest",
					description: "One partition alone is hot, or has stopped.",
					unit: "short",
					queries: [
						{
							expr: `topk(10, sum by (${BY_PIPELINE}, topic, partition) (tributary_lag_records{${PIPELINE}}))`,
							legend: "{{topic}}/{{partition}}",
						},
					],
				},
				{
					title: "Age of the newest change",
					description:
						"As the operator reports it; it grows while the source is quiet.",
					unit: "s",
					queries: [
						{
							expr: `max by (${BY_PIPELINE}) (tributary_pipeline_freshness_seconds{${PIPELINE}})`,
							legend: LEGEND,
						},
					],
				},
			],
		},
		{
			title: "Flow",
			panels: [
				{
					title: "Read and committed",
					description: "Messages from Kafka, and changes that are in a table.",
					unit: "cps",
					queries: [
						{
							expr: `sum by (${BY_PIPELINE}) (rate(tributary_messages_total{${PIPELINE}}${RATE}))`,
							legend: `${LEGEND} read`,
						},
						{
							expr: `sum by (${BY_PIPELINE}) (rate(tributary_rows_committed_total{${PIPELINE}}${RATE}))`,
							legend: `${LEGEND} committed`,
						},
					],
				},
				{
					title: "Memory of what waits",
					description: "Decoded changes before their commit.",
					unit: "bytes",
					stack: true,
					queries: [
						{
							expr: `sum by (${BY_PIPELINE}) (tributary_pending_bytes{${PIPELINE}})`,
							legend: LEGEND,
						},
					],
				},
				{
					title: "Dead letters",
					description: "Records that could not become rows, by code.",
					unit: "short",
					queries: [
						{
							expr: `sum by (${BY_PIPELINE}, code) (increase(tributary_dead_letters_total{${PIPELINE}}${RATE}))`,
							legend: `${LEGEND} {{code}}`,
						},
						{
							expr: `sum by (${BY_PIPELINE}) (increase(tributary_dead_letters_superseded_total{${PIPELINE}}${RATE}))`,
							legend: `${LEGEND} superseded`,
						},
					],
				},
				{
					title: "Failures that were tried again",
					description: "Reads and commits of tables, by error code.",
					unit: "short",
					queries: [
						{
							expr: `sum by (${BY_PIPELINE}, code) (increase(tributary_retries_total{${PIPELINE}}${RATE}))`,
							legend: `${LEGEND} {{code}}`,
						},
					],
				},
				{
					title: "Changes that came again",
					description:
						"Known by their place in the source, and left out of the history.",
					unit: "short",
					queries: [
						{
							expr: `sum by (${BY_PIPELINE}) (increase(tributary_repeated_changes_total{${PIPELINE}}${RATE}))`,
							legend: LEGEND,
						},
					],
				},
				{
					title: "Rebalances",
					description: "Each costs a re-read of what was not committed.",
					unit: "short",
					queries: [
						{
							expr: `max by (${BY_PIPELINE}) (increase(tributary_rebalances_total{${PIPELINE}}${RATE}))`,
							legend: LEGEND,
						},
					],
				},
				{
					title: "Tables",
					description: "Number of tables that are written.",
					unit: "none",
					queries: [
						{
							expr: `max by (${BY_PIPELINE}) (tributary_pipeline_tables{${PIPELINE}})`,
							legend: LEGEND,
						},
					],
				},
			],
		},
		{
			title: "Connector and conditions",
			panels: [
				{
					title: "Conditions",
					description: "1 is True.",
					type: "state-timeline",
					unit: "none",
					queries: [
						{
							expr: `max by (${BY_PIPELINE}, condition) (tributary_pipeline_condition{${PIPELINE}})`,
							legend: `${LEGEND} {{condition}}`,
						},
					],
				},
				{
					title: "Connector and tasks",
					description: "The states that Kafka Connect reports.",
					type: "state-timeline",
					unit: "none",
					queries: [
						{
							expr: `max by (${BY_PIPELINE}, connector, state) (tributary_connector_state{${PIPELINE}}) == 1`,
							legend: "{{connector}} {{state}}",
						},
						{
							expr: `max by (${BY_PIPELINE}, connector, task, state) (tributary_connector_task_state{${PIPELINE}}) == 1`,
							legend: "{{connector}} task {{task}} {{state}}",
						},
					],
				},
			],
		},
		{
			title: "Maintenance",
			panels: [
				{
					title: "Since the last success",
					description:
						"By operation; before the first run, since its CronJob was made. Suspended ones are left out.",
					unit: "s",
					queries: [
						{
							expr: `time() - max by (${BY_PIPELINE}, operation) (tributary_maintenance_last_success_timestamp_seconds{${PIPELINE}})`,
							legend: `${LEGEND} {{operation}}`,
						},
					],
				},
				{
					title: "Failed",
					description:
						"1 where some table could not be worked on in the last run.",
					type: "state-timeline",
					unit: "none",
					queries: [
						{
							expr: `max by (${BY_PIPELINE}, operation) (tributary_maintenance_last_run_failed{${PIPELINE}})`,
							legend: `${LEGEND} {{operation}}`,
						},
					],
				},
				{
					title: "Time of the last run",
					description: "Of all tables of the pipeline together.",
					unit: "s",
					queries: [
						{
							expr: `max by (${BY_PIPELINE}, operation) (tributary_maintenance_last_run_seconds{${PIPELINE}})`,
							legend: `${LEGEND} {{operation}}`,
						},
					],
				},
				{
					title: "Files removed by the last run",
					description:
						"Taken out of tables by optimize, deleted from the store by vacuum.",
					unit: "short",
					queries: [
						{
							expr: `max by (${BY_PIPELINE}, operation) (tributary_maintenance_last_run_files_removed{${PIPELINE}})`,
							legend: `${LEGEND} {{operation}}`,
						},
					],
				},
			],
		},
		{ title: "Writer pods", panels: processPanels(PIPELINE) },
	],
};
