import type { Disk } from "./disk.ts";

export interface MemoryDisk extends Disk {
	/**
	 * What a crash of the machine leaves: of each file what was synced, and of the rest a part, of
	 * which the end may be garbage.
	 */
	crash(random: () => number): void;
	/** A damaged medium: one byte of the file is another one. */
	damage(file: string, at: number): void;
	size(file: string): number;
}

interface Content {
	/** More room than bytes, so that appending is cheap. */
	bytes: Uint8Array;
	length: number;
	synced: number;
}

/** A disk that lives as long as the process. */
export function openMemoryDisk(): MemoryDisk {
	const files = new Map<string, Content>();
	return {
		name: "memory",
		read: async (file) => {
			const content = files.get(file);
			return content?.bytes.slice(0, content.length);
		},
		open: async (file) => {
			const content = files.get(file);
			if (content === undefined) return undefined;
			return {
				read: async (position, into) => {
					const part = content.bytes.subarray(
						position,
						Math.min(content.length, position + into.length),
					);
					into.set(part);
					return part.length;
				},
				close: async () => {},
			};
		},
		append: async (file, keep) => {
			const known = files.get(file);
			const content: Content =
				keep === 0 || known === undefined
					? { bytes: new Uint8Array(0), length: 0, synced: 0 }
					: known;
			files.set(file, content);
			content.length = Math.min(keep, content.length);
			content.synced = Math.min(content.synced, content.length);
			return {
				append: async (bytes) => {
					const end = content.length + bytes.length;
					if (end > content.bytes.length) {
						const larger = new Uint8Array(Math.max(4096, end * 2));
						larger.set(content.bytes.subarray(0, content.length));
						content.bytes = larger;
					}
					content.bytes.set(bytes, content.length);
					content.length = end;
				},
				sync: async () => {
					content.synced = content.length;
				},
				close: async () => {},
			};
		},
		replace: async (file, bytes) => {
			const { length } = bytes;
			files.set(file, { bytes: bytes.slice(), length, synced: length });
		},
		list: async () => [...files.keys()],
		remove: async (file) => {
			files.delete(file);
		},
		crash: (random) => {
			for (const [file, { bytes, length, synced }] of files) {
				const kept = synced + Math.floor(random() * (length - synced + 1));
				const left = bytes.slice(0, kept);
				if (random() < 0.3)
					for (let at = Math.max(synced, kept - 32); at < kept; at++)
						left[at] = Math.floor(random() * 256);
				files.set(file, { bytes: left, length: kept, synced: kept });
			}
		},
		damage: (file, at) => {
			const content = files.get(file);
			if (content !== undefined && at < content.length)
				content.bytes[at] = (content.bytes[at] as number) ^ 0x10;
		},
		size: (file) => files.get(file)?.length ?? 0,
	};
}

/** A disk for each shard of each table, as long as the function lives. */
export function memoryDisks(): (tableId: string, shard: string) => MemoryDisk {
	const disks = new Map<string, MemoryDisk>();
	return (tableId, shard) => {
		const name = `${tableId}/${shard}`;
		const disk = disks.get(name) ?? openMemoryDisk();
		disks.set(name, disk);
		return disk;
	};
}
