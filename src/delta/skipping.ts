import type { DataType, StructField, StructType } from "../columnar/types.ts";
import { fieldOf } from "../columnar/value.ts";
import type { Row, Value } from "../columnar/vector.ts";
import { type Bound, boundPartsOf } from "../expression/bound.ts";
import { type ColumnBound, outcomeOf } from "../expression/outcome.ts";
import { ANYTHING, type Range, rangeOfValue } from "../expression/range.ts";
import type { AddFile } from "./actions.ts";
import { mappingMode, physicalName, physicalSchema } from "./column-mapping.ts";
import { DeltaError } from "./errors.ts";
import { parsePartitionValue } from "./partition.ts";
import type { Snapshot } from "./state.ts";
import { type FileStats, parseStats } from "./stats-text.ts";

/** What is skipped by: the parts of a snapshot that say where a column's values are. */
export type SkippedTable = Pick<Snapshot, "schema" | "protocol" | "metadata">;

/**
 * Whether a file may have rows for which a predicate, bound to the table's schema, is true. `false`
 * only when no row can satisfy it, by the file's partition values, its statistics and its deletion
 * vector; whatever is missing or not understood keeps the file. `now` as for `evaluate`.
 */
export function fileSkipper(
	predicate: Bound,
	table: SkippedTable,
	options: { readonly now?: number } = {},
): (file: AddFile) => boolean {
	const places = new Map(
		columnsIn(predicate).map((column) => [column, placeOf(column, table)]),
	);
	const measured = measuredSchema(table, [...places.values()]);
	const hasPartition = [...places.values()].some(
		({ kind }) => kind === "partition",
	);
	const possible = (column: (column: ColumnBound) => Range): boolean =>
		outcomeOf(predicate, { column, ...options }).true;
	return (file) => {
		const partition = (column: ColumnBound): Range => {
			const place = places.get(column);
			return place?.kind === "partition"
				? partitionRange(file, place)
				: ANYTHING;
		};
		// Partition values need no parse of the statistics.
		if ((hasPartition || places.size === 0) && !possible(partition))
			return false;
		const stats =
			file.stats === undefined ? undefined : parseStats(file.stats, measured);
		if (stats === undefined) return true;
		const { numRecords } = stats;
		const deleted = file.deletionVector?.cardinality ?? 0;
		if (numRecords !== undefined && numRecords <= deleted) return false;
		if (measured.fields.length === 0) return true;
		return possible((column) => {
			const place = places.get(column);
			return place?.kind === "data"
				? statsRange(stats, place)
				: partition(column);
		});
	};
}

/** Where a column's values are told of, under physical names. */
type Place =
	| {
			readonly kind: "partition";
			readonly name: string;
			readonly type: DataType;
	  }
	| {
			readonly kind: "data";
			readonly path: readonly string[];
			readonly type: DataType;
	  };

function columnsIn(bound: Bound): ColumnBound[] {
	const found: ColumnBound[] = [];
	const open: Bound[] = [bound];
	for (let next = open.pop(); next !== undefined; next = open.pop()) {
		if (next.kind === "column") found.push(next);
		for (const part of boundPartsOf(next)) open.push(part);
	}
	return found;
}

function placeOf(column: ColumnBound, table: SkippedTable): Place {
	const { metadata, protocol, schema } = table;
	const mode = mappingMode(protocol, metadata);
	const { type } = column;
	const path: string[] = [];
	let fields: readonly StructField[] = schema.fields;
	for (const name of column.path) {
		const field = fields.find((each) => each.name === name);
		if (field === undefined)
			throw new DeltaError(
				"DELTA_SCHEMA_INCOMPATIBLE",
				`the predicate names the column ${column.path.join(".")}, which the table has not; bind it to the table's schema`,
			);
		path.push(physicalName(field, mode));
		fields =
			typeof field.type !== "string" && field.type.type === "struct"
				? field.type.fields
				: [];
	}
	const [top = ""] = column.path;
	return metadata.partitionColumns.includes(top)
		? { kind: "partition", name: path[0] ?? top, type }
		: { kind: "data", path, type };
}

/** The physical schema of the columns whose statistics are asked for. */
function measuredSchema(
	{ schema, protocol, metadata }: SkippedTable,
	places: readonly Place[],
): StructType {
	const wanted = new Set(
		places.map((place) => (place.kind === "data" ? place.path[0] : undefined)),
	);
	const { fields } = physicalSchema(schema, mappingMode(protocol, metadata));
	return {
		type: "struct",
		fields: fields.filter(({ name }) => wanted.has(name)),
	};
}

function partitionRange(
	file: AddFile,
	{ name, type }: Extract<Place, { kind: "partition" }>,
): Range {
	if (!Object.hasOwn(file.partitionValues, name)) return ANYTHING;
	try {
		return rangeOfValue(
			parsePartitionValue(file.partitionValues[name] ?? null, type),
		);
	} catch (error) {
		// The scan will say what is wrong with it.
		if (error instanceof DeltaError) return ANYTHING;
		throw error;
	}
}

function statsRange(
	stats: FileStats,
	{ path, type }: Extract<Place, { kind: "data" }>,
): Range {
	const nulls = nullsOf(stats, path);
	if (nulls === "all") return rangeOfValue(null);
	if (typeof type !== "string") return { ...ANYTHING, nulls };
	const low = at(stats.minValues, path);
	const high = at(stats.maxValues, path);
	return {
		nulls,
		low: low ?? undefined,
		high: high === null ? undefined : raised(high, type),
		// Statistics leave NaN out.
		nan: type === "float" || type === "double",
	};
}

/** Wide bounds have null counts that only tell none from all; so much is asked of tight ones too. */
function nullsOf(stats: FileStats, path: readonly string[]): Range["nulls"] {
	const count = at(stats.nullCount, path);
	if (typeof count !== "bigint") return "some";
	const { numRecords } = stats;
	if (numRecords !== undefined && count === BigInt(numRecords)) return "all";
	// Not every writer counts a null struct as a null of each of its fields.
	return count === 0n && path.length === 1 ? "none" : "some";
}

function at(row: Row, path: readonly string[]): Value {
	let value: Value = row;
	for (const name of path) {
		if (typeof value !== "object" || value === null) return null;
		value = fieldOf(value as Row, name);
	}
	return value;
}

/** The greatest timestamp may have lost what is less than a millisecond. */
function raised(high: Value, type: DataType): Value | undefined {
	if (type !== "timestamp" && type !== "timestamp_ntz") return high;
	if (typeof high !== "bigint") return undefined;
	const above = high + 1000n;
	return above === BigInt.asIntN(64, above) ? above : undefined;
}
