import type { Snapshot } from "../delta/snapshot.ts";
import { messageOf, TributaryError } from "../errors.ts";
import { newest } from "./commit-files.ts";
import type { IngestContext } from "./context.ts";
import { findFiles } from "./discovery.ts";
import { contentVersion, fileApp } from "./identity.ts";
import { loadGroup } from "./load-group.ts";
import {
	closeStaleRuns,
	finishRun,
	forgetRun,
	type RunFigures,
	type RunRecord,
	type RunStatus,
	startRun,
	type Trigger,
} from "./runs.ts";
import { claim, discover, nextRetry } from "./state.ts";

export interface RunOptions {
	/** A UUID. */
	readonly id: string;
	readonly trigger: Trigger;
	/** The run is in the state already, taken by this worker. */
	readonly taken?: boolean;
	/** Whether a run that found nothing to do is left out of the history. */
	readonly forgetEmpty?: boolean;
	/** Ends the run after the files at work. */
	readonly signal?: AbortSignal;
}

/**
 * One look at the source: notes what is new or changed, and loads files until none is left that this worker
 * could take, those of workers that are gone included.
 * @throws never for a file; what the source, the table or the state throw is told in the run and thrown
 */
export async function runIngestion(
	context: IngestContext,
	options: RunOptions,
): Promise<RunRecord> {
	const { config, db, worker, log } = context;
	const { id, trigger } = options;
	if (options.taken !== true)
		await startRun(db, { id, ingestion: config.id, trigger, worker });
	const figures = {
		filesListed: 0,
		filesDiscovered: 0,
		filesLoaded: 0,
		filesFailed: 0,
		filesSkipped: 0,
		records: 0,
		bytes: 0,
	};
	try {
		await closeStaleRuns(db, config.id, config.staleMs);
		const snapshot = await note(context, figures);
		await loadAll(context, options, snapshot, figures);
	} catch (error) {
		log.error({ err: error, run: id }, "the run failed");
		const run = await finishRun(db, id, {
			...figures,
			status: "FAILED",
			errorType: error instanceof TributaryError ? error.code : "UNEXPECTED",
			errorMessage: messageOf(error),
		}).catch(() => undefined); // What failed first is told.
		if (run !== undefined) context.observe?.run(run);
		throw error;
	}
	const run = await finishRun(db, id, {
		...figures,
		status: statusOf(figures),
	});
	context.observe?.run(run);
	if (options.forgetEmpty === true && isEmpty(figures)) await forgetRun(db, id);
	else
		log.info(
			{
				run: id,
				listed: run.filesListed,
				loaded: run.filesLoaded,
				failed: run.filesFailed,
				records: run.records,
			},
			"the run is done",
		);
	return run;
}

type Figures = { -readonly [name in keyof RunFigures]: number };

/** Lists the source, and notes what is new. What the table has already needs no state to be known. */
async function note(
	{ config, source, engine, db, observe }: IngestContext,
	figures: Figures,
): Promise<Snapshot | undefined> {
	const snapshot = await newest(engine, undefined);
	for await (const page of findFiles(source, config.selection, engine.now)) {
		const { fresh } = await discover(
			db,
			config.id,
			page.map((file) => ({
				...file,
				inTable:
					snapshot?.txns.get(fileApp(config.id, file.url))?.version ===
					contentVersion(file),
			})),
		);
		figures.filesListed += page.length;
		figures.filesDiscovered += fresh;
	}
	observe?.listed(figures.filesListed);
	return snapshot;
}

async function loadAll(
	context: IngestContext,
	{ id, signal }: RunOptions,
	start: Snapshot | undefined,
	figures: Figures,
): Promise<void> {
	const { config, db, worker, engine } = context;
	let snapshot = start;
	while (signal?.aborted !== true) {
		const files = await claim(db, {
			ingestion: config.id,
			run: id,
			worker,
			limit: config.commit.maxFiles,
			limitBytes: config.commit.maxBytes,
			staleMs: config.staleMs,
		});
		if (files.length === 0) {
			const waitMs = await nextRetry(db, config.id);
			if (waitMs === undefined || waitMs > config.retry.waitMs) return;
			await engine.sleep(Math.max(10, waitMs));
			continue;
		}
		const started = engine.now();
		const result = await loadGroup(context, files, snapshot, signal);
		snapshot = result.snapshot;
		figures.filesLoaded += result.loaded;
		figures.filesFailed += result.failed;
		figures.filesSkipped += result.skipped;
		figures.records += result.records;
		figures.bytes += result.bytes;
		context.observe?.group(result, (engine.now() - started) / 1000);
	}
}

function statusOf({ filesLoaded, filesFailed }: RunFigures): RunStatus {
	if (filesFailed === 0) return "SUCCESS";
	return filesLoaded > 0 ? "PARTIAL" : "FAILED";
}

function isEmpty(figures: RunFigures): boolean {
	const { filesDiscovered, filesLoaded, filesFailed, filesSkipped } = figures;
	return filesDiscovered + filesLoaded + filesFailed + filesSkipped === 0;
}
