import { ParquetError } from "./errors.ts";

/** What DELTA_BINARY_PACKED (delta.ts shows the layout) holds, and where it ends. */
export interface Unpacked<T> {
	readonly values: T;
	readonly end: number;
}

/** Values per block, at most: writers have 128 to a few thousand. */
const MAX_BLOCK = 1 << 16;

/**
 * The `count` integers of 32 bits that begin at `start`.
 * @throws ParquetError when they end too early or their header can't be
 */
export function unpackDelta32(
	bytes: Uint8Array,
	start: number,
	count: number,
): Unpacked<Int32Array> {
	const values = new Int32Array(count);
	return { values, end: unpack(bytes, start, values, 1) };
}

/** The same of 64 bits. */
export function unpackDelta64(
	bytes: Uint8Array,
	start: number,
	count: number,
): Unpacked<BigInt64Array> {
	const values = new BigInt64Array(count);
	const words = new Int32Array(values.buffer);
	return { values, end: unpack(bytes, start, words, 2) };
}

/** Sums wrap around at the type's width, as the format wants. */
function unpack(
	bytes: Uint8Array,
	start: number,
	words: Int32Array,
	stride: 1 | 2,
): number {
	const count = words.length / stride;
	const cursor = { bytes, at: start };
	const block = Number(varint(cursor));
	const miniblocks = Number(varint(cursor));
	const total = Number(varint(cursor));
	const perMiniblock = block / miniblocks;
	if (
		!(block > 0 && block <= MAX_BLOCK && miniblocks > 0) ||
		perMiniblock % 8 !== 0
	)
		throw damaged(
			`its blocks have ${block} values in ${miniblocks} parts, which no writer makes`,
		);
	if (total !== count)
		throw damaged(`it has ${total} values where ${count} belong`);
	let value = zigzag(cursor);
	let low = Number(BigInt.asIntN(32, value));
	let high = Number(BigInt.asIntN(32, value >> 32n));
	const put = (slot: number): void => {
		words[slot * stride] = low;
		if (stride === 2) words[slot * 2 + 1] = high;
	};
	if (count > 0) put(0);
	const differences = new Int32Array(perMiniblock * 2);
	for (let slot = 1; slot < count; ) {
		value = zigzag(cursor);
		const leastLow = Number(BigInt.asIntN(32, value));
		const leastHigh = Number(BigInt.asIntN(32, value >> 32n));
		const widths = cursor.at;
		cursor.at += miniblocks;
		for (let m = 0; m < miniblocks && slot < count; m++) {
			const width = bytes[widths + m] ?? 255;
			if (width > 32 * stride) throw damaged(`a value has ${width} bits`);
			const size = (perMiniblock * width) / 8;
			if (cursor.at + size > bytes.length) throw damaged("it is cut off");
			unpackWide(bytes, cursor.at, width, differences);
			cursor.at += size;
			const end = Math.min(count, slot + perMiniblock);
			for (let d = 0; slot < end; slot++, d += 2) {
				// Added in two steps of 32 bits with their carries.
				let sum = (low >>> 0) + (leastLow >>> 0);
				let carry = sum > 0xffffffff ? 1 : 0;
				sum = (sum >>> 0) + ((differences[d] as number) >>> 0);
				if (sum > 0xffffffff) carry++;
				low = sum | 0;
				high = (high + leastHigh + (differences[d + 1] as number) + carry) | 0;
				put(slot);
			}
		}
	}
	return cursor.at;
}

/** Unpacks values of up to 64 bits, least significant bit first, as low and high words. */
function unpackWide(
	bytes: Uint8Array,
	start: number,
	width: number,
	out: Int32Array,
): void {
	if (width === 0) {
		out.fill(0);
		return;
	}
	const lowBits = Math.min(width, 32);
	const highBits = width - lowBits;
	for (let i = 0, bit = start * 8; i < out.length; i += 2, bit += width) {
		out[i] = bitsAt(bytes, bit, lowBits);
		out[i + 1] = highBits === 0 ? 0 : bitsAt(bytes, bit + 32, highBits);
	}
}

/** Up to 32 bits from a position; they lie in five bytes at most. */
function bitsAt(bytes: Uint8Array, bit: number, width: number): number {
	// Positions may have more than 32 bits.
	const at = Math.floor(bit / 8);
	const shift = bit % 8;
	let value = (bytes[at] as number) >>> shift;
	for (let held = 8 - shift, next = at + 1; held < width; held += 8, next++)
		value |= (bytes[next] as number) << held;
	return width === 32 ? value | 0 : value & ((1 << width) - 1);
}

interface Cursor {
	readonly bytes: Uint8Array;
	at: number;
}

function zigzag(cursor: Cursor): bigint {
	const value = varint(cursor);
	return BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n));
}

function varint(cursor: Cursor): bigint {
	let value = 0n;
	for (let shift = 0n; shift < 70n; shift += 7n) {
		const byte = cursor.bytes[cursor.at++];
		if (byte === undefined) throw damaged("it is cut off");
		value |= BigInt(byte & 0x7f) << shift;
		if (byte < 0x80) return value;
	}
	throw damaged("an integer is too long");
}

function damaged(what: string): ParquetError {
	return new ParquetError(
		"PARQUET_INVALID",
		`a page in DELTA_BINARY_PACKED is damaged: ${what}`,
	);
}
