import type { StructField, StructType } from "../columnar/types.ts";
import type { Metadata } from "./actions.ts";
import { DeltaError } from "./errors.ts";

export const STATS_COLUMNS = "delta.dataSkippingStatsColumns";
const INDEXED_COLUMNS = "delta.dataSkippingNumIndexedCols";
const DEFAULT_INDEXED = 32;

/**
 * The part of a table's schema that statistics are kept of, partition columns left out: the columns
 * that `delta.dataSkippingStatsColumns` names with all that they hold, else the first leaves in the
 * order of the schema, as many as `delta.dataSkippingNumIndexedCols` says (32; all when negative).
 * An array, a map and a variant count as one leaf each.
 * @throws DeltaError DELTA_LOG_INVALID when a property can't be understood
 */
export function indexedSchema(
	schema: StructType,
	metadata: Pick<Metadata, "partitionColumns" | "configuration">,
): StructType {
	const data: StructType = {
		type: "struct",
		fields: schema.fields.filter(
			({ name }) => !metadata.partitionColumns.includes(name),
		),
	};
	const named = metadata.configuration[STATS_COLUMNS];
	if (named !== undefined)
		return pickColumns(
			data,
			parseColumnList(named).map((path) =>
				path.map((part) => part.toLowerCase()),
			),
		);
	const text = metadata.configuration[INDEXED_COLUMNS];
	const count = text === undefined ? DEFAULT_INDEXED : Number(text);
	if (!Number.isInteger(count) || text?.trim() === "")
		throw new DeltaError(
			"DELTA_LOG_INVALID",
			`${INDEXED_COLUMNS} is ${JSON.stringify(text)}; it has to be a whole number, -1 for all columns`,
		);
	return count < 0 ? data : first(data, { left: count });
}

/**
 * The paths of a list such as `` a, b.c, `d.e` ``.
 * @throws DeltaError DELTA_LOG_INVALID when it is none
 */
export function parseColumnList(text: string): readonly string[][] {
	if (text.trim() === "") return [];
	const paths: string[][] = [[]];
	const part = /\s*(?:`((?:[^`]|``)+)`|([^\s`.,]+))\s*([.,]|$)/y;
	while (part.lastIndex < text.length) {
		const at = part.lastIndex;
		const match = part.exec(text);
		const end = match?.[3] ?? "";
		if (match === null || (end !== "" && part.lastIndex === text.length))
			throw new DeltaError(
				"DELTA_LOG_INVALID",
				`${JSON.stringify(text)} is no list of columns: ${JSON.stringify(text.slice(at))} can't be read as one; write a, b.c or \`d.e\``,
			);
		paths.at(-1)?.push(match[1]?.replaceAll("``", "`") ?? match[2] ?? "");
		if (end === ",") paths.push([]);
	}
	return paths;
}

export function formatColumnList(
	paths: readonly (readonly string[])[],
): string {
	return paths
		.map((path) =>
			path
				.map((part) =>
					/^\w+$/.test(part) ? part : `\`${part.replaceAll("`", "``")}\``,
				)
				.join("."),
		)
		.join(",");
}

/** The part of a schema that these paths, in lower case, name; what it has not is left out. */
export function pickColumns(
	schema: StructType,
	paths: readonly (readonly string[])[],
): StructType {
	const fields = schema.fields.flatMap((field): StructField[] => {
		const inner = paths
			.filter(([head]) => head === field.name.toLowerCase())
			.map((path) => path.slice(1));
		if (inner.length === 0) return [];
		if (inner.some((path) => path.length === 0)) return [field];
		if (typeof field.type === "string" || field.type.type !== "struct")
			return [];
		return [{ ...field, type: pickColumns(field.type, inner) }];
	});
	return { type: "struct", fields };
}

function first(schema: StructType, budget: { left: number }): StructType {
	const fields: StructField[] = [];
	for (const field of schema.fields) {
		if (budget.left <= 0) break;
		if (typeof field.type !== "string" && field.type.type === "struct") {
			fields.push({ ...field, type: first(field.type, budget) });
		} else {
			budget.left--;
			fields.push(field);
		}
	}
	return { type: "struct", fields };
}
