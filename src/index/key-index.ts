import type { Disk, DiskAppender } from "../storage/disk.ts";
import { Base, type BaseInfo, UNKNOWN } from "./base.ts";
import { FileNumbers } from "./file-numbers.ts";
import {
	decodeRecord,
	encodeRecord,
	type JournalRecord,
	type Places,
	rowsOf,
} from "./journal.ts";
import { type KeyBatch, keyOrder } from "./key-batch.ts";
import {
	decodeManifest,
	encodeManifest,
	type IndexIdentity,
	MANIFEST,
} from "./manifest.ts";
import type { IndexMemory } from "./memory.ts";
import { mergeBase } from "./merge.ts";
import { NO_FILE, Overlay } from "./overlay.ts";
import { IndexDamagedError, PAGE_BYTES } from "./page.ts";
import { PageCache } from "./page-cache.ts";

export { IndexMemory } from "./memory.ts";
export { NO_FILE } from "./overlay.ts";
export { IndexDamagedError } from "./page.ts";
export type { IndexIdentity, Places };

/** Changes are not merged before they take this much, however many indexes there are. */
const LEAST_OVERLAY_BYTES = 512 * 1024;
/** A journal that would take long to read again; entries of 24 bytes and more. */
const JOURNAL_BYTES = 256 * 1024 * 1024;

/** Keys that are put before memory is looked at. */
const SLICE = 16_384;

/** What a version of the table means for the index. */
export interface IndexChange {
	/** The version of the table that the index stands for afterwards. */
	readonly version: number;
	/** Every key is forgotten first. */
	readonly clear?: boolean;
	/** Files by number: their key, or undefined when they are gone. */
	readonly files: readonly (readonly [number, string | undefined])[];
	readonly places?: Places;
}

/**
 * Key to place, for one shard of a table, on local disk. All keys as they once were are in the base;
 * what changed since is in memory and in a journal, and is merged into a new base when it gets
 * large. What a crash leaves is the index of an older version, or none.
 */
export class KeyIndex {
	/** Why the index that was there, if any, was not used; `undefined` when it was. */
	readonly unused: string | undefined;
	readonly files = new FileNumbers();
	readonly #disk: Disk;
	readonly #memory: IndexMemory;
	readonly #identity: IndexIdentity;
	readonly #overlay = new Overlay();
	readonly #cache: PageCache;
	#base: Base | undefined;
	#baseInfo: BaseInfo | undefined;
	#generation = 0;
	/** -1 while it stands for no version. */
	#version = -1;
	#journal: DiskAppender | undefined;
	#journalBytes = 0;
	/** What the overlay is counted with. */
	#counted = 0;
	/** Places of one file that is being read, whose number is not set yet. */
	readonly #coming = new Set<number>();

	private constructor(options: KeyIndexOptions, unused: string | undefined) {
		this.#disk = options.disk;
		this.#memory = options.memory;
		this.#cache = new PageCache(options.memory);
		this.#identity = options.identity;
		this.unused = unused;
	}

	/** The index as it was left; an empty one, of no version, when there is none that can be used. */
	static async open(options: KeyIndexOptions): Promise<KeyIndex> {
		const { disk, identity } = options;
		const bytes = await disk.read(MANIFEST);
		if (bytes === undefined) return new KeyIndex(options, "there is none");
		const manifest = decodeManifest(bytes, identity);
		if ("unusable" in manifest)
			return await KeyIndex.#emptied(options, manifest.unusable);
		const index = new KeyIndex(options, undefined);
		try {
			await index.#load(manifest);
			return index;
		} catch (error) {
			if (!(error instanceof IndexDamagedError)) throw error;
			await index.close();
			return await KeyIndex.#emptied(options, error.message);
		}
	}

	static async #emptied(
		options: KeyIndexOptions,
		unused: string,
	): Promise<KeyIndex> {
		const index = new KeyIndex(options, unused);
		await index.begin();
		return index;
	}

	/** The table's version that the index stands for; -1 for none. */
	get version(): number {
		return this.#version;
	}

	/** Entries in the base and, beside it, in memory: an upper bound of the keys. */
	get entries(): number {
		return (this.#baseInfo?.entries ?? 0) + this.#overlay.size;
	}

	/** Bytes on disk. */
	get bytes(): number {
		const pages = this.#baseInfo?.pages ?? 0;
		return pages * (PAGE_BYTES + 4) + this.#journalBytes;
	}

	/** A number for a file whose places are about to be set; the file itself comes with the last of them. */
	allocate(): number {
		const number = this.files.allocate();
		this.#coming.add(number);
		return number;
	}

	/**
	 * Where keys are: file numbers, NO_FILE for keys that the index does not have, and rows.
	 * @throws IndexDamagedError when what is on disk is not what was written
	 */
	async lookUp(
		keys: KeyBatch,
		order: Uint32Array = keyOrder(keys),
	): Promise<{ readonly files: Uint32Array; readonly rows: Uint32Array }> {
		const files = new Uint32Array(keys.length).fill(NO_FILE);
		const rows = new Uint32Array(keys.length);
		const overlay = this.#overlay;
		const { slots } = overlay;
		for (const key of order) {
			const slot = overlay.find(keys, key);
			files[key] =
				slot < 0 ? UNKNOWN : (slots[slot + 4] as number) & 0xff_ff_ff;
			if (slot >= 0) rows[key] = slots[slot + 5] as number;
		}
		if (this.#base !== undefined)
			await this.#base.lookUp(keys, order, files, rows);
		for (const key of order) {
			const file = files[key] as number;
			if (file !== NO_FILE && this.files.key(file) === undefined)
				files[key] = NO_FILE;
		}
		return { files, rows };
	}

	/**
	 * Takes a change over, and writes it down.
	 * @throws what the disk throws; the index must be opened again then
	 */
	async apply(change: IndexChange): Promise<void> {
		const record: JournalRecord = {
			from: this.#version,
			to: change.version,
			...(change.clear === true ? { clear: true } : {}),
			files: change.files.map(
				([number, key]) => [number, key ?? null] as const,
			),
			places: change.places,
		};
		if (this.#version < 0) {
			await this.#take(record);
			await this.#merge();
			return;
		}
		const bytes = encodeRecord(record);
		this.#journal ??= await this.#disk.append(
			journalName(this.#generation),
			this.#journalBytes,
		);
		await this.#journal.append(bytes);
		this.#journalBytes += bytes.length;
		await this.#take(record);
		if (this.#isLarge(0)) await this.#merge();
	}

	/** Forgets everything, to be filled anew: nothing is on disk until `finish`. */
	async begin(): Promise<void> {
		await this.#disk.remove(MANIFEST);
		await this.#closeFiles();
		this.#cache.clear();
		for (const file of await this.#disk.list())
			if (file !== MANIFEST) await this.#disk.remove(file);
		this.#overlay.clear();
		this.#count();
		this.files.clear();
		this.#coming.clear();
		this.#version = -1;
	}

	/** Takes places over while the index is filled, or while a file is read. */
	async put(places: Places): Promise<void> {
		if (this.#version >= 0) {
			await this.apply({ version: this.#version, files: [], places });
			return;
		}
		const order = rowsOf(places);
		for (let from = 0; from < order.length; from += SLICE) {
			if (this.#isLarge(SLICE)) await this.#merge();
			this.#set({ ...places, order: order.subarray(from, from + SLICE) });
		}
	}

	/** The index stands for `version` from here on, on disk too. */
	async finish(version: number): Promise<void> {
		this.#version = version;
		await this.#merge();
	}

	async close(): Promise<void> {
		await this.#closeFiles();
		this.#cache.close();
		this.#memory.addChanges(-this.#counted);
		this.#counted = 0;
	}

	async #load(
		manifest: Exclude<ReturnType<typeof decodeManifest>, { unusable: string }>,
	): Promise<void> {
		this.#generation = manifest.generation;
		this.#version = manifest.version;
		this.files.skipTo(manifest.next);
		for (const [key, number] of manifest.files) this.files.set(number, key);
		await this.#openBase(manifest.base ?? undefined);
		const journal = await this.#disk.read(journalName(this.#generation));
		if (journal === undefined) return;
		for (;;) {
			const read = decodeRecord(journal, this.#journalBytes);
			if (read === undefined || read.record.from !== this.#version) break;
			await this.#take(read.record);
			this.#journalBytes = read.next;
		}
	}

	async #take(record: JournalRecord): Promise<void> {
		if (record.clear === true) {
			// Places in the base are in files that are gone.
			this.#overlay.clear();
			for (const [, number] of [...this.files.entries()])
				this.files.set(number, undefined);
		}
		if (record.places !== undefined) {
			this.#set(record.places);
			let next = this.files.next;
			const { files } = record.places;
			for (const row of rowsOf(record.places)) {
				const number = files[row] as number;
				if (number !== NO_FILE && number >= next) next = number + 1;
			}
			this.files.skipTo(next);
		}
		for (const [number, key] of record.files) {
			this.#coming.delete(number);
			this.files.set(number, key ?? undefined);
		}
		this.#version = record.to;
		this.#count();
	}

	#set(places: Places): void {
		const { keys, files, rows } = places;
		const order = rowsOf(places);
		this.#overlay.reserve(order.length);
		for (const i of order)
			if (keys.kinds[i] !== 0)
				this.#overlay.set(keys, i, files[i] as number, rows[i] as number);
		this.#count();
	}

	/** Whether the changes should be merged before so many more come. */
	#isLarge(more: number): boolean {
		if (this.#journalBytes > JOURNAL_BYTES) return true;
		const bytes = this.#overlay.bytesWith(more);
		return (
			bytes > LEAST_OVERLAY_BYTES &&
			this.#overlay.size > 0 &&
			this.#memory.changesAbove(bytes - this.#counted) > 0
		);
	}

	/** Writes a new base; the manifest that names it is the point at which it counts. */
	async #merge(): Promise<void> {
		const generation = this.#generation + 1;
		const info = await mergeBase(this.#disk, {
			base: this.#base,
			overlay: this.#overlay,
			file: baseName(generation),
			alive: this.#alive(),
			cache: this.#cache,
		});
		// Until it stands for a version, there is nothing to find again.
		if (this.#version >= 0)
			await this.#disk.replace(
				MANIFEST,
				encodeManifest({
					...this.#identity,
					generation,
					version: this.#version,
					base: info,
					next: this.files.next,
					files: [...this.files.entries()],
				}),
			);
		await this.#closeFiles();
		await this.#disk.remove(journalName(this.#generation));
		await this.#disk.remove(baseName(this.#generation));
		this.#generation = generation;
		this.#overlay.clear();
		this.#count();
		await this.#openBase(info);
	}

	/** By number, 1 for files that places may be in. */
	#alive(): Uint8Array {
		const alive = new Uint8Array(this.files.next);
		for (let number = 0; number < alive.length; number++)
			if (this.files.key(number) !== undefined || this.#coming.has(number))
				alive[number] = 1;
		return alive;
	}

	async #openBase(info: BaseInfo | undefined): Promise<void> {
		this.#baseInfo = info;
		if (info !== undefined && info.pages > 0)
			this.#base = await Base.open(this.#disk, info, this.#memory, this.#cache);
	}

	async #closeFiles(): Promise<void> {
		await this.#journal?.close();
		this.#journal = undefined;
		this.#journalBytes = 0;
		await this.#base?.close();
		this.#base = undefined;
		this.#baseInfo = undefined;
	}

	#count(): void {
		this.#memory.addChanges(this.#overlay.bytes - this.#counted);
		this.#counted = this.#overlay.bytes;
	}
}

export interface KeyIndexOptions {
	/** A folder of its own. */
	readonly disk: Disk;
	readonly memory: IndexMemory;
	readonly identity: IndexIdentity;
}

function baseName(generation: number): string {
	return `base-${generation}`;
}

function journalName(generation: number): string {
	return `journal-${generation}`;
}
