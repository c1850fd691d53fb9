import { type DataType, field, type StructType } from "../columnar/types.ts";
import { JsonSyntaxError } from "./json-input.ts";

/** The part of a Connect schema, as JsonConverter writes it, that decides a column. */
export interface ConnectSchema {
	readonly type: string;
	readonly optional?: boolean;
	readonly name?: string;
	readonly field?: string;
	readonly parameters?: Readonly<Record<string, string>>;
	readonly fields?: readonly ConnectSchema[];
	readonly items?: ConnectSchema;
}

/** @throws JsonSyntaxError for JSON that is no Connect schema */
export function parseSchema(text: string): ConnectSchema {
	const schema: unknown = JSON.parse(text);
	if (!isSchema(schema))
		throw new JsonSyntaxError(
			`the schema ${text.slice(0, 100)} is none of Kafka Connect`,
		);
	return schema;
}

function isSchema(value: unknown): value is ConnectSchema {
	if (typeof value !== "object" || value === null) return false;
	const { type, name, field, parameters, fields, items } = value as Readonly<
		Record<string, unknown>
	>;
	return (
		typeof type === "string" &&
		(name === undefined || typeof name === "string") &&
		(field === undefined || typeof field === "string") &&
		(parameters === undefined ||
			(typeof parameters === "object" &&
				parameters !== null &&
				Object.values(parameters).every((one) => typeof one === "string"))) &&
		(fields === undefined ||
			(Array.isArray(fields) && fields.every(isSchema))) &&
		(items === undefined || isSchema(items))
	);
}

/** How a JSON value becomes the column's value. */
export type Conversion =
	| "plain"
	| "decimal"
	| "variable-decimal"
	| "base64"
	| "date"
	| "millis"
	| "micros"
	| "nanos"
	| "zoned"
	| "time-millis"
	| "time-micros"
	| "time-nanos"
	| "text"
	| "struct"
	| "array";

export interface TypedField {
	readonly name: string;
	readonly type: DataType;
	readonly conversion: Conversion;
	readonly scale: number;
	readonly fields: readonly TypedField[];
	readonly element: TypedField | undefined;
	/** Whether its strings are JSON. */
	readonly json: boolean;
}

/** The columns of a Connect struct, by its semantic names (Debezium, "Data types"). */
export function typedFields(schema: ConnectSchema): TypedField[] {
	return (schema.fields ?? []).map((inner) =>
		typedField(inner, inner.field ?? ""),
	);
}

export function structOf(fields: readonly TypedField[]): StructType {
	return {
		type: "struct",
		fields: fields.map(({ name, type }) => field(name, type)),
	};
}

function typedField(schema: ConnectSchema, name: string): TypedField {
	const make = (
		type: DataType,
		conversion: Conversion,
		more: Partial<TypedField> = {},
	): TypedField => ({
		name,
		type,
		conversion,
		scale: 0,
		fields: [],
		element: undefined,
		json: schema.name === "io.debezium.data.Json",
		...more,
	});
	switch (schema.name) {
		case "org.apache.kafka.connect.data.Decimal": {
			const scale = Number(schema.parameters?.scale ?? 0);
			const precision = Number(
				schema.parameters?.["connect.decimal.precision"] ?? 38,
			);
			return Number.isInteger(precision) &&
				Number.isInteger(scale) &&
				precision <= 38 &&
				scale >= 0 &&
				scale <= precision
				? make(`decimal(${precision},${scale})`, "decimal", { scale })
				: make("string", "decimal", { scale });
		}
		case "io.debezium.data.VariableScaleDecimal":
			return make("string", "variable-decimal");
		case "io.debezium.time.Date":
		case "org.apache.kafka.connect.data.Date":
			return make("date", "date");
		case "io.debezium.time.Timestamp":
		case "org.apache.kafka.connect.data.Timestamp":
			return make("timestamp_ntz", "millis");
		case "io.debezium.time.MicroTimestamp":
			return make("timestamp_ntz", "micros");
		case "io.debezium.time.NanoTimestamp":
			return make("timestamp_ntz", "nanos");
		case "io.debezium.time.ZonedTimestamp":
			return make("timestamp", "zoned");
		case "io.debezium.time.Time":
		case "org.apache.kafka.connect.data.Time":
			return make("string", "time-millis");
		case "io.debezium.time.MicroTime":
			return make("string", "time-micros");
		case "io.debezium.time.NanoTime":
			return make("string", "time-nanos");
	}
	switch (schema.type) {
		case "int8":
			return make("byte", "plain");
		case "int16":
			return make("short", "plain");
		case "int32":
			return make("integer", "plain");
		case "int64":
			return make("long", "plain");
		case "float":
		case "float32":
			return make("float", "plain");
		case "double":
		case "float64":
			return make("double", "plain");
		case "boolean":
			return make("boolean", "plain");
		case "string":
			return make("string", "plain");
		case "bytes":
			return make("binary", "base64");
		case "struct": {
			const fields = typedFields(schema);
			return fields.length === 0
				? make("string", "text")
				: make(structOf(fields), "struct", { fields });
		}
		case "array": {
			if (schema.items === undefined) return make("string", "text");
			const element = typedField(schema.items, "element");
			return make(
				{ type: "array", elementType: element.type, containsNull: true },
				"array",
				{ element },
			);
		}
		default:
			// A map, or what a later Debezium may send: its JSON text.
			return make("string", "text");
	}
}
