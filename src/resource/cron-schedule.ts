/** As much as the API server's own schema can hold; `isCronSchedule` says the rest. */
export const CRON_SHAPE = /^(@[a-z]+|([0-9A-Za-z*,/-]+ ){4}[0-9A-Za-z*,/-]+)$/;

const NAMED = /^@(yearly|annually|monthly|weekly|daily|midnight|hourly)$/;
const MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split(" ");
const DAYS = "sun mon tue wed thu fri sat".split(" ");

/** Least and greatest value of minute, hour, day, month and weekday, and names for them. */
const FIELDS = [
	{ least: 0, most: 59, names: [] },
	{ least: 0, most: 23, names: [] },
	{ least: 1, most: 31, names: [] },
	{ least: 1, most: 12, names: MONTHS },
	{ least: 0, most: 7, names: DAYS },
] as const;

/** Whether a CronJob takes it as its schedule. */
export function isCronSchedule(text: string): boolean {
	if (NAMED.test(text)) return true;
	const fields = text.split(" ");
	return (
		fields.length === FIELDS.length &&
		FIELDS.every((field, i) =>
			(fields[i] ?? "").split(",").every((item) => isItem(item, field)),
		)
	);
}

const SPELLED_OUT: Readonly<Record<string, string>> = {
	"@yearly": "0 0 1 1 *",
	"@annually": "0 0 1 1 *",
	"@monthly": "0 0 1 * *",
	"@weekly": "0 0 * * 0",
	"@daily": "0 0 * * *",
	"@midnight": "0 0 * * *",
	"@hourly": "0 * * * *",
};

/** Whether a schedule that `isCronSchedule` accepts has a run in the minute of this time, in UTC. */
export function isDue(schedule: string, at: Date): boolean {
	const fields = (SPELLED_OUT[schedule] ?? schedule).split(" ");
	const [minute, hour, day, month, weekday] = [
		at.getUTCMinutes(),
		at.getUTCHours(),
		at.getUTCDate(),
		at.getUTCMonth() + 1,
		at.getUTCDay(),
	].map((value, i) => includes(fields[i] ?? "*", FIELDS[i], value));
	// Where both days are restricted, either will do (crontab(5)).
	const either =
		!(fields[2] ?? "").startsWith("*") && !(fields[4] ?? "").startsWith("*");
	const today = either ? day || weekday : day && weekday;
	return (minute && hour && month && today) ?? false;
}

function includes(
	text: string,
	field: (typeof FIELDS)[number] | undefined,
	value: number,
): boolean {
	if (field === undefined) return false;
	return text.split(",").some((item) => {
		const [range = "", step = "1"] = item.split("/");
		const [first, last] =
			range === "*"
				? [field.least, field.most]
				: range.split("-").map((part) => numberOf(part, field));
		if (first === undefined) return false;
		const end = last ?? (item.includes("/") ? field.most : first);
		// Sunday is 0 and 7.
		return (field.most === 7 && value === 0 ? [0, 7] : [value]).some(
			(one) => one >= first && one <= end && (one - first) % Number(step) === 0,
		);
	});
}

/** `*`, a value or a range, each with a step if need be. */
function isItem(item: string, field: (typeof FIELDS)[number]): boolean {
	const [, range = "", step] = /^([^/]+)(?:\/(\d{1,2}))?$/.exec(item) ?? [];
	if (step !== undefined && Number(step) === 0) return false;
	if (range === "*") return true;
	const values = range.split("-").map((value) => numberOf(value, field));
	const [first, last = first] = values;
	return (
		values.length <= 2 &&
		first !== undefined &&
		last !== undefined &&
		first <= last
	);
}

function numberOf(
	text: string,
	{ least, most, names }: (typeof FIELDS)[number],
): number | undefined {
	const named = (names as readonly string[]).indexOf(text.toLowerCase());
	if (named >= 0) return named + least;
	const value = Number(text);
	return /^\d{1,2}$/.test(text) && value >= least && value <= most
		? value
		: undefined;
}
