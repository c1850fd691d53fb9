import {
	type DataType,
	decimalParts,
	field,
	type StructField,
	type StructType,
} from "./types.ts";
import type { Vector } from "./vector.ts";

/**
 * Growable columns. A value is set at a slot, slots in ascending order; a slot that is passed over
 * is null, so a row that lacks a field costs nothing there. `truncate` takes back what a row that
 * turned out bad has set. After `finish` a builder is empty and can be filled again; what it handed
 * over is never touched.
 */
export type Builder =
	| BoolBuilder
	| I32Builder
	| I64Builder
	| F64Builder
	| BytesBuilder
	| Fixed16Builder
	| StructBuilder
	| ListBuilder;

const INITIAL = 1024;

abstract class Slots {
	readonly type: DataType;
	/** Slots so far; those after the last set one are not counted. */
	length = 0;
	present = 0;
	protected validity = new Uint8Array(INITIAL);

	constructor(type: DataType) {
		this.type = type;
	}

	/** Makes room for slot `i` and marks it as present. */
	protected mark(i: number): void {
		if (i < this.length) this.truncate(i);
		if (i >= this.validity.length) this.grow(i + 1);
		this.validity[i] = 1;
		this.present++;
		this.length = i + 1;
	}

	protected grow(wanted: number): void {
		const capacity = Math.max(wanted, this.validity.length * 2);
		this.validity = resized(this.validity, capacity, new Uint8Array(capacity));
		this.resize(capacity);
	}

	protected abstract resize(capacity: number): void;

	/** Forgets the slots from `length` on. */
	truncate(length: number): void {
		for (let i = length; i < this.length; i++) {
			this.present -= this.validity[i] ?? 0;
			this.validity[i] = 0;
		}
		this.length = Math.min(this.length, length);
	}

	protected takeValidity(length: number): Uint8Array | undefined {
		if (length > this.validity.length) this.grow(length);
		const validity =
			this.present === length ? undefined : this.validity.subarray(0, length);
		this.validity = new Uint8Array(Math.max(INITIAL, length));
		this.length = 0;
		this.present = 0;
		return validity;
	}
}

export class BoolBuilder extends Slots {
	readonly kind = "bool";
	#values = new Uint8Array(INITIAL);

	set(i: number, value: boolean): void {
		this.mark(i);
		this.#values[i] = value ? 1 : 0;
	}

	protected resize(capacity: number): void {
		this.#values = resized(this.#values, capacity, new Uint8Array(capacity));
	}

	finish(length: number): Vector {
		const validity = this.takeValidity(length);
		const values = this.#values.subarray(0, length);
		this.#values = new Uint8Array(Math.max(INITIAL, length));
		return { kind: "bool", length, validity, values };
	}
}

export class I32Builder extends Slots {
	readonly kind = "i32";
	#values = new Int32Array(INITIAL);

	set(i: number, value: number): void {
		this.mark(i);
		this.#values[i] = value;
	}

	protected resize(capacity: number): void {
		this.#values = resized(this.#values, capacity, new Int32Array(capacity));
	}

	finish(length: number): Vector {
		const validity = this.takeValidity(length);
		const values = this.#values.subarray(0, length);
		this.#values = new Int32Array(Math.max(INITIAL, length));
		return { kind: "i32", length, validity, values };
	}
}

const TWO_32 = 2 ** 32;

export class I64Builder extends Slots {
	readonly kind = "i64";
	/** Low and high words in turn: a BigInt a value would be an object a value. */
	#words = new Int32Array(INITIAL * 2);

	/** `value` is an integer within ±2^53. */
	set(i: number, value: number): void {
		this.mark(i);
		const high = Math.floor(value / TWO_32);
		this.#words[2 * i] = value - high * TWO_32;
		this.#words[2 * i + 1] = high;
	}

	setBigInt(i: number, value: bigint): void {
		this.mark(i);
		this.#words[2 * i] = Number(BigInt.asIntN(32, value));
		this.#words[2 * i + 1] = Number(BigInt.asIntN(32, value >> 32n));
	}

	/** The same values as doubles; `undefined` when one would change. */
	asDoubles(): F64Builder | undefined {
		const doubles = new F64Builder("double");
		for (let i = 0; i < this.length; i++) {
			if (this.validity[i] === 0) continue;
			const value =
				(this.#words[2 * i + 1] ?? 0) * TWO_32 +
				((this.#words[2 * i] ?? 0) >>> 0);
			if (!Number.isSafeInteger(value)) return undefined;
			doubles.set(i, value);
		}
		return doubles;
	}

	protected resize(capacity: number): void {
		this.#words = resized(
			this.#words,
			capacity * 2,
			new Int32Array(capacity * 2),
		);
	}

	finish(length: number): Vector {
		const validity = this.takeValidity(length);
		const values = new BigInt64Array(this.#words.buffer, 0, length);
		this.#words = new Int32Array(Math.max(INITIAL, length) * 2);
		return { kind: "i64", length, validity, values };
	}
}

export class F64Builder extends Slots {
	readonly kind = "f64";
	#values = new Float64Array(INITIAL);

	set(i: number, value: number): void {
		this.mark(i);
		this.#values[i] = value;
	}

	protected resize(capacity: number): void {
		this.#values = resized(this.#values, capacity, new Float64Array(capacity));
	}

	finish(length: number): Vector {
		const validity = this.takeValidity(length);
		const filled = this.#values.subarray(0, length);
		this.#values = new Float64Array(Math.max(INITIAL, length));
		return this.type === "float"
			? { kind: "f32", length, validity, values: Float32Array.from(filled) }
			: { kind: "f64", length, validity, values: filled };
	}
}

export class BytesBuilder extends Slots {
	readonly kind = "bytes";
	#offsets = new Int32Array(INITIAL + 1);
	#data = new Uint8Array(INITIAL * 8);
	#size = 0;

	/** Room for `size` bytes at slot `i`: the caller writes them to `data` from `start` on. */
	reserve(i: number, size: number): number {
		this.#begin(i);
		const start = this.#size;
		this.#room(start + size);
		this.#size = start + size;
		this.#offsets[i + 1] = this.#size;
		return start;
	}

	/** Valid until the next call that makes room. */
	get data(): Uint8Array {
		return this.#data;
	}

	setRange(i: number, source: Uint8Array, from: number, to: number): void {
		const start = this.reserve(i, to - from);
		const data = this.#data;
		// Short copies are quicker in a loop than through a subarray.
		if (to - from < 48)
			for (let s = from, t = start; s < to; s++, t++)
				data[t] = source[s] as number;
		else data.set(source.subarray(from, to), start);
	}

	set(i: number, value: Uint8Array): void {
		this.setRange(i, value, 0, value.length);
	}

	setText(i: number, text: string): void {
		this.set(i, Buffer.from(text));
	}

	override truncate(length: number): void {
		if (length < this.length) this.#size = this.#offsets[length] ?? 0;
		super.truncate(length);
	}

	#begin(i: number): void {
		if (i < this.length) this.truncate(i);
		const from = this.length;
		this.mark(i);
		for (let k = from; k < i; k++) this.#offsets[k + 1] = this.#size;
	}

	#room(size: number): void {
		if (size <= this.#data.length) return;
		const capacity = Math.max(size, this.#data.length * 2);
		this.#data = resized(this.#data, capacity, new Uint8Array(capacity));
	}

	protected resize(capacity: number): void {
		this.#offsets = resized(
			this.#offsets,
			capacity + 1,
			new Int32Array(capacity + 1),
		);
	}

	finish(length: number): Vector {
		const from = this.length;
		const validity = this.takeValidity(length);
		for (let k = from; k < length; k++) this.#offsets[k + 1] = this.#size;
		const offsets = this.#offsets.subarray(0, length + 1);
		const data = this.#data.subarray(0, this.#size);
		this.#offsets = new Int32Array(Math.max(INITIAL, length) + 1);
		this.#data = new Uint8Array(Math.max(INITIAL * 8, this.#size));
		this.#size = 0;
		return { kind: "bytes", length, validity, offsets, data };
	}
}

export class Fixed16Builder extends Slots {
	readonly kind = "fixed16";
	#values = new Uint8Array(INITIAL * 16);

	setBigInt(i: number, value: bigint): void {
		this.mark(i);
		const view = new DataView(this.#values.buffer, i * 16, 16);
		view.setBigInt64(0, value >> 64n);
		view.setBigUint64(8, BigInt.asUintN(64, value));
	}

	protected resize(capacity: number): void {
		this.#values = resized(
			this.#values,
			capacity * 16,
			new Uint8Array(capacity * 16),
		);
	}

	finish(length: number): Vector {
		const validity = this.takeValidity(length);
		const values = this.#values.subarray(0, length * 16);
		this.#values = new Uint8Array(Math.max(INITIAL, length) * 16);
		return { kind: "fixed16", length, validity, values };
	}
}

/** A named place for a column whose type is known once a value that isn't null was seen. */
export class Slot {
	readonly name: string;
	readonly nameBytes: Uint8Array;
	/** The table has this column, or will have it with the next commit: its type is settled. */
	settled: boolean;
	builder: Builder | undefined;

	constructor(name: string, options: { type?: DataType } = {}) {
		this.name = name;
		this.nameBytes = Buffer.from(name);
		this.settled = options.type !== undefined;
		this.builder =
			options.type === undefined ? undefined : newBuilder(options.type, true);
	}
}

export class StructBuilder extends Slots {
	readonly kind = "struct";
	readonly slots: Slot[] = [];
	readonly #byName = new Map<string, Slot>();
	readonly #lower = new Map<string, string>();

	constructor(type: StructType, settled: boolean) {
		super(type);
		for (const { name, type: inner } of type.fields)
			this.#place(settled ? new Slot(name, { type: inner }) : new Slot(name));
	}

	begin(i: number): void {
		this.mark(i);
	}

	find(name: string): Slot | undefined {
		return this.#byName.get(name);
	}

	/** A new field; `undefined` when one of the same name but for case is there. */
	add(name: string): Slot | undefined {
		if (this.#lower.has(name.toLowerCase())) return undefined;
		return this.#place(new Slot(name));
	}

	#place(slot: Slot): Slot {
		this.slots.push(slot);
		this.#byName.set(slot.name, slot);
		this.#lower.set(slot.name.toLowerCase(), slot.name);
		return slot;
	}

	override truncate(length: number): void {
		for (const { builder } of this.slots)
			if (builder !== undefined && builder.length > length)
				builder.truncate(length);
		super.truncate(length);
	}

	/** Unlearns types that no value stands for: those of a row that was taken back. */
	forget(): void {
		for (const slot of this.slots) forget(slot);
	}

	protected resize(): void {
		// Children grow by themselves.
	}

	finish(length: number): Vector {
		const validity = this.takeValidity(length);
		const children: Vector[] = [];
		for (const slot of this.slots) {
			if (slot.builder === undefined) continue;
			if (typeOf(slot.builder) === undefined) slot.builder.truncate(0);
			else {
				slot.settled = true;
				children.push(slot.builder.finish(length));
			}
		}
		return { kind: "struct", length, validity, children };
	}
}

export class ListBuilder extends Slots {
	readonly kind = "list";
	readonly element: Slot;
	#offsets = new Int32Array(INITIAL + 1);
	#end = 0;

	constructor(type: DataType, settled: boolean) {
		super(type);
		this.element =
			settled && typeof type !== "string" && type.type === "array"
				? new Slot("element", { type: type.elementType })
				: new Slot("element");
	}

	/** The child's slot where the list at `i` begins; `end` says where it ends. */
	begin(i: number): number {
		if (i < this.length) this.truncate(i);
		const from = this.length;
		this.mark(i);
		for (let k = from; k <= i; k++) this.#offsets[k + 1] = this.#end;
		return this.#end;
	}

	end(i: number, childEnd: number): void {
		this.#end = childEnd;
		this.#offsets[i + 1] = childEnd;
	}

	override truncate(length: number): void {
		if (length < this.length) {
			this.#end = this.#offsets[length] ?? 0;
			this.element.builder?.truncate(this.#end);
		}
		super.truncate(length);
	}

	protected resize(capacity: number): void {
		this.#offsets = resized(
			this.#offsets,
			capacity + 1,
			new Int32Array(capacity + 1),
		);
	}

	finish(length: number): Vector {
		const from = this.length;
		const validity = this.takeValidity(length);
		for (let k = from; k < length; k++) this.#offsets[k + 1] = this.#end;
		const offsets = this.#offsets.subarray(0, length + 1);
		this.element.settled = true;
		const child = (this.element.builder as Builder).finish(this.#end);
		this.#offsets = new Int32Array(Math.max(INITIAL, length) + 1);
		this.#end = 0;
		return { kind: "list", length, validity, offsets, child };
	}
}

/** A builder of a type; with `settled` nested fields have the types that the table gives them. */
export function newBuilder(type: DataType, settled: boolean): Builder {
	if (typeof type !== "string") {
		if (type.type === "struct") return new StructBuilder(type, settled);
		return new ListBuilder(type, settled);
	}
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

function forget(slot: Slot): void {
	const { builder } = slot;
	if (builder === undefined) return;
	if (!slot.settled && builder.present === 0) slot.builder = undefined;
	else if (builder.kind === "struct") builder.forget();
	else if (builder.kind === "list") forget(builder.element);
}

/** The type that a builder's content has; `undefined` while nothing below it has one. */
export function typeOf(builder: Builder): DataType | undefined {
	switch (builder.kind) {
		case "struct": {
			const fields: StructField[] = [];
			for (const slot of builder.slots) {
				const type =
					slot.builder === undefined ? undefined : typeOf(slot.builder);
				if (type !== undefined) fields.push(field(slot.name, type));
			}
			return fields.length === 0 ? undefined : { type: "struct", fields };
		}
		case "list": {
			const element =
				builder.element.builder === undefined
					? undefined
					: typeOf(builder.element.builder);
			return element === undefined
				? undefined
				: { type: "array", elementType: element, containsNull: true };
		}
		default:
			return builder.type;
	}
}

function resized<A extends Uint8Array | Int32Array | Float64Array>(
	old: A,
	capacity: number,
	fresh: A,
): A {
	fresh.set(old.length > capacity ? old.subarray(0, capacity) : old);
	return fresh;
}
