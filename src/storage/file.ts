import { randomUUID } from "node:crypto";
import {
	type FileHandle,
	link,
	mkdir,
	open,
	readdir,
	rename,
	rm,
	stat,
	unlink,
} from "node:fs/promises";
import { dirname, join, resolve, sep } from "node:path";
import { messageOf } from "../errors.ts";
import { Source } from "./body.ts";
import { NotFoundError, StorageError } from "./errors.ts";
import { spanOf } from "./range.ts";
import type {
	Body,
	ByteRange,
	ObjectMeta,
	ObjectStore,
	PutOutcome,
	SuffixRange,
} from "./store.ts";

const TEMPORARY = ".tmp-";
/** Files that are asked for their size at once. */
const PARALLEL = 64;

/**
 * A folder as an object store. A body is written to a hidden temporary file, synced, and then gets
 * its name by `rename` (put) or by `link` (putIfAbsent), which fails when the name is taken: the
 * file is there as a whole or not at all.
 */
export function openFileStore(folder: string): ObjectStore {
	const root = resolve(folder);
	const inside = root.endsWith(sep) ? root : root + sep;

	function locate(path: string): string {
		const full = resolve(root, path);
		if (full !== root && !full.startsWith(inside))
			throw new StorageError(
				"STORAGE_PATH_ESCAPES",
				`path ${path} leaves the folder ${root}`,
			);
		return full;
	}

	/**
	 * Writes the body beside its place, and lets `name` give it its name. `renamed` says that nothing
	 * is left of the temporary name then.
	 */
	async function stage(
		path: string,
		body: Body,
		name: (temporary: string, full: string) => Promise<"renamed" | "linked">,
	): Promise<void> {
		const full = locate(path);
		const folder = dirname(full);
		const temporary = join(folder, `${TEMPORARY}${randomUUID()}`);
		let left = true;
		const file = await create(temporary);
		try {
			try {
				await file.writeFile(body);
				await file.sync();
			} finally {
				await file.close();
			}
			left = (await name(temporary, full)) === "linked";
		} finally {
			// A leftover is hidden from listings; it must not turn a success into a failure.
			if (left) await rm(temporary, { force: true }).catch(() => undefined);
		}
		await syncFolder(folder);
	}

	return {
		url: `file://${root}`,

		get: async (path, options) => {
			options?.signal?.throwIfAborted();
			try {
				const file = await open(locate(path), "r");
				try {
					return await read(file, options?.range);
				} finally {
					await file.close();
				}
			} catch (error) {
				if (isNoFile(error))
					throw new NotFoundError(`file://${root}`, path, { cause: error });
				throw typed(error, root, path);
			}
		},

		head: async (path) => {
			try {
				const found = await stat(locate(path));
				return found.isFile()
					? { path, size: found.size, modified: Math.floor(found.mtimeMs) }
					: undefined;
			} catch (error) {
				if (isNoFile(error)) return undefined;
				throw typed(error, root, path);
			}
		},

		put: async (path, body) => {
			const source = new Source(body);
			try {
				await stage(
					path,
					body instanceof Uint8Array ? body : source.chunks(),
					async (temporary, full) => {
						await rename(temporary, full);
						return "renamed";
					},
				);
			} catch (error) {
				throw source.failedWith(error) ? error : typed(error, root, path);
			}
		},

		putIfAbsent: async (path, body): Promise<PutOutcome> => {
			let linked = false;
			try {
				await stage(path, body, async (temporary, full) => {
					await link(temporary, full);
					linked = true;
					return "linked";
				});
				return { kind: "created" };
			} catch (error) {
				if (linked) return { kind: "unknown", cause: typed(error, root, path) };
				// On NFS a repeated request may find its own link: the caller compares what is there.
				if (hasCode(error, "EEXIST")) return { kind: "exists" };
				throw typed(error, root, path);
			}
		},

		async *list(prefix, options) {
			const found = await walk(root, prefix, options?.startAfter);
			yield* found.sort((a, b) => compareUtf8(a.path, b.path));
		},

		delete: async (paths) => {
			for (const path of paths) {
				try {
					await unlink(locate(path));
				} catch (error) {
					if (!isNoFile(error)) throw typed(error, root, path);
				}
			}
		},
	};
}

/** Makes a file, and its folder where that is missing. */
async function create(full: string): Promise<FileHandle> {
	try {
		return await open(full, "wx", 0o644);
	} catch (error) {
		if (!isMissing(error)) throw error;
		await mkdir(dirname(full), { recursive: true });
		return await open(full, "wx", 0o644);
	}
}

async function read(
	file: FileHandle,
	range: ByteRange | SuffixRange | undefined,
): Promise<Uint8Array> {
	if (range === undefined) return await file.readFile();
	const found = await file.stat();
	if (!found.isFile())
		throw Object.assign(new Error("not a file"), { code: "EISDIR" });
	const { start, end } = spanOf(range, found.size);
	const length = end - start;
	const buffer = new Uint8Array(length);
	let done = 0;
	while (done < length) {
		const { bytesRead } = await file.read(
			buffer,
			done,
			length - done,
			start + done,
		);
		if (bytesRead === 0) break;
		done += bytesRead;
	}
	return buffer.subarray(0, done);
}

/** Every file whose path starts with `prefix`; only the folder of the prefix is walked. */
async function walk(
	root: string,
	prefix: string,
	startAfter: string | undefined,
): Promise<ObjectMeta[]> {
	const start = prefix.slice(0, prefix.lastIndexOf("/") + 1);
	const found: ObjectMeta[] = [];
	const pending = [start];
	for (
		let folder = pending.pop();
		folder !== undefined;
		folder = pending.pop()
	) {
		let entries: Awaited<ReturnType<typeof list>>;
		try {
			entries = await list(join(root, folder));
		} catch (error) {
			if (isMissing(error) || hasCode(error, "ENOTDIR")) continue;
			throw typed(error, root, folder);
		}
		const files: string[] = [];
		for (const entry of entries) {
			const path = `${folder}${entry.name}`;
			if (entry.name.startsWith(TEMPORARY)) continue;
			if (entry.isDirectory()) {
				const inside = `${path}/`;
				if (inside.startsWith(prefix) || prefix.startsWith(inside))
					pending.push(inside);
			} else if (
				path.startsWith(prefix) &&
				(startAfter === undefined || compareUtf8(path, startAfter) > 0)
			)
				files.push(path);
		}
		for (let i = 0; i < files.length; i += PARALLEL) {
			const some = files.slice(i, i + PARALLEL);
			const metas = await Promise.all(some.map((path) => metaOf(root, path)));
			for (const meta of metas) if (meta !== undefined) found.push(meta);
		}
	}
	return found;
}

/** `undefined` for what was deleted since its folder was read. */
async function metaOf(
	root: string,
	path: string,
): Promise<ObjectMeta | undefined> {
	try {
		const { size, mtimeMs } = await stat(join(root, path));
		return { path, size, modified: Math.floor(mtimeMs) };
	} catch (error) {
		if (isMissing(error)) return undefined;
		throw typed(error, root, path);
	}
}

function list(folder: string) {
	return readdir(folder, { withFileTypes: true });
}

/** The order of the strings' UTF-8 bytes, without making them. */
export function compareUtf8(a: string, b: string): number {
	const length = Math.min(a.length, b.length);
	for (let i = 0; i < length; i++) {
		const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
		if (x !== y) return rank(x) - rank(y);
	}
	return a.length - b.length;
}

/** UTF-16 puts surrogates, which stand for what is above U+FFFF, before U+E000 to U+FFFF. */
function rank(unit: number): number {
	if (unit < 0xd800) return unit;
	return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

function hasCode(error: unknown, code: string): boolean {
	return error instanceof Error && "code" in error && error.code === code;
}

function isMissing(error: unknown): boolean {
	return hasCode(error, "ENOENT");
}

/** A folder, or something below a file: no object has such a path. */
function isNoFile(error: unknown): boolean {
	return ["ENOENT", "ENOTDIR", "EISDIR"].some((code) => hasCode(error, code));
}

function typed(error: unknown, root: string, path: string): Error {
	if (error instanceof StorageError || error instanceof NotFoundError)
		return error;
	if (isMissing(error))
		return new NotFoundError(`file://${root}`, path, { cause: error });
	const options = { cause: error };
	if (
		NO_LINKS.some((code) => hasCode(error, code)) ||
		// link(2): "The filesystem … does not support the creation of hard links."
		(hasCode(error, "EPERM") &&
			(error as { syscall?: string }).syscall === "link")
	)
		return new StorageError(
			"STORAGE_NO_HARD_LINKS",
			`file://${root}: ${path}: the file system has no hard links, which commits need (${messageOf(error)}): use another folder, or S3`,
			options,
		);
	if (["EACCES", "EPERM", "EROFS"].some((code) => hasCode(error, code)))
		return new StorageError(
			"STORAGE_ACCESS_DENIED",
			`file://${root}: ${path}: ${messageOf(error)}: let this process's user write to the folder`,
			options,
		);
	return new StorageError(
		"STORAGE_FAILED",
		`file://${root}: ${path}: ${messageOf(error)}`,
		{
			...options,
			retryable: PASSING.some((code) => hasCode(error, code)),
		},
	);
}

const NO_LINKS = ["ENOTSUP", "EOPNOTSUPP", "ENOSYS"];
/** What may be over when the call is made again. */
const PASSING = ["EMFILE", "ENFILE", "ENOSPC", "EDQUOT", "EIO", "ESTALE"];

/** A name is durable once its folder is; systems that can't sync a folder order names themselves. */
async function syncFolder(folder: string): Promise<void> {
	const handle = await open(folder, "r");
	try {
		await handle.sync();
	} catch (error) {
		if (!["EINVAL", "EISDIR", "EBADF"].some((code) => hasCode(error, code)))
			throw error;
	} finally {
		await handle.close();
	}
}
