import { BytesBuilder } from "./bytes-builder.ts";
import { capacityFor, filled, grown, INITIAL, roomLike } from "./growth.ts";
import { Presence } from "./presence.ts";
import { type DataType, decimalParts } from "./types.ts";
import { readFixed16 } from "./value.ts";
import type { Vector } from "./vector.ts";

/**
 * Growable columns of single values. A value is set at a slot, slots in ascending order; a slot that
 * is passed over is null, so a row that lacks a field costs nothing there. `truncate` takes back what
 * a row that turned out bad has set. After `finish` a builder is empty, holds no memory and can be filled
 * again; what it handed over is not touched before somebody gives it back (`giveBackBatch`).
 */
export type LeafBuilder =
	| BoolBuilder
	| I32Builder
	| I64Builder
	| F64Builder
	| BytesBuilder
	| Fixed16Builder;

export class BoolBuilder {
	readonly kind = "bool";
	readonly type: DataType;
	readonly presence = new Presence();
	#values = new Uint8Array(0);
	#atFirst = INITIAL;

	constructor(type: DataType) {
		this.type = type;
	}

	set(i: number, value: boolean): void {
		this.presence.mark(i);
		if (i >= this.#values.length) {
			const capacity = capacityFor(i, this.#values.length, this.#atFirst);
			this.#values = grown(Uint8Array, this.#values, capacity);
		}
		this.#values[i] = value ? 1 : 0;
	}

	truncate(length: number): void {
		this.presence.truncate(length);
	}

	finish(length: number): Vector {
		const validity = this.presence.take(length);
		const values = filled(Uint8Array, this.#values, length);
		this.#values = new Uint8Array(0);
		this.#atFirst = roomLike(length);
		return { kind: "bool", length, validity, values };
	}
}

export class I32Builder {
	readonly kind = "i32";
	readonly type: DataType;
	readonly presence = new Presence();
	#values = new Int32Array(0);
	#atFirst = INITIAL;

	constructor(type: DataType) {
		this.type = type;
	}

	set(i: number, value: number): void {
		this.presence.mark(i);
		if (i >= this.#values.length) {
			const capacity = capacityFor(i, this.#values.length, this.#atFirst);
			this.#values = grown(Int32Array, this.#values, capacity);
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
		const values = filled(Int32Array, this.#values, length);
		this.#values = new Int32Array(0);
		this.#atFirst = roomLike(length);
		return { kind: "i32", length, validity, values };
	}
}

const TWO_32 = 2 ** 32;

export class I64Builder {
	readonly kind = "i64";
	readonly type: DataType;
	readonly presence = new Presence();
	/** Low and high words in turn: a BigInt a value would be an object a value. */
	#words = new Int32Array(0);
	#atFirst = INITIAL;
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
			const capacity = capacityFor(
				2 * i + 1,
				this.#words.length,
				2 * this.#atFirst,
			);
			this.#words = grown(Int32Array, this.#words, capacity);
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
		const words = filled(Int32Array, this.#words, 2 * length);
		const values = new BigInt64Array(words.buffer, 0, length);
		this.#words = new Int32Array(0);
		this.#atFirst = roomLike(length);
		this.#beyondDoubles = -1;
		return { kind: "i64", length, validity, values };
	}
}

export class F64Builder {
	readonly kind = "f64";
	readonly type: DataType;
	readonly presence = new Presence();
	#values = new Float64Array(0);
	#atFirst = INITIAL;

	constructor(type: DataType) {
		this.type = type;
	}

	set(i: number, value: number): void {
		this.presence.mark(i);
		if (i >= this.#values.length) {
			const capacity = capacityFor(i, this.#values.length, this.#atFirst);
			this.#values = grown(Float64Array, this.#values, capacity);
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
		const values = filled(Float64Array, this.#values, length);
		this.#values = new Float64Array(0);
		this.#atFirst = roomLike(length);
		return this.type === "float"
			? { kind: "f32", length, validity, values: Float32Array.from(values) }
			: { kind: "f64", length, validity, values };
	}
}

export class Fixed16Builder {
	readonly kind = "fixed16";
	readonly type: DataType;
	readonly presence = new Presence();
	#values = new Uint8Array(0);
	#atFirst = INITIAL;

	constructor(type: DataType) {
		this.type = type;
	}

	setBigInt(i: number, value: bigint): void {
		this.presence.mark(i);
		if (16 * i >= this.#values.length) {
			const capacity = capacityFor(
				16 * i + 15,
				this.#values.length,
				16 * this.#atFirst,
			);
			this.#values = grown(Uint8Array, this.#values, capacity);
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
		const values = filled(Uint8Array, this.#values, 16 * length);
		this.#values = new Uint8Array(0);
		this.#atFirst = roomLike(length);
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
