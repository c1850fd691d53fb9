import { nullVector, vectorOf } from "../columnar/literal.ts";
import {
	type EncodeOptions,
	encodeParquet,
} from "../columnar/parquet/encode.ts";
import type { DataType, StructType } from "../columnar/types.ts";
import type {
	Batch,
	Row,
	StructVector,
	Value,
	Vector,
} from "../columnar/vector.ts";
import type { AddFile, RemoveFile } from "./actions.ts";

/** Rows that a row group of a checkpoint holds: what a reader decodes at once. */
const ROW_GROUP_ROWS = 131_072;
const OPTIONS: EncodeOptions = {
	compression: "snappy",
	rowGroupRows: ROW_GROUP_ROWS,
};

/** A row per action, a column per kind of action; each row has one of them. */
export function encodeActions(
	schema: StructType,
	actions: readonly {
		readonly name: string;
		readonly values: readonly object[];
	}[],
): Uint8Array {
	const length = actions.reduce((sum, { values }) => sum + values.length, 0);
	let start = 0;
	const placed = new Map<
		string,
		{ values: readonly object[]; start: number }
	>();
	for (const { name, values } of actions) {
		placed.set(name, { values, start });
		start += values.length;
	}
	const batch: Batch = {
		schema,
		length,
		columns: schema.fields.map(({ name, type }): Vector => {
			const own = placed.get(name);
			if (own === undefined || own.values.length === 0)
				return nullVector(type, length);
			if (typeof type === "string" || type.type !== "struct")
				throw new TypeError(`${name} is no struct`);
			const validity = new Uint8Array(length).fill(
				1,
				own.start,
				own.start + own.values.length,
			);
			const column: StructVector = {
				kind: "struct",
				length,
				validity,
				children: type.fields.map((child) =>
					vectorOf(
						child.type,
						column1(own.values, own.start, length, child.name, child.type),
					),
				),
			};
			return column;
		}),
	};
	return encodeParquet([batch], OPTIONS).bytes;
}

/** A field of the actions, from slot `start` on; `null` elsewhere. */
function column1(
	actions: readonly object[],
	start: number,
	length: number,
	name: string,
	type: DataType,
): Value[] {
	const values: Value[] = new Array<Value>(length).fill(null);
	for (let i = 0; i < actions.length; i++)
		values[start + i] = asValue(
			(actions[i] as Record<string, unknown>)[name],
			type,
		);
	return values;
}

/** A field of an action's JSON form as a `Value`. */
function asValue(json: unknown, type: DataType): Value {
	if (json === null || json === undefined) return null;
	if (typeof type === "string") return json as string | number | boolean;
	switch (type.type) {
		case "map":
			return new Map(Object.entries(json as Record<string, Value>));
		case "array":
			return json as readonly Value[];
		case "struct": {
			const row: Record<string, Value> = {};
			for (const { name, type: inner } of type.fields)
				row[name] = asValue((json as Record<string, unknown>)[name], inner);
			return row as Row;
		}
	}
}

/** File actions as checkpoints hold them. */
export function checkpointAdd(add: AddFile): AddFile {
	return add.dataChange ? { ...add, dataChange: false } : add;
}

export function checkpointRemove(remove: RemoveFile): RemoveFile {
	return remove.dataChange ? { ...remove, dataChange: false } : remove;
}
