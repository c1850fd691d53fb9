import { constants } from "node:fs";
import {
	link,
	mkdir,
	open,
	readdir,
	rename,
	stat,
	unlink,
} from "node:fs/promises";
import { dirname, join, resolve, sep } from "node:path";
import { NotFoundError, StorageError } from "./errors.ts";
import type {
	ByteRange,
	ObjectMeta,
	ObjectStore,
	PutOutcome,
} from "./store.ts";

/**
 * A folder as an object store. A body is written to a hidden temporary file, synced, and then gets
 * its name by `rename` (put) or by `link` (putIfAbsent), which fails when the name is taken: the
 * file is there as a whole or not at all.
 */
export function openFileStore(folder: string): ObjectStore {
	const root = resolve(folder);

	function locate(path: string): string {
		const full = resolve(root, path);
		if (full !== root && !full.startsWith(root + sep))
			throw new StorageError(
				"STORAGE_PATH_ESCAPES",
				`path ${path} leaves the folder ${root}`,
			);
		return full;
	}

	async function stage(path: string, body: Uint8Array): Promise<string> {
		const full = locate(path);
		await mkdir(dirname(full), { recursive: true });
		const temporary = join(
			dirname(full),
			`.tmp-${process.pid}-${Date.now()}-${Math.random().toString(36).slice(2)}`,
		);
		const file = await open(
			temporary,
			constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL,
			0o644,
		);
		try {
			await file.writeFile(body);
			await file.sync();
		} finally {
			await file.close();
		}
		return temporary;
	}

	return {
		url: `file://${root}`,

		get: async (path, options) => {
			try {
				const file = await open(locate(path), "r");
				try {
					return await read(file, options?.range);
				} finally {
					await file.close();
				}
			} catch (error) {
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
				if (isMissing(error)) return undefined;
				throw typed(error, root, path);
			}
		},

		put: async (path, body) => {
			try {
				await rename(await stage(path, body), locate(path));
			} catch (error) {
				throw typed(error, root, path);
			}
		},

		putIfAbsent: async (path, body): Promise<PutOutcome> => {
			let temporary: string | undefined;
			try {
				temporary = await stage(path, body);
				await link(temporary, locate(path));
				return { kind: "created" };
			} catch (error) {
				if (hasCode(error, "EEXIST")) return { kind: "exists" };
				throw typed(error, root, path);
			} finally {
				if (temporary !== undefined) await unlink(temporary);
			}
		},

		async *list(prefix, options) {
			const found = await walk(root, prefix);
			found.sort((a, b) => compareUtf8(a.path, b.path));
			for (const meta of found)
				if (
					options?.startAfter === undefined ||
					compareUtf8(meta.path, options.startAfter) > 0
				)
					yield meta;
		},

		delete: async (paths) => {
			for (const path of paths) {
				try {
					await unlink(locate(path));
				} catch (error) {
					if (!isMissing(error)) throw typed(error, root, path);
				}
			}
		},
	};
}

async function read(
	file: Awaited<ReturnType<typeof open>>,
	range: ByteRange | undefined,
): Promise<Uint8Array> {
	if (range === undefined) return await file.readFile();
	const { size } = await file.stat();
	const length = Math.max(0, Math.min(range.end, size) - range.start);
	const buffer = new Uint8Array(length);
	let done = 0;
	while (done < length) {
		const { bytesRead } = await file.read(
			buffer,
			done,
			length - done,
			range.start + done,
		);
		if (bytesRead === 0) break;
		done += bytesRead;
	}
	return buffer.subarray(0, done);
}

/** Every file whose path starts with `prefix`; only the folder of the prefix is walked. */
async function walk(root: string, prefix: string): Promise<ObjectMeta[]> {
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
		for (const entry of entries) {
			const path = `${folder}${entry.name}`;
			if (entry.name.startsWith(".tmp-")) continue;
			if (entry.isDirectory()) {
				const inside = `${path}/`;
				if (inside.startsWith(prefix) || prefix.startsWith(inside))
					pending.push(inside);
			} else if (path.startsWith(prefix)) {
				try {
					const { size, mtimeMs } = await stat(join(root, path));
					found.push({ path, size, modified: Math.floor(mtimeMs) });
				} catch (error) {
					// Deleted since the folder was read.
					if (!isMissing(error)) throw typed(error, root, path);
				}
			}
		}
	}
	return found;
}

function list(folder: string) {
	return readdir(folder, { withFileTypes: true });
}

export function compareUtf8(a: string, b: string): number {
	return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function hasCode(error: unknown, code: string): boolean {
	return error instanceof Error && "code" in error && error.code === code;
}

function isMissing(error: unknown): boolean {
	return hasCode(error, "ENOENT");
}

function typed(error: unknown, root: string, path: string): Error {
	if (error instanceof StorageError || error instanceof NotFoundError)
		return error;
	if (isMissing(error))
		return new NotFoundError(`file://${root}`, path, { cause: error });
	const reason = error instanceof Error ? error.message : String(error);
	return new StorageError(
		hasCode(error, "EACCES") || hasCode(error, "EROFS")
			? "STORAGE_ACCESS_DENIED"
			: "STORAGE_FAILED",
		`file://${root}: ${path}: ${reason}`,
		{ cause: error, retryable: hasCode(error, "EMFILE") },
	);
}
