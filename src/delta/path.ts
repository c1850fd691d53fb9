import type { ObjectStore } from "../storage/store.ts";
import type { Engine } from "./engine.ts";
import { DeltaError } from "./errors.ts";

/**
 * Paths of the log are URI references (PROTOCOL.md, "Add File and Remove File"): relative to the
 * table's root, or absolute as `s3://bucket/key`, `s3a://…`, `file:/x`, `file:///x` or `/x`. Escapes
 * count for what they stand for: `a%20b` and `a b` name one file.
 */
const ABSOLUTE = /^([a-z][a-z0-9+.-]*):(?:\/\/([^/]*))?(\/.*)$/is;

/**
 * The path of a file as the object store knows it.
 * @throws DeltaError DELTA_LOG_INVALID for an escape that is none, or none of UTF-8
 */
export function decodePath(path: string): string {
	if (!path.includes("%")) return path;
	try {
		return decodeURIComponent(path);
	} catch (cause) {
		throw new DeltaError(
			"DELTA_LOG_INVALID",
			`file path ${path} is not URI-encoded: it has a % that is no escape of UTF-8 text`,
			{ cause },
		);
	}
}

/**
 * What tells files apart: equal for every spelling of one path. Relative paths stay relative, and
 * absolute ones absolute, as in the reference implementation; nothing in it is escaped.
 * @throws DeltaError DELTA_LOG_INVALID as `decodePath`
 */
export function canonicalPath(path: string): string {
	const decoded = decodePath(path);
	// Nearly all paths are relative; only a few characters can begin another.
	if (!decoded.startsWith("/") && !decoded.includes(":/")) return decoded;
	const absolute = parseAbsolute(path);
	return absolute === undefined
		? decoded
		: `${absolute.scheme}://${absolute.authority}${absolute.path}`;
}

export type FilePlace =
	/** Below the table's root, not escaped. */
	| { readonly kind: "inside"; readonly path: string }
	/** `file:///…` or `s3://bucket/…`, escaped: the file's own URL. */
	| { readonly kind: "outside"; readonly url: string };

/** Where a file of the log lies, seen from a root such as `s3://lake/orders` (not escaped). */
export function placeOf(path: string, root: string): FilePlace {
	const absolute = parseAbsolute(path);
	if (absolute === undefined) return { kind: "inside", path: decodePath(path) };
	const base = ABSOLUTE.exec(`${root}/`);
	const baseScheme = schemeOf(base?.[1] ?? "file");
	const baseAuthority = base?.[2] ?? "";
	// Without a scheme a path belongs to the table's own store.
	const scheme = absolute.bare ? baseScheme : absolute.scheme;
	const authority = absolute.bare ? baseAuthority : absolute.authority;
	const folder = `${(base?.[3] ?? "").replace(/\/+$/, "")}/`;
	if (
		scheme === baseScheme &&
		authority === baseAuthority &&
		base !== null &&
		absolute.path.startsWith(folder)
	)
		return { kind: "inside", path: absolute.path.slice(folder.length) };
	if (!absolute.path.isWellFormed())
		throw new DeltaError(
			"DELTA_LOG_INVALID",
			`file path ${JSON.stringify(path)} is no Unicode text`,
		);
	const escaped = absolute.path.split("/").map(encodeURIComponent).join("/");
	return { kind: "outside", url: `${scheme}://${authority}${escaped}` };
}

/**
 * The store and the path in it of a file of the log.
 * @throws DeltaError DELTA_FILE_OUTSIDE_TABLE where the engine opens no files outside of the table,
 * and for a local file that a table in an object store refers to
 */
export function locateFile(
	engine: Pick<Engine, "store" | "openAt">,
	path: string,
): { readonly store: ObjectStore; readonly path: string } {
	const root = engine.store.url;
	const place = placeOf(path, root);
	if (place.kind === "inside") return { store: engine.store, path: place.path };
	const foreign =
		place.url.startsWith("file:") && /^(?!file:)[a-z0-9+.-]+:/i.test(root);
	if (engine.openAt === undefined || foreign)
		throw new DeltaError(
			"DELTA_FILE_OUTSIDE_TABLE",
			`${root} refers to ${place.url}, which lies outside of it and ${foreign ? "is a local file, which a table in an object store may not refer to" : "can't be opened here"}; copy the table with its files`,
		);
	return engine.openAt(place.url);
}

interface Absolute {
	readonly scheme: string;
	readonly authority: string;
	/** Decoded, with its leading slash. */
	readonly path: string;
	/** Whether there is no scheme. */
	readonly bare: boolean;
}

function parseAbsolute(path: string): Absolute | undefined {
	if (path.startsWith("/"))
		return {
			scheme: "file",
			authority: "",
			path: localPath(decodePath(path)),
			bare: true,
		};
	const match = ABSOLUTE.exec(path);
	if (match === null) return undefined;
	const scheme = schemeOf(match[1] ?? "");
	const decoded = decodePath(match[3] ?? "");
	const local = scheme === "file";
	return {
		scheme,
		authority: local ? "" : (match[2] ?? ""),
		path: local ? localPath(decoded) : decoded,
		bare: false,
	};
}

/** Hadoop's names for S3 are S3. */
function schemeOf(scheme: string): string {
	const lower = scheme.toLowerCase();
	return lower === "s3a" || lower === "s3n" ? "s3" : lower;
}

/** In a file system, unlike in S3, slashes in a row are one. */
function localPath(path: string): string {
	return path.replace(/\/{2,}/g, "/");
}
