import type { DataType, StructField, StructType } from "../columnar/types.ts";
import type { Metadata, Protocol } from "./actions.ts";
import { DeltaError } from "./errors.ts";

/** How a table's columns are found in its files (PROTOCOL.md, "Column Mapping"). */
export type MappingMode = "none" | "name" | "id";

export const COLUMN_ID = "delta.columnMapping.id";
export const PHYSICAL_NAME = "delta.columnMapping.physicalName";
export const NESTED_IDS = "delta.columnMapping.nested.ids";
export const MAPPING_MODE = "delta.columnMapping.mode";
export const MAX_COLUMN_ID = "delta.columnMapping.maxColumnId";

/**
 * The mode that binds readers. The property counts only where the protocol supports the feature.
 * @throws DeltaError DELTA_UNSUPPORTED_READER for a mode of no known name
 */
export function mappingMode(
	protocol: Protocol,
	metadata: Pick<Metadata, "configuration">,
): MappingMode {
	const supported =
		protocol.minReaderVersion === 2 ||
		(protocol.readerFeatures ?? []).includes("columnMapping");
	const mode = metadata.configuration[MAPPING_MODE] ?? "none";
	if (!supported || mode === "none") return "none";
	if (mode === "name" || mode === "id") return mode;
	throw new DeltaError(
		"DELTA_UNSUPPORTED_READER",
		`${MAPPING_MODE} is ${JSON.stringify(mode)}; this engine reads none, name and id`,
	);
}

/** @throws DeltaError DELTA_LOG_INVALID when a mapped field has no physical name */
export function physicalName(field: StructField, mode: MappingMode): string {
	if (mode === "none") return field.name;
	const name = field.metadata[PHYSICAL_NAME];
	if (typeof name === "string" && name !== "") return name;
	throw new DeltaError(
		"DELTA_LOG_INVALID",
		`the column ${field.name} has no ${PHYSICAL_NAME}, which column mapping by ${mode} needs`,
	);
}

/**
 * The schema as data files and statistics have it: fields at any depth under their physical names.
 * Everything else stays, ids in the metadata included.
 * @throws DeltaError DELTA_LOG_INVALID when a name or id is missing or given twice
 */
export function physicalSchema(
	schema: StructType,
	mode: MappingMode,
): StructType {
	if (mode === "none") return schema;
	const ids = new Set<number>();
	return transform(schema, [], (fields, path) => {
		const names = new Set<string>();
		return fields.map((field) => {
			const name = physicalName(field, mode);
			const at = [...path, field.name].join(".");
			if (names.has(name))
				throw invalid(`the physical name ${name} of ${at} is given twice`);
			names.add(name);
			const id = field.metadata[COLUMN_ID];
			if (!isId(id))
				throw invalid(
					`the column ${at} has the ${COLUMN_ID} ${JSON.stringify(id)}; it has to be a 32-bit integer`,
				);
			if (ids.has(id)) throw invalid(`the id ${id} of ${at} is given twice`);
			ids.add(id);
			return { ...field, name };
		});
	});
}

/**
 * The physical names of a field's path; `element`, `key` and `value` stand for what arrays and maps
 * hold. `undefined` when there is no such field.
 */
export function physicalPath(
	schema: StructType,
	path: readonly string[],
	mode: MappingMode,
): readonly string[] | undefined {
	return translate(
		schema,
		path,
		(field) => field.name,
		(field) => physicalName(field, mode),
	);
}

/** The way back from `physicalPath`. */
export function logicalPath(
	schema: StructType,
	path: readonly string[],
	mode: MappingMode,
): readonly string[] | undefined {
	return translate(
		schema,
		path,
		(field) => physicalName(field, mode),
		(field) => field.name,
	);
}

/** The physical names of top-level columns, such as partition columns, by their logical ones. */
export function physicalNames(
	schema: StructType,
	mode: MappingMode,
): ReadonlyMap<string, string> {
	return new Map(
		schema.fields.map((field) => [field.name, physicalName(field, mode)]),
	);
}

/** What column mapping keeps in a table's metadata. */
export interface MappedTable {
	readonly schema: StructType;
	readonly configuration: Readonly<Record<string, string>>;
}

/**
 * Turns column mapping on. The columns of an existing table keep their names as physical ones, as
 * its files have them; those of a new table get names that no other column ever had.
 * @throws DeltaError DELTA_SCHEMA_INCOMPATIBLE when the mode can't be changed so
 */
export function enableMapping(
	table: MappedTable,
	options: {
		readonly mode: "name" | "id";
		/** Whether there may be files already. */
		readonly existing: boolean;
		readonly uuid: () => string;
	},
): MappedTable {
	const { mode, existing, uuid } = options;
	const before = table.configuration[MAPPING_MODE] ?? "none";
	if (existing && before !== mode && (before !== "none" || mode === "id"))
		throw new DeltaError(
			"DELTA_SCHEMA_INCOMPATIBLE",
			`column mapping can't be changed from ${before} to ${mode}: the table's files were not written for it; an existing table goes from none to name only`,
		);
	return assign(
		{
			...table,
			configuration: { ...table.configuration, [MAPPING_MODE]: mode },
		},
		existing ? (field) => field.name : () => `col-${uuid()}`,
	);
}

/** Ids and physical names for the columns that have none: what a change of schema added. */
export function mapNewColumns(
	table: MappedTable,
	uuid: () => string,
): MappedTable {
	return assign(table, () => `col-${uuid()}`);
}

/** Without the metadata of column mapping: a schema that is to become part of another table. */
export function unmappedSchema(schema: StructType): StructType {
	return transform(schema, [], (fields) => fields.map(unmappedField));
}

function unmappedField(field: StructField): StructField {
	const {
		[COLUMN_ID]: _id,
		[PHYSICAL_NAME]: _name,
		[NESTED_IDS]: _nested,
		...metadata
	} = field.metadata;
	return { ...field, metadata };
}

function assign(
	{ schema, configuration }: MappedTable,
	nameOf: (field: StructField) => string,
): MappedTable {
	let max = Number(configuration[MAX_COLUMN_ID] ?? 0);
	if (!Number.isInteger(max) || max < 0)
		throw invalid(
			`${MAX_COLUMN_ID} is ${JSON.stringify(configuration[MAX_COLUMN_ID])}; it has to be a whole number`,
		);
	transform(schema, [], (fields) => {
		for (const { metadata } of fields)
			if (isId(metadata[COLUMN_ID])) max = Math.max(max, metadata[COLUMN_ID]);
		return fields;
	});
	const mapped = transform(schema, [], (fields) =>
		fields.map((field) => {
			const { [COLUMN_ID]: id, [PHYSICAL_NAME]: name } = field.metadata;
			if (isId(id) && typeof name === "string") return field;
			return {
				...field,
				metadata: {
					...field.metadata,
					[COLUMN_ID]: isId(id) ? id : ++max,
					[PHYSICAL_NAME]: typeof name === "string" ? name : nameOf(field),
				},
			};
		}),
	);
	return {
		schema: mapped,
		configuration: { ...configuration, [MAX_COLUMN_ID]: String(max) },
	};
}

/** Parents before their children. */
function transform(
	type: StructType,
	path: readonly string[],
	change: (
		fields: readonly StructField[],
		path: readonly string[],
	) => readonly StructField[],
): StructType {
	const inner = (of: DataType, at: readonly string[]): DataType => {
		if (typeof of === "string") return of;
		switch (of.type) {
			case "struct":
				return transform(of, at, change);
			case "array":
				return {
					...of,
					elementType: inner(of.elementType, [...at, "element"]),
				};
			case "map":
				return {
					...of,
					keyType: inner(of.keyType, [...at, "key"]),
					valueType: inner(of.valueType, [...at, "value"]),
				};
		}
	};
	return {
		...type,
		fields: change(type.fields, path).map((field, i) => ({
			...field,
			type: inner(field.type, [...path, type.fields[i]?.name ?? field.name]),
		})),
	};
}

function translate(
	schema: StructType,
	path: readonly string[],
	from: (field: StructField) => string,
	to: (field: StructField) => string,
): readonly string[] | undefined {
	const found: string[] = [];
	let type: DataType = schema;
	for (const name of path) {
		const next = step(type, name, from);
		if (next === undefined) return undefined;
		found.push(next.field === undefined ? name : to(next.field));
		type = next.type;
	}
	return found;
}

function step(
	type: DataType,
	name: string,
	nameOf: (field: StructField) => string,
): { readonly type: DataType; readonly field?: StructField } | undefined {
	if (typeof type === "string") return undefined;
	switch (type.type) {
		case "struct": {
			const field = type.fields.find((one) => nameOf(one) === name);
			return field === undefined ? undefined : { type: field.type, field };
		}
		case "array":
			return name === "element" ? { type: type.elementType } : undefined;
		case "map":
			if (name === "key") return { type: type.keyType };
			return name === "value" ? { type: type.valueType } : undefined;
	}
}

function isId(id: unknown): id is number {
	return typeof id === "number" && Number.isInteger(id) && id === (id | 0);
}

function invalid(what: string): DeltaError {
	return new DeltaError("DELTA_LOG_INVALID", `the schema is broken: ${what}`);
}
