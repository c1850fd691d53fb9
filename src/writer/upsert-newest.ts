import { type KeyBatch, keyOrder, sameKey } from "../index/key-batch.ts";

/**
 * Of each key the row of its newest state, in the order of the keys. The later row is the newer one,
 * unless both have a position in the source that says otherwise; NaN is no position.
 */
export function newestRows(
	keys: KeyBatch,
	positions?: Float64Array,
): Uint32Array {
	const order = keyOrder(keys);
	const { words } = keys;
	const rows = new Uint32Array(order.length);
	let count = 0;
	for (let from = 0; from < order.length; ) {
		const w0 = words[(order[from] as number) * 4];
		const first = count;
		let at = from;
		for (; at < order.length; at++) {
			const row = order[at] as number;
			if (words[row * 4] !== w0) break;
			let known = first;
			while (known < count && !sameKey(keys, rows[known] as number, keys, row))
				known++;
			if (known === count) rows[count++] = row;
			else if (!isOlder(positions, row, rows[known] as number))
				rows[known] = row;
		}
		from = at;
	}
	return rows.subarray(0, count);
}

function isOlder(
	positions: Float64Array | undefined,
	row: number,
	other: number,
): boolean {
	return (
		positions !== undefined &&
		(positions[row] as number) < (positions[other] as number)
	);
}
