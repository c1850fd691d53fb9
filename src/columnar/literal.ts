import { TributaryError } from "../errors.ts";
import { takeVector } from "./batch.ts";
import type { DataType } from "./types.ts";
import { decimalParts } from "./types.ts";
import { fieldOf } from "./value.ts";
import type { Row, Value, Vector } from "./vector.ts";
import { kindOf } from "./vector.ts";

/**
 * A vector of these values. Integers may come as `number` or `bigint`, strings as UTF-8 bytes.
 * @throws TributaryError `VALUE_MISMATCH` when a value isn't one of `type`
 */
export function vectorOf(type: DataType, values: readonly Value[]): Vector {
	const length = values.length;
	const validity = values.includes(null)
		? Uint8Array.from(values, (value) => (value === null ? 0 : 1))
		: undefined;
	const slots = { length, validity };
	const kind = kindOf(type);
	switch (kind) {
		case "bool":
			return {
				kind,
				...slots,
				values: Uint8Array.from(values, (value) => {
					if (value === null) return 0;
					if (typeof value !== "boolean") throw mismatch(value, type);
					return value ? 1 : 0;
				}),
			};
		case "i32":
			return {
				kind,
				...slots,
				values: Int32Array.from(values, (value) => integer(value, type)),
			};
		case "f32":
			return {
				kind,
				...slots,
				values: Float32Array.from(values, (value) => float(value, type)),
			};
		case "f64":
			return {
				kind,
				...slots,
				values: Float64Array.from(values, (value) => float(value, type)),
			};
		case "i64":
			return {
				kind,
				...slots,
				values: BigInt64Array.from(values, (value) => long(value, type)),
			};
		case "fixed16": {
			const bytes = new Uint8Array(length * 16);
			const view = new DataView(bytes.buffer);
			values.forEach((value, i) => {
				const unscaled = value === null ? 0n : unscaledOf(value, type);
				view.setBigInt64(i * 16, unscaled >> 64n);
				view.setBigUint64(i * 16 + 8, BigInt.asUintN(64, unscaled));
			});
			return { kind, ...slots, values: bytes };
		}
		case "bytes": {
			const parts = values.map((value) => bytesOf(value, type));
			const offsets = offsetsOf(parts);
			const data = Buffer.concat(parts);
			return { kind, ...slots, offsets, data: new Uint8Array(data) };
		}
		case "struct": {
			const rows = values.map((value) => {
				if (value !== null && !isRow(value)) throw mismatch(value, type);
				return value as Row | null;
			});
			const fields =
				typeof type !== "string" && type.type === "struct"
					? type.fields
					: VARIANT;
			const children = fields.map(({ name, type: fieldType }) =>
				vectorOf(
					fieldType,
					rows.map((row) => (row === null ? null : fieldOf(row, name))),
				),
			);
			return { kind, ...slots, children };
		}
		case "list": {
			if (typeof type === "string" || type.type !== "array")
				throw mismatch(values[0] ?? null, type);
			const lists = values.map((value): readonly Value[] => {
				if (value === null) return [];
				if (!Array.isArray(value)) throw mismatch(value, type);
				return value;
			});
			const child = vectorOf(type.elementType, lists.flat());
			return { kind, ...slots, offsets: offsetsOf(lists), child };
		}
		case "map": {
			if (typeof type === "string" || type.type !== "map")
				throw mismatch(values[0] ?? null, type);
			const entries = values.map((value): [Value, Value][] => {
				if (value === null) return [];
				if (!(value instanceof Map)) throw mismatch(value, type);
				return [...value];
			});
			const flat = entries.flat();
			return {
				kind,
				...slots,
				offsets: offsetsOf(entries),
				keys: vectorOf(
					type.keyType,
					flat.map(([key]) => key),
				),
				values: vectorOf(
					type.valueType,
					flat.map(([, value]) => value),
				),
			};
		}
	}
}

/** `length` slots of one value. */
export function constantVector(
	type: DataType,
	value: Value,
	length: number,
): Vector {
	return takeVector(vectorOf(type, [value]), new Int32Array(length));
}

/** `length` slots without a value. */
export function nullVector(type: DataType, length: number): Vector {
	return constantVector(type, null, length);
}

const VARIANT = [
	{ name: "value", type: "binary" },
	{ name: "metadata", type: "binary" },
] as const;

const encoder = new TextEncoder();

function integer(value: Value, type: DataType): number {
	if (value === null) return 0;
	const number = typeof value === "bigint" ? Number(value) : value;
	const bits = type === "byte" ? 8 : type === "short" ? 16 : 32;
	const limit = 2 ** (bits - 1);
	if (
		typeof number !== "number" ||
		!Number.isInteger(number) ||
		number < -limit ||
		number >= limit
	)
		throw mismatch(value, type);
	return number;
}

function float(value: Value, type: DataType): number {
	if (value === null) return 0;
	if (typeof value !== "number") throw mismatch(value, type);
	return value;
}

function long(value: Value, type: DataType): bigint {
	if (value === null) return 0n;
	if (decimalParts(type) !== undefined) return unscaledOf(value, type);
	const wide =
		typeof value === "number" && Number.isSafeInteger(value)
			? BigInt(value)
			: value;
	if (typeof wide !== "bigint" || wide !== BigInt.asIntN(64, wide))
		throw mismatch(value, type);
	return wide;
}

function unscaledOf(value: Value, type: DataType): bigint {
	const decimal = decimalParts(type);
	if (
		decimal === undefined ||
		!isRow(value) ||
		typeof value.unscaled !== "bigint" ||
		typeof value.scale !== "number" ||
		value.scale > decimal.scale
	)
		throw mismatch(value, type);
	const unscaled = value.unscaled * 10n ** BigInt(decimal.scale - value.scale);
	const limit = 10n ** BigInt(decimal.precision);
	if (unscaled >= limit || unscaled <= -limit) throw mismatch(value, type);
	return unscaled;
}

function bytesOf(value: Value, type: DataType): Uint8Array {
	if (value === null) return new Uint8Array(0);
	if (value instanceof Uint8Array) return value;
	if (typeof value !== "string" || type !== "string")
		throw mismatch(value, type);
	return encoder.encode(value);
}

function offsetsOf(parts: readonly { readonly length: number }[]): Int32Array {
	const offsets = new Int32Array(parts.length + 1);
	let end = 0;
	parts.forEach((part, i) => {
		end += part.length;
		offsets[i + 1] = end;
	});
	return offsets;
}

function isRow(value: Value): value is Row {
	return (
		typeof value === "object" &&
		value !== null &&
		!Array.isArray(value) &&
		!(value instanceof Map) &&
		!(value instanceof Uint8Array)
	);
}

function mismatch(value: Value, type: DataType): TributaryError {
	const shown =
		typeof value === "object" && value !== null
			? `a value of another shape`
			: String(value).slice(0, 40);
	return new TributaryError(
		"VALUE_MISMATCH",
		`${shown} is no ${typeof type === "string" ? type : type.type}; convert it first`,
	);
}
