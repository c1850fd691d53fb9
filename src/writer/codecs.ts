import { promisify } from "node:util";
import { zstdCompress, zstdDecompress } from "node:zlib";
import kafkajs from "kafkajs";
import { compressFrame, decompressFrame } from "lz4-napi";
import { compress, uncompress } from "snappyjs";

const { CompressionCodecs, CompressionTypes } = kafkajs;

/** Java's snappy streams: this header, two versions, then blocks of a length (u32 BE) and its bytes. */
const XERIAL = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);

/** Teaches kafkajs what it lacks: snappy, lz4 and zstd; gzip it has. */
export function registerCodecs(): void {
	CompressionCodecs[CompressionTypes.Snappy] = () => ({
		compress: async (encoder: { buffer: Buffer }) =>
			Buffer.from(compress(encoder.buffer)),
		decompress: async (buffer: Buffer) => snappy(buffer),
	});
	CompressionCodecs[CompressionTypes.LZ4] = () => ({
		compress: async (encoder: { buffer: Buffer }) =>
			await compressFrame(encoder.buffer),
		decompress: async (buffer: Buffer) => await decompressFrame(buffer),
	});
	CompressionCodecs[CompressionTypes.ZSTD] = () => ({
		compress: async (encoder: { buffer: Buffer }) =>
			await promisify(zstdCompress)(encoder.buffer),
		decompress: async (buffer: Buffer) =>
			await promisify(zstdDecompress)(buffer),
	});
}

function snappy(buffer: Buffer): Buffer {
	if (!buffer.subarray(0, 8).equals(XERIAL))
		return Buffer.from(uncompress(buffer));
	const blocks: Uint8Array[] = [];
	for (let at = 16; at < buffer.length; ) {
		const size = buffer.readInt32BE(at);
		blocks.push(uncompress(buffer.subarray(at + 4, at + 4 + size)));
		at += 4 + size;
	}
	return Buffer.concat(blocks);
}
