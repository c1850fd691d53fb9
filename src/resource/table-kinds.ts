import { API_GROUP, API_VERSION } from "./api.ts";
import type { PrinterColumn, ResourceKind } from "./crd.ts";
import { deltaTableSpec } from "./delta-table.ts";
import {
	tableImmutableRules,
	tableObjectRules,
	tableRules,
} from "./delta-table-rules.ts";
import { deltaTableStatus } from "./delta-table-status.ts";
import { validationRules } from "./rules.ts";
import { tableOperationSpec } from "./table-operation.ts";
import {
	operationImmutableRules,
	operationObjectRules,
	operationRules,
} from "./table-operation-rules.ts";
import { tableOperationStatus } from "./table-operation-status.ts";

const OURS = {
	group: API_GROUP,
	version: API_VERSION.slice(API_GROUP.length + 1),
	categories: ["tributary"],
} as const;

const AGE: PrinterColumn = {
	name: "Age",
	type: "date",
	jsonPath: ".metadata.creationTimestamp",
};

export const DELTA_TABLE: ResourceKind = {
	...OURS,
	kind: "DeltaTable",
	plural: "deltatables",
	singular: "deltatable",
	shortNames: ["dt"],
	description:
		"A DeltaTable is one Delta table: of a CdcPipeline, which makes it, or one of its own, which is made and evolved as its schema says. Deleting a DeltaTable deletes no data.",
	spec: deltaTableSpec,
	status: deltaTableStatus,
	rules: [...tableImmutableRules, ...validationRules(tableRules)],
	objectRules: tableObjectRules,
	columns: [
		{ name: "Phase", type: "string", jsonPath: ".status.phase" },
		{
			name: "Ready",
			type: "string",
			jsonPath: '.status.conditions[?(@.type=="Ready")].status',
		},
		{ name: "Version", type: "integer", jsonPath: ".status.version" },
		{ name: "Rows", type: "integer", jsonPath: ".status.rows" },
		{ name: "Files", type: "integer", jsonPath: ".status.files" },
		{ name: "Size", type: "string", jsonPath: ".status.size" },
		{
			name: "Optimized",
			type: "date",
			jsonPath: ".status.optimize.finished",
			description: "Time since the last run of optimize.",
		},
		{ name: "Location", type: "string", jsonPath: ".status.location" },
		{
			name: "Pipeline",
			type: "string",
			jsonPath: ".spec.pipelineRef.name",
			priority: 1,
		},
		{
			name: "Vacuumed",
			type: "date",
			jsonPath: ".status.vacuum.finished",
			description: "Time since the last run of vacuum.",
			priority: 1,
		},
		{
			name: "Reason",
			type: "string",
			jsonPath: '.status.conditions[?(@.type=="Ready")].reason',
			priority: 1,
		},
		AGE,
	],
};

export const TABLE_OPERATION: ResourceKind = {
	...OURS,
	kind: "TableOperation",
	plural: "tableoperations",
	singular: "tableoperation",
	shortNames: ["top"],
	description:
		"A TableOperation does one thing to a DeltaTable, once: optimize, vacuum, restore, checkpoint or cleanLog, beside its writers.",
	spec: tableOperationSpec,
	status: tableOperationStatus,
	rules: [...operationImmutableRules, ...validationRules(operationRules)],
	objectRules: operationObjectRules,
	columns: [
		{ name: "Table", type: "string", jsonPath: ".spec.tableRef.name" },
		{ name: "Type", type: "string", jsonPath: ".spec.type" },
		{ name: "Phase", type: "string", jsonPath: ".status.phase" },
		{
			name: "Reason",
			type: "string",
			jsonPath: '.status.conditions[?(@.type=="Complete")].reason',
		},
		{ name: "Summary", type: "string", jsonPath: ".status.summary" },
		{
			name: "Finished",
			type: "date",
			jsonPath: ".status.finished",
			priority: 1,
		},
		AGE,
	],
};
