import {
	FIRST_HASHED_KIND,
	type KeyBatch,
	sameTail,
	tailStart,
} from "./key-batch.ts";

/*
 * A slot is seven words:
 *
 *   0-3  the key
 *   4    kind (8 bits), file number (24 bits); kind 0 is a free slot
 *   5    row
 *   6    where the tail stands in the heap: its length in a byte, then itself
 */
export const SLOT_WORDS = 7;
/** The file number of a key that was deleted. */
export const NO_FILE = 0xff_ff_ff;
/** Slots behind the last home, at most, so that probing never wraps around and slots stay nearly sorted. */
const SLACK = 1024;
const SMALLEST_BITS = 6;

/** Places of the keys that changed since the base was written: open addressing in typed arrays. */
export class Overlay {
	#bits = SMALLEST_BITS;
	#slots = newSlots(SMALLEST_BITS);
	#heap: Uint8Array = new Uint8Array(0);
	#heapSize = 0;
	size = 0;

	/** Memory, bytes. */
	get bytes(): number {
		return this.#slots.byteLength + this.#heap.length;
	}

	/** What memory would be if so many keys came. */
	bytesWith(more: number): number {
		return wordsOf(this.#bitsFor(this.size + more)) * 4 + this.#heap.length;
	}

	/**
	 * Makes room for so many keys at once: keys that come in their order would crowd the first slots of
	 * a table that grows under them.
	 */
	reserve(more: number): void {
		const bits = this.#bitsFor(this.size + more);
		if (bits > this.#bits) this.#grow(bits);
	}

	get slots(): Uint32Array {
		return this.#slots;
	}

	get heap(): Uint8Array {
		return this.#heap;
	}

	/** The first word of the key's slot; -1 when it is not here. */
	find(keys: KeyBatch, i: number): number {
		const { words } = keys;
		const w0 = words[i * 4] as number;
		const slots = this.#slots;
		for (
			let at = (w0 >>> (32 - this.#bits)) * SLOT_WORDS;
			at < slots.length;
			at += SLOT_WORDS
		) {
			const kind = (slots[at + 4] as number) >>> 24;
			if (kind === 0) return -1;
			if (
				slots[at] === w0 &&
				kind === keys.kinds[i] &&
				slots[at + 1] === words[i * 4 + 1] &&
				slots[at + 2] === words[i * 4 + 2] &&
				slots[at + 3] === words[i * 4 + 3] &&
				this.#tailIs(at, keys, i)
			)
				return at;
		}
		return -1;
	}

	set(keys: KeyBatch, i: number, file: number, row: number): void {
		const found = this.find(keys, i);
		if (found >= 0) {
			this.#slots[found + 4] = ((keys.kinds[i] as number) << 24) | file;
			this.#slots[found + 5] = row;
			return;
		}
		this.reserve(1);
		let at = this.#free(keys.words[i * 4] as number);
		while (at < 0) {
			this.#grow(this.#bits + 1);
			at = this.#free(keys.words[i * 4] as number);
		}
		const slots = this.#slots;
		for (let word = 0; word < 4; word++)
			slots[at + word] = keys.words[i * 4 + word] as number;
		slots[at + 4] = ((keys.kinds[i] as number) << 24) | file;
		slots[at + 5] = row;
		slots[at + 6] = this.#keepTail(keys, i);
		this.size++;
	}

	clear(): void {
		this.#bits = SMALLEST_BITS;
		this.#slots = newSlots(SMALLEST_BITS);
		this.#heap = new Uint8Array(0);
		this.#heapSize = 0;
		this.size = 0;
	}

	/**
	 * Slots by the first word of their keys. A key is never before its home and never behind the next
	 * free slot, so only keys between two free slots have to be put in order.
	 */
	sorted(): Uint32Array {
		const slots = this.#slots;
		const sorted = new Uint32Array(this.size);
		let count = 0;
		let run = 0;
		for (let at = 0; at < slots.length; at += SLOT_WORDS) {
			if ((slots[at + 4] as number) >>> 24 === 0) {
				run = count;
				continue;
			}
			const first = slots[at] as number;
			let n = count++;
			for (; n > run; n--) {
				const before = sorted[n - 1] as number;
				if ((slots[before] as number) <= first) break;
				sorted[n] = before;
			}
			sorted[n] = at;
		}
		return sorted;
	}

	#bitsFor(size: number): number {
		let bits = this.#bits;
		while (size > 0.75 * 2 ** bits) bits++;
		return bits;
	}

	#free(w0: number): number {
		const slots = this.#slots;
		for (
			let at = (w0 >>> (32 - this.#bits)) * SLOT_WORDS;
			at < slots.length;
			at += SLOT_WORDS
		)
			if ((slots[at + 4] as number) >>> 24 === 0) return at;
		return -1;
	}

	#grow(bits: number): void {
		const old = this.#slots;
		for (this.#bits = bits; ; this.#bits++) {
			this.#slots = newSlots(this.#bits);
			if (this.#takeOver(old)) return;
		}
	}

	#takeOver(old: Uint32Array): boolean {
		for (let from = 0; from < old.length; from += SLOT_WORDS) {
			if ((old[from + 4] as number) >>> 24 === 0) continue;
			const at = this.#free(old[from] as number);
			if (at < 0) return false;
			for (let word = 0; word < SLOT_WORDS; word++)
				this.#slots[at + word] = old[from + word] as number;
		}
		return true;
	}

	#tailIs(at: number, keys: KeyBatch, i: number): boolean {
		if ((keys.kinds[i] as number) < FIRST_HASHED_KIND) return true;
		const from = this.#slots[at + 6] as number;
		const length = this.#heap[from] as number;
		return sameTail(
			this.#heap,
			from + 1,
			from + 1 + length,
			keys.tails,
			tailStart(keys, i),
			keys.tailEnds[i] as number,
		);
	}

	#keepTail(keys: KeyBatch, i: number): number {
		if ((keys.kinds[i] as number) < FIRST_HASHED_KIND) return 0;
		const tail = keys.tails.subarray(tailStart(keys, i), keys.tailEnds[i]);
		const from = this.#heapSize;
		if (from + 1 + tail.length > this.#heap.length) {
			const larger = new Uint8Array(Math.max(4096, this.#heap.length * 2));
			larger.set(this.#heap);
			this.#heap = larger;
		}
		this.#heap[from] = tail.length;
		this.#heap.set(tail, from + 1);
		this.#heapSize = from + 1 + tail.length;
		return from;
	}
}

function newSlots(bits: number): Uint32Array {
	return new Uint32Array(wordsOf(bits));
}

function wordsOf(bits: number): number {
	return (2 ** bits + Math.min(2 ** bits, SLACK)) * SLOT_WORDS;
}
