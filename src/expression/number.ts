import type { DecimalType } from "../columnar/types.ts";

export interface Decimal {
	readonly unscaled: bigint;
	readonly scale: number;
}

export const MAX_PRECISION = 38;

/**
 * A decimal text with all its digits, exponent included; `undefined` when it is none. The scale is
 * never negative.
 */
export function parseDecimal(text: string): Decimal | undefined {
	const match = DECIMAL.exec(text);
	if (match === null) return undefined;
	const [, sign, whole = "", fraction = "", exponent] = match;
	if (whole === "" && fraction === "") return undefined;
	const shift = Number(exponent ?? 0);
	// 1e999999999 would be a gigabyte of zeros.
	if (Math.abs(shift) > 1000 || whole.length + fraction.length > 1000)
		return undefined;
	const digits = BigInt(`${whole}${fraction}`);
	const unscaled = sign === "-" ? -digits : digits;
	const scale = fraction.length - shift;
	return scale >= 0
		? { unscaled, scale }
		: { unscaled: unscaled * 10n ** BigInt(-scale), scale: 0 };
}

/** The smallest decimal type that holds a value; `undefined` when none does. */
export function typeOfDecimal(value: Decimal): DecimalType | undefined {
	const precision = Math.max(digitsOf(value.unscaled), value.scale, 1);
	return precision > MAX_PRECISION
		? undefined
		: `decimal(${precision},${value.scale})`;
}

/** The same number at another scale, rounded half up (away from zero) where digits go. */
export function rescale(unscaled: bigint, from: number, to: number): bigint {
	return to >= from
		? unscaled * 10n ** BigInt(to - from)
		: divideHalfUp(unscaled, 10n ** BigInt(from - to));
}

export function divideHalfUp(dividend: bigint, divisor: bigint): bigint {
	const quotient = dividend / divisor;
	const rest = dividend % divisor;
	const twice = (rest < 0n ? -rest : rest) * 2n;
	if (twice < (divisor < 0n ? -divisor : divisor)) return quotient;
	return dividend < 0n === divisor < 0n ? quotient + 1n : quotient - 1n;
}

export function fits(unscaled: bigint, precision: number): boolean {
	const limit = 10n ** BigInt(precision);
	return unscaled < limit && unscaled > -limit;
}

/** The nearest double. */
export function doubleOf({ unscaled, scale }: Decimal): number {
	return Number(`${unscaled}e${-scale}`);
}

/** As Java prints a double or a float: `1.0`, `1.0E10`, `NaN`, `Infinity`. */
export function javaNumberText(value: number, float: boolean): string {
	if (!Number.isFinite(value)) return String(value);
	if (value === 0) return Object.is(value, -0) ? "-0.0" : "0.0";
	const [digits = "", power = "0"] = (float ? shortestFloat(value) : value)
		.toExponential()
		.split("e");
	const exponent = Number(power);
	if (exponent < -3 || exponent >= 7)
		return `${digits.includes(".") ? digits : `${digits}.0`}E${exponent}`;
	const plain = float ? String(shortestFloat(value)) : String(value);
	return plain.includes(".") ? plain : `${plain}.0`;
}

const DECIMAL = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,9}))?$/;

function digitsOf(unscaled: bigint): number {
	const text = unscaled.toString();
	return unscaled < 0n ? text.length - 1 : text.length;
}

/** A double with the fewest digits that is this float. */
function shortestFloat(value: number): number {
	for (let digits = 1; digits < 9; digits++) {
		const short = Number(value.toPrecision(digits));
		if (Math.fround(short) === value) return short;
	}
	return value;
}
