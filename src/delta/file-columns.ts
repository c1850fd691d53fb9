import type { FetchedRowGroup } from "../columnar/parquet/read.ts";
import type { AddFile, RemoveFile } from "./actions.ts";
import { FileGroup } from "./file-group.ts";
import { fileKey } from "./file-key.ts";
import type { KeyedMap } from "./keyed-map.ts";

/**
 * File actions by `fileKey`, kept as the columns that they were read from: a table of a million files
 * costs a few typed arrays, and an action is made when it is asked for.
 */
export class FileColumns<T extends AddFile | RemoveFile>
	implements KeyedMap<T>
{
	readonly #groups: readonly FileGroup[];
	readonly #starts: readonly number[];
	readonly #make: (group: FileGroup, row: number) => T;
	readonly size: number;
	#index: Int32Array | undefined;

	constructor(
		groups: readonly FetchedRowGroup[],
		key: number,
		make: (group: FileGroup, row: number) => T,
	) {
		this.#groups = groups.map((group) => new FileGroup(group, key));
		const starts: number[] = [];
		let size = 0;
		for (const { rows } of this.#groups) {
			starts.push(size);
			size += rows.length;
		}
		this.#starts = starts;
		this.size = size;
		this.#make = make;
	}

	get(key: string): T | undefined {
		const found = this.#find(key);
		return found === undefined ? undefined : this.#make(found.group, found.row);
	}

	has(key: string): boolean {
		return this.#find(key) !== undefined;
	}

	*keys(): IterableIterator<string> {
		for (const group of this.#groups)
			for (const row of group.rows) yield keyAt(group, row);
	}

	*values(): IterableIterator<T> {
		for (const group of this.#groups)
			for (const row of group.rows) yield this.#make(group, row);
	}

	*entries(): IterableIterator<[string, T]> {
		for (const group of this.#groups)
			for (const row of group.rows)
				yield [keyAt(group, row), this.#make(group, row)];
	}

	#find(key: string): { group: FileGroup; row: number } | undefined {
		const index = this.#hashed();
		const mask = index.length - 1;
		for (
			let slot = hashOf(key) & mask;
			index[slot] !== 0;
			slot = (slot + 1) & mask
		) {
			const at = this.#at((index[slot] as number) - 1);
			if (keyAt(at.group, at.row) === key) return at;
		}
		return undefined;
	}

	#at(place: number): { group: FileGroup; row: number } {
		let i = this.#starts.length - 1;
		while (i > 0 && (this.#starts[i] as number) > place) i--;
		const group = this.#groups[i] as FileGroup;
		return {
			group,
			row: group.rows[place - (this.#starts[i] as number)] as number,
		};
	}

	/** Open addressing: hash of the key to place + 1; made by the first look-up. */
	#hashed(): Int32Array {
		if (this.#index !== undefined) return this.#index;
		let capacity = 16;
		while (capacity < this.size * 2) capacity *= 2;
		const index = new Int32Array(capacity);
		let place = 0;
		for (const group of this.#groups)
			for (const row of group.rows) {
				const { data, offsets } = group.paths;
				const start = offsets[row] as number;
				const end = offsets[row + 1] as number;
				const hashed =
					group.hasVector(row) || !isPlain(data, start, end)
						? hashOf(keyAt(group, row))
						: hash(data, start, end);
				let slot = hashed & (capacity - 1);
				while (index[slot] !== 0) slot = (slot + 1) & (capacity - 1);
				index[slot] = ++place;
			}
		this.#index = index;
		return index;
	}
}

function keyAt(group: FileGroup, row: number): string {
	const deletionVector = group.deletionVector(row);
	return fileKey({
		path: group.path(row),
		...(deletionVector === undefined ? {} : { deletionVector }),
	});
}

/** Whether a path is its own key: relative and without escapes. */
function isPlain(data: Uint8Array, start: number, end: number): boolean {
	if (data[start] === 0x2f) return false;
	for (let i = start; i < end; i++) {
		const byte = data[i];
		if (byte === 0x25 || byte === 0x3a) return false;
	}
	return true;
}

/** FNV-1a, 32 bits. */
function hash(data: Uint8Array, start: number, end: number): number {
	let value = 0x811c9dc5;
	for (let i = start; i < end; i++)
		value = Math.imul(value ^ (data[i] as number), 0x01000193);
	return (value ^ (value >>> 15)) >>> 0;
}

function hashOf(key: string): number {
	const bytes = Buffer.from(key);
	return hash(bytes, 0, bytes.length);
}
