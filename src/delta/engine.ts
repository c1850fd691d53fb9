import type { ObjectStore } from "../storage/store.ts";

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
	/**
	 * Opens a file outside of the table's root by its URL (`s3://bucket/key`, `file:///x`, escaped), as
	 * shallow clones refer to. Absent: such files are refused with DELTA_FILE_OUTSIDE_TABLE.
	 */
	readonly openAt?: (url: string) => {
		readonly store: ObjectStore;
		readonly path: string;
	};
}
