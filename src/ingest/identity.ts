import { createHash } from "node:crypto";
import type { ObjectMeta, ObjectStore } from "../storage/store.ts";

/** An object of the source, as it was listed. */
export interface SourceFile {
	/** Below the source's location. */
	readonly path: string;
	/** The object's own URL, which stays when the source's location becomes another part of it. */
	readonly url: string;
	readonly size: number;
	/** Milliseconds since the epoch. */
	readonly modifiedMs: number;
	/** What changes with the content. */
	readonly etag: string;
}

/** Stores without ETags tell a new content by its time and size. */
export function sourceFile(
	store: Pick<ObjectStore, "url">,
	{ path, size, modified, etag }: ObjectMeta,
): SourceFile {
	return {
		path,
		url: objectUrl(store, path),
		size,
		modifiedMs: modified,
		etag: etag ?? `${Math.trunc(modified)}-${size}`,
	};
}

/** Where an object is, for people and for `_source_file`; not escaped. */
export function objectUrl({ url }: Pick<ObjectStore, "url">, path: string) {
	return url.endsWith("/") ? `${url}${path}` : `${url}/${path}`;
}

/** The application id of a file in the table's `txn` actions: one for a path, whatever its content. */
export function fileApp(ingestion: string, url: string): string {
	return `tributary-ingest/${ingestion}/${digest(url).toString("hex").slice(0, 32)}`;
}

/**
 * The `txn` version of a content: 52 bits of the digest of ETag and size. It says which content of the path
 * the table has; it is no number in an order.
 */
export function contentVersion({
	etag,
	size,
}: Pick<SourceFile, "etag" | "size">): number {
	const bits = digest(`${etag}\n${size}`).readBigUInt64BE(0);
	return Number(bits >> 12n);
}

/** The tag of data files that hold rows of one source file and of no other; its value is `fileTag`. */
export const SOURCE_TAG = "tributary.ingest.source";

export function fileTag(url: string): string {
	return digest(url).toString("hex").slice(0, 32);
}

function digest(text: string): Buffer {
	return createHash("sha256").update(text).digest();
}
