const UNITS: Readonly<Record<string, number>> = {
	microsecond: 0.001,
	millisecond: 1,
	second: 1000,
	minute: 60_000,
	hour: 3_600_000,
	day: 86_400_000,
	week: 7 * 86_400_000,
	// As Spark's calendar intervals in table properties.
	month: 31 * 86_400_000,
};

/** Milliseconds of an interval such as `interval 1 week`; `undefined` when it is none. */
export function intervalMs(text: string | undefined): number | undefined {
	let total: number | undefined;
	for (const [, count, unit] of (text ?? "").matchAll(
		/(-?\d+)\s+([a-z]+?)s?\b/gi,
	)) {
		const factor = UNITS[(unit ?? "").toLowerCase()];
		if (factor === undefined) return undefined;
		total = (total ?? 0) + Number(count) * factor;
	}
	return total === undefined || total < 0 ? undefined : total;
}
