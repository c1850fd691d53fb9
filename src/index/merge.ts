import type { Disk } from "../storage/disk.ts";
import type { Base, BaseInfo } from "./base.ts";
import { BaseWriter, type Placed } from "./base-writer.ts";
import { FIRST_HASHED_KIND, type Key, sameTail } from "./key-batch.ts";
import type { Overlay } from "./overlay.ts";
import { entriesOf, entryAt, PAGE_BYTES } from "./page.ts";
import type { PageCache } from "./page-cache.ts";

/** Changed keys that are added between two looks at how much there is to write. */
const STRETCH = 16_384;

/**
 * Writes base and overlay as a new base, without deleted keys and places in files that are gone. Where
 * keys only changed their places, pages are copied and their entries written over: of a mirror whose
 * rows are updated that is nearly all. `cache` has pages of the base, and of the new one afterwards.
 * @throws IndexDamagedError when the base is not what was written; the cache is to be cleared then, as
 *   after any other error
 */
export async function mergeBase(
	disk: Disk,
	options: {
		readonly base: Base | undefined;
		readonly overlay: Overlay;
		readonly file: string;
		/** By file number, 1 for those that places may be in. */
		readonly alive: Uint8Array;
		readonly cache: PageCache;
	},
): Promise<BaseInfo> {
	const { base, overlay, file, alive, cache } = options;
	cache.beginMoves();
	const out = await disk.append(file, 0);
	try {
		const writer = new BaseWriter(out, {
			alive,
			onPage: (page, words) => cache.put(page, words),
		});
		const changes = new Changes(overlay);
		let page = 0;
		if (base !== undefined)
			for await (const lot of base.lots()) {
				for (const words of lot) {
					changes.takeBelow(base.first(page + 1));
					cache.release(page++);
					// What is written takes the page's own place in memory.
					if (!writer.patch(words, changes))
						mergePage(writer, words.slice(), changes);
				}
				await writer.flush();
			}
		while (changes.takeSome(STRETCH)) {
			for (const change of changes) writer.add(change, change.place);
			await writer.flush();
		}
		const info = await writer.finish(file);
		cache.endMoves();
		return info;
	} finally {
		await out.close();
	}
}

/** Entries of a page and changes, by their first words. */
function mergePage(
	writer: BaseWriter,
	page: Uint32Array,
	changes: Changes,
): void {
	const old = new PageEntry(page);
	for (const change of changes) {
		const w0 = change.words[change.at] as number;
		for (; old.more && (old.words[old.at] as number) < w0; old.next())
			writer.add(old, old.place);
		// Of the keys with this first word, those that did not change.
		for (; old.more && old.words[old.at] === w0; old.next())
			if (!changes.has(old)) writer.add(old, old.place);
		writer.add(change, change.place);
	}
	for (; old.more; old.next()) writer.add(old, old.place);
}

/** An entry at a word, in a page as in the overlay: the key, its kind and file, its row. */
class Entry {
	readonly words: Uint32Array;
	at = 0;

	constructor(words: Uint32Array) {
		this.words = words;
	}

	get place(): number {
		return this.words[this.at + 4] as number;
	}

	get row(): number {
		return this.words[this.at + 5] as number;
	}

	get kind(): number {
		return this.place >>> 24;
	}
}

/** The entries of a page, one after another. */
class PageEntry extends Entry implements Placed {
	readonly tails: Uint8Array;
	tailFrom = 0;
	tailTo = 0;
	#n = 0;

	constructor(page: Uint32Array) {
		super(page);
		this.tails = new Uint8Array(page.buffer, page.byteOffset, PAGE_BYTES);
		this.tailTo = entryAt(entriesOf(page)) * 4;
		this.#settle();
	}

	get more(): boolean {
		return this.#n < entriesOf(this.words);
	}

	next(): void {
		this.#n++;
		this.#settle();
	}

	#settle(): void {
		if (!this.more) return;
		this.at = entryAt(this.#n);
		// Behind the last tail; that of an inline key is empty.
		this.tailFrom = this.tailTo;
		if (this.kind < FIRST_HASHED_KIND) return;
		const length = this.tails[this.tailTo] as number;
		this.tailFrom = this.tailTo + 1;
		this.tailTo = this.tailFrom + length;
	}
}

/** The overlay's keys in order, some at a time; it is each of them in turn when it is gone through. */
class Changes
	extends Entry
	implements Placed, Iterable<Placed>, Iterator<Placed, undefined>
{
	readonly tails: Uint8Array;
	readonly #sorted: Uint32Array;
	readonly #result: IteratorYieldResult<Placed> = { done: false, value: this };
	/** Those that were taken. */
	#from = 0;
	#to = 0;
	#n = 0;

	constructor(overlay: Overlay) {
		super(overlay.slots);
		this.tails = overlay.heap;
		this.#sorted = overlay.sorted();
	}

	/** Takes the next ones whose first word is below `end`. */
	takeBelow(end: number): void {
		this.#from = this.#to;
		while (
			this.#to < this.#sorted.length &&
			(this.words[this.#sorted[this.#to] as number] as number) < end
		)
			this.#to++;
	}

	/** Takes the next `count` and those with the first word of the last; whether there were any. */
	takeSome(count: number): boolean {
		const last = this.#sorted[
			Math.min(this.#to + count, this.#sorted.length) - 1
		] as number;
		this.takeBelow((this.words[last] as number) + 1);
		return this.#from < this.#to;
	}

	[Symbol.iterator](): this {
		this.#n = this.#from;
		return this;
	}

	next(): IteratorResult<Placed, undefined> {
		if (this.#n >= this.#to) return { done: true, value: undefined };
		this.at = this.#sorted[this.#n++] as number;
		return this.#result;
	}

	get tailFrom(): number {
		return this.#tail(this.at);
	}

	get tailTo(): number {
		return this.#tailEnd(this.at);
	}

	/** Whether one of those that were taken is this key. */
	has(key: Key): boolean {
		const { words } = this;
		for (let n = this.#from; n < this.#to; n++) {
			const at = this.#sorted[n] as number;
			if (
				words[at] === key.words[key.at] &&
				words[at + 1] === key.words[key.at + 1] &&
				words[at + 2] === key.words[key.at + 2] &&
				words[at + 3] === key.words[key.at + 3] &&
				(words[at + 4] as number) >>> 24 === key.kind &&
				sameTail(
					this.tails,
					this.#tail(at),
					this.#tailEnd(at),
					key.tails,
					key.tailFrom,
					key.tailTo,
				)
			)
				return true;
		}
		return false;
	}

	/** Where the tail of a slot begins, behind its length; an inline key has none. */
	#tail(at: number): number {
		return this.#hashed(at) ? (this.words[at + 6] as number) + 1 : 0;
	}

	#tailEnd(at: number): number {
		const from = this.#tail(at);
		return this.#hashed(at) ? from + (this.tails[from - 1] as number) : 0;
	}

	#hashed(at: number): boolean {
		return (this.words[at + 4] as number) >>> 24 >= FIRST_HASHED_KIND;
	}
}
