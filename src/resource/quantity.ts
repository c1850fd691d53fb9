import { z } from "zod";

const UNITS: Readonly<Record<string, number>> = {
	"": 1,
	k: 1e3,
	M: 1e6,
	G: 1e9,
	Ki: 2 ** 10,
	Mi: 2 ** 20,
	Gi: 2 ** 30,
};

const SECONDS: Readonly<Record<string, number>> = {
	ms: 0.001,
	s: 1,
	m: 60,
	h: 3600,
	d: 86_400,
};

/** A Kubernetes quantity of bytes, such as `64Mi`. */
export const bytesQuantity = z
	.string()
	.max(20)
	.regex(/^[0-9]+(k|M|G|Ki|Mi|Gi)?$/, "must be bytes such as 64Mi");

/** A duration of one unit, such as `5s` or `168h`. */
export const durationText = z
	.string()
	.max(20)
	.regex(/^[0-9]+(ms|s|m|h|d)$/, "must be a duration such as 5s or 168h");

/** Bytes of a text that `bytesQuantity` accepted. */
export function parseBytes(text: string): number {
	const [, digits, unit] = /^([0-9]+)([A-Za-z]*)$/.exec(text) ?? [];
	return Number(digits) * (UNITS[unit ?? ""] ?? Number.NaN);
}

/** Milliseconds of a text that `durationText` accepted. */
export function parseDuration(text: string): number {
	const [, digits, unit] = /^([0-9]+)([a-z]+)$/.exec(text) ?? [];
	return Math.round(
		Number(digits) * (SECONDS[unit ?? ""] ?? Number.NaN) * 1000,
	);
}
