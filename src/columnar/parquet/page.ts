import { crc32 } from "node:zlib";
import type { ByteSink } from "./bytes.ts";
import { writeDeltaBytes } from "./delta.ts";
import type { Dictionary } from "./dictionary.ts";
import type { PageSlice } from "./pagination.ts";
import { writePlain } from "./plain.ts";
import { bitWidth, encodeHybrid, packBits, repeatedRun } from "./rle.ts";
import type { LeafColumn } from "./schema.ts";
import { CompactWriter } from "./thrift.ts";

/*
 * A V1 data page, which every reader knows (parquet-format README, "Data Pages"):
 *
 *   PageHeader            Thrift, not compressed, with a CRC-32 of the compressed rest
 *   repetition levels     4 bytes length and runs, when the column's maximum is above 0
 *   definition levels     the same
 *   values                in the page's encoding; with a dictionary one byte of width and runs
 *                         of indexes
 *
 * A dictionary page comes before the data pages of its chunk: PageHeader, then PLAIN values.
 */

/** `Encoding` of parquet.thrift. */
export const PLAIN = 0;
export const RLE = 3;
export const DELTA_BYTE_ARRAY = 7;
export const RLE_DICTIONARY = 8;

const DATA_PAGE = 0;
const DICTIONARY_PAGE = 2;

/** Appends levels and values in `PLAIN` or, of bytes, `DELTA_BYTE_ARRAY`. */
export function writeValuesPage(
	sink: ByteSink,
	column: LeafColumn,
	slices: readonly PageSlice[],
	encoding: number,
): void {
	writeLevels(sink, column, slices);
	if (encoding === DELTA_BYTE_ARRAY) {
		writeDeltaBytes(sink, slices);
		return;
	}
	if (slices[0]?.segment.vector.kind === "bool") {
		writeBooleans(sink, slices);
		return;
	}
	for (const { segment, liveFrom, liveTo } of slices)
		writePlain(sink, segment.vector, segment.levels.live, liveFrom, liveTo);
}

/** Appends levels and the dictionary indexes `from` to `to`. */
export function writeDictionaryPage(
	sink: ByteSink,
	column: LeafColumn,
	slices: readonly PageSlice[],
	dictionary: Dictionary,
	from: number,
	to: number,
): void {
	writeLevels(sink, column, slices);
	const width = Math.max(1, bitWidth(dictionary.count - 1));
	sink.byte(width);
	encodeHybrid(sink, width, dictionary.indexes, from, to);
}

export function dictionaryHeader(
	values: number,
	size: number,
	packed: Uint8Array,
): Uint8Array<ArrayBuffer> {
	const writer = new CompactWriter();
	writer.i32(1, DICTIONARY_PAGE);
	writer.i32(2, size);
	writer.i32(3, packed.length);
	writer.i32(4, crc32(packed) | 0);
	writer.struct(7, () => {
		writer.i32(1, values);
		writer.i32(2, PLAIN);
	});
	return writer.finish();
}

export function dataHeader(
	entries: number,
	encoding: number,
	size: number,
	packed: Uint8Array,
): Uint8Array<ArrayBuffer> {
	const writer = new CompactWriter();
	writer.i32(1, DATA_PAGE);
	writer.i32(2, size);
	writer.i32(3, packed.length);
	writer.i32(4, crc32(packed) | 0);
	writer.struct(5, () => {
		writer.i32(1, entries);
		writer.i32(2, encoding);
		writer.i32(3, RLE);
		writer.i32(4, RLE);
	});
	return writer.finish();
}

function writeLevels(
	sink: ByteSink,
	column: LeafColumn,
	slices: readonly PageSlice[],
): void {
	if (column.maxRepetition > 0) {
		const levels = slices.map((slice) => slice.segment.levels.repetition);
		writeRuns(sink, slices, levels, column.maxRepetition, 0);
	}
	if (column.maxDefinition > 0) {
		const levels = slices.map((slice) => slice.segment.levels.definition);
		const max = column.maxDefinition;
		writeRuns(sink, slices, levels, max, max);
	}
}

/** Level runs after their length; a slice without levels has `constant` throughout. */
function writeRuns(
	sink: ByteSink,
	slices: readonly PageSlice[],
	levels: readonly (Uint8Array | undefined)[],
	max: number,
	constant: number,
): void {
	const width = bitWidth(max);
	const lengthAt = sink.length;
	sink.int32(0);
	const entries = count(slices);
	const [first] = slices;
	if (levels.every((level) => level === undefined)) {
		repeatedRun(sink, width, constant, entries);
	} else if (first !== undefined && slices.length === 1) {
		const values = levels[0] as Uint8Array;
		encodeHybrid(sink, width, values, first.entryFrom, first.entryTo);
	} else {
		const joined = new Uint8Array(entries);
		let at = 0;
		slices.forEach(({ entryFrom, entryTo }, i) => {
			const values = levels[i];
			if (values === undefined)
				joined.fill(constant, at, at + entryTo - entryFrom);
			else joined.set(values.subarray(entryFrom, entryTo), at);
			at += entryTo - entryFrom;
		});
		encodeHybrid(sink, width, joined, 0, entries);
	}
	sink.view.setInt32(lengthAt, sink.length - lengthAt - 4, true);
}

function writeBooleans(sink: ByteSink, slices: readonly PageSlice[]): void {
	let live = 0;
	for (const slice of slices) live += slice.liveTo - slice.liveFrom;
	const values = new Uint8Array(live);
	let at = 0;
	for (const { segment, liveFrom, liveTo } of slices) {
		if (segment.vector.kind !== "bool") continue;
		const bits = segment.vector.values;
		const { slots, base } = segment.levels.live;
		for (let i = liveFrom; i < liveTo; i++) {
			const slot = slots === undefined ? base + i : (slots[i] as number);
			values[at++] = bits[slot] as number;
		}
	}
	const size = Math.ceil(live / 8);
	sink.reserve(size);
	packBits(sink.bytes, sink.length, 1, values, 0, live);
	sink.length += size;
}

export function count(slices: readonly PageSlice[]): number {
	let entries = 0;
	for (const slice of slices) entries += slice.entryTo - slice.entryFrom;
	return entries;
}
