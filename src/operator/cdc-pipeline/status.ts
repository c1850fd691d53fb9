import {
	type Condition,
	type ConditionNow,
	transition,
} from "../../kube/conditions.ts";
import { redactUris } from "../../observe/log.ts";
import type {
	CdcPipelineStatus,
	Phase,
} from "../../resource/cdc-pipeline-status.ts";
import { writerSelector } from "../names.ts";
import type { ConnectorOutcome } from "./connector.ts";
import type { Observed, Plan } from "./decide.ts";
import { maintenanceStatus } from "./maintenance.ts";
import { CONDITIONS, REASONS } from "./reasons.ts";
import { isReady, writerCondition } from "./writer-condition.ts";

export interface StatusInput {
	readonly observed: Observed;
	readonly plan: Plan;
	/** Absent where the connector could not be tried. */
	readonly outcome: ConnectorOutcome | undefined;
	/** Why the API server refused an object of the pipeline, if it did. */
	readonly failure?: Error | undefined;
	readonly before: CdcPipelineStatus | undefined;
	readonly generation: number;
	readonly at: Date;
}

/** The status of a pipeline after a reconcile. Pure. */
export function pipelineStatus(input: StatusInput): CdcPipelineStatus {
	const { observed, plan, outcome, before, generation, at } = input;
	const { pipeline, pods, figures } = observed;
	const secrets = secretsCondition(observed);
	const connector = redacted(connectorCondition(outcome));
	const writer = redacted(
		input.failure === undefined
			? writerCondition(observed, plan)
			: {
					type: CONDITIONS.writer,
					status: "False",
					reason: REASONS.applyFailed,
					message: `the API server refused a part of the writers, which is tried again: ${input.failure.message}; allow or correct what it names`,
				},
	);
	const ready = readyCondition(observed, [secrets, connector, writer]);
	const readyReplicas = pods.filter(isReady).length;
	const freshness = figures.freshnessSeconds;
	return {
		phase: phaseOf(input, ready, writer),
		observedGeneration: generation,
		conditions: transition(
			(before?.conditions ?? []) as Condition[],
			[ready, secrets, connector, writer],
			{ at, generation },
		),
		...tables(observed, before),
		...(figures.lag !== undefined && { lag: figures.lag }),
		...(freshness !== undefined &&
			freshness >= 0 && {
				freshnessSeconds: Math.round(freshness * 10) / 10,
				freshness: ageText(freshness),
			}),
		...(figures.rowsPerSecond !== undefined && {
			rowsPerSecond: Math.round(figures.rowsPerSecond),
		}),
		replicas: pods.length,
		readyReplicas,
		writers: `${readyReplicas}/${plan.replicas}`,
		selector: Object.entries(writerSelector(pipeline.metadata.name))
			.map(([label, value]) => `${label}=${value}`)
			.join(","),
		...(outcome?.connector && {
			connector: {
				...outcome.connector,
				tasks: outcome.connector.tasks.map(({ message, ...task }) => ({
					...task,
					...(message !== undefined && { message: redactUris(message) }),
				})),
			},
		}),
		...actionsOf(outcome, before),
		...maintenanceStatus(observed.maintenancePods, before),
		configHash: plan.configHash,
	};
}

/** What is known of actions stays while the connector can't be looked at. */
function actionsOf(
	outcome: ConnectorOutcome | undefined,
	before: CdcPipelineStatus | undefined,
): Pick<CdcPipelineStatus, "actions"> {
	const actions = outcome?.actions ?? before?.actions;
	if (actions === undefined) return {};
	const { restart, resnapshot } = actions;
	return {
		actions: {
			...(restart && { restart }),
			...(resnapshot && {
				resnapshot: {
					...resnapshot,
					...(resnapshot.message !== undefined && {
						message: redactUris(resnapshot.message),
					}),
				},
			}),
		},
	};
}

/** The status of a pipeline whose specification can't be worked with. */
export function invalidStatus(
	message: string,
	{ before, generation, at }: Pick<StatusInput, "before" | "generation" | "at">,
): CdcPipelineStatus {
	return {
		...before,
		phase: "Failed",
		observedGeneration: generation,
		conditions: withReady(
			before,
			{
				type: CONDITIONS.ready,
				status: "False",
				reason: REASONS.specInvalid,
				message: `${message}; writers at work go on as they were`,
			},
			{ at, generation },
		),
	};
}

/** The status of a pipeline on its way out. */
export function deletingStatus(
	{ reason, message }: { reason: string; message: string },
	{ before, generation, at }: Pick<StatusInput, "before" | "generation" | "at">,
): CdcPipelineStatus {
	return {
		...before,
		phase: "Deleting",
		observedGeneration: generation,
		conditions: withReady(
			before,
			redacted({ type: CONDITIONS.ready, status: "False", reason, message }),
			{ at, generation },
		),
	};
}

function withReady(
	before: CdcPipelineStatus | undefined,
	ready: ConditionNow,
	when: { at: Date; generation: number },
): Condition[] {
	const old = (before?.conditions ?? []) as Condition[];
	return [
		...transition(old, [ready], when),
		...old.filter(({ type }) => type !== CONDITIONS.ready),
	];
}

/** Errors of drivers quote the URI that they were given. */
function redacted(condition: ConditionNow): ConditionNow {
	return { ...condition, message: redactUris(condition.message) };
}

function secretsCondition({ secrets }: Observed): ConditionNow {
	const [first] = secrets.problems;
	return first === undefined
		? {
				type: CONDITIONS.secrets,
				status: "True",
				reason: REASONS.secretsResolved,
				message: "every Secret and key is there",
			}
		: {
				type: CONDITIONS.secrets,
				status: "False",
				reason: first.reason,
				message: secrets.problems.map(({ message }) => message).join("; "),
			};
}

function connectorCondition(
	outcome: ConnectorOutcome | undefined,
): ConditionNow {
	if (outcome === undefined)
		return {
			type: CONDITIONS.connector,
			status: "False",
			reason: REASONS.waitingForSecrets,
			message:
				"the connector is made when its Secret is there: see SecretsResolved",
		};
	return {
		type: CONDITIONS.connector,
		status: outcome.ready ? "True" : "False",
		reason: outcome.reason,
		message: outcome.message,
	};
}

function readyCondition(
	{ pipeline }: Observed,
	parts: readonly ConditionNow[],
): ConditionNow {
	const { state } = pipeline.spec;
	const type = CONDITIONS.ready;
	if (state !== "running")
		return {
			type,
			status: "False",
			reason: state === "paused" ? REASONS.paused : REASONS.stopped,
			message: `spec.state is ${state}; set it to running to go on where the tables end`,
		};
	const broken = parts.find(({ status }) => status !== "True");
	return broken === undefined
		? {
				type,
				status: "True",
				reason: REASONS.running,
				message: "changes flow from the source to the tables",
			}
		: {
				type,
				status: "False",
				reason: broken.reason,
				message: broken.message,
			};
}

const TERMINAL = new Set<string>([
	REASONS.secretMissing,
	REASONS.secretKeyMissing,
	REASONS.secretUnreadable,
	REASONS.imageUnavailable,
	REASONS.writerFailed,
]);

function phaseOf(
	{ observed, outcome, before }: StatusInput,
	ready: ConditionNow,
	writer: ConditionNow,
): Phase {
	const { state } = observed.pipeline.spec;
	if (state === "paused") return "Paused";
	if (state === "stopped") return "Stopped";
	if (ready.status === "True") return "Running";
	const terminal = TERMINAL.has(ready.reason) || outcome?.terminal === true;
	const wasAtWork = before?.phase === "Running" || before?.phase === "Degraded";
	// While the writers are ready, what Kafka holds still reaches the tables.
	if (wasAtWork && (writer.status === "True" || !terminal)) return "Degraded";
	return terminal ? "Failed" : "Pending";
}

/** Tables stay listed while no writer is there to be asked. */
function tables(
	{ figures }: Observed,
	before: CdcPipelineStatus | undefined,
): Pick<CdcPipelineStatus, "tables" | "tableCount"> {
	const known = new Map(
		(before?.tables ?? []).map((table) => [table.name, table]),
	);
	for (const table of figures.tables)
		known.set(table.name, { ...known.get(table.name), ...table });
	if (known.size === 0) return {};
	const list = [...known.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
	return { tables: list, tableCount: list.length };
}

/** An age as `kubectl` writes it. */
export function ageText(seconds: number): string {
	if (seconds < 120) return `${Math.round(seconds)}s`;
	if (seconds < 7_200) return `${Math.floor(seconds / 60)}m`;
	if (seconds < 172_800) return `${Math.floor(seconds / 3_600)}h`;
	return `${Math.floor(seconds / 86_400)}d`;
}
