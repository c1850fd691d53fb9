import {
	brotliDecompressSync,
	constants,
	gunzipSync,
	gzipSync,
	zstdCompressSync,
	zstdDecompressSync,
} from "node:zlib";
import { uncompressSync as lz4Block } from "lz4-napi";
import * as snappy from "snappyjs";
import { ParquetError } from "./errors.ts";
import { uncompressSnappy } from "./snappy.ts";

export type Compression = "zstd" | "snappy" | "gzip" | "none";

/** `CompressionCodec` of parquet.thrift. */
export const CODECS: Readonly<Record<Compression, number>> = {
	none: 0,
	snappy: 1,
	gzip: 2,
	zstd: 6,
};

const ZSTD_PARAMS = { [constants.ZSTD_c_compressionLevel]: 1 };

/** The compressed page; with `none` the input itself. */
export function compress(codec: Compression, page: Uint8Array): Uint8Array {
	switch (codec) {
		case "none":
			return page;
		case "snappy":
			return snappy.compress(page);
		case "gzip":
			return gzipSync(page);
		case "zstd":
			return zstdCompressSync(page, {
				params: ZSTD_PARAMS,
				// Room for the worst case, so that the result comes in one piece.
				chunkSize: page.length + (page.length >>> 8) + 128,
			});
	}
}

/**
 * Decompresses a page to exactly `size` bytes; `codec` is named as in parquet.thrift.
 * @throws ParquetError when the codec is unknown, the bytes are broken or the size differs
 */
export function decompress(
	codec: string,
	page: Uint8Array,
	size: number,
): Uint8Array {
	if (size === 0 && codec !== "UNCOMPRESSED") return new Uint8Array(0);
	let bytes: Uint8Array;
	try {
		bytes = decompressAs(codec, page, size);
	} catch (cause) {
		if (cause instanceof ParquetError) throw cause;
		throw new ParquetError(
			"PARQUET_INVALID",
			`a page of ${page.length} bytes is no valid ${codec} data; the file is damaged`,
			{ cause },
		);
	}
	if (bytes.length !== size) {
		throw new ParquetError(
			"PARQUET_INVALID",
			`a ${codec} page has ${bytes.length} bytes where its header says ${size}; the file is damaged`,
		);
	}
	return bytes;
}

function decompressAs(
	codec: string,
	page: Uint8Array,
	size: number,
): Uint8Array {
	switch (codec) {
		case "UNCOMPRESSED":
			return page;
		case "SNAPPY":
			return uncompressSnappy(page, size);
		case "GZIP":
			return gunzipSync(page, {
				chunkSize: Math.min(size, 4 * 1024 * 1024) + 64,
				maxOutputLength: size + 1,
			});
		case "BROTLI":
			return brotliDecompressSync(page, { maxOutputLength: size + 1 });
		case "ZSTD":
			return zstdDecompressSync(page, {
				// With room left zlib knows that it is done; else it would make another chunk.
				chunkSize: Math.min(size, 4 * 1024 * 1024) + 64,
				maxOutputLength: size + 1,
			});
		case "LZ4_RAW":
			return lz4(page, size);
		case "LZ4":
			return hadoopLz4(page, size) ?? lz4(page, size);
		default:
			throw new ParquetError(
				"PARQUET_UNSUPPORTED",
				`the compression ${codec} is not known; rewrite the file with zstd, snappy, gzip, lz4 or brotli`,
			);
	}
}

function lz4(block: Uint8Array, size: number): Uint8Array {
	// A byte of a block stands for 255 bytes at most; the memory is set aside before it is read.
	if (size > block.length * 255)
		throw new ParquetError(
			"PARQUET_INVALID",
			`an LZ4 block of ${block.length} bytes can't hold the ${size} that its header says; the file is damaged`,
		);
	const sized = Buffer.alloc(4 + block.length);
	sized.writeUInt32LE(size, 0);
	sized.set(block, 4);
	return lz4Block(sized);
}

/**
 * The codec LZ4 was never specified: Hadoop's writers put a frame of two big-endian sizes
 * (uncompressed, compressed) before each block, others write one bare block.
 */
function hadoopLz4(page: Uint8Array, size: number): Uint8Array | undefined {
	const view = new DataView(page.buffer, page.byteOffset, page.byteLength);
	const blocks: { start: number; end: number; size: number }[] = [];
	let at = 0;
	let total = 0;
	while (at < page.length) {
		if (at + 8 > page.length) return undefined;
		const blockSize = view.getUint32(at);
		const end = at + 8 + view.getUint32(at + 4);
		total += blockSize;
		if (end > page.length || total > size) return undefined;
		blocks.push({ start: at + 8, end, size: blockSize });
		at = end;
	}
	if (total !== size) return undefined;
	return Buffer.concat(
		blocks.map((block) =>
			lz4(page.subarray(block.start, block.end), block.size),
		),
	);
}
