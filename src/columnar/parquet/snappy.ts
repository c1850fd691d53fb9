import { COPY_SLACK, copyRange, viewOf } from "../copy.ts";
import { ParquetError } from "./errors.ts";

/*
 * A Snappy block (google/snappy, format_description.txt):
 *
 *   varint     size of the whole when uncompressed
 *   elements   by the two low bits of their first byte:
 *     0  literal: length − 1 in the upper six bits, or for 60 to 63 in the next 1 to 4 bytes
 *     1  copy of 4 to 11 bytes: 3 bits of length, offset of 11 bits
 *     2  copy of 1 to 64 bytes: 6 bits of length − 1, offset in 2 bytes
 *     3  the same, offset in 4 bytes
 *
 * A copy repeats what was written `offset` bytes before; it may reach into itself.
 */

/**
 * Uncompresses a block of exactly `size` bytes.
 * @throws ParquetError when the block is damaged or of another size
 */
export function uncompressSnappy(block: Uint8Array, size: number): Uint8Array {
	const input = viewOf(block);
	const end = block.length;
	let at = 0;
	let announced = 0;
	for (let scale = 1, byte = 0x80; byte >= 0x80; scale *= 128) {
		if (at >= end || scale > 2 ** 28) throw damaged("has no size");
		byte = block[at++] as number;
		announced += (byte & 0x7f) * scale;
	}
	if (announced !== size)
		throw damaged(`announces ${announced} bytes, its page ${size}`);
	const bytes = new Uint8Array(size + COPY_SLACK);
	const output = viewOf(bytes);
	let to = 0;
	while (at < end) {
		const tag = block[at++] as number;
		if ((tag & 3) === 0) {
			let length = (tag >>> 2) + 1;
			if (length > 60) {
				const extra = length - 60;
				if (at + extra > end) throw damaged("is cut off");
				length = 0;
				for (let i = extra - 1; i >= 0; i--)
					length = length * 256 + (block[at + i] as number);
				length++;
				at += extra;
			}
			if (length > end - at || length > size - to)
				throw damaged("has a literal that is too long");
			copyRange(input, at, output, to, length);
			at += length;
			to += length;
			continue;
		}
		const extra = (tag & 3) === 3 ? 4 : tag & 3;
		if (at + extra > end) throw damaged("is cut off");
		let length = (tag >>> 2) + 1;
		let offset: number;
		if (extra === 1) {
			length = ((tag >>> 2) & 7) + 4;
			offset = ((tag >>> 5) << 8) | (block[at] as number);
		} else {
			offset =
				extra === 2 ? input.getUint16(at, true) : input.getUint32(at, true);
		}
		at += extra;
		if (offset === 0 || offset > to || length > size - to)
			throw damaged("refers to bytes that aren't there");
		if (offset >= 8) {
			for (let i = 0; i < length; i += 8)
				output.setBigInt64(
					to + i,
					output.getBigInt64(to + i - offset, true),
					true,
				);
		} else {
			for (let i = to; i < to + length; i++)
				bytes[i] = bytes[i - offset] as number;
		}
		to += length;
	}
	if (to !== size) throw damaged(`has ${to} bytes instead of ${size}`);
	return bytes.subarray(0, size);
}

function damaged(what: string): ParquetError {
	return new ParquetError(
		"PARQUET_INVALID",
		`a page's Snappy block ${what}; the file is damaged`,
	);
}
