import { capacityFor, INITIAL, resized, roomLike } from "./growth.ts";
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
	data = new Uint8Array(INITIAL * 8);
	/** The same bytes, for words. */
	view = new DataView(this.data.buffer);
	size = 0;
	#offsets = new Int32Array(INITIAL + 1);

	constructor(type: DataType) {
		this.type = type;
	}

	/** Starts the value of slot `i` at `size`. */
	begin(i: number): void {
		if (i < this.presence.length) this.truncate(i);
		const from = this.presence.length;
		this.presence.mark(i);
		if (i + 1 >= this.#offsets.length) {
			const capacity = capacityFor(i + 1, this.#offsets.length);
			this.#offsets = resized(
				this.#offsets,
				capacity,
				new Int32Array(capacity),
			);
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
		const capacity = Math.max(size + SLACK, this.data.length * 2);
		this.data = resized(this.data, capacity, new Uint8Array(capacity));
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
			this.#offsets = resized(
				this.#offsets,
				length + 1,
				new Int32Array(length + 1),
			);
		for (let k = from; k < length; k++) this.#offsets[k + 1] = this.size;
		const offsets = this.#offsets.subarray(0, length + 1);
		const data = this.data.subarray(0, this.size);
		this.#offsets = new Int32Array(roomLike(length) + 1);
		this.data = new Uint8Array(roomLike(this.size) + SLACK);
		this.view = new DataView(this.data.buffer);
		this.size = 0;
		return { kind: "bytes", length, validity, offsets, data };
	}
}
