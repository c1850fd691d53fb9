import type { Dashboard } from "./dashboard.ts";
import {
	BY_TABLE,
	PIPELINE,
	PIPELINE_VARIABLES,
	quantiles,
	RATE,
	TABLE,
} from "./dashboard-queries.ts";

/** The size of a table, its commits, and how late it is. */
export const tableDashboard: Dashboard = {
	uid: "tributary-table",
	title: "Tributary / Table",
	description: "One table: its size, its commits, and how late it is.",
	variables: {
		...PIPELINE_VARIABLES,
		table: `label_values(tributary_commits_total{${PIPELINE}}, table)`,
	},
	rows: [
		{
			title: "Now",
			panels: [
				{
					title: "Rows",
					description: "Of the newest version, without deleted ones.",
					type: "stat",
					unit: "short",
					queries: [
						{
							expr: `sum(max by (${BY_TABLE}) (tributary_table_rows{${TABLE}}))`,
							legend: "rows",
						},
					],
				},
				{
					title: "Size",
					description: "Data files of the newest version.",
					type: "stat",
					unit: "bytes",
					queries: [
						{
							expr: `sum(max by (${BY_TABLE}) (tributary_table_bytes{${TABLE}}))`,
							legend: "bytes",
						},
					],
				},
				{
					title: "Files",
					description: "Data files of the newest version.",
					type: "stat",
					unit: "short",
					queries: [
						{
							expr: `sum(max by (${BY_TABLE}) (tributary_table_files{${TABLE}}))`,
							legend: "files",
						},
					],
				},
				{
					title: "Bytes per file",
					description: "Small files make queries slow: compact the table.",
					type: "stat",
					unit: "bytes",
					queries: [
						{
							expr: `sum(max by (${BY_TABLE}) (tributary_table_bytes{${TABLE}})) / sum(max by (${BY_TABLE}) (tributary_table_files{${TABLE}}))`,
							legend: "bytes",
						},
					],
				},
				{
					title: "Version",
					description: "The newest that a writer knows.",
					type: "stat",
					unit: "none",
					queries: [
						{
							expr: `max by (${BY_TABLE}) (tributary_table_version{${TABLE}})`,
							legend: "{{table}}",
						},
					],
				},
				{
					title: "Last commit",
					description: "How long ago.",
					type: "stat",
					unit: "s",
					queries: [
						{
							expr: `time() - max by (${BY_TABLE}) (tributary_last_commit_timestamp_seconds{${TABLE}})`,
							legend: "{{table}}",
						},
					],
				},
			],
		},
		{
			title: "Size",
			panels: [
				{
					title: "Bytes",
					description: "Data files of the newest version.",
					unit: "bytes",
					queries: [
						{
							expr: `max by (${BY_TABLE}) (tributary_table_bytes{${TABLE}})`,
							legend: "{{table}}",
						},
					],
				},
				{
					title: "Rows",
					description: "Without deleted ones.",
					unit: "short",
					queries: [
						{
							expr: `max by (${BY_TABLE}) (tributary_table_rows{${TABLE}})`,
							legend: "{{table}}",
						},
					],
				},
				{
					title: "Files",
					description: "They fall when the table is compacted.",
					unit: "short",
					queries: [
						{
							expr: `max by (${BY_TABLE}) (tributary_table_files{${TABLE}})`,
							legend: "{{table}}",
						},
					],
				},
				{
					title: "Schema changes",
					description: "Columns that were added or widened.",
					unit: "short",
					queries: [
						{
							expr: `sum by (${BY_TABLE}, kind) (increase(tributary_schema_changes_total{${TABLE}}${RATE}))`,
							legend: "{{table}} {{kind}}",
						},
					],
				},
			],
		},
		{
			title: "Commits",
			panels: [
				{
					title: "Changes committed",
					description: "Rows that came into the table or changed it.",
					unit: "rowsps",
					queries: [
						{
							expr: `sum by (${BY_TABLE}) (rate(tributary_rows_committed_total{${TABLE}}${RATE}))`,
							legend: "{{table}}",
						},
					],
				},
				{
					title: "Bytes written",
					description: "Data files of the commits.",
					unit: "Bps",
					queries: [
						{
							expr: `sum by (${BY_TABLE}) (rate(tributary_bytes_written_total{${TABLE}}${RATE}))`,
							legend: "{{table}}",
						},
					],
				},
				{
					title: "Commits",
					description: "Delta versions made.",
					unit: "cps",
					queries: [
						{
							expr: `sum by (${BY_TABLE}) (rate(tributary_commits_total{${TABLE}}${RATE}))`,
							legend: "{{table}}",
						},
					],
				},
				{
					title: "Duration of a commit",
					description:
						"From the start of a flush to its commit, retries included.",
					unit: "s",
					queries: quantiles(
						"tributary_commit_duration_seconds",
						TABLE,
						BY_TABLE,
						"{{table}}",
					),
				},
				{
					title: "Changes in a batch",
					description:
						"Batches at spec.writer.batch.maxRows mean that the writer works at full speed.",
					unit: "short",
					queries: quantiles(
						"tributary_batch_rows",
						TABLE,
						BY_TABLE,
						"{{table}}",
					),
				},
				{
					title: "Bytes of a batch",
					description: "Data files of one commit.",
					unit: "bytes",
					queries: quantiles(
						"tributary_batch_bytes",
						TABLE,
						BY_TABLE,
						"{{table}}",
					),
				},
			],
		},
		{
			title: "How late",
			panels: [
				{
					title: "Behind the source",
					description: "0 when nothing waits.",
					unit: "s",
					queries: [
						{
							expr: `max by (${BY_TABLE}) (tributary_lag_seconds{${TABLE}})`,
							legend: "{{table}}",
						},
					],
				},
				{
					title: "Age of the newest change",
					description: "It grows while the source is quiet.",
					unit: "s",
					queries: [
						{
							expr: `min by (${BY_TABLE}) (tributary_freshness_seconds{${TABLE}})`,
							legend: "{{table}}",
						},
					],
				},
				{
					title: "Changes that wait for their commit",
					description: "Decoded, and not in the table yet.",
					unit: "short",
					queries: [
						{
							expr: `sum by (${BY_TABLE}) (tributary_pending_rows{${TABLE}})`,
							legend: "{{table}}",
						},
					],
				},
				{
					title: "Failures that were tried again",
					description: "By error code; failure-modes.md has them.",
					unit: "short",
					queries: [
						{
							expr: `sum by (${BY_TABLE}, code) (increase(tributary_retries_total{${TABLE}}${RATE}))`,
							legend: "{{table}} {{code}}",
						},
					],
				},
			],
		},
	],
};
