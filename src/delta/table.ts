import type { ObjectStore } from "../storage/store.ts";
import type { Action, CommitInfo } from "./actions.ts";
import type { Snapshot } from "./snapshot.ts";

/**
 * What the protocol code needs of the world. Every effect goes through here, so that whole tables,
 * crashes and races run in a test without a network.
 */
export interface Engine {
	readonly store: ObjectStore;
	/** Milliseconds since the epoch. */
	readonly now: () => number;
	/** A UUID, from a seeded source in simulations. */
	readonly uuid: () => string;
	/** Resolves after that many milliseconds; the wait before a retry. */
	readonly sleep: (ms: number) => Promise<void>;
	/** Uniform in [0, 1): jitter. */
	readonly random: () => number;
	/** Told of a checkpoint that could not be written; the commit stands. */
	readonly onCheckpointFailure?: (error: unknown) => void;
}

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
