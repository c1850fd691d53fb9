import { crc32 } from "node:zlib";
import type { ColumnMetaData, PageHeader } from "hyparquet";
import { parquetHeader } from "hyparquet/src/column.js";
import { concatVectors, takeVector } from "../batch.ts";
import type { Vector } from "../vector.ts";
import { decompress } from "./compression.ts";
import type { Conversion } from "./conversion.ts";
import { ParquetError } from "./errors.ts";
import type { FileNode } from "./projection.ts";
import { decodeValues } from "./raw.ts";
import { bitWidth, decodeHybrid } from "./rle.ts";

/** A column chunk out of its pages. */
export interface DecodedChunk {
	readonly entries: number;
	/** `undefined` where all are 0. */
	readonly repetition: Uint8Array | undefined;
	/** `undefined` where all are at the maximum. */
	readonly definition: Uint8Array | undefined;
	/** The present values, one after another; `undefined` where only levels were wanted. */
	readonly values: Vector | undefined;
}

interface DecodedPage {
	readonly repetition: Uint8Array | undefined;
	readonly definition: Uint8Array | undefined;
	readonly entries: number;
	readonly values: Vector | undefined;
}

/**
 * Decodes the pages of a chunk. Without `convert` only the levels are decoded.
 * @throws ParquetError when the bytes contradict themselves or their headers
 */
export function decodeChunk(
	bytes: Uint8Array,
	meta: ColumnMetaData,
	file: FileNode,
	convert: Conversion | undefined,
): DecodedChunk {
	const where = file.path.join(".");
	try {
		return decodePages(bytes, meta, file, convert);
	} catch (cause) {
		if (cause instanceof ParquetError && cause.code === "PARQUET_UNSUPPORTED")
			throw cause;
		const reason = cause instanceof Error ? cause.message : String(cause);
		throw new ParquetError(
			"PARQUET_INVALID",
			`the column ${where} can't be decoded: ${reason}`,
			{ cause },
		);
	}
}

function decodePages(
	bytes: Uint8Array,
	meta: ColumnMetaData,
	file: FileNode,
	convert: Conversion | undefined,
): DecodedChunk {
	const { buffer, byteOffset, byteLength } = bytes;
	const reader = {
		view: new DataView(buffer, byteOffset, byteLength),
		offset: 0,
	};
	const entries = Number(meta.num_values);
	const pages: DecodedPage[] = [];
	let dictionary: Vector | undefined;
	let done = 0;
	while (done < entries) {
		if (reader.offset >= byteLength)
			throw damaged(`its pages have ${done} of ${entries} entries`);
		const header = parquetHeader(reader);
		const size = header.compressed_page_size;
		if (!(size >= 0 && reader.offset + size <= byteLength))
			throw damaged(`a page of ${size} bytes ends after its column`);
		const page = bytes.subarray(reader.offset, reader.offset + size);
		reader.offset += size;
		if (header.crc !== undefined && (crc32(page) | 0) !== (header.crc | 0))
			throw damaged("a page has another checksum than its header says");
		if (header.dictionary_page_header !== undefined) {
			if (convert !== undefined)
				dictionary = decodeDictionary(page, header, meta, file, convert);
		} else if (
			header.data_page_header !== undefined ||
			header.data_page_header_v2 !== undefined
		) {
			const decoded = decodePage(page, header, meta, file, convert, dictionary);
			done += decoded.entries;
			pages.push(decoded);
		}
	}
	if (done > entries)
		throw damaged(`its pages have ${done} entries, not ${entries}`);
	return {
		entries,
		repetition: join(pages, "repetition", 0, entries),
		definition: join(pages, "definition", file.definition, entries),
		values:
			convert === undefined ? undefined : joinValues(pages, convert, meta),
	};
}

function decodeDictionary(
	page: Uint8Array,
	header: PageHeader,
	meta: ColumnMetaData,
	file: FileNode,
	convert: Conversion,
): Vector {
	const values = decompress(meta.codec, page, header.uncompressed_page_size);
	const count = header.dictionary_page_header?.num_values ?? 0;
	const width = file.element.type_length ?? 0;
	return convert(decodeValues("PLAIN", meta.type, width, values, count));
}

function decodePage(
	page: Uint8Array,
	header: PageHeader,
	meta: ColumnMetaData,
	file: FileNode,
	convert: Conversion | undefined,
	dictionary: Vector | undefined,
): DecodedPage {
	const v1 = header.data_page_header;
	const v2 = header.data_page_header_v2;
	const entries = v1?.num_values ?? v2?.num_values ?? 0;
	if (!(entries >= 0 && entries <= Number(meta.num_values)))
		throw damaged(`a page has ${entries} entries`);
	const total = header.uncompressed_page_size;
	let repetition: Uint8Array | undefined;
	let definition: Uint8Array | undefined;
	let values: Uint8Array;
	if (v2 === undefined) {
		values = decompress(meta.codec, page, total);
		let at = 0;
		const levels = (max: number, encoding: string | undefined) => {
			if (max === 0) return undefined;
			if (encoding !== undefined && encoding !== "RLE")
				throw new ParquetError(
					"PARQUET_UNSUPPORTED",
					`levels in the encoding ${encoding} can't be read; rewrite the file`,
				);
			if (at + 4 > values.length) throw damaged("a page has no levels");
			const view = new DataView(values.buffer, values.byteOffset + at, 4);
			const start = at + 4;
			at = start + view.getUint32(0, true);
			return decodeLevels(values, start, at, max, entries);
		};
		repetition = levels(file.repetition, v1?.repetition_level_encoding);
		definition = levels(file.definition, v1?.definition_level_encoding);
		values = values.subarray(at);
	} else {
		const repEnd = v2.repetition_levels_byte_length;
		const defEnd = repEnd + v2.definition_levels_byte_length;
		if (file.repetition > 0)
			repetition = decodeLevels(page, 0, repEnd, file.repetition, entries);
		if (file.definition > 0)
			definition = decodeLevels(page, repEnd, defEnd, file.definition, entries);
		const body = page.subarray(defEnd);
		values =
			v2.is_compressed === false
				? body
				: decompress(meta.codec, body, total - defEnd);
	}
	if (convert === undefined)
		return { repetition, definition, entries, values: undefined };
	let present = entries;
	if (definition !== undefined) {
		present = 0;
		for (const level of definition) if (level === file.definition) present++;
	}
	const encoding = v1?.encoding ?? v2?.encoding ?? "PLAIN";
	if (encoding === "RLE_DICTIONARY" || encoding === "PLAIN_DICTIONARY") {
		const vector = lookUp(values, present, dictionary);
		return { repetition, definition, entries, values: vector };
	}
	const width = file.element.type_length ?? 0;
	const raw = decodeValues(encoding, meta.type, width, values, present);
	return { repetition, definition, entries, values: convert(raw) };
}

function decodeLevels(
	bytes: Uint8Array,
	start: number,
	end: number,
	max: number,
	entries: number,
): Uint8Array | undefined {
	const levels = new Uint8Array(entries);
	if (
		end > bytes.length ||
		!decodeHybrid(bytes, start, end, bitWidth(max), levels, entries)
	)
		throw damaged("a page's levels end too early");
	for (const level of levels)
		if (level > max) throw damaged(`a level of ${level} is above ${max}`);
	return levels;
}

function lookUp(
	bytes: Uint8Array,
	count: number,
	dictionary: Vector | undefined,
): Vector | undefined {
	// A page of nulls needs no dictionary, and some writers then leave it out.
	if (count === 0) return undefined;
	if (dictionary === undefined)
		throw damaged("a page refers to a dictionary that isn't there");
	const indexes = new Int32Array(count);
	const width = bytes[0] ?? 0;
	if (
		width > 32 ||
		!decodeHybrid(bytes, 1, bytes.length, width, indexes, count)
	)
		throw damaged("a page's dictionary indexes end too early");
	for (const index of indexes) {
		if (index < 0 || index >= dictionary.length)
			throw damaged(
				`a page refers to the value ${index} of a dictionary of ${dictionary.length}`,
			);
	}
	return takeVector(dictionary, indexes);
}

function join(
	pages: readonly DecodedPage[],
	which: "repetition" | "definition",
	constant: number,
	entries: number,
): Uint8Array | undefined {
	if (pages.every((page) => isConstant(page[which], constant)))
		return undefined;
	const [first] = pages;
	if (pages.length === 1 && first !== undefined) return first[which];
	const joined = new Uint8Array(entries);
	let at = 0;
	for (const page of pages) {
		const levels = page[which];
		if (levels === undefined) joined.fill(constant, at, at + page.entries);
		else joined.set(levels, at);
		at += page.entries;
	}
	return joined;
}

function isConstant(levels: Uint8Array | undefined, value: number): boolean {
	return levels === undefined || levels.every((level) => level === value);
}

function joinValues(
	pages: readonly DecodedPage[],
	convert: Conversion,
	meta: ColumnMetaData,
): Vector {
	const slices = pages.flatMap(({ values }) =>
		values === undefined
			? []
			: [{ vector: values, from: 0, to: values.length }],
	);
	const [first] = slices;
	if (first === undefined)
		return convert(decodeValues("PLAIN", meta.type, 1, new Uint8Array(0), 0));
	return slices.length === 1 ? first.vector : concatVectors(slices);
}

function damaged(what: string): ParquetError {
	return new ParquetError("PARQUET_INVALID", `${what}; the file is damaged`);
}
