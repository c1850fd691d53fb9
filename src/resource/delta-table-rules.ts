import type { ValidationRule } from "./crd.ts";
import { parseDuration } from "./quantity.ts";
import { type CrossFieldRule, immutableOptional } from "./rules.ts";

/** `metadata.name` of a table: it goes into a label. */
export const TABLE_NAME = /^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$/;

export const tableObjectRules: readonly ValidationRule[] = [
	{
		rule: "size(self.metadata.name) <= 63",
		message:
			"metadata.name must be at most 63 letters: it goes into the labels of the table's Jobs",
	},
];

/** The part of a specification that rules across fields look at. */
interface RuledTable {
	readonly pipelineRef?: unknown;
	readonly path?: string | undefined;
	readonly location?: unknown;
	readonly storageSecretRef?: unknown;
	readonly serviceAccountName?: unknown;
	readonly schema?: unknown;
	readonly partitionBy: readonly string[];
	readonly clusterBy: readonly string[];
	readonly interval: string;
}

const MINUTE_MS = 60_000;

const own = (
	field: "storageSecretRef" | "serviceAccountName" | "schema",
	instead: string,
): CrossFieldRule<RuledTable> => ({
	rule: `!has(self.pipelineRef) || !has(self.${field})`,
	message: `${field} does not go with pipelineRef: ${instead}`,
	path: [field],
	holds: (spec) => spec.pipelineRef === undefined || spec[field] === undefined,
});

export const tableRules: readonly CrossFieldRule<RuledTable>[] = [
	{
		rule: "has(self.pipelineRef) != has(self.location)",
		message:
			"one of location (a table of its own) and pipelineRef (a table that a CdcPipeline writes) is needed, and not both",
		path: [],
		holds: ({ pipelineRef, location }) =>
			(pipelineRef === undefined) !== (location === undefined),
	},
	{
		rule: "has(self.pipelineRef) == has(self.path)",
		message:
			"pipelineRef and path go together: path is the table's folder below sink.location of the pipeline",
		path: [],
		holds: ({ pipelineRef, path }) =>
			(pipelineRef === undefined) === (path === undefined),
	},
	{
		rule: "!has(self.path) || !(self.path.startsWith('/') || self.path.contains('..'))",
		message:
			"path must neither start with '/' nor contain '..': it stays below sink.location of the pipeline",
		path: ["path"],
		holds: ({ path = "" }) => !path.startsWith("/") && !path.includes(".."),
	},
	own("storageSecretRef", "the pipeline's sink.storageSecretRef is used"),
	own("serviceAccountName", "that of the pipeline's writers is used"),
	own("schema", "the source and sink.schema of the pipeline make its columns"),
	{
		rule: "!has(self.pipelineRef) || size(self.clusterBy) == 0",
		message:
			"clusterBy does not go with pipelineRef: set maintenance.optimize.zOrderBy here, or sink.clusterBy of the pipeline",
		path: ["clusterBy"],
		holds: ({ pipelineRef, clusterBy }) =>
			pipelineRef === undefined || clusterBy.length === 0,
	},
	{
		rule: "self.interval.endsWith('d') ? !self.interval.matches('^0+d$') : duration(self.interval) >= duration('1m')",
		message:
			"interval must be a minute at least: each look at the table is a Job of its own",
		path: ["interval"],
		holds: ({ interval }) => parseDuration(interval) >= MINUTE_MS,
	},
	{
		rule: "has(self.schema) || size(self.partitionBy) == 0",
		message:
			"partitionBy needs schema: only a table that is made here can be partitioned",
		path: ["partitionBy"],
		holds: ({ schema, partitionBy }) =>
			schema !== undefined || partitionBy.length === 0,
	},
];

export const tableImmutableRules: readonly ValidationRule[] = [
	immutableOptional(
		"location",
		"its Jobs, its status and its history belong to that table; make a new DeltaTable and delete this one, no data goes with it",
	),
	immutableOptional(
		"pipelineRef",
		"the table belongs to the pipeline that writes it; delete this DeltaTable, no data goes with it",
	),
	immutableOptional(
		"path",
		"it is the table that the pipeline writes; delete this DeltaTable, no data goes with it",
	),
];
