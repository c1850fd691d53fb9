import type { DataType, StructType } from "../../src/columnar/types.ts";
import { decimalText, valueAt } from "../../src/columnar/value.ts";
import type { Batch, Row, Value } from "../../src/columnar/vector.ts";

/** A value as the judges speak of it: `stack/judges/wire.py` says how. */
export type Wire = null | string | readonly Wire[];

/** Rows as lines that are equal when the rows are, in an order of their own. */
export function comparable(
	rows: readonly (readonly Wire[])[],
	schema: StructType,
): string[] {
	return rows
		.map((row) =>
			JSON.stringify(
				schema.fields.map((field, i) => canonical(row[i] ?? null, field.type)),
			),
		)
		.sort();
}

/** One text per value: floats in JavaScript's digits, decimals with all of the scale, maps sorted. */
function canonical(wire: Wire, type: DataType): Wire {
	if (wire === null) return null;
	if (typeof wire === "string") {
		if (type === "float" || type === "double") return floatText(Number(wire));
		return wire;
	}
	if (typeof type === "string") throw new Error(`${type} has no parts`);
	switch (type.type) {
		case "struct":
			return type.fields.map((field, i) =>
				canonical(wire[i] ?? null, field.type),
			);
		case "array":
			return wire.map((item) => canonical(item, type.elementType));
		case "map":
			return wire
				.map((entry) => {
					const [key = null, value = null] = entry ?? [];
					return [
						canonical(key, type.keyType),
						canonical(value, type.valueType),
					];
				})
				.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
	}
}

/** The rows of our batches, columns in the order of `schema`. */
export function wireRows(batch: Batch, schema: StructType): Wire[][] {
	const columns = schema.fields.map(({ name }) => {
		const at = batch.schema.fields.findIndex((field) => field.name === name);
		const [field, vector] = [batch.schema.fields[at], batch.columns[at]];
		if (field === undefined || vector === undefined)
			throw new Error(`no column ${name} in a batch`);
		return { type: field.type, vector };
	});
	return Array.from({ length: batch.length }, (_, row) =>
		columns.map(({ type, vector }) => wireOf(valueAt(vector, type, row), type)),
	);
}

export function wireOf(value: Value, type: DataType): Wire {
	if (value === null) return null;
	if (typeof type !== "string") {
		switch (type.type) {
			case "struct":
				return type.fields.map((field) =>
					wireOf((value as Row)[field.name] ?? null, field.type),
				);
			case "array":
				return (value as readonly Value[]).map((item) =>
					wireOf(item, type.elementType),
				);
			case "map":
				return [...(value as ReadonlyMap<Value, Value>)].map(([key, inner]) => [
					wireOf(key, type.keyType),
					wireOf(inner, type.valueType),
				]);
		}
	}
	if (typeof value === "number")
		return type === "float" || type === "double"
			? floatText(value)
			: String(value);
	if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
	if (typeof value === "object" && "unscaled" in value)
		return decimalText(value.unscaled as bigint, value.scale as number);
	return String(value);
}

/** The way back: a value for our own writing of a type. */
export function valueFrom(wire: Wire, type: DataType): Value {
	if (wire === null) return null;
	if (typeof wire !== "string") {
		if (typeof type === "string") throw new Error(`${type} has no parts`);
		switch (type.type) {
			case "struct":
				return Object.fromEntries(
					type.fields.map((field, i) => [
						field.name,
						valueFrom(wire[i] ?? null, field.type),
					]),
				);
			case "array":
				return wire.map((item) => valueFrom(item, type.elementType));
			case "map":
				return new Map(
					wire.map((entry) => [
						valueFrom(entry?.[0] ?? null, type.keyType),
						valueFrom(entry?.[1] ?? null, type.valueType),
					]),
				);
		}
	}
	switch (type) {
		case "string":
			return wire;
		case "long":
		case "timestamp":
		case "timestamp_ntz":
			return BigInt(wire);
		case "byte":
		case "short":
		case "integer":
		case "date":
		case "double":
			return Number(wire);
		case "float":
			return Math.fround(Number(wire));
		case "boolean":
			return wire === "true";
		case "binary":
			return new Uint8Array(Buffer.from(wire, "hex"));
		case "void":
		case "variant":
			throw new Error(`no values of ${type} are written here`);
		default: {
			const [whole = "", fraction = ""] = wire.split(".");
			return { unscaled: BigInt(whole + fraction), scale: fraction.length };
		}
	}
}

function floatText(value: number): string {
	return Object.is(value, -0) ? "-0" : String(value);
}

/** Names and types only: what is left of a schema when engines are compared by it. */
export function bareSchema(type: DataType): unknown {
	if (typeof type === "string") return type;
	switch (type.type) {
		case "struct":
			return type.fields.map((field) => [field.name, bareSchema(field.type)]);
		case "array":
			return { array: bareSchema(type.elementType) };
		case "map":
			return { map: [bareSchema(type.keyType), bareSchema(type.valueType)] };
	}
}
