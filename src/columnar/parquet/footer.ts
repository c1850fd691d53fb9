import { kindOf } from "../vector.ts";
import type { ColumnChunk } from "./chunk.ts";
import { CODECS } from "./compression.ts";
import type { FileSchema } from "./schema.ts";
import { BYTE_ARRAY, writeElement } from "./schema.ts";
import type { Bound } from "./statistics.ts";
import { encodeBound } from "./statistics.ts";
import { CompactWriter } from "./thrift.ts";

/*
 * The end of a file (parquet-format README, "File format"):
 *
 *   FileMetaData   Thrift
 *   4 bytes        its length, little-endian
 *   "PAR1"         as at the file's beginning
 */
export const MAGIC = new Uint8Array([0x50, 0x41, 0x52, 0x31]);

export interface RowGroup {
	readonly rows: number;
	readonly offset: number;
	readonly chunks: readonly ColumnChunk[];
}

export interface Footer {
	readonly schema: FileSchema;
	readonly rowGroups: readonly RowGroup[];
	readonly createdBy: string;
	/** Where the page index and Bloom filters of each chunk are. */
	readonly indexes: ReadonlyMap<ColumnChunk, IndexPlaces>;
}

export interface IndexPlaces {
	readonly columnIndex: Place | undefined;
	readonly offsetIndex: Place;
	readonly bloom: Place | undefined;
}

export interface Place {
	readonly offset: number;
	readonly length: number;
}

export function encodeFooter(footer: Footer): Uint8Array<ArrayBuffer> {
	const { schema, rowGroups } = footer;
	const writer = new CompactWriter();
	writer.i32(1, 1);
	writer.structs(2, schema.elements, (element) =>
		writeElement(writer, element),
	);
	writer.i64(
		3,
		rowGroups.reduce((rows, group) => rows + group.rows, 0),
	);
	let ordinal = 0;
	writer.structs(4, rowGroups, (group) => {
		writer.structs(1, group.chunks, (chunk) =>
			writeChunk(writer, chunk, footer),
		);
		let size = 0;
		let compressed = 0;
		for (const chunk of group.chunks) {
			size += chunk.uncompressedSize;
			compressed += chunk.compressedSize;
		}
		writer.i64(2, size);
		writer.i64(3, group.rows);
		writer.i64(5, group.offset);
		writer.i64(6, compressed);
		if (ordinal < 0x8000) writer.i16(7, ordinal++);
	});
	writer.binary(6, footer.createdBy);
	// Without the order of its type a column's min_value and max_value mean nothing.
	writer.structs(7, schema.columns, () => writer.struct(1, () => {}));
	const metadata = writer.finish();
	const bytes = new Uint8Array(metadata.length + 8);
	bytes.set(metadata);
	new DataView(bytes.buffer).setUint32(metadata.length, metadata.length, true);
	bytes.set(MAGIC, metadata.length + 4);
	return bytes;
}

function writeChunk(
	writer: CompactWriter,
	chunk: ColumnChunk,
	footer: Footer,
): void {
	const { column } = chunk;
	const places = footer.indexes.get(chunk);
	writer.i64(2, 0);
	writer.struct(3, () => {
		writer.i32(1, column.physical);
		writer.i32s(2, chunk.encodings);
		writer.binaries(3, column.path);
		writer.i32(4, CODECS[chunk.compression]);
		writer.i64(5, chunk.entries);
		writer.i64(6, chunk.uncompressedSize);
		writer.i64(7, chunk.compressedSize);
		writer.i64(9, chunk.dataOffset);
		if (chunk.dictionaryOffset !== undefined)
			writer.i64(11, chunk.dictionaryOffset);
		writer.struct(12, () => writeStatistics(writer, chunk));
		if (places?.bloom !== undefined) {
			writer.i64(14, places.bloom.offset);
			writer.i32(15, places.bloom.length);
		}
	});
	if (places === undefined) return;
	writer.i64(4, places.offsetIndex.offset);
	writer.i32(5, places.offsetIndex.length);
	if (places.columnIndex === undefined) return;
	writer.i64(6, places.columnIndex.offset);
	writer.i32(7, places.columnIndex.length);
}

function writeStatistics(writer: CompactWriter, chunk: ColumnChunk): void {
	writer.i64(3, chunk.nulls);
	if (chunk.bounds.kind !== "range") return;
	const { type, physical } = chunk.column;
	const text = physical === BYTE_ARRAY && type === "string";
	const encode = (bound: Bound, side: "min" | "max") =>
		encodeBound(bound, kindOf(type), side, text);
	const max = encode(chunk.bounds.max, "max");
	const min = encode(chunk.bounds.min, "min");
	if (max !== undefined) writer.binary(5, max.bytes);
	if (min !== undefined) writer.binary(6, min.bytes);
	if (max !== undefined) writer.bool(7, max.exact);
	if (min !== undefined) writer.bool(8, min.exact);
}
