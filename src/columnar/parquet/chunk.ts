import { vectorBytes } from "../slice.ts";
import { kindOf } from "../vector.ts";
import { BloomFilter } from "./bloom.ts";
import type { ByteSink } from "./bytes.ts";
import type { Compression } from "./compression.ts";
import { compress } from "./compression.ts";
import type { Dictionary } from "./dictionary.ts";
import { buildDictionary } from "./dictionary.ts";
import { ParquetError } from "./errors.ts";
import type { LeafSegment } from "./levels.ts";
import {
	count,
	DELTA_BYTE_ARRAY,
	dataHeader,
	dictionaryHeader,
	PLAIN,
	RLE,
	RLE_DICTIONARY,
	writeDictionaryPage,
	writeValuesPage,
} from "./page.ts";
import type { PageLimits, PageSlice } from "./pagination.ts";
import { cutPages } from "./pagination.ts";
import { writePlain } from "./plain.ts";
import type { LeafColumn } from "./schema.ts";
import type { Bounds } from "./statistics.ts";
import { boundsOf, mergeBounds, NO_BOUNDS } from "./statistics.ts";

/** A column chunk as the footer describes it; offsets are within the file. */
export interface ColumnChunk {
	readonly column: LeafColumn;
	readonly compression: Compression;
	readonly encodings: readonly number[];
	readonly entries: number;
	readonly nulls: number;
	readonly bounds: Bounds;
	/** With page headers. */
	readonly uncompressedSize: number;
	readonly compressedSize: number;
	readonly dictionaryOffset: number | undefined;
	readonly dataOffset: number;
	readonly pages: readonly DataPage[];
	readonly bloom: BloomFilter | undefined;
}

/** A data page as the column and offset indexes describe it. */
export interface DataPage {
	readonly offset: number;
	/** With its header. */
	readonly compressedSize: number;
	readonly firstRow: number;
	readonly entries: number;
	readonly nulls: number;
	readonly bounds: Bounds;
}

export interface ChunkOptions extends PageLimits {
	readonly compression: Compression;
	readonly dictionary: boolean;
	readonly format: 1 | 2;
	/** Columns that get a Bloom filter, by their places. */
	readonly bloomColumns: ReadonlySet<number>;
	readonly bloomFalsePositives: number;
	/** Room for one page, used again for each. */
	readonly scratch: ByteSink;
}

/** Where a file's bytes go, piece by piece. */
export interface FileSink {
	readonly offset: number;
	readonly write: (piece: Uint8Array) => void;
}

/**
 * Bytes of values below which a chunk is not compressed: a compressor costs more to set up than these
 * bytes to store, and a commit of a few rows has one chunk per column.
 */
const TINY = 256;

/** Encodes a leaf's entries in one row group as a dictionary page and data pages. */
export function encodeChunk(
	column: LeafColumn,
	segments: readonly LeafSegment[],
	out: FileSink,
	options: ChunkOptions,
): ColumnChunk {
	const kind = kindOf(column.type);
	for (const { vector } of segments) {
		if (vector.kind !== kind) {
			throw new ParquetError(
				"PARQUET_INVALID",
				`the column ${column.path.join(".")} has the type ${JSON.stringify(column.type)}, but a vector of kind ${vector.kind}`,
			);
		}
	}
	const { scratch } = options;
	const compression = isTiny(segments) ? "none" : options.compression;
	const start = out.offset;
	let uncompressedSize = 0;
	const emit = (
		header: (size: number, packed: Uint8Array) => Uint8Array,
	): void => {
		const page = scratch.written();
		const packed = compress(compression, page);
		const head = header(page.length, packed);
		out.write(head);
		// The scratch and the compressor's buffers are used again: the file gets a copy.
		out.write(new Uint8Array(packed));
		uncompressedSize += head.length + page.length;
		scratch.clear();
	};

	const dictionary = options.dictionary ? buildDictionary(segments) : undefined;
	if (dictionary !== undefined) {
		const values = dictionary.count;
		const all = { slots: undefined, base: 0, count: values };
		writePlain(scratch, dictionary.vector, all, 0, values);
		emit((size, packed) => dictionaryHeader(values, size, packed));
	}
	const dataOffset = out.offset;

	const valueBytes =
		dictionary === undefined
			? undefined
			: (32 - Math.clz32(dictionary.count)) / 8;
	const encoding =
		dictionary !== undefined
			? RLE_DICTIONARY
			: kind === "bytes" && options.format === 2
				? DELTA_BYTE_ARRAY
				: PLAIN;
	const pages: DataPage[] = [];
	let entries = 0;
	let row = 0;
	let index = 0;
	for (const slices of cutPages(
		segments,
		column.maxDefinition,
		valueBytes,
		options,
	)) {
		const offset = out.offset;
		const pageEntries = count(slices);
		let live = 0;
		let rows = 0;
		for (const slice of slices) {
			live += slice.liveTo - slice.liveFrom;
			rows += slice.rows;
		}
		let bounds: Bounds;
		if (dictionary === undefined) {
			writeValuesPage(scratch, column, slices, encoding);
			bounds = sliceBounds(slices);
		} else {
			const to = index + live;
			writeDictionaryPage(scratch, column, slices, dictionary, index, to);
			bounds = usedBounds(dictionary, index, to);
			index = to;
		}
		emit((size, packed) => dataHeader(pageEntries, encoding, size, packed));
		pages.push({
			offset,
			compressedSize: out.offset - offset,
			firstRow: row,
			entries: pageEntries,
			nulls: pageEntries - live,
			bounds,
		});
		entries += pageEntries;
		row += rows;
	}
	let nulls = 0;
	let bounds = NO_BOUNDS;
	for (const page of pages) {
		nulls += page.nulls;
		bounds = mergeBounds(bounds, page.bounds);
	}
	return {
		column,
		compression,
		encodings:
			dictionary === undefined ? [RLE, encoding] : [PLAIN, RLE, RLE_DICTIONARY],
		entries,
		nulls,
		bounds,
		uncompressedSize,
		compressedSize: out.offset - start,
		dictionaryOffset: dictionary === undefined ? undefined : start,
		dataOffset,
		pages,
		bloom: options.bloomColumns.has(column.index)
			? buildBloom(segments, dictionary, options.bloomFalsePositives)
			: undefined,
	};
}

function isTiny(segments: readonly LeafSegment[]): boolean {
	let bytes = 0;
	for (const { vector, levels } of segments) {
		const { slots, base, count } = levels.live;
		if (levels.entries > TINY * 8) return false;
		if (count === 0) continue;
		const first = slots === undefined ? base : (slots[0] as number);
		const last =
			slots === undefined ? base + count - 1 : (slots[count - 1] as number);
		bytes += vectorBytes(vector, first, last + 1);
		if (bytes > TINY) return false;
	}
	return true;
}

function buildBloom(
	segments: readonly LeafSegment[],
	dictionary: Dictionary | undefined,
	falsePositives: number,
): BloomFilter {
	if (dictionary !== undefined) {
		const { vector, count: size } = dictionary;
		const filter = BloomFilter.sized(size, falsePositives);
		const all = { slots: undefined, base: 0, count: size };
		filter.add(vector, all, 0, size);
		return filter;
	}
	// Without a dictionary values hardly repeat.
	const values = segments.reduce(
		(sum, { levels }) => sum + levels.live.count,
		0,
	);
	const filter = BloomFilter.sized(values, falsePositives);
	for (const { vector, levels } of segments)
		filter.add(vector, levels.live, 0, levels.live.count);
	return filter;
}

function sliceBounds(slices: readonly PageSlice[]): Bounds {
	let bounds = NO_BOUNDS;
	for (const { segment, liveFrom, liveTo } of slices) {
		const { vector, levels } = segment;
		bounds = mergeBounds(
			bounds,
			boundsOf(vector, levels.live, liveFrom, liveTo),
		);
	}
	return bounds;
}

/** The bounds of the dictionary's values that the indexes `from` to `to` use. */
function usedBounds(dictionary: Dictionary, from: number, to: number): Bounds {
	const { indexes, vector, count: size } = dictionary;
	if (from === 0 && to === indexes.length) {
		const all = { slots: undefined, base: 0, count: size };
		return boundsOf(vector, all, 0, size);
	}
	const used = new Uint8Array(size);
	for (let i = from; i < to; i++) used[indexes[i] as number] = 1;
	const slots = new Int32Array(size);
	let found = 0;
	for (let i = 0; i < size; i++) if (used[i] === 1) slots[found++] = i;
	return boundsOf(vector, { slots, base: 0, count: found }, 0, found);
}
