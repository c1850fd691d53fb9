/**
 * Days since the epoch of `2026-08-31`, as Spark reads dates: one digit will do for month and day,
 * years may have up to 7 digits and a sign, and a time of day that follows is passed over.
 * `undefined` for other text and for days that the calendar doesn't have.
 */
export function parseDate(text: string): number | undefined {
	const match = DATE.exec(text.trim());
	return match === null ? undefined : daysOf(match);
}

/**
 * Microseconds since the epoch of `2026-08-31T12:00:00.000001Z`, as Spark reads timestamps: `T` or a
 * space, a fraction or none, a zone (`Z`, `UTC`, `+02:00`) or none, which counts as UTC, a date
 * alone. A `timestamp_ntz` has no zone but zero. `undefined` for other text and outside of 64 bits.
 */
export function parseTimestamp(
	text: string,
	type: "timestamp" | "timestamp_ntz" = "timestamp",
): bigint | undefined {
	const match = TIMESTAMP.exec(text.trim());
	if (match === null) return undefined;
	const days = daysOf(match);
	const offset = offsetSeconds(match[8]);
	if (days === undefined || offset === undefined) return undefined;
	if (type === "timestamp_ntz" && offset !== 0) return undefined;
	const [hour, minute, second] = [match[4], match[5], match[6]].map((part) =>
		Number(part ?? 0),
	) as [number, number, number];
	if (hour > 23 || minute > 59 || second > 59) return undefined;
	const fraction = (match[7] ?? "").slice(0, 6).padEnd(6, "0");
	const seconds =
		BigInt(days) * 86_400n +
		BigInt(hour * 3600 + minute * 60 + second - offset);
	const micros = seconds * 1_000_000n + BigInt(fraction);
	return BigInt.asIntN(64, micros) === micros ? micros : undefined;
}

const DATE = /^([+-]?\d{4,7})-(\d{1,2})-(\d{1,2})(?:[T ].*)?$/;
const TIMESTAMP =
	/^([+-]?\d{4,7})-(\d{1,2})-(\d{1,2})(?:[T ](\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d*))?)?\s*(Z|z|UTC|GMT|(?:UTC|GMT)?[+-]\d{1,2}(?::?\d{2})?(?::\d{2})?)?)?$/;

const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** After Howard Hinnant's days_from_civil; `Date` ends in the year 275760. */
function daysOf(match: RegExpExecArray): number | undefined {
	const [year, month, day] = [match[1], match[2], match[3]].map(Number) as [
		number,
		number,
		number,
	];
	const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
	const length = (MONTH_DAYS[month - 1] ?? 0) + (month === 2 && leap ? 1 : 0);
	if (day < 1 || day > length) return undefined;
	const y = month <= 2 ? year - 1 : year;
	const era = Math.floor(y / 400);
	const ofEra = y - era * 400;
	const ofYear =
		Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
	const days =
		era * 146_097 +
		ofEra * 365 +
		Math.floor(ofEra / 4) -
		Math.floor(ofEra / 100) +
		ofYear -
		719_468;
	return days === (days | 0) ? days : undefined;
}

function offsetSeconds(zone: string | undefined): number | undefined {
	const match = /([+-])(\d{1,2})(?::?(\d{2}))?(?::(\d{2}))?$/.exec(zone ?? "");
	if (match === null) return 0;
	const [hours, minutes, seconds] = [match[2], match[3], match[4]].map((part) =>
		Number(part ?? 0),
	) as [number, number, number];
	if (hours > 18 || minutes > 59 || seconds > 59) return undefined;
	const total = hours * 3600 + minutes * 60 + seconds;
	return match[1] === "-" ? -total : total;
}
