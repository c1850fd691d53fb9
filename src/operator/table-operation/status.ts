import {
	type Condition,
	type ConditionNow,
	transition,
} from "../../kube/conditions.ts";
import { jobResult } from "../../resource/job-result.ts";
import type { TableOperationStatus } from "../../resource/table-operation-status.ts";
import {
	type Ended,
	endedRuns,
	hindrance,
	jobEnd,
	leftBy,
	shownMessage,
	wordsOf,
} from "../pod-result.ts";
import type { Job, Pod } from "../types.ts";
import { COMPLETE, OPERATION_REASONS } from "./reasons.ts";

export interface OperationMoment {
	readonly before: TableOperationStatus | undefined;
	readonly generation: number;
	readonly at: Date;
}

/** In which the end of a Job's pod is told after the end of the Job. */
const GRACE_MS = 10_000;

/** The status of an operation whose Job has been made. Pure. */
export function operationStatus(
	job: Job,
	pods: readonly Pod[],
	{ location, ...moment }: OperationMoment & { readonly location: string },
): TableOperationStatus {
	const runs = endedRuns(pods);
	const end = jobEnd(job);
	const last = runs.at(-1);
	const [first] = runs;
	const started = job.status?.startTime ?? first?.started;
	const common = {
		...(moment.before?.location === undefined
			? { location }
			: { location: moment.before.location }),
		job: job.metadata.name,
		...(started !== undefined && { started }),
		...(last !== undefined && { pod: last.pod.metadata.name }),
	};
	const succeeded = last?.exitCode === 0;
	const waits =
		end !== undefined &&
		last === undefined &&
		moment.at.getTime() - endedAt(job) < GRACE_MS;
	if (end === undefined || waits)
		return said(
			{
				...common,
				phase: "Running",
			},
			{
				status: "False",
				reason: OPERATION_REASONS.running,
				message: runningText(job, pods, last),
			},
			moment,
		);
	const finished =
		last?.finished ?? new Date(endedAt(job) || moment.at).toISOString();
	if (end.failed || !succeeded) {
		const left = last && leftBy(last, jobResult);
		return said(
			{ ...common, phase: "Failed", finished },
			{
				status: "False",
				reason: OPERATION_REASONS.failed,
				message: `${shownMessage(left?.error ?? (last === undefined ? end.message : wordsOf(last)))}. It is not tried again: put that right and make a new TableOperation`,
			},
			moment,
		);
	}
	const { summary, metrics, table } = leftBy(last, jobResult) ?? {};
	return said(
		{
			...common,
			phase: "Succeeded",
			finished,
			...(summary !== undefined && { summary: shownMessage(summary) }),
			...(metrics !== undefined && { metrics }),
			...(table !== undefined && {
				version: table.version,
				...(table.rows !== undefined && { rows: table.rows }),
				files: table.files,
				bytes: table.bytes,
			}),
		},
		{
			status: "True",
			reason: OPERATION_REASONS.succeeded,
			message: summary === undefined ? "done" : shownMessage(summary),
		},
		moment,
	);
}

/** The status of an operation that can't start, now or at all. */
export function idleStatus(
	phase: "Pending" | "Failed",
	{ reason, message }: { readonly reason: string; readonly message: string },
	moment: OperationMoment,
): TableOperationStatus {
	return said(
		{
			phase,
			...(phase === "Failed" && { finished: moment.at.toISOString() }),
		},
		{ status: "False", reason, message },
		moment,
	);
}

function said(
	status: TableOperationStatus,
	condition: Omit<ConditionNow, "type">,
	{ before, generation, at }: OperationMoment,
): TableOperationStatus {
	return {
		...status,
		observedGeneration: generation,
		conditions: transition(
			(before?.conditions ?? []) as Condition[],
			[{ type: COMPLETE, ...condition }],
			{ at, generation },
		),
	};
}

function runningText(
	job: Job,
	pods: readonly Pod[],
	last: Ended | undefined,
): string {
	const stuck = hindrance(
		pods.filter(({ status }) => status?.phase === "Pending"),
	);
	if (stuck !== undefined) return stuck;
	return last === undefined || last.exitCode === 0
		? `Job ${job.metadata.name} is at work`
		: `Job ${job.metadata.name} tries again after: ${shownMessage(leftBy(last, jobResult)?.error ?? wordsOf(last))}`;
}

function endedAt({ status }: Job): number {
	const times = (status?.conditions ?? []).map(({ lastTransitionTime }) =>
		Date.parse(lastTransitionTime),
	);
	return Math.max(0, ...times.filter((ms) => !Number.isNaN(ms)));
}
