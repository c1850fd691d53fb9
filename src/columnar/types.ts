/**
 * Data types, in the shape of Delta's schema JSON (PROTOCOL.md, "Schema Serialization Format"), so
 * that `JSON.stringify(struct)` is a `schemaString`.
 */
export type DataType = PrimitiveType | StructType | ArrayType | MapType;

export type PrimitiveType =
	| "string"
	| "long"
	| "integer"
	| "short"
	| "byte"
	| "float"
	| "double"
	| "boolean"
	| "binary"
	| "date"
	| "timestamp"
	| "timestamp_ntz"
	| "variant"
	| "void"
	| DecimalType;

export type DecimalType = `decimal(${number},${number})`;

export interface StructType {
	readonly type: "struct";
	readonly fields: readonly StructField[];
}

export interface StructField {
	readonly name: string;
	readonly type: DataType;
	readonly nullable: boolean;
	readonly metadata: Readonly<Record<string, unknown>>;
}

export interface ArrayType {
	readonly type: "array";
	readonly elementType: DataType;
	readonly containsNull: boolean;
}

export interface MapType {
	readonly type: "map";
	readonly keyType: DataType;
	readonly valueType: DataType;
	readonly valueContainsNull: boolean;
}

export function field(
	name: string,
	type: DataType,
	options: { nullable?: boolean; metadata?: Record<string, unknown> } = {},
): StructField {
	return {
		name,
		type,
		nullable: options.nullable ?? true,
		metadata: options.metadata ?? {},
	};
}

export function struct(...fields: readonly StructField[]): StructType {
	return { type: "struct", fields };
}

export function array(elementType: DataType, containsNull = true): ArrayType {
	return { type: "array", elementType, containsNull };
}

/** `undefined` unless `type` is a decimal. */
export function decimalParts(
	type: DataType,
): { precision: number; scale: number } | undefined {
	const match =
		typeof type === "string" ? /^decimal\((\d+),(-?\d+)\)$/.exec(type) : null;
	return match === null
		? undefined
		: { precision: Number(match[1]), scale: Number(match[2]) };
}
