/** A Grafana dashboard as it is written here: rows of panels, each with its queries. */
export interface Dashboard {
	readonly uid: string;
	readonly title: string;
	readonly description: string;
	/** Variables that narrow all queries: name → where its values come from. */
	readonly variables: Readonly<Record<string, string>>;
	readonly rows: readonly Row[];
}

export interface Row {
	readonly title: string;
	readonly panels: readonly Panel[];
}

export interface Panel {
	readonly title: string;
	/** What a person reads from it. */
	readonly description: string;
	readonly type?: "timeseries" | "stat" | "state-timeline";
	readonly unit: Unit;
	readonly queries: readonly Query[];
	/** Of 24. */
	readonly width?: number;
	/** Colours of a `stat`: red from here on. */
	readonly redFrom?: number;
	/** A `stat` shows the name of the series instead of its value. */
	readonly showName?: boolean;
	readonly stack?: boolean;
}

export interface Query {
	readonly expr: string;
	readonly legend: string;
}

/** Grafana's names of units. */
export type Unit =
	| "short"
	| "s"
	| "bytes"
	| "Bps"
	| "cps"
	| "rowsps"
	| "percentunit"
	| "none";

const STAT_HEIGHT = 4;
const GRAPH_HEIGHT = 8;
// biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of Grafana
const DATA_SOURCE = { type: "prometheus", uid: "${datasource}" };

/** The dashboard as Grafana loads it. */
export function grafanaJson(dashboard: Dashboard): object {
	const panels: object[] = [];
	let id = 0;
	let y = 0;
	for (const row of dashboard.rows) {
		panels.push({
			id: ++id,
			type: "row",
			title: row.title,
			collapsed: false,
			gridPos: { x: 0, y: y++, w: 24, h: 1 },
			panels: [],
		});
		let x = 0;
		let height = 0;
		for (const panel of row.panels) {
			const w = panel.width ?? (panel.type === "stat" ? 4 : 12);
			const h = panel.type === "stat" ? STAT_HEIGHT : GRAPH_HEIGHT;
			if (x + w > 24) {
				y += height;
				x = 0;
				height = 0;
			}
			panels.push({ id: ++id, gridPos: { x, y, w, h }, ...panelJson(panel) });
			x += w;
			height = Math.max(height, h);
		}
		y += height;
	}
	return {
		uid: dashboard.uid,
		title: dashboard.title,
		description: dashboard.description,
		tags: ["tributary"],
		schemaVersion: 39,
		editable: true,
		graphTooltip: 1,
		refresh: "30s",
		time: { from: "now-6h", to: "now" },
		templating: {
			list: [
				{
					name: "datasource",
					label: "Data source",
					type: "datasource",
					query: "prometheus",
				},
				...Object.entries(dashboard.variables).map(([name, query]) => ({
					name,
					label: name,
					type: "query",
					datasource: DATA_SOURCE,
					query: { query, refId: name },
					refresh: 2,
					multi: true,
					includeAll: true,
					allValue: ".*",
					sort: 1,
				})),
			],
		},
		panels,
	};
}

function panelJson(panel: Panel): object {
	const { type = "timeseries", redFrom } = panel;
	return {
		type,
		title: panel.title,
		description: panel.description,
		datasource: DATA_SOURCE,
		targets: panel.queries.map(({ expr, legend }, index) => ({
			refId: String.fromCharCode("A".charCodeAt(0) + index),
			datasource: DATA_SOURCE,
			expr,
			legendFormat: legend,
			...(type === "stat" && { instant: true }),
		})),
		fieldConfig: {
			defaults: {
				unit: panel.unit,
				...(type !== "state-timeline" && { min: 0 }),
				...(redFrom !== undefined && {
					color: { mode: "thresholds" },
					thresholds: {
						mode: "absolute",
						steps: [
							{ color: "green", value: null },
							{ color: "red", value: redFrom },
						],
					},
				}),
				...(type === "timeseries" && {
					custom: {
						fillOpacity: panel.stack ? 30 : 10,
						showPoints: "never",
						...(panel.stack && { stacking: { mode: "normal" } }),
					},
				}),
			},
			overrides: [],
		},
		options:
			type === "stat"
				? {
						reduceOptions: { calcs: ["lastNotNull"] },
						colorMode: "value",
						graphMode: "none",
						textMode: panel.showName === true ? "name" : "auto",
					}
				: { legend: { displayMode: "list", placement: "bottom" } },
	};
}
