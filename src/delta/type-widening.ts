import type { DataType, StructField, StructType } from "../columnar/types.ts";
import { canWiden } from "../columnar/widening.ts";
import { DeltaError } from "./errors.ts";

export const TYPE_CHANGES = "delta.typeChanges";
export const TYPE_WIDENING = "delta.enableTypeWidening";

/** One entry of a field's history (PROTOCOL.md, "Type Change Metadata"). */
export interface TypeChange {
	readonly fromType: DataType;
	readonly toType: DataType;
	/** Below the field: `element`, `key`, `value`, with dots between them. */
	readonly fieldPath?: string;
}

/** The field with more changes at the end of its history. */
export function withTypeChanges(
	field: StructField,
	changes: readonly TypeChange[],
): StructField {
	if (changes.length === 0) return field;
	const before = field.metadata[TYPE_CHANGES];
	return {
		...field,
		metadata: {
			...field.metadata,
			[TYPE_CHANGES]: [...(Array.isArray(before) ? before : []), ...changes],
		},
	};
}

/**
 * Files from before a change hold the older type: what can't be widened when read mustn't be read.
 * @throws DeltaError DELTA_UNSUPPORTED_READER naming the field and the change, DELTA_LOG_INVALID
 * when the history is no list of changes
 */
export function checkTypeChanges(schema: StructType, url: string): void {
	const visit = (type: DataType, path: readonly string[]): void => {
		if (typeof type === "string") return;
		switch (type.type) {
			case "struct":
				for (const field of type.fields) {
					const at = [...path, field.name];
					checkField(field, at.join("."), url);
					visit(field.type, at);
				}
				return;
			case "array":
				visit(type.elementType, [...path, "element"]);
				return;
			case "map":
				visit(type.keyType, [...path, "key"]);
				visit(type.valueType, [...path, "value"]);
		}
	};
	visit(schema, []);
}

function checkField(field: StructField, name: string, url: string): void {
	const changes = field.metadata[TYPE_CHANGES];
	if (changes === undefined) return;
	if (!Array.isArray(changes)) throw broken(name, changes, url);
	for (const change of changes as unknown[]) {
		if (!isTypeChange(change)) throw broken(name, change, url);
		if (!canWiden(change.fromType, change.toType))
			throw new DeltaError(
				"DELTA_UNSUPPORTED_READER",
				`${url}: the column ${[name, change.fieldPath].filter(Boolean).join(".")} was changed from ${show(change.fromType)} to ${show(change.toType)}, which this engine can't do when it reads older files`,
			);
	}
}

function broken(name: string, what: unknown, url: string): DeltaError {
	return new DeltaError(
		"DELTA_LOG_INVALID",
		`${url}: the column ${name} has a ${TYPE_CHANGES} with ${show(what)}; it has to be a list of {fromType, toType, fieldPath}`,
	);
}

function isTypeChange(change: unknown): change is TypeChange {
	return (
		typeof change === "object" &&
		change !== null &&
		"fromType" in change &&
		"toType" in change &&
		(!("fieldPath" in change) || typeof change.fieldPath === "string")
	);
}

function show(what: unknown): string {
	return typeof what === "string" ? what : (JSON.stringify(what) ?? "nothing");
}
