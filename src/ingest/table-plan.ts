import { type StructType, struct } from "../columnar/types.ts";
import type { Action } from "../delta/actions.ts";
import type { Engine } from "../delta/engine.ts";
import { evolve, newLayout } from "../delta/evolve.ts";
import type { Snapshot } from "../delta/snapshot.ts";
import type { TableLayout } from "../delta/stage.ts";
import { type SchemaRules, widensColumns } from "./schema-rules.ts";
import { SOURCE_COLUMNS } from "./source-columns.ts";

export interface NewTableOptions {
	readonly name: string;
	readonly partitionBy: readonly string[];
	readonly properties: Readonly<Record<string, string>>;
}

/**
 * The table as the files of one commit want it. Files are staged side by side, each for the layout of its
 * moment; a column that one of them brought has its type for all of them.
 */
export class TablePlan {
	readonly base: Snapshot | undefined;
	readonly #engine: Engine;
	readonly #rules: SchemaRules;
	readonly #options: NewTableOptions;
	#table: TableLayout | undefined;
	#actions: readonly Action[] = [];

	/** `seed` are the columns that a table which is not there yet begins with. */
	constructor(
		engine: Engine,
		base: Snapshot | undefined,
		options: NewTableOptions & {
			readonly rules: SchemaRules;
			readonly seed?: StructType | undefined;
		},
	) {
		this.base = base;
		this.#engine = engine;
		this.#rules = options.rules;
		this.#options = options;
		this.#table = base;
		const { columns } = options.rules;
		const seed = options.seed?.fields ?? columns;
		if (base === undefined && seed.length > 0)
			this.fit(struct(...seed, ...SOURCE_COLUMNS));
	}

	/** Of the table as far as it is known; `undefined` before the first rows. */
	get table(): TableLayout | undefined {
		return this.#table;
	}

	/** What a commit has to hold to make the table so. */
	get actions(): readonly Action[] {
		return this.#actions;
	}

	/**
	 * The layout that rows of a schema can be written with.
	 * @returns `undefined` when a column has another type by now: the rows have to be read anew
	 */
	fit(schema: StructType): TableLayout | undefined {
		if (this.#table === undefined) {
			const created = newLayout(
				this.#engine.store.url,
				{
					schema,
					name: this.#options.name,
					partitionColumns: this.#options.partitionBy,
					configuration: this.#options.properties,
				},
				this.#engine,
			);
			this.#table = created.table;
			this.#actions = created.actions;
			return created.table;
		}
		const evolved = evolve(this.#table, schema, {
			uuid: this.#engine.uuid,
			widen: widensColumns(this.#rules),
		});
		if (evolved.conflicts.length > 0) return undefined;
		if (evolved.actions.length > 0) {
			const replaced = new Set(evolved.actions.flatMap(Object.keys));
			this.#actions = [
				...this.#actions.filter(
					(action) => !Object.keys(action).some((key) => replaced.has(key)),
				),
				...evolved.actions,
			];
			this.#table = evolved.table;
		}
		return evolved.table;
	}
}
