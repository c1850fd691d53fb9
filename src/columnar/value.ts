import type { DataType } from "./types.ts";
import { decimalParts } from "./types.ts";
import {
	dateText,
	decimalText,
	numberText,
	timestampText,
} from "./value-text.ts";
import { variantJson } from "./variant.ts";
import type { Row, Value, Vector } from "./vector.ts";

export { dateText, decimalText, timestampText } from "./value-text.ts";

/**
 * The value in slot `i`, losslessly: 64-bit integers and timestamps (µs) as `bigint`, dates as days,
 * decimals unscaled with the scale of `type`, strings decoded from UTF-8, structs as rows of the
 * type's field names, maps as `Map` (of equal keys the last counts).
 */
export function valueAt(vector: Vector, type: DataType, i: number): Value {
	if (vector.validity !== undefined && vector.validity[i] === 0) return null;
	switch (vector.kind) {
		case "bool":
			return type === "void" ? null : vector.values[i] === 1;
		case "i32":
		case "f32":
		case "f64":
			return vector.values[i] as number;
		case "i64": {
			const value = vector.values[i] as bigint;
			const decimal = decimalParts(type);
			return decimal === undefined
				? value
				: { unscaled: value, scale: decimal.scale };
		}
		case "fixed16":
			return {
				unscaled: readFixed16(vector.values, i),
				scale: decimalParts(type)?.scale ?? 0,
			};
		case "bytes": {
			const bytes = vector.data.subarray(
				vector.offsets[i],
				vector.offsets[i + 1],
			);
			return type === "binary" ? new Uint8Array(bytes) : decoder.decode(bytes);
		}
		case "struct": {
			const row: Record<string, Value> = {};
			fieldsOf(type).forEach(({ name, type: fieldType }, child) => {
				const value = valueAt(vector.children[child] as Vector, fieldType, i);
				setField(row, name, value);
			});
			return row;
		}
		case "list": {
			const elementType = isArray(type) ? type.elementType : "void";
			const values: Value[] = [];
			const end = vector.offsets[i + 1] as number;
			for (let at = vector.offsets[i] as number; at < end; at++)
				values.push(valueAt(vector.child, elementType, at));
			return values;
		}
		case "map": {
			const keyType = isMap(type) ? type.keyType : "void";
			const valueType = isMap(type) ? type.valueType : "void";
			const values = new Map<Value, Value>();
			const end = vector.offsets[i + 1] as number;
			for (let at = vector.offsets[i] as number; at < end; at++) {
				values.set(
					valueAt(vector.keys, keyType, at),
					valueAt(vector.values, valueType, at),
				);
			}
			return values;
		}
	}
}

/**
 * Text for people: strings as they are, `null` as `null`, timestamps in ISO 8601 with µs, decimals
 * exact, binary in base64, nested values as JSON.
 */
export function formatValue(value: Value, type: DataType): string {
	if (value === null) return "null";
	if (typeof value === "string") return value;
	if (typeof type === "string") {
		if (typeof value === "number" && type !== "date")
			return numberText(value, type);
		const scalar = scalarText(value, type);
		if (scalar !== undefined) return scalar;
	}
	return toJson(value, type);
}

/**
 * JSON that loses nothing: 64-bit integers and decimals are numbers with all digits, timestamps and
 * dates ISO 8601 strings, binary base64 strings, NaN and infinities strings. A map with string keys
 * is an object, any other map an array of `{"key":…,"value":…}`; a variant is what it holds.
 * @throws TributaryError `VARIANT_INVALID` for a damaged variant
 */
export function toJson(value: Value, type: DataType): string {
	if (value === null) return "null";
	if (typeof value === "string") return JSON.stringify(value);
	if (typeof value === "boolean") return String(value);
	if (isArray(type) && Array.isArray(value)) {
		const { elementType } = type;
		return `[${value.map((item: Value) => toJson(item, elementType)).join(",")}]`;
	}
	if (isMap(type) && value instanceof Map) {
		const { keyType, valueType } = type;
		const entries: [Value, Value][] = [...value];
		return keyType === "string"
			? `{${entries.map(([k, v]) => `${toJson(k, keyType)}:${toJson(v, valueType)}`).join(",")}}`
			: `[${entries.map(([k, v]) => `{"key":${toJson(k, keyType)},"value":${toJson(v, valueType)}}`).join(",")}]`;
	}
	if (type === "variant") return variantText(value as Row);
	if (typeof type !== "string") {
		const row = value as Row;
		return `{${fieldsOf(type)
			.map(
				(field) =>
					`${JSON.stringify(field.name)}:${toJson(fieldOf(row, field.name), field.type)}`,
			)
			.join(",")}}`;
	}
	if (typeof value === "number" && type !== "date") {
		const text = numberText(value, type);
		return Number.isFinite(value) ? text : JSON.stringify(text);
	}
	const text = scalarText(value, type);
	if (text === undefined) return JSON.stringify(String(value));
	return type === "long" || decimalParts(type) !== undefined
		? text
		: JSON.stringify(text);
}

/** A row's own field, `null` where it has none. */
export function fieldOf(row: Row, name: string): Value {
	return Object.hasOwn(row, name) ? (row[name] ?? null) : null;
}

/** The integer of 16 big-endian bytes in two's complement. */
export function readFixed16(values: Uint8Array, i: number): bigint {
	const view = new DataView(values.buffer, values.byteOffset + i * 16, 16);
	return (view.getBigInt64(0) << 64n) | view.getBigUint64(8);
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function scalarText(value: Value, type: DataType): string | undefined {
	if (typeof value === "boolean") return String(value);
	if (typeof value === "number" && type === "date") return dateText(value);
	if (typeof value === "bigint") {
		if (type === "timestamp") return `${timestampText(value)}Z`;
		if (type === "timestamp_ntz") return timestampText(value);
		return String(value);
	}
	if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
	if (isDecimal(value)) return decimalText(value.unscaled, value.scale);
	return undefined;
}

function variantText({ metadata, value }: Row): string {
	return variantJson(
		metadata instanceof Uint8Array ? metadata : new Uint8Array(0),
		value instanceof Uint8Array ? value : new Uint8Array(0),
	);
}

/** A decimal, not a row that happens to have such fields: those have no bigint and number. */
export function isDecimal(
	value: Value,
): value is { readonly unscaled: bigint; readonly scale: number } {
	return (
		typeof value === "object" &&
		value !== null &&
		"unscaled" in value &&
		typeof value.unscaled === "bigint" &&
		"scale" in value &&
		typeof value.scale === "number"
	);
}

function fieldsOf(
	type: DataType,
): readonly { readonly name: string; readonly type: DataType }[] {
	if (type === "variant") return VARIANT;
	return typeof type !== "string" && type.type === "struct" ? type.fields : [];
}

const VARIANT = [
	{ name: "value", type: "binary" },
	{ name: "metadata", type: "binary" },
] as const;

/** `__proto__` is a field like any other. */
function setField(row: Record<string, Value>, name: string, value: Value) {
	if (name === "__proto__") {
		Object.defineProperty(row, name, {
			value,
			enumerable: true,
			configurable: true,
			writable: true,
		});
	} else {
		row[name] = value;
	}
}

function isArray(type: DataType): type is Extract<DataType, { type: "array" }> {
	return typeof type !== "string" && type.type === "array";
}

function isMap(type: DataType): type is Extract<DataType, { type: "map" }> {
	return typeof type !== "string" && type.type === "map";
}
