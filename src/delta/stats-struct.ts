import type { DataType, StructField, StructType } from "../columnar/types.ts";
import { decimalParts, field, struct } from "../columnar/types.ts";
import { fieldOf } from "../columnar/value.ts";
import type { Row, Value } from "../columnar/vector.ts";
import { type FileStats, statsText } from "./stats-text.ts";

/**
 * The type of `stats_parsed` in checkpoints (PROTOCOL.md, "Checkpoint Schema"): as `indexed`, the
 * columns with statistics under physical names, is. `undefined` members have no column at all.
 */
export function statsSchema(indexed: StructType): StructType {
	const bounds = mapLeaves(indexed, (type) =>
		ordered(type) ? type : undefined,
	);
	const counts = mapLeaves(indexed, () => "long");
	return struct(
		field("numRecords", "long"),
		...(bounds === undefined
			? []
			: [field("minValues", bounds), field("maxValues", bounds)]),
		...(counts === undefined ? [] : [field("nullCount", counts)]),
		field("tightBounds", "boolean"),
	);
}

/** Statistics as a value of `statsSchema`. */
export function statsRow(stats: FileStats, indexed: StructType): Row {
	const bounds = mapLeaves(indexed, (type) =>
		ordered(type) ? type : undefined,
	);
	const counts = mapLeaves(indexed, () => "long");
	return {
		numRecords:
			stats.numRecords === undefined ? null : BigInt(stats.numRecords),
		...(bounds === undefined
			? {}
			: {
					minValues: shaped(stats.minValues, bounds),
					maxValues: shaped(stats.maxValues, bounds),
				}),
		...(counts === undefined
			? {}
			: { nullCount: shaped(stats.nullCount, counts) }),
		tightBounds: stats.tightBounds,
	};
}

/** The way back: what is null in the struct is absent. */
export function statsOfRow(row: Row): FileStats {
	const rows = fieldOf(row, "numRecords");
	return {
		...(typeof rows === "bigint" ? { numRecords: Number(rows) } : {}),
		tightBounds: fieldOf(row, "tightBounds") !== false,
		minValues: present(fieldOf(row, "minValues")),
		maxValues: present(fieldOf(row, "maxValues")),
		nullCount: present(fieldOf(row, "nullCount")),
	};
}

/** The JSON text of statistics in struct form; `type` is that of the struct. */
export function statsRowText(row: Row, type: StructType): string {
	const member = (name: string): StructType => {
		const found = type.fields.find((one) => one.name === name)?.type;
		return found !== undefined &&
			typeof found !== "string" &&
			found.type === "struct"
			? found
			: struct();
	};
	return statsText(statsOfRow(row), {
		bounds: member("minValues"),
		counts: member("nullCount"),
	});
}

/** Whether a type has bounds in statistics. */
function ordered(type: DataType): boolean {
	switch (type) {
		case "byte":
		case "short":
		case "integer":
		case "long":
		case "float":
		case "double":
		case "date":
		case "timestamp":
		case "timestamp_ntz":
		case "string":
			return true;
		default:
			return decimalParts(type) !== undefined;
	}
}

/** Leaves are whatever isn't a struct; structs without any leaf are left out. */
function mapLeaves(
	schema: StructType,
	map: (type: DataType) => DataType | undefined,
): StructType | undefined {
	const fields = schema.fields.flatMap(({ name, type }): StructField[] => {
		const mapped =
			typeof type !== "string" && type.type === "struct"
				? mapLeaves(type, map)
				: type === "void"
					? undefined
					: map(type);
		return mapped === undefined ? [] : [field(name, mapped)];
	});
	return fields.length === 0 ? undefined : struct(...fields);
}

function shaped(row: Row, schema: StructType): Row {
	return Object.fromEntries(
		schema.fields.map(({ name, type }): [string, Value] => {
			const value = fieldOf(row, name);
			return [
				name,
				value !== null && typeof type !== "string" && type.type === "struct"
					? shaped(value as Row, type)
					: value,
			];
		}),
	);
}

function present(value: Value): Row {
	if (!isRow(value)) return {};
	return Object.fromEntries(
		Object.entries(value).flatMap(([name, inner]): [string, Value][] => {
			if (inner === null) return [];
			return [[name, isRow(inner) ? present(inner) : inner]];
		}),
	);
}

/** A struct, not a decimal: no column is both `unscaled` and a `bigint` beside a numeric scale. */
function isRow(value: Value): value is Row {
	if (
		typeof value !== "object" ||
		value === null ||
		Array.isArray(value) ||
		value instanceof Map ||
		value instanceof Uint8Array
	)
		return false;
	const { unscaled, scale } = value as Row;
	return !(typeof unscaled === "bigint" && typeof scale === "number");
}
