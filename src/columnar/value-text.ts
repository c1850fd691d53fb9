import type { DataType } from "./types.ts";

/** `unscaled` × 10^−`scale` with all its digits. */
export function decimalText(unscaled: bigint, scale: number): string {
	if (scale <= 0)
		return unscaled === 0n ? "0" : `${unscaled}${"0".repeat(-scale)}`;
	const digits = (unscaled < 0n ? -unscaled : unscaled)
		.toString()
		.padStart(scale + 1, "0");
	const sign = unscaled < 0n ? "-" : "";
	return `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

/** Days since the epoch as `2026-08-31`; years outside 0 to 9999 have a sign. */
export function dateText(days: number): string {
	// Days of the 400-year cycles that start on 1 March, after Howard Hinnant's civil_from_days.
	const shifted = days + 719_468;
	const era = Math.floor(shifted / 146_097);
	const day = shifted - era * 146_097;
	const year = Math.floor(
		(day -
			Math.floor(day / 1460) +
			Math.floor(day / 36_524) -
			Math.floor(day / 146_096)) /
			365,
	);
	const ofYear =
		day - (365 * year + Math.floor(year / 4) - Math.floor(year / 100));
	const month = Math.floor((5 * ofYear + 2) / 153);
	const date = ofYear - Math.floor((153 * month + 2) / 5) + 1;
	const calendarMonth = month < 10 ? month + 3 : month - 9;
	const calendarYear = year + era * 400 + (calendarMonth <= 2 ? 1 : 0);
	return `${yearText(calendarYear)}-${pad(calendarMonth, 2)}-${pad(date, 2)}`;
}

/** Microseconds since the epoch as `2026-08-31T12:00:00.000001`, without a zone. */
export function timestampText(micros: bigint): string {
	const DAY = 86_400_000_000n;
	let days = micros / DAY;
	let rest = micros % DAY;
	if (rest < 0n) {
		days -= 1n;
		rest += DAY;
	}
	const inDay = Number(rest);
	const seconds = Math.floor(inDay / 1e6);
	const time = [seconds / 3600, (seconds / 60) % 60, seconds % 60]
		.map((part) => pad(Math.floor(part), 2))
		.join(":");
	return `${dateText(Number(days))}T${time}.${pad(inDay % 1e6, 6)}`;
}

/** The fewest digits that are this number; those of a float aren't those of the double. */
export function numberText(value: number, type: DataType): string {
	if (Object.is(value, -0)) return "-0";
	if (type === "float" && Number.isFinite(value)) {
		// The shortest digits that are this float, not those of the double.
		for (let digits = 6; digits < 9; digits++) {
			const short = Number(value.toPrecision(digits));
			if (Math.fround(short) === value) return String(short);
		}
	}
	return String(value);
}

function pad(value: number, digits: number): string {
	return String(value).padStart(digits, "0");
}

function yearText(year: number): string {
	if (year < 0) return `-${pad(-year, 4)}`;
	return year > 9999 ? `+${year}` : pad(year, 4);
}
