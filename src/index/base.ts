import { crc32 } from "node:zlib";
import type { Disk, DiskFile } from "../storage/disk.ts";
import { BatchKey, type KeyBatch } from "./key-batch.ts";
import type { IndexMemory } from "./memory.ts";
import { NO_FILE } from "./overlay.ts";
import {
	checkPage,
	findInPage,
	IndexDamagedError,
	PAGE_BYTES,
	PAGE_WORDS,
} from "./page.ts";
import { PageCache, WINDOW_PAGES } from "./page-cache.ts";

/*
 * A base file: its pages, then their first words, one u32 each. What it holds never changes; the
 * manifest says how many pages there are and what the checksum of the first words is.
 */

export interface BaseInfo {
	readonly file: string;
	readonly pages: number;
	readonly entries: number;
	/** CRC-32 of the first words. */
	readonly directory: number;
}

/** The place of a key that was looked for nowhere yet. */
export const UNKNOWN = 0xff_ff_ff_ff;

/** Pages that are read at once when all are. */
const LOT_PAGES = 1024;

/** All keys as they were when it was written, ascending, on disk. */
export class Base {
	readonly info: BaseInfo;
	readonly #file: DiskFile;
	readonly #firsts: Uint32Array;
	readonly #cache: PageCache;
	readonly #memory: IndexMemory;
	readonly #name: string;

	private constructor(
		info: BaseInfo,
		file: DiskFile,
		firsts: Uint32Array,
		options: {
			readonly name: string;
			readonly memory: IndexMemory;
			readonly cache: PageCache | undefined;
		},
	) {
		this.info = info;
		this.#file = file;
		this.#firsts = firsts;
		this.#name = options.name;
		this.#memory = options.memory;
		this.#memory.addPages(firsts.byteLength);
		this.#cache =
			options.cache ??
			new PageCache(options.memory, {
				name: options.name,
				pages: info.pages,
			});
		this.#cache.reach(info.pages);
	}

	/**
	 * `cache` may have pages of the base already.
	 * @throws IndexDamagedError when the file is missing or is not what was written
	 */
	static async open(
		disk: Disk,
		info: BaseInfo,
		memory: IndexMemory,
		cache?: PageCache,
	): Promise<Base> {
		const name = `${disk.name}/${info.file}`;
		const file = await disk.open(info.file);
		if (file === undefined)
			throw new IndexDamagedError(
				`${name} is missing; the index is made again from the table`,
			);
		const bytes = new Uint8Array(info.pages * 4);
		const read = await file.read(info.pages * PAGE_BYTES, bytes);
		if (read < bytes.length || crc32(bytes) !== info.directory) {
			await file.close();
			throw new IndexDamagedError(
				`${name}: the directory of its pages is not what was written; the index is made again from the table`,
			);
		}
		return new Base(info, file, new Uint32Array(bytes.buffer), {
			name,
			memory,
			cache,
		});
	}

	/**
	 * Fills in the places that are UNKNOWN; NO_FILE for keys that are not here. `order` is that of the
	 * keys' first words.
	 */
	async lookUp(
		keys: KeyBatch,
		order: Uint32Array,
		files: Uint32Array,
		rows: Uint32Array,
	): Promise<void> {
		const { words } = keys;
		const firsts = this.#firsts;
		const pages = new Uint32Array(order.length);
		const wanted = new BatchKey(keys);
		try {
			for (let at = 0, page = 0; at < order.length; ) {
				const from = at;
				const missing: number[] = [];
				this.#cache.nextWindow();
				for (; at < order.length; at++) {
					const key = order[at] as number;
					if (files[key] !== UNKNOWN) continue;
					const w0 = words[key * 4] as number;
					while (page + 1 < firsts.length && (firsts[page + 1] as number) <= w0)
						page++;
					pages[at] = page;
					if (missing.at(-1) === page || this.#cache.has(page)) continue;
					if (missing.length === WINDOW_PAGES) break;
					missing.push(page);
				}
				if (missing.length > 0) await this.#cache.load(this.#file, missing);
				let current = -1;
				let words32: Uint32Array = firsts;
				for (let n = from; n < at; n++) {
					const key = order[n] as number;
					if (files[key] !== UNKNOWN) continue;
					if (pages[n] !== current) {
						current = pages[n] as number;
						words32 = this.#cache.page(current);
					}
					const entry = findInPage(words32, wanted.be(key));
					files[key] =
						entry < 0 ? NO_FILE : (words32[entry + 4] as number) & 0xff_ff_ff;
					rows[key] = entry < 0 ? 0 : (words32[entry + 5] as number);
				}
			}
		} finally {
			this.#cache.endWindow();
		}
	}

	/** The first word of a page's first key; beyond all words for a page that is not there. */
	first(page: number): number {
		return this.#firsts[page] ?? 2 ** 32;
	}

	/** Gives the memory of pages back; whether each was in memory, by page. */
	empty(): Uint8Array {
		return this.#cache.empty();
	}

	/**
	 * The pages in order, many at once; each lot is overwritten by the next.
	 * @throws IndexDamagedError for a page that is not what was written
	 */
	async *lots(): AsyncGenerator<readonly Uint32Array[], void, undefined> {
		const lot = new Uint8Array(LOT_PAGES * PAGE_BYTES);
		for (let page = 0; page < this.info.pages; page += LOT_PAGES) {
			const count = Math.min(LOT_PAGES, this.info.pages - page);
			const read = await this.#file.read(
				page * PAGE_BYTES,
				lot.subarray(0, count * PAGE_BYTES),
			);
			yield Array.from({ length: count }, (_, n) => {
				const start = n * PAGE_BYTES;
				const words = new Uint32Array(
					lot.buffer,
					start,
					start + PAGE_BYTES <= read ? PAGE_WORDS : 0,
				);
				checkPage(words, this.#name);
				return words;
			});
		}
	}

	async close(): Promise<void> {
		this.#memory.addPages(-this.#firsts.byteLength);
		this.#cache.close();
		await this.#file.close();
	}
}
