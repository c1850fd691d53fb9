import { crc32 } from "node:zlib";
import type { Vector } from "../vector.ts";
import { decompress } from "./compression.ts";
import type { Conversion } from "./conversion.ts";
import { ParquetError } from "./errors.ts";
import type { ChunkMetadata, PageHeader } from "./metadata.ts";
import { readPageHeader } from "./metadata.ts";
import { PlainValues } from "./plain-read.ts";
import type { FileNode } from "./projection.ts";
import { decodeValues } from "./raw.ts";
import { bitWidth, countLevels, decodeHybrid, isOneRun } from "./rle.ts";

/** A data page's entries. */
export interface DecodedPage {
	readonly entries: number;
	/** `undefined` where all are 0. */
	readonly repetition: Uint8Array | undefined;
	/** `undefined` where all are at the maximum. */
	readonly definition: Uint8Array | undefined;
	/** Entries with a value. */
	readonly present: number;
	readonly values: PageValues;
}

/**
 * The present values of a page, one after another. PLAIN values and those of a dictionary are
 * decoded when they are taken. `none` where there are none, or only levels are wanted.
 */
export type PageValues =
	| { readonly kind: "none" }
	| { readonly kind: "plain"; readonly values: PlainValues }
	| { readonly kind: "vector"; readonly vector: Vector }
	| {
			readonly kind: "dictionary";
			readonly dictionary: Vector;
			readonly indexes: Int32Array;
	  };

/** What a page may announce at most: a damaged header mustn't have memory set aside for it. */
const MAX_PAGE_BYTES = 1 << 30;
const MAX_PAGE_ENTRIES = 1 << 27;

/** The pages of a column chunk one after another. Without `convert` only the levels are decoded. */
export class ChunkPages {
	readonly #bytes: Uint8Array;
	readonly #chunk: ChunkMetadata;
	readonly #leaf: FileNode;
	readonly #convert: Conversion | undefined;
	#offset = 0;
	#done = 0;
	#dictionary: Vector | undefined;

	constructor(
		bytes: Uint8Array,
		chunk: ChunkMetadata,
		leaf: FileNode,
		convert: Conversion | undefined,
	) {
		this.#bytes = bytes;
		this.#chunk = chunk;
		this.#leaf = leaf;
		this.#convert = convert;
	}

	/**
	 * The next data page; `undefined` after the last.
	 * @throws ParquetError when the bytes contradict themselves or their headers
	 */
	next(): DecodedPage | undefined {
		const { entries } = this.#chunk;
		while (this.#done < entries) {
			if (this.#offset >= this.#bytes.length)
				throw damaged(`its pages have ${this.#done} of ${entries} entries`);
			const { header, page } = this.#take();
			if (header.kind === "dictionary") {
				this.#readDictionary(page, header);
			} else if (header.kind !== "other") {
				this.#done += header.entries;
				if (this.#done > entries)
					throw damaged(`its pages have ${this.#done} entries, not ${entries}`);
				return this.#decode(page, header);
			}
		}
		return undefined;
	}

	#take(): { readonly header: PageHeader; readonly page: Uint8Array } {
		const bytes = this.#bytes;
		const { header, end } = readPageHeader(bytes, this.#offset);
		const { compressedSize: size, uncompressedSize, entries } = header;
		if (!(size >= 0 && end + size <= bytes.length))
			throw damaged(`a page of ${size} bytes ends after its column`);
		if (!(uncompressedSize >= 0 && entries >= 0))
			throw damaged(`a page has ${uncompressedSize} bytes, ${entries} entries`);
		if (uncompressedSize > MAX_PAGE_BYTES || entries > MAX_PAGE_ENTRIES)
			throw new ParquetError(
				"PARQUET_UNSUPPORTED",
				`a page of ${uncompressedSize} bytes and ${entries} entries in the column ${this.#leaf.path.join(".")} is larger than the ${MAX_PAGE_BYTES} bytes and ${MAX_PAGE_ENTRIES} entries that are read; rewrite the file with smaller pages`,
			);
		const page = bytes.subarray(end, end + size);
		this.#offset = end + size;
		if (header.crc !== undefined && (crc32(page) | 0) !== (header.crc | 0))
			throw damaged("a page has another checksum than its header says");
		return { header, page };
	}

	#readDictionary(page: Uint8Array, header: PageHeader): void {
		if (this.#convert === undefined) return;
		const { type, codec } = this.#chunk;
		const bytes = decompress(codec, page, header.uncompressedSize);
		const width = this.#leaf.element.typeLength ?? 0;
		this.#dictionary = this.#convert(
			decodeValues("PLAIN", type, width, bytes, header.entries),
		);
	}

	#decode(page: Uint8Array, header: PageHeader): DecodedPage {
		const leaf = this.#leaf;
		const { entries } = header;
		const { repetition, definition, body } =
			header.kind === "data"
				? this.#splitV1(page, header)
				: this.#splitV2(page, header);
		const reps = decodeLevels(repetition, leaf.repetition, entries, 0);
		const max = leaf.definition;
		const defs = decodeLevels(definition, max, entries, max);
		const present =
			defs === undefined ? entries : countLevels(defs, max, 0, entries);
		return {
			entries,
			repetition: reps,
			definition: defs,
			present,
			values: this.#values(body, header, present),
		};
	}

	#splitV1(page: Uint8Array, header: PageHeader): SplitPage {
		const bytes = decompress(this.#chunk.codec, page, header.uncompressedSize);
		let at = 0;
		const levels = (max: number, encoding: string): Uint8Array | undefined => {
			if (max === 0) return undefined;
			if (encoding !== "RLE")
				throw new ParquetError(
					"PARQUET_UNSUPPORTED",
					`levels in the encoding ${encoding} can't be read; rewrite the file`,
				);
			if (at + 4 > bytes.length) throw damaged("a page has no levels");
			const view = new DataView(bytes.buffer, bytes.byteOffset + at, 4);
			const start = at + 4;
			at = start + view.getUint32(0, true);
			if (at > bytes.length) throw damaged("a page's levels end too early");
			return bytes.subarray(start, at);
		};
		const repetition = levels(this.#leaf.repetition, header.repetitionEncoding);
		const definition = levels(this.#leaf.definition, header.definitionEncoding);
		return { repetition, definition, body: bytes.subarray(at) };
	}

	#splitV2(page: Uint8Array, header: PageHeader): SplitPage {
		const { repetitionBytes, definitionBytes, uncompressedSize } = header;
		const from = repetitionBytes + definitionBytes;
		if (!(repetitionBytes >= 0 && definitionBytes >= 0 && from <= page.length))
			throw damaged("a page's levels are larger than the page");
		const body = page.subarray(from);
		const { repetition, definition } = this.#leaf;
		return {
			repetition:
				repetition === 0 ? undefined : page.subarray(0, repetitionBytes),
			definition:
				definition === 0 ? undefined : page.subarray(repetitionBytes, from),
			body: header.compressed
				? decompress(this.#chunk.codec, body, uncompressedSize - from)
				: body,
		};
	}

	#values(body: Uint8Array, header: PageHeader, present: number): PageValues {
		const convert = this.#convert;
		if (convert === undefined) return { kind: "none" };
		const { encoding } = header;
		const width = this.#leaf.element.typeLength ?? 0;
		const { type } = this.#chunk;
		// A page of nulls needs no dictionary, and some writers then leave it out.
		if (
			present > 0 &&
			(encoding === "RLE_DICTIONARY" || encoding === "PLAIN_DICTIONARY")
		) {
			const dictionary = this.#dictionary;
			if (dictionary === undefined)
				throw damaged("a page refers to a dictionary that isn't there");
			const indexes = decodeIndexes(body, present, dictionary.length);
			return { kind: "dictionary", dictionary, indexes };
		}
		if (present === 0) return { kind: "none" };
		if (encoding === "PLAIN" && type !== "BOOLEAN")
			return { kind: "plain", values: new PlainValues(body) };
		const raw = decodeValues(encoding, type, width, body, present);
		return { kind: "vector", vector: convert(raw) };
	}
}

interface SplitPage {
	readonly repetition: Uint8Array | undefined;
	readonly definition: Uint8Array | undefined;
	readonly body: Uint8Array;
}

/** `undefined` where all levels are `usual`. */
function decodeLevels(
	bytes: Uint8Array | undefined,
	max: number,
	entries: number,
	usual: number,
): Uint8Array | undefined {
	if (bytes === undefined) return undefined;
	const width = bitWidth(max);
	if (isOneRun(bytes, 0, bytes.length, width, usual, entries)) return undefined;
	const levels = new Uint8Array(entries);
	if (!decodeHybrid(bytes, 0, bytes.length, width, levels, entries))
		throw damaged("a page's levels end too early");
	// Where every number of the width is a level, none can be above.
	if ((max & (max + 1)) !== 0)
		for (let i = 0; i < entries; i++)
			if ((levels[i] as number) > max)
				throw damaged(`a level of ${levels[i]} is above ${max}`);
	return levels;
}

function decodeIndexes(
	bytes: Uint8Array,
	present: number,
	size: number,
): Int32Array {
	const indexes = new Int32Array(present);
	const width = bytes[0] ?? 0;
	if (
		width > 32 ||
		!decodeHybrid(bytes, 1, bytes.length, width, indexes, present)
	)
		throw damaged("a page's dictionary indexes end too early");
	for (let i = 0; i < present; i++) {
		const index = indexes[i] as number;
		if (index < 0 || index >= size)
			throw damaged(
				`a page refers to the value ${index} of a dictionary of ${size}`,
			);
	}
	return indexes;
}

function damaged(what: string): ParquetError {
	return new ParquetError("PARQUET_INVALID", `${what}; the file is damaged`);
}
