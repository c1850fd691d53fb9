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
import { type PageCache, WINDOW_PAGES } from "./page-cache.ts";

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
			readonly cache: PageCache;
		},
	) {
		this.info = info;
		this.#file = file;
		this.#firsts = firsts;
		this.#name = options.name;
		this.#memory = options.memory;
		this.#memory.addPages(firsts.byteLength);
		this.#cache = options.cache;
		this.#cache.reach(info.pages);
	}

	/**
	 * `cache` has no pages, or pages of this base.
	 * @throws IndexDamagedError when the file is missing or is not what was written
	 */
	static async open(
		disk: Disk,
		info: BaseInfo,
		memory: IndexMemory,
		cache: PageCache,
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
				if (missing.length > 0)
					await this.#cache.load(this.#file, this.#name, missing);
				let current = -1;
				let page32: Uint32Array = firsts;
				let start = 0;
				for (let n = from; n < at; n++) {
					const key = order[n] as number;
					if (files[key] !== UNKNOWN) continue;
					if (pages[n] !== current) {
						current = pages[n] as number;
						this.#cache.select(current);
						page32 = this.#cache.words;
						start = this.#cache.start;
					}
					const entry = findInPage(page32, start, wanted.be(key));
					files[key] =
						entry < 0 ? NO_FILE : (page32[entry + 4] as number) & 0xff_ff_ff;
					rows[key] = entry < 0 ? 0 : (page32[entry + 5] as number);
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

	/**
	 * The pages in order, many at once: those in memory, and others as they are read, which the next lot
	 * overwrites.
	 * @throws IndexDamagedError for a page that is not what was written
	 */
	async *lots(): AsyncGenerator<readonly Uint32Array[], void, undefined> {
		const buffer = new Uint8Array(
			Math.min(LOT_PAGES, this.info.pages) * PAGE_BYTES,
		);
		const cache = this.#cache;
		for (let from = 0; from < this.info.pages; from += LOT_PAGES) {
			const count = Math.min(LOT_PAGES, this.info.pages - from);
			const pages = Array.from({ length: count }, (_, n) => from + n);
			const read = pages.every((page) => cache.has(page))
				? 0
				: await this.#file.read(
						from * PAGE_BYTES,
						buffer.subarray(0, count * PAGE_BYTES),
					);
			yield pages.map((page, n) => {
				if (cache.has(page)) {
					cache.select(page);
					return cache.words.subarray(cache.start, cache.start + PAGE_WORDS);
				}
				const start = n * PAGE_BYTES;
				const words = new Uint32Array(
					buffer.buffer,
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
		await this.#file.close();
	}
}
