import type { LeafStats } from "../columnar/parquet/encode.ts";
import type { DataType, StructType } from "../columnar/types.ts";
import { dateText, decimalText, timestampText } from "../columnar/value.ts";
import type { Value } from "../columnar/vector.ts";
import type { Metadata } from "./actions.ts";
import { type MappingMode, physicalSchema } from "./column-mapping.ts";
import { DeltaError } from "./errors.ts";
import { indexedSchema } from "./stats-columns.ts";
import { textMax, textMin } from "./stats-prefix.ts";

const PREFIX_LENGTH = "delta.dataSkippingStringPrefixLength";
const DEFAULT_PREFIX = 32;

export interface StatsOptions {
	/** The columns that have statistics, under physical names; all of the file's when absent. */
	readonly columns?: StructType;
	/** Columns that have statistics in any case, under physical names. */
	readonly also?: readonly (readonly string[])[];
	/** UTF-16 units that are kept of a string. */
	readonly prefix?: number;
}

/**
 * What a table's properties say of statistics.
 * @throws DeltaError DELTA_LOG_INVALID when a property can't be understood
 */
export function statsOptions(
	schema: StructType,
	metadata: Pick<Metadata, "partitionColumns" | "configuration">,
	mode: MappingMode,
): Required<Pick<StatsOptions, "columns" | "prefix">> {
	const text = metadata.configuration[PREFIX_LENGTH];
	const prefix = text === undefined ? DEFAULT_PREFIX : Number(text);
	if (!Number.isInteger(prefix) || prefix < 0 || text?.trim() === "")
		throw new DeltaError(
			"DELTA_LOG_INVALID",
			`${PREFIX_LENGTH} is ${JSON.stringify(text)}; it has to be a whole number from 0`,
		);
	return {
		columns: physicalSchema(indexedSchema(schema, metadata), mode),
		prefix,
	};
}

/**
 * The `stats` text of a file (PROTOCOL.md, "Per-file Statistics"). Strings are cut as Spark cuts
 * them. Timestamps have milliseconds: the least is rounded down and the greatest up, so that readers
 * that know nothing of the rounding skip no row.
 */
export function fileStats(
	rows: number,
	leaves: readonly LeafStats[],
	{ columns, also = [], prefix = DEFAULT_PREFIX }: StatsOptions = {},
): string {
	const minValues: Tree = {};
	const maxValues: Tree = {};
	const nullCount: Tree = {};
	for (const leaf of leaves) {
		const wanted =
			columns === undefined ||
			holds(columns, leaf.path) ||
			also.some((path) => path.every((name, i) => name === leaf.path[i]));
		if (!wanted) continue;
		put(nullCount, leaf.path, String(leaf.nullCount));
		if (leaf.min === undefined || leaf.max === undefined) continue;
		const min = boundText(leaf.min, leaf.type, "min", prefix);
		const max = boundText(leaf.max, leaf.type, "max", prefix);
		if (min !== undefined) put(minValues, leaf.path, min);
		if (max !== undefined) put(maxValues, leaf.path, max);
	}
	return `{"numRecords":${rows},"minValues":${text(minValues)},"maxValues":${text(maxValues)},"nullCount":${text(nullCount)},"tightBounds":true}`;
}

/**
 * The same statistics once a deletion vector hides rows: bounds may be wider than the rows. Without
 * the field bounds count as tight.
 */
export function looseStats(stats: string): string {
	const ours = stats.length - TIGHT.length;
	if (stats.endsWith(TIGHT) && stats.indexOf("tightBounds") === ours + 2)
		return stats.slice(0, ours) + LOOSE;
	let text = "";
	let from = 0;
	let depth = 0;
	let named = false;
	// Numbers keep their digits: the text is not parsed and written again.
	for (const { 0: token, index } of stats.matchAll(TOKEN)) {
		if (token === "{" || token === "[") depth++;
		else if (token === "}" || token === "]") depth--;
		else if (named && /^(?:true|false|null)$/.test(token)) {
			text += `${stats.slice(from, index)}false`;
			from = index + token.length;
		}
		if (token !== ":") named = depth === 1 && token === '"tightBounds"';
	}
	// A column may have the same name.
	if (from > 0) return text + stats.slice(from);
	return stats.replace(/(\S)\s*\}\s*$/, (_, before: string) =>
		before === "{" ? '{"tightBounds":false}' : before + LOOSE,
	);
}

/** How statistics of this engine end, before and after rows are hidden. */
const TIGHT = ',"tightBounds":true}';
const LOOSE = ',"tightBounds":false}';

/** Of JSON: strings, what stands between them, numbers and words. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\]:,]|[^\s"{}[\]:,]+/g;

/** JSON text of a bound; `undefined` where the format has none. */
export function boundText(
	value: Value,
	type: DataType,
	side: "min" | "max",
	prefix: number,
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
			const millis = milliseconds(value, side);
			if (millis === undefined) return undefined;
			const iso = timestampText(millis * 1000n).slice(0, -3);
			return JSON.stringify(type === "timestamp" ? `${iso}Z` : iso);
		}
		case "string": {
			if (typeof value !== "string") return undefined;
			const cut = (side === "min" ? textMin : textMax)(value, prefix);
			return cut === undefined ? undefined : JSON.stringify(cut);
		}
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

/** `undefined` where the milliseconds aren't within 64 bits of microseconds. */
function milliseconds(micros: bigint, side: "min" | "max"): bigint | undefined {
	let millis = micros / 1000n;
	const rest = micros % 1000n;
	if (side === "min" && rest < 0n) millis--;
	if (side === "max" && rest > 0n) millis++;
	const rounded = millis * 1000n;
	return BigInt.asIntN(64, rounded) === rounded ? millis : undefined;
}

/** Whether a schema has the field at a path, by itself or in a struct that it has as a whole. */
function holds(schema: StructType, path: readonly string[]): boolean {
	let type: DataType = schema;
	for (const name of path) {
		if (typeof type === "string" || type.type !== "struct") return false;
		const next: DataType | undefined = type.fields.find(
			(field) => field.name === name,
		)?.type;
		if (next === undefined) return false;
		type = next;
	}
	return true;
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
