import { nullVector } from "../columnar/literal.ts";
import type { LeafStats } from "../columnar/parquet/encode.ts";
import type { DataType, StructType } from "../columnar/types.ts";
import { valueAt } from "../columnar/value.ts";
import type { Batch, Vector } from "../columnar/vector.ts";
import { canWiden, widenedVector } from "../columnar/widening.ts";
import type { AddFile } from "./actions.ts";
import { clusteringColumns } from "./clustering.ts";
import { mappingMode, physicalSchema } from "./column-mapping.ts";
import { tableConstraints } from "./constraints.ts";
import {
	type DataFileOptions,
	dataFileOptions,
	encodeDataFiles,
} from "./data-file.ts";
import type { Engine } from "./engine.ts";
import { DeltaError } from "./errors.ts";
import { checkWritable } from "./features.ts";
import {
	encodePath,
	partitionFolder,
	serialisePartitionValue,
} from "./partition.ts";
import { checkRows, completeRows } from "./row-check.ts";
import type { Snapshot } from "./state.ts";
import { fileStats, type StatsOptions, statsOptions } from "./stats.ts";

/** What has to be known of a table to write files for it. */
export type TableLayout = Pick<
	Snapshot,
	"url" | "protocol" | "metadata" | "schema"
> & { readonly domains?: Snapshot["domains"] };

/** A data file that is stored, and not in the table yet. */
export interface StagedFile {
	readonly add: AddFile;
	/** Rows of the batch, in the file's order. */
	readonly rows: Int32Array;
}

/**
 * Encodes and stores a batch, a file per partition, or several where one would be larger than
 * `delta.targetFileSize`; nothing is visible before a commit. Columns are
 * matched by name; those that the batch lacks have their default, or what they are generated from, or
 * are null. Every row is checked against the table's constraints, unless the rows are `kept` ones that
 * the table has already.
 * @throws DeltaError DELTA_SCHEMA_INCOMPATIBLE for a column that the table has not, or in another type,
 *   DELTA_CONSTRAINT_VIOLATED for a row that breaks a constraint, DELTA_UNSUPPORTED_WRITER for a table with
 *   one that can't be enforced
 */
export async function stageFiles(
	engine: Engine,
	table: TableLayout,
	batch: Batch,
	{
		tags,
		kept = false,
		fileColumns,
	}: {
		readonly tags?: Readonly<Record<string, string>>;
		readonly kept?: boolean;
		/** Columns for the files that are none of the table's, with a value per row. */
		readonly fileColumns?: Pick<Batch, "schema" | "columns">;
	} = {},
): Promise<StagedFile[]> {
	const { metadata, schema } = table;
	const layout = fileLayout(table);
	const columns = kept
		? columnsFor(table, batch)
		: checkedColumns(engine, table, batch);
	const isPartition = schema.fields.map(({ name }) =>
		metadata.partitionColumns.includes(name),
	);
	const stored: Batch = {
		schema: {
			type: "struct",
			fields: [...layout.stored.fields, ...(fileColumns?.schema.fields ?? [])],
		},
		length: batch.length,
		columns: [
			...columns.filter((_, i) => isPartition[i] !== true),
			...(fileColumns?.columns ?? []),
		],
	};
	// In the order of the table's partition columns.
	const partitions = metadata.partitionColumns.map((name) => {
		const i = schema.fields.findIndex((field) => field.name === name);
		return {
			name: layout.physical.fields[i]?.name ?? name,
			type: schema.fields[i]?.type ?? ("string" as DataType),
			vector: columns[i] ?? nullVector("string", batch.length),
		};
	});
	const files: StagedFile[] = [];
	for (const part of split(batch.length, partitions))
		for (const file of encodeDataFiles(stored, part.rows, layout.options)) {
			const path = newPath(engine, layout, part.values);
			await engine.store.put(path, file.bytes);
			files.push({
				add: newFile(engine, layout, {
					path,
					partitionValues: part.values,
					size: file.bytes.length,
					rows: file.rows.length,
					leaves: file.leaves,
					tags,
				}),
				rows: file.rows,
			});
		}
	return files;
}

/** How the data files of a table look. */
export interface FileLayout {
	/** The table's columns under physical names. */
	readonly physical: StructType;
	/** Those that stand in the files: all but the partition columns. */
	readonly stored: StructType;
	/** Physical names of the partition columns. */
	readonly partitions: readonly string[];
	readonly options: DataFileOptions;
	readonly statistics: StatsOptions;
}

/** @throws DeltaError DELTA_UNSUPPORTED_WRITER for a table that this engine can't write, and as `dataFileOptions` */
export function fileLayout(table: TableLayout): FileLayout {
	const { metadata, protocol, schema } = table;
	checkWritable(protocol, metadata, table.url);
	const mode = mappingMode(protocol, metadata);
	const physical = physicalSchema(schema, mode);
	return {
		physical,
		stored: {
			type: "struct",
			fields: physical.fields.filter(
				(_, i) =>
					!metadata.partitionColumns.includes(schema.fields[i]?.name ?? ""),
			),
		},
		partitions: metadata.partitionColumns.map((name) => {
			const i = schema.fields.findIndex((field) => field.name === name);
			return physical.fields[i]?.name ?? name;
		}),
		options: dataFileOptions(schema, metadata, mode),
		statistics: {
			...statsOptions(schema, metadata, mode),
			// A clustered table has statistics of what it is clustered by, wherever that stands.
			also: clusteringColumns(table.domains),
		},
	};
}

/** A path below the table's root for a new data file. */
export function newPath(
	engine: Pick<Engine, "uuid">,
	{ options, partitions }: FileLayout,
	values: Readonly<Record<string, string | null>>,
): string {
	return `${partitionFolder(partitions, values)}part-${engine.uuid()}.${options.encode.compression}.parquet`;
}

/** What the log has to say of a data file that is stored. */
export function newFile(
	engine: Pick<Engine, "now">,
	{ statistics }: FileLayout,
	file: {
		readonly path: string;
		readonly partitionValues: AddFile["partitionValues"];
		readonly size: number;
		readonly rows: number;
		readonly leaves: readonly LeafStats[];
		readonly tags?: AddFile["tags"] | undefined;
	},
): AddFile {
	return {
		path: encodePath(file.path),
		partitionValues: file.partitionValues,
		size: file.size,
		modificationTime: engine.now(),
		dataChange: true,
		stats: fileStats(file.rows, file.leaves, statistics),
		...(file.tags === undefined ? {} : { tags: file.tags }),
	};
}

function checkedColumns(
	engine: Engine,
	table: TableLayout,
	batch: Batch,
): Vector[] {
	const { metadata, schema } = table;
	const constraints = tableConstraints(metadata, schema);
	const now = { now: engine.now() };
	const columns = columnsFor(table, completeRows(constraints, batch, now));
	checkRows(constraints, { schema, length: batch.length, columns }, now);
	return columns;
}

/** The batch's columns in the order of the table's schema. */
export function columnsFor(
	{ schema, url }: Pick<TableLayout, "schema" | "url">,
	batch: Batch,
): Vector[] {
	const known = new Set(schema.fields.map(({ name }) => name));
	for (const { name } of batch.schema.fields)
		if (!known.has(name))
			throw new DeltaError(
				"DELTA_SCHEMA_INCOMPATIBLE",
				`${url} has no column ${name}; it has ${[...known].join(", ")}`,
			);
	return schema.fields.map(({ name, type }) => {
		const i = batch.schema.fields.findIndex((field) => field.name === name);
		const own = batch.schema.fields[i];
		const vector = batch.columns[i];
		if (own === undefined || vector === undefined)
			return nullVector(type, batch.length);
		return conform(vector, own.type, type, name, url);
	});
}

/** A column in the table's type: nested fields in its order, those that are missing null. */
function conform(
	vector: Vector,
	from: DataType,
	to: DataType,
	path: string,
	url: string,
): Vector {
	if (typeof from === "string" || typeof to === "string") {
		if (from === to) return vector;
		// The table may have been widened since the rows were made.
		if (canWiden(from, to)) return widenedVector(vector, from, to);
		throw new DeltaError(
			"DELTA_SCHEMA_INCOMPATIBLE",
			`${url}: the column ${path} is ${text(to)}, the rows have ${text(from)}`,
		);
	}
	if (
		from.type === "struct" &&
		to.type === "struct" &&
		vector.kind === "struct"
	) {
		const extra = from.fields.find(
			({ name }) => !to.fields.some((field) => field.name === name),
		);
		if (extra !== undefined)
			throw new DeltaError(
				"DELTA_SCHEMA_INCOMPATIBLE",
				`${url} has no field ${path}.${extra.name}`,
			);
		return {
			...vector,
			children: to.fields.map(({ name, type }) => {
				const i = from.fields.findIndex((field) => field.name === name);
				const own = from.fields[i];
				const child = vector.children[i];
				return own === undefined || child === undefined
					? nullVector(type, vector.length)
					: conform(child, own.type, type, `${path}.${name}`, url);
			}),
		};
	}
	if (from.type === "array" && to.type === "array" && vector.kind === "list")
		return {
			...vector,
			child: conform(
				vector.child,
				from.elementType,
				to.elementType,
				`${path}.element`,
				url,
			),
		};
	if (from.type === "map" && to.type === "map" && vector.kind === "map")
		return {
			...vector,
			keys: conform(vector.keys, from.keyType, to.keyType, `${path}.key`, url),
			values: conform(
				vector.values,
				from.valueType,
				to.valueType,
				`${path}.value`,
				url,
			),
		};
	throw new DeltaError(
		"DELTA_SCHEMA_INCOMPATIBLE",
		`${url}: the column ${path} is ${text(to)}, the rows have ${text(from)}`,
	);
}

function text(type: DataType): string {
	return typeof type === "string" ? type : type.type;
}

interface PartitionColumn {
	readonly name: string;
	readonly type: DataType;
	readonly vector: Vector;
}

interface Part {
	readonly values: Record<string, string | null>;
	readonly rows: Int32Array;
}

/** Positions of the rows of each partition. */
export function split(
	length: number,
	columns: readonly PartitionColumn[],
): Part[] {
	if (length === 0) return [];
	const keys = columns.map(({ type, vector }) => {
		let day: number | undefined;
		let last: string | null = null;
		return (row: number): string | null => {
			// Most batches have one date, row after row.
			if (vector.kind === "i32" && vector.validity === undefined) {
				if (vector.values[row] === day) return last;
				day = vector.values[row];
			}
			last = serialisePartitionValue(valueAt(vector, type, row), type);
			return last;
		};
	});
	const groups = new Map<string, Group>();
	const groupOf = new Int32Array(length);
	const one = keys.length === 1 ? keys[0] : undefined;
	let known: string | null | undefined;
	let group: Group | undefined;
	for (let row = 0; row < length; row++) {
		let tuple: (string | null)[] | undefined;
		if (one === undefined) tuple = keys.map((key) => key(row));
		else {
			const value = one(row);
			if (group === undefined || value !== known) tuple = [value];
			known = value;
		}
		if (tuple !== undefined) group = groupFor(groups, columns, tuple);
		if (group === undefined) continue;
		groupOf[row] = group.index;
		group.count++;
		// Without partition columns every row is in the first group.
		if (columns.length === 0) {
			group.count = length;
			break;
		}
	}
	const parts = Array.from(groups.values(), ({ values, count }) => ({
		values,
		rows: new Int32Array(count),
	}));
	const filled = new Int32Array(parts.length);
	for (let row = 0; row < length; row++) {
		const index = groupOf[row] as number;
		const at = filled[index] as number;
		(parts[index] as Part).rows[at] = row;
		filled[index] = at + 1;
	}
	return parts;
}

interface Group {
	readonly index: number;
	readonly values: Part["values"];
	count: number;
}

function groupFor(
	groups: Map<string, Group>,
	columns: readonly PartitionColumn[],
	tuple: readonly (string | null)[],
): Group {
	const id = JSON.stringify(tuple);
	let group = groups.get(id);
	if (group === undefined) {
		group = {
			index: groups.size,
			values: Object.fromEntries(
				columns.map(({ name }, i) => [name, tuple[i] ?? null]),
			),
			count: 0,
		};
		groups.set(id, group);
	}
	return group;
}
