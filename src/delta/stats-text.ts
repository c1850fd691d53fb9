import type { DataType, StructField, StructType } from "../columnar/types.ts";
import { decimalParts } from "../columnar/types.ts";
import { fieldOf } from "../columnar/value.ts";
import type { Row, Value } from "../columnar/vector.ts";
import { parseDecimal } from "./partition.ts";
import { boundText } from "./stats.ts";
import { parseDate, parseTimestamp } from "./time-text.ts";
import { TYPE_CHANGES } from "./type-widening.ts";

/**
 * Statistics of a file, nested as the schema is, under physical names. A bound that is missing, or
 * that this engine can't read, is absent: nothing may be concluded from it.
 */
export interface FileStats {
	/** Physical rows, those that a deletion vector hides included. */
	readonly numRecords?: number;
	/** `false`: bounds may be wider than the rows, and null counts only tell none from all. */
	readonly tightBounds: boolean;
	/**
	 * Lossless, as values of the columns' types now. Timestamps may have been cut to milliseconds:
	 * whoever compares with a greatest one has to allow for another.
	 */
	readonly minValues: Row;
	readonly maxValues: Row;
	/** `bigint`s. */
	readonly nullCount: Row;
}

/**
 * The statistics of an `add`, with all digits of integers and decimals. `schema` is the physical one
 * and may be larger than what has statistics. `undefined` when the text is no JSON object:
 * statistics are hints, and without them a file is read.
 */
export function parseStats(
	text: string,
	schema: StructType,
): FileStats | undefined {
	const json = parseLossless(text);
	if (!isObject(json)) return undefined;
	const rows = count(member(json, "numRecords"));
	return {
		...(rows === undefined ? {} : { numRecords: Number(rows) }),
		tightBounds: member(json, "tightBounds") !== false,
		minValues: values(member(json, "minValues"), schema, bound("min")),
		maxValues: values(member(json, "maxValues"), schema, bound("max")),
		nullCount: values(member(json, "nullCount"), schema, count, true),
	};
}

/** The text of statistics, with all digits; `schema` as for `parseStats`. */
export function formatStats(stats: FileStats, schema: StructType): string {
	return statsText(stats, { bounds: schema, counts: schema });
}

/** As `formatStats`, with a schema for the bounds and one for the null counts. */
export function statsText(
	{ numRecords, minValues, maxValues, nullCount, tightBounds }: FileStats,
	{
		bounds,
		counts,
	}: { readonly bounds: StructType; readonly counts: StructType },
): string {
	const side = (row: Row, which: "min" | "max"): string =>
		object(row, bounds, (value, type) =>
			boundText(value, type, which, Number.POSITIVE_INFINITY),
		);
	const parts = [
		...(numRecords === undefined ? [] : [`"numRecords":${numRecords}`]),
		`"minValues":${side(minValues, "min")}`,
		`"maxValues":${side(maxValues, "max")}`,
		`"nullCount":${object(nullCount, counts, (value) => String(value))}`,
		`"tightBounds":${tightBounds}`,
	];
	return `{${parts.join(",")}}`;
}

/** A number whose digits a double doesn't hold. */
class NumberText {
	readonly text: string;
	constructor(text: string) {
		this.text = text;
	}
}

type Reviver = (
	key: string,
	value: unknown,
	context: { readonly source?: string },
) => unknown;
const parse = JSON.parse as (text: string, reviver?: Reviver) => unknown;

function parseLossless(text: string): unknown {
	try {
		// Up to 15 digits come back from a double as they were; the reviver is several times slower.
		if (!/\d[\d.]{15}/.test(text)) return parse(text);
		return parse(text, (_, value, { source }) =>
			typeof value === "number" && source !== undefined
				? new NumberText(source)
				: value,
		);
	} catch {
		return undefined;
	}
}

type Json = Readonly<Record<string, unknown>>;
type Reader = (json: unknown, field: StructField) => Value | undefined;

function values(
	json: unknown,
	schema: StructType,
	read: Reader,
	counts = false,
): Row {
	const row: Record<string, Value> = {};
	if (!isObject(json)) return row;
	for (const field of schema.fields) {
		const inner = member(json, field.name);
		if (inner === undefined || inner === null) continue;
		const { type } = field;
		const value =
			typeof type !== "string" && type.type === "struct"
				? values(inner, type, read, counts)
				: typeof type === "string" || counts
					? read(inner, field)
					: undefined;
		if (value !== undefined) define(row, field.name, value);
	}
	return row;
}

function bound(side: "min" | "max"): Reader {
	return (json, { type, metadata }) => {
		const value = boundOf(json, type);
		if (
			type !== "double" ||
			typeof value !== "number" ||
			metadata[TYPE_CHANGES] === undefined
		)
			return value;
		// Of a column that was float: 0.1 may stand for the float next to it, on either side.
		const float = Math.fround(value);
		return side === "min" ? Math.min(value, float) : Math.max(value, float);
	};
}

function boundOf(json: unknown, type: DataType): Value | undefined {
	switch (type) {
		case "string":
			return typeof json === "string" ? json : undefined;
		case "boolean":
			return typeof json === "boolean" ? json : undefined;
		case "date":
			return typeof json === "string" ? parseDate(json) : undefined;
		case "timestamp":
		case "timestamp_ntz":
			return typeof json === "string" ? parseTimestamp(json, type) : undefined;
		case "byte":
		case "short":
		case "integer": {
			const value = whole(json);
			const bits = type === "byte" ? 8 : type === "short" ? 16 : 32;
			return value === undefined || BigInt.asIntN(bits, value) !== value
				? undefined
				: Number(value);
		}
		case "long": {
			const value = whole(json);
			return value === undefined || BigInt.asIntN(64, value) !== value
				? undefined
				: value;
		}
		case "float":
		case "double": {
			const text = numeral(json);
			if (text === undefined) return undefined;
			const value = type === "float" ? Math.fround(Number(text)) : Number(text);
			return Number.isNaN(value) ? undefined : value;
		}
	}
	const decimal = decimalParts(type);
	const text = numeral(json);
	return decimal === undefined || text === undefined
		? undefined
		: parseDecimal(text, decimal);
}

/** Some writers have numbers in quotes. */
function numeral(json: unknown): string | undefined {
	if (typeof json === "number") return String(json);
	if (json instanceof NumberText) return json.text;
	return typeof json === "string" && json.trim() !== "" ? json : undefined;
}

function whole(json: unknown): bigint | undefined {
	const text = numeral(json);
	return text === undefined
		? undefined
		: parseDecimal(text, { precision: 20, scale: 0 })?.unscaled;
}

function count(json: unknown): bigint | undefined {
	const value = whole(json);
	return value !== undefined && value >= 0n && value < 2n ** 53n
		? value
		: undefined;
}

function object(
	row: Row,
	schema: StructType,
	leaf: (value: Value, type: DataType) => string | undefined,
): string {
	const parts = schema.fields.flatMap(({ name, type }): string[] => {
		const value = fieldOf(row, name);
		if (value === null) return [];
		const text =
			typeof type !== "string" && type.type === "struct"
				? object(value as Row, type, leaf)
				: leaf(value, type);
		return text === undefined ? [] : [`${JSON.stringify(name)}:${text}`];
	});
	return `{${parts.join(",")}}`;
}

function isObject(json: unknown): json is Json {
	return typeof json === "object" && json !== null && !Array.isArray(json);
}

function member(json: Json, name: string): unknown {
	return Object.hasOwn(json, name) ? json[name] : undefined;
}

/** Assignment would lose a field named `__proto__`. */
function define(row: Record<string, Value>, name: string, value: Value): void {
	if (name !== "__proto__") row[name] = value;
	else
		Object.defineProperty(row, name, {
			value,
			enumerable: true,
			configurable: true,
			writable: true,
		});
}
