import type { CommitInfo } from "../delta/actions.ts";
import { commit } from "../delta/commit.ts";
import type { Engine } from "../delta/engine.ts";
import { fileKey } from "../delta/file-key.ts";
import type { Snapshot } from "../delta/snapshot.ts";
import {
	type CarriedRewrite,
	carryDeletions,
	rearrangement,
} from "./carry-deletions.ts";
import { discard, type StagedRewrite } from "./rewrite.ts";

export interface RewriteOutcome {
	/** After the commit, or the newest that was seen. */
	readonly snapshot: Snapshot;
	/** What was committed; absent when nothing was. */
	readonly rewrite: CarriedRewrite | undefined;
	/** Those whose rows have to be read again; nothing of them is left behind. */
	readonly stale: readonly {
		readonly staged: StagedRewrite;
		readonly reason: string;
	}[];
}

/** Each follows a writer's commit, which takes seconds to come. */
const MOST_TRIES = 100;

/**
 * Puts rewrites in the place of their sources, in one commit. Writers go before: what they did to the
 * sources meanwhile is carried over to the outputs, as often as it takes.
 * @throws DeltaError DELTA_COMMIT_UNKNOWN, and what the store throws; files that were stored may stay
 * then, for vacuum
 */
export async function commitRewrites(
	engine: Engine,
	base: Snapshot,
	rewrites: readonly StagedRewrite[],
	infoOf: (rewrite: CarriedRewrite) => CommitInfo,
): Promise<RewriteOutcome> {
	let snapshot = base;
	let left = rewrites;
	const stale: { staged: StagedRewrite; reason: string }[] = [];
	const drop = async (staged: StagedRewrite, reason: string): Promise<void> => {
		await discard(engine, staged);
		stale.push({ staged, reason });
		left = left.filter((one) => one !== staged);
	};
	for (let tries = 0; tries < MOST_TRIES; tries++) {
		const carried: CarriedRewrite[] = [];
		for (const staged of left)
			if (!sameLayout(base, snapshot))
				await drop(staged, "the table's metadata changed meanwhile");
			else {
				const rewrite = await carryDeletions(engine, snapshot, staged);
				if (rewrite === undefined)
					await drop(staged, "its files were changed meanwhile");
				else if (rewrite.removes.length === 0)
					await drop(staged, "its files are gone");
				else carried.push(rewrite);
			}
		if (carried.length === 0) return { snapshot, rewrite: undefined, stale };
		const rewrite = joined(carried);
		const before = snapshot;
		const keys = rewrite.removes.map(fileKey);
		const outcome = await commit(engine, {
			base: snapshot,
			plan: (now) =>
				now !== undefined &&
				sameLayout(before, now) &&
				keys.every((key) => now.files.has(key))
					? {
							kind: "commit",
							actions: rearrangement(
								rewrite.removes,
								rewrite.adds,
								engine.now(),
							),
							info: infoOf(rewrite),
						}
					: { kind: "abandon", reason: "stale" },
		});
		if (outcome.kind === "committed") {
			const kept = new Set(rewrite.adds.map(({ path }) => path));
			for (const { outputs } of left)
				await discard(engine, {
					outputs: outputs.filter(({ path }) => !kept.has(path)),
				});
			return { snapshot: outcome.snapshot, rewrite, stale };
		}
		await engine.store.delete(rewrite.vectorFiles);
		snapshot = outcome.snapshot ?? snapshot;
	}
	for (const staged of left)
		await drop(staged, `writers were quicker ${MOST_TRIES} times in a row`);
	return { snapshot, rewrite: undefined, stale };
}

function joined(rewrites: readonly CarriedRewrite[]): CarriedRewrite {
	return {
		removes: rewrites.flatMap(({ removes }) => removes),
		adds: rewrites.flatMap(({ adds }) => adds),
		carried: rewrites.reduce((sum, { carried }) => sum + carried, 0),
		vectorFiles: rewrites.flatMap(({ vectorFiles }) => vectorFiles),
	};
}

/** Files that were written for the one are right for the other. */
function sameLayout(a: Snapshot, b: Snapshot): boolean {
	return (
		a.metadata === b.metadata ||
		(a.metadata.id === b.metadata.id &&
			a.metadata.schemaString === b.metadata.schemaString &&
			JSON.stringify([
				a.protocol,
				a.metadata.partitionColumns,
				a.metadata.configuration,
			]) ===
				JSON.stringify([
					b.protocol,
					b.metadata.partitionColumns,
					b.metadata.configuration,
				]))
	);
}
