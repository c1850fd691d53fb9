import type { z } from "zod";
import { redactUris } from "../observe/log.ts";
import { MAINTENANCE_CONTAINER } from "./names.ts";
import type { Job, Pod } from "./types.ts";

/** The longest message of a status. */
const MESSAGE_LENGTH = 1000;

/** A run of our image that has ended. */
export interface Ended {
	readonly pod: Pod;
	readonly exitCode: number;
	readonly started: string | undefined;
	readonly finished: string;
	/** What its container left, or the end of its log. */
	readonly message: string | undefined;
	/** Kubernetes' word for how it ended. */
	readonly reason: string | undefined;
}

/** Runs of pods that have ended, the last one last. */
export function endedRuns(pods: readonly Pod[]): Ended[] {
	return pods
		.flatMap((pod): Ended[] => {
			const ended = pod.status?.containerStatuses?.find(
				({ name }) => name === MAINTENANCE_CONTAINER,
			)?.state?.terminated;
			return ended?.finishedAt === undefined
				? []
				: [
						{
							pod,
							exitCode: ended.exitCode ?? 0,
							started: ended.startedAt,
							finished: ended.finishedAt,
							message: ended.message,
							reason: ended.reason,
						},
					];
		})
		.sort((a, b) => (a.finished < b.finished ? -1 : 1));
}

/** What a run left, if it is of that form. */
export function leftBy<T>(
	{ message }: Ended,
	form: z.ZodType<T>,
): T | undefined {
	try {
		return form.safeParse(JSON.parse(message ?? "")).data;
	} catch {
		return undefined; // It is the end of the log, which `wordsOf` shows as it is.
	}
}

/** What a run that left no result said at its end. */
export function wordsOf({ message, reason }: Ended): string {
	return shownMessage(
		message ??
			reason ??
			"the container left no message; kubectl logs may tell more",
	);
}

/** Without passwords, and no longer than a status shows. */
export function shownMessage(message: string): string {
	return redactUris(message).trim().slice(-MESSAGE_LENGTH);
}

/** Why a pod that should run does not, where Kubernetes tells. */
export function hindrance(pods: readonly Pod[]): string | undefined {
	for (const { metadata, status } of pods) {
		const waiting = status?.containerStatuses?.find(
			({ state }) => state?.waiting !== undefined,
		)?.state?.waiting;
		if (waiting !== undefined && waiting.reason !== "ContainerCreating")
			return shownMessage(
				`pod ${metadata.name}: ${waiting.reason ?? "waiting"}${waiting.message === undefined ? "" : `: ${waiting.message}`}`,
			);
		const scheduled = status?.conditions?.find(
			({ type, status }) => type === "PodScheduled" && status === "False",
		);
		if (scheduled !== undefined)
			return shownMessage(`pod ${metadata.name}: ${scheduled.message}`);
	}
	return undefined;
}

/** How a Job ended; `undefined` while it is at work. */
export function jobEnd(
	job: Job,
): { readonly failed: boolean; readonly message: string } | undefined {
	const end = job.status?.conditions?.find(
		({ type, status }) =>
			status === "True" && (type === "Complete" || type === "Failed"),
	);
	return (
		end && {
			failed: end.type === "Failed",
			message: shownMessage(`${end.reason}: ${end.message}`),
		}
	);
}
