/** Bytes that `copyRange` may write after a range, which the output has to have room for. */
export const COPY_SLACK = 8;

/** Above this many bytes the call of `TypedArray.set` is worth its price. */
const LONG = 128;

/**
 * Copies `[from, from + length)` to `to`. What follows there, up to COPY_SLACK bytes, may be
 * overwritten: outputs are filled in ascending order, and most values are short.
 */
export function copyRange(
	input: DataView,
	from: number,
	output: DataView,
	to: number,
	length: number,
): void {
	if (length > LONG) {
		const range = new Uint8Array(input.buffer, input.byteOffset + from, length);
		new Uint8Array(output.buffer, output.byteOffset, output.byteLength).set(
			range,
			to,
		);
	} else if (from + length + COPY_SLACK <= input.byteLength) {
		for (let i = 0; i < length; i += 8)
			output.setBigInt64(to + i, input.getBigInt64(from + i, true), true);
	} else {
		for (let i = 0; i < length; i++)
			output.setUint8(to + i, input.getUint8(from + i));
	}
}

export function viewOf(bytes: Uint8Array): DataView {
	return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
