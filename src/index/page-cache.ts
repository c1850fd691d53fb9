import type { DiskFile } from "../storage/disk.ts";
import type { IndexMemory, Reclaimable } from "./memory.ts";
import {
	checkPage,
	IndexDamagedError,
	PAGE_BYTES,
	PAGE_WORDS,
} from "./page.ts";

/** Pages of memory that are taken at once. */
const SLAB_PAGES = 256;
/** Pages that are loaded for one window of a look-up. */
export const WINDOW_PAGES = 256;
/** Pages between two wanted ones that are read with them: one long read is cheaper than two. */
const GAP_PAGES = 32;
const SPAN_PAGES = 1024;
/** Of the pages that are read while memory is full, one in so many takes another one's place. */
const REPLACED = 16;

/** Pages that are read at once, and where in the buffer, in pages. */
interface Span {
	readonly from: number;
	to: number;
	readonly at: number;
	readonly wanted: number[];
}

/** Pages of one file in memory, as many as there is room for. */
export class PageCache implements Reclaimable {
	readonly #memory: IndexMemory;
	readonly #name: string;
	/** By page; -1 for one that is not in memory. */
	#frameOf: Int32Array;
	readonly #slabs: Uint32Array[] = [];
	#pageOf = new Int32Array(0);
	/** The look-up window that last used a frame. */
	#usedBy = new Uint32Array(0);
	#window = 0;
	#random = 1;
	#frames = 0;
	/** Pages in memory are about to be used. */
	#busy = false;
	/** What is read for a window, and pages of it that have no frame. */
	#buffer: Uint8Array<ArrayBuffer> = new Uint8Array(0);
	readonly #passing = new Map<number, Uint32Array>();

	/** `name` is that of the file, for messages. */
	constructor(
		memory: IndexMemory,
		options: { readonly name: string; readonly pages: number },
	) {
		this.#memory = memory;
		this.#name = options.name;
		this.#frameOf = new Int32Array(options.pages).fill(-1);
		this.#memory.addPages(this.#frameOf.byteLength);
		this.#memory.touch(this);
	}

	/** Pages below `pages` may be asked for. */
	reach(pages: number): void {
		const before = this.#frameOf;
		if (pages <= before.length) return;
		this.#frameOf = new Int32Array(pages).fill(-1, before.length);
		this.#frameOf.set(before);
		this.#memory.addPages(this.#frameOf.byteLength - before.byteLength);
	}

	/** From here on the pages that are asked for stay, until the next call or `endWindow`. */
	nextWindow(): void {
		this.#busy = true;
		this.#passing.clear();
		this.#window++;
		this.#memory.touch(this);
	}

	endWindow(): void {
		this.#passing.clear();
		this.#busy = false;
	}

	/** Whether a page is in memory; it stays there for this window then. */
	has(page: number): boolean {
		const frame = this.#frameOf[page] as number;
		if (frame < 0) return false;
		this.#usedBy[frame] = this.#window;
		return true;
	}

	/** A page that is in memory, until the window ends. */
	page(page: number): Uint32Array {
		const frame = this.#frameOf[page] as number;
		if (frame < 0) return this.#passing.get(page) as Uint32Array;
		const slab = this.#slabs[Math.floor(frame / SLAB_PAGES)] as Uint32Array;
		const at = (frame % SLAB_PAGES) * PAGE_WORDS;
		return slab.subarray(at, at + PAGE_WORDS);
	}

	/**
	 * Brings pages, ascending and at most WINDOW_PAGES, into memory; those that there is no room for stay
	 * for this window.
	 * @throws IndexDamagedError when they are not what was written
	 */
	async load(file: DiskFile, pages: readonly number[]): Promise<void> {
		const spans: Span[] = [];
		let size = 0;
		for (const page of pages) {
			const last = spans.at(-1);
			if (
				last !== undefined &&
				page - last.to <= GAP_PAGES &&
				page - last.from < SPAN_PAGES
			) {
				size += page + 1 - last.to;
				last.to = page + 1;
				last.wanted.push(page);
			} else {
				spans.push({ from: page, to: page + 1, at: size, wanted: [page] });
				size++;
			}
		}
		if (size * PAGE_BYTES > this.#buffer.length) {
			this.#memory.addPages(size * PAGE_BYTES - this.#buffer.length);
			this.#buffer = new Uint8Array(size * PAGE_BYTES);
		}
		await Promise.all(spans.map((span) => this.#read(file, span)));
	}

	/** Takes a page as it is written, unless there is no room. */
	put(page: number, words: Uint32Array): void {
		const frame = this.#freeFrame();
		if (frame < 0) return;
		if (page >= this.#frameOf.length) this.reach(page + 1 + (page >>> 3));
		this.#keep(page, words, frame);
	}

	/** Gives all pages up; whether each was in memory, by page. */
	empty(): Uint8Array {
		const had = Uint8Array.from(this.#frameOf, (frame) => (frame < 0 ? 0 : 1));
		this.reclaim();
		return had;
	}

	async #read(file: DiskFile, { from, to, at, wanted }: Span): Promise<void> {
		const start = at * PAGE_BYTES;
		const bytes = this.#buffer.subarray(
			start,
			start + (to - from) * PAGE_BYTES,
		);
		const read = await file.read(from * PAGE_BYTES, bytes);
		if (read < bytes.length)
			throw new IndexDamagedError(
				`${this.#name} ends at ${from * PAGE_BYTES + read} bytes; the index is made again from the table`,
			);
		for (const page of wanted) {
			const words = new Uint32Array(
				bytes.buffer,
				bytes.byteOffset + (page - from) * PAGE_BYTES,
				PAGE_WORDS,
			);
			checkPage(words, this.#name);
			const frame = this.#freeFrame();
			if (frame < 0) this.#passing.set(page, words);
			else this.#keep(page, words, frame);
		}
	}

	#keep(page: number, words: Uint32Array, frame: number): void {
		this.#frameOf[page] = frame;
		this.#pageOf[frame] = page;
		this.#usedBy[frame] = this.#window;
		this.page(page).set(words);
	}

	reclaim(): void {
		if (this.#busy) return;
		this.#memory.addPages(-this.#slabs.length * SLAB_PAGES * PAGE_BYTES);
		this.#slabs.length = 0;
		this.#frames = 0;
		this.#pageOf = new Int32Array(0);
		this.#usedBy = new Uint32Array(0);
		this.#frameOf.fill(-1);
	}

	close(): void {
		this.#busy = false;
		this.reclaim();
		this.#memory.addPages(-this.#frameOf.byteLength - this.#buffer.length);
		this.#frameOf = new Int32Array(0);
		this.#buffer = new Uint8Array(0);
		this.#memory.forget(this);
	}

	/** A new frame, or now and then one of a page that this window does not need; else -1. */
	#freeFrame(): number {
		if (this.#frames < this.#slabs.length * SLAB_PAGES) return this.#frames++;
		if (this.#memory.reserve(SLAB_PAGES * PAGE_BYTES, this)) {
			this.#addSlab();
			return this.#frames++;
		}
		// Look-ups go through the file in order: the oldest page would be the next one wanted.
		this.#random = (Math.imul(this.#random, 1664525) + 1013904223) >>> 0;
		const frame = Math.floor(
			(this.#random / 2 ** 32) * this.#frames * REPLACED,
		);
		if (frame >= this.#frames || this.#usedBy[frame] === this.#window)
			return -1;
		this.#frameOf[this.#pageOf[frame] as number] = -1;
		return frame;
	}

	#addSlab(): void {
		this.#slabs.push(new Uint32Array(SLAB_PAGES * PAGE_WORDS));
		const frames = this.#slabs.length * SLAB_PAGES;
		if (frames <= this.#pageOf.length) return;
		const room = Math.max(frames, this.#pageOf.length * 2);
		const pageOf = new Int32Array(room);
		pageOf.set(this.#pageOf);
		this.#pageOf = pageOf;
		const usedBy = new Uint32Array(room);
		usedBy.set(this.#usedBy);
		this.#usedBy = usedBy;
	}
}
