import type { DataType, StructField, StructType } from "../columnar/types.ts";
import { DeltaError } from "./errors.ts";

/**
 * The schema of a `schemaString` (PROTOCOL.md, "Schema Serialization Format"); what it has beyond
 * the format stays in it.
 * @throws DeltaError DELTA_LOG_INVALID when the text is no schema, or two names differ only in
 * case; DELTA_UNSUPPORTED_READER for a type that this engine does not know. Both name the field
 */
export function parseSchema(schemaString: string, url: string): StructType {
	let json: unknown;
	try {
		json = JSON.parse(schemaString);
	} catch (cause) {
		throw new DeltaError(
			"DELTA_LOG_INVALID",
			`${url}: schemaString is not a schema: it is no JSON`,
			{ cause },
		);
	}
	if (!isObject(json) || json.type !== "struct")
		throw invalid(url, "schemaString is not a schema: it is no struct");
	return structOf(json, [], url);
}

const PRIMITIVES: ReadonlySet<unknown> = new Set<DataType>([
	"string",
	"long",
	"integer",
	"short",
	"byte",
	"float",
	"double",
	"boolean",
	"binary",
	"date",
	"timestamp",
	"timestamp_ntz",
	"variant",
	"void",
]);

type Json = Readonly<Record<string, unknown>>;

function structOf(
	json: Json,
	path: readonly string[],
	url: string,
): StructType {
	if (!Array.isArray(json.fields))
		throw invalid(url, `${nameOf(path)} is a struct without a list of fields`);
	const names = new Map<string, string>();
	const fields = (json.fields as unknown[]).map((field): StructField => {
		if (!isObject(field) || typeof field.name !== "string")
			throw invalid(url, `${nameOf(path)} has a field without a name`);
		const { name, nullable, metadata = {} } = field;
		const at = [...path, name];
		const other = names.get(name.toLowerCase());
		if (other !== undefined)
			throw invalid(
				url,
				other === name
					? `${nameOf(at)} is there twice`
					: `${nameOf(at)} and ${nameOf([...path, other])} differ only in case`,
			);
		names.set(name.toLowerCase(), name);
		if (typeof nullable !== "boolean")
			throw invalid(url, `${nameOf(at)} does not say whether it is nullable`);
		if (!isObject(metadata))
			throw invalid(url, `the metadata of ${nameOf(at)} is no object`);
		const type = typeOf(field.type, at, url);
		return { ...field, name, type, nullable, metadata };
	});
	return { ...json, type: "struct", fields };
}

/** Levels of nesting: more would exhaust the stack. */
const MAX_DEPTH = 500;

function typeOf(type: unknown, path: readonly string[], url: string): DataType {
	if (path.length > MAX_DEPTH)
		throw invalid(url, `the column ${path[0]} nests deeper than ${MAX_DEPTH}`);
	if (typeof type === "string") return primitiveOf(type, path, url);
	if (!isObject(type)) throw invalid(url, `${nameOf(path)} has no type`);
	const flag = (name: string): boolean => {
		const value = type[name];
		if (typeof value === "boolean") return value;
		throw invalid(url, `${nameOf(path)} has a type without ${name}`);
	};
	switch (type.type) {
		case "struct":
			return structOf(type, path, url);
		case "array":
			return {
				...type,
				type: "array",
				elementType: typeOf(type.elementType, [...path, "element"], url),
				containsNull: flag("containsNull"),
			};
		case "map":
			return {
				...type,
				type: "map",
				keyType: typeOf(type.keyType, [...path, "key"], url),
				valueType: typeOf(type.valueType, [...path, "value"], url),
				valueContainsNull: flag("valueContainsNull"),
			};
		default:
			throw unknown(String(type.type), path, url);
	}
}

function primitiveOf(
	type: string,
	path: readonly string[],
	url: string,
): DataType {
	if (PRIMITIVES.has(type)) return type as DataType;
	// Spark's older names.
	if (type === "null") return "void";
	if (type === "decimal") return "decimal(10,0)";
	const match = /^decimal\(\s*(\d+)\s*,\s*(\d+)\s*\)$/.exec(type);
	if (match === null) throw unknown(type, path, url);
	const [precision, scale] = [Number(match[1]), Number(match[2])];
	if (precision < 1 || precision > 38 || scale > precision)
		throw unknown(type, path, url);
	return `decimal(${precision},${scale})`;
}

function isObject(json: unknown): json is Json {
	return typeof json === "object" && json !== null && !Array.isArray(json);
}

function nameOf(path: readonly string[]): string {
	return path.length === 0 ? "the table" : `the column ${path.join(".")}`;
}

function unknown(
	type: string,
	path: readonly string[],
	url: string,
): DeltaError {
	return new DeltaError(
		"DELTA_UNSUPPORTED_READER",
		`${url}: ${nameOf(path)} has the type ${type}, which this engine does not read`,
	);
}

function invalid(url: string, what: string): DeltaError {
	return new DeltaError("DELTA_LOG_INVALID", `${url}: ${what}`);
}
