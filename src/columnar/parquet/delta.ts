import type { BytesVector } from "../vector.ts";
import type { ByteSink } from "./bytes.ts";
import type { PageSlice } from "./pagination.ts";

/*
 * DELTA_BYTE_ARRAY (parquet-format Encodings.md): the lengths of the prefixes that values share with
 * the one before, then the lengths of the rests, both in DELTA_BINARY_PACKED, then the rests. Here no
 * prefix is ever shared, so values lie as they do in memory and are copied at once, and the
 * compressor isn't broken off by a length before each value. (DELTA_LENGTH_BYTE_ARRAY is the same
 * without prefixes, but fewer readers know it.)
 *
 * DELTA_BINARY_PACKED:
 *
 *   header   varints: values per block (128), miniblocks per block (4), count, first value (zigzag)
 *   block    least delta (zigzag varint), a byte of bit width per miniblock, then per miniblock
 *            32 differences to the least delta in that many bits, least significant first;
 *            a miniblock without values has width 0 and no bytes
 */
const BLOCK = 128;
const MINIBLOCK = 32;

/** Appends the live values of a page's slices, all of bytes vectors. */
export function writeDeltaBytes(
	sink: ByteSink,
	slices: readonly PageSlice[],
): void {
	let count = 0;
	for (const { liveFrom, liveTo } of slices) count += liveTo - liveFrom;
	const lengths = new Int32Array(count);
	let at = 0;
	for (const { segment, liveFrom, liveTo } of slices) {
		const { offsets } = segment.vector as BytesVector;
		const { slots, base } = segment.levels.live;
		for (let i = liveFrom; i < liveTo; i++) {
			const slot = slots === undefined ? base + i : (slots[i] as number);
			lengths[at++] = (offsets[slot + 1] as number) - (offsets[slot] as number);
		}
	}
	writeZeros(sink, count);
	writeDeltaPacked(sink, lengths);
	for (const slice of slices) writeBytes(sink, slice);
}

/** Copies whole runs of values that lie one after another. */
function writeBytes(sink: ByteSink, slice: PageSlice): void {
	const { segment, liveFrom, liveTo } = slice;
	const { data, offsets } = segment.vector as BytesVector;
	const { slots, base } = segment.levels.live;
	if (liveFrom === liveTo) return;
	if (slots === undefined) {
		sink.append(
			data.subarray(offsets[base + liveFrom], offsets[base + liveTo]),
		);
		return;
	}
	let start = offsets[slots[liveFrom] as number] as number;
	let end = start;
	for (let i = liveFrom; i < liveTo; i++) {
		const slot = slots[i] as number;
		const from = offsets[slot] as number;
		if (from !== end) {
			sink.append(data.subarray(start, end));
			start = from;
		}
		end = offsets[slot + 1] as number;
	}
	sink.append(data.subarray(start, end));
}

/** Appends `count` zeros in DELTA_BINARY_PACKED: blocks of least delta 0 and widths 0. */
function writeZeros(sink: ByteSink, count: number): void {
	writeHeader(sink, count, 0);
	const size =
		Math.ceil(Math.max(0, count - 1) / BLOCK) * (1 + BLOCK / MINIBLOCK);
	sink.reserve(size);
	sink.bytes.fill(0, sink.length, sink.length + size);
	sink.length += size;
}

function writeHeader(sink: ByteSink, count: number, first: number): void {
	sink.varint(BLOCK);
	sink.varint(BLOCK / MINIBLOCK);
	sink.varint(count);
	sink.varint(first * 2);
}

/** Appends non-negative integers in DELTA_BINARY_PACKED. */
export function writeDeltaPacked(sink: ByteSink, values: Int32Array): void {
	writeHeader(sink, values.length, values[0] ?? 0);
	const deltas = new Int32Array(BLOCK);
	for (let start = 1; start < values.length; start += BLOCK) {
		const count = Math.min(BLOCK, values.length - start);
		let least = Number.POSITIVE_INFINITY;
		for (let i = 0; i < count; i++) {
			// Of non-negative int32 the difference is an int32.
			const delta =
				(values[start + i] as number) - (values[start + i - 1] as number);
			deltas[i] = delta;
			if (delta < least) least = delta;
		}
		for (let i = 0; i < BLOCK; i++)
			deltas[i] = i < count ? (deltas[i] as number) - least : 0;
		writeBlock(sink, deltas, least, count);
	}
}

function writeBlock(
	sink: ByteSink,
	differences: Int32Array,
	least: number,
	count: number,
): void {
	sink.varint(least < 0 ? -2 * least - 1 : 2 * least);
	sink.reserve(4 + BLOCK * 4);
	const widthsAt = sink.length;
	sink.length += BLOCK / MINIBLOCK;
	for (let m = 0; m < BLOCK / MINIBLOCK; m++) {
		const from = m * MINIBLOCK;
		let all = 0;
		if (from < count) {
			for (let i = from; i < from + MINIBLOCK; i++)
				all |= differences[i] as number;
		}
		const width = 32 - Math.clz32(all);
		sink.bytes[widthsAt + m] = width;
		for (let bit = 0, held = 0, word = 0, i = from; bit < width * 32; ) {
			const value = differences[i] as number;
			word |= value << held;
			const taken = Math.min(width, 32 - held);
			held += width;
			bit += width;
			i++;
			if (held < 32) continue;
			sink.view.setInt32(sink.length, word, true);
			sink.length += 4;
			held -= 32;
			word = held === 0 ? 0 : value >>> taken;
		}
	}
}
