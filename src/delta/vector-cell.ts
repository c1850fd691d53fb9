import type { I64Vector, MapVector, Vector } from "../columnar/vector.ts";

/*
 * Cells of a checkpoint's columns as the log has them; `undefined` where one is null, or where the
 * checkpoint has no such column.
 */

export function valid(vector: Vector, row: number): boolean {
	return vector.validity === undefined || vector.validity[row] === 1;
}

export function textAt(
	vector: Vector | undefined,
	row: number,
): string | undefined {
	if (vector?.kind !== "bytes" || !valid(vector, row)) return undefined;
	const { buffer, byteOffset, byteLength } = vector.data;
	return Buffer.from(buffer, byteOffset, byteLength).toString(
		"utf8",
		vector.offsets[row],
		vector.offsets[row + 1],
	);
}

export function longAt(
	vector: Vector | undefined,
	row: number,
): number | undefined {
	return vector === undefined || !valid(vector, row)
		? undefined
		: Number((vector as I64Vector).values[row]);
}

export function intAt(
	vector: Vector | undefined,
	row: number,
): number | undefined {
	return vector?.kind === "i32" && valid(vector, row)
		? vector.values[row]
		: undefined;
}

export function boolAt(vector: Vector, row: number): boolean {
	return (
		vector.kind === "bool" && valid(vector, row) && vector.values[row] === 1
	);
}

export function mapAt(
	vector: Vector,
	row: number,
): Record<string, string | null> | undefined {
	if (!valid(vector, row)) return undefined;
	const { offsets, keys, values } = vector as MapVector;
	const end = offsets[row + 1] as number;
	const map: Record<string, string | null> = {};
	for (let at = offsets[row] as number; at < end; at++) {
		const key = textAt(keys, at) ?? "";
		const value = textAt(values, at) ?? null;
		if (key !== "__proto__") map[key] = value;
		else
			Object.defineProperty(map, key, {
				value,
				enumerable: true,
				configurable: true,
				writable: true,
			});
	}
	return map;
}
