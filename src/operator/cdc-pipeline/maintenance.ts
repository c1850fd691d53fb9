import { z } from "zod";
import { redactUris } from "../../observe/log.ts";
import type {
	CdcPipelineStatus,
	MaintenanceRun,
} from "../../resource/cdc-pipeline-status.ts";
import { MAINTENANCE_CONTAINER, OPERATIONS, type Operation } from "../names.ts";
import type { Pod } from "../types.ts";

const count = z.number().int().min(0);

/** The message that a run leaves when it ends. */
const report = z.object({
	tables: count,
	filesRemoved: count,
	filesAdded: count,
	bytesRemoved: count,
	bytesAdded: count,
	interrupted: z.boolean(),
	failures: count,
	failed: z.array(z.object({ table: z.string(), message: z.string() })),
});

/** A run that could not even begin. */
const refusal = z.object({ error: z.string() });

/** The longest message of the status. */
const MESSAGE_LENGTH = 1000;

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
		const last = pods[operation]
			.flatMap((pod) => runOf(pod) ?? [])
			.sort((a, b) => (a.finished < b.finished ? -1 : 1))
			.at(-1);
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

function runOf({ metadata, status }: Pod): MaintenanceRun | undefined {
	const ended = status?.containerStatuses?.find(
		({ name }) => name === MAINTENANCE_CONTAINER,
	)?.state?.terminated;
	if (ended?.finishedAt === undefined) return undefined;
	const said = parsed(ended.message);
	const result = ended.exitCode === 0 ? "Succeeded" : "Failed";
	const figures = report.safeParse(said);
	const times = {
		pod: metadata.name,
		...(ended.startedAt !== undefined && { started: ended.startedAt }),
		finished: ended.finishedAt,
	};
	if (!figures.success)
		return {
			...times,
			result,
			message: shortened(
				refusal.safeParse(said).data?.error ??
					ended.message ??
					ended.reason ??
					"the container left no message; kubectl logs may tell more",
			),
		};
	const { failed, failures, interrupted, ...rest } = figures.data;
	const [first] = failed;
	return {
		...times,
		result,
		...rest,
		failures,
		...(first === undefined
			? interrupted && { message: "interrupted; the next run goes on" }
			: { message: shortened(`${first.table}: ${first.message}`) }),
	};
}

function parsed(message: string | undefined): unknown {
	try {
		return JSON.parse(message ?? "");
	} catch {
		return undefined; // It is the end of the log, which is shown as it is.
	}
}

function shortened(message: string): string {
	return redactUris(message).trim().slice(-MESSAGE_LENGTH);
}
