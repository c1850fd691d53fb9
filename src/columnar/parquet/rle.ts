import type { ByteSink } from "./bytes.ts";

/*
 * RLE/bit-packing hybrid (parquet-format Encodings.md): runs, each of
 *
 *   repeated     varint count << 1, then the value in ceil(width / 8) bytes, little-endian
 *   bit-packed   varint groups << 1 | 1, then groups × 8 values of `width` bits, least
 *                significant bit first; only the last group of all may be padded
 *
 * Levels in a V1 data page have the byte length of the runs before them (4 bytes, little-endian);
 * dictionary indexes have one byte with the width instead.
 */

/** Values below this many bits fit the packers, which hold 8 + width bits in an int32. */
export const MAX_WIDTH = 24;

/** Bits that hold every value from 0 to `max`. */
export function bitWidth(max: number): number {
	return 32 - Math.clz32(max);
}

/** Encodes `values[from…to)`; `width` is at least 1. */
export function encodeHybrid(
	sink: ByteSink,
	width: number,
	values: Uint8Array | Int32Array,
	from: number,
	to: number,
): void {
	let packed = from;
	let i = from;
	while (i + 8 <= to) {
		const value = values[i] as number;
		let end = i + 1;
		while (end < to && values[end] === value) end++;
		// A bit-packed run ends on a multiple of 8: whole groups are looked at.
		if (end - i < 8) {
			i += 8;
			continue;
		}
		packRun(sink, width, values, packed, i);
		repeatedRun(sink, width, value, end - i);
		packed = end;
		i = end;
	}
	packRun(sink, width, values, packed, to);
}

export function repeatedRun(
	sink: ByteSink,
	width: number,
	value: number,
	count: number,
): void {
	sink.varint(count * 2);
	for (let shift = 0; shift < width; shift += 8) sink.byte(value >>> shift);
}

function packRun(
	sink: ByteSink,
	width: number,
	values: Uint8Array | Int32Array,
	from: number,
	to: number,
): void {
	if (to === from) return;
	const groups = Math.ceil((to - from) / 8);
	sink.varint(groups * 2 + 1);
	const end = sink.length + groups * width;
	sink.reserve(groups * width + 1);
	packBits(sink.bytes, sink.length, width, values, from, to);
	sink.length = end;
}

/** Packs into `out` at `start`; the bits after the last value up to a whole group are 0. */
export function packBits(
	out: Uint8Array,
	start: number,
	width: number,
	values: Uint8Array | Int32Array,
	from: number,
	to: number,
): void {
	let at = start;
	if (width === 1) {
		const whole = from + ((to - from) & ~7);
		for (let i = from; i < whole; i += 8) {
			out[at++] =
				(values[i] as number) |
				((values[i + 1] as number) << 1) |
				((values[i + 2] as number) << 2) |
				((values[i + 3] as number) << 3) |
				((values[i + 4] as number) << 4) |
				((values[i + 5] as number) << 5) |
				((values[i + 6] as number) << 6) |
				((values[i + 7] as number) << 7);
		}
		if (whole < to) {
			let rest = 0;
			for (let i = whole; i < to; i++)
				rest |= (values[i] as number) << (i - whole);
			out[at] = rest;
		}
		return;
	}
	let i = from;
	if (width <= 4) {
		const double = width * 2;
		for (; i + 8 <= to; i += 8) {
			const low =
				(values[i] as number) |
				((values[i + 1] as number) << width) |
				(((values[i + 2] as number) | ((values[i + 3] as number) << width)) <<
					double);
			const high =
				(values[i + 4] as number) |
				((values[i + 5] as number) << width) |
				(((values[i + 6] as number) | ((values[i + 7] as number) << width)) <<
					double);
			const group = low | (high << (double * 2));
			for (let shift = 0; shift < width * 8; shift += 8)
				out[at++] = group >>> shift;
		}
	}
	let bits = 0;
	let held = 0;
	for (; i < to; i++) {
		bits |= (values[i] as number) << held;
		held += width;
		while (held >= 8) {
			out[at++] = bits;
			bits >>>= 8;
			held -= 8;
		}
	}
	const end = start + Math.ceil((to - from) / 8) * width;
	while (at < end) {
		out[at++] = bits;
		bits = 0;
	}
}

/**
 * Decodes `count` values of `bytes[start…end)` into `out`.
 * @returns false when the runs end too early or leave the bytes
 */
export function decodeHybrid(
	bytes: Uint8Array,
	start: number,
	end: number,
	width: number,
	out: Uint8Array | Int32Array,
	count: number,
): boolean {
	if (width === 0) {
		out.fill(0, 0, count);
		return true;
	}
	const valueBytes = (width + 7) >> 3;
	const mask = width === 32 ? -1 : (1 << width) - 1;
	let at = start;
	let done = 0;
	while (done < count) {
		let header = 0;
		let scale = 1;
		let byte = 0x80;
		while (byte & 0x80) {
			if (at >= end) return false;
			byte = bytes[at++] as number;
			header += (byte & 0x7f) * scale;
			scale *= 128;
		}
		if (header % 2 === 0) {
			if (at + valueBytes > end) return false;
			let value = 0;
			for (let b = 0; b < valueBytes; b++)
				value |= (bytes[at++] as number) << (8 * b);
			const upTo = Math.min(done + header / 2, count);
			if (upTo === done) return false;
			out.fill(value, done, upTo);
			done = upTo;
			continue;
		}
		const length = (header - 1) / 2;
		if (length === 0) return false;
		const upTo = Math.min(done + length * 8, count);
		// The last run's padding may be missing; its values may not.
		if (at + Math.ceil(((upTo - done) * width) / 8) > end) return false;
		unpackBits(bytes, at, width, mask, out, done, upTo);
		at += length * width;
		done = upTo;
	}
	return true;
}

/** How many of `levels[from…to)` are `wanted`. */
export function countLevels(
	levels: Uint8Array,
	wanted: number,
	from: number,
	to: number,
): number {
	let found = 0;
	// Of equal levels nothing is left, and one less is negative: no branch that can't be foreseen.
	for (let i = from; i < to; i++)
		found += (((levels[i] as number) ^ wanted) - 1) >>> 31;
	return found;
}

/** Whether `bytes[start…end)` start with a run that repeats `value` at least `count` times. */
export function isOneRun(
	bytes: Uint8Array,
	start: number,
	end: number,
	width: number,
	value: number,
	count: number,
): boolean {
	let header = 0;
	let scale = 1;
	let byte = 0x80;
	let at = start;
	while (byte & 0x80) {
		if (at >= end || scale > 2 ** 42) return false;
		byte = bytes[at++] as number;
		header += (byte & 0x7f) * scale;
		scale *= 128;
	}
	// Levels are of a byte at most.
	return (
		header % 2 === 0 &&
		header / 2 >= count &&
		width <= 8 &&
		at < end &&
		bytes[at] === value
	);
}

function unpackBits(
	bytes: Uint8Array,
	start: number,
	width: number,
	mask: number,
	out: Uint8Array | Int32Array,
	from: number,
	to: number,
): void {
	let at = start;
	if (width === 1) {
		for (let i = from; i < to; ) {
			const byte = bytes[at++] as number;
			const stop = Math.min(i + 8, to);
			for (let bit = 0; i < stop; bit++) out[i++] = (byte >>> bit) & 1;
		}
		return;
	}
	if (width <= MAX_WIDTH) {
		const { buffer, byteOffset, byteLength } = bytes;
		const view = new DataView(buffer, byteOffset, byteLength);
		// A value lies within the four bytes from its first bit's on.
		const words = Math.min(
			to,
			from + Math.floor(((byteLength - 4 - start) * 8) / width),
		);
		let i = from;
		for (let bit = 0; i < words; i++, bit += width)
			out[i] = (view.getUint32(start + (bit >>> 3), true) >>> (bit & 7)) & mask;
		let bits = 0;
		let held = 0;
		at = start + (((i - from) * width) >>> 3);
		const skipped = ((i - from) * width) & 7;
		if (skipped > 0 && i < to) {
			bits = (bytes[at++] as number) >>> skipped;
			held = 8 - skipped;
		}
		for (; i < to; i++) {
			while (held < width) {
				bits |= (bytes[at++] as number) << held;
				held += 8;
			}
			out[i] = bits & mask;
			bits >>>= width;
			held -= width;
		}
		return;
	}
	for (let i = from; i < to; i++) {
		let value = 0;
		for (let bit = 0; bit < width; bit++) {
			const position = (i - from) * width + bit;
			const byte = bytes[start + (position >>> 3)] as number;
			value |= ((byte >>> (position & 7)) & 1) << bit;
		}
		out[i] = value;
	}
}
