import { takeVector } from "../columnar/batch.ts";
import { nullVector } from "../columnar/literal.ts";
import type { DataType, StructField, StructType } from "../columnar/types.ts";
import type { Batch, Vector } from "../columnar/vector.ts";
import type { Bound } from "./bound.ts";
import { invalid } from "./errors.ts";

/** The rows that an expression is evaluated for; columns are fetched when they are asked for. */
export interface Rows {
	readonly length: number;
	/** Milliseconds since the epoch; `undefined` where there is no time. */
	readonly now: number | undefined;
	column(bound: ColumnBound): Vector;
}

type ColumnBound = Extract<Bound, { kind: "column" }>;

export function batchRows(batch: Batch, now: number | undefined): Rows {
	return {
		length: batch.length,
		now,
		column: remembered((bound) => columnOf(batch, bound)),
	};
}

/** Some of the rows, in this order. */
export function someRows(rows: Rows, picked: Int32Array): Rows {
	if (picked.length === rows.length) return rows;
	return {
		length: picked.length,
		now: rows.now,
		column: remembered((bound) => takeVector(rows.column(bound), picked)),
	};
}

function remembered(
	find: (bound: ColumnBound) => Vector,
): (bound: ColumnBound) => Vector {
	const known = new Map<string, Vector>();
	return (bound) => {
		const key = JSON.stringify(bound.path);
		const vector = known.get(key) ?? find(bound);
		known.set(key, vector);
		return vector;
	};
}

function columnOf(batch: Batch, bound: ColumnBound): Vector {
	const { path, places } = bound;
	let type: DataType = batch.schema;
	let vectors = batch.columns;
	let found: Vector | undefined;
	for (const [level, name] of path.entries()) {
		if (typeof type === "string" || type.type !== "struct")
			throw missing(path, batch.schema);
		const fields: readonly StructField[] = type.fields;
		const usual = places[level] ?? 0;
		const place =
			fields[usual]?.name === name
				? usual
				: fields.findIndex((field) => field.name === name);
		const field = fields[place];
		const vector = vectors[place];
		if (field === undefined || vector === undefined) {
			// A struct may lack fields that the table has got since.
			if (level > 0) return nullVector(bound.type, batch.length);
			throw missing(path, batch.schema);
		}
		found = found === undefined ? vector : under(found, vector);
		type = field.type;
		vectors = vector.kind === "struct" ? vector.children : [];
	}
	if (found === undefined) throw missing(path, batch.schema);
	return found;
}

/** A field of a null struct is null, whatever its slot holds. */
function under(parent: Vector, child: Vector): Vector {
	if (parent.validity === undefined) return child;
	const { validity } = parent;
	const both =
		child.validity === undefined
			? validity
			: child.validity.map((valid, i) => valid & (validity[i] as number));
	return { ...child, validity: both };
}

function missing(path: readonly string[], schema: StructType): Error {
	return invalid(
		`the rows have no column ${path.join(".")}; they have ${schema.fields.map(({ name }) => name).join(", ")}`,
	);
}
