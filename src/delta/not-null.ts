import type { DataType, StructType } from "../columnar/types.ts";
import type { Batch, Vector } from "../columnar/vector.ts";

/** Where a value is missing that has to be there. */
export interface MissingValue {
	readonly path: readonly string[];
	/** Of the batch. */
	readonly row: number;
}

/**
 * The first null that a schema forbids, at any depth: of a field that is not nullable in a struct
 * that is there, of an element of an array without nulls, of a value of such a map. Fields are found
 * by name; one that the rows lack is null.
 */
export function findNull(
	schema: StructType,
	batch: Batch,
): MissingValue | undefined {
	const [first] = rowsWithNull(schema, batch);
	return first?.[1];
}

/** Every row with such a null, and which: column by column. */
export function rowsWithNull(
	schema: StructType,
	batch: Batch,
): ReadonlyMap<number, MissingValue> {
	const found = new Map<number, MissingValue>();
	const report: Report = (path, row) => {
		if (!found.has(row)) found.set(row, { path, row });
	};
	if (batch.length === 0) return found;
	for (const { name, type, nullable } of schema.fields) {
		const at = batch.schema.fields.findIndex((field) => field.name === name);
		const vector = batch.columns[at];
		if (!nullable && (vector === undefined || vector.validity?.includes(0)))
			for (let row = 0; row < batch.length; row++)
				if (vector === undefined || vector.validity?.[row] === 0)
					report([name], row);
		if (vector === undefined || !forbidsNull(type)) continue;
		const slots = Array.from({ length: batch.length }, (_, i) => i);
		const own = batch.schema.fields[at]?.type ?? type;
		within(vector, { type, own }, [name], { slots, rows: slots }, report);
	}
	return found;
}

type Report = (path: readonly string[], row: number) => void;

/** Slots of a vector, and the row of the batch that each belongs to. */
interface Places {
	readonly slots: readonly number[];
	readonly rows: readonly number[];
}

/** Whether a type says anywhere below that nulls have no place. */
export function forbidsNull(type: DataType): boolean {
	if (typeof type === "string") return false;
	switch (type.type) {
		case "struct":
			return type.fields.some(
				(field) => !field.nullable || forbidsNull(field.type),
			);
		case "array":
			return !type.containsNull || forbidsNull(type.elementType);
		case "map":
			return (
				!type.valueContainsNull ||
				forbidsNull(type.keyType) ||
				forbidsNull(type.valueType)
			);
	}
}

/** `type` is the table's, `own` that of the rows. */
function within(
	vector: Vector,
	{ type, own }: { readonly type: DataType; readonly own: DataType },
	path: readonly string[],
	places: Places,
	report: Report,
): void {
	if (typeof type === "string" || typeof own === "string" || !forbidsNull(type))
		return;
	const there = present(vector, places);
	const child = (
		inner: Vector | undefined,
		types: { readonly type: DataType; readonly own: DataType },
		name: string,
		nullable: boolean,
		at: Places,
	): void => {
		const below = [...path, name];
		if (!nullable && (inner === undefined || inner.validity !== undefined))
			for (const [i, slot] of at.slots.entries())
				if (inner === undefined || inner.validity?.[slot] === 0)
					report(below, at.rows[i] ?? 0);
		if (inner !== undefined) within(inner, types, below, at, report);
	};
	if (type.type === "struct" && own.type === "struct") {
		for (const { name, nullable, type: of } of type.fields) {
			const i = own.fields.findIndex((field) => field.name === name);
			const inner = vector.kind === "struct" ? vector.children[i] : undefined;
			const types = { type: of, own: own.fields[i]?.type ?? of };
			child(inner, types, name, nullable, there);
		}
	} else if (
		type.type === "array" &&
		own.type === "array" &&
		vector.kind === "list"
	) {
		const types = { type: type.elementType, own: own.elementType };
		const inner = elements(vector.offsets, there);
		child(vector.child, types, "element", type.containsNull, inner);
	} else if (
		type.type === "map" &&
		own.type === "map" &&
		vector.kind === "map"
	) {
		const inner = elements(vector.offsets, there);
		const keys = { type: type.keyType, own: own.keyType };
		const values = { type: type.valueType, own: own.valueType };
		child(vector.keys, keys, "key", false, inner);
		child(vector.values, values, "value", type.valueContainsNull, inner);
	}
}

function present({ validity }: Vector, { slots, rows }: Places): Places {
	if (validity === undefined) return { slots, rows };
	const valid = (_: number, k: number): boolean =>
		validity[slots[k] ?? 0] === 1;
	return { slots: slots.filter(valid), rows: rows.filter(valid) };
}

function elements(offsets: Int32Array, { slots, rows }: Places): Places {
	const inner: { slots: number[]; rows: number[] } = { slots: [], rows: [] };
	slots.forEach((slot, k) => {
		const end = offsets[slot + 1] as number;
		for (let at = offsets[slot] as number; at < end; at++) {
			inner.slots.push(at);
			inner.rows.push(rows[k] as number);
		}
	});
	return inner;
}
