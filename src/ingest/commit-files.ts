import { commit } from "../delta/commit.ts";
import { findConflict } from "../delta/conflict.ts";
import type { Engine } from "../delta/engine.ts";
import type { Plan } from "../delta/outcome.ts";
import {
	loadSnapshot,
	refreshSnapshot,
	type Snapshot,
} from "../delta/snapshot.ts";
import { TributaryError } from "../errors.ts";
import {
	type EarlierRows,
	earlierRows,
	NO_EARLIER_ROWS,
} from "./earlier-rows.ts";
import { discard, type StagedSource } from "./load-file.ts";
import type { TablePlan } from "./table-plan.ts";

/** What became of a staged file. */
export type FileOutcome =
	/** Its rows are in the table since `version`; without one it has none, and there is no table yet. */
	| { readonly kind: "loaded"; readonly version: number | undefined }
	/** The table has this content already: another worker was quicker, or this one before a crash. */
	| { readonly kind: "already" }
	/** The table has another content of this path by now than when the file was read. */
	| { readonly kind: "superseded" };

export interface CommittedFiles {
	readonly outcomes: ReadonlyMap<StagedSource, FileOutcome>;
	readonly snapshot: Snapshot | undefined;
}

/**
 * Commits the rows of staged files as one version, together with a `txn` for each: a file is in the table if
 * and only if that commit succeeded. Earlier rows of a file that has changed go with the same commit.
 * @returns `undefined` when the table's metadata is another one by now: the files have to be staged anew
 * @throws FileError INGEST_REPLACE_REFUSED; TributaryError COMMIT_CONFLICT; what the store throws
 */
export async function commitFiles(
	engine: Engine,
	plan: TablePlan,
	files: readonly StagedSource[],
): Promise<CommittedFiles | undefined> {
	if (plan.table === undefined)
		// No rows, and no table yet to say so in.
		return {
			outcomes: new Map(
				files.map((file) => [file, { kind: "loaded", version: undefined }]),
			),
			snapshot: undefined,
		};
	let base = plan.base;
	for (;;) {
		const earlier: EarlierRows =
			base === undefined
				? NO_EARLIER_ROWS
				: await earlierRows(
						engine,
						base,
						live(files, base)
							.filter(({ replaces }) => replaces !== undefined)
							.map(({ file }) => file),
					);
		const result = await tryCommit(engine, plan, { base, files, earlier });
		if (result.kind === "done") return result.committed;
		await engine.store.delete(earlier.staged);
		if (result.kind === "stale") {
			await discard(
				engine,
				files.flatMap(({ adds }) => adds),
			);
			return undefined;
		}
		base = result.snapshot;
	}
}

type Attempt =
	| { readonly kind: "done"; readonly committed: CommittedFiles }
	| { readonly kind: "stale" }
	/** Earlier rows were moved or came meanwhile: they have to be found again. */
	| { readonly kind: "moved"; readonly snapshot: Snapshot };

async function tryCommit(
	engine: Engine,
	plan: TablePlan,
	{
		base,
		files,
		earlier,
	}: {
		readonly base: Snapshot | undefined;
		readonly files: readonly StagedSource[];
		readonly earlier: EarlierRows;
	},
): Promise<Attempt> {
	let committing: readonly StagedSource[] = [];
	const outcome = await commit(engine, {
		base,
		plan: (snapshot, winners): Plan => {
			if (!isSameTable(plan.base, snapshot))
				return { kind: "abandon", reason: "stale" };
			const before = base === undefined ? files : live(files, base);
			committing = live(files, snapshot);
			// The earlier rows are of the files that were alive at the base.
			if (
				earlier.actions.length > 0 &&
				(committing.length !== before.length ||
					findConflict(
						earlier.actions,
						{ files: earlier.read, matches: earlier.mayHold },
						winners,
					) !== undefined)
			)
				return { kind: "abandon", reason: "moved" };
			if (committing.length === 0)
				return { kind: "abandon", reason: "nothing" };
			const replaces = committing.some(
				({ replaces }) => replaces !== undefined,
			);
			return {
				kind: "commit",
				actions: [
					...plan.actions,
					...earlier.actions,
					...committing.map(({ txn }) => ({
						txn: { ...txn, lastUpdated: engine.now() },
					})),
					...committing.flatMap(({ adds }) => adds.map((add) => ({ add }))),
				],
				info: {
					operation: "WRITE",
					operationParameters: { mode: "Append" },
					operationMetrics: {
						numSourceFiles: String(committing.length),
						numOutputRows: String(
							committing.reduce((sum, { rows }) => sum + rows, 0),
						),
					},
					isBlindAppend: !replaces,
				},
			};
		},
	});
	switch (outcome.kind) {
		case "committed":
			return {
				kind: "done",
				committed: await settled(
					engine,
					files,
					new Map(committing.map((one) => [one, outcome.version])),
					outcome.snapshot,
				),
			};
		case "abandoned":
			if (outcome.reason === "nothing")
				return {
					kind: "done",
					committed: await settled(engine, files, new Map(), outcome.snapshot),
				};
			if (outcome.reason === "stale" || outcome.snapshot === undefined)
				return { kind: "stale" };
			return { kind: "moved", snapshot: outcome.snapshot };
		case "conflict":
			// The log was cleaned up past the base.
			if (outcome.attempts === 0) return { kind: "stale" };
			throw new TributaryError(
				"COMMIT_CONFLICT",
				`${engine.store.url}: ${outcome.attempts} commits in a row were lost to other writers`,
				{ retryable: true },
			);
	}
}

/** Files whose path has the content in the table that it had when they were read, and not theirs. */
function live(
	files: readonly StagedSource[],
	snapshot: Snapshot | undefined,
): StagedSource[] {
	return files.filter(({ txn, replaces }) => {
		const known = snapshot?.txns.get(txn.appId)?.version;
		return known === replaces && known !== txn.version;
	});
}

async function settled(
	engine: Engine,
	files: readonly StagedSource[],
	loaded: ReadonlyMap<StagedSource, number>,
	snapshot: Snapshot | undefined,
): Promise<CommittedFiles> {
	const outcomes = new Map<StagedSource, FileOutcome>();
	for (const file of files) {
		const version = loaded.get(file);
		if (version !== undefined) {
			outcomes.set(file, { kind: "loaded", version });
			continue;
		}
		const known = snapshot?.txns.get(file.txn.appId)?.version;
		outcomes.set(file, {
			kind: known === file.txn.version ? "already" : "superseded",
		});
	}
	await discard(
		engine,
		files.filter((file) => !loaded.has(file)).flatMap(({ adds }) => adds),
	);
	return { outcomes, snapshot };
}

/** Rows were staged for the metadata of `base`: with another they may not fit, or break a constraint. */
function isSameTable(
	base: Snapshot | undefined,
	now: Snapshot | undefined,
): boolean {
	return base === undefined
		? now === undefined
		: now !== undefined &&
				now.metadata === base.metadata &&
				now.protocol === base.protocol;
}

/** The newest state of the table; `undefined` when there is none. */
export function newest(
	engine: Engine,
	known: Snapshot | undefined,
): Promise<Snapshot | undefined> {
	return known === undefined
		? loadSnapshot(engine)
		: refreshSnapshot(engine, known);
}
