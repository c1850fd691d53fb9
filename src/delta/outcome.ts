import type { Action, CommitInfo } from "./actions.ts";
import type { Conflict } from "./conflict.ts";
import type { NewCommit, Snapshot } from "./snapshot.ts";

/**
 * What a commit wants, computed against the newest snapshot. It is called again after every lost
 * race, with the snapshot that won, and must be pure: files were staged before (architecture,
 * invariant 6).
 */
export type Plan =
	| {
			readonly kind: "commit";
			readonly actions: readonly Action[];
			readonly info: CommitInfo;
	  }
	/** Give up without a commit: another writer went further, or there is nothing left to do. */
	| { readonly kind: "abandon"; readonly reason: string }
	/** Give up because a commit that won changed what this one has read or wants to change. */
	| { readonly kind: "conflict"; readonly conflict: Conflict };

export type CommitOutcome =
	| {
			readonly kind: "committed";
			readonly version: number;
			readonly snapshot: Snapshot;
			readonly attempts: number;
	  }
	| {
			readonly kind: "abandoned";
			readonly reason: string;
			readonly snapshot: Snapshot | undefined;
	  }
	/** A winner is in the way; without `conflict`, every try was lost to other writers. */
	| {
			readonly kind: "conflict";
			readonly conflict?: Conflict;
			readonly attempts: number;
			readonly snapshot: Snapshot | undefined;
	  };

export interface CommitRequest {
	/** The newest snapshot that the caller has; `undefined` when it saw no table. */
	readonly base: Snapshot | undefined;
	/** `winners`: the commits between the snapshot of the last call and this one's, oldest first. */
	readonly plan: (
		snapshot: Snapshot | undefined,
		winners: readonly NewCommit[],
	) => Plan;
	/** Tries before `conflict`. */
	readonly maxAttempts?: number;
}
