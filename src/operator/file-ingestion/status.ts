import {
	type Condition,
	type ConditionNow,
	transition,
} from "../../kube/conditions.ts";
import { redactUris } from "../../observe/log.ts";
import type {
	FileIngestionStatus,
	IngestionPhase,
} from "../../resource/file-ingestion-status.ts";
import { isReady } from "../cdc-pipeline/writer-condition.ts";
import { INGEST_CONTAINER, ingestSelector } from "../names.ts";
import { hindrance, shownMessage } from "../pod-result.ts";
import type { Pod } from "../types.ts";
import type { IngestPlan, ObservedIngestion } from "./decide.ts";
import { INGESTION_CONDITIONS, INGESTION_REASONS } from "./reasons.ts";

export interface Moment {
	readonly before: FileIngestionStatus | undefined;
	readonly generation: number;
	readonly at: Date;
}

/** The status of an ingestion after a reconcile. Pure. */
export function ingestionStatus(
	observed: ObservedIngestion,
	plan: IngestPlan,
	{
		before,
		generation,
		at,
		failure,
	}: Moment & {
		/** Why the API server refused an object of the ingestion, if it did. */
		readonly failure: Error | undefined;
	},
): FileIngestionStatus {
	const { ingestion, pods, figures } = observed;
	const secrets = secretsCondition(observed);
	const worker =
		failure === undefined
			? workerCondition(observed, plan)
			: no(
					INGESTION_CONDITIONS.worker,
					INGESTION_REASONS.objectRefused,
					`the API server refused a part of the workers, which is tried again: ${failure.message}; allow or correct what it names`,
				);
	const files = filesCondition(observed, before);
	const ready = readyCondition(observed, [secrets, worker]);
	const readyReplicas = pods.filter(isReady).length;
	const { lastRun } = figures;
	return {
		phase: phaseOf(observed, ready, files, before),
		observedGeneration: generation,
		conditions: transition(
			(before?.conditions ?? []) as Condition[],
			[ready, secrets, worker, files],
			{ at, generation },
		),
		...known(
			"files",
			figures.files && {
				discovered: figures.files.DISCOVERED,
				processing: figures.files.PROCESSING,
				loaded: figures.files.SUCCESS,
				failed: figures.files.FAILED,
				skipped: figures.files.SKIPPED,
			},
			before,
		),
		...known("tableVersion", figures.tableVersion, before),
		...known(
			"lastRun",
			lastRun && {
				id: lastRun.id,
				trigger: lastRun.trigger,
				status: lastRun.status,
				...(lastRun.started && { started: lastRun.started }),
				...(lastRun.finished && { finished: lastRun.finished }),
				filesLoaded: lastRun.filesLoaded,
				filesFailed: lastRun.filesFailed,
				records: lastRun.records,
				...(lastRun.errorMessage && {
					message: shownMessage(lastRun.errorMessage),
				}),
			},
			before,
		),
		replicas: pods.length,
		readyReplicas,
		workers: `${readyReplicas}/${plan.replicas}`,
		selector: Object.entries(ingestSelector(ingestion.metadata.name))
			.map(([label, value]) => `${label}=${value}`)
			.join(","),
		configHash: plan.configHash,
	};
}

/** The status of an ingestion whose specification can't be worked with. */
export function invalidIngestion(
	message: string,
	{ before, generation, at }: Moment,
): FileIngestionStatus {
	const old = (before?.conditions ?? []) as Condition[];
	return {
		...before,
		phase: "Failed",
		observedGeneration: generation,
		conditions: [
			...transition(
				old,
				[
					no(
						INGESTION_CONDITIONS.ready,
						INGESTION_REASONS.specInvalid,
						`${message}; workers go on as they were`,
					),
				],
				{ at, generation },
			),
			...old.filter(({ type }) => type !== INGESTION_CONDITIONS.ready),
		],
	};
}

/** The status without figures that change all the time. */
export function lastingIngestion(
	status: FileIngestionStatus | undefined,
): object {
	const {
		files: _files,
		tableVersion: _version,
		lastRun: _run,
		...rest
	} = status ?? {};
	return rest;
}

/** What is known stays while no worker is there to be asked. */
function known<K extends "files" | "tableVersion" | "lastRun">(
	name: K,
	now: FileIngestionStatus[K],
	before: FileIngestionStatus | undefined,
): Pick<FileIngestionStatus, K> {
	const value = now ?? before?.[name];
	return (value === undefined ? {} : { [name]: value }) as Pick<
		FileIngestionStatus,
		K
	>;
}

function no(type: string, reason: string, message: string): ConditionNow {
	return { type, status: "False", reason, message: redactUris(message) };
}

function secretsCondition({ secrets }: ObservedIngestion): ConditionNow {
	const type = INGESTION_CONDITIONS.secrets;
	const [first] = secrets.problems;
	return first === undefined
		? {
				type,
				status: "True",
				reason: INGESTION_REASONS.secretsResolved,
				message: "every Secret and key is there",
			}
		: no(
				type,
				first.reason,
				secrets.problems.map(({ message }) => message).join("; "),
			);
}

function workerCondition(
	{ ingestion, pods, children, secrets, figures }: ObservedIngestion,
	{ replicas }: IngestPlan,
): ConditionNow {
	const type = INGESTION_CONDITIONS.worker;
	if (replicas === 0)
		return no(
			type,
			INGESTION_REASONS.suspended,
			ingestion.spec.suspend
				? "spec.suspend is true"
				: "spec.worker.replicas is 0: set it to 1 to load files",
		);
	const crash = pods.flatMap((pod) => crashed(pod) ?? [])[0];
	if (crash !== undefined)
		return no(type, INGESTION_REASONS.workerFailed, crash);
	const hindered = hindrance(pods);
	if (hindered !== undefined)
		return no(type, INGESTION_REASONS.workerHindered, hindered);
	if (children.statefulSet === undefined && secrets.problems.length > 0)
		return no(
			type,
			INGESTION_REASONS.waitingForSecrets,
			"workers start when every Secret is there",
		);
	const [error] = figures.errors;
	if (error !== undefined)
		return no(
			type,
			INGESTION_REASONS.ingestionFailed,
			`the last look at the source failed, and is tried again: ${error}`,
		);
	const ready = pods.filter(isReady).length;
	return ready < replicas
		? no(
				type,
				INGESTION_REASONS.workersStarting,
				`${ready} of ${replicas} workers are ready; if that lasts, see kubectl logs of pod ${ingestion.metadata.name}-ingest-0`,
			)
		: {
				type,
				status: "True",
				reason: INGESTION_REASONS.workersReady,
				message: `${ready} of ${replicas} workers are ready`,
			};
}

/** A worker that ended says why in its termination message. */
function crashed({ metadata, status }: Pod): string | undefined {
	const container = status?.containerStatuses?.find(
		({ name }) => name === INGEST_CONTAINER,
	);
	if (container === undefined || container.ready) return undefined;
	const end = container.state?.terminated ?? container.lastState?.terminated;
	if (end === undefined || end.exitCode === 0) return undefined;
	const why =
		end.message?.trim() ||
		(end.reason === "OOMKilled"
			? "it used more memory than spec.worker.resources.memory allows: raise it, or lower spec.worker.parallelism or batchSize"
			: `it exited with ${end.exitCode} (${end.reason ?? "no reason"}); see kubectl logs --previous`);
	return `${metadata.name}, restarted ${container.restartCount ?? 0} times: ${shownMessage(why)}`;
}

function filesCondition(
	{ ingestion, figures }: ObservedIngestion,
	before: FileIngestionStatus | undefined,
): ConditionNow {
	const type = INGESTION_CONDITIONS.files;
	const failed = figures.files?.FAILED ?? before?.files?.failed;
	if (failed === undefined)
		return {
			type,
			status: "Unknown",
			reason: INGESTION_REASONS.unknown,
			message: "no worker has told of files yet",
		};
	return failed > 0
		? no(
				type,
				INGESTION_REASONS.filesFailed,
				`${failed} files could not be loaded: kubectl exec ${ingestion.metadata.name}-ingest-0 -- wget -qO- localhost:8001/status, or GET /api/v1/ingestions/${ingestion.metadata.name}/files?status=FAILED, tells why`,
			)
		: {
				type,
				status: "True",
				reason: INGESTION_REASONS.loaded,
				message: "no file has failed",
			};
}

function readyCondition(
	{ ingestion }: ObservedIngestion,
	parts: readonly ConditionNow[],
): ConditionNow {
	const type = INGESTION_CONDITIONS.ready;
	if (ingestion.spec.suspend)
		return no(
			type,
			INGESTION_REASONS.suspended,
			"spec.suspend is true: set it to false to load what has come meanwhile",
		);
	const broken = parts.find(({ status }) => status !== "True");
	return broken === undefined
		? {
				type,
				status: "True",
				reason: INGESTION_REASONS.watching,
				message: "files are loaded as they land",
			}
		: { type, status: "False", reason: broken.reason, message: broken.message };
}

function phaseOf(
	{ ingestion, secrets, figures }: ObservedIngestion,
	ready: ConditionNow,
	files: ConditionNow,
	before: FileIngestionStatus | undefined,
): IngestionPhase {
	if (ingestion.spec.suspend) return "Suspended";
	if (ready.status === "True")
		return files.status === "False" ? "Degraded" : "Running";
	const hopeless =
		secrets.problems.length > 0 ||
		figures.errors.length > 0 ||
		ready.reason === INGESTION_REASONS.workerFailed;
	if (hopeless) return "Failed";
	return before?.phase === "Running" || before?.phase === "Degraded"
		? "Degraded"
		: "Pending";
}
