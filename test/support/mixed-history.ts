import { expect } from "vitest";
import { vectorOf } from "../../src/columnar/literal.ts";
import { field, type StructType } from "../../src/columnar/types.ts";
import type { Batch } from "../../src/columnar/vector.ts";
import { type Alteration, alterTable } from "../../src/delta/alter.ts";
import type { Engine } from "../../src/delta/engine.ts";
import { writeLogCompaction } from "../../src/delta/log-compaction.ts";
import type { Snapshot } from "../../src/delta/snapshot.ts";
import {
	append,
	createTable,
	deleteRows,
	overwrite,
} from "../../src/delta/write.ts";
import { engineOf, type History, snapshotOf } from "./differential.ts";
import type { RandomTable } from "./random-table.ts";
import type { JudgedTable } from "./spark.ts";
import {
	HISTORY_FEATURES,
	type HistoryFeature,
	type SparkHistory,
	tableWith,
} from "./spark-history.ts";
import { below, pick, type Random } from "./table-values.ts";
import { comparable, valueFrom, type Wire } from "./wire.ts";

type Rows = readonly (readonly Wire[])[];

/**
 * A table that we make; at every step either we change it, or another engine does. What it must hold
 * after a step of ours is computed from what the judge read before, without our engine.
 */
export class MixedHistory implements History {
	readonly statements: string[];
	readonly path: string;
	readonly #random: Random;
	readonly #features: ReadonlySet<HistoryFeature>;
	readonly #table: RandomTable;
	readonly #other: SparkHistory | undefined;
	readonly #engine: Engine;
	#rowIds: ReadonlyMap<string, string> = new Map();
	#last: JudgedTable | undefined;
	#expected: { readonly schema: StructType; readonly rows: Rows } | undefined;

	constructor(options: {
		readonly random: Random;
		readonly path: string;
		readonly features: ReadonlySet<HistoryFeature>;
		/** Of the same table, which it has not made. */
		readonly other?: SparkHistory;
	}) {
		this.#random = options.random;
		this.#features = options.features;
		this.#other = options.other;
		this.#table =
			options.other?.table ?? tableWith(options.random, options.features);
		this.path = options.path;
		this.statements = options.other?.statements ?? [];
		this.#engine = engineOf(this.path);
	}

	get oldest(): number {
		return this.#other?.oldest ?? 0;
	}
	get schema(): StructType {
		return this.#table.schema;
	}
	set schema(schema: StructType) {
		this.#table.schema = schema;
	}

	async create(): Promise<void> {
		// Clustering columns are declared by Spark only.
		if (
			this.#other !== undefined &&
			(this.#features.has("clustering") || this.#random() < 0.3)
		)
			return await this.#other.create();
		const configuration: Record<string, string> = {
			"delta.checkpointInterval": String(2 + below(this.#random, 5)),
		};
		for (const feature of this.#features)
			for (const [key, value] of Object.entries(HISTORY_FEATURES[feature]))
				if (!key.startsWith("delta.feature.")) configuration[key] = value;
		const features = this.#features;
		const filled = [
			field("gen", "long", {
				metadata: { "delta.generationExpression": "id + 1" },
			}),
			field("dflt", "string", {
				metadata: { CURRENT_DEFAULT: "'by default'" },
			}),
		].filter(
			({ name }) =>
				(name === "gen" && features.has("generatedColumns")) ||
				(name === "dflt" && features.has("columnDefaults")),
		);
		this.schema = {
			type: "struct",
			fields: [...this.schema.fields, ...filled],
		};
		const table = {
			schema: this.schema,
			partitionColumns: this.#table.partitionColumns,
			configuration,
		};
		this.statements.push(`we create ${JSON.stringify(table)}`);
		await createTable(this.#engine, table);
		if (features.has("checkConstraints"))
			await this.#alter({
				kind: "add-constraint",
				name: "positive",
				expression: "id >= 0 OR id IS NULL",
			});
		await this.#append(10 + below(this.#random, 20));
	}

	async step(version: number): Promise<void> {
		this.#expected = undefined;
		const random = this.#random;
		if (this.#other !== undefined && random() < 0.4)
			return await this.#other.step(version);
		const operations: (readonly [number, () => Promise<void>])[] = [
			[4, () => this.#append(1 + below(random, 30))],
			[5, () => this.#delete()],
			[1, () => this.#overwrite()],
			[2, () => this.#replaceWhere()],
			[2, () => this.#appendWider()],
			[1, () => this.#compactLog(version)],
			[
				1,
				async () => {
					const interval = String(1 + below(random, 4));
					await this.#alter({
						kind: "set-properties",
						properties: { "delta.checkpointInterval": interval },
					});
					this.#expect(this.#rows());
				},
			],
		];
		const free = this.#table.freeColumns();
		if (this.#table.mapped && free.length > 1)
			operations.push([2, () => this.#changeColumn(pick(random, free).name)]);
		const narrow = free.filter(
			({ type }) => type === "byte" || type === "short",
		);
		if (this.#features.has("typeWidening") && narrow.length > 0)
			operations.push([4, () => this.#widen(pick(random, narrow).name)]);
		let at = random() * operations.reduce((sum, [weight]) => sum + weight, 0);
		for (const [weight, operation] of operations) {
			at -= weight;
			if (at < 0) return await operation();
		}
	}

	/** What the judge reads; compared with what our last step has to lead to. */
	readBack(theirs: JudgedTable): JudgedTable {
		const expected = this.#expected;
		this.#expected = undefined;
		if (expected !== undefined)
			expect(
				comparable(theirs.rows, theirs.schema),
				"the judge reads what we wrote",
			).toEqual(comparable(expected.rows, expected.schema));
		this.#last = theirs;
		return theirs;
	}

	/** Ids of rows by `id`, after each step: a row keeps its id, and no two have the same. */
	checkRowIds(rows: readonly (readonly (string | null)[])[]): void {
		const now = new Map(rows.map(([id, rowId]) => [String(id), String(rowId)]));
		expect(new Set(now.values()).size, "row ids are unique").toBe(rows.length);
		const kept = [...this.#rowIds].filter(([id]) => now.has(id));
		expect(
			kept.map(([id]) => [id, now.get(id)]),
			"rows keep their row ids",
		).toEqual(kept);
		this.#rowIds = now;
	}

	async #append(count: number): Promise<void> {
		const base = await this.#base();
		this.statements.push("we append");
		const { batches, rows } = this.#new(this.#table.newIds(count));
		await append(this.#engine, base, batches);
		this.#expect([...this.#rows(), ...rows]);
	}

	/** Rows with a column that the table has not. */
	async #appendWider(): Promise<void> {
		const base = await this.#base();
		const before = this.#rows();
		this.schema = {
			type: "struct",
			fields: [...this.schema.fields, this.#table.newColumn()],
		};
		this.statements.push(
			`we append with ${JSON.stringify(this.schema.fields.at(-1))}`,
		);
		const { batches, rows } = this.#new(this.#table.newIds(5));
		await append(this.#engine, base, batches, { mergeSchema: true });
		this.#expect([...before.map((row) => [...row, null]), ...rows]);
	}

	async #overwrite(): Promise<void> {
		const base = await this.#base();
		this.statements.push("we overwrite");
		const { batches, rows } = this.#new(this.#table.newIds(10));
		await overwrite(this.#engine, base, batches);
		this.#expect(rows);
	}

	async #replaceWhere(): Promise<void> {
		const base = await this.#base();
		const ids = this.#table.newIds(6);
		const first = Math.max(0, (ids[0] ?? 0) - below(this.#random, 10));
		const where = `id >= ${first}`;
		this.statements.push(`we replace where ${where}`);
		const { batches, rows } = this.#new(ids);
		await overwrite(this.#engine, base, batches, { where });
		const at = this.schema.fields.findIndex(({ name }) => name === "id");
		this.#expect([
			...this.#rows().filter(
				(row) => row[at] === null || Number(row[at]) < first,
			),
			...rows,
		]);
	}

	async #delete(): Promise<void> {
		const base = await this.#base();
		const { sql, holds } = this.#table.predicate();
		this.statements.push(`we delete where ${sql}`);
		await deleteRows(this.#engine, base, sql);
		this.#expect(this.#rows().filter((row) => !holds(row, this.schema)));
	}

	/** Renames it or drops it. */
	async #changeColumn(name: string): Promise<void> {
		const rename = this.#random() < 0.6;
		const to = this.#table.newName();
		await this.#alter(
			rename
				? { kind: "rename-column", path: [name], to }
				: { kind: "drop-column", path: [name] },
		);
		const { fields } = this.schema;
		const at = fields.findIndex((column) => column.name === name);
		const rows = rename
			? this.#rows()
			: this.#rows().map((row) => row.toSpliced(at, 1));
		this.schema = {
			type: "struct",
			fields: rename
				? fields.map((column, i) =>
						i === at ? { ...column, name: to } : column,
					)
				: fields.toSpliced(at, 1),
		};
		this.#expect(rows);
	}

	async #widen(name: string): Promise<void> {
		const schema: StructType = {
			type: "struct",
			fields: this.schema.fields.map((column) =>
				column.name === name
					? { ...column, type: pick(this.#random, ["integer", "long"]) }
					: column,
			),
		};
		await this.#alter({ kind: "merge-schema", schema });
		this.schema = schema;
		this.#expect(this.#rows());
	}

	async #alter(alteration: Alteration): Promise<void> {
		this.statements.push(`we alter ${JSON.stringify(alteration)}`);
		await alterTable(this.#engine, await this.#base(), alteration);
	}

	async #compactLog(version: number): Promise<void> {
		const from = Math.max(this.oldest, version - 3);
		if (from === version) return;
		this.statements.push(`we compact the log from ${from} to ${version}`);
		await writeLogCompaction(this.#engine, from, version);
	}

	/** Rows to write, and as they are read when what is filled in is there. */
	#new(ids: readonly number[]): { batches: Batch[]; rows: Wire[][] } {
		const { schema, rows } = this.#table.rows(ids);
		this.statements.push(`  rows ${JSON.stringify(rows)}`);
		const at = new Map(schema.fields.map(({ name }, i) => [name, i]));
		return {
			batches: batches(schema, rows),
			rows: rows.map((row) =>
				this.schema.fields.map(({ name }) => {
					if (name === "gen") return String(Number(row[at.get("id") ?? 0]) + 1);
					if (name === "dflt") return "by default";
					const value = row[at.get(name) ?? -1] ?? null;
					// The log can't tell the empty text from null.
					return value === "" && this.#table.partitionColumns.includes(name)
						? null
						: value;
				}),
			),
		};
	}

	#rows(): Rows {
		return this.#last?.rows ?? [];
	}

	#expect(rows: Rows): void {
		this.#expected = { schema: this.schema, rows };
	}

	async #base(): Promise<Snapshot> {
		return await snapshotOf(this.path);
	}
}

/** In two batches, so that a commit has several files. */
function batches(schema: StructType, rows: Rows): Batch[] {
	const half = rows.length >> 1;
	return [rows.slice(0, half), rows.slice(half)]
		.filter((part) => part.length > 0)
		.map((part) => batchOf(schema, part));
}

export function batchOf(schema: StructType, rows: Rows): Batch {
	return {
		schema,
		length: rows.length,
		columns: schema.fields.map(({ type }, i) =>
			vectorOf(
				type,
				rows.map((row) => valueFrom(row[i] ?? null, type)),
			),
		),
	};
}
