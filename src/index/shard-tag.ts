/**
 * The tag of a data file that says whose it is: only that shard's owner takes rows out of it, and
 * compaction puts no rows of two shards into one file.
 */
export const SHARD_TAG = "tributary.shard";
