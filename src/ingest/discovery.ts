import type { ObjectStore } from "../storage/store.ts";
import { globPrefix, globTest } from "./glob.ts";
import { type SourceFile, sourceFile } from "./identity.ts";

/** Which objects of the source are wanted; all conditions have to hold. */
export interface Selection {
	/** What paths start with. */
	readonly prefix: string;
	readonly suffix: string;
	/** Globs, one of which has to match; none matches every path. */
	readonly include: readonly string[];
	/** Globs of which none may match. */
	readonly exclude: readonly string[];
	/** Milliseconds since the epoch. */
	readonly modifiedAfterMs: number | undefined;
	/** Milliseconds since the epoch. */
	readonly modifiedBeforeMs: number | undefined;
	/** How long an object has to have been as it is: for those that are written in place. Milliseconds. */
	readonly minAgeMs: number;
}

/** What Spark passes over too: `_SUCCESS`, `_delta_log/…`, `.part`. */
export const HIDDEN: readonly string[] = [
	"**/_*",
	"**/_*/**",
	"**/.*",
	"**/.*/**",
];

const PAGE = 1000;

/**
 * The wanted objects in pages, in the order of their paths.
 * @throws ConfigError for a glob that is none; what the store throws
 */
export async function* findFiles(
	store: ObjectStore,
	selection: Selection,
	now: () => number,
): AsyncGenerator<SourceFile[]> {
	const wanted = selectionTest(selection);
	let page: SourceFile[] = [];
	for await (const meta of store.list(listPrefix(selection))) {
		// What consoles make to show a folder.
		if (meta.path.endsWith("/") || meta.path === "") continue;
		if (!wanted(meta, now())) continue;
		page.push(sourceFile(store, meta));
		if (page.length === PAGE) {
			yield page;
			page = [];
		}
	}
	if (page.length > 0) yield page;
}

/** @throws ConfigError for a glob that is none */
export function selectionTest(
	selection: Selection,
): (
	meta: { readonly path: string; readonly modified: number },
	nowMs: number,
) => boolean {
	const included = selection.include.map(globTest);
	const excluded = selection.exclude.map(globTest);
	const {
		prefix,
		suffix,
		modifiedAfterMs: after,
		modifiedBeforeMs: before,
	} = selection;
	return ({ path, modified }, nowMs) =>
		path.startsWith(prefix) &&
		path.endsWith(suffix) &&
		(after === undefined || modified > after) &&
		(before === undefined || modified < before) &&
		nowMs - modified >= selection.minAgeMs &&
		(included.length === 0 || included.some((test) => test(path))) &&
		!excluded.some((test) => test(path));
}

/** What all wanted paths begin with: less is listed. */
export function listPrefix({ prefix, include }: Selection): string {
	const [first, ...rest] = include.map(globPrefix);
	if (first === undefined) return prefix;
	let common = first;
	for (const other of rest)
		while (!other.startsWith(common)) common = common.slice(0, -1);
	if (common.startsWith(prefix)) return common;
	return prefix;
}
