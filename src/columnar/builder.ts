import { type DataType, decimalParts } from "./types.ts";
import { readFixed16 } from "./value.ts";
import type { Vector } from "./vector.ts";

/**
 * Growable columns of single values. A value is set at a slot, slots in ascending order; a slot that
 * is passed over is null, so a row that lacks a field costs nothing there. `truncate` takes back what
 * a row that turned out bad has set. After `finish` a builder is empty and can be filled again; what
 * it handed over is never touched.
 */
export type LeafBuilder =
	| BoolBuilder
	| I32Builder
	| I64Builder
	| F64Builder
	| BytesBuilder
	| Fixed16Builder;

/** Slots at first: a writer of many tables has builders of many columns that hold little. */
const INITIAL = 128;

/** Room for a batch like the last one, which is seldom of exactly the same size. */
export function roomLike(last: number): number {
	return Math.max(INITIAL, last + (last >>> 3));
}

/**
 * Which slots hold a value. A class of its own instead of a base class, so that `mark`, which runs for
 * every value, sees one shape of object only.
 */
export class Presence {
	/** Slots so far; those after the last set one are not counted. */
	length = 0;
	/** Slots with a value. */
	count = 0;
	/** By slot; only up to date while there are slots without a value. */
	#bytes = new Uint8Array(0);

	/** Marks slot `i`, and forgets what was set from `i` on. */
	mark(i: number): void {
		if (i === this.length && i === this.count) {
			this.length = i + 1;
			this.count = i + 1;
		} else this.#markSparse(i);
	}

	has(i: number): boolean {
		return (
			i < this.length && (this.count === this.length || this.#bytes[i] === 1)
		);
	}

	truncate(length: number): void {
		if (length >= this.length) return;
		if (this.count === this.length) this.count = length;
		else
			for (let i = length; i < this.length; i++) {
				this.count -= this.#bytes[i] ?? 0;
				this.#bytes[i] = 0;
			}
		this.length = length;
	}

	/** Validity of the first `length` slots, `undefined` when all are set; starts anew. */
	take(length: number): Uint8Array | undefined {
		let validity: Uint8Array | undefined;
		if (this.count !== length) {
			if (this.count === this.length) this.#fill();
			this.#room(length);
			validity = this.#bytes.subarray(0, length);
		}
		this.#bytes = new Uint8Array(0);
		this.length = 0;
		this.count = 0;
		return validity;
	}

	#markSparse(i: number): void {
		this.truncate(i);
		if (this.count === this.length) this.#fill();
		this.#room(i + 1);
		this.#bytes[i] = 1;
		this.count++;
		this.length = i + 1;
	}

	/** Brings the bytes up to date: so far every slot has a value. */
	#fill(): void {
		this.#room(this.length);
		this.#bytes.fill(1, 0, this.length);
		this.#bytes.fill(0, this.length);
	}

	#room(wanted: number): void {
		if (wanted <= this.#bytes.length) return;
		const capacity = Math.max(INITIAL, wanted, this.#bytes.length * 2);
		this.#bytes = resized(this.#bytes, capacity, new Uint8Array(capacity));
	}
}

export class BoolBuilder {
	readonly kind = "bool";
	readonly type: DataType;
	readonly presence = new Presence();
	#values = new Uint8Array(INITIAL);

	constructor(type: DataType) {
		this.type = type;
	}

	set(i: number, value: boolean): void {
		this.presence.mark(i);
		if (i >= this.#values.length) {
			const capacity = capacityFor(i, this.#values.length);
			this.#values = resized(this.#values, capacity, new Uint8Array(capacity));
		}
		this.#values[i] = value ? 1 : 0;
	}

	truncate(length: number): void {
		this.presence.truncate(length);
	}

	finish(length: number): Vector {
		const validity = this.presence.take(length);
		const values = filled(this.#values, length, Uint8Array);
		this.#values = new Uint8Array(roomLike(length));
		return { kind: "bool", length, validity, values };
	}
}

export class I32Builder {
	readonly kind = "i32";
	readonly type: DataType;
	readonly presence = new Presence();
	#values = new Int32Array(INITIAL);

	constructor(type: DataType) {
		this.type = type;
	}

	set(i: number, value: number): void {
		this.presence.mark(i);
		if (i >= this.#values.length) {
			const capacity = capacityFor(i, this.#values.length);
			this.#values = resized(this.#values, capacity, new Int32Array(capacity));
		}
		this.#values[i] = value;
	}

	/** The value of a slot that has one. */
	at(i: number): number {
		return this.#values[i] as number;
	}

	truncate(length: number): void {
		this.presence.truncate(length);
	}

	finish(length: number): Vector {
		const validity = this.presence.take(length);
		const values = filled(this.#values, length, Int32Array);
		this.#values = new Int32Array(roomLike(length));
		return { kind: "i32", length, validity, values };
	}
}

const TWO_32 = 2 ** 32;

export class I64Builder {
	readonly kind = "i64";
	readonly type: DataType;
	readonly presence = new Presence();
	/** Low and high words in turn: a BigInt a value would be an object a value. */
	#words = new Int32Array(INITIAL * 2);
	/** A slot whose value no double holds; of those that `asDoubles` has met. */
	#beyondDoubles = -1;

	constructor(type: DataType) {
		this.type = type;
	}

	/** `value` is an integer within ±2^53. */
	set(i: number, value: number): void {
		const low = value | 0;
		if (low === value) this.setWords(i, low, low >> 31);
		else {
			const high = Math.floor(value / TWO_32);
			this.setWords(i, (value - high * TWO_32) | 0, high | 0);
		}
	}

	/** The halves of a 64-bit integer in two's complement. */
	setWords(i: number, low: number, high: number): void {
		this.presence.mark(i);
		if (2 * i >= this.#words.length) {
			const capacity = capacityFor(2 * i + 1, this.#words.length);
			this.#words = resized(this.#words, capacity, new Int32Array(capacity));
		}
		this.#words[2 * i] = low;
		this.#words[2 * i + 1] = high;
	}

	setBigInt(i: number, value: bigint): void {
		this.setWords(
			i,
			Number(BigInt.asIntN(32, value)),
			Number(BigInt.asIntN(32, value >> 32n)),
		);
	}

	/** The value of a slot that has one. */
	at(i: number): bigint {
		return (
			(BigInt(this.#words[2 * i + 1] as number) << 32n) |
			BigInt((this.#words[2 * i] as number) >>> 0)
		);
	}

	/** The same values as doubles; `undefined` when one would change. */
	asDoubles(): F64Builder | undefined {
		if (this.#beyondDoubles >= 0) return undefined;
		const doubles = new F64Builder("double");
		for (let i = 0; i < this.presence.length; i++) {
			if (!this.presence.has(i)) continue;
			const value =
				(this.#words[2 * i + 1] ?? 0) * TWO_32 +
				((this.#words[2 * i] ?? 0) >>> 0);
			if (!Number.isSafeInteger(value)) {
				this.#beyondDoubles = i;
				return undefined;
			}
			doubles.set(i, value);
		}
		return doubles;
	}

	truncate(length: number): void {
		if (length <= this.#beyondDoubles) this.#beyondDoubles = -1;
		this.presence.truncate(length);
	}

	finish(length: number): Vector {
		const validity = this.presence.take(length);
		const words = filled(this.#words, 2 * length, Int32Array);
		const values = new BigInt64Array(words.buffer, 0, length);
		this.#words = new Int32Array(roomLike(length) * 2);
		this.#beyondDoubles = -1;
		return { kind: "i64", length, validity, values };
	}
}

export class F64Builder {
	readonly kind = "f64";
	readonly type: DataType;
	readonly presence = new Presence();
	#values = new Float64Array(INITIAL);

	constructor(type: DataType) {
		this.type = type;
	}

	set(i: number, value: number): void {
		this.presence.mark(i);
		if (i >= this.#values.length) {
			const capacity = capacityFor(i, this.#values.length);
			this.#values = resized(
				this.#values,
				capacity,
				new Float64Array(capacity),
			);
		}
		this.#values[i] = value;
	}

	/** The value of a slot that has one, as its type holds it. */
	at(i: number): number {
		const value = this.#values[i] as number;
		return this.type === "float" ? Math.fround(value) : value;
	}

	truncate(length: number): void {
		this.presence.truncate(length);
	}

	finish(length: number): Vector {
		const validity = this.presence.take(length);
		const values = filled(this.#values, length, Float64Array);
		this.#values = new Float64Array(roomLike(length));
		return this.type === "float"
			? { kind: "f32", length, validity, values: Float32Array.from(values) }
			: { kind: "f64", length, validity, values };
	}
}

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

export class Fixed16Builder {
	readonly kind = "fixed16";
	readonly type: DataType;
	readonly presence = new Presence();
	#values = new Uint8Array(INITIAL * 16);

	constructor(type: DataType) {
		this.type = type;
	}

	setBigInt(i: number, value: bigint): void {
		this.presence.mark(i);
		if (16 * i >= this.#values.length) {
			const capacity = capacityFor(16 * i + 15, this.#values.length);
			this.#values = resized(this.#values, capacity, new Uint8Array(capacity));
		}
		const view = new DataView(this.#values.buffer, i * 16, 16);
		view.setBigInt64(0, value >> 64n);
		view.setBigUint64(8, BigInt.asUintN(64, value));
	}

	/** The value of a slot that has one. */
	at(i: number): bigint {
		return readFixed16(this.#values, i);
	}

	truncate(length: number): void {
		this.presence.truncate(length);
	}

	finish(length: number): Vector {
		const validity = this.presence.take(length);
		const values = filled(this.#values, 16 * length, Uint8Array);
		this.#values = new Uint8Array(roomLike(length) * 16);
		return { kind: "fixed16", length, validity, values };
	}
}

export function newLeafBuilder(type: DataType & string): LeafBuilder {
	switch (type) {
		case "boolean":
			return new BoolBuilder(type);
		case "byte":
		case "short":
		case "integer":
		case "date":
			return new I32Builder(type);
		case "long":
		case "timestamp":
		case "timestamp_ntz":
			return new I64Builder(type);
		case "float":
		case "double":
			return new F64Builder(type);
		default: {
			const decimal = decimalParts(type);
			if (decimal === undefined) return new BytesBuilder(type);
			return decimal.precision > 18
				? new Fixed16Builder(type)
				: new I64Builder(type);
		}
	}
}

type Values = Uint8Array | Int32Array | Float64Array;

/** `old` in an array of `capacity`, which is `fresh`. */
export function resized<A extends Values>(
	old: A,
	capacity: number,
	fresh: A,
): A {
	fresh.set(old.length > capacity ? old.subarray(0, capacity) : old);
	return fresh;
}

function capacityFor(i: number, length: number): number {
	return Math.max(i + 1, 2 * length);
}

/** The first `length` elements; slots that no row has reached are zeros. */
function filled<A extends Values>(
	values: A,
	length: number,
	make: new (length: number) => A,
): A {
	return length <= values.length
		? (values.subarray(0, length) as A)
		: resized(values, length, new make(length));
}
