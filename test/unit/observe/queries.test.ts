import { expect, test } from "vitest";
import { metricsOf } from "../../../src/cli/metrics-page.ts";
import { DASHBOARDS } from "../../../src/observe/dashboards.ts";
import { createIngestMetrics } from "../../../src/observe/ingest-metrics.ts";
import { createWriterMetrics } from "../../../src/observe/metrics.ts";
import { CONDITIONS } from "../../../src/operator/cdc-pipeline/reasons.ts";
import { operatorMetrics } from "../../../src/operator/metrics.ts";
import { OPERATIONS } from "../../../src/operator/names.ts";
import { PHASES } from "../../../src/resource/cdc-pipeline-status.ts";
import { alertRules } from "../../support/alerts.ts";
import { asked } from "../../support/promql.ts";

/** Labels that Prometheus gives every sample of a target. */
const TARGET = ["namespace", "pod", "job", "instance"];
/** Values that a label can have, where they are few. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
	phase: PHASES,
	condition: Object.values(CONDITIONS),
	state: ["FAILED", "running"],
	controller: ["cdcpipeline"],
	result: ["success", "requeue_after", "error"],
	name: ["tributary-operator"],
	operation: OPERATIONS,
};

/** Sample name → its labels, of all registries. */
function known(): Map<string, Set<string>> {
	const samples = new Map<string, Set<string>>();
	const add = (name: string, labels: readonly string[]): void => {
		const all = samples.get(name) ?? new Set(TARGET);
		for (const label of labels) all.add(label);
		samples.set(name, all);
	};
	for (const [registry, extra] of [
		[createWriterMetrics({ pipeline: "shop" }).registry, ["pipeline"]],
		[createIngestMetrics({ ingestion: "files" }).registry, ["ingestion"]],
		[operatorMetrics().registry, []],
	] as const)
		for (const { name, type, labels } of metricsOf(registry))
			if (type === "histogram") {
				add(`${name}_bucket`, [...labels, ...extra, "le"]);
				for (const part of ["sum", "count"])
					add(`${name}_${part}`, [...labels, ...extra]);
			} else add(name, [...labels, ...extra]);
	return samples;
}

const samples = known();
const legendLabels = (legend: string): string[] =>
	[...legend.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = ""]) => label);

interface Query {
	readonly of: string;
	readonly expr: string;
	readonly legend: string;
}

const queries: readonly Query[] = [
	...alertRules().map(({ alert, expr, annotations }) => ({
		of: alert,
		expr,
		legend: [...JSON.stringify(annotations).matchAll(/\$labels\.(\w+)/g)]
			.map(([, label]) => `{{${label}}}`)
			.join(""),
	})),
	...Object.values(DASHBOARDS).flatMap(({ title, rows, variables }) => [
		...Object.values(variables).map((query) => {
			const [, expr = "", label = ""] =
				/^label_values\((.*), (\w+)\)$/.exec(query) ?? [];
			return { of: title, expr, legend: `{{${label}}}` };
		}),
		...rows
			.flatMap(({ panels }) => panels)
			.flatMap((panel) =>
				panel.queries.map((query) => ({
					of: `${title}: ${panel.title}`,
					...query,
				})),
			),
	]),
];

test("no alert and no dashboard asks for a metric, a label or a value that is nowhere", () => {
	expect(queries.length).toBeGreaterThan(80);
	const wrong = queries.flatMap(({ of, expr, legend }) => {
		const { selectors, groupings } = asked(expr);
		if (selectors.length === 0) return [`${of}: no metric in ${expr}`];
		const labels = new Set<string>();
		const problems: string[] = [];
		for (const { metric, matchers } of selectors) {
			const own = samples.get(metric);
			if (own === undefined) {
				problems.push(`${metric} is no metric`);
				continue;
			}
			for (const label of own) labels.add(label);
			for (const [label, value] of matchers) {
				if (!own.has(label) && value !== "")
					problems.push(`${metric} has no label ${label}`);
				if (value.includes("$")) continue;
				if (VALUES[label]?.includes(value) === false)
					problems.push(`${label} is never ${value}`);
			}
		}
		for (const label of groupings)
			if (!labels.has(label)) problems.push(`nothing has the label ${label}`);
		// A sum keeps the labels that it is taken by, and no other.
		const kept = groupings.size > 0 ? groupings : labels;
		for (const label of legendLabels(legend))
			if (!kept.has(label)) problems.push(`${label} of the legend is not kept`);
		return problems.map((problem) => `${of}: ${problem}`);
	});
	expect(wrong).toEqual([]);
});

test("every metric of ours can be seen on a dashboard", () => {
	const seen = new Set(
		queries.flatMap(({ expr }) =>
			asked(expr).selectors.map(({ metric }) =>
				metric.replace(/_(bucket|sum|count)$/, ""),
			),
		),
	);
	const unseen = [...samples.keys()]
		.map((name) => name.replace(/_(bucket|sum|count)$/, ""))
		.filter((name) => !/^(process|nodejs)_/.test(name))
		.filter((name) => !seen.has(name));
	expect(
		[...new Set(unseen)],
		"add a panel to src/observe/dashboard-*.ts, npm run generate, manifests/render.sh",
	).toEqual([]);
});

test("a wrong metric, label, grouping or legend would be found", () => {
	expect(
		asked(
			'sum by (a, b) (rate(m_total{x="1", y=~"$v"}[5m] offset 1h)) / on (c) group_left (d) topk(3, n) unless o',
		),
	).toEqual({
		selectors: [
			{
				metric: "m_total",
				matchers: new Map([
					["x", "1"],
					["y", "$v"],
				]),
			},
			{ metric: "n", matchers: new Map() },
			{ metric: "o", matchers: new Map() },
		],
		groupings: new Set(["a", "b", "c", "d"]),
	});
});
