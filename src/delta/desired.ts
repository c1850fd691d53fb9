import { type DataType, type StructField, struct } from "../columnar/types.ts";
import type { Action } from "./actions.ts";
import { type Alteration, planAlteration } from "./alter.ts";
import type { ArrangedColumn } from "./column-change.ts";
import type { Engine } from "./engine.ts";
import { DeltaError } from "./errors.ts";
import { mergeSchema } from "./schema.ts";
import type { Snapshot } from "./snapshot.ts";
import { transact } from "./transaction.ts";

/** A table as somebody wants it. */
export interface DesiredTable {
	/** Absent: the columns are left alone. */
	readonly columns?: readonly DesiredColumn[];
	/** What becomes of columns that are not listed. */
	readonly unlisted: "keep" | "drop";
	/** Those that are not named stay as they are. */
	readonly properties: Readonly<Record<string, string>>;
}

export interface DesiredColumn {
	readonly name: string;
	readonly type: DataType;
	readonly nullable: boolean;
	readonly comment?: string;
	/** A column of this name becomes it. */
	readonly renamedFrom?: string;
}

/** How to get from a table to the desired one. */
export interface TablePlan {
	/** Each change, to read; empty where the table is as desired. */
	readonly changes: readonly string[];
	/** All of them, for one commit. */
	readonly actions: readonly Action[];
}

/**
 * Plans the change of a table to the desired one, as a whole: what can't be done without writing files
 * again is refused before anything is done.
 * @param typeText - how a type is written for people
 * @throws DeltaError DELTA_SCHEMA_INCOMPATIBLE naming the column and the next step
 */
export async function planDesired(
	engine: Engine,
	base: Snapshot,
	desired: DesiredTable,
	typeText: (type: DataType) => string,
): Promise<TablePlan> {
	const changes: string[] = [];
	const others: Action[] = [];
	let at = base;
	const step = async (
		alteration: Alteration,
		...texts: readonly string[]
	): Promise<void> => {
		const { after, actions } = await planAlteration(engine, at, alteration);
		at = after;
		others.push(
			...actions.filter(
				(action) => !("metaData" in action || "protocol" in action),
			),
		);
		changes.push(...texts);
	};

	const properties = Object.entries(desired.properties).filter(
		([name, value]) => at.metadata.configuration[name] !== value,
	);
	if (properties.length > 0)
		await step(
			{ kind: "set-properties", properties: Object.fromEntries(properties) },
			...properties.map(([name, value]) => `set ${name}=${value}`),
		);
	const { columns } = desired;
	if (columns !== undefined) {
		for (const { name, renamedFrom } of columns) {
			const old = renamedFrom && fieldOf(at, renamedFrom);
			if (!old) continue;
			if (fieldOf(at, name) !== undefined)
				throw refused(
					`${base.url}: there is a column ${old.name}, which ${name} is renamed from, and a column ${name}: drop one of them, or leave renamedFrom out`,
				);
			await step(
				{ kind: "rename-column", path: [old.name], to: name },
				`rename ${old.name} to ${name}`,
			);
		}
		await mergeColumns(columns);
		if (desired.unlisted === "drop") {
			const listed = new Set(columns.map(({ name }) => name.toLowerCase()));
			for (const { name } of at.schema.fields)
				if (!listed.has(name.toLowerCase()))
					await step({ kind: "drop-column", path: [name] }, `drop ${name}`);
		}
		await arrange(columns);
	}
	if (changes.length === 0) return { changes, actions: [] };
	const { metadata, protocol } = at;
	return {
		changes,
		actions: [
			...(protocol === base.protocol ? [] : [{ protocol }]),
			...(metadata === base.metadata ? [] : [{ metaData: metadata }]),
			...others,
		],
	};

	async function mergeColumns(
		columns: readonly DesiredColumn[],
	): Promise<void> {
		const wanted = struct(
			...columns.map(
				({ name, type, comment }): StructField => ({
					name: fieldOf(at, name)?.name ?? name,
					type,
					nullable: true,
					metadata: comment === undefined ? {} : { comment },
				}),
			),
		);
		for (const { name, nullable } of columns)
			if (!nullable && fieldOf(at, name) === undefined)
				throw refused(
					`${base.url}: the column ${name} is new, and rows that are there have no value of it: leave it nullable`,
				);
		const { changes } = mergeSchema(at.schema, wanted, { widen: true });
		// What can't be merged is told by the alteration too.
		const texts = changes.map(({ kind, path, from, to }) =>
			kind === "add"
				? `add ${path.join(".")} ${typeText(to)}`
				: `widen ${path.join(".")}${from === undefined ? "" : ` from ${typeText(from)}`} to ${typeText(to)}`,
		);
		if (
			changes.length > 0 ||
			mergeSchema(at.schema, wanted, { widen: true }).conflicts.length > 0
		)
			await step({ kind: "merge-schema", schema: wanted }, ...texts);
		for (const { name, type } of wanted.fields) {
			const now = fieldOf(at, name)?.type;
			if (now !== undefined && !holdsType(now, type))
				throw refused(
					`${base.url}: the column ${name} is ${typeText(now)} and can't become ${typeText(type)}, which holds less: say ${typeText(now)}`,
				);
		}
	}

	async function arrange(columns: readonly DesiredColumn[]): Promise<void> {
		const arranged = columns.map(({ name, nullable, comment }) => {
			const field = fieldOf(at, name);
			return {
				name: field?.name ?? name,
				nullable,
				...(comment !== undefined && { comment }),
				field,
			};
		});
		const texts = arranged.flatMap(({ name, nullable, comment, field }) => [
			...(field !== undefined && field.nullable !== nullable
				? [`let ${name} be null`]
				: []),
			...(field !== undefined &&
			comment !== undefined &&
			field.metadata.comment !== comment
				? [`comment on ${name}`]
				: []),
		]);
		const order = [
			...arranged.map(({ name }) => name),
			...at.schema.fields
				.map(({ name }) => name)
				.filter((name) => !arranged.some((column) => column.name === name)),
		];
		const old = at.schema.fields.map(({ name }) => name);
		// New columns come last, and going to their place is no change of its own.
		const known = new Set(base.schema.fields.map(({ name }) => name));
		const moved =
			order.filter((name) => known.has(name)).join("\n") !==
			old.filter((name) => known.has(name)).join("\n");
		if (moved) texts.push(`order columns ${order.join(", ")}`);
		if (texts.length === 0 && order.join("\n") === old.join("\n")) return;
		await step(
			{
				kind: "arrange-columns",
				columns: arranged.map(
					({ field: _, ...column }): ArrangedColumn => column,
				),
			},
			...texts,
		);
	}
}

/**
 * Makes the planned changes in one commit.
 * @throws DeltaError DELTA_CONFLICT when the metadata changed meanwhile
 */
export async function commitDesired(
	engine: Engine,
	base: Snapshot,
	{ actions, changes }: TablePlan,
): Promise<Snapshot> {
	if (actions.length === 0) return base;
	const wholeTable = actions.some((action) => "add" in action);
	const { snapshot } = await transact(engine, {
		base,
		reads: wholeTable ? { wholeTable } : {},
		actions,
		info: {
			operation: "ALTER TABLE",
			operationParameters: { changes: JSON.stringify(changes) },
			isBlindAppend: false,
		},
	});
	return snapshot;
}

/** Names are compared without case, as Delta demands them to be unique. */
function fieldOf({ schema }: Snapshot, name: string): StructField | undefined {
	return schema.fields.find(
		(field) => field.name.toLowerCase() === name.toLowerCase(),
	);
}

/** Whether a type is the wanted one, with what structs may have beyond it. */
function holdsType(now: DataType, wanted: DataType): boolean {
	if (typeof now === "string" || typeof wanted === "string")
		return now === wanted;
	switch (now.type) {
		case "struct":
			return (
				wanted.type === "struct" &&
				wanted.fields.every(({ name, type }) => {
					const field = now.fields.find(
						(one) => one.name.toLowerCase() === name.toLowerCase(),
					);
					return field !== undefined && holdsType(field.type, type);
				})
			);
		case "array":
			return (
				wanted.type === "array" &&
				holdsType(now.elementType, wanted.elementType)
			);
		case "map":
			return (
				wanted.type === "map" &&
				holdsType(now.keyType, wanted.keyType) &&
				holdsType(now.valueType, wanted.valueType)
			);
	}
}

function refused(what: string): DeltaError {
	return new DeltaError("DELTA_SCHEMA_INCOMPATIBLE", what);
}
