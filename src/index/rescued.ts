import { valueAt } from "../columnar/value.ts";
import type { Vector } from "../columnar/vector.ts";

/** The value of a null column that the row's rescued data has, as JSON. */
export function rescuedText(
	name: string,
	rescued: Vector | undefined,
	row: number,
): string | undefined {
	const value = rescuedValues(rescued, row)?.[pathName(name)];
	return value === undefined || value === null
		? undefined
		: JSON.stringify(value);
}

/** What the row's rescued data has of the inside of a document; empty without any. */
export function rescuedInside(
	name: string,
	rescued: Vector | undefined,
	row: number,
): string {
	const prefix = `${pathName(name)}.`;
	const inside = Object.entries(rescuedValues(rescued, row) ?? {}).filter(
		([path]) => path.startsWith(prefix),
	);
	return inside.length === 0 ? "" : JSON.stringify(inside.sort());
}

function rescuedValues(
	rescued: Vector | undefined,
	row: number,
): Readonly<Record<string, unknown>> | undefined {
	if (rescued === undefined) return undefined;
	const text = valueAt(rescued, "string", row);
	return typeof text === "string" ? parseExactly(text) : undefined;
}

/** Numbers as their text: no two of them become one. */
function parseExactly(text: string): Record<string, unknown> {
	const exact = (
		_: string,
		value: unknown,
		context?: { readonly source?: string },
	): unknown =>
		typeof value === "number" ? { number: context?.source } : value;
	return JSON.parse(text, exact) as Record<string, unknown>;
}

/** How rescued data names a column. */
function pathName(name: string): string {
	return name.includes(".") || name.includes("`")
		? `\`${name.replaceAll("`", "``")}\``
		: name;
}
