import type { DataType, StructField, StructType } from "../columnar/types.ts";
import { canWiden } from "../columnar/widening.ts";
import { unmappedSchema } from "./column-mapping.ts";
import { type TypeChange, withTypeChanges } from "./type-widening.ts";

export { parseSchema } from "./schema-text.ts";

export interface SchemaChange {
	readonly kind: "add" | "widen";
	/** `element`, `key` and `value` stand for what arrays and maps hold. */
	readonly path: readonly string[];
	readonly from?: DataType;
	readonly to: DataType;
}

export interface SchemaConflict {
	readonly path: readonly string[];
	readonly table: DataType;
	readonly incoming: DataType;
}

export interface MergedSchema {
	readonly schema: StructType;
	readonly changes: readonly SchemaChange[];
	readonly conflicts: readonly SchemaConflict[];
}

/**
 * The table's schema with what `incoming` has beyond it: new nullable fields at any depth, and with
 * `widen` types that Delta lets widen (PROTOCOL.md, "Type Widening"), noted in `delta.typeChanges`. A
 * field keeps the table's spelling and place; names are compared without case, as Delta demands them
 * to be unique. New fields have no column mapping yet.
 */
export function mergeSchema(
	table: StructType,
	incoming: StructType,
	options: { readonly widen?: boolean } = {},
): MergedSchema {
	const changes: SchemaChange[] = [];
	const conflicts: SchemaConflict[] = [];
	const schema = mergeStruct(table, unmappedSchema(incoming), []);
	return { schema, changes, conflicts };

	function mergeStruct(
		old: StructType,
		more: StructType,
		path: readonly string[],
	): StructType {
		const place = new Map(
			old.fields.map((field, i) => [field.name.toLowerCase(), i]),
		);
		const fields = [...old.fields];
		for (const field of more.fields) {
			const at = place.get(field.name.toLowerCase());
			const known = at === undefined ? undefined : fields[at];
			if (at === undefined || known === undefined) {
				place.set(field.name.toLowerCase(), fields.length);
				fields.push({ ...field, nullable: true });
				changes.push({
					kind: "add",
					path: [...path, field.name],
					to: field.type,
				});
			} else fields[at] = mergeField(known, field, path);
		}
		return fields.every((field, i) => field === old.fields[i]) &&
			fields.length === old.fields.length
			? old
			: { ...old, fields };
	}

	function mergeField(
		old: StructField,
		more: StructField,
		path: readonly string[],
	): StructField {
		const history: TypeChange[] = [];
		const type = mergeType(
			old.type,
			more.type,
			[...path, old.name],
			(fromType, toType, fieldPath) =>
				history.push({ fromType, toType, ...(fieldPath && { fieldPath }) }),
			"",
		);
		return type === old.type ? old : withTypeChanges({ ...old, type }, history);
	}

	/** `inField` is the place below the nearest struct field, where `note` keeps its history. */
	function mergeType(
		old: DataType,
		more: DataType,
		path: readonly string[],
		note: (from: DataType, to: DataType, inField: string) => void,
		inField: string,
	): DataType {
		const member = (
			from: DataType,
			to: DataType,
			name: "element" | "key" | "value",
		): DataType =>
			mergeType(
				from,
				to,
				[...path, name],
				note,
				inField === "" ? name : `${inField}.${name}`,
			);
		if (more === "void" || old === more) return old;
		if (old === "void") {
			// No file holds a value of it.
			changes.push({ kind: "widen", path, from: old, to: more });
			return more;
		}
		if (typeof old === "string" || typeof more === "string") {
			// The table's type holds every value of the incoming one already.
			if (canWiden(more, old)) return old;
			if (options.widen === true && canWiden(old, more)) {
				changes.push({ kind: "widen", path, from: old, to: more });
				note(old, more, inField);
				return more;
			}
		} else if (old.type === "struct" && more.type === "struct") {
			return mergeStruct(old, more, path);
		} else if (old.type === "array" && more.type === "array") {
			const elementType = member(old.elementType, more.elementType, "element");
			return elementType === old.elementType ? old : { ...old, elementType };
		} else if (old.type === "map" && more.type === "map") {
			const keyType = member(old.keyType, more.keyType, "key");
			const valueType = member(old.valueType, more.valueType, "value");
			return keyType === old.keyType && valueType === old.valueType
				? old
				: { ...old, keyType, valueType };
		}
		conflicts.push({ path, table: old, incoming: more });
		return old;
	}
}
