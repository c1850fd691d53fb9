/**
 * Bytes that grow at their end. The hot loops of the encodings call `reserve` once and then write
 * through `bytes` and `view` themselves; both are replaced when the sink grows.
 */
export class ByteSink {
	bytes: Uint8Array<ArrayBuffer>;
	view: DataView<ArrayBuffer>;
	length = 0;

	constructor(capacity = 1024) {
		this.bytes = new Uint8Array(capacity);
		this.view = new DataView(this.bytes.buffer);
	}

	/** Makes room for `extra` bytes after `length`. */
	reserve(extra: number): void {
		const needed = this.length + extra;
		if (needed <= this.bytes.length) return;
		const grown = new Uint8Array(Math.max(needed, this.bytes.length * 2));
		grown.set(this.bytes.subarray(0, this.length));
		this.bytes = grown;
		this.view = new DataView(grown.buffer);
	}

	byte(value: number): void {
		this.reserve(1);
		this.bytes[this.length++] = value;
	}

	int32(value: number): void {
		this.reserve(4);
		this.view.setInt32(this.length, value, true);
		this.length += 4;
	}

	/** Unsigned LEB128 of a value below 2^53. */
	varint(value: number): void {
		this.reserve(8);
		let rest = value;
		while (rest >= 0x80) {
			this.bytes[this.length++] = (rest % 0x80) | 0x80;
			rest = Math.floor(rest / 0x80);
		}
		this.bytes[this.length++] = rest;
	}

	append(bytes: Uint8Array): void {
		this.reserve(bytes.length);
		this.bytes.set(bytes, this.length);
		this.length += bytes.length;
	}

	/** A view of what was written; valid until the next write. */
	written(): Uint8Array<ArrayBuffer> {
		return this.bytes.subarray(0, this.length);
	}

	clear(): void {
		this.length = 0;
	}
}

/** One piece of memory with the content of all. */
export function joinBytes(
	pieces: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
	let size = 0;
	for (const piece of pieces) size += piece.length;
	const bytes = new Uint8Array(size);
	let at = 0;
	for (const piece of pieces) {
		bytes.set(piece, at);
		at += piece.length;
	}
	return bytes;
}
