import type { DataType } from "../types.ts";
import { decimalParts } from "../types.ts";
import { isDecimal } from "../value.ts";
import type { Value } from "../vector.ts";
import type { SchemaElement } from "./metadata.ts";

/**
 * The PLAIN encodings that a value of `type` can have in a column of the file, bytes without their
 * length: none where the column can't hold it, two for zeros, which have two signs; `undefined`
 * where they can't all be told.
 */
export function plainForms(
	value: Value,
	type: DataType,
	element: SchemaElement,
): readonly Uint8Array[] | undefined {
	const decimal = decimalParts(type);
	if (decimal !== undefined)
		return isDecimal(value)
			? decimalForms(value, decimal.scale, element)
			: undefined;
	switch (type) {
		case "string":
			return typeof value === "string" ? [Buffer.from(value)] : undefined;
		case "binary":
			return value instanceof Uint8Array ? [value] : undefined;
		case "byte":
		case "short":
		case "integer":
		case "date":
		case "long":
			return integerForms(value, element);
		case "timestamp":
		case "timestamp_ntz":
			return timestampForms(value, element);
		case "float":
		case "double":
			return floatForms(value, element);
		default:
			return undefined;
	}
}

function integerForms(
	value: Value,
	{ type }: SchemaElement,
): readonly Uint8Array[] | undefined {
	if (typeof value !== "number" && typeof value !== "bigint") return undefined;
	if (typeof value === "number" && !Number.isInteger(value)) return [];
	const integer = BigInt(value);
	if (type === "INT64") return bits64(integer);
	if (type !== "INT32") return undefined;
	// Unsigned values of 32 bits have the bits of negative ones.
	if (integer < -(2n ** 31n) || integer >= 2n ** 32n) return [];
	const bytes = new Uint8Array(4);
	new DataView(bytes.buffer).setInt32(
		0,
		Number(BigInt.asIntN(32, integer)),
		true,
	);
	return [bytes];
}

function timestampForms(
	value: Value,
	element: SchemaElement,
): readonly Uint8Array[] | undefined {
	if (typeof value !== "bigint" || element.type !== "INT64") return undefined;
	const { logical, converted } = element;
	const unit =
		logical?.type === "TIMESTAMP" ? logical.unit : converted?.split("_")[1];
	if (unit === "MICROS") return bits64(value);
	if (unit === "MILLIS")
		return value % 1000n === 0n ? bits64(value / 1000n) : [];
	// A thousand nanosecond values are read as one.
	return undefined;
}

function floatForms(
	value: Value,
	{ type }: SchemaElement,
): readonly Uint8Array[] | undefined {
	if (typeof value !== "number" || Number.isNaN(value)) return undefined;
	if (type !== "FLOAT" && type !== "DOUBLE") return undefined;
	if (type === "FLOAT" && Math.fround(value) !== value) return [];
	const values = value === 0 ? [0, -0] : [value];
	return values.map((one) => {
		const bytes = new Uint8Array(type === "FLOAT" ? 4 : 8);
		const view = new DataView(bytes.buffer);
		if (type === "FLOAT") view.setFloat32(0, one, true);
		else view.setFloat64(0, one, true);
		return bytes;
	});
}

function decimalForms(
	value: { readonly unscaled: bigint; readonly scale: number },
	scale: number,
	element: SchemaElement,
): readonly Uint8Array[] | undefined {
	if (value.scale > scale) return undefined;
	const { type, logical, converted } = element;
	const fileScale =
		logical?.type === "DECIMAL"
			? logical.scale
			: converted === "DECIMAL"
				? (element.scale ?? 0)
				: 0;
	const unscaled = value.unscaled * 10n ** BigInt(scale - value.scale);
	const factor = 10n ** BigInt(scale - fileScale);
	if (unscaled % factor !== 0n) return [];
	const integer = unscaled / factor;
	if (type === "INT32" || type === "INT64")
		return integerForms(integer, element);
	if (type !== "FIXED_LEN_BYTE_ARRAY") return undefined;
	const width = element.typeLength ?? 0;
	if (BigInt.asIntN(width * 8, integer) !== integer) return [];
	const bytes = new Uint8Array(width);
	let rest = integer;
	for (let i = width - 1; i >= 0; i--) {
		bytes[i] = Number(BigInt.asUintN(8, rest));
		rest >>= 8n;
	}
	return [bytes];
}

function bits64(value: bigint): readonly Uint8Array[] {
	if (value < -(2n ** 63n) || value >= 2n ** 64n) return [];
	const bytes = new Uint8Array(8);
	new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, value), true);
	return [bytes];
}
