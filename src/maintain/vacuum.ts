import type { CommitInfo } from "../delta/actions.ts";
import { mappingMode, physicalName } from "../delta/column-mapping.ts";
import { commit } from "../delta/commit.ts";
import type { Engine } from "../delta/engine.ts";
import { DeltaError } from "../delta/errors.ts";
import { checkWritable } from "../delta/features.ts";
import { intervalMs } from "../delta/interval.ts";
import { followLog, type Snapshot } from "../delta/snapshot.ts";
import type { ObjectMeta } from "../storage/store.ts";
import { type LiveFiles, liveFiles } from "./live-files.ts";

export interface VacuumOptions {
	/** Milliseconds that removed and unknown files stay; absent: the table's own retention. */
	readonly retentionMs?: number;
	/** Deletes even what the table's own retention would keep. */
	readonly allowShort?: boolean;
	/** Only tells what would be deleted. */
	readonly dryRun?: boolean;
	/** Told of each file that is, or would be, deleted. */
	readonly onFile?: (file: ObjectMeta) => void;
	readonly signal?: AbortSignal;
}

export interface VacuumResult {
	readonly dryRun: boolean;
	/** After the last commit. */
	readonly version: number;
	readonly retentionMs: number;
	readonly filesListed: number;
	/** Deleted, or with a dry run to be deleted. */
	readonly files: number;
	readonly bytes: number;
}

const WEEK_MS = 7 * 86_400_000;
/** Files that are remembered before they are deleted: some 50 MB of paths. */
const ROUND = 250_000;
/** Files that are deleted by one call of the store, and calls under way at once. */
const PAGE = 1000;
const PARALLEL = 4;

/**
 * Deletes files below the table's root that no version of the last `retentionMs` needs and that are
 * older than that: what was removed from the table, change data, and what was staged and never
 * committed. Files and folders that begin with `_` or `.` are none of the table's, except
 * `_change_data` and partitions of such a name. A file that writers bring back meanwhile is spared.
 *
 * Versions before the retention can't be read afterwards.
 * @throws DeltaError DELTA_RETENTION_TOO_SHORT without `allowShort`, DELTA_UNSUPPORTED_WRITER for a
 *   table that this engine can't write (PROTOCOL.md, "Vacuum Protocol Check")
 */
export async function vacuum(
	engine: Engine,
	base: Snapshot,
	options: VacuumOptions = {},
): Promise<VacuumResult> {
	checkWritable(base.protocol, base.metadata, base.url);
	const { dryRun = false } = options;
	const own = ownRetention(base);
	const retentionMs = options.retentionMs ?? own;
	if (retentionMs < own && options.allowShort !== true && !dryRun)
		throw new DeltaError(
			"DELTA_RETENTION_TOO_SHORT",
			`${base.url}: ${hours(retentionMs)} is shorter than the table's retention, ${hours(own)}: readers of older versions and writers at work may lose files; keep that, set delta.deletedFileRetentionDuration, or say that a shorter retention is meant`,
		);
	const now = engine.now();
	const cutoff = now - retentionMs;
	const live = await liveFiles(engine, base, {
		since: cutoff,
		stateSince: now - own,
	});
	const isHidden = hidden(base);
	/** The version up to which `live` knows the commits. */
	let known = base;
	let { version } = base;
	let [filesListed, files, bytes] = [0, 0, 0];
	let round: ObjectMeta[] = [];
	const end = async (): Promise<void> => {
		let done: readonly ObjectMeta[] = round;
		if (round.length > 0 && !dryRun)
			({
				known,
				version,
				deleted: done,
			} = await deleteRound(engine, known, round, live, { ...options, own }));
		for (const file of done) {
			files++;
			bytes += file.size;
			options.onFile?.(file);
		}
		round = [];
	};
	for await (const object of engine.store.list("")) {
		if (options.signal?.aborted === true) break;
		if (isHidden(object.path)) continue;
		filesListed++;
		if (object.modified >= cutoff || live.has(object.path)) continue;
		round.push(object);
		if (round.length >= ROUND) await end();
	}
	await end();
	return {
		dryRun,
		version,
		retentionMs,
		filesListed,
		files,
		bytes,
	};
}

/** The table's `delta.deletedFileRetentionDuration`, a week unless it says otherwise; milliseconds. */
export function ownRetention({ metadata }: Pick<Snapshot, "metadata">): number {
	return (
		intervalMs(metadata.configuration["delta.deletedFileRetentionDuration"]) ??
		WEEK_MS
	);
}

/** Deletes files page by page, between two commits that tell of it; some may be spared. */
async function deleteRound(
	engine: Engine,
	base: Snapshot,
	round: readonly ObjectMeta[],
	live: LiveFiles,
	options: VacuumOptions & { readonly own: number },
): Promise<{
	readonly known: Snapshot;
	/** After the last commit. */
	readonly version: number;
	readonly deleted: readonly ObjectMeta[];
}> {
	let known = base;
	await tell(engine, base, {
		operation: "VACUUM START",
		operationParameters: {
			retentionCheckEnabled: String(options.allowShort !== true),
			...(options.retentionMs !== undefined && {
				specifiedRetentionMillis: String(options.retentionMs),
			}),
			defaultRetentionMillis: String(options.own),
		},
		operationMetrics: {
			numFilesToDelete: String(round.length),
			sizeOfDataToDelete: String(
				round.reduce((sum, { size }) => sum + size, 0),
			),
		},
	});
	const deleted: ObjectMeta[] = [];
	try {
		for (let at = 0; at < round.length; at += PAGE * PARALLEL) {
			// A version may have been restored since, and with it files that nobody needed.
			const news = await followLog(engine, known);
			for (const { actions } of news.commits) live.follow(actions);
			known = news.snapshot;
			const some = round
				.slice(at, at + PAGE * PARALLEL)
				.filter(({ path }) => !live.has(path));
			await Promise.all(
				pages(some).map((page) =>
					engine.store.delete(page.map(({ path }) => path)),
				),
			);
			deleted.push(...some);
		}
	} catch (error) {
		await tell(engine, known, {
			operation: "VACUUM END",
			operationParameters: { status: "FAILED" },
			operationMetrics: { numDeletedFiles: String(deleted.length) },
		});
		throw error;
	}
	const { version } = await tell(engine, known, {
		operation: "VACUUM END",
		operationParameters: { status: "COMPLETED" },
		operationMetrics: {
			numDeletedFiles: String(deleted.length),
			numVacuumedDirectories: String(
				new Set(
					deleted.map(({ path }) => path.slice(0, path.lastIndexOf("/") + 1)),
				).size,
			),
		},
	});
	return { known, version, deleted };
}

/** A commit that changes nothing but the history. */
async function tell(
	engine: Engine,
	base: Snapshot,
	info: CommitInfo,
): Promise<Snapshot> {
	const outcome = await commit(engine, {
		base,
		plan: () => ({
			kind: "commit",
			actions: [],
			info: { ...info, isBlindAppend: true },
		}),
	});
	if (outcome.kind === "committed") return outcome.snapshot;
	throw new DeltaError(
		"DELTA_CONFLICT",
		`${base.url}: the commit of ${info.operation} was lost to other writers all the time; run vacuum again`,
		{ retryable: true },
	);
}

function pages<T>(all: readonly T[]): T[][] {
	const found: T[][] = [];
	for (let at = 0; at < all.length; at += PAGE)
		found.push(all.slice(at, at + PAGE));
	return found;
}

/** Whether a path is none of the table's, by any of its parts. */
function hidden({
	metadata,
	protocol,
	schema,
}: Snapshot): (path: string) => boolean {
	const mode = mappingMode(protocol, metadata);
	const partitions = schema.fields
		.filter(({ name }) => metadata.partitionColumns.includes(name))
		.flatMap((field) => [`${field.name}=`, `${physicalName(field, mode)}=`]);
	return (path) =>
		path
			.split("/")
			.some(
				(part) =>
					(part.startsWith("_") || part.startsWith(".")) &&
					!part.startsWith("_change_data") &&
					!part.startsWith("_delta_index") &&
					!partitions.some((partition) => part.startsWith(partition)),
			);
}

function hours(ms: number): string {
	return `${Math.round(ms / 36_000) / 100} h`;
}
