import type { Panel, Query } from "./dashboard.ts";

/** Selects the samples of the chosen pipelines. */
export const PIPELINE = 'namespace=~"$namespace", pipeline=~"$pipeline"';
export const TABLE = `${PIPELINE}, table=~"$table"`;
export const BY_PIPELINE = "namespace, pipeline";
export const BY_TABLE = `${BY_PIPELINE}, table`;
export const LEGEND = "{{namespace}}/{{pipeline}}";
export const RATE = "[$__rate_interval]";

/** To choose namespaces and pipelines by. */
export const PIPELINE_VARIABLES = {
	namespace: "label_values(tributary_pipeline_info, namespace)",
	pipeline:
		'label_values(tributary_pipeline_info{namespace=~"$namespace"}, pipeline)',
};

/** The 50th, 95th and 99th percentile of a histogram. */
export function quantiles(
	metric: string,
	selector: string,
	by: string,
	legend: string,
): readonly Query[] {
	return [0.5, 0.95, 0.99].map((quantile) => ({
		expr: `histogram_quantile(${quantile}, sum by (${by}, le) (rate(${metric}_bucket{${selector}}${RATE})))`,
		legend: `p${quantile * 100} ${legend}`,
	}));
}

/** CPU, memory and event loop of the processes that a selector names. */
export function processPanels(selector: string): readonly Panel[] {
	return [
		{
			title: "CPU",
			description: "Cores that each pod uses.",
			unit: "short",
			width: 8,
			queries: [
				{
					expr: `sum by (namespace, pod) (rate(process_cpu_seconds_total{${selector}}${RATE}))`,
					legend: "{{pod}}",
				},
			],
		},
		{
			title: "Memory",
			description:
				"Resident memory of each pod, against the limit of its container.",
			unit: "bytes",
			width: 8,
			queries: [
				{
					expr: `max by (namespace, pod) (process_resident_memory_bytes{${selector}})`,
					legend: "{{pod}}",
				},
			],
		},
		{
			title: "Event loop",
			description:
				"99th percentile of how late timers are: a busy CPU shows here first.",
			unit: "s",
			width: 8,
			queries: [
				{
					expr: `max by (namespace, pod) (nodejs_eventloop_lag_p99_seconds{${selector}})`,
					legend: "{{pod}}",
				},
			],
		},
	];
}
