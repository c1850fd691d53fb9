import type { Dashboard } from "./dashboard.ts";
import { ingestionDashboard } from "./dashboard-ingestion.ts";
import { operatorDashboard } from "./dashboard-operator.ts";
import { pipelineDashboard } from "./dashboard-pipeline.ts";
import { tableDashboard } from "./dashboard-table.ts";

/** Every dashboard of the chart, by the name of its file. */
export const DASHBOARDS: Readonly<Record<string, Dashboard>> = {
	pipeline: pipelineDashboard,
	table: tableDashboard,
	ingestion: ingestionDashboard,
	operator: operatorDashboard,
};
