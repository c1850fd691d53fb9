import { NotFoundError } from "../storage/errors.ts";
import type { Action } from "./actions.ts";
import { readCheckpoint } from "./checkpoint-read.ts";
import type { Engine } from "./engine.ts";
import { DeltaError } from "./errors.ts";
import { inCommitTimestamps } from "./in-commit-timestamp.ts";
import { readLastCheckpoint } from "./last-checkpoint.ts";
import { type CompactedFile, type Listing, listLog } from "./listing.ts";
import { commitPath, compactedPath, parseCommit } from "./log.ts";
import { Replay } from "./replay.ts";
import type { Snapshot } from "./state.ts";

export { fileKey } from "./file-key.ts";
export { type Snapshot, type Totals, totalsOf } from "./state.ts";

/**
 * The newest state, or that of `version`; `undefined` when there is no table.
 * @throws DeltaError for a log that can't be read as the protocol demands
 */
export async function loadSnapshot(
	engine: Engine,
	options: { readonly version?: number } = {},
): Promise<Snapshot | undefined> {
	const { version } = options;
	const hint = await readLastCheckpoint(engine);
	const from =
		hint !== undefined && hint <= (version ?? hint) ? hint : undefined;
	const range = version === undefined ? {} : { to: version };
	if (from !== undefined) {
		const listing = await listLog(engine, { ...range, from });
		// The hint may name a checkpoint that was cleaned up, or can't be read: then it counts for nothing.
		if (listing.checkpoints.length > 0) {
			const { base } = await newestCheckpoint(engine, listing);
			if (base !== undefined)
				return await replayFrom(engine, base, listing, version);
		}
	}
	const listing = await listLog(engine, range);
	const first = listing.commits[0]?.version;
	if (first === undefined && listing.checkpoints.length === 0) {
		if (version !== undefined && (await listLog(engine)).commits.length > 0)
			throw notThere(engine, version, await listLog(engine));
		return undefined;
	}
	const { base, failure } = await newestCheckpoint(engine, listing);
	if (base === undefined && first !== 0) {
		if (failure !== undefined) throw failure;
		if (version !== undefined)
			throw notThere(engine, version, await listLog(engine));
		throw new DeltaError(
			"DELTA_LOG_GAP",
			`${engine.store.url}: the log starts at version ${first} and has no checkpoint before it`,
		);
	}
	return await replayFrom(
		engine,
		base ?? Replay.fromNothing(engine.store.url),
		listing,
		version,
	);
}

/** The newest state, from one that is known: reads the commits since, and nothing else. */
export async function refreshSnapshot(
	engine: Engine,
	snapshot: Snapshot,
): Promise<Snapshot> {
	return (await followLog(engine, snapshot)).snapshot;
}

export interface NewCommit {
	readonly version: number;
	readonly actions: readonly Action[];
}

/** Commits that are asked for at once while a reader catches up, at most. */
const CATCH_UP = 16;

/**
 * The newest state from one that is known, with the commits that lead there. `read`: those after the
 * snapshot that are known already.
 */
export async function followLog(
	engine: Engine,
	snapshot: Snapshot,
	read: readonly NewCommit[] = [],
): Promise<{
	readonly snapshot: Snapshot;
	readonly commits: readonly NewCommit[];
}> {
	const state = Replay.fromSnapshot(snapshot);
	const commits: NewCommit[] = [];
	const take = (commit: NewCommit): void => {
		state.apply(commit.actions, commit.version);
		commits.push(commit);
	};
	for (const commit of read) take(commit);
	// Most often there is none or one; who is far behind asks for more and more at once.
	for (let width = 1; ; width = Math.min(CATCH_UP, width * 2)) {
		const first = state.version + 1;
		const found = await Promise.all(
			Array.from({ length: width }, (_, i) => readCommit(engine, first + i)),
		);
		for (const [i, actions] of found.entries()) {
			if (actions === undefined)
				return commits.length > 0
					? { snapshot: state.finish(), commits }
					: { snapshot, commits };
			take({ version: first + i, actions });
		}
	}
}

/** `undefined` when there is no such commit. */
export async function readCommit(
	engine: Engine,
	version: number,
): Promise<Action[] | undefined> {
	return await readActions(engine, commitPath(version));
}

async function readActions(
	engine: Engine,
	path: string,
): Promise<Action[] | undefined> {
	try {
		return parseCommit(await engine.store.get(path), path);
	} catch (error) {
		if (error instanceof NotFoundError) return undefined;
		throw error;
	}
}

/** The state after a commit whose actions the caller knows, without reading it back. */
export function advance(
	snapshot: Snapshot | undefined,
	url: string,
	version: number,
	actions: readonly Action[],
): Snapshot {
	const state =
		snapshot === undefined
			? Replay.fromNothing(url)
			: Replay.fromSnapshot(snapshot);
	state.apply(actions, version);
	return state.finish();
}

/** The newest checkpoint of a listing that can be read; an older one, or none, may still do. */
async function newestCheckpoint(
	engine: Engine,
	listing: Listing,
): Promise<{ readonly base?: Replay; readonly failure?: unknown }> {
	let failure: unknown;
	for (const parts of [...listing.checkpoints].reverse()) {
		try {
			const checkpoint = await readCheckpoint(engine, parts);
			return {
				base: Replay.fromCheckpoint(
					engine.store.url,
					parts.version,
					checkpoint,
				),
			};
		} catch (error) {
			if (!(error instanceof DeltaError || error instanceof NotFoundError))
				throw error;
			failure ??= error;
		}
	}
	return { failure };
}

async function replayFrom(
	engine: Engine,
	state: Replay,
	listing: Listing,
	wanted: number | undefined,
): Promise<Snapshot> {
	const newest = Math.max(listing.commits.at(-1)?.version ?? -1, state.version);
	if (wanted !== undefined && newest !== wanted)
		throw notThere(engine, wanted, await listLog(engine));
	await replayCommits(engine, state, listing);
	const snapshot = state.finish();
	if (snapshot.timestamp !== undefined) return snapshot;
	// A checkpoint or a log compaction file does not tell when its version was committed.
	const actions = await readCommit(engine, snapshot.version);
	const info = actions?.find((action) => "commitInfo" in action);
	const modified = listing.commits.find(
		({ version }) => version === snapshot.version,
	)?.modified;
	const { inCommitTimestamp, timestamp } =
		info !== undefined && "commitInfo" in info ? info.commitInfo : {};
	return {
		...snapshot,
		timestamp: inCommitTimestamps(snapshot.metadata)
			? inCommitTimestamp
			: (timestamp ?? modified),
	};
}

interface Step {
	readonly from: number;
	readonly to: number;
}

/** Commits one after another, or a log compaction file in place of those that it covers. */
function stepsAfter(version: number, listing: Listing): Step[] {
	const longest = new Map<number, CompactedFile>();
	for (const file of listing.compacted)
		if (file.to > (longest.get(file.from)?.to ?? -1))
			longest.set(file.from, file);
	const newest = listing.commits.at(-1)?.version ?? version;
	const steps: Step[] = [];
	let next = version + 1;
	for (const commit of listing.commits) {
		if (commit.version < next) continue;
		const compacted = longest.get(commit.version);
		const to =
			compacted !== undefined && compacted.to <= newest
				? compacted.to
				: commit.version;
		steps.push({ from: commit.version, to });
		next = to + 1;
	}
	return steps;
}

const READ_AHEAD = 32;

async function replayCommits(
	engine: Engine,
	state: Replay,
	listing: Listing,
): Promise<void> {
	const steps = stepsAfter(state.version, listing);
	const reads: (Promise<NewCommit[]> | undefined)[] = [];
	const read = (index: number): void => {
		const step = steps[index];
		if (step === undefined) return;
		const result = readStep(engine, step);
		result.catch(() => undefined); // Reported where it is awaited.
		reads[index] = result;
	};
	for (let i = 0; i < READ_AHEAD; i++) read(i);
	for (const [index, step] of steps.entries()) {
		if (step.from !== state.version + 1)
			throw new DeltaError(
				"DELTA_LOG_GAP",
				`${engine.store.url}: version ${state.version + 1} is missing from the log, though ${step.from} exists`,
			);
		const commits = (await reads[index]) ?? [];
		reads[index] = undefined;
		read(index + READ_AHEAD);
		for (const { actions, version } of commits) state.apply(actions, version);
	}
}

/** A log compaction file is a short cut: what is wrong with it, its commits make good. */
async function readStep(engine: Engine, step: Step): Promise<NewCommit[]> {
	if (step.to > step.from) {
		try {
			const actions = await readActions(
				engine,
				compactedPath(step.from, step.to),
			);
			if (actions !== undefined) return [{ version: step.to, actions }];
		} catch (error) {
			if (!(error instanceof DeltaError)) throw error;
		}
	}
	const commits: NewCommit[] = [];
	for (let version = step.from; version <= step.to; version++) {
		const actions = await readCommit(engine, version);
		if (actions === undefined)
			throw new DeltaError(
				"DELTA_LOG_GAP",
				`${engine.store.url}: version ${version} was listed and can't be read`,
			);
		commits.push({ version, actions });
	}
	return commits;
}

function notThere(engine: Engine, version: number, all: Listing): DeltaError {
	const oldest = all.checkpoints[0]?.version ?? all.commits[0]?.version ?? 0;
	const first = all.commits[0]?.version === 0 ? 0 : oldest;
	const newest = Math.max(
		all.commits.at(-1)?.version ?? -1,
		all.checkpoints.at(-1)?.version ?? -1,
	);
	return new DeltaError(
		"DELTA_VERSION_NOT_FOUND",
		`${engine.store.url} has no version ${version}${version < first ? " any more" : ""}; its versions are ${first} to ${newest}`,
	);
}
