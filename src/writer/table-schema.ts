import { DOCUMENTS } from "../change/slot.ts";
import type { DataType, StructType } from "../columnar/types.ts";
import type { Action } from "../delta/actions.ts";
import { type Evolved, evolve } from "../delta/evolve.ts";
import { mergeSchema, type SchemaChange } from "../delta/schema.ts";
import type { Snapshot } from "../delta/snapshot.ts";
import type { TableLayout } from "../delta/stage.ts";
import { evolves, type SchemaRules } from "./schema-rules.ts";

/** A change of a table's schema, and whose it was. */
export type TableChange = (
	| SchemaChange
	| { readonly kind: "drop"; readonly path: readonly string[] }
) & { readonly by: "writer" | "other" };

/** A table as a batch can be written to it. */
export interface Target {
	readonly table: TableLayout;
	/** What makes the table so. */
	readonly actions: readonly Action[];
	readonly changes: readonly TableChange[];
	/** Why the batch can't be written as it was decoded. */
	readonly misfit?: string;
}

/**
 * How rows that were decoded for the schema `known` can be written to the table as it is now. Columns and
 * wider types that other writers have added are no hindrance; where they took a column away, or where
 * the rules say by the table's schema what is rescued, the rows have to be decoded again.
 */
export function targetOf(
	snapshot: Snapshot,
	incoming: StructType,
	options: {
		readonly known: StructType | undefined;
		readonly rules: SchemaRules;
		readonly uuid: () => string;
		/** Properties that the table has to have. */
		readonly properties?: Readonly<Record<string, string>>;
	},
): Target {
	const { known, rules, uuid } = options;
	const others = known === undefined ? [] : changesOf(known, snapshot.schema);
	const gone = others.find(({ kind }) => kind === "drop");
	const stays = { table: snapshot, actions: [], changes: others };
	if (gone !== undefined)
		return {
			...stays,
			misfit: `another writer dropped or renamed the column ${gone.path.join(".")}: the batch is read again`,
		};
	if (others.length > 0 && !evolves(rules))
		return {
			...stays,
			misfit: `another writer changed the column ${others[0]?.path.join(".")}: the batch is read again`,
		};
	const evolved: Evolved = evolve(snapshot, incoming, {
		uuid,
		widen: rules.onWiden === "widen",
	});
	const own = evolved.changes.map((one) => ({ ...one, by: "writer" as const }));
	const target = withProperties(
		{ ...evolved, changes: [...others, ...own] },
		options.properties ?? {},
	);
	const other = documentsElsewhere(snapshot.schema, incoming, []);
	if (other !== undefined)
		return {
			...target,
			changes: others,
			misfit: `column ${other.join(".")} holds documents here and texts there: the batch is read again`,
		};
	const conflict = evolved.conflicts[0];
	return conflict === undefined
		? target
		: {
				...target,
				changes: others,
				misfit: `column ${conflict.path.join(".")} became ${JSON.stringify(conflict.table)} while a batch held ${JSON.stringify(conflict.incoming)}: the batch is read again`,
			};
}

function withProperties(
	target: Target,
	properties: Readonly<Record<string, string>>,
): Target {
	const { table, actions } = target;
	const before = table.metadata.configuration;
	if (Object.entries(properties).every(([name, to]) => before[name] === to))
		return target;
	const configuration = { ...before, ...properties };
	const metadata = { ...table.metadata, configuration };
	return {
		...target,
		table: { ...table, metadata },
		actions: [
			...actions.filter((action) => !("metaData" in action)),
			{ metaData: metadata },
		],
	};
}

/** A column of documents as JSON that is one of plain texts in the other schema: they look the same. */
function documentsElsewhere(
	table: DataType,
	incoming: DataType,
	path: readonly string[],
): readonly string[] | undefined {
	if (typeof table === "string" || typeof incoming === "string")
		return undefined;
	if (table.type === "array" && incoming.type === "array")
		return documentsElsewhere(table.elementType, incoming.elementType, path);
	if (table.type !== "struct" || incoming.type !== "struct") return undefined;
	for (const field of incoming.fields) {
		const own = table.fields.find(({ name }) => name === field.name);
		if (own === undefined) continue;
		const at = [...path, field.name];
		if (
			JSON.stringify(own.metadata[DOCUMENTS]) !==
			JSON.stringify(field.metadata[DOCUMENTS])
		)
			return at;
		const inner = documentsElsewhere(own.type, field.type, at);
		if (inner !== undefined) return inner;
	}
	return undefined;
}

/** What other writers have made of a schema. */
function changesOf(known: StructType, now: StructType): TableChange[] {
	if (known === now) return [];
	const { changes } = mergeSchema(known, now, { widen: true });
	return [
		...changes.map((one) => ({ ...one, by: "other" as const })),
		...missing(known, now, []).map((path) => ({
			kind: "drop" as const,
			path,
			by: "other" as const,
		})),
	];
}

/** Paths that the first type has and the second has not. */
function missing(
	before: DataType,
	now: DataType,
	path: readonly string[],
): (readonly string[])[] {
	if (typeof before === "string" || typeof now === "string") return [];
	if (before.type === "struct" && now.type === "struct")
		return before.fields.flatMap((field) => {
			const at = [...path, field.name];
			const same = now.fields.find(({ name }) => name === field.name);
			return same === undefined ? [at] : missing(field.type, same.type, at);
		});
	if (before.type === "array" && now.type === "array")
		return missing(before.elementType, now.elementType, [...path, "element"]);
	if (before.type === "map" && now.type === "map")
		return missing(before.valueType, now.valueType, [...path, "value"]);
	return [];
}
