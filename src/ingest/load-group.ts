import type { Snapshot } from "../delta/snapshot.ts";
import { messageOf, TributaryError } from "../errors.ts";
import { NotFoundError } from "../storage/errors.ts";
import type { ObjectStore } from "../storage/store.ts";
import { type CommittedFiles, commitFiles, newest } from "./commit-files.ts";
import type { GroupResult, IngestContext } from "./context.ts";
import { FileError } from "./errors.ts";
import { objectUrl, type SourceFile, sourceFile } from "./identity.ts";
import {
	discard,
	loadFile,
	type StagedSource,
	TableFailure,
} from "./load-file.ts";
import { seedSchema } from "./seed-schema.ts";
import {
	discover,
	type FileEnd,
	type FileRecord,
	finishFile,
	keepClaim,
} from "./state.ts";
import { TablePlan } from "./table-plan.ts";

/** Tries to stage a group for a table whose metadata others change all the time. */
const MAX_STALE = 10;

/**
 * Loads claimed files and commits those that can be read as one version; each is told in the state how it
 * ended. What the table or the state throw ends the group: its files wait again, and count no failure.
 */
export async function loadGroup(
	context: IngestContext,
	records: readonly FileRecord[],
	known: Snapshot | undefined,
	signal?: AbortSignal,
): Promise<GroupResult> {
	const { db, worker } = context;
	const open = new Map(records.map((record) => [record.id, record]));
	const beat = setInterval(
		() => {
			// A beat that is missed is made up for by the next; the claim lasts for three of them.
			keepClaim(db, worker, [...open.keys()]).catch(() => undefined);
		},
		Math.max(1000, context.config.staleMs / 3),
	);
	beat.unref();
	const end = async (record: FileRecord, how: FileEnd): Promise<void> => {
		await finishFile(db, worker, record.id, how);
		open.delete(record.id);
	};
	try {
		return await load(context, records, known, end, signal);
	} catch (error) {
		for (const record of open.values())
			await finishFile(db, worker, record.id, { status: "DISCOVERED" }).catch(
				() => undefined, // Its claim runs out.
			);
		throw error;
	} finally {
		clearInterval(beat);
	}
}

type End = (record: FileRecord, how: FileEnd) => Promise<void>;

async function load(
	context: IngestContext,
	records: readonly FileRecord[],
	known: Snapshot | undefined,
	end: End,
	signal: AbortSignal | undefined,
): Promise<GroupResult> {
	const { engine, config, log } = context;
	let base = await newest(engine, known);
	for (let attempt = 1; ; attempt++) {
		const plan = await planFor(context, base, records);
		const { staged, failures, released } = await stage(
			context,
			plan,
			records,
			signal,
		);
		const committed =
			staged.size === 0
				? { outcomes: new Map(), snapshot: base }
				: await commitFiles(engine, plan, [...staged.keys()]);
		if (committed === undefined) {
			if (attempt === MAX_STALE)
				throw new TributaryError(
					"COMMIT_CONFLICT",
					`${engine.store.url}: the table's schema or properties changed ${attempt} times while files were read for it`,
					{ retryable: true },
				);
			base = await newest(engine, base);
			continue;
		}
		for (const record of released) await end(record, { status: "DISCOVERED" });
		const errors: string[] = [];
		let skipped = 0;
		for (const [record, error] of failures) {
			const how = endOf(error, record, config.retry);
			await end(record, how);
			if (how.status === "SKIPPED") skipped++;
			else if (how.status === "FAILED") {
				errors.push(how.errorType);
				log.warn(
					{ err: error, file: record.path, retryInMs: how.retryInMs },
					"a file was not loaded",
				);
			} else await rediscover(context, record);
		}
		const sums = await settle(context, staged, committed, end);
		return {
			...sums,
			failed: errors.length,
			skipped,
			errors,
			snapshot: committed.snapshot ?? base,
		};
	}
}

async function planFor(
	{ engine, config, source, log }: IngestContext,
	base: Snapshot | undefined,
	records: readonly FileRecord[],
): Promise<TablePlan> {
	const seed =
		base === undefined
			? await seedSchema(
					source,
					records.map((record) => fileOf(record, source)),
					{
						format: config.format,
						rules: config.rules,
						onUnreadable: ({ path }, message) =>
							log.debug({ file: path, message }, "no columns from this file"),
					},
				)
			: undefined;
	return new TablePlan(engine, base, {
		rules: config.rules,
		name: config.id.slice(config.id.lastIndexOf(".") + 1),
		partitionBy: config.sink.partitionBy,
		properties: config.sink.properties,
		seed,
	});
}

interface Staged {
	readonly staged: ReadonlyMap<StagedSource, FileRecord>;
	readonly failures: readonly (readonly [FileRecord, unknown])[];
	/** Not begun before the worker was told to stop. */
	readonly released: readonly FileRecord[];
}

async function stage(
	context: IngestContext,
	plan: TablePlan,
	records: readonly FileRecord[],
	signal: AbortSignal | undefined,
): Promise<Staged> {
	const { config, source, engine } = context;
	const staged = new Map<StagedSource, FileRecord>();
	const failures: (readonly [FileRecord, unknown])[] = [];
	const waiting = [...records];
	let fatal: { readonly error: unknown } | undefined;
	const lane = async (): Promise<void> => {
		for (;;) {
			if (fatal !== undefined || signal?.aborted === true) return;
			const record = waiting.shift();
			if (record === undefined) return;
			try {
				const file = fileOf(record, source);
				const one = await loadFile(file, plan, {
					ingestion: config.id,
					source,
					engine,
					format: config.format,
					rules: config.rules,
					batchBytes: config.batchBytes,
				});
				staged.set(one, record);
			} catch (error) {
				if (isOfAll(error)) fatal ??= { error };
				else failures.push([record, error]);
			}
		}
	};
	await Promise.all(
		Array.from({ length: Math.max(1, config.parallelism) }, lane),
	);
	if (fatal !== undefined) {
		await discard(
			engine,
			[...staged.keys()].flatMap(({ adds }) => adds),
		).catch(() => undefined); // Vacuum finds them.
		throw fatal.error;
	}
	return { staged, failures, released: waiting };
}

async function settle(
	context: IngestContext,
	staged: ReadonlyMap<StagedSource, FileRecord>,
	{ outcomes }: CommittedFiles,
	end: End,
): Promise<Pick<GroupResult, "loaded" | "records" | "bytes" | "sourceBytes">> {
	const sums = { loaded: 0, records: 0, bytes: 0, sourceBytes: 0 };
	for (const [one, record] of staged) {
		const outcome = outcomes.get(one);
		switch (outcome?.kind) {
			case "loaded":
			case "already":
				await end(record, {
					status: "SUCCESS",
					...(outcome.kind === "loaded"
						? {
								records: one.rows,
								bytes: one.bytes,
								tableVersion: outcome.version ?? null,
							}
						: { records: null, bytes: null, tableVersion: null }),
				});
				if (outcome.kind === "already") {
					// It was not read: the worker that loaded it may have held it while it was replaced.
					await rediscover(context, record);
					break;
				}
				sums.loaded++;
				sums.records += one.rows;
				sums.bytes += one.bytes;
				sums.sourceBytes += record.size;
				break;
			default:
				// Another worker loaded another content meanwhile: which one is the newest is looked at again.
				await end(record, { status: "DISCOVERED" });
				await rediscover(context, record);
		}
	}
	return sums;
}

function fileOf(record: FileRecord, source: ObjectStore): SourceFile {
	const { path, size, modifiedMs, etag } = record;
	return {
		path,
		url: objectUrl(source, path),
		size,
		modifiedMs,
		etag,
	};
}

/** Whether the next file would fail for the same reason. */
function isOfAll(error: unknown): boolean {
	return (
		error instanceof TableFailure ||
		(error instanceof TributaryError &&
			(error.code === "STORAGE_UNREACHABLE" ||
				error.code === "STORAGE_BUCKET_MISSING" ||
				error.code === "STORAGE_REGION_WRONG" ||
				error.code === "STORAGE_CLOCK_SKEWED" ||
				error.code === "STORAGE_CERTIFICATE_INVALID"))
	);
}

function endOf(
	error: unknown,
	record: FileRecord,
	{ limit, delayMs }: IngestContext["config"]["retry"],
): FileEnd {
	const errorType = error instanceof TributaryError ? error.code : "UNEXPECTED";
	const errorMessage = messageOf(error);
	if (error instanceof NotFoundError)
		return {
			status: "SKIPPED",
			errorType,
			errorMessage: `${record.path} is gone from the source`,
		};
	if (error instanceof FileError && error.code === "INGEST_FILE_CHANGED")
		return { status: "DISCOVERED" };
	// What nobody has foreseen may pass.
	const retryable = error instanceof TributaryError ? error.retryable : true;
	return {
		status: "FAILED",
		errorType,
		errorMessage,
		retryInMs:
			retryable && record.retryCount < limit
				? delayMs * 2 ** record.retryCount
				: undefined,
	};
}

/** Notes the content that a file has by now. */
async function rediscover(
	{ source, db, config }: IngestContext,
	record: FileRecord,
): Promise<void> {
	const meta = await source.head(record.path);
	if (meta !== undefined)
		await discover(db, config.id, [
			{ ...sourceFile(source, meta), inTable: false },
		]);
}
