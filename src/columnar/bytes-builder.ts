import { capacityFor, grown, INITIAL, roomLike } from "./growth.ts";
import { Presence } from "./presence.ts";
import type { DataType } from "./types.ts";
import type { Vector } from "./vector.ts";

/** Bytes past the end that a writer of whole words may touch. */
const SLACK = 8;

/**
 * Strings and binary values. A reader that copies while it looks for a value's end writes to `data` or
 * `view` at `size` by itself, between `begin` and `end`, and asks `room` for space.
 */
export class BytesBuilder {
	readonly kind = "bytes";
	readonly type: DataType;
	readonly presence = new Presence();
	/** The content of all values; what lies after `size` is unspecified. */
	data = new Uint8Array(0);
	/** The same bytes, for words. */
	view = new DataView(this.data.buffer);
	size = 0;
	#offsets = new Int32Array(0);
	#atFirst = INITIAL;
	#bytesAtFirst = INITIAL * 8;

	constructor(type: DataType) {
		this.type = type;
	}

	/** Starts the value of slot `i` at `size`. */
	begin(i: number): void {
		if (i < this.presence.length) this.truncate(i);
		const from = this.presence.length;
		this.presence.mark(i);
		if (i + 1 >= this.#offsets.length) {
			const capacity = capacityFor(
				i + 1,
				this.#offsets.length,
				this.#atFirst + 1,
			);
			this.#offsets = grown(Int32Array, this.#offsets, capacity);
		}
		for (let k = from; k < i; k++) this.#offsets[k + 1] = this.size;
	}

	/** Ends the value of slot `i`, which was begun last, at `size`. */
	end(i: number): void {
		this.#offsets[i + 1] = this.size;
	}

	/** Makes room for content up to `size`, and for whole words that reach over it. */
	room(size: number): void {
		if (size + SLACK <= this.data.length) return;
		const capacity = capacityFor(
			size + SLACK - 1,
			this.data.length,
			this.#bytesAtFirst,
		);
		this.data = grown(Uint8Array, this.data, capacity);
		this.view = new DataView(this.data.buffer);
	}

	setRange(i: number, source: Uint8Array, from: number, to: number): void {
		this.begin(i);
		const start = this.size;
		this.room(start + to - from);
		const { data } = this;
		// Short copies are quicker in a loop than through a subarray.
		if (to - from < 48)
			for (let s = from, t = start; s < to; s++, t++)
				data[t] = source[s] as number;
		else data.set(source.subarray(from, to), start);
		this.size = start + to - from;
		this.end(i);
	}

	set(i: number, value: Uint8Array): void {
		this.setRange(i, value, 0, value.length);
	}

	setText(i: number, text: string): void {
		this.set(i, Buffer.from(text));
	}

	truncate(length: number): void {
		if (length < this.presence.length) this.size = this.#offsets[length] ?? 0;
		this.presence.truncate(length);
	}

	finish(length: number): Vector {
		const from = this.presence.length;
		const validity = this.presence.take(length);
		if (length >= this.#offsets.length)
			this.#offsets = grown(Int32Array, this.#offsets, length + 1);
		for (let k = from; k < length; k++) this.#offsets[k + 1] = this.size;
		const offsets = this.#offsets.subarray(0, length + 1);
		const data = this.data.subarray(0, this.size);
		this.#atFirst = roomLike(length);
		this.#bytesAtFirst = roomLike(this.size) + SLACK;
		this.#offsets = new Int32Array(0);
		this.data = new Uint8Array(0);
		this.view = new DataView(this.data.buffer);
		this.size = 0;
		return { kind: "bytes", length, validity, offsets, data };
	}
}
