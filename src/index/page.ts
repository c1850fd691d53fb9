import { crc32 } from "node:zlib";
import { TributaryError } from "../errors.ts";
import { FIRST_HASHED_KIND, type Key, sameTail } from "./key-batch.ts";

/*
 * A page of the base, 1 KiB, words little-endian:
 *
 *   u32  CRC-32 of all that follows
 *   u32  number of entries
 *   entries, ascending by their first word: the key (4 words), kind (8 bits) and file number (24), row
 *   tails of the entries that have one, in their order: length (u8), bytes
 *
 * Entries with the same first word stand in one page.
 */
/** Small, as the checksum of a whole page is computed for each key that is looked up in a large base. */
export const PAGE_BYTES = 1024;
export const PAGE_WORDS = PAGE_BYTES / 4;
export const ENTRY_WORDS = 6;
const HEADER_WORDS = 2;
const ENTRY_BYTES = ENTRY_WORDS * 4;

/** An index on disk that is not what was written; it has to be made again. */
export class IndexDamagedError extends TributaryError {
	constructor(message: string) {
		super("KEY_INDEX_DAMAGED", message, { retryable: true });
	}
}

/** @throws IndexDamagedError when the page is not what was written */
export function checkPage(page: Uint32Array, where: string): void {
	if (page.length !== PAGE_WORDS || checksum(page) !== page[0])
		throw new IndexDamagedError(
			`${where}: the checksum of a page is wrong; the index is made again from the table`,
		);
}

/** Writes the checksum of a page whose content is complete. */
export function sealPage(page: Uint32Array): void {
	page[0] = checksum(page);
}

function checksum(page: Uint32Array): number {
	return crc32(
		new Uint8Array(page.buffer, page.byteOffset + 4, PAGE_BYTES - 4),
	);
}

/** Of the page that begins at word `start`. */
export function entriesOf(words: Uint32Array, start = 0): number {
	return words[start + 1] as number;
}

/** The word at which an entry begins in its page. */
export function entryAt(n: number): number {
	return HEADER_WORDS + n * ENTRY_WORDS;
}

/** The word of `page` at which the key's entry begins; -1 when it is not in the page that begins at `start`. */
export function findInPage(page: Uint32Array, start: number, key: Key): number {
	const count = entriesOf(page, start);
	const first = start + HEADER_WORDS;
	const { words, at: of, kind } = key;
	const w0 = words[of] as number;
	let low = 0;
	let high = count;
	while (low < high) {
		const middle = (low + high) >>> 1;
		if ((page[first + middle * ENTRY_WORDS] as number) < w0) low = middle + 1;
		else high = middle;
	}
	for (let n = low; n < count; n++) {
		const at = first + n * ENTRY_WORDS;
		if (page[at] !== w0) break;
		if (
			(page[at + 4] as number) >>> 24 === kind &&
			page[at + 1] === words[of + 1] &&
			page[at + 2] === words[of + 2] &&
			page[at + 3] === words[of + 3] &&
			(kind < FIRST_HASHED_KIND ||
				tailIs(page.subarray(start, start + PAGE_WORDS), n, key))
		)
			return at;
	}
	return -1;
}

function tailIs(page: Uint32Array, n: number, key: Key): boolean {
	const bytes = new Uint8Array(page.buffer, page.byteOffset, PAGE_BYTES);
	let at = entryAt(entriesOf(page)) * 4;
	for (let before = 0; before < n; before++)
		if ((page[entryAt(before) + 4] as number) >>> 24 >= FIRST_HASHED_KIND)
			at += 1 + (bytes[at] as number);
	const length = bytes[at] as number;
	return sameTail(
		bytes,
		at + 1,
		at + 1 + length,
		key.tails,
		key.tailFrom,
		key.tailTo,
	);
}

/** Fills pages with entries that come in order. */
export class PageBuilder {
	readonly #emit: (page: Uint32Array, used: number) => void;
	readonly #words = new Uint32Array(PAGE_WORDS);
	readonly #page = new Uint8Array(this.#words.buffer);
	readonly #tails = new Uint8Array(PAGE_BYTES);
	#count = 0;
	#tailSize = 0;
	/** Entries and bytes of tails before the first entry with the newest first word. */
	#runCount = 0;
	#runTails = 0;

	/** `emit` gets pages, to be copied, and how many bytes of them are in use. */
	constructor(emit: (page: Uint32Array, used: number) => void) {
		this.#emit = emit;
	}

	/** Nothing waits for its page to be full. */
	get empty(): boolean {
		return this.#count === 0;
	}

	/** An entry at a word of `words`; the tail is empty for an inline key. */
	add({ words: from, at, tails, tailFrom, tailTo }: Omit<Key, "kind">): void {
		const w0 = from[at] as number;
		if (this.#count === 0 || this.#words[entryAt(this.#count - 1)] !== w0) {
			this.#runCount = this.#count;
			this.#runTails = this.#tailSize;
		}
		const tailBytes = tailTo > tailFrom ? 1 + tailTo - tailFrom : 0;
		if (!this.#fits(tailBytes)) this.#turn();
		const to = entryAt(this.#count++);
		for (let word = 0; word < ENTRY_WORDS; word++)
			this.#words[to + word] = from[at + word] as number;
		if (tailBytes === 0) return;
		this.#tails[this.#tailSize++] = tailTo - tailFrom;
		for (let byte = tailFrom; byte < tailTo; byte++)
			this.#tails[this.#tailSize++] = tails[byte] as number;
	}

	finish(): void {
		if (this.#count > 0) this.#write(this.#count, this.#tailSize);
		this.#count = 0;
		this.#tailSize = 0;
	}

	#fits(tailBytes: number): boolean {
		return (
			entryAt(this.#count + 1) * 4 + this.#tailSize + tailBytes <= PAGE_BYTES
		);
	}

	/** Writes the page without the run at its end, which begins the next one. */
	#turn(): void {
		if (this.#runCount === 0)
			throw new IndexDamagedError(
				"more keys share 32 bits of their hash than a page holds; the index is made again from the table",
			);
		const run = this.#words.slice(
			entryAt(this.#runCount),
			entryAt(this.#count),
		);
		const tails = this.#tails.slice(this.#runTails, this.#tailSize);
		this.#write(this.#runCount, this.#runTails);
		this.#words.set(run, entryAt(0));
		this.#tails.set(tails);
		this.#count = run.length / ENTRY_WORDS;
		this.#tailSize = tails.length;
		this.#runCount = 0;
		this.#runTails = 0;
	}

	#write(count: number, tailSize: number): void {
		const end = HEADER_WORDS * 4 + count * ENTRY_BYTES;
		this.#words[1] = count;
		this.#page.set(this.#tails.subarray(0, tailSize), end);
		this.#page.fill(0, end + tailSize);
		sealPage(this.#words);
		this.#emit(this.#words, end + tailSize);
	}
}
