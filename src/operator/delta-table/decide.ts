import { type Manifest, needsApply } from "../../kube/apply.ts";
import type { KubeObject } from "../../kube/object.ts";
import type { DeltaTable } from "../../resource/delta-table.ts";
import {
	type Maintenance,
	overridden,
	overrides,
} from "../../resource/maintenance.ts";
import { parseDuration } from "../../resource/quantity.ts";
import { ownerOf } from "../cdc-pipeline/manifests.ts";
import type { WriterImage } from "../cdc-pipeline/stateful-set.ts";
import { ANNOTATIONS, OPERATIONS, type Operation } from "../names.ts";
import type { CronJob, Job } from "../types.ts";
import type { TableFacts } from "./facts.ts";
import { applyConfig, applyHash, applyJob, tableCronJob } from "./manifests.ts";
import type { TablePlace } from "./place.ts";

/** All that is known of one table at one moment. */
export interface ObservedTable {
	readonly table: DeltaTable;
	readonly uid: string;
	readonly place: TablePlace;
	readonly facts: TableFacts;
	/** Whether there is a table, as far as anybody has seen. */
	readonly exists: boolean;
	readonly cronJobs: Readonly<Partial<Record<Operation, CronJob>>>;
	readonly config: KubeObject | undefined;
	readonly job: Job | undefined;
	/** Milliseconds since the epoch. */
	readonly nowMs: number;
}

export type TableAction =
	| {
			readonly do: "apply";
			readonly kind: "configMap" | "cronJob" | "job";
			readonly manifest: Manifest;
	  }
	| {
			readonly do: "delete";
			readonly kind: "cronJob" | "job";
			readonly object: KubeObject;
	  };

export interface TablePlan {
	readonly actions: readonly TableAction[];
	readonly settings: Maintenance;
	/** Of what a run of `apply` would look at; `undefined` where none is wanted. */
	readonly hash: string | undefined;
	/** Milliseconds until something is to be done though nothing changes. */
	readonly dueInMs: number | undefined;
}

/** After which a failed run is tried again; the Job itself has tried three times by then. */
const RETRY_MS = 60_000;
/** In which the end of a Job's pod is told after the end of the Job. */
const GRACE_MS = 10_000;

/** What to do about a table that is where it should be. Pure. */
export function decideTable(
	observed: ObservedTable,
	image: WriterImage,
): TablePlan {
	const { table, uid, place, exists, cronJobs } = observed;
	const owner = ownerOf(table, uid);
	const settings = effective(table, place);
	const ours = table.spec.pipelineRef === undefined;
	const actions: TableAction[] = [];
	for (const operation of OPERATIONS) {
		const child = cronJobs[operation];
		const wanted = ours ? exists : overrides(table.spec.maintenance, operation);
		const manifest = tableCronJob(
			table,
			owner,
			place,
			settings,
			image,
			operation,
		);
		if (child !== undefined && leaving(child)) continue;
		if (wanted && needsApply(child, manifest))
			actions.push({ do: "apply", kind: "cronJob", manifest });
		if (!wanted && child !== undefined)
			actions.push({ do: "delete", kind: "cronJob", object: child });
	}
	const asked = Object.keys(table.spec.properties).length > 0;
	if (!ours && !(asked && exists))
		return { actions, settings, hash: undefined, dueInMs: undefined };
	const hash = applyHash(table, place);
	const { run, dueInMs } = decideRun(observed, hash, ours);
	const config = applyConfig(table, owner);
	if (needsApply(observed.config, config))
		actions.push({ do: "apply", kind: "configMap", manifest: config });
	if (run === "start")
		actions.push({
			do: "apply",
			kind: "job",
			manifest: applyJob(table, owner, place, image),
		});
	if (run === "clear" && observed.job !== undefined)
		actions.push({ do: "delete", kind: "job", object: observed.job });
	return { actions, settings, hash, dueInMs };
}

/** The settings in force. */
export function effective(table: DeltaTable, place: TablePlace): Maintenance {
	const settings = overridden(place.inherited, table.spec.maintenance);
	const { zOrderBy } = settings.optimize;
	return {
		...settings,
		optimize: {
			...settings.optimize,
			zOrderBy: zOrderBy.length > 0 ? zOrderBy : [...place.clusterBy],
		},
	};
}

/**
 * Whether `apply` is to run. A Job of another specification, or one whose time has come again, is
 * taken away first; its going brings us back here.
 */
function decideRun(
	{ table, facts: { applied }, job, nowMs }: ObservedTable,
	hash: string,
	repeats: boolean,
): { readonly run?: "start" | "clear"; readonly dueInMs: number | undefined } {
	const done = applied?.hash === hash ? applied : undefined;
	const every =
		done?.result === "Failed"
			? RETRY_MS
			: repeats
				? parseDuration(table.spec.interval)
				: Number.POSITIVE_INFINITY;
	const dueInMs =
		done === undefined ? 0 : Date.parse(done.finished) + every - nowMs;
	const again = Number.isFinite(dueInMs) ? Math.max(0, dueInMs) : undefined;
	if (job === undefined)
		return dueInMs <= 0 ? { run: "start", dueInMs: 0 } : { dueInMs: again };
	if (leaving(job)) return { dueInMs: undefined };
	if (job.metadata.annotations?.[ANNOTATIONS.configHash] !== hash)
		return { run: "clear", dueInMs: 0 };
	const ended = job.status?.conditions?.find(
		({ type, status }) =>
			status === "True" && (type === "Complete" || type === "Failed"),
	);
	if (ended === undefined) return { dueInMs: undefined };
	const told =
		done !== undefined && done.finished >= (job.status?.startTime ?? "");
	const toldInMs = told
		? 0
		: Date.parse(ended.lastTransitionTime) + GRACE_MS - nowMs;
	if (toldInMs > 0) return { dueInMs: toldInMs };
	return dueInMs <= 0 ? { run: "clear", dueInMs: 0 } : { dueInMs: again };
}

function leaving({ metadata }: KubeObject): boolean {
	return metadata.deletionTimestamp !== undefined;
}
