import type { DataType } from "../types.ts";
import { decimalParts } from "../types.ts";
import type { Value, Vector } from "../vector.ts";
import type { Live } from "./levels.ts";
import { wordsOf } from "./plain.ts";

/**
 * Least and greatest of some values, in the type's order: numbers, `bigint` for 64-bit integers and
 * decimals, bytes by unsigned comparison. `unknown`: there is a NaN, which engines sort differently.
 */
export type Bounds =
	| { readonly kind: "none" }
	| { readonly kind: "unknown" }
	| { readonly kind: "range"; readonly min: Bound; readonly max: Bound };

export type Bound = number | bigint | Uint8Array;

export const NO_BOUNDS: Bounds = { kind: "none" };
const UNKNOWN: Bounds = { kind: "unknown" };

/** The bounds of the live values `from` to `to`; they don't keep the vector's memory. */
export function boundsOf(
	vector: Vector,
	live: Live,
	from: number,
	to: number,
): Bounds {
	if (from === to) return NO_BOUNDS;
	switch (vector.kind) {
		case "bool":
		case "i32":
			return numberBounds(vector.values, live, from, to);
		case "f32":
		case "f64":
			return floatBounds(vector.values, live, from, to);
		case "i64":
			return longBounds(vector.values, live, from, to);
		case "fixed16":
			return fixed16Bounds(vector.values, live, from, to);
		case "bytes":
			return bytesBounds(vector.data, vector.offsets, live, from, to);
		default:
			return UNKNOWN;
	}
}

export function mergeBounds(a: Bounds, b: Bounds): Bounds {
	if (a.kind === "none") return b;
	if (b.kind === "none") return a;
	if (a.kind === "unknown" || b.kind === "unknown") return UNKNOWN;
	return {
		kind: "range",
		min: compareBounds(a.min, b.min) <= 0 ? a.min : b.min,
		max: compareBounds(a.max, b.max) >= 0 ? a.max : b.max,
	};
}

export function compareBounds(a: Bound, b: Bound): number {
	if (a instanceof Uint8Array && b instanceof Uint8Array)
		return Buffer.compare(a, b);
	return a < b ? -1 : a > b ? 1 : 0;
}

/** A bound as a value of `type`, or `undefined` where it isn't one, such as broken UTF-8. */
export function boundValue(bound: Bound, type: DataType): Value | undefined {
	if (type === "boolean") return bound === 1;
	if (bound instanceof Uint8Array) {
		if (type === "binary") return bound.slice();
		try {
			return utf8.decode(bound);
		} catch {
			return undefined;
		}
	}
	const decimal = decimalParts(type);
	if (decimal !== undefined)
		return { unscaled: BigInt(bound), scale: decimal.scale };
	return bound;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Byte bounds in the footer are cut to this length. */
const MAX_BOUND_BYTES = 64;

/** A bound as the footer has it; byte bounds may be cut, and then aren't exact. */
export function encodeBound(
	bound: Bound,
	vectorKind: Vector["kind"],
	side: "min" | "max",
	text: boolean,
): { readonly bytes: Uint8Array; readonly exact: boolean } | undefined {
	if (bound instanceof Uint8Array) {
		if (bound.length <= MAX_BOUND_BYTES) return { bytes: bound, exact: true };
		const cut = text ? cutText(bound) : bound.slice(0, MAX_BOUND_BYTES);
		const bytes = side === "max" ? raised(cut, text) : cut;
		return bytes === undefined ? undefined : { bytes, exact: false };
	}
	const view = new DataView(new ArrayBuffer(16));
	let size = 4;
	switch (vectorKind) {
		case "bool":
			view.setUint8(0, Number(bound));
			size = 1;
			break;
		case "i32":
			view.setInt32(0, Number(bound), true);
			break;
		case "f32":
			view.setFloat32(0, signedZero(Number(bound), side), true);
			break;
		case "f64":
			view.setFloat64(0, signedZero(Number(bound), side), true);
			size = 8;
			break;
		case "i64":
			view.setBigInt64(0, BigInt(bound), true);
			size = 8;
			break;
		default:
			view.setBigInt64(0, BigInt(bound) >> 64n);
			view.setBigInt64(8, BigInt.asIntN(64, BigInt(bound)));
			size = 16;
	}
	return { bytes: new Uint8Array(view.buffer, 0, size), exact: true };
}

/** Readers may find −0 and 0 different, so a zero bound has to hold both (parquet.thrift). */
function signedZero(bound: number, side: "min" | "max"): number {
	return bound === 0 ? (side === "min" ? -0 : 0) : bound;
}

/** The longest prefix of whole UTF-8 characters that fits. */
function cutText(bytes: Uint8Array): Uint8Array {
	let end = MAX_BOUND_BYTES;
	while (end > 0 && ((bytes[end] as number) & 0xc0) === 0x80) end--;
	return bytes.slice(0, end);
}

/** The least prefix above all that starts with `prefix`, which is changed; text stays UTF-8. */
function raised(prefix: Uint8Array, text: boolean): Uint8Array | undefined {
	for (let i = prefix.length - 1; i >= 0; i--) {
		const byte = prefix[i] as number;
		// Of text only ASCII is raised: other bytes could leave the range of UTF-8.
		if (byte < (text ? 0x7f : 0xff)) {
			prefix[i] = byte + 1;
			return prefix.subarray(0, i + 1);
		}
	}
	return undefined;
}

function numberBounds(
	values: Uint8Array | Int32Array,
	live: Live,
	from: number,
	to: number,
): Bounds {
	const { slots, base } = live;
	let min = Number.POSITIVE_INFINITY;
	let max = Number.NEGATIVE_INFINITY;
	for (let i = from; i < to; i++) {
		const value = values[
			slots === undefined ? base + i : (slots[i] as number)
		] as number;
		if (value < min) min = value;
		if (value > max) max = value;
	}
	return { kind: "range", min, max };
}

function floatBounds(
	values: Float32Array | Float64Array,
	live: Live,
	from: number,
	to: number,
): Bounds {
	const { slots, base } = live;
	let min = Number.POSITIVE_INFINITY;
	let max = Number.NEGATIVE_INFINITY;
	let nan = false;
	for (let i = from; i < to; i++) {
		const value = values[
			slots === undefined ? base + i : (slots[i] as number)
		] as number;
		if (value < min) min = value;
		if (value > max) max = value;
		if (Number.isNaN(value)) nan = true;
	}
	// Adding 0 makes a zero positive.
	return nan ? UNKNOWN : { kind: "range", min: min + 0, max: max + 0 };
}

function longBounds(
	values: BigInt64Array,
	live: Live,
	from: number,
	to: number,
): Bounds {
	const { slots, base } = live;
	const words = wordsOf(values);
	let minAt = slots === undefined ? base + from : (slots[from] as number);
	let maxAt = minAt;
	let minHigh = words[minAt * 2 + 1] as number;
	let minLow = (words[minAt * 2] as number) >>> 0;
	let maxHigh = minHigh;
	let maxLow = minLow;
	for (let i = from + 1; i < to; i++) {
		const at = slots === undefined ? base + i : (slots[i] as number);
		const high = words[at * 2 + 1] as number;
		const low = (words[at * 2] as number) >>> 0;
		if (high < minHigh || (high === minHigh && low < minLow)) {
			minHigh = high;
			minLow = low;
			minAt = at;
		} else if (high > maxHigh || (high === maxHigh && low > maxLow)) {
			maxHigh = high;
			maxLow = low;
			maxAt = at;
		}
	}
	return {
		kind: "range",
		min: values[minAt] as bigint,
		max: values[maxAt] as bigint,
	};
}

function fixed16Bounds(
	values: Uint8Array,
	live: Live,
	from: number,
	to: number,
): Bounds {
	const { slots, base } = live;
	const view = new DataView(
		values.buffer,
		values.byteOffset,
		values.byteLength,
	);
	const read = (i: number): bigint => {
		const at = (slots === undefined ? base + i : (slots[i] as number)) * 16;
		return (view.getBigInt64(at) << 64n) | view.getBigUint64(at + 8);
	};
	let min = read(from);
	let max = min;
	for (let i = from + 1; i < to; i++) {
		const value = read(i);
		if (value < min) min = value;
		if (value > max) max = value;
	}
	return { kind: "range", min, max };
}

function bytesBounds(
	data: Uint8Array,
	offsets: Int32Array,
	live: Live,
	from: number,
	to: number,
): Bounds {
	const { slots, base } = live;
	const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
	let min = slots === undefined ? base + from : (slots[from] as number);
	let max = min;
	let minHead = headOf(
		view,
		offsets[min] as number,
		offsets[min + 1] as number,
	);
	let maxHead = minHead;
	for (let i = from + 1; i < to; i++) {
		const slot = slots === undefined ? base + i : (slots[i] as number);
		const head = headOf(
			view,
			offsets[slot] as number,
			offsets[slot + 1] as number,
		);
		if (
			head < minHead ||
			(head === minHead && below(view, offsets, slot, min))
		) {
			min = slot;
			minHead = head;
		}
		if (
			head > maxHead ||
			(head === maxHead && below(view, offsets, max, slot))
		) {
			max = slot;
			maxHead = head;
		}
	}
	return {
		kind: "range",
		min: new Uint8Array(data.subarray(offsets[min], offsets[min + 1])),
		max: new Uint8Array(data.subarray(offsets[max], offsets[max + 1])),
	};
}

/** The first four bytes as a big-endian number, zeros where there are fewer: mostly they decide. */
function headOf(view: DataView, start: number, end: number): number {
	if (end - start >= 4) return view.getUint32(start);
	let head = 0;
	for (let i = start; i < start + 4; i++)
		head = head * 256 + (i < end ? view.getUint8(i) : 0);
	return head;
}

/** Whether slot `a` sorts before slot `b`. */
function below(
	view: DataView,
	offsets: Int32Array,
	a: number,
	b: number,
): boolean {
	const start = offsets[a] as number;
	const end = offsets[a + 1] as number;
	const shift = (offsets[b] as number) - start;
	const length = (offsets[b + 1] as number) - (offsets[b] as number);
	const common = start + Math.min(end - start, length);
	let i = start;
	for (; i + 4 <= common; i += 4) {
		const left = view.getUint32(i);
		const right = view.getUint32(i + shift);
		if (left !== right) return left < right;
	}
	for (; i < common; i++) {
		const left = view.getUint8(i);
		const right = view.getUint8(i + shift);
		if (left !== right) return left < right;
	}
	return end - start < length;
}
