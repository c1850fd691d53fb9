import { readSidecars } from "./checkpoint-read.ts";
import type { Engine } from "./engine.ts";
import { checkWritable, writerFeatures } from "./features.ts";
import { intervalMs } from "./interval.ts";
import { type Listing, listLog } from "./listing.ts";
import { checksumPath, commitPath, compactedPath, SIDECARS } from "./log.ts";
import type { Snapshot } from "./snapshot.ts";

const DAY_MS = 86_400_000;
const RETENTION_MS = 30 * DAY_MS;

export interface LogCleanup {
	/** The oldest version that can still be read; `undefined` when nothing was to be deleted. */
	readonly oldest: number | undefined;
	readonly deleted: readonly string[];
}

/**
 * Deletes the log of versions that are older than `delta.logRetentionDuration` (PROTOCOL.md, "Metadata
 * Cleanup"): everything before the newest checkpoint of that age, which stays with its commit.
 * Respects `delta.enableExpiredLogCleanup` and checkpoint protection.
 * @throws DeltaError DELTA_UNSUPPORTED_WRITER for a table that this engine can't write
 */
export async function cleanUpLog(
	engine: Engine,
	snapshot: Snapshot,
	options: { readonly dryRun?: boolean } = {},
): Promise<LogCleanup> {
	const { configuration } = snapshot.metadata;
	checkWritable(snapshot.protocol, snapshot.metadata, snapshot.url);
	if (configuration["delta.enableExpiredLogCleanup"] === "false")
		return { oldest: undefined, deleted: [] };
	const retention =
		intervalMs(configuration["delta.logRetentionDuration"]) ?? RETENTION_MS;
	// By whole days, so that a busy table does not delete a little with each checkpoint.
	const cutoff = Math.floor((engine.now() - retention) / DAY_MS) * DAY_MS;
	const listing = await listLog(engine);
	const oldest = keptCheckpoint(listing, cutoff);
	if (oldest === undefined) return { oldest, deleted: [] };
	if (
		writerFeatures(snapshot.protocol).includes("checkpointProtection") &&
		oldest <
			Number(
				configuration["delta.requireCheckpointProtectionBeforeVersion"] ?? 0,
			)
	)
		return { oldest: undefined, deleted: [] };

	const deleted = expired(listing, oldest);
	if (deleted.length > 0)
		deleted.push(...(await orphanedSidecars(engine, listing, oldest)));
	// Oldest first: a reader that comes meanwhile sees a log that starts later, never one with a gap.
	if (options.dryRun !== true && deleted.length > 0)
		await engine.store.delete(deleted);
	return { oldest, deleted };
}

function keptCheckpoint(listing: Listing, cutoff: number): number | undefined {
	const old = new Set(
		listing.commits
			.filter(({ modified }) => modified <= cutoff)
			.map(({ version }) => version),
	);
	return listing.checkpoints.filter(({ version }) => old.has(version)).at(-1)
		?.version;
}

function expired(listing: Listing, oldest: number): string[] {
	const paths: string[] = [];
	for (const { version } of listing.commits)
		if (version < oldest) paths.push(commitPath(version));
	for (const version of listing.checksums)
		if (version < oldest) paths.push(checksumPath(version));
	for (const { from, to } of listing.compacted)
		if (from <= oldest) paths.push(compactedPath(from, to));
	for (const checkpoint of listing.checkpoints)
		if (checkpoint.version < oldest) paths.push(...checkpoint.paths);
	return paths.sort();
}

/** Sidecars that no checkpoint refers to; young ones may belong to one that is being written. */
async function orphanedSidecars(
	engine: Engine,
	listing: Listing,
	oldest: number,
): Promise<string[]> {
	const unreferenced = new Set<string>();
	for await (const { path, modified } of engine.store.list(SIDECARS))
		if (modified < engine.now() - DAY_MS) unreferenced.add(path);
	if (unreferenced.size === 0) return [];
	for (const checkpoint of listing.checkpoints) {
		if (checkpoint.version < oldest) continue;
		for (const path of await readSidecars(engine, checkpoint))
			unreferenced.delete(path);
	}
	return [...unreferenced];
}
