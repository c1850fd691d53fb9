import { nullVector, vectorOf } from "../columnar/literal.ts";
import {
	type EncodeOptions,
	encodeParquet,
} from "../columnar/parquet/encode.ts";
import type { DataType, StructType } from "../columnar/types.ts";
import type { BytesVector, Value, Vector } from "../columnar/vector.ts";
import type { AddFile, RemoveFile } from "./actions.ts";

/** Rows that a row group of a checkpoint holds: what a reader decodes at once. */
const ROW_GROUP_ROWS = 131_072;
const OPTIONS: EncodeOptions = {
	compression: "zstd",
	rowGroupRows: ROW_GROUP_ROWS,
};

/** Actions of one kind, as their JSON form has them. */
export interface ActionColumn {
	readonly name: string;
	readonly values: readonly object[];
}

/** A Parquet file with a row per action and a column per kind of action; each row has one of them. */
export function encodeActions(
	schema: StructType,
	actions: readonly ActionColumn[],
): Uint8Array {
	const length = actions.reduce((sum, { values }) => sum + values.length, 0);
	const columns = new Map<string, Vector>();
	let start = 0;
	for (const { name, values } of actions) {
		const type = schema.fields.find((field) => field.name === name)?.type;
		if (type !== undefined && values.length > 0) {
			const slots: unknown[] = new Array(length);
			for (let i = 0; i < values.length; i++) slots[start + i] = values[i];
			columns.set(name, jsonVector(type, slots));
		}
		start += values.length;
	}
	const batch = {
		schema,
		length,
		columns: schema.fields.map(
			({ name, type }) => columns.get(name) ?? nullVector(type, length),
		),
	};
	return encodeParquet([batch], OPTIONS).bytes;
}

/** A vector of JSON values, column by column; `undefined` and `null` are null, objects maps or structs. */
function jsonVector(type: DataType, values: readonly unknown[]): Vector {
	const length = values.length;
	const validity = validityOf(values);
	const slots = { length, validity };
	if (typeof type !== "string")
		switch (type.type) {
			case "struct":
				return {
					kind: "struct",
					...slots,
					children: type.fields.map((field) => {
						const inner = fieldValues(values, field.name);
						// What is parsed has values of the table's types, not of JSON.
						return field.name.endsWith("_parsed")
							? vectorOf(
									field.type,
									inner.map((value) => (value ?? null) as Value),
								)
							: jsonVector(field.type, inner);
					}),
				};
			case "array": {
				const { offsets, items } = flattened(
					values as readonly (readonly unknown[] | undefined)[],
				);
				return {
					kind: "list",
					...slots,
					offsets,
					child: jsonVector(type.elementType, items),
				};
			}
			case "map": {
				const { offsets, keys, items } = entries(
					values as readonly (object | undefined)[],
				);
				return {
					kind: "map",
					...slots,
					offsets,
					keys: jsonVector(type.keyType, keys),
					values: jsonVector(type.valueType, items),
				};
			}
		}
	switch (type) {
		case "string":
			return {
				...textVector(values as readonly (string | undefined)[]),
				validity,
			};
		case "long": {
			const longs = new BigInt64Array(length);
			for (let i = 0; i < length; i++)
				if (validity?.[i] !== 0) longs[i] = BigInt(values[i] as number);
			return { kind: "i64", ...slots, values: longs };
		}
		case "integer":
			return {
				kind: "i32",
				...slots,
				values: Int32Array.from(values as readonly number[]),
			};
		case "boolean":
			return {
				kind: "bool",
				...slots,
				values: Uint8Array.from(values, (value) => (value === true ? 1 : 0)),
			};
		default:
			throw new TypeError(`no action has a field of type ${type}`);
	}
}

function validityOf(values: readonly unknown[]): Uint8Array | undefined {
	let validity: Uint8Array | undefined;
	for (let i = 0; i < values.length; i++)
		if (values[i] === undefined || values[i] === null) {
			validity ??= new Uint8Array(values.length).fill(1);
			validity[i] = 0;
		}
	return validity;
}

function fieldValues(values: readonly unknown[], name: string): unknown[] {
	const fields: unknown[] = new Array(values.length);
	for (let i = 0; i < values.length; i++)
		fields[i] = (values[i] as Record<string, unknown> | undefined)?.[name];
	return fields;
}

function flattened(values: readonly (readonly unknown[] | undefined)[]) {
	const offsets = new Int32Array(values.length + 1);
	const items: unknown[] = [];
	for (let i = 0; i < values.length; i++) {
		for (const item of values[i] ?? []) items.push(item);
		offsets[i + 1] = items.length;
	}
	return { offsets, items };
}

function entries(values: readonly (object | undefined)[]) {
	const offsets = new Int32Array(values.length + 1);
	const keys: string[] = [];
	const items: unknown[] = [];
	for (let i = 0; i < values.length; i++) {
		const map = values[i];
		if (map !== undefined && map !== null)
			for (const key in map) {
				keys.push(key);
				items.push((map as Record<string, unknown>)[key]);
			}
		offsets[i + 1] = keys.length;
	}
	return { offsets, keys, items };
}

function textVector(values: readonly (string | undefined)[]): BytesVector {
	const offsets = new Int32Array(values.length + 1);
	let data = Buffer.allocUnsafe(64 * 1024);
	let at = 0;
	for (let i = 0; i < values.length; i++) {
		const text = values[i];
		if (text !== undefined && text !== null) {
			// A UTF-16 unit has three bytes of UTF-8 at most.
			const most = at + text.length * 3;
			if (most > data.length) {
				const larger = Buffer.allocUnsafe(Math.max(most, data.length * 2));
				data.copy(larger, 0, 0, at);
				data = larger;
			}
			at += data.write(text, at);
		}
		offsets[i + 1] = at;
	}
	return {
		kind: "bytes",
		length: values.length,
		validity: undefined,
		offsets,
		data: data.subarray(0, at),
	};
}

/** File actions as checkpoints hold them. */
export function checkpointAdd(add: AddFile): AddFile {
	return add.dataChange ? { ...add, dataChange: false } : add;
}

export function checkpointRemove(remove: RemoveFile): RemoveFile {
	return remove.dataChange ? { ...remove, dataChange: false } : remove;
}
