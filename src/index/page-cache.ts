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

/** Pages of one base in memory, as many as there is room for. */
export class PageCache implements Reclaimable {
	readonly #memory: IndexMemory;
	/** By page; -1 for one that is not in memory. */
	#frameOf: Int32Array = new Int32Array(0);
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
	/** While the next base is written: the frames of its pages. */
	#moved: Int32Array | undefined;
	/** Frames without a page. */
	readonly #spare: number[] = [];
	/** The page that was selected last begins at word `start` of `words`. */
	words: Uint32Array = new Uint32Array(0);
	start = 0;

	constructor(memory: IndexMemory) {
		this.#memory = memory;
		this.#memory.touch(this);
	}

	/** Pages below `pages` may be asked for. */
	reach(pages: number): void {
		this.#frameOf = this.#extended(this.#frameOf, pages);
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

	/** Finds a page that is in memory, which it is until the window ends. */
	select(page: number): void {
		const frame = this.#frameOf[page] as number;
		if (frame < 0) {
			this.words = this.#passing.get(page) as Uint32Array;
			this.start = 0;
		} else this.#selectFrame(frame);
	}

	#selectFrame(frame: number): void {
		this.words = this.#slabs[Math.floor(frame / SLAB_PAGES)] as Uint32Array;
		this.start = (frame % SLAB_PAGES) * PAGE_WORDS;
	}

	/** Begins to take over pages of the base that is written next, in the place of those of this one. */
	beginMoves(): void {
		this.#busy = true;
		this.#window++;
		this.#moved = this.#extended(new Int32Array(0), this.#frameOf.length);
	}

	/** A page in memory is read no more: what is made of it may take its place. */
	release(page: number): void {
		const frame = this.#frameOf[page] as number;
		if (frame < 0) return;
		this.#frameOf[page] = -1;
		this.#spare.push(frame);
	}

	/** Takes a page of the next base over, if a page was released for it. */
	put(page: number, words: Uint32Array): void {
		const frame = this.#spare.pop();
		if (frame === undefined || this.#moved === undefined) return;
		if (page >= this.#moved.length)
			this.#moved = this.#extended(this.#moved, page + 1 + (page >>> 3));
		this.#moved[page] = frame;
		this.#fill(frame, page, words);
	}

	/** From here on the pages are those of the next base. */
	endMoves(): void {
		const moved = this.#moved ?? new Int32Array(0);
		this.#memory.addPages(-this.#frameOf.byteLength);
		this.#frameOf = moved;
		this.#moved = undefined;
		this.#busy = false;
	}

	#extended(frames: Int32Array, pages: number): Int32Array<ArrayBuffer> {
		const more = new Int32Array(Math.max(pages, frames.length));
		more.fill(-1, frames.length).set(frames);
		this.#memory.addPages(more.byteLength - frames.byteLength);
		return more;
	}

	/**
	 * Brings pages, ascending and at most WINDOW_PAGES, into memory; those that there is no room for stay
	 * for this window.
	 * @throws IndexDamagedError when they are not what was written
	 */
	async load(
		file: DiskFile,
		name: string,
		pages: readonly number[],
	): Promise<void> {
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
		await Promise.all(spans.map((span) => this.#read(file, name, span)));
	}

	async #read(
		file: DiskFile,
		name: string,
		{ from, to, at, wanted }: Span,
	): Promise<void> {
		const start = at * PAGE_BYTES;
		const bytes = this.#buffer.subarray(
			start,
			start + (to - from) * PAGE_BYTES,
		);
		const read = await file.read(from * PAGE_BYTES, bytes);
		if (read < bytes.length)
			throw new IndexDamagedError(
				`${name} ends at ${from * PAGE_BYTES + read} bytes; the index is made again from the table`,
			);
		for (const page of wanted) {
			const words = new Uint32Array(
				bytes.buffer,
				bytes.byteOffset + (page - from) * PAGE_BYTES,
				PAGE_WORDS,
			);
			checkPage(words, name);
			const frame = this.#freeFrame();
			if (frame < 0) this.#passing.set(page, words);
			else {
				this.#frameOf[page] = frame;
				this.#usedBy[frame] = this.#window;
				this.#fill(frame, page, words);
			}
		}
	}

	#fill(frame: number, page: number, words: Uint32Array): void {
		this.#pageOf[frame] = page;
		this.#selectFrame(frame);
		this.words.set(words, this.start);
	}

	reclaim(): void {
		if (this.#busy) return;
		this.#memory.addPages(-this.#slabs.length * SLAB_PAGES * PAGE_BYTES);
		this.#slabs.length = 0;
		this.#spare.length = 0;
		this.#frames = 0;
		this.#pageOf = new Int32Array(0);
		this.#usedBy = new Uint32Array(0);
		this.#frameOf.fill(-1);
		this.words = new Uint32Array(0);
	}

	/** Forgets all pages, and of which base they were. */
	clear(): void {
		this.endMoves();
		this.reclaim();
		this.#memory.addPages(-this.#frameOf.byteLength - this.#buffer.length);
		this.#frameOf = new Int32Array(0);
		this.#buffer = new Uint8Array(0);
	}

	close(): void {
		this.clear();
		this.#memory.forget(this);
	}

	/** A new frame, or now and then one of a page that this window does not need; else -1. */
	#freeFrame(): number {
		const spare = this.#spare.pop();
		if (spare !== undefined) return spare;
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
