import { isDeepStrictEqual } from "node:util";
import { MASK, namesSecret } from "./redact.ts";

/** A field that is not what it was; absent on a side where it is not there. */
export interface Difference {
	readonly path: string;
	readonly before?: unknown;
	readonly after?: unknown;
}

/** Fields that differ, in the order of their paths; values of secret names are masked. Pure. */
export function differences(
	before: unknown,
	after: unknown,
	path = "",
): Difference[] {
	if (isDeepStrictEqual(before, after)) return [];
	if (isMap(before) && isMap(after))
		return [...new Set([...Object.keys(before), ...Object.keys(after)])]
			.sort()
			.flatMap((name) =>
				differences(
					before[name],
					after[name],
					path === "" ? name : `${path}.${name}`,
				),
			);
	const hide = (value: unknown): unknown =>
		namesSecret(path.split(".").at(-1) ?? "") || namesSecret(path)
			? MASK
			: value;
	return [
		{
			path,
			...(before !== undefined && { before: hide(before) }),
			...(after !== undefined && { after: hide(after) }),
		},
	];
}

/**
 * What a JSON merge patch has to say so that an object becomes as the file wants it, fields that the file
 * named before and no longer does included (as `kubectl apply` does with its last-applied annotation).
 */
export function mergePatch(last: unknown, wanted: unknown): unknown {
	if (!isMap(wanted)) return wanted;
	const old = isMap(last) ? last : {};
	return Object.fromEntries([
		...Object.keys(old)
			.filter((name) => !(name in wanted))
			.map((name) => [name, null] as const),
		...Object.entries(wanted).map(
			([name, value]) => [name, mergePatch(old[name], value)] as const,
		),
	]);
}

function isMap(value: unknown): value is Record<string, unknown> {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** For people: `+` new, `-` gone, `~` changed. */
export function differenceText({ path, before, after }: Difference): string {
	const show = (value: unknown): string =>
		typeof value === "string" ? value : JSON.stringify(value);
	if (before === undefined) return `+ ${path}  ${show(after)}`;
	if (after === undefined) return `- ${path}  ${show(before)}`;
	return `~ ${path}  ${show(before)} -> ${show(after)}`;
}
