import type { Action, CommitInfo } from "./actions.ts";
import type { Snapshot } from "./snapshot.ts";

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
	| { readonly kind: "abandon"; readonly reason: string };

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
	/** Every try was lost to other writers. */
	| {
			readonly kind: "conflict";
			readonly attempts: number;
			readonly snapshot: Snapshot | undefined;
	  };

export interface CommitRequest {
	/** The newest snapshot that the caller has; `undefined` when it saw no table. */
	readonly base: Snapshot | undefined;
	readonly plan: (snapshot: Snapshot | undefined) => Plan;
	/** Tries before `conflict`. */
	readonly maxAttempts?: number;
}
