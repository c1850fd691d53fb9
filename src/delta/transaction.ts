import type { Action, CommitInfo } from "./actions.ts";
import { commit } from "./commit.ts";
import {
	type Conflict,
	findConflict,
	type Isolation,
	type Reads,
} from "./conflict.ts";
import type { Engine } from "./engine.ts";
import { DeltaError } from "./errors.ts";
import type { Snapshot } from "./snapshot.ts";

export interface Transaction {
	/** What was read to prepare the actions; `undefined` when there was no table. */
	readonly base: Snapshot | undefined;
	readonly reads: Reads;
	readonly actions: readonly Action[];
	readonly info: CommitInfo;
	/** Files that were stored for it, below the table's root; deleted when it fails for good. */
	readonly staged?: readonly string[];
	/** In place of the table's `delta.isolationLevel`. */
	readonly isolation?: Isolation;
	readonly maxAttempts?: number;
}

export interface Committed {
	readonly snapshot: Snapshot;
	readonly attempts: number;
}

/**
 * Commits actions that were prepared against `base`, after any commits that won meanwhile, provided
 * that nothing of what they changed was read or is changed here; files are written once. For plans
 * that can be made anew from the newest state there is `commit`.
 * @throws DeltaError DELTA_CONFLICT naming the version in the way, or, retryable, when every try was
 * lost; and as `commit`
 */
export async function transact(
	engine: Engine,
	transaction: Transaction,
): Promise<Committed> {
	const { base, reads, actions, info, staged = [] } = transaction;
	let conflict: Conflict | undefined;
	const outcome = await commit(engine, {
		base,
		...(transaction.maxAttempts === undefined
			? {}
			: { maxAttempts: transaction.maxAttempts }),
		plan: (snapshot, winners) => {
			if (base === undefined && snapshot !== undefined)
				conflict = {
					kind: "metadata-changed",
					version: snapshot.version,
					message: `version ${snapshot.version}, committed meanwhile, made the table`,
				};
			conflict ??= findConflict(
				actions,
				reads,
				winners,
				transaction.isolation ?? isolationOf(snapshot),
			);
			return conflict === undefined
				? { kind: "commit", actions, info }
				: { kind: "conflict", conflict };
		},
	});
	if (outcome.kind === "committed") return outcome;
	// Nothing refers to these files: no version that was published has them.
	await engine.store.delete(staged);
	throw new DeltaError(
		"DELTA_CONFLICT",
		conflict === undefined
			? `${engine.store.url}: ${outcome.kind === "conflict" ? outcome.attempts : 0} commits in a row were lost to other writers; try again`
			: `${engine.store.url}: ${conflict.message}; run the operation again on the new version`,
		{ retryable: true },
	);
}

/** The table's `delta.isolationLevel`; `Serializable` unless it says otherwise. */
export function isolationOf(snapshot: Snapshot | undefined): Isolation {
	return snapshot?.metadata.configuration["delta.isolationLevel"] ===
		"WriteSerializable"
		? "WriteSerializable"
		: "Serializable";
}
