/**
 * Keys of many rows, as the index knows them: 16 bytes that are the key itself, permuted, where it
 * fits, else its hash; the kind says what they are. A hashed key has its bytes behind it, its tail,
 * so that two keys of one hash stay two keys.
 */
export interface KeyBatch {
	readonly length: number;
	/** Four per key. */
	readonly words: Uint32Array;
	/** 1 to 255; 0 for a row without a key. */
	readonly kinds: Uint8Array;
	/** The tails, one after another; that of key `i` ends at `tailEnds[i]`. */
	readonly tails: Uint8Array;
	readonly tailEnds: Uint32Array;
}

/** One key: four words at `at`, its kind, and its tail. */
export interface Key {
	readonly words: Uint32Array;
	readonly at: number;
	readonly kind: number;
	readonly tails: Uint8Array;
	readonly tailFrom: number;
	readonly tailTo: number;
}

/** The keys of a batch, one after another, without an object for each. */
export class BatchKey implements Key {
	readonly words: Uint32Array;
	readonly tails: Uint8Array;
	readonly #keys: KeyBatch;
	at = 0;
	kind = 0;
	tailFrom = 0;
	tailTo = 0;

	constructor(keys: KeyBatch) {
		this.#keys = keys;
		this.words = keys.words;
		this.tails = keys.tails;
	}

	/** Becomes key `i`. */
	be(i: number): this {
		this.at = i * 4;
		this.kind = this.#keys.kinds[i] as number;
		this.tailFrom = tailStart(this.#keys, i);
		this.tailTo = this.#keys.tailEnds[i] as number;
		return this;
	}
}

/** The longest tail, bytes: a SHA-512. A page holds many of them. */
export const MAX_TAIL = 64;
/** Kinds from here on have tails. */
export const FIRST_HASHED_KIND = 128;

export function tailStart(keys: KeyBatch, i: number): number {
	return i === 0 ? 0 : (keys.tailEnds[i - 1] as number);
}

/** The rows that have a key, by the first word of their key, then by row. */
export function keyOrder(keys: KeyBatch): Uint32Array {
	const { words, kinds, length } = keys;
	const rows = new Uint32Array(length);
	let count = 0;
	if (length <= 2 ** 21) {
		const packed = new Float64Array(length);
		for (let i = 0; i < length; i++)
			if (kinds[i] !== 0)
				packed[count++] = (words[i * 4] as number) * 2 ** 21 + i;
		const sorted = packed.subarray(0, count).sort();
		for (let n = 0; n < count; n++) rows[n] = (sorted[n] as number) % 2 ** 21;
		return rows.subarray(0, count);
	}
	for (let i = 0; i < length; i++) if (kinds[i] !== 0) rows[count++] = i;
	return rows
		.subarray(0, count)
		.sort(
			(a, b) => (words[a * 4] as number) - (words[b * 4] as number) || a - b,
		);
}

export function sameKey(
	a: KeyBatch,
	i: number,
	b: KeyBatch,
	j: number,
): boolean {
	if (a.kinds[i] !== b.kinds[j]) return false;
	for (let word = 0; word < 4; word++)
		if (a.words[i * 4 + word] !== b.words[j * 4 + word]) return false;
	return sameTail(
		a.tails,
		tailStart(a, i),
		a.tailEnds[i] as number,
		b.tails,
		tailStart(b, j),
		b.tailEnds[j] as number,
	);
}

/** Whether two ranges of bytes are the same. */
export function sameTail(
	a: Uint8Array,
	aFrom: number,
	aTo: number,
	b: Uint8Array,
	bFrom: number,
	bTo: number,
): boolean {
	if (aTo - aFrom !== bTo - bFrom) return false;
	for (let at = 0; at < aTo - aFrom; at++)
		if (a[aFrom + at] !== b[bFrom + at]) return false;
	return true;
}
