import {
	type DataType,
	decimalParts,
	type StructField,
	type StructType,
} from "../columnar/types.ts";
import { DeltaError } from "./errors.ts";

/** @throws DeltaError DELTA_LOG_INVALID when the text is no schema */
export function parseSchema(schemaString: string, url: string): StructType {
	try {
		const parsed = JSON.parse(schemaString) as StructType;
		if (parsed.type !== "struct" || !Array.isArray(parsed.fields))
			throw new Error("not a struct");
		return parsed;
	} catch (cause) {
		throw new DeltaError(
			"DELTA_LOG_INVALID",
			`${url}: schemaString is not a schema`,
			{ cause },
		);
	}
}

export interface SchemaChange {
	readonly kind: "add" | "widen";
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
 * The table's schema with what `incoming` has beyond it: new nullable fields at any depth, and types
 * that Delta lets widen (PROTOCOL.md, "Type Widening"). A field keeps the table's spelling and place;
 * names are compared without case, as Delta demands them to be unique.
 */
export function mergeSchema(
	table: StructType,
	incoming: StructType,
	options: { readonly widen?: boolean } = {},
): MergedSchema {
	const changes: SchemaChange[] = [];
	const conflicts: SchemaConflict[] = [];
	const schema = mergeStruct(table, incoming, []);
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
		return { type: "struct", fields };
	}

	function mergeField(
		old: StructField,
		more: StructField,
		path: readonly string[],
	): StructField {
		const type = mergeType(old.type, more.type, [...path, old.name]);
		return type === old.type ? old : { ...old, type };
	}

	function mergeType(
		old: DataType,
		more: DataType,
		path: readonly string[],
	): DataType {
		if (typeof old === "string" || typeof more === "string") {
			if (old === more) return old;
			if (
				typeof old === "string" &&
				typeof more === "string" &&
				(canWiden(more, old) || canWiden(old, more))
			) {
				// The table's type holds every value of the incoming one already.
				if (canWiden(more, old)) return old;
				if (options.widen === true) {
					changes.push({ kind: "widen", path, from: old, to: more });
					return more;
				}
			}
			conflicts.push({ path, table: old, incoming: more });
			return old;
		}
		if (old.type === "struct" && more.type === "struct")
			return mergeStruct(old, more, path);
		if (old.type === "array" && more.type === "array")
			return {
				...old,
				elementType: mergeType(old.elementType, more.elementType, [
					...path,
					"element",
				]),
			};
		if (old.type === "map" && more.type === "map")
			return {
				...old,
				keyType: mergeType(old.keyType, more.keyType, [...path, "key"]),
				valueType: mergeType(old.valueType, more.valueType, [...path, "value"]),
			};
		conflicts.push({ path, table: old, incoming: more });
		return old;
	}
}

const INTEGERS = ["byte", "short", "integer", "long"];

/** Whether Delta's type widening leads from one primitive type to the other. */
export function canWiden(from: DataType, to: DataType): boolean {
	if (from === to) return true;
	if (typeof from !== "string" || typeof to !== "string") return false;
	const [a, b] = [INTEGERS.indexOf(from), INTEGERS.indexOf(to)];
	if (a >= 0 && b > a) return true;
	if (to === "double") return from === "float" || (a >= 0 && a < 3);
	if (from === "date") return to === "timestamp_ntz";
	const target = decimalParts(to);
	if (target === undefined) return false;
	const source = decimalParts(from);
	const whole = target.precision - target.scale;
	if (source !== undefined)
		return (
			target.scale >= source.scale && whole >= source.precision - source.scale
		);
	return a >= 0 && whole >= (from === "long" ? 20 : 10);
}
