import { promisify } from "node:util";
import { gunzipSync, gzip, zstdCompress, zstdDecompressSync } from "node:zlib";
import kafkajs from "kafkajs";
import { compressFrame, decompressFrameSync } from "lz4-napi";
import { compress, uncompress } from "snappyjs";
import { TributaryError } from "../errors.ts";

const { CompressionCodecs, CompressionTypes } = kafkajs;

/** Java's snappy streams: this header, two versions, then blocks of a length (u32 BE) and its bytes. */
const XERIAL = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const XERIAL_BLOCKS = 16;

/**
 * The records of a batch; `codec` is named as in its attributes.
 * @throws TributaryError KAFKA_ANSWER_INVALID when the bytes are no such data
 */
export function decompress(codec: number, bytes: Buffer): Buffer {
	try {
		return decompressAs(codec, bytes);
	} catch (cause) {
		throw new TributaryError(
			"KAFKA_ANSWER_INVALID",
			`a record batch of ${bytes.length} bytes is no data of compression ${codec}: compare the topic on another replica`,
			{ cause },
		);
	}
}

function decompressAs(codec: number, bytes: Buffer): Buffer {
	// zlib makes its output in pieces of this size.
	const chunkSize = Math.min(Math.max(bytes.length * 8, 2 ** 16), 2 ** 22);
	switch (codec) {
		case CompressionTypes.GZIP:
			return gunzipSync(bytes, { chunkSize });
		case CompressionTypes.Snappy:
			return snappy(bytes);
		case CompressionTypes.LZ4:
			return decompressFrameSync(bytes);
		case CompressionTypes.ZSTD:
			return zstdDecompressSync(bytes, { chunkSize });
		default:
			throw new RangeError(`there is no compression ${codec}`);
	}
}

/** Teaches kafkajs what it lacks: snappy, lz4 and zstd. */
export function registerCodecs(): void {
	const codec =
		(type: number, deflate: (bytes: Buffer) => Promise<Buffer>) => () => ({
			compress: ({ buffer }: { buffer: Buffer }) => deflate(buffer),
			decompress: async (buffer: Buffer) => decompress(type, buffer),
		});
	const { GZIP, Snappy, LZ4, ZSTD } = CompressionTypes;
	CompressionCodecs[GZIP] = codec(GZIP, promisify(gzip));
	CompressionCodecs[Snappy] = codec(Snappy, async (bytes) =>
		Buffer.from(compress(bytes)),
	);
	CompressionCodecs[LZ4] = codec(LZ4, compressFrame);
	CompressionCodecs[ZSTD] = codec(ZSTD, promisify(zstdCompress));
}

function snappy(buffer: Buffer): Buffer {
	if (!buffer.subarray(0, XERIAL.length).equals(XERIAL))
		return Buffer.from(uncompress(buffer));
	const blocks: Uint8Array[] = [];
	for (let at = XERIAL_BLOCKS; at < buffer.length; ) {
		const size = buffer.readInt32BE(at);
		blocks.push(uncompress(buffer.subarray(at + 4, at + 4 + size)));
		at += 4 + size;
	}
	return Buffer.concat(blocks);
}
