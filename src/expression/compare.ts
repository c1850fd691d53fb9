import { isDecimal } from "../columnar/value.ts";
import type { Value } from "../columnar/vector.ts";
import type { Column } from "./column.ts";
import { invalid } from "./errors.ts";

/**
 * The order of two values of one type that are not null: negative, 0 or positive. NaN equals NaN
 * and is above all, −0 equals 0, strings are in the order of their UTF-8 bytes, as in Spark.
 */
export function compareValues(a: Value, b: Value): number {
	if (typeof a === "number" && typeof b === "number") return numbers(a, b);
	if (typeof a === "bigint" && typeof b === "bigint")
		return a < b ? -1 : a > b ? 1 : 0;
	if (typeof a === "string" && typeof b === "string") return strings(a, b);
	if (typeof a === "boolean" && typeof b === "boolean")
		return Number(a) - Number(b);
	if (a instanceof Uint8Array && b instanceof Uint8Array)
		return Buffer.compare(a, b);
	if (isDecimal(a) && isDecimal(b)) {
		const scale = Math.max(a.scale, b.scale);
		return compareValues(
			a.unscaled * 10n ** BigInt(scale - a.scale),
			b.unscaled * 10n ** BigInt(scale - b.scale),
		);
	}
	throw invalid("values of different types can't be compared");
}

/** The order of row `i` of two columns of one type, both not null there; see `compareValues`. */
export function orderOf(left: Column, right: Column): (i: number) => number {
	const a = left.vector;
	const b = right.vector;
	const p = left.step;
	const q = right.step;
	if (a.kind === "i32" && b.kind === "i32") {
		const x = a.values;
		const y = b.values;
		return (i) => (x[i * p] as number) - (y[i * q] as number);
	}
	if (a.kind === "bool" && b.kind === "bool") {
		const x = a.values;
		const y = b.values;
		return (i) => (x[i * p] as number) - (y[i * q] as number);
	}
	if (a.kind === "i64" && b.kind === "i64")
		return longs(a.values, b.values, p, q);
	if (
		(a.kind === "f32" && b.kind === "f32") ||
		(a.kind === "f64" && b.kind === "f64")
	) {
		const x = a.values;
		const y = b.values;
		return (i) => numbers(x[i * p] as number, y[i * q] as number);
	}
	if (a.kind === "fixed16" && b.kind === "fixed16")
		return fixed(a.values, b.values, p, q);
	if (a.kind === "bytes" && b.kind === "bytes")
		return (i) =>
			bytes(
				a.data,
				a.offsets[i * p] as number,
				a.offsets[i * p + 1] as number,
				b.data,
				b.offsets[i * q] as number,
				b.offsets[i * q + 1] as number,
			);
	throw invalid(`columns of kind ${a.kind} and ${b.kind} can't be compared`);
}

function numbers(a: number, b: number): number {
	if (a < b) return -1;
	if (a > b) return 1;
	if (a === b) return 0;
	return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
}

/** UTF-16 order is that of UTF-8 except for surrogates, which stand for the highest characters. */
function strings(a: string, b: string): number {
	const length = Math.min(a.length, b.length);
	for (let i = 0; i < length; i++) {
		const x = a.charCodeAt(i);
		const y = b.charCodeAt(i);
		if (x === y) continue;
		const high = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdfff;
		if (high(x) !== high(y)) return high(x) ? 1 : -1;
		return x - y;
	}
	return a.length - b.length;
}

/** By words: reading a `BigInt64Array` makes an object a value. */
function longs(
	a: BigInt64Array,
	b: BigInt64Array,
	p: 0 | 1,
	q: 0 | 1,
): (i: number) => number {
	const low = [a, b].map(
		(side) => new Uint32Array(side.buffer, side.byteOffset, side.length * 2),
	) as [Uint32Array, Uint32Array];
	const high = [a, b].map(
		(side) => new Int32Array(side.buffer, side.byteOffset, side.length * 2),
	) as [Int32Array, Int32Array];
	const [lowA, lowB] = low;
	const [highA, highB] = high;
	return (i) => {
		const x = i * p * 2;
		const y = i * q * 2;
		return (
			(highA[x + 1] as number) - (highB[y + 1] as number) ||
			(lowA[x] as number) - (lowB[y] as number)
		);
	};
}

function fixed(
	a: Uint8Array,
	b: Uint8Array,
	p: 0 | 1,
	q: 0 | 1,
): (i: number) => number {
	const SIGN = 0x80;
	return (i) => {
		const x = i * p * 16;
		const y = i * q * 16;
		const sign = ((a[x] as number) ^ SIGN) - ((b[y] as number) ^ SIGN);
		return sign !== 0 ? sign : bytes(a, x, x + 16, b, y, y + 16);
	};
}

function bytes(
	a: Uint8Array,
	aFrom: number,
	aTo: number,
	b: Uint8Array,
	bFrom: number,
	bTo: number,
): number {
	const length = Math.min(aTo - aFrom, bTo - bFrom);
	for (let i = 0; i < length; i++) {
		const order = (a[aFrom + i] as number) - (b[bFrom + i] as number);
		if (order !== 0) return order;
	}
	return aTo - aFrom - (bTo - bFrom);
}
