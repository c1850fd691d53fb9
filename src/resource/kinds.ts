import { API_GROUP, API_VERSION } from "./api.ts";
import { cdcPipelineSpec } from "./cdc-pipeline.ts";
import {
	crossFieldRules,
	immutableRules,
	objectRules,
} from "./cdc-pipeline-rules.ts";
import { cdcPipelineStatus } from "./cdc-pipeline-status.ts";
import type { ResourceKind } from "./crd.ts";
import { fileIngestionSpec } from "./file-ingestion.ts";
import {
	fileIngestionImmutableRules,
	fileIngestionObjectRules,
	fileIngestionRules,
} from "./file-ingestion-rules.ts";
import { fileIngestionStatus } from "./file-ingestion-status.ts";
import { validationRules } from "./rules.ts";
import { DELTA_TABLE, TABLE_OPERATION } from "./table-kinds.ts";

export const CDC_PIPELINE: ResourceKind = {
	group: API_GROUP,
	version: API_VERSION.slice(API_GROUP.length + 1),
	kind: "CdcPipeline",
	plural: "cdcpipelines",
	singular: "cdcpipeline",
	shortNames: ["cdcp"],
	categories: ["tributary"],
	description:
		"A CdcPipeline keeps Delta tables on S3 in step with an operational database.",
	spec: cdcPipelineSpec,
	status: cdcPipelineStatus,
	rules: [...immutableRules, ...validationRules(crossFieldRules)],
	objectRules,
	columns: [
		{ name: "Phase", type: "string", jsonPath: ".status.phase" },
		{
			name: "Ready",
			type: "string",
			jsonPath: '.status.conditions[?(@.type=="Ready")].status',
		},
		{ name: "Source", type: "string", jsonPath: ".spec.source.type" },
		{ name: "Tables", type: "integer", jsonPath: ".status.tableCount" },
		{
			name: "Lag",
			type: "integer",
			jsonPath: ".status.lag",
			description: "Records in Kafka that no table holds yet.",
		},
		{
			name: "Freshness",
			type: "string",
			jsonPath: ".status.freshness",
			description: "Age of the newest committed source change.",
		},
		{
			name: "Rows/s",
			type: "integer",
			jsonPath: ".status.rowsPerSecond",
			priority: 1,
		},
		{
			name: "Writers",
			type: "string",
			jsonPath: ".status.writers",
			description: "Ready of wanted writer pods.",
			priority: 1,
		},
		{
			name: "Reason",
			type: "string",
			jsonPath: '.status.conditions[?(@.type=="Ready")].reason',
			priority: 1,
		},
		{ name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
	],
	scale: {
		specReplicasPath: ".spec.writer.replicas",
		statusReplicasPath: ".status.replicas",
		labelSelectorPath: ".status.selector",
	},
};

export const FILE_INGESTION: ResourceKind = {
	group: API_GROUP,
	version: API_VERSION.slice(API_GROUP.length + 1),
	kind: "FileIngestion",
	plural: "fileingestions",
	singular: "fileingestion",
	shortNames: ["fi"],
	categories: ["tributary"],
	description:
		"A FileIngestion loads files that land in a bucket into a Delta table, each file exactly once.",
	spec: fileIngestionSpec,
	status: fileIngestionStatus,
	rules: [
		...fileIngestionImmutableRules,
		...validationRules(fileIngestionRules),
	],
	objectRules: fileIngestionObjectRules,
	columns: [
		{ name: "Phase", type: "string", jsonPath: ".status.phase" },
		{
			name: "Ready",
			type: "string",
			jsonPath: '.status.conditions[?(@.type=="Ready")].status',
		},
		{
			name: "Files",
			type: "integer",
			jsonPath: ".status.files.loaded",
			description: "Files that are in the table.",
		},
		{
			name: "Failed",
			type: "integer",
			jsonPath: ".status.files.failed",
			description: "Files that could not be loaded.",
		},
		{
			name: "Last run",
			type: "date",
			jsonPath: ".status.lastRun.finished",
			description: "When something was last loaded, or tried.",
		},
		{
			name: "Waiting",
			type: "integer",
			jsonPath: ".status.files.discovered",
			description: "Files that wait to be loaded.",
			priority: 1,
		},
		{
			name: "Workers",
			type: "string",
			jsonPath: ".status.workers",
			description: "Ready of wanted worker pods.",
			priority: 1,
		},
		{
			name: "Reason",
			type: "string",
			jsonPath: '.status.conditions[?(@.type=="Ready")].reason',
			priority: 1,
		},
		{ name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
	],
	scale: {
		specReplicasPath: ".spec.worker.replicas",
		statusReplicasPath: ".status.replicas",
		labelSelectorPath: ".status.selector",
	},
};

/** Every kind that this version of the product serves. */
export const KINDS: readonly ResourceKind[] = [
	CDC_PIPELINE,
	DELTA_TABLE,
	TABLE_OPERATION,
	FILE_INGESTION,
];
