/** Sizes between one power of two and the next. */
const STEPS = 8;

/**
 * Memory that is used again. V8 counts what typed arrays hold, and collects its whole heap for every
 * 64 MB that came to it, whoever made it garbage; what is given back here was never garbage.
 */
export class MemoryPool {
	readonly #smallest: number;
	readonly #most: number;
	readonly #wipes: boolean;
	/** By size, in the order in which sizes were given back last. */
	readonly #free = new Map<number, ArrayBuffer[]>();
	readonly #lent = new WeakSet<ArrayBufferLike>();
	#bytes = 0;

	constructor(options: {
		/** Bytes; for less it is not worth it. */
		readonly smallest: number;
		/** Bytes that are kept while nobody uses them. */
		readonly most: number;
		/** Whether what is taken has to be zeros. */
		readonly wipes: boolean;
	}) {
		this.#smallest = options.smallest;
		this.#most = options.most;
		this.#wipes = options.wipes;
	}

	/** A buffer of at least so many bytes, a multiple of 8. */
	take(bytes: number): ArrayBuffer {
		if (bytes < this.#smallest) return new ArrayBuffer((bytes + 7) & ~7);
		const wanted = roundedUp(bytes);
		for (let size = wanted; size <= 2 * wanted; size = roundedUp(size + 1)) {
			const buffer = this.#free.get(size)?.pop();
			if (buffer === undefined) continue;
			this.#bytes -= size;
			this.#lent.add(buffer);
			return buffer;
		}
		const buffer = new ArrayBuffer(wanted);
		this.#lent.add(buffer);
		return buffer;
	}

	/** Whether this was taken, and can be given back. */
	has(buffer: ArrayBufferLike): buffer is ArrayBuffer {
		return this.#lent.has(buffer);
	}

	/** Nothing reads or writes this from here on. What is never given back is the collector's. */
	giveBack(buffer: ArrayBufferLike): void {
		if (!this.#lent.delete(buffer)) return;
		const size = buffer.byteLength;
		if (size > this.#most) return;
		const same = this.#free.get(size) ?? [];
		// Sizes that are in use stay longest.
		this.#free.delete(size);
		this.#free.set(size, same);
		this.#makeRoom(size);
		if (this.#wipes) new Uint8Array(buffer).fill(0);
		same.push(buffer as ArrayBuffer);
		this.#bytes += size;
	}

	#makeRoom(wanted: number): void {
		for (const [size, buffers] of this.#free) {
			while (this.#bytes + wanted > this.#most && buffers.pop() !== undefined)
				this.#bytes -= size;
			if (this.#bytes + wanted <= this.#most) return;
			this.#free.delete(size);
		}
	}
}

/** The next size that buffers come in. */
function roundedUp(bytes: number): number {
	const step =
		2 ** Math.max(3, Math.floor(Math.log2(bytes)) - Math.log2(STEPS));
	return Math.ceil(bytes / step) * step;
}
