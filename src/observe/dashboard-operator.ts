import type { Dashboard } from "./dashboard.ts";
import { processPanels, quantiles, RATE } from "./dashboard-queries.ts";

const CONTROLLER = 'controller=~"$controller"';

/** Is the operator at work, and what keeps it from it. */
export const operatorDashboard: Dashboard = {
	uid: "tributary-operator",
	title: "Tributary / Operator",
	description: "Is the operator at work, and what keeps it from it.",
	variables: {
		controller:
			"label_values(controller_runtime_max_concurrent_reconciles, controller)",
	},
	rows: [
		{
			title: "Now",
			panels: [
				{
					title: "Leaders",
					description: "One, always; 0 for the time of a change.",
					type: "stat",
					unit: "none",
					redFrom: 2,
					queries: [
						{
							expr: 'sum(leader_election_master_status{name="tributary-operator"})',
							legend: "leaders",
						},
					],
				},
				{
					title: "Pipelines",
					description: "That the leader knows.",
					type: "stat",
					unit: "none",
					queries: [
						{ expr: "count(tributary_pipeline_info)", legend: "pipelines" },
					],
				},
				{
					title: "Pipelines by phase",
					description: "Running, and those that are not.",
					type: "stat",
					unit: "none",
					width: 8,
					queries: [
						{
							expr: "sum by (phase) (tributary_pipeline_phase) > 0",
							legend: "{{phase}}",
						},
					],
				},
				{
					title: "Keys that wait",
					description: "Objects that wait for a worker.",
					type: "stat",
					unit: "none",
					queries: [
						{
							expr: `sum(workqueue_depth{${CONTROLLER}})`,
							legend: "keys",
						},
					],
				},
				{
					title: "Failing reconciles",
					description: "Share of the last minutes.",
					type: "stat",
					unit: "percentunit",
					redFrom: 0.5,
					queries: [
						{
							expr: `sum(rate(controller_runtime_reconcile_errors_total{${CONTROLLER}}${RATE})) / sum(rate(controller_runtime_reconcile_total{${CONTROLLER}}${RATE}))`,
							legend: "failing",
						},
					],
				},
			],
		},
		{
			title: "Loop",
			panels: [
				{
					title: "Reconciles",
					description: "By result.",
					unit: "cps",
					queries: [
						{
							expr: `sum by (controller, result) (rate(controller_runtime_reconcile_total{${CONTROLLER}}${RATE}))`,
							legend: "{{controller}} {{result}}",
						},
					],
				},
				{
					title: "Time of a reconcile",
					description: "Calls of Kafka Connect and of writers included.",
					unit: "s",
					queries: quantiles(
						"controller_runtime_reconcile_time_seconds",
						CONTROLLER,
						"controller",
						"{{controller}}",
					),
				},
				{
					title: "Workers",
					description: "Busy ones, and how many there may be.",
					unit: "none",
					queries: [
						{
							expr: `sum by (controller) (controller_runtime_active_workers{${CONTROLLER}})`,
							legend: "{{controller}} busy",
						},
						{
							expr: `max by (controller) (controller_runtime_max_concurrent_reconciles{${CONTROLLER}})`,
							legend: "{{controller}} at most",
						},
					],
				},
				{
					title: "Leader",
					description: "Which pod leads.",
					type: "state-timeline",
					unit: "none",
					queries: [
						{
							expr: 'max by (pod) (leader_election_master_status{name="tributary-operator"})',
							legend: "{{pod}}",
						},
					],
				},
			],
		},
		{
			title: "Queue",
			panels: [
				{
					title: "Wait for a worker",
					description: "From the wish to the start of the work.",
					unit: "s",
					queries: quantiles(
						"workqueue_queue_duration_seconds",
						CONTROLLER,
						"controller",
						"{{controller}}",
					),
				},
				{
					title: "Time of the work",
					description: "Of one key.",
					unit: "s",
					queries: quantiles(
						"workqueue_work_duration_seconds",
						CONTROLLER,
						"controller",
						"{{controller}}",
					),
				},
				{
					title: "Additions and retries",
					description: "Keys that were wanted, and those after a failure.",
					unit: "cps",
					queries: [
						{
							expr: `sum by (controller) (rate(workqueue_adds_total{${CONTROLLER}}${RATE}))`,
							legend: "{{controller}} added",
						},
						{
							expr: `sum by (controller) (rate(workqueue_retries_total{${CONTROLLER}}${RATE}))`,
							legend: "{{controller}} retried",
						},
					],
				},
				{
					title: "Work that does not end",
					description: "A worker that hangs grows without end.",
					unit: "s",
					queries: [
						{
							expr: `max by (controller) (workqueue_longest_running_processor_seconds{${CONTROLLER}})`,
							legend: "{{controller}} longest",
						},
						{
							expr: `sum by (controller) (workqueue_unfinished_work_seconds{${CONTROLLER}})`,
							legend: "{{controller}} together",
						},
					],
				},
			],
		},
		{
			title: "API server",
			panels: [
				{
					title: "Requests",
					description: "By status; <error> where no answer came.",
					unit: "cps",
					queries: [
						{
							expr: `sum by (method, code) (rate(rest_client_requests_total{host!=""}${RATE}))`,
							legend: "{{method}} {{code}}",
						},
					],
				},
				{
					title: "Silence of watches",
					description:
						"The server sends a sign of life about every minute; after ten minutes the operator is restarted.",
					unit: "s",
					queries: [
						{
							expr: "max by (kind) (tributary_watch_silence_seconds)",
							legend: "{{kind}}",
						},
					],
				},
				{
					title: "Canary that a controller has not noticed",
					description:
						"The leader changes an object that every controller has to notice; one that does not is not at work.",
					unit: "s",
					queries: [
						{
							expr: "max by (controller) (tributary_canary_unnoticed_seconds)",
							legend: "{{controller}}",
						},
					],
				},
			],
		},
		{
			title: "Operator pods",
			panels: processPanels(
				// The operator's processes are those that have no pipeline.
				'pipeline="", job=~".*tributary.*"',
			),
		},
	],
};
