import type { DataType, StructField, StructType } from "../columnar/types.ts";
import type { Metadata, Protocol } from "./actions.ts";
import { mappingMode } from "./column-mapping.ts";
import { BLOOM_COLUMNS } from "./data-file.ts";
import { DeltaError } from "./errors.ts";
import { parseSchema } from "./schema.ts";
import {
	formatColumnList,
	parseColumnList,
	STATS_COLUMNS,
} from "./stats-columns.ts";

/**
 * The metadata with a column under another name; no file changes, as files have physical names.
 * `element`, `key` and `value` in a path stand for what arrays and maps hold. Expressions of
 * constraints and generated columns are not looked at: the caller refuses what they use.
 * @throws DeltaError DELTA_SCHEMA_INCOMPATIBLE without column mapping, or when the name is taken
 */
export function renameColumn(
	table: { readonly protocol: Protocol; readonly metadata: Metadata },
	path: readonly string[],
	name: string,
): Metadata {
	const { metadata } = table;
	const old = path.at(-1);
	const schema = changed(table, path, "renamed", (fields, field) => {
		const taken = fields.find(
			(one) => one !== field && one.name.toLowerCase() === name.toLowerCase(),
		);
		if (name === "" || taken !== undefined)
			throw refused(
				`the column ${path.join(".")} can't be renamed to ${JSON.stringify(name)}: ${name === "" ? "a name can't be empty" : `there is a column ${taken?.name}`}`,
			);
		return fields.map((one) => (one === field ? { ...one, name } : one));
	});
	return {
		...metadata,
		schemaString: JSON.stringify(schema),
		partitionColumns:
			path.length === 1
				? metadata.partitionColumns.map((one) => (one === old ? name : one))
				: metadata.partitionColumns,
		configuration: withColumnLists(metadata.configuration, (column) =>
			startsWith(column, path)
				? [...path.slice(0, -1), name, ...column.slice(path.length)]
				: column,
		),
	};
}

/**
 * The metadata without a column; its values stay in the files, where nothing finds them any more.
 * @throws DeltaError DELTA_SCHEMA_INCOMPATIBLE without column mapping, for a partition column, and
 * for the last field of a table or struct
 */
export function dropColumn(
	table: { readonly protocol: Protocol; readonly metadata: Metadata },
	path: readonly string[],
): Metadata {
	const { metadata } = table;
	if (path.length === 1 && metadata.partitionColumns.includes(path[0] ?? ""))
		throw refused(`${path[0]} is a partition column, which can't be dropped`);
	const schema = changed(table, path, "dropped", (fields, field) => {
		if (fields.length === 1)
			throw refused(
				`${path.join(".")} is the only field of its ${path.length === 1 ? "table" : "struct"}, and can't be dropped`,
			);
		return fields.filter((one) => one !== field);
	});
	return {
		...metadata,
		schemaString: JSON.stringify(schema),
		configuration: withColumnLists(metadata.configuration, (column) =>
			startsWith(column, path) ? undefined : column,
		),
	};
}

/** A column of the table's top level as it shall be. */
export interface ArrangedColumn {
	readonly name: string;
	readonly nullable: boolean;
	/** Absent: as it is. */
	readonly comment?: string;
}

/**
 * The metadata with the columns in this order, those that are not named behind them in theirs. Files have
 * their columns by name, so that none changes.
 * @throws DeltaError DELTA_SCHEMA_INCOMPATIBLE for a column that is not there, or that may be null and shall not
 */
export function arrangeColumns(
	{ metadata }: { readonly metadata: Metadata },
	columns: readonly ArrangedColumn[],
): Metadata {
	const { fields } = parseSchema(metadata.schemaString, metadata.id);
	const arranged = columns.map(({ name, nullable, comment }): StructField => {
		const field = fields.find((one) => one.name === name);
		if (field === undefined)
			throw refused(
				`there is no column ${name}; the table has ${fields.map((field) => field.name).join(", ")}`,
			);
		if (field.nullable && !nullable)
			throw refused(
				`the column ${name} may have no value in rows that are there, and can't become not nullable; leave it nullable`,
			);
		return {
			...field,
			nullable,
			metadata: {
				...field.metadata,
				...(comment !== undefined && { comment }),
			},
		};
	});
	const named = new Set(columns.map(({ name }) => name));
	const schema: StructType = {
		type: "struct",
		fields: [...arranged, ...fields.filter(({ name }) => !named.has(name))],
	};
	return { ...metadata, schemaString: JSON.stringify(schema) };
}

type FieldsChange = (
	fields: readonly StructField[],
	field: StructField,
) => readonly StructField[];

function changed(
	{
		protocol,
		metadata,
	}: { readonly protocol: Protocol; readonly metadata: Metadata },
	path: readonly string[],
	what: "renamed" | "dropped",
	change: FieldsChange,
): StructType {
	if (mappingMode(protocol, metadata) === "none")
		throw refused(
			`the column ${path.join(".")} can't be ${what} without rewriting every file; set delta.columnMapping.mode to name first`,
		);
	const schema = parseSchema(metadata.schemaString, metadata.id);
	const [name] = path;
	const type = name === undefined ? undefined : inType(schema, path, change);
	if (type === undefined || typeof type === "string" || type.type !== "struct")
		throw refused(
			`there is no column ${path.join(".")}; the table has ${schema.fields.map((field) => field.name).join(", ")}`,
		);
	return type;
}

/** `undefined` when the path leads nowhere. */
function inType(
	type: DataType,
	path: readonly string[],
	change: FieldsChange,
): DataType | undefined {
	const [name, ...rest] = path;
	if (typeof type === "string" || name === undefined) return undefined;
	switch (type.type) {
		case "struct": {
			const field = type.fields.find((one) => one.name === name);
			if (field === undefined) return undefined;
			if (rest.length === 0)
				return { ...type, fields: change(type.fields, field) };
			const inner = inType(field.type, rest, change);
			return (
				inner && {
					...type,
					fields: type.fields.map((one) =>
						one === field ? { ...one, type: inner } : one,
					),
				}
			);
		}
		case "array": {
			if (name !== "element") return undefined;
			const elementType = inType(type.elementType, rest, change);
			return elementType && { ...type, elementType };
		}
		case "map": {
			if (name !== "key" && name !== "value") return undefined;
			const member = name === "key" ? "keyType" : "valueType";
			const inner = inType(type[member], rest, change);
			return inner && { ...type, [member]: inner };
		}
	}
}

function withColumnLists(
	configuration: Metadata["configuration"],
	change: (column: readonly string[]) => readonly string[] | undefined,
): Metadata["configuration"] {
	const changed: Record<string, string> = {};
	for (const property of [STATS_COLUMNS, BLOOM_COLUMNS]) {
		const text = configuration[property];
		if (text === undefined) continue;
		const columns = parseColumnList(text).flatMap((column) => {
			const next = change(column);
			return next === undefined ? [] : [next];
		});
		changed[property] = formatColumnList(columns);
	}
	return { ...configuration, ...changed };
}

/** Names in the property are compared without case. */
function startsWith(
	column: readonly string[],
	path: readonly string[],
): boolean {
	return path.every(
		(part, i) => column[i]?.toLowerCase() === part.toLowerCase(),
	);
}

function refused(what: string): DeltaError {
	return new DeltaError("DELTA_SCHEMA_INCOMPATIBLE", what);
}
