import type { LeafStats } from "../columnar/parquet/encode.ts";
import type { DataType } from "../columnar/types.ts";
import { dateText, decimalText, timestampText } from "../columnar/value.ts";
import type { Value } from "../columnar/vector.ts";

const PREFIX = 32;

/**
 * The `stats` text of a file (PROTOCOL.md, "Per-file Statistics"), of the first leaf columns that the
 * table indexes. Strings are cut; a cut maximum gets a character that is greater than any that
 * follows. Timestamps are cut to milliseconds, which readers allow for.
 */
export function fileStats(
	rows: number,
	leaves: readonly LeafStats[],
	options: { readonly indexed?: number } = {},
): string {
	const minValues: Tree = {};
	const maxValues: Tree = {};
	const nullCount: Tree = {};
	const indexed = options.indexed ?? 32;
	for (const leaf of indexed < 0 ? leaves : leaves.slice(0, indexed)) {
		put(nullCount, leaf.path, String(leaf.nullCount));
		if (leaf.min === undefined || leaf.max === undefined) continue;
		const min = bound(leaf.min, leaf.type, "min");
		const max = bound(leaf.max, leaf.type, "max");
		if (min !== undefined) put(minValues, leaf.path, min);
		if (max !== undefined) put(maxValues, leaf.path, max);
	}
	return `{"numRecords":${rows},"minValues":${text(minValues)},"maxValues":${text(maxValues)},"nullCount":${text(nullCount)},"tightBounds":true}`;
}

/** The same statistics once a deletion vector hides rows: bounds may be wider than the rows. */
export function looseStats(stats: string): string {
	return stats.replace(/"tightBounds":true/, '"tightBounds":false');
}

/** JSON texts, nested as the schema is; kept as text so that numbers stay exact. */
interface Tree {
	[name: string]: Tree | string;
}

function put(tree: Tree, path: readonly string[], json: string): void {
	let node = tree;
	for (const name of path.slice(0, -1)) {
		const inner = Object.hasOwn(node, name) ? node[name] : undefined;
		if (typeof inner === "object") node = inner;
		else {
			const made: Tree = {};
			define(node, name, made);
			node = made;
		}
	}
	define(node, path.at(-1) ?? "", json);
}

/** Assignment would lose a field named `__proto__`. */
function define(tree: Tree, name: string, value: Tree | string): void {
	Object.defineProperty(tree, name, {
		value,
		enumerable: true,
		configurable: true,
		writable: true,
	});
}

function text(tree: Tree): string {
	return `{${Object.entries(tree)
		.map(
			([name, value]) =>
				`${JSON.stringify(name)}:${typeof value === "string" ? value : text(value)}`,
		)
		.join(",")}}`;
}

/** JSON text of a bound; `undefined` where the format has none. */
function bound(
	value: Value,
	type: DataType,
	side: "min" | "max",
): string | undefined {
	switch (type) {
		case "boolean":
		case "binary":
			return undefined;
		case "date":
			return typeof value === "number"
				? JSON.stringify(dateText(value))
				: undefined;
		case "timestamp":
		case "timestamp_ntz": {
			if (typeof value !== "bigint") return undefined;
			const floored = value - (((value % 1000n) + 1000n) % 1000n);
			const iso = timestampText(floored).replace(" ", "T");
			const seconds = iso.slice(0, iso.indexOf("T") + 9);
			const millis = String(
				(((floored / 1000n) % 1000n) + 1000n) % 1000n,
			).padStart(3, "0");
			return JSON.stringify(
				`${seconds}.${millis}${type === "timestamp" ? "Z" : ""}`,
			);
		}
		case "string":
			if (typeof value !== "string") return undefined;
			return cut(value, side);
	}
	if (typeof value === "bigint") return String(value);
	if (typeof value === "number")
		return Number.isFinite(value) ? JSON.stringify(value) : undefined;
	if (
		typeof value === "object" &&
		value !== null &&
		"unscaled" in value &&
		typeof value.unscaled === "bigint" &&
		typeof value.scale === "number"
	)
		return decimalText(value.unscaled, value.scale);
	return undefined;
}

function cut(value: string, side: "min" | "max"): string | undefined {
	const chars = [...value];
	if (chars.length <= PREFIX) return JSON.stringify(value);
	if (side === "min") return JSON.stringify(chars.slice(0, PREFIX).join(""));
	// A character greater than the first that is cut off; U+10FFFF has none above it.
	for (let end = PREFIX; end < chars.length; end++) {
		const next = chars[end] ?? "";
		const code = next.codePointAt(0) ?? 0;
		if (code < 0x7f)
			return JSON.stringify(`${chars.slice(0, end).join("")}\u007f`);
		if (code < 0x10ffff)
			return JSON.stringify(
				`${chars.slice(0, end).join("")}${String.fromCodePoint(0x10ffff)}`,
			);
	}
	return undefined;
}
