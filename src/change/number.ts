import { areDigits, fourDigits } from "./digits.ts";
import type { JsonReader } from "./json.ts";

/** An integer of at most 15 digits, in `value`. */
export const SMALL = 0;
/** An integer of 64 bits, in `low` and `high`; `value` is the nearest double. */
export const WIDE = 1;
/** An integer beyond 64 bits. */
export const HUGE = 2;
/** Anything else, correctly rounded in `value`; -0 is one, and what is too large is infinite. */
export const DOUBLE = 3;

const POWERS = Float64Array.from({ length: 23 }, (_, i) => Number(`1e${i}`));

/** Whether text is a number as JSON has it. */
export function isJsonNumber(text: string): boolean {
	return /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?$/.test(text);
}

/** Digits that are collected exactly: the first 15 in one number, the next four in another. */
const HEAD = 15;
const TOTAL = 19;

/** Reads numbers as JSON writes them, without a string where that can be helped. */
export class NumberReader {
	value = 0;
	low = 0;
	high = 0;
	/** The text of the last number is `bytes[start, stop)`. */
	start = 0;
	stop = 0;

	/** Reads the number at the reader's position; returns its kind. */
	read(json: JsonReader): number {
		const { bytes, view } = json;
		let pos = json.pos;
		this.start = pos;
		const negative = bytes[pos] === 0x2d;
		if (negative) pos++;
		let head = 0;
		let tail = 0;
		let digits = 0;
		let digit = (bytes[pos] as number) - 0x30;
		if (digit < 0 || digit > 9) json.fail(`no value at byte ${pos}`);
		if (digit === 0) pos++;
		else
			for (;;) {
				if (digits + 4 <= HEAD) {
					const word = view.getInt32(pos, true);
					if (areDigits(word)) {
						head = head * 10_000 + fourDigits(word);
						digits += 4;
						pos += 4;
						digit = (bytes[pos] as number) - 0x30;
						if (digit < 0 || digit > 9) break;
						continue;
					}
				}
				if (digits < HEAD) head = head * 10 + digit;
				else if (digits < TOTAL) tail = tail * 10 + digit;
				digits++;
				digit = (bytes[++pos] as number) - 0x30;
				if (digit < 0 || digit > 9) break;
			}
		const next = bytes[pos] as number;
		if (next !== 0x2e && (next | 0x20) !== 0x65) {
			json.pos = this.stop = pos;
			if (digits <= HEAD) {
				this.value = negative ? -head : head;
				return negative && head === 0 ? DOUBLE : SMALL;
			}
			return digits <= TOTAL
				? this.#wide(head, tail, digits - HEAD, negative)
				: HUGE;
		}
		let exponent = 0;
		if (next === 0x2e) {
			digit = (bytes[++pos] as number) - 0x30;
			if (digit < 0 || digit > 9) json.fail(`no value at byte ${pos}`);
			const from = pos;
			do {
				if (digits > 0 && digits + 4 <= HEAD) {
					const word = view.getInt32(pos, true);
					if (areDigits(word)) {
						head = head * 10_000 + fourDigits(word);
						digits += 4;
						pos += 4;
						digit = (bytes[pos] as number) - 0x30;
						continue;
					}
				}
				if (digits < HEAD) head = head * 10 + digit;
				else if (digits < TOTAL) tail = tail * 10 + digit;
				// Zeros before the first digit that counts are no digits.
				if (digits > 0 || digit > 0) digits++;
				digit = (bytes[++pos] as number) - 0x30;
			} while (digit >= 0 && digit <= 9);
			exponent = from - pos;
		}
		if (((bytes[pos] as number) | 0x20) === 0x65) {
			json.pos = pos + 1;
			exponent += this.#exponent(json);
			pos = json.pos;
		}
		json.pos = this.stop = pos;
		const value = doubleOf(head, tail, digits, exponent);
		// What has no quick exact way goes the long one.
		if (Number.isNaN(value))
			this.value = Number(json.ascii(this.start, this.stop));
		else this.value = negative ? -value : value;
		return DOUBLE;
	}

	/** The text of the last number. */
	text(json: JsonReader): string {
		return json.ascii(this.start, this.stop);
	}

	#exponent(json: JsonReader): number {
		const { bytes } = json;
		const sign = bytes[json.pos];
		if (sign === 0x2b || sign === 0x2d) json.pos++;
		let exponent = 0;
		let digit = (bytes[json.pos] as number) - 0x30;
		if (digit < 0 || digit > 9) json.fail(`no value at byte ${json.pos}`);
		do {
			if (exponent < 10_000) exponent = exponent * 10 + digit;
			digit = (bytes[++json.pos] as number) - 0x30;
		} while (digit >= 0 && digit <= 9);
		return sign === 0x2d ? -exponent : exponent;
	}

	/** An integer of 16 to 19 digits: `head` of 15 and the `count` digits of `tail`. */
	#wide(head: number, tail: number, count: number, negative: boolean): number {
		// head * power + tail, in parts of 16 bits and more that doubles hold exactly.
		const power = POWERS[count] as number;
		const upper = Math.floor(head / 65_536);
		const product = upper * power;
		const top = Math.floor(product / 65_536);
		const rest =
			(product - top * 65_536) * 65_536 +
			(head - upper * 65_536) * power +
			tail;
		const carry = Math.floor(rest / 2 ** 32);
		let high = top + carry;
		let low = rest - carry * 2 ** 32;
		if (high >= 2 ** 31 && !(negative && high === 2 ** 31 && low === 0))
			return HUGE;
		if (negative) {
			high = low === 0 ? -high : -high - 1;
			low = low === 0 ? 0 : 2 ** 32 - low;
		}
		this.low = low | 0;
		this.high = high | 0;
		this.value = this.high * 2 ** 32 + (this.low >>> 0);
		return WIDE;
	}
}

/**
 * head × 10^(digits after the head) + tail, times 10^exponent, rounded once; NaN when that takes more
 * than a few exact operations.
 */
function doubleOf(
	head: number,
	tail: number,
	digits: number,
	exponent: number,
): number {
	if (digits === 0) return 0;
	if (digits <= HEAD) {
		// Both numbers are exact, and so the one operation rounds correctly (Clinger's fast path).
		if (exponent < 0)
			return exponent >= -22
				? head / (POWERS[-exponent] as number)
				: Number.NaN;
		return exponent <= 22 ? head * (POWERS[exponent] as number) : Number.NaN;
	}
	if (digits > TOTAL || exponent > 0 || exponent < -22) return Number.NaN;
	return quotient(
		head,
		POWERS[digits - HEAD] as number,
		tail,
		POWERS[-exponent] as number,
	);
}

/**
 * (head × power + tail) / divisor in pairs of doubles; NaN when the result is so near the middle of
 * two doubles that the pair's error could decide.
 */
function quotient(
	head: number,
	power: number,
	tail: number,
	divisor: number,
): number {
	const product = head * power;
	const error = productError(head, power, product) + tail;
	const dividend = product + error;
	const dividendLow = error - (dividend - product);
	const first = dividend / divisor;
	const back = first * divisor;
	const rest =
		dividend - back - productError(first, divisor, back) + dividendLow;
	const correction = rest / divisor;
	// The correction is off by less than 2^-104 of the quotient; rounding is monotonic.
	const margin = first * 2 ** -100;
	const value = first + (correction - margin);
	return value === first + (correction + margin) ? value : Number.NaN;
}

/** a × b − product, exactly (Dekker's product with Veltkamp's split). */
function productError(a: number, b: number, product: number): number {
	const aSplit = a * 134_217_729;
	const aHigh = aSplit - (aSplit - a);
	const aLow = a - aHigh;
	const bSplit = b * 134_217_729;
	const bHigh = bSplit - (bSplit - b);
	const bLow = b - bHigh;
	return aHigh * bHigh - product + aHigh * bLow + aLow * bHigh + aLow * bLow;
}
