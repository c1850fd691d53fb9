/**
 * An object store rooted at one place (a table, a bucket prefix, a folder). Paths are relative to
 * the root, use `/`, and are not URL-encoded. One record of functions per backend: S3, file, memory.
 */
export interface ObjectStore {
	/** The root for messages and logs, such as `s3://lake/shop/orders`; never holds a credential. */
	readonly url: string;

	/**
	 * The object's bytes, or those of `[start, end)`. A range past the end is cut.
	 * @throws NotFoundError when there is no such object
	 */
	get(
		path: string,
		options?: { range?: ByteRange; signal?: AbortSignal },
	): Promise<Uint8Array>;

	head(path: string): Promise<ObjectMeta | undefined>;

	/** Creates or replaces; returns when durable. */
	put(path: string, body: Uint8Array): Promise<void>;

	/**
	 * Creates the object only where none is (S3: `If-None-Match: *`; file: exclusive link). The
	 * outcome is a value: `unknown` says that the request may or may not have taken effect, and the
	 * caller has to read the object back (architecture, invariant 3). Never retried inside.
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

/** Bytes `[start, end)`. */
export interface ByteRange {
	readonly start: number;
	readonly end: number;
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
