/** The proleptic Gregorian calendar; the zone of a session is always UTC. */
export interface CivilDate {
	readonly year: number;
	/** 1 to 12. */
	readonly month: number;
	/** 1 to 31. */
	readonly day: number;
}

export const DAY_MICROS = 86_400_000_000n;

/** The date of days since the epoch (Howard Hinnant's civil_from_days). */
export function civilOf(days: number): CivilDate {
	const shifted = days + 719_468;
	const era = Math.floor(shifted / 146_097);
	const inEra = shifted - era * 146_097;
	const yearOfEra = Math.floor(
		(inEra -
			Math.floor(inEra / 1460) +
			Math.floor(inEra / 36_524) -
			Math.floor(inEra / 146_096)) /
			365,
	);
	const ofYear =
		inEra -
		(365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
	const fromMarch = Math.floor((5 * ofYear + 2) / 153);
	const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9;
	return {
		year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
		month,
		day: ofYear - Math.floor((153 * fromMarch + 2) / 5) + 1,
	};
}

/** Days since the epoch; the inverse of `civilOf`. */
export function daysOf(year: number, month: number, day: number): number {
	const shiftedYear = month <= 2 ? year - 1 : year;
	const era = Math.floor(shiftedYear / 400);
	const ofEra = shiftedYear - era * 400;
	const ofYear =
		Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
	const inEra =
		ofEra * 365 + Math.floor(ofEra / 4) - Math.floor(ofEra / 100) + ofYear;
	return era * 146_097 + inEra - 719_468;
}

/** The day that a moment is in, and the microseconds since its midnight. */
export function dayOf(micros: bigint): { days: number; rest: number } {
	let days = micros / DAY_MICROS;
	let rest = micros % DAY_MICROS;
	if (rest < 0n) {
		days -= 1n;
		rest += DAY_MICROS;
	}
	return { days: Number(days), rest: Number(rest) };
}

/** `yyyy`, `yyyy-m`, `yyyy-m-d`, the last with anything after a space or a `T`, as Spark casts it. */
export function parseDate(text: string): number | undefined {
	const match = DATE.exec(text.trim());
	if (match === null) return undefined;
	const [, sign, year, month, day] = match;
	return checkedDays(sign, year, month, day);
}

/**
 * A date with an optional time `h:m[:s[.fraction]]` and zone (`Z`, `UTC`, an offset), in µs of UTC;
 * without a zone it is UTC. More than six digits of a fraction are cut, as Spark does.
 */
export function parseTimestamp(text: string): bigint | undefined {
	const match = TIMESTAMP.exec(text.trim());
	if (match === null) return undefined;
	const [, sign, year, month, day, hour, minute, second, fraction] = match;
	const days = checkedDays(sign, year, month, day);
	const [h, m, s] = [hour, minute, second].map((part) => Number(part ?? 0));
	const offset = zoneOffset(match[9]);
	if (
		days === undefined ||
		offset === undefined ||
		(h ?? 0) > 23 ||
		(m ?? 0) > 59 ||
		(s ?? 0) > 59
	)
		return undefined;
	const seconds =
		BigInt(days) * 86_400n +
		BigInt((h ?? 0) * 3600 + (m ?? 0) * 60 + (s ?? 0) - offset);
	const micros =
		seconds * 1_000_000n + BigInt((fraction ?? "").slice(0, 6).padEnd(6, "0"));
	return micros === BigInt.asIntN(64, micros) ? micros : undefined;
}

const DATE = /^([+-]?)(\d{4,7})(?:-(\d{1,2})(?:-(\d{1,2})(?:[ T].*)?)?)?$/s;
const TIMESTAMP =
	/^([+-]?)(\d{4,6})(?:-(\d{1,2})(?:-(\d{1,2})(?:[ T](\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d*))?)?\s?((?:[A-Za-z+-].*)?))?)?)?$/s;
const OFFSET = /^(?:UTC|GMT|UT)?([+-])(\d{1,2})(?::?(\d{2}))?$/;

function checkedDays(
	sign: string | undefined,
	year: string | undefined,
	month = "1",
	day = "1",
): number | undefined {
	const y = Number(year) * (sign === "-" ? -1 : 1);
	const m = Number(month);
	const d = Number(day);
	if (m < 1 || m > 12 || d < 1) return undefined;
	const days = daysOf(y, m, d);
	const back = civilOf(days);
	// Java's last day; a date is an int32.
	if (back.month !== m || back.day !== d || Math.abs(days) > 0x7fffffff)
		return undefined;
	return days;
}

/** Seconds east of UTC. */
function zoneOffset(zone: string | undefined): number | undefined {
	if (zone === undefined || /^(?:|Z|UTC|GMT|UT)$/.test(zone)) return 0;
	const match = OFFSET.exec(zone);
	if (match === null) return undefined;
	const minutes = Number(match[2]) * 60 + Number(match[3] ?? 0);
	if (Number(match[3] ?? 0) > 59 || minutes > 18 * 60) return undefined;
	return minutes * 60 * (match[1] === "-" ? -1 : 1);
}
