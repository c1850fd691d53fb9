import {
	type DataType,
	decimalParts,
	type StructField,
	type StructType,
} from "../../src/columnar/types.ts";
import { RandomTable } from "./random-table.ts";
import type { Spark } from "./spark.ts";
import {
	below,
	columnNames,
	pick,
	quoted,
	type Random,
	sqlType,
} from "./table-values.ts";

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
	readonly table: RandomTable;
	readonly #random: Random;
	readonly #spark: Spark;

	constructor(options: {
		readonly random: Random;
		readonly spark: Spark;
		readonly path: string;
		readonly features: ReadonlySet<HistoryFeature>;
	}) {
		const { random, features } = options;
		this.#random = random;
		this.#spark = options.spark;
		this.path = options.path;
		this.features = features;
		this.table = tableWith(random, features);
	}

	get schema(): StructType {
		return this.table.schema;
	}
	set schema(schema: StructType) {
		this.table.schema = schema;
	}

	async create(): Promise<void> {
		const random = this.#random;
		const { partitionColumns } = this.table;
		const clauses: string[] = this.schema.fields.map(
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
				partitionColumns.length > 0 &&
					`PARTITIONED BY (${partitionColumns.map(quoted).join(", ")})`,
				this.features.has("clustering") && "CLUSTER BY (id, n)",
				`TBLPROPERTIES (${Object.entries(properties)
					.map(([key, value]) => `'${key}' = '${value}'`)
					.join(", ")})`,
			]
				.filter(Boolean)
				.join(" "),
		);
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
			[
				4,
				() =>
					this.#run(`DELETE FROM ${table} WHERE ${this.table.predicate().sql}`),
			],
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
		const free = this.table.freeColumns();
		if (this.table.mapped && free.length > 1)
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

	async #run(statement: string): Promise<void> {
		this.statements.push(statement);
		await this.#spark.sql(statement);
	}

	async #insert(into: "INTO" | "OVERWRITE", count: number): Promise<void> {
		const source = this.table.rows(this.table.newIds(count));
		await this.#spark.rows("source", source.schema, source.rows);
		const names = columnNames(source.schema.fields);
		await this.#run(
			`INSERT ${into} ${into === "INTO" ? "" : "TABLE "}${this.#table()} (${names}) SELECT ${names} FROM source`,
		);
	}

	async #update(): Promise<void> {
		const sets = ["n = COALESCE(n, 0) % 1000 + 1"];
		const free = this.table.freeColumns();
		if (free.length > 0 && this.#random() < 0.5)
			sets.push(`${quoted(pick(this.#random, free).name)} = NULL`);
		await this.#run(
			`UPDATE ${this.#table()} SET ${sets.join(", ")} WHERE ${this.table.predicate().sql}`,
		);
	}

	async #merge(): Promise<void> {
		const source = this.table.rows(this.table.someIds());
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
		const { name, type } = this.table.newColumn();
		const structs = this.schema.fields.filter(
			(column) =>
				typeof column.type !== "string" && column.type.type === "struct",
		);
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
			`ALTER TABLE ${this.#table()} RENAME COLUMN ${quoted(column.name)} TO ${quoted(this.table.newName())}`,
		);
	}

	/** Changes of types that Delta allows, as the ends of ALTER TABLE statements. */
	#widening(): string[] {
		return this.table.freeColumns().flatMap(({ name, type }) => {
			const decimal = decimalParts(type);
			const wider =
				decimal !== undefined && decimal.precision < 36
					? [`DECIMAL(${decimal.precision + 2},${decimal.scale + 1})`]
					: typeof type === "string"
						? (WIDER[type] ?? [])
								.filter((to) => to !== "timestamp_ntz" || this.table.ntz)
								.map(sqlType)
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

	#table(): string {
		return `delta.${quoted(this.path)}`;
	}
}

/** A table at random that these features can be on for. */
export function tableWith(
	random: Random,
	features: ReadonlySet<HistoryFeature>,
): RandomTable {
	return new RandomTable(random, {
		mapped:
			features.has("columnMappingByName") || features.has("columnMappingById"),
		ntz: features.has("timestampNtz"),
		partitions: features.has("partitions"),
		notNull: features.has("notNull"),
	});
}

/** Features at random, `forced` always among them. */
export function randomFeatures(
	random: Random,
	forced: HistoryFeature,
	refused: ReadonlySet<HistoryFeature> = new Set(),
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
