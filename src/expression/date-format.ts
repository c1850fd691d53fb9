import { unsupported } from "./errors.ts";
import { civilOf, DAY_MICROS, dayOf, daysOf } from "./time.ts";

/**
 * What `date_format` makes of a moment (µs): the fields yyyy, MM, dd, HH, mm and ss, and other
 * characters than letters as they are.
 * @throws ExpressionError EXPRESSION_UNSUPPORTED for other fields
 */
export function dateFormat(
	format: string,
	at?: number,
): (micros: bigint) => string {
	const parts = format.match(/[A-Za-z]+|[^A-Za-z]+/g) ?? [];
	// yyyyMMdd is one run of letters.
	const fields = parts.flatMap((part) => part.match(/(.)\1*/gsu) ?? []);
	const wrong = fields.find(
		(field) =>
			/['[\]{}#]/.test(field) ||
			(/[A-Za-z]/.test(field) && !Object.hasOwn(FIELDS, field)),
	);
	if (wrong !== undefined)
		throw unsupported(
			`the field ${wrong.slice(0, 20)} of a date format is not supported; there are ${Object.keys(FIELDS).join(", ")}`,
			at,
		);
	return (micros) => {
		const { days, rest } = dayOf(micros);
		const seconds = Math.floor(rest / 1e6);
		const civil = civilOf(days);
		return fields
			.map((field) => FIELDS[field]?.({ ...civil, seconds }) ?? field)
			.join("");
	};
}

/**
 * What `date_trunc` makes of a moment: the beginning of the unit that it is in, in µs.
 * @throws ExpressionError EXPRESSION_UNSUPPORTED for a unit that isn't one of Spark's
 */
export function truncation(
	unit: string,
	at?: number,
): (micros: bigint) => bigint {
	const upper = unit.toUpperCase();
	const small = Object.hasOwn(SMALL_UNITS, upper)
		? SMALL_UNITS[upper]
		: undefined;
	if (small !== undefined)
		return (micros) => {
			const over = micros % small;
			return micros - (over < 0n ? over + small : over);
		};
	const first = Object.hasOwn(UNITS, upper) ? UNITS[upper] : undefined;
	if (first === undefined)
		throw unsupported(
			`the unit ${unit.slice(0, 20)} of date_trunc is not supported; there are ${[...Object.keys(UNITS), ...Object.keys(SMALL_UNITS)].join(", ")}`,
			at,
		);
	return (micros) => BigInt(first(dayOf(micros).days)) * DAY_MICROS;
}

interface Moment {
	readonly year: number;
	readonly month: number;
	readonly day: number;
	readonly seconds: number;
}

const two = (value: number): string => String(value).padStart(2, "0");

const FIELDS: Readonly<Record<string, (moment: Moment) => string>> = {
	// The year of its era, with a sign when it has more than four digits, as Java's formatter.
	yyyy: ({ year }) => {
		const ofEra = year > 0 ? year : 1 - year;
		return ofEra > 9999 ? `+${ofEra}` : String(ofEra).padStart(4, "0");
	},
	MM: ({ month }) => two(month),
	dd: ({ day }) => two(day),
	HH: ({ seconds }) => two(Math.floor(seconds / 3600)),
	mm: ({ seconds }) => two(Math.floor(seconds / 60) % 60),
	ss: ({ seconds }) => two(seconds % 60),
};

const SMALL_UNITS: Readonly<Record<string, bigint>> = {
	DAY: DAY_MICROS,
	DD: DAY_MICROS,
	HOUR: 3_600_000_000n,
	MINUTE: 60_000_000n,
	SECOND: 1_000_000n,
	MILLISECOND: 1000n,
	MICROSECOND: 1n,
};

const year = (days: number): number => daysOf(civilOf(days).year, 1, 1);
const month = (days: number): number => {
	const civil = civilOf(days);
	return daysOf(civil.year, civil.month, 1);
};

/** The first day of the unit that a day is in. */
const UNITS: Readonly<Record<string, (days: number) => number>> = {
	YEAR: year,
	YYYY: year,
	YY: year,
	QUARTER: (days) => {
		const civil = civilOf(days);
		return daysOf(civil.year, civil.month - ((civil.month - 1) % 3), 1);
	},
	MONTH: month,
	MM: month,
	MON: month,
	// Weeks begin on Monday; day 0 was a Thursday.
	WEEK: (days) => days - ((((days + 3) % 7) + 7) % 7),
};
