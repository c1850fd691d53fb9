import { type LeafBuilder, newLeafBuilder } from "./builder.ts";
import { type DataType, type DecimalType, decimalParts } from "./types.ts";
import { readFixed16 } from "./value.ts";
import type { Vector } from "./vector.ts";

const INTEGERS = ["byte", "short", "integer", "long"];
const DAY_MICROS = 86_400_000_000n;

/** Whether Delta's type widening leads from one primitive type to the other (PROTOCOL.md, "Type Widening"). */
export function canWiden(from: DataType, to: DataType): boolean {
	if (from === to) return true;
	if (typeof from !== "string" || typeof to !== "string") return false;
	const [a, b] = [INTEGERS.indexOf(from), INTEGERS.indexOf(to)];
	if (a >= 0 && b > a) return true;
	if (to === "double") return from === "float" || (a >= 0 && a < 3);
	if (from === "date") return to === "timestamp_ntz";
	const target = decimalParts(to);
	if (target === undefined) return false;
	const source = decimalParts(from);
	const whole = target.precision - target.scale;
	if (source !== undefined)
		return (
			target.scale >= source.scale && whole >= source.precision - source.scale
		);
	return a >= 0 && whole >= (from === "long" ? 20 : 10);
}

/** The least type that both can be widened to; `undefined` when there is none. */
export function commonType(a: DataType, b: DataType): DataType | undefined {
	if (canWiden(b, a)) return a;
	if (canWiden(a, b)) return b;
	const x = digitsOf(a);
	const y = digitsOf(b);
	if (x !== undefined && y !== undefined)
		return decimalType(Math.max(x.whole, y.whole), Math.max(x.scale, y.scale));
	return canWiden(a, "double") && canWiden(b, "double") ? "double" : undefined;
}

/** `undefined` beyond 38 digits, the most that a decimal has. */
export function decimalType(
	whole: number,
	scale: number,
): DecimalType | undefined {
	return whole + scale <= 38 ? `decimal(${whole + scale},${scale})` : undefined;
}

function digitsOf(
	type: DataType,
): { readonly whole: number; readonly scale: number } | undefined {
	const decimal = decimalParts(type);
	if (decimal !== undefined)
		return {
			whole: decimal.precision - decimal.scale,
			scale: decimal.scale,
		};
	if (typeof type !== "string" || !INTEGERS.includes(type)) return undefined;
	return { whole: type === "long" ? 20 : 10, scale: 0 };
}

/** The same values in a builder of a type that `canWiden` leads to; the old one stays as it is. */
export function widenedBuilder(
	builder: LeafBuilder,
	to: DataType,
): LeafBuilder {
	const wider = newLeafBuilder(to as DataType & string);
	const convert = conversion(builder.type, to);
	if (builder.kind === "bool" || builder.kind === "bytes")
		throw new TypeError(`${String(builder.type)} has no wider type`);
	for (let i = 0; i < builder.presence.length; i++)
		if (builder.presence.has(i)) set(wider, i, convert(builder.at(i)));
	return wider;
}

/** The same values in a type that `canWiden` leads to. */
export function widenedVector(
	vector: Vector,
	from: DataType,
	to: DataType,
): Vector {
	const wider = newLeafBuilder(to as DataType & string);
	const convert = conversion(from, to);
	for (let i = 0; i < vector.length; i++)
		if (vector.validity?.[i] !== 0) set(wider, i, convert(at(vector, i)));
	return wider.finish(vector.length);
}

function at(vector: Vector, i: number): number | bigint {
	switch (vector.kind) {
		case "i32":
		case "i64":
		case "f32":
		case "f64":
			return vector.values[i] as number | bigint;
		case "fixed16":
			return readFixed16(vector.values, i);
		default:
			throw new TypeError(`${vector.kind} has no wider type`);
	}
}

function set(builder: LeafBuilder, i: number, value: number | bigint): void {
	switch (builder.kind) {
		case "i32":
		case "f64":
			builder.set(i, Number(value));
			return;
		case "i64":
		case "fixed16":
			builder.setBigInt(i, BigInt(value));
			return;
		default:
			throw new TypeError(`nothing is widened to ${String(builder.type)}`);
	}
}

function conversion(
	from: DataType,
	to: DataType,
): (value: number | bigint) => number | bigint {
	if (from === "date" && to === "timestamp_ntz")
		return (days) => BigInt(days) * DAY_MICROS;
	const target = decimalParts(to);
	if (target === undefined) return (value) => value;
	const factor = 10n ** BigInt(target.scale - (decimalParts(from)?.scale ?? 0));
	return (value) => BigInt(value) * factor;
}
