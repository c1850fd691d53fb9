import { MemoryPool } from "./memory-pool.ts";

/** Slots of a column at first: a writer of many tables has builders of many columns that hold little. */
export const INITIAL = 128;

/** Of builders, and of the vectors that they made until these are given back. */
export const columnMemory = new MemoryPool({
	smallest: 512,
	most: 32 * 2 ** 20,
	wipes: true,
});

/** Room for a batch like the last one, which is seldom of exactly the same size. */
export function roomLike(last: number): number {
	return Math.max(INITIAL, last + (last >>> 3));
}

type Values = Uint8Array | Int32Array | Float64Array;
interface Make<A> {
	new (buffer: ArrayBuffer, at: number, length: number): A;
	readonly BYTES_PER_ELEMENT: number;
}

/** `length` elements, the first of them those of `old`, which is not to be used any more, then zeros. */
export function grown<A extends Values>(
	make: Make<A>,
	old: A,
	length: number,
): A {
	const memory = columnMemory.take(length * make.BYTES_PER_ELEMENT);
	const larger = new make(memory, 0, length);
	larger.set(old);
	columnMemory.giveBack(old.buffer);
	return larger;
}

/** Room for slot `i`, for twice as much as there is now, and for `atFirst`. */
export function capacityFor(
	i: number,
	length: number,
	atFirst: number,
): number {
	return Math.max(i + 1, 2 * length, atFirst);
}

/** The first `length` elements; slots that no row has reached are zeros. */
export function filled<A extends Values>(
	make: Make<A>,
	values: A,
	length: number,
): A {
	const long = length <= values.length ? values : grown(make, values, length);
	return long.subarray(0, length) as A;
}
