import type {
	Applied,
	DeltaTableStatus,
	TableRun,
} from "../../resource/delta-table-status.ts";
import { jobResult, type TableFigures } from "../../resource/job-result.ts";
import { maintenanceReport, refusal } from "../cdc-pipeline/maintenance.ts";
import { REFUSALS } from "../job.ts";
import { ANNOTATIONS, OPERATIONS, type Operation } from "../names.ts";
import {
	type Ended,
	endedRuns,
	leftBy,
	shownMessage,
	wordsOf,
} from "../pod-result.ts";
import type { Pod } from "../types.ts";

/** Pods that worked on a table. */
export interface TablePods {
	readonly apply: readonly Pod[];
	/** Of the table's own CronJobs. */
	readonly own: Readonly<Record<Operation, readonly Pod[]>>;
	/** Of the CronJobs of its pipeline, as far as they are about this table. */
	readonly shared: Readonly<Record<Operation, readonly Pod[]>>;
	/** Of `TableOperation`s. */
	readonly operations: readonly Pod[];
}

/** What is known of a table by what ran on it; what was known before stays until something newer comes. */
export interface TableFacts {
	readonly applied: Applied | undefined;
	readonly optimize: TableRun | undefined;
	readonly vacuum: TableRun | undefined;
	/** By a run, and when. */
	readonly seen:
		| { readonly figures: TableFigures; readonly at: string }
		| undefined;
}

/** @param path - of a pipeline's table, as reports of the pipeline's CronJobs name it. Pure. */
export function tableFacts(
	pods: TablePods,
	before: DeltaTableStatus | undefined,
	path: string | undefined,
): TableFacts {
	const operations = endedRuns(pods.operations);
	const runs = (operation: Operation): TableRun | undefined =>
		newest(before?.[operation], [
			...endedRuns(pods.own[operation]).flatMap((run) => ownRun(run) ?? []),
			...endedRuns(pods.shared[operation]).flatMap(
				(run) => sharedRun(run, path ?? "") ?? [],
			),
			...operations.flatMap((run) => operationRun(run, operation) ?? []),
		]);
	return {
		applied: lastApplied(endedRuns(pods.apply), before?.applied),
		optimize: runs("optimize"),
		vacuum: runs("vacuum"),
		seen: lastSeen([
			...endedRuns(pods.apply),
			...operations,
			...OPERATIONS.flatMap((operation) => endedRuns(pods.own[operation])),
		]),
	};
}

function lastApplied(
	runs: readonly Ended[],
	before: Applied | undefined,
): Applied | undefined {
	const last = runs.at(-1);
	if (last === undefined || (before && before.finished >= last.finished))
		return before;
	const left = leftBy(last, jobResult);
	const times = {
		hash: last.pod.metadata.annotations?.[ANNOTATIONS.configHash] ?? "",
		finished: last.finished,
		pod: last.pod.metadata.name,
	};
	if (last.exitCode !== 0)
		return {
			...times,
			result: REFUSALS.includes(last.exitCode) ? "Refused" : "Failed",
			message:
				left?.error === undefined ? wordsOf(last) : shownMessage(left.error),
		};
	return {
		...times,
		result: "Succeeded",
		...(left?.dryRun === true && { dryRun: true }),
		changes: left?.changes ?? [],
	};
}

const NOTHING = {
	filesRemoved: 0,
	filesAdded: 0,
	bytesRemoved: 0,
	bytesAdded: 0,
};

function timesOf(run: Ended) {
	return {
		pod: run.pod.metadata.name,
		...(run.started !== undefined && { started: run.started }),
		finished: run.finished,
	};
}

function ownRun(run: Ended): TableRun {
	const report = leftBy(run, maintenanceReport);
	const result = run.exitCode === 0 ? "Succeeded" : "Failed";
	if (report === undefined) {
		const said = leftBy(run, refusal)?.error;
		return {
			...timesOf(run),
			result,
			message: said === undefined ? wordsOf(run) : shownMessage(said),
		};
	}
	const { filesRemoved, filesAdded, bytesRemoved, bytesAdded } = report;
	const [failed] = report.failed;
	return {
		...timesOf(run),
		result,
		...{ filesRemoved, filesAdded, bytesRemoved, bytesAdded },
		...(failed !== undefined && { message: shownMessage(failed.message) }),
	};
}

/** What a run on all tables of a pipeline says of one; `undefined` where it does not tell. */
function sharedRun(run: Ended, path: string): TableRun | undefined {
	const report = leftBy(run, maintenanceReport);
	if (report === undefined) return ownRun(run);
	const failed = report.failed.find(({ table }) => table === path);
	if (failed !== undefined)
		return {
			...timesOf(run),
			result: "Failed",
			message: shownMessage(failed.message),
		};
	const done = report.each?.find(({ table }) => table === path);
	const told =
		report.complete === true &&
		!report.interrupted &&
		report.failures === report.failed.length;
	if (done === undefined && !told) return undefined;
	const { table: _, ...figures } = done ?? { ...NOTHING, table: path };
	return { ...timesOf(run), result: "Succeeded", ...figures };
}

function operationRun(run: Ended, operation: Operation): TableRun | undefined {
	const left = leftBy(run, jobResult);
	if (left?.operation !== operation || left.dryRun === true) return undefined;
	if (run.exitCode !== 0)
		return {
			...timesOf(run),
			result: "Failed",
			message: shownMessage(left.error ?? wordsOf(run)),
		};
	const metric = (name: string): number => left.metrics?.[name] ?? 0;
	return {
		...timesOf(run),
		result: "Succeeded",
		filesRemoved: metric("filesRemoved"),
		filesAdded: metric("filesAdded"),
		bytesRemoved: metric("bytesRemoved"),
		bytesAdded: metric("bytesAdded"),
	};
}

function newest(
	before: TableRun | undefined,
	runs: readonly TableRun[],
): TableRun | undefined {
	let known = before;
	for (const run of [...runs].sort((a, b) =>
		a.finished < b.finished ? -1 : 1,
	))
		if (known === undefined || run.finished > known.finished) {
			const lastSuccess =
				run.result === "Succeeded" ? run.finished : known?.lastSuccess;
			known = { ...run, ...(lastSuccess !== undefined && { lastSuccess }) };
		}
	return known;
}

function lastSeen(runs: readonly Ended[]): TableFacts["seen"] {
	const seen = runs.flatMap((run) => {
		const figures =
			leftBy(run, jobResult)?.table ?? leftBy(run, maintenanceReport)?.table;
		return figures === undefined ? [] : [{ figures, at: run.finished }];
	});
	return seen.sort((a, b) => (a.at < b.at ? -1 : 1)).at(-1);
}
