/** A number as `unscaled` × 10^−`scale`, with a scale of 0 or more. */
export interface Decimal {
	readonly unscaled: bigint;
	readonly scale: number;
}

const FORM = /^(-?)(\d{1,40})(?:\.(\d{1,40}))?(?:[Ee]([+-]?\d{1,4}))?$/;
/** No column has more digits, before its point or behind it. */
const MOST = 38;

/**
 * The value of a decimal's text, such as `12.50`, `1E+3` or `-4.2E-7`, in as few digits behind the point
 * as it needs. `undefined` for what no decimal column holds: NaN, infinities, more than 38 digits.
 */
export function decimalOf(text: string): Decimal | undefined {
	const match = FORM.exec(text);
	if (match === null) return undefined;
	const [, sign, whole = "", fraction = "", exponent = "0"] = match;
	let unscaled = BigInt(`${sign}${whole}${fraction}`);
	if (unscaled === 0n) return { unscaled, scale: 0 };
	let scale = fraction.length - Number(exponent);
	while (scale > 0 && unscaled % 10n === 0n) {
		unscaled /= 10n;
		scale--;
	}
	if (scale > MOST || scale < -MOST) return undefined;
	if (scale < 0) {
		unscaled *= 10n ** BigInt(-scale);
		scale = 0;
	}
	return digitsOf(unscaled) <= MOST ? { unscaled, scale } : undefined;
}

export function digitsOf(value: bigint): number {
	return String(value < 0n ? -value : value).length;
}
