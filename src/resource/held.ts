import type { z } from "zod";

/** An object of a kind of ours, as the API server has it. */
export interface HeldObject {
	readonly apiVersion?: string | undefined;
	readonly kind?: string | undefined;
	readonly metadata: object;
	readonly spec?: unknown;
}

/**
 * Parses what the API server holds. Fields that this version does not know are left out: a definition is newer
 * than the process in the middle of every upgrade, and gives its defaults to every object at once. Whether
 * a user's field exists is for the API server to say; files that are read without one are parsed strictly.
 */
export function parseHeld<Type extends z.ZodType>(
	type: Type,
	{ apiVersion, kind, metadata, spec }: HeldObject,
): z.ZodSafeParseResult<z.output<Type>> {
	return parseKnown(type, { apiVersion, kind, metadata, spec });
}

/** The same of a part of an object. */
export function parseKnown<Type extends z.ZodType>(
	type: Type,
	held: unknown,
): z.ZodSafeParseResult<z.output<Type>> {
	const result = type.safeParse(held);
	if (result.success) return result;
	const unknown = result.error.issues.filter(
		(issue) => issue.code === "unrecognized_keys",
	);
	if (unknown.length === 0) return result;
	const known = structuredClone(held);
	for (const { path, keys } of unknown) {
		const part = at(known, path);
		for (const key of keys) delete part[key];
	}
	// What is below an unknown field is gone with it; what is beside one may hide another problem.
	return parseKnown(type, known);
}

function at(
	value: unknown,
	path: readonly PropertyKey[],
): Record<PropertyKey, unknown> {
	let part = value as Record<PropertyKey, unknown>;
	for (const step of path) part = part[step] as Record<PropertyKey, unknown>;
	return part;
}
