import { BytesBuilder } from "../columnar/builder.ts";
import type { DataType } from "../columnar/types.ts";
import { decimalText, valueAt } from "../columnar/value.ts";
import type { Batch, Value, Vector } from "../columnar/vector.ts";
import { RESCUED_DATA } from "./metadata-columns.ts";

export interface KeyColumn {
	readonly name: string;
	readonly type: DataType;
	readonly vector: Vector;
}

/**
 * The identity of a row, the same whether it was just decoded or read back from the table: integers
 * of any width agree, so that a widened column keeps its keys. `rescued` is the row's
 * `_rescued_data`, where a key that did not fit its column is. `undefined` when a part is null.
 */
export function keyOf(
	columns: readonly KeyColumn[],
	row: number,
	rescued: Vector | undefined,
): string | undefined {
	let key = "";
	for (const { name, type, vector } of columns) {
		const value = valueAt(vector, type, row);
		const part =
			value === null ? rescuedPart(name, rescued, row) : partOf(value);
		if (part === undefined) return undefined;
		key += `${part.length}:${part}`;
	}
	return key;
}

/** Per row of the batch, what `keyOf` has for the columns of these names. */
export function rowKeys(batch: Batch, names: readonly string[]): string[] {
	const column = (name: string): KeyColumn | undefined => {
		const i = batch.schema.fields.findIndex((one) => one.name === name);
		const type = batch.schema.fields[i]?.type;
		const vector = batch.columns[i];
		return type === undefined || vector === undefined
			? undefined
			: { name, type, vector };
	};
	const rescued = column(RESCUED_DATA.name)?.vector;
	// A key that never fitted has no column: it is read from the rescued data.
	const columns = names.map(
		(name): KeyColumn =>
			column(name) ?? {
				name,
				type: "string",
				vector: new BytesBuilder("string").finish(batch.length),
			},
	);
	return Array.from(
		{ length: batch.length },
		(_, row) => keyOf(columns, row, rescued) ?? "",
	);
}

function partOf(value: Exclude<Value, null>): string {
	switch (typeof value) {
		case "string":
			return `s${value}`;
		case "bigint":
			return `i${value}`;
		case "number":
			return Number.isInteger(value) ? `i${value}` : `f${value}`;
		case "boolean":
			return `b${value}`;
	}
	if (value instanceof Uint8Array)
		return `x${Buffer.from(value).toString("hex")}`;
	if (
		"unscaled" in value &&
		typeof value.unscaled === "bigint" &&
		typeof value.scale === "number"
	)
		return `d${decimalText(value.unscaled, value.scale)}`;
	return `j${JSON.stringify(value, (_, inner: unknown) =>
		typeof inner === "bigint" ? `${inner}` : inner,
	)}`;
}

function rescuedPart(
	name: string,
	rescued: Vector | undefined,
	row: number,
): string | undefined {
	if (rescued === undefined) return undefined;
	const text = valueAt(rescued, "string", row);
	if (typeof text !== "string") return undefined;
	const value = (JSON.parse(text) as Record<string, unknown>)[name];
	return value === undefined ? undefined : `r${JSON.stringify(value)}`;
}
