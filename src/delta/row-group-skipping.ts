import type { RowGroupStats } from "../columnar/parquet/row-group-stats.ts";
import type { Value } from "../columnar/vector.ts";
import type { Bound } from "../expression/bound.ts";
import { type ColumnBound, outcomeOf } from "../expression/outcome.ts";
import { ANYTHING, type Range, rangeOfValue } from "../expression/range.ts";
import type { AddFile } from "./actions.ts";
import { mappingMode, physicalName, physicalPath } from "./column-mapping.ts";
import { parsePartitionValue, partitionText } from "./partition.ts";
import type { SkippedTable } from "./skipping.ts";

/**
 * Whether a row group of a file may have rows for which a predicate, bound to the table's schema, is
 * true: by the bounds in the file's footer, and by its Bloom filters where the predicate asks for
 * single values. `now` as for `evaluate`.
 */
export function rowGroupSkipper(
	predicate: Bound,
	table: SkippedTable,
	options: { readonly now?: number } = {},
): (file: AddFile, group: RowGroupStats) => Promise<boolean> {
	const mode = mappingMode(table.protocol, table.metadata);
	const physical = (column: ColumnBound): readonly string[] | undefined =>
		physicalPath(table.schema, column.path, mode);
	const partition = (column: ColumnBound): string | undefined => {
		const [top] = column.path;
		const field = table.schema.fields.find(({ name }) => name === top);
		return field !== undefined &&
			table.metadata.partitionColumns.includes(field.name)
			? physicalName(field, mode)
			: undefined;
	};
	const asked = askedValues(predicate)
		.filter(({ column }) => partition(column) === undefined)
		.flatMap(({ column, values }) => {
			const path = physical(column);
			return path === undefined ? [] : [{ path, values }];
		});
	return async (file, group) => {
		const rangeOf = (column: ColumnBound): Range => {
			const name = partition(column);
			if (name !== undefined)
				return rangeOfValue(
					parsePartitionValue(
						partitionText(file.partitionValues, name),
						column.type,
					),
				);
			const path = physical(column);
			return path === undefined ? ANYTHING : rangeIn(group, path);
		};
		if (!outcomeOf(predicate, { column: rangeOf, ...options }).true)
			return false;
		for (const { path, values } of asked)
			if (!(await anyIn(group, path, values))) return false;
		return true;
	};
}

function rangeIn(group: RowGroupStats, path: readonly string[]): Range {
	const stats = group.column(path);
	if (stats === undefined) return ANYTHING;
	const { nullCount, min, max, nan } = stats;
	if (nullCount === group.rows) return rangeOfValue(null);
	return {
		nulls: nullCount === 0 ? "none" : "some",
		low: min ?? undefined,
		high: max ?? undefined,
		nan,
	};
}

async function anyIn(
	group: RowGroupStats,
	path: readonly string[],
	values: readonly Value[],
): Promise<boolean> {
	for (const value of values)
		if (await group.mayContain(path, value)) return true;
	return false;
}

interface Asked {
	readonly column: ColumnBound;
	readonly values: readonly Value[];
}

/** Columns that have to have one of some values for the predicate to be true. */
function askedValues(predicate: Bound): readonly Asked[] {
	switch (predicate.kind) {
		case "and":
			return predicate.operands.flatMap(askedValues);
		case "compare": {
			if (predicate.operator !== "=") return [];
			const { left, right } = predicate;
			return [...asked(left, [right]), ...asked(right, [left])];
		}
		case "in":
			return asked(predicate.operand, predicate.values);
		default:
			return [];
	}
}

function asked(column: Bound, values: readonly Bound[]): readonly Asked[] {
	if (column.kind !== "column") return [];
	const found = values.flatMap((each) =>
		each.kind === "literal" ? [each.value] : [],
	);
	return found.length === values.length ? [{ column, values: found }] : [];
}
