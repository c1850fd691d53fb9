import type { ObjectStore, PutOutcome } from "../storage/store.ts";

/**
 * The only seam through which versions come to be. A catalog, or a coordinator of commits to several
 * tables, takes the place of the store here: it may hold a commit back until others are there too.
 */
export interface Committer {
	/**
	 * Makes `body` the commit at `path` if there is none yet; `unknown` when that can't be told, upon
	 * which the commit is read back from the store.
	 */
	publish(path: string, body: Uint8Array): Promise<PutOutcome>;
}

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
	/** Who publishes commits, in place of a conditional PUT to the store. */
	readonly committer?: Committer;
	/** Told of a checkpoint that could not be written; the commit stands. */
	readonly onCheckpointFailure?: (error: unknown) => void;
	/**
	 * Opens a file outside of the table's root by its URL (`s3://bucket/key`, `file:///x`, escaped), as
	 * shallow clones refer to. Absent: such files are refused with DELTA_FILE_OUTSIDE_TABLE.
	 */
	readonly openAt?: (url: string) => {
		readonly store: ObjectStore;
		readonly path: string;
	};
}

/** An engine whose files go nowhere: what is staged with it shows whether it can be, and nothing else. */
export function dryEngine(engine: Engine): Engine {
	return { ...engine, store: { ...engine.store, put: async () => {} } };
}
