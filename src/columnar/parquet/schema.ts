import type { DataType, StructField, StructType } from "../types.ts";
import { decimalParts } from "../types.ts";
import { ParquetError } from "./errors.ts";
import type { CompactWriter } from "./thrift.ts";

/** Parquet's `Type`: how values lie in a page. */
export const BOOLEAN = 0;
export const INT32 = 1;
export const INT64 = 2;
export const FLOAT = 4;
export const DOUBLE = 5;
export const BYTE_ARRAY = 6;
export const FIXED_LEN_BYTE_ARRAY = 7;

/** A leaf of the schema: one column chunk per row group. */
export interface LeafColumn {
	/** Position among the file's column chunks. */
	readonly index: number;
	/** `path_in_schema`, with the groups between a list and its elements. */
	readonly path: readonly string[];
	readonly type: DataType;
	readonly physical: number;
	readonly maxDefinition: number;
	readonly maxRepetition: number;
}

/** A field as the walk over its vector needs it. */
export type SchemaNode =
	| {
			readonly kind: "leaf";
			readonly name: string;
			readonly nullable: boolean;
			readonly column: LeafColumn;
	  }
	| {
			readonly kind: "struct";
			readonly name: string;
			readonly nullable: boolean;
			/** A variant: its leaves say nothing by themselves. */
			readonly opaque: boolean;
			/** `child` is the position in the struct vector. */
			readonly fields: readonly {
				readonly child: number;
				readonly node: SchemaNode;
			}[];
	  }
	| {
			readonly kind: "list";
			readonly name: string;
			readonly nullable: boolean;
			readonly element: SchemaNode;
	  }
	| {
			readonly kind: "map";
			readonly name: string;
			readonly nullable: boolean;
			readonly key: SchemaNode;
			readonly value: SchemaNode;
	  };

/** One `SchemaElement` of the footer. */
interface Element {
	readonly name: string;
	readonly repetition?: number;
	readonly children?: number;
	readonly leaf?: DataType;
	readonly group?: "list" | "map";
	readonly fieldId?: number;
}

export interface FileSchema {
	/** Per field that the file holds: a `void` field has no column. */
	readonly fields: readonly {
		readonly child: number;
		readonly node: SchemaNode;
	}[];
	readonly columns: readonly LeafColumn[];
	readonly elements: readonly Element[];
	/** The fields that aren't structs, in order: what table statistics are kept of. */
	readonly measured: readonly MeasuredField[];
}

export interface MeasuredField {
	/** Names of the fields down to this one, structs only. */
	readonly path: readonly string[];
	readonly type: DataType;
	/** The leaf that holds the values or, of a list, map or variant, its first leaf. */
	readonly column: number;
	/** Lists, maps and variants have null counts, but no order. */
	readonly ordered: boolean;
}

const REQUIRED = 0;
const OPTIONAL = 1;
const REPEATED = 2;

/** A variant's group, in the order that a variant's vector has its children. */
export const VARIANT_FIELDS: readonly StructField[] = [
	{ name: "value", type: "binary", nullable: false, metadata: {} },
	{ name: "metadata", type: "binary", nullable: false, metadata: {} },
];

/**
 * The Parquet schema of a Delta schema (PROTOCOL.md, "Delta Data Type to Parquet Type Mappings"):
 * lists and maps have three levels, `void` fields are left out. With `fieldIds`, field ids come
 * from `delta.columnMapping.id` and `delta.columnMapping.nested.ids` of the metadata.
 *
 * @throws ParquetError for an empty struct and for `void` inside of a list or map
 */
export function fileSchema(
	schema: StructType,
	options: { fieldIds?: boolean } = {},
): FileSchema {
	const columns: LeafColumn[] = [];
	const elements: Element[] = [];
	const measured: MeasuredField[] = [];
	const fieldIds = options.fieldIds ?? false;

	let inVariant = false;

	function structFields(
		fields: readonly StructField[],
		path: readonly string[],
		definition: number,
		repetition: number,
	): { child: number; node: SchemaNode }[] {
		const nodes: { child: number; node: SchemaNode }[] = [];
		fields.forEach((field, child) => {
			if (field.type === "void") return;
			const ids = fieldIds ? fieldIdsOf(field) : () => undefined;
			const node = visit(field, path, definition, repetition, ids, field.name);
			nodes.push({ child, node });
		});
		return nodes;
	}

	function visit(
		field: Pick<StructField, "name" | "type" | "nullable">,
		parent: readonly string[],
		definition: number,
		repetition: number,
		ids: (path: string) => number | undefined,
		idPath: string,
	): SchemaNode {
		const { name, type, nullable } = field;
		const path = [...parent, name];
		const max = definition + (nullable ? 1 : 0);
		const id = ids(idPath);
		const common = {
			name,
			repetition: nullable ? OPTIONAL : REQUIRED,
			...(id === undefined ? {} : { fieldId: id }),
		};
		if (type === "void") {
			throw new ParquetError(
				"PARQUET_UNSUPPORTED",
				`Parquet can't hold the type void inside of a list or map (${path.join(".")}); give it another type`,
			);
		}
		const leaf = typeof type === "string" && type !== "variant";
		if (
			repetition === 0 &&
			!inVariant &&
			(typeof type === "string" || type.type !== "struct")
		) {
			measured.push({ path, type, column: columns.length, ordered: leaf });
		}
		if (leaf) {
			const column: LeafColumn = {
				index: columns.length,
				path,
				type,
				physical: physicalType(type),
				maxDefinition: max,
				maxRepetition: repetition,
			};
			columns.push(column);
			elements.push({ ...common, leaf: type });
			return { kind: "leaf", name, nullable, column };
		}
		if (type === "variant" || type.type === "struct") {
			const at = elements.length;
			elements.push(common);
			const opaque = type === "variant";
			const members = opaque ? VARIANT_FIELDS : type.fields;
			inVariant = opaque;
			const fields = structFields(members, path, max, repetition);
			inVariant = false;
			if (fields.length === 0) {
				throw new ParquetError(
					"PARQUET_UNSUPPORTED",
					`Parquet can't hold a struct without fields (${path.join(".")}); leave the column out`,
				);
			}
			elements[at] = { ...common, children: fields.length };
			return { kind: "struct", name, nullable, opaque, fields };
		}
		if (type.type === "array") {
			elements.push({ ...common, children: 1, group: "list" });
			elements.push({ name: "list", repetition: REPEATED, children: 1 });
			const element = visit(
				{
					name: "element",
					type: type.elementType,
					nullable: type.containsNull,
				},
				[...path, "list"],
				max + 1,
				repetition + 1,
				ids,
				`${idPath}.element`,
			);
			return { kind: "list", name, nullable, element };
		}
		elements.push({ ...common, children: 1, group: "map" });
		elements.push({ name: "key_value", repetition: REPEATED, children: 2 });
		const entry = [...path, "key_value"];
		const key = visit(
			{ name: "key", type: type.keyType, nullable: false },
			entry,
			max + 1,
			repetition + 1,
			ids,
			`${idPath}.key`,
		);
		const value = visit(
			{ name: "value", type: type.valueType, nullable: type.valueContainsNull },
			entry,
			max + 1,
			repetition + 1,
			ids,
			`${idPath}.value`,
		);
		return { kind: "map", name, nullable, key, value };
	}

	const fields = structFields(schema.fields, [], 0, 0);
	elements.unshift({ name: "schema", children: fields.length });
	return { fields, columns, elements, measured };
}

/** The ids of a field and of what lies under it up to the next struct, by `name.element…` path. */
function fieldIdsOf(field: StructField): (path: string) => number | undefined {
	const own = field.metadata["delta.columnMapping.id"];
	const nested = field.metadata["delta.columnMapping.nested.ids"];
	return (path) => {
		if (path === field.name) return typeof own === "number" ? own : undefined;
		if (typeof nested !== "object" || nested === null) return undefined;
		const id = (nested as Record<string, unknown>)[path];
		return typeof id === "number" ? id : undefined;
	};
}

function physicalType(type: DataType): number {
	switch (type) {
		case "boolean":
			return BOOLEAN;
		case "byte":
		case "short":
		case "integer":
		case "date":
			return INT32;
		case "long":
		case "timestamp":
		case "timestamp_ntz":
			return INT64;
		case "float":
			return FLOAT;
		case "double":
			return DOUBLE;
		case "string":
		case "binary":
			return BYTE_ARRAY;
	}
	const decimal = decimalParts(type);
	if (decimal === undefined || decimal.precision > 38 || decimal.precision < 1)
		throw new ParquetError(
			"PARQUET_UNSUPPORTED",
			`unknown type ${JSON.stringify(type)}; use one of Delta's types`,
		);
	return decimal.precision > 18 ? FIXED_LEN_BYTE_ARRAY : INT64;
}

const CONVERTED = {
	utf8: 0,
	map: 1,
	list: 3,
	decimal: 5,
	date: 6,
	timestampMicros: 10,
	int8: 15,
	int16: 16,
} as const;

/** Writes the fields of one `SchemaElement`. */
export function writeElement(writer: CompactWriter, element: Element): void {
	if (element.leaf !== undefined) {
		const physical = physicalType(element.leaf);
		writer.i32(1, physical);
		if (physical === FIXED_LEN_BYTE_ARRAY) writer.i32(2, 16);
	}
	if (element.repetition !== undefined) writer.i32(3, element.repetition);
	writer.binary(4, element.name);
	if (element.children !== undefined) writer.i32(5, element.children);
	if (element.group !== undefined) {
		writer.i32(6, CONVERTED[element.group]);
		writeFieldId(writer, element);
		writer.struct(10, () =>
			writer.struct(element.group === "map" ? 2 : 3, () => {}),
		);
	} else if (element.leaf !== undefined) {
		writeLogicalType(writer, element, element.leaf);
	} else {
		writeFieldId(writer, element);
	}
}

function writeFieldId(writer: CompactWriter, element: Element): void {
	if (element.fieldId !== undefined) writer.i32(9, element.fieldId);
}

function writeLogicalType(
	writer: CompactWriter,
	element: Element,
	type: DataType,
): void {
	const logical = (converted: number | undefined, body: () => void): void => {
		if (converted !== undefined) writer.i32(6, converted);
		writeFieldId(writer, element);
		writer.struct(10, body);
	};
	const integer = (bits: number): void =>
		writer.struct(10, () => {
			writer.i8(1, bits);
			writer.bool(2, true);
		});
	const timestamp = (utc: boolean): void =>
		writer.struct(8, () => {
			writer.bool(1, utc);
			writer.struct(2, () => writer.struct(2, () => {}));
		});
	switch (type) {
		case "string":
			logical(CONVERTED.utf8, () => writer.struct(1, () => {}));
			return;
		case "date":
			logical(CONVERTED.date, () => writer.struct(6, () => {}));
			return;
		case "byte":
			logical(CONVERTED.int8, () => integer(8));
			return;
		case "short":
			logical(CONVERTED.int16, () => integer(16));
			return;
		case "timestamp":
			logical(CONVERTED.timestampMicros, () => timestamp(true));
			return;
		case "timestamp_ntz":
			// The converted type would say that the values are in UTC.
			logical(undefined, () => timestamp(false));
			return;
	}
	const decimal = decimalParts(type);
	if (decimal === undefined) {
		writeFieldId(writer, element);
		return;
	}
	writer.i32(6, CONVERTED.decimal);
	writer.i32(7, decimal.scale);
	writer.i32(8, decimal.precision);
	writeFieldId(writer, element);
	writer.struct(10, () =>
		writer.struct(5, () => {
			writer.i32(1, decimal.scale);
			writer.i32(2, decimal.precision);
		}),
	);
}
