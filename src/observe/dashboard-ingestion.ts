import type { Dashboard } from "./dashboard.ts";
import { processPanels, quantiles, RATE } from "./dashboard-queries.ts";

const INGESTION = 'namespace=~"$namespace", ingestion=~"$ingestion"';
const BY = "namespace, ingestion";
const LEGEND = "{{namespace}}/{{ingestion}}";

/** Files that land in buckets: how many wait or failed, and how quickly they are loaded. */
export const ingestionDashboard: Dashboard = {
	uid: "tributary-ingestion",
	title: "Tributary / File ingestion",
	description:
		"Files that land in buckets: which wait, which failed, and how quickly they are loaded.",
	variables: {
		namespace: "label_values(tributary_ingest_failing, namespace)",
		ingestion:
			'label_values(tributary_ingest_failing{namespace=~"$namespace"}, ingestion)',
	},
	rows: [
		{
			title: "Now",
			panels: [
				{
					title: "Failing",
					description:
						"Ingestions whose last look at the source ended with an error.",
					type: "stat",
					unit: "none",
					redFrom: 1,
					queries: [
						{
							expr: `sum(max by (${BY}) (tributary_ingest_failing{${INGESTION}}))`,
							legend: "failing",
						},
					],
				},
				{
					title: "Failed files",
					description: "They are in no table until a person acts.",
					type: "stat",
					unit: "short",
					redFrom: 1,
					queries: [
						{
							expr: `sum(max by (${BY}) (tributary_ingest_files{${INGESTION}, status="failed"}))`,
							legend: "failed",
						},
					],
				},
				{
					title: "Last look",
					description: "Age of the last look at the source, the oldest of all.",
					type: "stat",
					unit: "s",
					queries: [
						{
							expr: `max(time() - max by (${BY}) (tributary_ingest_last_look_timestamp_seconds{${INGESTION}}))`,
							legend: "age",
						},
					],
				},
				{
					title: "Table version",
					description: "Newest version that a worker knows.",
					type: "stat",
					unit: "none",
					queries: [
						{
							expr: `max by (${BY}) (tributary_ingest_table_version{${INGESTION}})`,
							legend: LEGEND,
						},
					],
				},
			],
		},
		{
			title: "Files",
			panels: [
				{
					title: "Files by status",
					description: "Those that are discovered wait for a worker.",
					unit: "short",
					queries: [
						{
							expr: `max by (${BY}, status) (tributary_ingest_files{${INGESTION}})`,
							legend: `${LEGEND} {{status}}`,
						},
					],
				},
				{
					title: "Files loaded and failed",
					description: "A second, by error code where they failed.",
					unit: "cps",
					queries: [
						{
							expr: `sum by (${BY}) (rate(tributary_ingest_files_loaded_total{${INGESTION}}${RATE}))`,
							legend: `${LEGEND} loaded`,
						},
						{
							expr: `sum by (${BY}, code) (rate(tributary_ingest_files_failed_total{${INGESTION}}${RATE}))`,
							legend: `${LEGEND} {{code}}`,
						},
					],
				},
				{
					title: "Rows",
					description: "Committed a second.",
					unit: "rowsps",
					queries: [
						{
							expr: `sum by (${BY}) (rate(tributary_ingest_rows_total{${INGESTION}}${RATE}))`,
							legend: LEGEND,
						},
					],
				},
				{
					title: "Bytes",
					description: "Read from the source, and written to the table.",
					unit: "Bps",
					queries: [
						{
							expr: `sum by (${BY}) (rate(tributary_ingest_bytes_read_total{${INGESTION}}${RATE}))`,
							legend: `${LEGEND} read`,
						},
						{
							expr: `sum by (${BY}) (rate(tributary_ingest_bytes_written_total{${INGESTION}}${RATE}))`,
							legend: `${LEGEND} written`,
						},
					],
				},
				{
					title: "Time to commit",
					description: "From taking files to their commit.",
					unit: "s",
					queries: quantiles(
						"tributary_ingest_commit_duration_seconds",
						INGESTION,
						BY,
						LEGEND,
					),
				},
				{
					title: "Runs",
					description: "Looks at the source a second, by how they ended.",
					unit: "cps",
					queries: [
						{
							expr: `sum by (${BY}, status) (rate(tributary_ingest_runs_total{${INGESTION}}${RATE}))`,
							legend: `${LEGEND} {{status}}`,
						},
					],
				},
			],
		},
		{ title: "Processes", panels: processPanels(INGESTION) },
	],
};
