import { checkIngestion } from "../../ingest/check.ts";
import type { IngestContext } from "../../ingest/context.ts";
import { fileJson, runJson } from "../../ingest/json.ts";
import { listRuns, type RunRecord } from "../../ingest/runs.ts";
import {
	countFiles,
	type FileRecord,
	type FileStatus,
	listFiles,
} from "../../ingest/state.ts";
import { sizeText } from "../table/size-text.ts";
import { tableText } from "../table/text-table.ts";

type Out = { write(text: string): void };

/** Where an ingestion stands, in a few lines. */
export async function showStatus(
	{ config, db, source, engine }: IngestContext,
	out: Out,
	json: boolean,
): Promise<void> {
	const files = await countFiles(db, config.id);
	const [lastRun] = await listRuns(db, config.id, 1);
	if (json) {
		out.write(
			`${JSON.stringify({
				ingestion: config.id,
				source: source.url,
				table: engine.store.url,
				files: Object.fromEntries(
					Object.entries(files).map(([name, n]) => [name.toLowerCase(), n]),
				),
				lastRun: lastRun === undefined ? null : runJson(lastRun),
			})}\n`,
		);
		return;
	}
	out.write(`ingestion  ${config.id}
source     ${source.url}
table      ${engine.store.url}
files      ${files.SUCCESS} loaded, ${files.DISCOVERED + files.PROCESSING} waiting, ${files.FAILED} failed, ${files.SKIPPED} skipped
last run   ${lastRun === undefined ? "none yet: tributary ingest run" : runText(lastRun)}
`);
	if (files.FAILED > 0)
		out.write(
			"failed files: tributary ingest files --status FAILED says why; tributary ingest retry loads them again\n",
		);
}

/** One run as a line. */
export function runText(run: RunRecord): string {
	const seconds =
		run.startedMs === null || run.finishedMs === null
			? ""
			: ` in ${((run.finishedMs - run.startedMs) / 1000).toFixed(1)} s`;
	return `${run.status}${seconds}: ${run.filesListed} files listed, ${run.filesDiscovered} new or changed; ${run.filesLoaded} loaded, ${run.filesFailed} failed, ${run.filesSkipped} skipped; ${run.records} rows${run.errorMessage === null ? "" : `; ${run.errorType}: ${run.errorMessage}`}`;
}

export async function showFiles(
	{ config, db }: IngestContext,
	out: Out,
	options: {
		readonly status: FileStatus | undefined;
		readonly limit: number;
		readonly json: boolean;
	},
): Promise<void> {
	const files = await listFiles(db, config.id, options);
	if (options.json) {
		for (const file of files) out.write(`${JSON.stringify(fileJson(file))}\n`);
		return;
	}
	out.write(
		tableText(
			["path", "status", "size", "rows", "version", "tries", "error"],
			files.map((file) => [
				file.path,
				file.status,
				sizeText(file.size),
				file.records === null ? "" : String(file.records),
				file.tableVersion === null ? "" : String(file.tableVersion),
				String(file.retryCount),
				file.errorType ?? "",
			]),
		),
	);
	for (const file of files) if (file.errorMessage !== null) explain(file, out);
}

function explain(
	{ path, errorType, errorMessage }: FileRecord,
	out: Out,
): void {
	out.write(`${path}: ${errorType}: ${errorMessage}\n`);
}

export async function showRuns(
	{ config, db }: IngestContext,
	out: Out,
	options: { readonly limit: number; readonly json: boolean },
): Promise<void> {
	const runs = await listRuns(db, config.id, options.limit);
	if (options.json) {
		for (const run of runs) out.write(`${JSON.stringify(runJson(run))}\n`);
		return;
	}
	out.write(
		tableText(
			["run", "trigger", "status", "started", "loaded", "failed", "rows"],
			runs.map((run) => [
				run.id,
				run.trigger,
				run.status,
				run.startedMs === null ? "" : new Date(run.startedMs).toISOString(),
				String(run.filesLoaded),
				String(run.filesFailed),
				String(run.records),
			]),
		),
	);
	for (const { id, errorType, errorMessage } of runs)
		if (errorMessage !== null)
			out.write(`${id}: ${errorType}: ${errorMessage}\n`);
}

/** @returns whether every part is well */
export async function showCheck(
	context: IngestContext,
	out: Out,
	json: boolean,
): Promise<boolean> {
	const results = await checkIngestion(context);
	if (json) out.write(`${JSON.stringify(results)}\n`);
	else
		for (const { part, ok, message } of results)
			out.write(`${ok ? "ok    " : "FAILED"}  ${part.padEnd(6)}  ${message}\n`);
	return results.every(({ ok }) => ok);
}
