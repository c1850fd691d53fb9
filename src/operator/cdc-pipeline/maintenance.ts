import { z } from "zod";
import type {
	CdcPipelineStatus,
	MaintenanceRun,
} from "../../resource/cdc-pipeline-status.ts";
import { tableFigures } from "../../resource/job-result.ts";
import { OPERATIONS, type Operation } from "../names.ts";
import {
	type Ended,
	endedRuns,
	leftBy,
	shownMessage,
	wordsOf,
} from "../pod-result.ts";
import type { Pod } from "../types.ts";

const count = z.number().int().min(0);

/** The message that a run leaves when it ends. */
export const maintenanceReport = z.object({
	tables: count,
	filesRemoved: count,
	filesAdded: count,
	bytesRemoved: count,
	bytesAdded: count,
	interrupted: z.boolean(),
	failures: count,
	failed: z.array(z.object({ table: z.string(), message: z.string() })),
	/** Tables that something was done to. */
	each: z
		.array(
			z.object({
				table: z.string(),
				filesRemoved: count,
				filesAdded: count,
				bytesRemoved: count,
				bytesAdded: count,
			}),
		)
		.optional(),
	/** Whether all of these are listed. */
	complete: z.boolean().optional(),
	/** The table itself afterwards, of a run on one table. */
	table: tableFigures.optional(),
});

/** A run that could not even begin. */
export const refusal = z.object({ error: z.string() });

/**
 * The last runs of a pipeline's CronJobs, by what their pods left; a run stays in the status when its
 * pods are gone. Pure.
 */
export function maintenanceStatus(
	pods: Readonly<Record<Operation, readonly Pod[]>>,
	before: CdcPipelineStatus | undefined,
): Pick<CdcPipelineStatus, "maintenance"> {
	const maintenance: Partial<Record<Operation, MaintenanceRun>> = {};
	for (const operation of OPERATIONS) {
		const known = before?.maintenance?.[operation];
		const ended = endedRuns(pods[operation]).at(-1);
		const last = ended && runOf(ended);
		const run =
			last === undefined ||
			(known !== undefined && known.finished >= last.finished)
				? known
				: {
						...last,
						...(last.result === "Succeeded"
							? { lastSuccess: last.finished }
							: known?.lastSuccess !== undefined && {
									lastSuccess: known.lastSuccess,
								}),
					};
		if (run !== undefined) maintenance[operation] = run;
	}
	return Object.keys(maintenance).length === 0 ? {} : { maintenance };
}

function runOf(ended: Ended): MaintenanceRun {
	const result = ended.exitCode === 0 ? "Succeeded" : "Failed";
	const times = {
		pod: ended.pod.metadata.name,
		...(ended.started !== undefined && { started: ended.started }),
		finished: ended.finished,
	};
	const figures = leftBy(ended, maintenanceReport);
	if (figures === undefined) {
		const said = leftBy(ended, refusal)?.error;
		return {
			...times,
			result,
			message: said === undefined ? wordsOf(ended) : shownMessage(said),
		};
	}
	const { failed, failures, interrupted, tables, ...rest } = figures;
	const { filesRemoved, filesAdded, bytesRemoved, bytesAdded } = rest;
	const [first] = failed;
	return {
		...times,
		result,
		tables,
		filesRemoved,
		filesAdded,
		bytesRemoved,
		bytesAdded,
		failures,
		...(first === undefined
			? interrupted && { message: "interrupted; the next run goes on" }
			: { message: shownMessage(`${first.table}: ${first.message}`) }),
	};
}
