import { crc32 } from "node:zlib";
import { TributaryError } from "../errors.ts";
import {
	FIRST_HASHED_KIND,
	type KeyBatch,
	sameTail,
	tailStart,
} from "./key-batch.ts";

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

export function checkPage(bytes: Uint8Array, where: string): void {
	const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
	if (
		bytes.length !== PAGE_BYTES ||
		crc32(view.subarray(4)) !== view.readUInt32LE(0)
	)
		throw new IndexDamagedError(
			`${where}: the checksum of a page is wrong; the index is made again from the table`,
		);
}

export function entriesOf(page: Uint32Array): number {
	return page[1] as number;
}

/** The word at which an entry begins. */
export function entryAt(n: number): number {
	return HEADER_WORDS + n * ENTRY_WORDS;
}

/** The word at which the key's entry begins in a page; -1 when it is not there. */
export function findInPage(
	page: Uint32Array,
	keys: KeyBatch,
	i: number,
): number {
	const count = entriesOf(page);
	const { words } = keys;
	const w0 = words[i * 4] as number;
	let low = 0;
	let high = count;
	while (low < high) {
		const middle = (low + high) >>> 1;
		if ((page[entryAt(middle)] as number) < w0) low = middle + 1;
		else high = middle;
	}
	for (let n = low; n < count; n++) {
		const at = entryAt(n);
		if (page[at] !== w0) break;
		if (
			(page[at + 4] as number) >>> 24 === keys.kinds[i] &&
			page[at + 1] === words[i * 4 + 1] &&
			page[at + 2] === words[i * 4 + 2] &&
			page[at + 3] === words[i * 4 + 3] &&
			tailIs(page, n, keys, i)
		)
			return at;
	}
	return -1;
}

function tailIs(
	page: Uint32Array,
	n: number,
	keys: KeyBatch,
	i: number,
): boolean {
	if ((keys.kinds[i] as number) < FIRST_HASHED_KIND) return true;
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
		keys.tails,
		tailStart(keys, i),
		keys.tailEnds[i] as number,
	);
}

/** Fills pages with entries that come in order. */
export class PageBuilder {
	readonly #emit: (page: Uint8Array, firstWord: number) => void;
	readonly #page = new Uint8Array(PAGE_BYTES);
	readonly #words = new Uint32Array(this.#page.buffer);
	readonly #tails = new Uint8Array(PAGE_BYTES);
	#count = 0;
	#tailSize = 0;
	/** Entries and bytes of tails before the first entry with the newest first word. */
	#runCount = 0;
	#runTails = 0;

	/** `emit` has to copy what it wants to keep of the page. */
	constructor(emit: (page: Uint8Array, firstWord: number) => void) {
		this.#emit = emit;
	}

	/** An entry at a word of `from`; `tail` is empty for an inline key. */
	add(
		from: Uint32Array,
		at: number,
		tails: Uint8Array,
		tailFrom: number,
		tailTo: number,
	): void {
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
		this.#words[0] = crc32(this.#page.subarray(4));
		this.#emit(this.#page, this.#words[entryAt(0)] as number);
	}
}
