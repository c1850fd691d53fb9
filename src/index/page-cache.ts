import type { DiskFile } from "../storage/disk.ts";
import type { IndexMemory, Reclaimable } from "./memory.ts";
import {
	checkPage,
	IndexDamagedError,
	PAGE_BYTES,
	PAGE_WORDS,
} from "./page.ts";

/** Pages of memory that are taken at once. */
const SLAB_PAGES = 64;
/** Pages that are loaded for one window of a look-up. */
export const WINDOW_PAGES = 256;
/** Pages between two wanted ones that are read with them: one long read is cheaper than two. */
const GAP_PAGES = 8;
const SPAN_PAGES = 64;

/** Pages of one file in memory, as many as there is room for. */
export class PageCache implements Reclaimable {
	readonly #memory: IndexMemory;
	readonly #file: DiskFile;
	readonly #name: string;
	readonly #frameOf: Int32Array;
	readonly #slabs: Uint32Array[] = [];
	#pageOf = new Int32Array(0);
	/** The look-up window that last used a frame. */
	#usedBy = new Uint32Array(0);
	#window = 0;
	#hand = 1;
	#frames = 0;
	/** Pages in memory are about to be used. */
	#busy = false;
	reads = 0;

	constructor(
		file: DiskFile,
		options: {
			readonly name: string;
			readonly pages: number;
			readonly memory: IndexMemory;
		},
	) {
		this.#file = file;
		this.#name = options.name;
		this.#memory = options.memory;
		this.#frameOf = new Int32Array(options.pages).fill(-1);
		this.#memory.addPages(this.#frameOf.byteLength);
		this.#memory.touch(this);
	}

	/** From here on the pages that are asked for stay, until the next call or `endWindow`. */
	nextWindow(): void {
		this.#busy = true;
		this.#window++;
		this.#memory.touch(this);
	}

	endWindow(): void {
		this.#busy = false;
	}

	/** Whether a page is in memory; it stays there for this window then. */
	has(page: number): boolean {
		const frame = this.#frameOf[page] as number;
		if (frame < 0) return false;
		this.#usedBy[frame] = this.#window;
		return true;
	}

	/** A page that is in memory. */
	page(page: number): Uint32Array {
		const frame = this.#frameOf[page] as number;
		const slab = this.#slabs[Math.floor(frame / SLAB_PAGES)] as Uint32Array;
		const at = (frame % SLAB_PAGES) * PAGE_WORDS;
		return slab.subarray(at, at + PAGE_WORDS);
	}

	/**
	 * Brings pages, ascending, into memory.
	 * @throws IndexDamagedError when they are not what was written
	 */
	async load(pages: readonly number[]): Promise<void> {
		const spans: { from: number; to: number; wanted: number[] }[] = [];
		for (const page of pages) {
			const last = spans.at(-1);
			if (
				last !== undefined &&
				page - last.to <= GAP_PAGES &&
				page - last.from < SPAN_PAGES
			) {
				last.to = page + 1;
				last.wanted.push(page);
			} else spans.push({ from: page, to: page + 1, wanted: [page] });
		}
		await Promise.all(
			spans.map(async ({ from, to, wanted }) => {
				const bytes = new Uint8Array((to - from) * PAGE_BYTES);
				const read = await this.#file.read(from * PAGE_BYTES, bytes);
				if (read < bytes.length)
					throw new IndexDamagedError(
						`${this.#name} ends at ${from * PAGE_BYTES + read} bytes; the index is made again from the table`,
					);
				for (const page of wanted) {
					const start = (page - from) * PAGE_BYTES;
					const one = bytes.subarray(start, start + PAGE_BYTES);
					checkPage(one, this.#name);
					this.#frame(page).set(
						new Uint32Array(one.buffer, one.byteOffset, PAGE_WORDS),
					);
				}
			}),
		);
		this.reads += spans.length;
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

	async close(): Promise<void> {
		this.#busy = false;
		this.reclaim();
		this.#memory.addPages(-this.#frameOf.byteLength);
		this.#memory.forget(this);
		await this.#file.close();
	}

	#frame(page: number): Uint32Array {
		const frame = this.#freeFrame();
		this.#frameOf[page] = frame;
		this.#pageOf[frame] = page;
		this.#usedBy[frame] = this.#window;
		return this.page(page);
	}

	/** A new frame, or one of a page that this window does not need. */
	#freeFrame(): number {
		if (this.#frames < this.#pageOf.length) return this.#frames++;
		const bytes = SLAB_PAGES * PAGE_BYTES;
		const small = this.#slabs.length * SLAB_PAGES < 2 * WINDOW_PAGES;
		if (this.#memory.reserve(bytes, this)) this.#addSlab();
		else if (small) {
			this.#memory.addPages(bytes);
			this.#addSlab();
		} else {
			// Look-ups go through the file in order: the oldest page would be the next one wanted.
			this.#hand = (Math.imul(this.#hand, 1664525) + 1013904223) >>> 0;
			const start = Math.floor((this.#hand / 2 ** 32) * this.#frames);
			for (let tries = 0; tries < this.#frames; tries++) {
				const frame = (start + tries) % this.#frames;
				if (this.#usedBy[frame] === this.#window) continue;
				this.#frameOf[this.#pageOf[frame] as number] = -1;
				return frame;
			}
			// A window needs more than there is; a few pages more do no harm.
			this.#memory.addPages(bytes);
			this.#addSlab();
		}
		return this.#frames++;
	}

	#addSlab(): void {
		this.#slabs.push(new Uint32Array(SLAB_PAGES * PAGE_WORDS));
		const frames = this.#slabs.length * SLAB_PAGES;
		if (frames <= this.#pageOf.length) return;
		const pageOf = new Int32Array(frames);
		pageOf.set(this.#pageOf);
		this.#pageOf = pageOf;
		const usedBy = new Uint32Array(frames);
		usedBy.set(this.#usedBy);
		this.#usedBy = usedBy;
	}
}
