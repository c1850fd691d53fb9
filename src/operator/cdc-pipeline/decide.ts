import { isDeepStrictEqual } from "node:util";
import type { ConnectAccess } from "../../connect/client.ts";
import { type Manifest, needsApply } from "../../kube/apply.ts";
import type { KubeObject } from "../../kube/object.ts";
import type { CdcPipeline } from "../../resource/cdc-pipeline.ts";
import type { CdcPipelineStatus } from "../../resource/cdc-pipeline-status.ts";
import {
	type DeltaTableSpec,
	deltaTableSpec,
} from "../../resource/delta-table.ts";
import { parseKnown } from "../../resource/held.ts";
import { overrides } from "../../resource/maintenance.ts";
import { connectAccess } from "../../resource/secrets.ts";
import { pipelineTable } from "../delta-table/manifests.ts";
import { OPERATIONS, type Operation } from "../names.ts";
import {
	CHILD_KINDS,
	type ChildKind,
	type CronJob,
	type Pod,
	type StatefulSet,
	type TableObject,
} from "../types.ts";
import type { ActionsGiven } from "./connector.ts";
import { cronJob } from "./cron-job.ts";
import {
	configMap,
	ownerOf,
	podDisruptionBudget,
	service,
	serviceAccount,
} from "./manifests.ts";
import type { Secrets } from "./secrets.ts";
import { statefulSet, type WriterImage } from "./stateful-set.ts";
import { configHash } from "./writer-config.ts";
import type { WriterFigures } from "./writer-report.ts";

/** All that is known of one pipeline at one moment. */
export interface Observed {
	readonly pipeline: CdcPipeline;
	readonly uid: string;
	/** What the status said. */
	readonly before: CdcPipelineStatus | undefined;
	readonly children: Readonly<Partial<Record<ChildKind, KubeObject>>> & {
		readonly statefulSet?: StatefulSet;
	};
	readonly cronJobs: Readonly<Partial<Record<Operation, CronJob>>>;
	/** Those of the pipeline's tables, and those that stand where one of them belongs, by name. */
	readonly tables: ReadonlyMap<string, TableObject>;
	/** Of the writers. */
	readonly pods: readonly Pod[];
	readonly maintenancePods: Readonly<Record<Operation, readonly Pod[]>>;
	readonly secrets: Secrets;
	readonly figures: WriterFigures;
}

export type Action =
	| {
			readonly do: "apply";
			readonly kind: ChildKind | "cronJob" | "table";
			readonly manifest: Manifest;
	  }
	| {
			readonly do: "delete";
			readonly kind: ChildKind;
			readonly object: KubeObject;
	  }
	| {
			readonly do: "connector";
			readonly connectionUri: string;
			readonly given: ActionsGiven;
	  };

export interface Plan {
	readonly actions: readonly Action[];
	readonly configHash: string;
	/** Writers wanted now. */
	readonly replicas: number;
}

/** What to do about a pipeline that is not being deleted. Pure. */
export function decide(observed: Observed, image: WriterImage): Plan {
	const { pipeline, secrets, children } = observed;
	const { state } = pipeline.spec;
	const owner = ownerOf(pipeline, observed.uid);
	const hash = configHash(pipeline, secrets.versions);
	const replicas = state === "running" ? pipeline.spec.writer.replicas : 0;
	const actions: Action[] = [];
	if (secrets.connectionUri !== undefined)
		actions.push({
			do: "connector",
			connectionUri: secrets.connectionUri,
			given: {
				access: accessOf(observed),
				before: observed.before?.actions,
				fresh: observed.before?.observedGeneration === undefined,
				secret: secrets.problems.length === 0 ? secrets.read : undefined,
			},
		});

	const wanted: Partial<Record<ChildKind, Manifest>> = {
		serviceAccount: serviceAccount(pipeline, owner),
		configMap: configMap(pipeline, owner),
		service: service(pipeline, owner),
		podDisruptionBudget: podDisruptionBudget(pipeline, owner),
		statefulSet: statefulSet(pipeline, owner, image, {
			replicas,
			hash,
			// A nonce that is taken out of the specification must not roll the writers again.
			restart:
				pipeline.spec.actions?.restart ??
				observed.before?.actions?.restart?.nonce,
		}),
	};
	if (state === "stopped") {
		if (children.statefulSet !== undefined && !leaving(children.statefulSet))
			actions.push({
				do: "delete",
				kind: "statefulSet",
				object: children.statefulSet,
			});
		// None that were never made: there is no configuration for them.
		actions.push(...maintain(observed, image, { existing: true }));
		actions.push(...tables(observed));
		return { actions, configHash: hash, replicas };
	}
	// Writers at work go on with what they have until what they would need next is there.
	const blocked =
		state === "running" && secrets.problems.some(({ source }) => !source);
	if (!blocked)
		for (const kind of CHILD_KINDS) {
			const manifest = wanted[kind];
			const child = children[kind];
			if (child !== undefined && leaving(child)) continue;
			if (manifest !== undefined && needsApply(child, manifest))
				actions.push({ do: "apply", kind, manifest });
		}
	actions.push(...maintain(observed, image, { existing: blocked }));
	actions.push(...tables(observed));
	return { actions, configHash: hash, replicas };
}

/** The CronJobs as they should be; `existing`: only those that are there. */
function maintain(
	{ pipeline, uid, cronJobs, tables }: Observed,
	image: WriterImage,
	{ existing }: { readonly existing: boolean },
): Action[] {
	return OPERATIONS.flatMap((operation) => {
		const child = cronJobs[operation];
		if (child === undefined ? existing : leaving(child)) return [];
		const manifest = cronJob(
			pipeline,
			ownerOf(pipeline, uid),
			image,
			operation,
			ownCronJobs(tables.values(), operation),
		);
		return needsApply(child, manifest)
			? [{ do: "apply" as const, kind: "cronJob" as const, manifest }]
			: [];
	});
}

/** A `DeltaTable` for each table that the writers have told of. */
function tables({
	pipeline,
	uid,
	figures,
	before,
	tables,
}: Observed): Action[] {
	const paths = new Set(
		[...(before?.tables ?? []), ...figures.tables].map(({ name }) => name),
	);
	return [...paths].flatMap((path) => {
		const manifest = pipelineTable(pipeline, ownerOf(pipeline, uid), path);
		const child = tables.get(manifest.metadata.name);
		if (child !== undefined && (leaving(child) || !isTable(child, manifest)))
			return [];
		return needsApply(child, manifest)
			? [{ do: "apply" as const, kind: "table" as const, manifest }]
			: [];
	});
}

/** One of that name that is another table is somebody's own, and is left alone. */
function isTable(child: TableObject, manifest: { spec: object }): boolean {
	const { pipelineRef, path } = child.spec as Partial<DeltaTableSpec>;
	return isDeepStrictEqual({ pipelineRef, path }, manifest.spec);
}

/** Folders of the tables that have settings, and so CronJobs, of their own. */
function ownCronJobs(
	tables: Iterable<TableObject>,
	operation: Operation,
): string[] {
	return [...tables].flatMap((table) => {
		if (leaving(table)) return [];
		const spec = parseKnown(deltaTableSpec, table.spec).data;
		return spec?.path !== undefined && overrides(spec.maintenance, operation)
			? [spec.path]
			: [];
	});
}

/** What Kafka Connect is told of us. */
export function accessOf({
	pipeline,
	secrets,
}: Pick<Observed, "pipeline" | "secrets">): ConnectAccess {
	const { connectSecretRef: ref } = pipeline.spec.kafka;
	return ref === undefined
		? {}
		: connectAccess((key) => secrets.read(ref.name, key));
}

/** On its way out: it is made again when it is gone. */
function leaving({ metadata }: KubeObject): boolean {
	return metadata.deletionTimestamp !== undefined;
}
