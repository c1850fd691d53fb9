import {
	field,
	type StructField,
	type StructType,
} from "../../src/columnar/types.ts";
import {
	below,
	pick,
	quoted,
	type Random,
	randomPartitionType,
	randomPartitionWire,
	randomType,
	randomWire,
	scalarColumns,
} from "./table-values.ts";
import type { Wire } from "./wire.ts";

/** Columns that a writer fills in by itself. */
export const FILLED = ["gen", "ident", "dflt"];
/** Columns that other things of the table depend on. */
const FIXED = ["id", "n", ...FILLED];

/** A predicate that says the same in SQL and of a row. */
export interface RowPredicate {
	readonly sql: string;
	/** Of a row in the order of the schema. */
	readonly holds: (row: readonly Wire[], schema: StructType) => boolean;
}

/**
 * What a table at random looks like, and rows for it: `id` is a number of its own for every new row,
 * `n` a whole number that is never null when it is written.
 */
export class RandomTable {
	/** Changes with the table. */
	schema: StructType;
	readonly partitionColumns: readonly string[];
	readonly mapped: boolean;
	readonly ntz: boolean;
	readonly #random: Random;
	readonly #pools = new Map<string, readonly Wire[]>();
	#nextId = 0;
	#added = 0;

	constructor(
		random: Random,
		options: {
			/** Names with any characters, and columns that can be renamed and dropped. */
			readonly mapped: boolean;
			readonly ntz: boolean;
			readonly partitions: boolean;
			readonly notNull: boolean;
		},
	) {
		this.#random = random;
		this.mapped = options.mapped;
		this.ntz = options.ntz;
		const columns: StructField[] = [
			field("id", "long"),
			field("n", "integer", { nullable: !options.notNull }),
			...Array.from({ length: 2 + below(random, 4) }, (_, i) =>
				field(
					options.mapped && random() < 0.5
						? pick(random, [`c ${i},=`, `Säule.${i}`, `a;b{${i}}`])
						: `c${i}`,
					randomType(random, { depth: 2, ntz: options.ntz }),
				),
			),
		];
		if (options.ntz) columns.push(field("ntz", "timestamp_ntz"));
		const parts = Array.from(
			{ length: options.partitions ? 1 + below(random, 2) : 0 },
			(_, i) => field(`p${i}`, randomPartitionType(random, options.ntz)),
		);
		for (const part of parts)
			this.#pools.set(part.name, [
				null,
				...Array.from({ length: 3 }, () =>
					randomPartitionWire(random, part.type),
				),
			]);
		// Where a column stands in the schema must not matter.
		columns.splice(below(random, columns.length + 1), 0, ...parts);
		this.schema = { type: "struct", fields: columns };
		this.partitionColumns = parts.map((part) => part.name);
	}

	newIds(count: number): number[] {
		const first = this.#nextId;
		this.#nextId += count;
		return Array.from({ length: count }, (_, i) => first + i);
	}

	/** Different ones, most of which are in the table. */
	someIds(): number[] {
		const ids = new Set(
			Array.from({ length: 12 }, () => below(this.#random, this.#nextId + 8)),
		);
		this.#nextId += 8;
		return [...ids];
	}

	/** Rows that the table takes, columns that are filled in left out. */
	rows(ids: readonly number[]): { schema: StructType; rows: Wire[][] } {
		const fields = this.schema.fields.filter(
			({ name }) => !FILLED.includes(name),
		);
		const rows = ids.map((id) =>
			fields.map(({ name, type }) => {
				if (name === "id") return String(id);
				if (name === "n") return String(below(this.#random, 1000));
				const pool = this.#pools.get(name);
				return pool === undefined
					? randomWire(this.#random, type)
					: pick(this.#random, pool);
			}),
		);
		return { schema: { type: "struct", fields }, rows };
	}

	/** Columns that nothing depends on. */
	freeColumns(): StructField[] {
		return this.schema.fields.filter(
			({ name }) =>
				!FIXED.includes(name) && !this.partitionColumns.includes(name),
		);
	}

	/** A column that the table has not. */
	newColumn(): StructField {
		return field(
			`x${this.#added++}`,
			randomType(this.#random, { depth: 1, ntz: this.ntz }),
		);
	}

	newName(): string {
		return `r ${this.#added++}`;
	}

	predicate(): RowPredicate {
		const random = this.#random;
		const divisor = 2 + below(random, 5);
		const limit = below(random, this.#nextId + 1);
		const least = below(random, 1000);
		const predicates = [
			of("id", `id % ${divisor} = 0`, (id) => Number(id) % divisor === 0),
			of("id", `id < ${limit}`, (id) => Number(id) < limit),
			of("n", `n > ${least}`, (n) => Number(n) > least),
		];
		const scalars = scalarColumns(this.schema);
		if (scalars.length > 0) {
			const { name } = pick(random, scalars);
			predicates.push({
				sql: `${quoted(name)} IS NULL`,
				holds: (row, schema) => cell(row, schema, name) === null,
			});
		}
		return pick(random, predicates);
	}
}

function of(
	name: string,
	sql: string,
	holds: (value: string) => boolean,
): RowPredicate {
	return {
		sql,
		holds: (row, schema) => {
			const value = cell(row, schema, name);
			return typeof value === "string" && holds(value);
		},
	};
}

function cell(row: readonly Wire[], schema: StructType, name: string): Wire {
	const at = schema.fields.findIndex((column) => column.name === name);
	return row[at] ?? null;
}
