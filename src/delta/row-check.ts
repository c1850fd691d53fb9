import { take } from "../columnar/batch.ts";
import { constantVector, nullVector } from "../columnar/literal.ts";
import type { StructType } from "../columnar/types.ts";
import { formatValue, valueAt } from "../columnar/value.ts";
import type { Batch, Vector } from "../columnar/vector.ts";
import { type Bound, boundPartsOf } from "../expression/bound.ts";
import { ExpressionError } from "../expression/errors.ts";
import { evaluate } from "../expression/evaluate.ts";
import type { Check, TableConstraints } from "./constraints.ts";
import { DeltaError } from "./errors.ts";
import { findNull, type MissingValue } from "./not-null.ts";

/**
 * The rows with the columns that they lack and the table has a default or an expression for. A column
 * that is there stays as it is, null included. `now` in milliseconds since the epoch.
 * @throws DeltaError DELTA_CONSTRAINT_VIOLATED when a row has no such value
 */
export function completeRows(
	{ fills, schema }: TableConstraints,
	batch: Batch,
	options: { readonly now: number },
): Batch {
	const has = new Set(batch.schema.fields.map(({ name }) => name));
	let complete = batch;
	for (const { field, bound, kind } of fills) {
		if (has.has(field.name)) continue;
		const rows = kind === "default" ? ONE_ROW : withNulls(schema, complete);
		let vector: Vector;
		try {
			vector = evaluate(bound, rows, options);
		} catch (cause) {
			if (!(cause instanceof ExpressionError)) throw cause;
			throw new DeltaError(
				"DELTA_CONSTRAINT_VIOLATED",
				`the ${kind} of ${field.name} can't be computed: ${cause.message}`,
				{ cause },
			);
		}
		if (kind === "default")
			vector = constantVector(
				field.type,
				valueAt(vector, field.type, 0),
				batch.length,
			);
		complete = {
			schema: {
				type: "struct",
				fields: [...complete.schema.fields, field],
			},
			length: batch.length,
			columns: [...complete.columns, vector],
		};
	}
	return complete;
}

/**
 * Checks every row. Columns are found by name; those that the rows lack are null.
 * @throws DeltaError DELTA_CONSTRAINT_VIOLATED with the constraint, and the values that it looks at in
 *   the first row that breaks it
 */
export function checkRows(
	{ schema, checks }: TableConstraints,
	batch: Batch,
	options: { readonly now: number },
): void {
	const missing = findNull(schema, batch);
	if (missing !== undefined)
		throw missingValue(
			missing,
			` in row ${missing.row + 1} of ${batch.length}; nothing was written`,
		);
	if (checks.length === 0) return;
	const rows = withNulls(schema, batch);
	for (const check of checks) {
		const [row] = brokenRows(check, rows, options);
		if (row !== undefined)
			throw violation(check, rows, row, {
				where: ` for row ${row + 1} of ${batch.length}`,
				end: "; nothing was written",
			});
	}
}

const NOTHING: StructType = { type: "struct", fields: [] };
const ONE_ROW: Batch = { schema: NOTHING, length: 1, columns: [] };
const SHOWN = 100;

/** The table's columns in its order. */
export function withNulls(schema: StructType, batch: Batch): Batch {
	const place = new Map(
		batch.schema.fields.map(({ name }, i) => [name, i] as const),
	);
	return {
		schema: {
			type: "struct",
			fields: schema.fields.map((field) => {
				const at = place.get(field.name);
				const own = at === undefined ? undefined : batch.schema.fields[at];
				return own === undefined ? field : { ...field, type: own.type };
			}),
		},
		length: batch.length,
		columns: schema.fields.map(({ name, type }) => {
			const at = place.get(name);
			const own = at === undefined ? undefined : batch.columns[at];
			return own ?? nullVector(type, batch.length);
		}),
	};
}

/** The rows for which a check is not true, or has no result, in their order. */
export function* brokenRows(
	{ bound }: Check,
	batch: Batch,
	options: { readonly now: number },
): Generator<number, void, undefined> {
	let truth: Vector | undefined;
	try {
		truth = evaluate(bound, batch, options);
	} catch (error) {
		if (!(error instanceof ExpressionError)) throw error;
	}
	for (let i = 0; i < batch.length; i++)
		if (
			truth === undefined
				? // Some row has no result; which one, a row alone tells.
					!isTrue(bound, take(batch, Int32Array.of(i)), options)
				: valueAt(truth, "boolean", i) !== true
		)
			yield i;
}

function isTrue(
	bound: Bound,
	row: Batch,
	options: { readonly now: number },
): boolean {
	try {
		return valueAt(evaluate(bound, row, options), "boolean", 0) === true;
	} catch (error) {
		if (error instanceof ExpressionError) return false;
		throw error;
	}
}

/** What is wrong with a row that has no value where it needs one. */
export function missingValue({ path }: MissingValue, where = ""): DeltaError {
	return new DeltaError(
		"DELTA_CONSTRAINT_VIOLATED",
		`the column ${path.join(".")} is NOT NULL, and has no value${where}`,
	);
}

/** What is wrong with a row that breaks a check, with the values that the check looks at. */
export function violation(
	check: Check,
	batch: Batch,
	row: number,
	{ where = "", end = "" } = {},
): DeltaError {
	const one = take(batch, Int32Array.of(row));
	const seen = new Map<string, string>();
	const open: Bound[] = [check.bound];
	for (let next = open.shift(); next !== undefined; next = open.shift()) {
		if (next.kind === "column") {
			const value = valueAt(evaluate(next, one), next.type, 0);
			const text = formatValue(value, next.type);
			seen.set(
				next.path.join("."),
				text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text,
			);
		}
		open.push(...boundPartsOf(next));
	}
	const values = [...seen].map(([name, text]) => `${name} = ${text}`);
	return new DeltaError(
		"DELTA_CONSTRAINT_VIOLATED",
		`the ${check.kind} ${check.name} (${check.expression}) is not true${where}${values.length === 0 ? "" : `: ${values.join(", ")}`}${end}`,
	);
}
