/** The functions of the subset and how many arguments they take; `bind.ts` has their types. */
export const FUNCTIONS: Readonly<Record<string, Arity>> = {
	abs: { least: 1, most: 1 },
	coalesce: { least: 1, most: Number.POSITIVE_INFINITY },
	concat: { least: 1, most: Number.POSITIVE_INFINITY },
	current_date: { least: 0, most: 0 },
	current_timestamp: { least: 0, most: 0 },
	date_format: { least: 2, most: 2 },
	date_trunc: { least: 2, most: 2 },
	day: { least: 1, most: 1 },
	hour: { least: 1, most: 1 },
	length: { least: 1, most: 1 },
	lower: { least: 1, most: 1 },
	minute: { least: 1, most: 1 },
	month: { least: 1, most: 1 },
	second: { least: 1, most: 1 },
	substring: { least: 2, most: 3 },
	upper: { least: 1, most: 1 },
	year: { least: 1, most: 1 },
};

export interface Arity {
	readonly least: number;
	readonly most: number;
}

/** Other names that Spark has for the same. */
export const SYNONYMS: Readonly<Record<string, string>> = {
	char_length: "length",
	character_length: "length",
	curdate: "current_date",
	dayofmonth: "day",
	lcase: "lower",
	now: "current_timestamp",
	substr: "substring",
	ucase: "upper",
};

export function functionNames(): string {
	return Object.keys(FUNCTIONS).join(", ");
}
