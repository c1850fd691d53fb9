/** Slots of a column at first: a writer of many tables has builders of many columns that hold little. */
export const INITIAL = 128;

/** Room for a batch like the last one, which is seldom of exactly the same size. */
export function roomLike(last: number): number {
	return Math.max(INITIAL, last + (last >>> 3));
}

type Values = Uint8Array | Int32Array | Float64Array;

/** `old` in an array of `capacity`, which is `fresh`. */
export function resized<A extends Values>(
	old: A,
	capacity: number,
	fresh: A,
): A {
	fresh.set(old.length > capacity ? old.subarray(0, capacity) : old);
	return fresh;
}

/** Room for slot `i`, and for as much as there is now. */
export function capacityFor(i: number, length: number): number {
	return Math.max(i + 1, 2 * length);
}

/** The first `length` elements; slots that no row has reached are zeros. */
export function filled<A extends Values>(
	values: A,
	length: number,
	make: new (length: number) => A,
): A {
	return length <= values.length
		? (values.subarray(0, length) as A)
		: resized(values, length, new make(length));
}
