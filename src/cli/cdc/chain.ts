import type { PipelineObject, Pod } from "../../operator/types.ts";
import type { CdcPipelineStatus } from "../../resource/cdc-pipeline-status.ts";
import { type ClusterEvent, eventTime, parsed } from "./cluster.ts";

/** The whole way of a pipeline's changes as one answer; what `status -o json` prints. */
export interface Chain {
	readonly name: string;
	readonly namespace: string;
	readonly created: string | undefined;
	readonly state: string;
	readonly phase: string;
	/** Whether it is as `spec.state` wants it. */
	readonly ok: boolean;
	readonly source: {
		readonly type: string;
		readonly include: readonly string[];
		readonly secret: string;
	};
	readonly connector: NonNullable<CdcPipelineStatus["connector"]> | undefined;
	readonly connectUrl: string;
	readonly topicPrefix: string;
	readonly lag: number | undefined;
	readonly freshnessSeconds: number | undefined;
	readonly rowsPerSecond: number | undefined;
	readonly location: string;
	readonly writeMode: string;
	readonly writers: {
		readonly ready: number;
		readonly wanted: number;
		/** Absent where pods may not be listed. */
		readonly pods: readonly WriterPod[] | undefined;
	};
	readonly tables: NonNullable<CdcPipelineStatus["tables"]>;
	readonly actions: CdcPipelineStatus["actions"];
	readonly conditions: NonNullable<CdcPipelineStatus["conditions"]>;
	/** The last ones, oldest first; absent where they may not be listed. */
	readonly events: readonly ChainEvent[] | undefined;
	/** What to do, most important first; empty where there is nothing. */
	readonly next: readonly string[];
	/** What could not be looked at, and why. */
	readonly notes: readonly string[];
}

export interface WriterPod {
	readonly name: string;
	readonly phase: string;
	readonly ready: boolean;
	readonly restarts: number;
	readonly started: string | undefined;
	/** Why its container ended last. */
	readonly lastEnd: string | undefined;
}

export interface ChainEvent {
	readonly time: string;
	readonly type: string;
	readonly reason: string;
	readonly message: string;
}

const EVENTS = 6;

/** Pure. */
export function chainOf(input: {
	readonly object: PipelineObject;
	readonly pods: readonly Pod[] | undefined;
	readonly events: readonly ClusterEvent[] | undefined;
	readonly notes: readonly string[];
}): Chain {
	const { object, notes } = input;
	const { name, namespace = "default" } = object.metadata;
	const status = object.status ?? {};
	const spec = parsed(object)?.spec;
	const state = spec?.state ?? "unknown";
	const phase = status.phase ?? "Pending";
	const deleting = object.metadata.deletionTimestamp !== undefined;
	const ok =
		!deleting &&
		{ running: "Running", paused: "Paused", stopped: "Stopped", unknown: "" }[
			state
		] === phase &&
		!behind(object) &&
		status.actions?.resnapshot?.state !== "Failed" &&
		partsAreFine(status, state);
	const secret = spec?.source.connectionSecretRef;
	return {
		name,
		namespace,
		created: object.metadata.creationTimestamp,
		state,
		phase,
		ok,
		source: {
			type: spec?.source.type ?? "unknown",
			include: spec?.source.include ?? [],
			secret: secret === undefined ? "" : `${secret.name}/${secret.key}`,
		},
		connector: status.connector,
		connectUrl: spec?.kafka.connectUrl ?? "",
		topicPrefix: spec?.kafka.topicPrefix ?? "",
		lag: status.lag,
		freshnessSeconds: status.freshnessSeconds,
		rowsPerSecond: status.rowsPerSecond,
		location: spec?.sink.location ?? "",
		writeMode: spec?.sink.writeMode ?? "",
		writers: {
			ready: status.readyReplicas ?? 0,
			wanted: state === "running" ? (spec?.writer.replicas ?? 0) : 0,
			pods: input.pods?.map(writerPod),
		},
		tables: status.tables ?? [],
		actions: status.actions,
		conditions: status.conditions ?? [],
		events: input.events?.slice(-EVENTS).map((event) => ({
			time: eventTime(event),
			type: event.type ?? "",
			reason: event.reason ?? "",
			message: event.note ?? "",
		})),
		next: nextSteps(object, state),
		notes,
	};
}

/** A pipeline that is paused wants its connector and its writers at rest. */
function partsAreFine(status: CdcPipelineStatus, state: string): boolean {
	if (state === "running") return true;
	return (status.conditions ?? []).every(
		({ type, status }) => type !== "ConnectorReady" || status === "True",
	);
}

/** Whether the operator has not looked at the newest specification. */
function behind({ metadata, status }: PipelineObject): boolean {
	return status?.observedGeneration !== metadata.generation;
}

function writerPod({ metadata, status }: Pod): WriterPod {
	const container = status?.containerStatuses?.find(
		({ name }) => name === "writer",
	);
	const end = container?.state?.terminated ?? container?.lastState?.terminated;
	return {
		name: metadata.name,
		phase:
			metadata.deletionTimestamp !== undefined
				? "Terminating"
				: (container?.state?.waiting?.reason ?? status?.phase ?? "Unknown"),
		ready: container?.ready ?? false,
		restarts: container?.restartCount ?? 0,
		started: metadata.creationTimestamp,
		lastEnd:
			end === undefined || end.exitCode === 0
				? undefined
				: end.message?.trim() ||
					`exit ${end.exitCode} (${end.reason ?? "no reason"})`,
	};
}

function nextSteps(object: PipelineObject, state: string): string[] {
	const { name, namespace = "default" } = object.metadata;
	const here = `-n ${namespace}`;
	const status = object.status;
	const steps: string[] = [];
	if (status === undefined || behind(object))
		steps.push(
			`the operator has not looked at the newest specification: see that it runs (kubectl get pods -A -l app.kubernetes.io/name=tributary,app.kubernetes.io/component=operator)`,
		);
	for (const condition of status?.conditions ?? []) {
		if (condition.status === "True" || condition.type === "Ready") continue;
		if (state !== "running" && /^(Paused|Stopped)$/.test(condition.reason))
			continue;
		const step = STEPS[condition.reason];
		steps.push(
			`${condition.type} is ${condition.reason}: ${condition.message}${step === undefined ? "" : ` — ${step(name, here)}`}`,
		);
	}
	// Of a specification that can't be used, and of one on its way out, only Ready tells.
	const ready = status?.conditions?.find(({ type }) => type === "Ready");
	if (
		ready !== undefined &&
		/^(SpecInvalid|Deleting|ConnectorCleanupFailed)$/.test(ready.reason)
	)
		steps.unshift(ready.message);
	const snapshot = status?.actions?.resnapshot;
	if (snapshot?.state === "Failed")
		steps.push(
			`the snapshot ${snapshot.nonce} failed: ${snapshot.message ?? ""} — then kubectl cdc resnapshot ${name} TABLE ${here}`,
		);
	if (state === "paused" || state === "stopped")
		steps.push(
			`it is ${state}, as spec.state says: kubectl cdc resume ${name} ${here}`,
		);
	return steps;
}

/** Commands for reasons whose message does not name one. */
const STEPS: Readonly<Record<string, (name: string, here: string) => string>> =
	{
		WriterFailed: (name, here) => `kubectl cdc logs ${name} ${here} --previous`,
		ConnectorRejected: (_name, here) =>
			`correct it, and see with kubectl cdc plan -f FILE ${here} what would change`,
		WritersStarting: (name, here) => `kubectl cdc logs ${name} ${here}`,
		ImageUnavailable: (name, here) =>
			`kubectl describe pod ${name}-writer-0 ${here}`,
	};
