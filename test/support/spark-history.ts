import {
	type DataType,
	decimalParts,
	field,
	type StructField,
	type StructType,
} from "../../src/columnar/types.ts";
import type { Spark } from "./spark.ts";
import {
	below,
	columnNames,
	pick,
	quoted,
	type Random,
	randomPartitionType,
	randomPartitionWire,
	randomType,
	randomWire,
	scalarColumns,
	sqlType,
} from "./table-values.ts";
import type { Wire } from "./wire.ts";

/** Properties that turn a feature on; those without any are turned on by what a table has. */
export const HISTORY_FEATURES = {
	deletionVectors: { "delta.enableDeletionVectors": "true" },
	columnMappingByName: { "delta.columnMapping.mode": "name" },
	columnMappingById: { "delta.columnMapping.mode": "id" },
	changeDataFeed: { "delta.enableChangeDataFeed": "true" },
	rowTracking: { "delta.enableRowTracking": "true" },
	v2Checkpoint: { "delta.checkpointPolicy": "v2" },
	typeWidening: { "delta.enableTypeWidening": "true" },
	inCommitTimestamp: { "delta.enableInCommitTimestamps": "true" },
	statsAsStruct: {
		"delta.checkpoint.writeStatsAsStruct": "true",
		"delta.checkpoint.writeStatsAsJson": "false",
	},
	columnDefaults: { "delta.feature.allowColumnDefaults": "supported" },
	timestampNtz: {},
	checkConstraints: {},
	notNull: {},
	generatedColumns: {},
	identityColumns: {},
	clustering: {},
	partitions: {},
} as const satisfies Record<string, Record<string, string>>;

export type HistoryFeature = keyof typeof HISTORY_FEATURES;

/** Columns that Spark fills in. */
const FILLED = ["gen", "ident", "dflt"];
/** Columns that other things of the table depend on. */
const FIXED = ["id", "n", ...FILLED];
const WIDER: Readonly<Record<string, readonly DataType[]>> = {
	byte: ["short", "integer", "long", "double", "decimal(12,2)"],
	short: ["integer", "long", "double"],
	integer: ["long", "double", "decimal(14,2)"],
	float: ["double"],
	long: ["decimal(24,4)"],
	date: ["timestamp_ntz"],
};

/** A table that Spark makes and changes at random, the same way for the same seed. */
export class SparkHistory {
	readonly path: string;
	/** What was done, in order: what a failure is told with. */
	readonly statements: string[] = [];
	readonly features: ReadonlySet<HistoryFeature>;
	/** Files of older versions may be gone. */
	oldest = 0;
	schema: StructType = { type: "struct", fields: [] };
	partitionColumns: readonly string[] = [];
	readonly #random: Random;
	readonly #spark: Spark;
	readonly #pools = new Map<string, readonly Wire[]>();
	#nextId = 0;
	#added = 0;

	constructor(options: {
		readonly random: Random;
		readonly spark: Spark;
		readonly path: string;
		readonly features: ReadonlySet<HistoryFeature>;
	}) {
		this.#random = options.random;
		this.#spark = options.spark;
		this.path = options.path;
		this.features = options.features;
	}

	async create(): Promise<void> {
		const random = this.#random;
		const mapped = this.#mapped();
		const name = (i: number): string =>
			mapped && random() < 0.5
				? pick(random, [`c ${i},=`, `Säule.${i}`, `a;b{${i}}`])
				: `c${i}`;
		const columns: StructField[] = [
			field("id", "long"),
			field("n", "integer", { nullable: !this.features.has("notNull") }),
			...Array.from({ length: 2 + below(random, 4) }, (_, i) =>
				field(
					name(i),
					randomType(random, {
						depth: 2,
						ntz: this.features.has("timestampNtz"),
					}),
				),
			),
		];
		if (this.features.has("timestampNtz"))
			columns.push(field("ntz", "timestamp_ntz"));
		if (this.features.has("partitions")) {
			const parts = Array.from({ length: 1 + below(random, 2) }, (_, i) =>
				field(
					`p${i}`,
					randomPartitionType(random, this.features.has("timestampNtz")),
				),
			);
			// Where a column stands in the schema must not matter.
			columns.splice(below(random, columns.length + 1), 0, ...parts);
			this.partitionColumns = parts.map((part) => part.name);
			for (const part of parts)
				this.#pools.set(part.name, [
					null,
					...Array.from({ length: 3 }, () =>
						randomPartitionWire(random, part.type),
					),
				]);
		}
		const clauses: string[] = columns.map(
			({ name, type, nullable }) =>
				`${quoted(name)} ${sqlType(type)}${nullable ? "" : " NOT NULL"}`,
		);
		if (this.features.has("generatedColumns"))
			clauses.push("gen BIGINT GENERATED ALWAYS AS (id + 1)");
		if (this.features.has("identityColumns"))
			clauses.push("ident BIGINT GENERATED ALWAYS AS IDENTITY");
		if (this.features.has("columnDefaults"))
			clauses.push("dflt STRING DEFAULT 'by default'");
		const properties: Record<string, string> = {
			"delta.checkpointInterval": String(2 + below(random, 5)),
		};
		for (const feature of this.features)
			Object.assign(properties, HISTORY_FEATURES[feature]);
		for (const [setting, values] of [
			["parquet.outputTimestampType", ["INT96", "TIMESTAMP_MICROS"]],
			["parquet.compression.codec", ["snappy", "zstd", "gzip"]],
			["parquet.writeLegacyFormat", ["false", "false", "true"]],
		] as const)
			await this.#run(`SET spark.sql.${setting} = ${pick(random, values)}`);
		await this.#run(
			[
				`CREATE TABLE ${this.#table()} (${clauses.join(", ")}) USING delta`,
				this.partitionColumns.length > 0 &&
					`PARTITIONED BY (${this.partitionColumns.map(quoted).join(", ")})`,
				this.features.has("clustering") && "CLUSTER BY (id, n)",
				`TBLPROPERTIES (${Object.entries(properties)
					.map(([key, value]) => `'${key}' = '${value}'`)
					.join(", ")})`,
			]
				.filter(Boolean)
				.join(" "),
		);
		this.schema = { type: "struct", fields: columns };
		if (this.features.has("checkConstraints"))
			await this.#run(
				`ALTER TABLE ${this.#table()} ADD CONSTRAINT positive CHECK (id >= 0 OR id IS NULL)`,
			);
		await this.#insert("INTO", 5 + below(random, 20));
	}

	/** One operation; `schema` must be that of the newest version. */
	async step(version: number): Promise<void> {
		const random = this.#random;
		const table = this.#table();
		const operations: (readonly [number, () => Promise<void>])[] = [
			[4, () => this.#insert("INTO", 1 + below(random, 30))],
			[1, () => this.#insert("OVERWRITE", 5 + below(random, 20))],
			[4, () => this.#run(`DELETE FROM ${table} WHERE ${this.#predicate()}`)],
			[4, () => this.#update()],
			[3, () => this.#merge()],
			[1, () => this.#run(`OPTIMIZE ${table}`)],
			[1, () => this.#run(`REORG TABLE ${table} APPLY (PURGE)`)],
			[2, () => this.#addColumn()],
			[
				1,
				async () => {
					const to = this.oldest + below(random, version - this.oldest + 1);
					await this.#run(`RESTORE TABLE ${table} TO VERSION AS OF ${to}`);
				},
			],
			[
				1,
				async () => {
					await this.#run(`VACUUM ${table} RETAIN 0 HOURS`);
					this.oldest = version;
				},
			],
		];
		const property = this.#property();
		if (property !== undefined)
			operations.push([
				1,
				() => this.#run(`ALTER TABLE ${table} SET TBLPROPERTIES (${property})`),
			]);
		if (!this.features.has("clustering"))
			operations.push([1, () => this.#run(`OPTIMIZE ${table} ZORDER BY (n)`)]);
		const free = this.#freeColumns();
		if (this.#mapped() && free.length > 1)
			operations.push(
				[2, () => this.#rename(pick(random, free))],
				[
					1,
					() =>
						this.#run(
							`ALTER TABLE ${table} DROP COLUMN ${quoted(pick(random, free).name)}`,
						),
				],
			);
		const widening = this.features.has("typeWidening") ? this.#widening() : [];
		if (widening.length > 0)
			operations.push([
				4,
				() => this.#run(`ALTER TABLE ${table} ${pick(random, widening)}`),
			]);
		let at = random() * operations.reduce((sum, [weight]) => sum + weight, 0);
		for (const [weight, operation] of operations) {
			at -= weight;
			if (at < 0) return await operation();
		}
	}

	/** Rows that the table takes, columns that Spark fills in left out. */
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

	async #run(statement: string): Promise<void> {
		this.statements.push(statement);
		await this.#spark.sql(statement);
	}

	async #insert(into: "INTO" | "OVERWRITE", count: number): Promise<void> {
		const first = this.#nextId;
		this.#nextId += count;
		const source = this.rows(
			Array.from({ length: count }, (_, i) => first + i),
		);
		await this.#spark.rows("source", source.schema, source.rows);
		const names = columnNames(source.schema.fields);
		await this.#run(
			`INSERT ${into} ${into === "INTO" ? "" : "TABLE "}${this.#table()} (${names}) SELECT ${names} FROM source`,
		);
	}

	async #update(): Promise<void> {
		const sets = ["n = COALESCE(n, 0) % 1000 + 1"];
		const free = this.#freeColumns();
		if (free.length > 0 && this.#random() < 0.5)
			sets.push(`${quoted(pick(this.#random, free).name)} = NULL`);
		await this.#run(
			`UPDATE ${this.#table()} SET ${sets.join(", ")} WHERE ${this.#predicate()}`,
		);
	}

	async #merge(): Promise<void> {
		const ids = new Set(
			Array.from({ length: 12 }, () => below(this.#random, this.#nextId + 8)),
		);
		this.#nextId += 8;
		const source = this.rows([...ids]);
		await this.#spark.rows("source", source.schema, source.rows);
		const names = source.schema.fields.map(({ name }) => quoted(name));
		await this.#run(
			`MERGE INTO ${this.#table()} AS t USING source AS s ON t.id = s.id
			WHEN MATCHED AND s.id % 3 = 0 THEN DELETE
			WHEN MATCHED THEN UPDATE SET ${names.map((name) => `${name} = s.${name}`).join(", ")}
			WHEN NOT MATCHED THEN INSERT (${names.join(", ")}) VALUES (${names.map((name) => `s.${name}`).join(", ")})`,
		);
	}

	async #addColumn(): Promise<void> {
		const type = randomType(this.#random, {
			depth: 1,
			ntz: this.features.has("timestampNtz"),
		});
		const structs = this.schema.fields.filter(
			(column) =>
				typeof column.type !== "string" && column.type.type === "struct",
		);
		const name = quoted(`x${this.#added++}`);
		const at =
			structs.length > 0 && this.#random() < 0.4
				? `${quoted(pick(this.#random, structs).name)}.${name}`
				: name;
		await this.#run(
			`ALTER TABLE ${this.#table()} ADD COLUMNS (${at} ${sqlType(type)})`,
		);
	}

	async #rename(column: StructField): Promise<void> {
		await this.#run(
			`ALTER TABLE ${this.#table()} RENAME COLUMN ${quoted(column.name)} TO ${quoted(`r ${this.#added++}`)}`,
		);
	}

	/** Changes of types that Delta allows, as the ends of ALTER TABLE statements. */
	#widening(): string[] {
		return this.#freeColumns().flatMap(({ name, type }) => {
			const decimal = decimalParts(type);
			const wider =
				decimal !== undefined && decimal.precision < 36
					? [`DECIMAL(${decimal.precision + 2},${decimal.scale + 1})`]
					: typeof type === "string"
						? (WIDER[type] ?? []).map(sqlType)
						: [];
			return wider.map((to) => `ALTER COLUMN ${quoted(name)} TYPE ${to}`);
		});
	}

	/** A property that a table may get after its first versions. */
	#property(): string | undefined {
		const late: string[] = [
			`'delta.checkpointInterval' = '${1 + below(this.#random, 4)}'`,
			"'delta.dataSkippingNumIndexedCols' = '2'",
		];
		if (this.features.has("deletionVectors"))
			late.push("'delta.enableDeletionVectors' = 'false'");
		if (this.features.has("changeDataFeed"))
			late.push("'delta.enableChangeDataFeed' = 'false'");
		if (this.features.has("v2Checkpoint"))
			late.push("'delta.checkpointPolicy' = 'classic'");
		return pick(this.#random, late);
	}

	#predicate(): string {
		const random = this.#random;
		const scalars = scalarColumns(this.schema);
		const predicates = [
			`id % ${2 + below(random, 5)} = 0`,
			`id < ${below(random, this.#nextId + 1)}`,
			`n > ${below(random, 1000)}`,
		];
		if (scalars.length > 0)
			predicates.push(`${quoted(pick(random, scalars).name)} IS NULL`);
		return pick(random, predicates);
	}

	#freeColumns(): StructField[] {
		return this.schema.fields.filter(
			({ name }) =>
				!FIXED.includes(name) && !this.partitionColumns.includes(name),
		);
	}

	#mapped(): boolean {
		return (
			this.features.has("columnMappingByName") ||
			this.features.has("columnMappingById")
		);
	}

	#table(): string {
		return `delta.${quoted(this.path)}`;
	}
}

/** Features at random, `forced` always among them. */
export function randomFeatures(
	random: Random,
	forced: HistoryFeature,
	refused: ReadonlySet<HistoryFeature>,
): Set<HistoryFeature> {
	const features = new Set<HistoryFeature>([forced]);
	for (const feature of Object.keys(HISTORY_FEATURES) as HistoryFeature[])
		if (random() < 0.3 && !refused.has(feature)) features.add(feature);
	// Of each pair only one can be.
	for (const [one, other] of [
		["columnMappingByName", "columnMappingById"],
		["clustering", "partitions"],
	] as const)
		if (features.has(one) && features.has(other))
			features.delete(forced === one ? other : one);
	return features;
}
