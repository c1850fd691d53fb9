import { crc32 } from "node:zlib";
import type { DiskAppender } from "../storage/disk.ts";
import type { BaseInfo } from "./base.ts";
import { FIRST_HASHED_KIND, type Key } from "./key-batch.ts";
import { NO_FILE } from "./overlay.ts";
import {
	entriesOf,
	entryAt,
	findInPage,
	PAGE_BYTES,
	PAGE_WORDS,
	PageBuilder,
	sealPage,
} from "./page.ts";

const FLUSH_BYTES = 1024 * 1024;
/** The share of the pages' bytes that has to be in use before one may end before it is full. */
const LEAST_USE = 7 / 8;

/** An entry's place: kind and file number, then the row. */
export interface Placed extends Key {
	readonly place: number;
	readonly row: number;
}

/** Writes pages of a base, in the order of their keys. */
export class BaseWriter {
	readonly #out: DiskAppender;
	readonly #alive: Uint8Array;
	readonly #onPage: (page: number, words: Uint32Array) => void;
	readonly #builder = new PageBuilder((page, used) => this.#emit(page, used));
	readonly #patched = new Uint32Array(PAGE_WORDS);
	#firsts = new Uint32Array(64);
	#pages = 0;
	#entries = 0;
	/** Bytes of pages that are in use. */
	#used = 0;
	#buffer = new Uint32Array(16 * PAGE_WORDS);
	#buffered = 0;

	/** `alive`: by file number, 1 for those that places may be in. `onPage` gets each page, to be copied. */
	constructor(
		out: DiskAppender,
		options: {
			readonly alive: Uint8Array;
			readonly onPage: (page: number, words: Uint32Array) => void;
		},
	) {
		this.#out = out;
		this.#alive = options.alive;
		this.#onPage = options.onPage;
	}

	/** Whether places may be in the file of this one. */
	isAlive(place: number): boolean {
		return this.#alive[place & NO_FILE] === 1;
	}

	/** The next entry; left out when its file is gone. */
	add(key: Omit<Key, "kind">, place: number): void {
		if (!this.isAlive(place)) return;
		this.#entries++;
		this.#builder.add(key);
	}

	/**
	 * Writes a page of an older base with some places changed. False, and nothing is done, where that is
	 * not all there is to do: keys come or go, or the entries before it are too few for a page.
	 */
	patch(page: Uint32Array, changes: Iterable<Placed>): boolean {
		if (
			!this.#builder.empty &&
			this.#used < this.#pages * LEAST_USE * PAGE_BYTES
		)
			return false;
		const patched = this.#patched;
		patched.set(page);
		for (const change of changes) {
			const at = findInPage(patched, 0, change);
			if (at < 0 || !this.isAlive(change.place)) return false;
			patched[at + 4] = change.place;
			patched[at + 5] = change.row;
		}
		const count = entriesOf(patched);
		const tails = new Uint8Array(patched.buffer);
		let used = entryAt(count) * 4;
		for (let n = 0; n < count; n++) {
			const place = patched[entryAt(n) + 4] as number;
			if (!this.isAlive(place)) return false;
			if (place >>> 24 >= FIRST_HASHED_KIND)
				used += 1 + (tails[used] as number);
		}
		sealPage(patched);
		this.#builder.finish();
		this.#entries += count;
		this.#emit(patched, used);
		return true;
	}

	/** To be called now and then. */
	async flush(): Promise<void> {
		if (this.#buffered * 4 >= FLUSH_BYTES) await this.#write();
	}

	/** Writes what is left, and what the manifest has to say of the file. */
	async finish(file: string): Promise<BaseInfo> {
		this.#builder.finish();
		await this.#write();
		const directory = new Uint8Array(this.#firsts.buffer, 0, this.#pages * 4);
		await this.#out.append(directory);
		await this.#out.sync();
		return {
			file,
			pages: this.#pages,
			entries: this.#entries,
			directory: crc32(directory),
		};
	}

	async #write(): Promise<void> {
		await this.#out.append(
			new Uint8Array(this.#buffer.buffer, 0, this.#buffered * 4),
		);
		this.#buffered = 0;
	}

	#emit(page: Uint32Array, used: number): void {
		if (this.#pages === this.#firsts.length)
			this.#firsts = doubled(this.#firsts);
		if (this.#buffered + PAGE_WORDS > this.#buffer.length)
			this.#buffer = doubled(this.#buffer);
		this.#buffer.set(page, this.#buffered);
		this.#buffered += PAGE_WORDS;
		this.#used += used;
		this.#onPage(this.#pages, page);
		this.#firsts[this.#pages++] = page[entryAt(0)] as number;
	}
}

function doubled(words: Uint32Array): Uint32Array<ArrayBuffer> {
	const larger = new Uint32Array(words.length * 2);
	larger.set(words);
	return larger;
}
