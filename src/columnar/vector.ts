import type { DataType, StructType } from "./types.ts";

/**
 * Columns in memory, close to Arrow's layout, except that validity takes a byte per slot (1 =
 * present, `undefined` = no nulls): that is what JavaScript writes fastest and what definition
 * levels are made of. A slot whose validity is 0 still has a place in `values`; its content is
 * unspecified. A vector never changes after it was handed over,
 * until all of its batch is given back (`giveBackBatch`).
 *
 * | Delta type                               | kind    | value                                      |
 * |------------------------------------------|---------|--------------------------------------------|
 * | boolean                                  | bool    | 0 or 1                                     |
 * | byte, short, integer, date (days)        | i32     |                                            |
 * | long, timestamp and timestamp_ntz (µs)   | i64     |                                            |
 * | decimal of precision ≤ 18                | i64     | unscaled                                   |
 * | decimal of precision > 18                | fixed16 | unscaled, 16 bytes, big-endian, two's comp. |
 * | float, double                            | f32, f64|                                            |
 * | string (UTF-8), binary                   | bytes   |                                            |
 * | struct, array, map                       | struct, list, map |                                  |
 */
export type Vector =
	| BoolVector
	| I32Vector
	| I64Vector
	| F32Vector
	| F64Vector
	| BytesVector
	| Fixed16Vector
	| StructVector
	| ListVector
	| MapVector;

interface Slots {
	readonly length: number;
	readonly validity: Uint8Array | undefined;
}

export interface BoolVector extends Slots {
	readonly kind: "bool";
	readonly values: Uint8Array;
}
export interface I32Vector extends Slots {
	readonly kind: "i32";
	readonly values: Int32Array;
}
export interface I64Vector extends Slots {
	readonly kind: "i64";
	readonly values: BigInt64Array;
}
export interface F32Vector extends Slots {
	readonly kind: "f32";
	readonly values: Float32Array;
}
export interface F64Vector extends Slots {
	readonly kind: "f64";
	readonly values: Float64Array;
}
/** Slot `i` is `data.subarray(offsets[i], offsets[i + 1])`. */
export interface BytesVector extends Slots {
	readonly kind: "bytes";
	readonly offsets: Int32Array;
	readonly data: Uint8Array;
}
export interface Fixed16Vector extends Slots {
	readonly kind: "fixed16";
	readonly values: Uint8Array;
}
/** Children have the struct's length; under a null struct their slots are unspecified. */
export interface StructVector extends Slots {
	readonly kind: "struct";
	readonly children: readonly Vector[];
}
/** Slot `i` holds the child's slots `offsets[i]` to `offsets[i + 1]`. */
export interface ListVector extends Slots {
	readonly kind: "list";
	readonly offsets: Int32Array;
	readonly child: Vector;
}
export interface MapVector extends Slots {
	readonly kind: "map";
	readonly offsets: Int32Array;
	readonly keys: Vector;
	readonly values: Vector;
}

/** Rows of one schema; `columns[i]` belongs to `schema.fields[i]` and has `length` slots. */
export interface Batch {
	readonly schema: StructType;
	readonly length: number;
	readonly columns: readonly Vector[];
}

/** A single value as it leaves a vector: lossless. Timestamps are µs, dates days since the epoch. */
export type Value =
	| null
	| boolean
	| number
	| bigint
	| string
	| Uint8Array
	| { readonly unscaled: bigint; readonly scale: number }
	| readonly Value[]
	| ReadonlyMap<Value, Value>
	| Row;

export interface Row {
	readonly [name: string]: Value;
}

/** The vector kind that holds a type's values. */
export function kindOf(type: DataType): Vector["kind"] {
	if (typeof type !== "string") {
		switch (type.type) {
			case "struct":
				return "struct";
			case "array":
				return "list";
			case "map":
				return "map";
		}
	}
	switch (type) {
		case "boolean":
		case "void":
			return "bool";
		case "byte":
		case "short":
		case "integer":
		case "date":
			return "i32";
		case "long":
		case "timestamp":
		case "timestamp_ntz":
			return "i64";
		case "float":
			return "f32";
		case "double":
			return "f64";
		case "string":
		case "binary":
			return "bytes";
		case "variant":
			return "struct";
		default:
			return Number(/^decimal\((\d+)/.exec(type)?.[1]) > 18 ? "fixed16" : "i64";
	}
}
