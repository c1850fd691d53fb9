import type { ChangeIdentity } from "../change/change-identity.ts";

/** How many changes of a partition are known at most. */
const KEPT = 65_536;
const FIRST = 1024;
/** How many changes are read once more when a partition is placed: of one partition, and of all together. */
const RECALLED = 10_000;
const RECALLED_OF_ALL = 200_000;

/** How many records before its position a partition is read from, when so many partitions are. */
export function recalled(partitions: number): number {
	return Math.min(RECALLED, Math.ceil(RECALLED_OF_ALL / (partitions + 1)));
}

/**
 * The latest changes of a partition, by which those are told that Debezium sends again after it was
 * restarted. In doubt, a change is new: only one that was seen itself is a repetition.
 *
 * Entries are in a ring, chained by the low bits of their fingerprints; a chain ends where it leaves
 * the ring. Logs go forward: a change that stands behind all others so far was never seen, and is
 * noted without a look at the chains, which wait until one does not.
 */
export class SeenChanges {
	readonly #limit: number;
	#size = 0;
	#high = EMPTY;
	#low = EMPTY;
	/** Changes at one place, one behind another, are a run. */
	#runs = EMPTY;
	/** The entry before in the chain, plus one, and the last one of each chain. */
	#before = EMPTY;
	#last = EMPTY;
	#count = 0;
	/** Entries before this one are in their chains. */
	#chained = 0;
	/** The greatest time, and the greatest step at it, of all changes so far. */
	#time = -1;
	#step = -1;
	#run = 0;
	#placeHigh = 0;
	#placeLow = 0;

	constructor(limit = KEPT) {
		this.#limit = limit;
	}

	/** Notes a change; whether it was seen before. */
	repeats({ fingerprint, place, time, step, shared }: ChangeIdentity): boolean {
		if (place.high !== this.#placeHigh || place.low !== this.#placeLow) {
			this.#run++;
			this.#placeHigh = place.high;
			this.#placeLow = place.low;
		}
		if (this.#count >= this.#size) this.#makeRoom();
		const { high, low } = fingerprint;
		let found = false;
		if (time > this.#time || (time === this.#time && step > this.#step)) {
			this.#time = time;
			this.#step = step;
		} else {
			this.#chain();
			found = this.#find(high, low, shared);
		}
		const at = this.#count & (this.#size - 1);
		this.#high[at] = high;
		this.#low[at] = low;
		this.#runs[at] = this.#run;
		this.#count++;
		return found;
	}

	/** Puts the entries that wait into their chains. */
	#chain(): void {
		const mask = this.#size - 1;
		const end = this.#count;
		for (
			let entry = Math.max(this.#chained, end - this.#size);
			entry < end;
			entry++
		) {
			const at = entry & mask;
			const chain = (this.#low[at] as number) & mask;
			this.#before[at] = this.#last[chain] as number;
			this.#last[chain] = entry + 1;
		}
		this.#chained = end;
	}

	#find(high: number, low: number, shared: boolean): boolean {
		const mask = this.#size - 1;
		const oldest = this.#count - this.#size;
		let entry = (this.#last[low & mask] as number) - 1;
		while (entry >= 0 && entry >= oldest) {
			const at = entry & mask;
			if (
				this.#low[at] === low &&
				this.#high[at] === high &&
				(!shared || this.#runs[at] !== this.#run)
			)
				return true;
			entry = (this.#before[at] as number) - 1;
		}
		return false;
	}

	/** Larger, as far as it may be; else the oldest make room. */
	#makeRoom(): void {
		if (this.#count >= LAST_COUNT) {
			this.#size = this.#count = this.#chained = 0;
			this.#grow(FIRST);
		} else if (this.#size < this.#limit)
			this.#grow(Math.min(this.#limit, Math.max(FIRST, this.#size * 4)));
	}

	#grow(size: number): void {
		this.#size = size;
		this.#high = resized(this.#high, size);
		this.#low = resized(this.#low, size);
		this.#runs = resized(this.#runs, size);
		this.#before = new Int32Array(size);
		this.#last = new Int32Array(size);
		this.#chained = 0;
	}
}

const EMPTY = new Int32Array(0);
/** Counts are kept in 32 bits. */
const LAST_COUNT = 2 ** 31 - 2;

function resized(values: Int32Array, size: number): Int32Array<ArrayBuffer> {
	const result = new Int32Array(size);
	if (values.length <= size) result.set(values);
	return result;
}
