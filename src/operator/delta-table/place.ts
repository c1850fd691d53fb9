import { type CdcPipeline, cdcPipeline } from "../../resource/cdc-pipeline.ts";
import {
	DEFAULT_RESOURCES,
	type DeltaTable,
} from "../../resource/delta-table.ts";
import { parseHeld } from "../../resource/held.ts";
import { type Maintenance, maintenance } from "../../resource/maintenance.ts";
import type { Scheduling } from "../../resource/scheduling.ts";
import { tableName, writerName } from "../names.ts";
import type { PipelineObject } from "../types.ts";
import { TABLE_REASONS } from "./reasons.ts";

/** Where a table is, what its Jobs run with, and what it inherits. */
export interface TablePlace {
	readonly location: string;
	readonly storageSecret: string | undefined;
	/** The field that names the Secret, for messages. */
	readonly secretField: string;
	readonly serviceAccountName: string;
	readonly resources: { readonly cpu: string; readonly memory: string };
	/** Of its pipeline; a table of its own goes where there is room. */
	readonly scheduling?: Scheduling;
	readonly inherited: Maintenance;
	readonly inheritedFrom: "Pipeline" | "Default";
	readonly clusterBy: readonly string[];
	/** No maintenance is wanted. */
	readonly stopped: boolean;
}

export interface Misplaced {
	readonly reason: string;
	readonly message: string;
}

/** @param object - the pipeline that the table refers to, where it is there */
export function placeOf(
	{ metadata, spec }: DeltaTable,
	object: PipelineObject | undefined,
): TablePlace | Misplaced {
	if (spec.pipelineRef === undefined)
		return {
			location: (spec.location ?? "").replace(/\/+$/, ""),
			storageSecret: spec.storageSecretRef?.name,
			secretField: "spec.storageSecretRef",
			serviceAccountName: spec.serviceAccountName ?? "default",
			resources: spec.resources ?? DEFAULT_RESOURCES,
			inherited: maintenance.parse({}),
			inheritedFrom: "Default",
			clusterBy: spec.clusterBy,
			stopped: false,
		};
	const { name } = spec.pipelineRef;
	const path = spec.path ?? "";
	if (object === undefined)
		return {
			reason: TABLE_REASONS.pipelineMissing,
			message: `CdcPipeline ${name} (spec.pipelineRef) is not in namespace ${metadata.namespace}: create it, or delete this DeltaTable; no data goes with it`,
		};
	const wanted = tableName(name, path);
	if (metadata.name !== wanted)
		return {
			reason: TABLE_REASONS.nameWrong,
			message: `the DeltaTable of ${path} of CdcPipeline ${name} is called ${wanted}, not ${metadata.name}: put your settings there and delete this one; no data goes with it`,
		};
	const pipeline = parsed(object);
	if (pipeline === undefined)
		return {
			reason: TABLE_REASONS.pipelineInvalid,
			message: `the specification of CdcPipeline ${name} can't be worked with: see its condition Ready`,
		};
	const { sink, writer, state } = pipeline.spec;
	return {
		location: `${sink.location.replace(/\/+$/, "")}/${path}`,
		storageSecret: sink.storageSecretRef?.name,
		secretField: `spec.sink.storageSecretRef of CdcPipeline ${name}`,
		serviceAccountName: writerName(name),
		resources: spec.resources ?? writer.resources,
		scheduling: writer.scheduling,
		inherited: pipeline.spec.maintenance,
		inheritedFrom: "Pipeline",
		clusterBy: sink.clusterBy,
		stopped: state === "stopped",
	};
}

/** Of every version of an object, for all tables of a pipeline look at it. */
const parsedOnce = new WeakMap<PipelineObject, { pipeline?: CdcPipeline }>();

function parsed(object: PipelineObject): CdcPipeline | undefined {
	const known = parsedOnce.get(object);
	if (known !== undefined) return known.pipeline;
	const { data } = parseHeld(cdcPipeline, object);
	parsedOnce.set(object, data === undefined ? {} : { pipeline: data });
	return data;
}
