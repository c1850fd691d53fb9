import type { StructField, StructType } from "../columnar/types.ts";
import { bind, bindPredicate } from "../expression/bind.ts";
import { type Bound, node } from "../expression/bound.ts";
import { coerce } from "../expression/coerce.ts";
import { ExpressionError } from "../expression/errors.ts";
import { columnsOf, type Expression } from "../expression/expression.ts";
import { parseExpression } from "../expression/parse.ts";
import type { Metadata } from "./actions.ts";
import { DeltaError } from "./errors.ts";
import { forbidsNull } from "./not-null.ts";

/**
 * What a table demands of the rows that are written to it (PROTOCOL.md, "Column Invariants", "CHECK
 * Constraints", "Generated Columns", "Default Columns"), bound to its schema.
 */
export interface TableConstraints {
	readonly schema: StructType;
	readonly checks: readonly Check[];
	/** Of columns that rows may lack: their value, in the order they are to be computed. */
	readonly fills: readonly Fill[];
}

export interface Check {
	readonly kind:
		| "check constraint"
		| "invariant"
		| "generated column"
		| "length of";
	readonly name: string;
	/** As the table has it. */
	readonly expression: string;
	/** Has to be true: neither false nor null. */
	readonly bound: Bound;
}

export interface Fill {
	readonly kind: "default" | "generated column";
	readonly field: StructField;
	readonly bound: Bound;
}

/**
 * The constraints of a table.
 * @throws DeltaError DELTA_UNSUPPORTED_WRITER when one can't be enforced: no row may be written then
 */
export function tableConstraints(
	metadata: Pick<Metadata, "configuration">,
	schema: StructType,
): TableConstraints {
	const checks: Check[] = [];
	const defaults: Fill[] = [];
	const generated: Fill[] = [];
	const isGenerated = (name: string | undefined): boolean =>
		schema.fields.some(
			(field) =>
				field.name.toLowerCase() === name?.toLowerCase() &&
				field.metadata[GENERATED] !== undefined,
		);
	for (const { field, path, elements } of fieldsOf(schema)) {
		const name = path.join(".");
		const refuse = (what: string, key: string): void => {
			if (field.metadata[key] !== undefined)
				throw cannot(
					what,
					name,
					String(field.metadata[key]),
					"it is of a nested field, which no engine defines",
				);
		};
		if (path.length > 1) {
			refuse("generated column", GENERATED);
			refuse("default", DEFAULT);
		}
		if (elements) refuse("invariant", INVARIANT);
		const { [INVARIANT]: invariant, [GENERATED]: generation } = field.metadata;
		if (invariant !== undefined) {
			const expression = invariantText(invariant, name);
			const bound = compiled("invariant", name, expression, (parsed) =>
				bindPredicate(parsed, schema),
			);
			checks.push({ kind: "invariant", name, expression, bound });
		}
		if (generation !== undefined) {
			const expression = String(generation);
			const bound = compiled("generated column", name, expression, (parsed) => {
				if (columnsOf(parsed).some(([first]) => isGenerated(first)))
					throw new ExpressionError(
						"EXPRESSION_UNSUPPORTED",
						"it is made of a generated column",
					);
				if (typeof field.type !== "string" || field.type === "variant")
					throw new ExpressionError(
						"EXPRESSION_UNSUPPORTED",
						`a column of type ${typeof field.type === "string" ? field.type : field.type.type} can't be compared`,
					);
				return coerce(bind(parsed, schema), field.type, 0);
			});
			generated.push({ kind: "generated column", field, bound });
			checks.push({
				kind: "generated column",
				name,
				expression,
				bound: node({
					kind: "compare",
					operator: "<=>",
					left: columnBound(field, schema),
					right: bound,
					type: "boolean",
				}),
			});
		}
		const limited = lengthCheck(field, path);
		if (limited !== undefined)
			checks.push({
				kind: "length of",
				name,
				expression: limited,
				bound: compiled("length of", name, limited, (parsed) =>
					bindPredicate(parsed, schema),
				),
			});
		const { [DEFAULT]: text } = field.metadata;
		if (text !== undefined && path.length === 1)
			defaults.push({
				kind: "default",
				field,
				bound: compiled("default", name, String(text), (parsed) =>
					coerce(bind(parsed, NOTHING), field.type, 0),
				),
			});
	}
	for (const [key, expression] of Object.entries(metadata.configuration)) {
		if (!key.startsWith(CHECK)) continue;
		const name = key.slice(CHECK.length);
		const bound = compiled("check constraint", name, expression, (parsed) =>
			bindPredicate(parsed, schema),
		);
		checks.push({ kind: "check constraint", name, expression, bound });
	}
	return { schema, checks, fills: [...defaults, ...generated] };
}

/** Whether rows can break them at all, or are completed by them. */
export function demandsOfRows({
	checks,
	fills,
	schema,
}: TableConstraints): boolean {
	return checks.length > 0 || fills.length > 0 || forbidsNull(schema);
}

const INVARIANT = "delta.invariants";
const GENERATED = "delta.generationExpression";
const DEFAULT = "CURRENT_DEFAULT";
const CHECK = "delta.constraints.";
const CHAR_TYPE = "__CHAR_VARCHAR_TYPE_STRING";
const NOTHING: StructType = { type: "struct", fields: [] };

interface FoundField {
	readonly field: StructField;
	readonly path: readonly string[];
	/** It is inside of an array or a map. */
	readonly elements: boolean;
}

function* fieldsOf(
	type: StructField["type"],
	path: readonly string[] = [],
	elements = false,
): Generator<FoundField, void, undefined> {
	if (typeof type === "string") return;
	switch (type.type) {
		case "struct":
			for (const field of type.fields) {
				const at = [...path, field.name];
				yield { field, path: at, elements };
				yield* fieldsOf(field.type, at, elements);
			}
			return;
		case "array":
			yield* fieldsOf(type.elementType, [...path, "element"], true);
			return;
		case "map":
			yield* fieldsOf(type.keyType, [...path, "key"], true);
			yield* fieldsOf(type.valueType, [...path, "value"], true);
	}
}

/**
 * What Spark demands of a CHAR(n) or VARCHAR(n), which are strings to the protocol. It tells the length
 * of a whole column only, for what is nested in the text of the column's type.
 */
function lengthCheck(
	{ metadata }: StructField,
	path: readonly string[],
): string | undefined {
	const { [CHAR_TYPE]: declared } = metadata;
	if (declared === undefined) return undefined;
	const [, count] =
		/^\s*(?:var)?char\((\d+)\)\s*$/i.exec(String(declared)) ?? [];
	if (count === undefined || path.length > 1)
		throw cannot(
			"length of",
			path.join("."),
			String(declared),
			"it is of a nested value",
		);
	const column = `\`${path[0]?.replaceAll("`", "``")}\``;
	return `${column} IS NULL OR char_length(${column}) <= ${count}`;
}

/** `{"expression":{"expression":"…"}}`, as text in the schema's metadata. */
function invariantText(invariant: unknown, name: string): string {
	try {
		const json: unknown =
			typeof invariant === "string" ? JSON.parse(invariant) : invariant;
		const { expression } = json as { expression: { expression: unknown } };
		if (typeof expression.expression === "string") return expression.expression;
	} catch {
		// What it holds instead is said below.
	}
	const text =
		typeof invariant === "string" ? invariant : JSON.stringify(invariant);
	throw cannot("invariant", name, text ?? "", "it holds no expression");
}

function compiled(
	kind: string,
	name: string,
	expression: string,
	make: (parsed: Expression) => Bound,
): Bound {
	try {
		return make(parseExpression(expression));
	} catch (cause) {
		if (!(cause instanceof ExpressionError)) throw cause;
		throw cannot(kind, name, expression, cause.message, cause);
	}
}

function columnBound(field: StructField, schema: StructType): Bound {
	return {
		kind: "column",
		path: [field.name],
		places: [schema.fields.indexOf(field)],
		type: field.type,
		fallible: false,
	};
}

function cannot(
	kind: string,
	name: string,
	expression: string,
	why: string,
	cause?: unknown,
): DeltaError {
	return new DeltaError(
		"DELTA_UNSUPPORTED_WRITER",
		`the ${kind} ${name} (${expression.slice(0, 500)}) can't be enforced here: ${why}; write with an engine that can, or drop it`,
		{ cause },
	);
}
