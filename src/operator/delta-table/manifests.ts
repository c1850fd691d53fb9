import { createHash } from "node:crypto";
import { stringify } from "yaml";
import type { Manifest } from "../../kube/apply.ts";
import type { OwnerReference } from "../../kube/object.ts";
import type { CdcPipeline } from "../../resource/cdc-pipeline.ts";
import type { DeltaTable } from "../../resource/delta-table.ts";
import type { Maintenance } from "../../resource/maintenance.ts";
import { DELTA_TABLE } from "../../resource/table-kinds.ts";
import type { WriterImage } from "../cdc-pipeline/stateful-set.ts";
import { cronJobOf, jobOf, type Run, storageVariables } from "../job.ts";
import {
	ANNOTATIONS,
	LABELS,
	MANAGED_BY,
	type Operation,
	type TableTask,
	tableJobName,
	tableLabels,
	tableName,
	WRITER_CONFIG_DIR,
} from "../names.ts";
import type { TablePlace } from "./place.ts";

/**
 * The `DeltaTable` of a pipeline's table: only what it is. All else in its specification belongs to
 * whoever writes it there.
 */
export function pipelineTable(
	{ apiVersion, metadata }: CdcPipeline,
	owner: OwnerReference,
	path: string,
): Manifest & { spec: object } {
	return {
		apiVersion,
		kind: DELTA_TABLE.kind,
		metadata: {
			name: tableName(metadata.name, path),
			namespace: metadata.namespace,
			labels: {
				[LABELS.pipeline]: metadata.name,
				[LABELS.managedBy]: MANAGED_BY,
			},
			ownerReferences: [owner],
		},
		spec: { pipelineRef: { name: metadata.name }, path },
	};
}

/** Runs `tributary maintain` on one table. */
export function tableCronJob(
	table: DeltaTable,
	owner: OwnerReference,
	place: TablePlace,
	settings: Maintenance,
	image: WriterImage,
	operation: Operation,
): Manifest & { spec: object } {
	const { targetFileSize, zOrderBy } = settings.optimize;
	const { schedule, suspend } = settings[operation];
	return cronJobOf(
		{
			...runOf(table, owner, place, operation),
			args: [
				"maintain",
				operation,
				`--location=${place.location}`,
				...(operation === "vacuum"
					? [`--retention=${settings.vacuum.retention}`]
					: [
							`--target-file-size=${targetFileSize}`,
							...(zOrderBy.length > 0
								? [`--z-order=${zOrderBy.join(",")}`]
								: []),
						]),
				"--json",
			],
		},
		image,
		{ schedule, suspend: suspend || place.stopped },
	);
}

const TABLE_FILE = "table.yaml";
/** Long enough for its result to be read, and short enough for the next one to find its name free. */
const APPLIED_TTL_SECONDS = 600;

/** What `tributary table apply` is given. */
export function applyConfig(
	table: DeltaTable,
	owner: OwnerReference,
): Manifest & { data: Record<string, string> } {
	const { apiVersion, kind, metadata } = table;
	return {
		apiVersion: "v1",
		kind: "ConfigMap",
		metadata: {
			name: tableJobName(metadata.name, "apply"),
			namespace: metadata.namespace,
			labels: tableLabels(metadata.name, "apply"),
			ownerReferences: [owner],
		},
		data: {
			[TABLE_FILE]: stringify(
				{
					apiVersion,
					kind,
					metadata: { name: metadata.name },
					spec: table.spec,
				},
				{ lineWidth: 0 },
			),
		},
	};
}

/** Runs `tributary table apply` once. */
export function applyJob(
	table: DeltaTable,
	owner: OwnerReference,
	place: TablePlace,
	image: WriterImage,
): Manifest & { spec: object } {
	const run = runOf(table, owner, place, "apply");
	return jobOf(
		{
			...run,
			annotations: { [ANNOTATIONS.configHash]: applyHash(table, place) },
			args: [
				"table",
				"apply",
				place.location,
				`--file=${WRITER_CONFIG_DIR}/${TABLE_FILE}`,
				"--json",
			],
			config: run.name,
		},
		image,
		{ ttlSeconds: APPLIED_TTL_SECONDS },
	);
}

/** Changes with all that a run of `apply` looks at. */
export function applyHash(
	{ spec: { schema, partitionBy, properties, dryRun } }: DeltaTable,
	{ location, storageSecret }: TablePlace,
): string {
	return createHash("sha256")
		.update(
			JSON.stringify({
				location,
				storageSecret,
				schema,
				partitionBy,
				properties: Object.entries(properties).sort(),
				dryRun,
			}),
		)
		.digest("hex")
		.slice(0, 16);
}

function runOf(
	{ metadata }: DeltaTable,
	owner: OwnerReference,
	{ serviceAccountName, resources, scheduling, storageSecret }: TablePlace,
	task: TableTask,
): Omit<Run, "args"> {
	return {
		namespace: metadata.namespace,
		name: tableJobName(metadata.name, task),
		labels: tableLabels(metadata.name, task),
		owner,
		serviceAccountName,
		resources,
		scheduling,
		variables: storageVariables(storageSecret),
	};
}
