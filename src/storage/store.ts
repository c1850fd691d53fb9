/**
 * An object store rooted at one place (a table, a bucket prefix, a folder). Paths are relative to
 * the root, use `/`, and are not URL-encoded. One record of functions per backend: S3, file, memory.
 */
export interface ObjectStore {
	/** The root for messages and logs, such as `s3://lake/shop/orders`; never holds a credential. */
	readonly url: string;

	/**
	 * The object's bytes, those of `[start, end)`, or the last few. A range past the end is cut. A
	 * signal ends the wait for them, with its own reason.
	 * @throws NotFoundError when there is no such object
	 */
	get(
		path: string,
		options?: { range?: ByteRange | SuffixRange; signal?: AbortSignal },
	): Promise<Uint8Array>;

	head(path: string): Promise<ObjectMeta | undefined>;

	/**
	 * Creates or replaces as a whole; returns when durable. A body that is streamed is held in memory
	 * a few parts at a time, and leaves nothing behind when it fails.
	 */
	put(path: string, body: Body): Promise<void>;

	/**
	 * Creates the object only where none is (S3: `If-None-Match: *`; file: exclusive link). The
	 * outcome is a value: `unknown` says that the request may or may not have taken effect, or may
	 * still take it, and the caller has to read the object back (architecture, invariant 3). Never
	 * retried inside.
	 * @throws StorageError when the store surely did not and will not create it, or turns out to be
	 * none that can be committed to (STORAGE_NO_CONDITIONAL_PUT)
	 */
	putIfAbsent(path: string, body: Uint8Array): Promise<PutOutcome>;

	/** Objects below `prefix` in UTF-8 byte order of their paths, after `startAfter`. */
	list(
		prefix: string,
		options?: { startAfter?: string },
	): AsyncIterable<ObjectMeta>;

	/** Deleting what is not there is no error. */
	delete(paths: readonly string[]): Promise<void>;
}

/** A chunk that was yielded is not changed afterwards. */
export type Body = Uint8Array | AsyncIterable<Uint8Array>;

/** Bytes `[start, end)`. */
export interface ByteRange {
	readonly start: number;
	readonly end: number;
}

/** The last `suffix` bytes, or all of a shorter object. */
export interface SuffixRange {
	readonly suffix: number;
}

export interface ObjectMeta {
	readonly path: string;
	readonly size: number;
	/** Milliseconds since the epoch. */
	readonly modified: number;
	readonly etag?: string;
}

export type PutOutcome =
	| { readonly kind: "created" }
	| { readonly kind: "exists" }
	| { readonly kind: "unknown"; readonly cause: unknown };
