import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "../errors.ts";
import { StorageError } from "./errors.ts";

/** A folder on a local disk for what can be made again: files that are appended, read at places, replaced. */
export interface Disk {
	/** For messages. */
	readonly name: string;
	/** A whole file; `undefined` when there is none. */
	read(file: string): Promise<Uint8Array | undefined>;
	/** `undefined` when there is none. */
	open(file: string): Promise<DiskFile | undefined>;
	/** A file to append to, cut to its first `keep` bytes, or made anew. */
	append(file: string, keep: number): Promise<DiskAppender>;
	/** The file as a whole, or as it was before: written beside it, synced, renamed. */
	replace(file: string, bytes: Uint8Array): Promise<void>;
	list(): Promise<string[]>;
	/** Nothing happens when it is not there. */
	remove(file: string): Promise<void>;
}

export interface DiskFile {
	/** Fills `into` from `position` on; the number of bytes, fewer at the file's end. */
	read(position: number, into: Uint8Array): Promise<number>;
	close(): Promise<void>;
}

export interface DiskAppender {
	append(bytes: Uint8Array): Promise<void>;
	/** What was appended survives a crash of the machine. */
	sync(): Promise<void>;
	close(): Promise<void>;
}

/**
 * A real folder, made when it is first written to. All that fails is a retryable StorageError
 * DISK_FAILED.
 */
export function openDisk(folder: string): Disk {
	return failingAs(folder, folderDisk(folder));
}

/** What the system says of a disk that is full, missing or not ours, as an error that says what to do. */
function failingAs(folder: string, disk: Disk): Disk {
	const told =
		<Args extends readonly unknown[], Result>(
			act: (...args: Args) => Promise<Result>,
		) =>
		async (...args: Args): Promise<Result> => {
			try {
				return await act(...args);
			} catch (cause) {
				throw new StorageError(
					"DISK_FAILED",
					`${folder}: ${messageOf(cause)}; give the folder space and rights`,
					{ retryable: true, cause },
				);
			}
		};
	return {
		name: disk.name,
		read: told(disk.read),
		open: told(async (file) => {
			const opened = await disk.open(file);
			return opened && { read: told(opened.read), close: told(opened.close) };
		}),
		append: told(async (file, keep) => {
			const { append, sync, close } = await disk.append(file, keep);
			return { append: told(append), sync: told(sync), close: told(close) };
		}),
		replace: told(disk.replace),
		list: told(disk.list),
		remove: told(disk.remove),
	};
}

function folderDisk(folder: string): Disk {
	const at = (file: string): string => join(folder, file);
	return {
		name: folder,
		read: async (file) => {
			try {
				return await readFile(at(file));
			} catch (error) {
				if (isMissing(error)) return undefined;
				throw error;
			}
		},
		open: async (file) => {
			try {
				const handle = await open(at(file), "r");
				return {
					read: async (position, into) => {
						let done = 0;
						while (done < into.length) {
							const { bytesRead } = await handle.read(
								into,
								done,
								into.length - done,
								position + done,
							);
							if (bytesRead === 0) break;
							done += bytesRead;
						}
						return done;
					},
					close: () => handle.close(),
				};
			} catch (error) {
				if (isMissing(error)) return undefined;
				throw error;
			}
		},
		append: async (file, keep) => {
			await mkdir(folder, { recursive: true });
			const handle = await open(at(file), keep === 0 ? "w" : "r+");
			await handle.truncate(keep);
			let position = keep;
			return {
				append: async (bytes) => {
					let done = 0;
					while (done < bytes.length) {
						const { bytesWritten } = await handle.write(
							bytes,
							done,
							bytes.length - done,
							position,
						);
						done += bytesWritten;
						position += bytesWritten;
					}
				},
				sync: () => handle.sync(),
				close: () => handle.close(),
			};
		},
		replace: async (file, bytes) => {
			await mkdir(folder, { recursive: true });
			const temporary = at(`${file}.tmp`);
			const handle = await open(temporary, "w");
			try {
				await handle.writeFile(bytes);
				await handle.sync();
			} finally {
				await handle.close();
			}
			await rename(temporary, at(file));
			const parent = await open(folder, "r");
			try {
				await parent.sync();
			} finally {
				await parent.close();
			}
		},
		list: async () => {
			try {
				return await readdir(folder);
			} catch (error) {
				if (isMissing(error)) return [];
				throw error;
			}
		},
		remove: (file) => rm(at(file), { force: true }),
	};
}

function isMissing(error: unknown): boolean {
	return error instanceof Error && "code" in error && error.code === "ENOENT";
}
