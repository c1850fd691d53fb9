import { vectorOf } from "../literal.ts";
import type { StructType } from "../types.ts";
import { struct } from "../types.ts";
import type { Batch, Value } from "../vector.ts";
import { assemble } from "./assembly.ts";
import type { DecodedChunk } from "./column-reader.ts";
import { ColumnReader } from "./column-reader.ts";
import type { Conversion } from "./conversion.ts";
import { conversion } from "./conversion.ts";
import { ParquetError } from "./errors.ts";
import type { FetchedChunk } from "./fetch.ts";
import { fetchChunks } from "./fetch.ts";
import type { RowGroupMetadata } from "./metadata.ts";
import type { FileNode, ReadNode } from "./projection.ts";
import { columnsOf, fileTree, project } from "./projection.ts";
import type { RandomAccess } from "./random-access.ts";
import { damaged, openFile } from "./random-access.ts";
import type { RowGroupStats } from "./row-group-stats.ts";
import { statsReader } from "./row-group-stats.ts";

export type { RandomAccess } from "./random-access.ts";
export { bytesFile } from "./random-access.ts";
export type { ColumnStats, RowGroupStats } from "./row-group-stats.ts";

export interface ReadOptions {
	/** What to read, by the names in the file; fields that the file lacks are null. */
	readonly schema: StructType;
	/** Top-level fields of `schema`; the others are neither read nor in the batches. */
	readonly columns?: readonly string[];
	/** Match fields by `delta.columnMapping.id` instead of by name. */
	readonly fieldIds?: boolean;
	/** Row groups that are read; of the others nothing is fetched, and positions are as if they were. */
	readonly keep?: (group: RowGroupStats) => boolean | Promise<boolean>;
	/** Rows of a batch at most; a batch never has rows of two row groups. */
	readonly batchRows?: number;
	/** Bytes of a batch's values, about and as far as the footer tells, after which it ends. */
	readonly batchBytes?: number;
}

const BATCH_ROWS = 65_536;
const BATCH_BYTES = 64 * 1024 * 1024;

export interface ReadBatch {
	readonly batch: Batch;
	/** Position of the batch's first row in the file. */
	readonly firstRow: number;
}

/**
 * Reads a Parquet file of any writer, in batches and only the wanted columns; the batches' fields
 * are in the order of `schema`. Values come as they are in the file or widened as Delta's type
 * widening allows (PROTOCOL.md, "Type Widening"); nothing is ever rounded but nanoseconds, down to
 * µs. At most one row group is held, compressed, and of each column a page and a batch.
 *
 * @throws ParquetError `PARQUET_INVALID` for damaged files, `PARQUET_UNSUPPORTED` where a field can't
 * be read as the type in the schema
 */
export async function* readParquet(
	file: RandomAccess,
	options: ReadOptions,
): AsyncGenerator<ReadBatch, void, undefined> {
	for await (const group of fetchRowGroups(file, options))
		yield* group.batches(options);
}

/** A row group whose bytes are here, compressed as they are in the file. */
export interface FetchedRowGroup {
	readonly length: number;
	/** Position of its first row in the file. */
	readonly firstRow: number;
	/**
	 * Decodes it, or only the fetched fields at these places; each call decodes anew.
	 * @throws ParquetError as `readParquet`
	 */
	decode(fields?: readonly number[]): Batch;
	/**
	 * Decodes it piece by piece; each call decodes anew.
	 * @throws ParquetError as `readParquet`
	 */
	batches(options?: BatchOptions): Generator<ReadBatch, void, undefined>;
}

export interface BatchOptions
	extends Pick<ReadOptions, "batchRows" | "batchBytes"> {
	readonly fields?: readonly number[];
}

/** The row groups of a file, fetched one at a time and decoded when asked. */
export async function* fetchRowGroups(
	source: RandomAccess,
	options: ReadOptions,
): AsyncGenerator<FetchedRowGroup, void, undefined> {
	const { metadata, file } = await openFile(source);
	const root = fileTree(metadata.schema);
	const wanted = wantedFields(options);
	const nodes = project(wanted, root, { fieldIds: options.fieldIds ?? false });
	const leaves = leavesOf(root);
	const conversions = new Map<number, Conversion>();
	for (const node of nodes) collectConversions(node, conversions);
	const columns = [...new Set(nodes.flatMap(columnsOf))];
	const statsOf = statsReader(file, metadata, root, options.schema, {
		fieldIds: options.fieldIds ?? false,
	});
	let firstRow = 0;
	for (const group of metadata.rowGroups) {
		if (options.keep && !(await options.keep(statsOf(group, firstRow)))) {
			firstRow += group.rows;
			continue;
		}
		const chunks = await fetchChunks(file, group, columns);
		yield rowGroup({
			firstRow,
			group,
			wanted,
			nodes,
			leaves,
			conversions,
			chunks,
		});
		firstRow += group.rows;
	}
}

/**
 * Whether the leaf at `path` may have this value in any row, by Bloom filters alone; true for a leaf
 * without one.
 * @throws ParquetError when the footer or a filter is damaged
 */
export async function bloomMayContain(
	source: RandomAccess,
	path: readonly string[],
	value: Value,
	{ schema, fieldIds = false }: Pick<ReadOptions, "schema" | "fieldIds">,
): Promise<boolean> {
	const { metadata, file } = await openFile(source);
	const root = fileTree(metadata.schema);
	const statsOf = statsReader(file, metadata, root, schema, { fieldIds });
	for (const group of metadata.rowGroups)
		if (await statsOf(group, 0).mayContain(path, value)) return true;
	return false;
}

function rowGroup({
	firstRow,
	group,
	wanted,
	nodes,
	leaves,
	conversions,
	chunks,
}: {
	readonly firstRow: number;
	readonly group: RowGroupMetadata;
	readonly wanted: StructType;
	readonly nodes: readonly ReadNode[];
	readonly leaves: readonly FileNode[];
	readonly conversions: ReadonlyMap<number, Conversion>;
	readonly chunks: ReadonlyMap<number, FetchedChunk>;
}): FetchedRowGroup {
	const length = group.rows;

	function* batches(
		options: BatchOptions = {},
	): Generator<ReadBatch, void, undefined> {
		const { batchBytes = BATCH_BYTES, fields: places } = options;
		const picked = nodes.flatMap((node, i) => {
			const field = wanted.fields[i];
			return field !== undefined && (places?.includes(i) ?? true)
				? [{ field, node }]
				: [];
		});
		const schema = struct(...picked.map(({ field }) => field));
		const readers = new Map<number, ColumnReader>();
		for (const column of new Set(picked.flatMap(({ node }) => columnsOf(node))))
			readers.set(column, readerOf(column));
		let size = 0;
		for (const [column, reader] of readers) {
			const { uncompressedSize = 0, entries = 0 } =
				chunks.get(column)?.chunk ?? {};
			size += Math.max(uncompressedSize, reader.meanBytes() * entries);
		}
		const fitting = Math.floor((batchBytes * length) / Math.max(1, size));
		const batchRows = Math.min(
			options.batchRows ?? BATCH_ROWS,
			Math.max(1, fitting),
		);
		for (let row = 0; row < length; row += batchRows) {
			const rows = Math.min(batchRows, length - row);
			const decoded = new Map<number, DecodedChunk>();
			for (const [column, reader] of readers)
				decoded.set(column, reader.next(rows));
			const columns = picked.map(({ node }) =>
				assemble(node, rows, (column) => {
					const chunk = decoded.get(column);
					if (chunk === undefined)
						throw damaged(`the column chunk ${column} is missing`);
					return chunk;
				}),
			);
			if (row + rows === length)
				for (const reader of readers.values()) reader.end();
			yield {
				batch: { schema, length: rows, columns },
				firstRow: firstRow + row,
			};
		}
	}

	function readerOf(column: number): ColumnReader {
		const fetched = chunks.get(column);
		const leaf = leaves[column];
		if (fetched === undefined || leaf === undefined)
			throw damaged(`the column chunk ${column} is missing`);
		const { bytes, chunk } = fetched;
		if (chunk.type !== leaf.element.type)
			throw damaged(
				`the column ${leaf.path.join(".")} is ${leaf.element.type} in the schema and ${chunk.type} in a row group`,
			);
		return new ColumnReader(bytes, chunk, leaf, conversions.get(column));
	}

	return {
		length,
		firstRow,
		batches,
		decode(fields) {
			const [only] = batches({
				batchRows: Math.max(1, length),
				batchBytes: Number.POSITIVE_INFINITY,
				...(fields && { fields }),
			});
			if (only !== undefined) return only.batch;
			const picked = wanted.fields.filter(
				(_, i) => fields?.includes(i) ?? true,
			);
			return {
				schema: struct(...picked),
				length: 0,
				columns: picked.map(({ type }) => vectorOf(type, [])),
			};
		},
	};
}

function wantedFields({ schema, columns }: ReadOptions): StructType {
	const unknown = columns?.find(
		(name) => !schema.fields.some((field) => field.name === name),
	);
	if (unknown !== undefined) {
		throw new ParquetError(
			"PARQUET_UNSUPPORTED",
			`the column ${JSON.stringify(unknown)} is not in the schema; its columns are ${schema.fields.map(({ name }) => name).join(", ")}`,
		);
	}
	return struct(
		...schema.fields.filter(({ name }) => columns?.includes(name) ?? true),
	);
}

function leavesOf(root: FileNode): FileNode[] {
	return root.element.type === undefined
		? root.children.flatMap(leavesOf)
		: [root];
}

function collectConversions(
	node: ReadNode,
	conversions: Map<number, Conversion>,
): void {
	switch (node.kind) {
		case "missing":
			return;
		case "leaf":
			conversions.set(node.anchor, conversion(node.type, node.file));
			return;
		case "struct":
			for (const field of node.fields) collectConversions(field, conversions);
			return;
		case "list":
			collectConversions(node.element, conversions);
			return;
		case "map":
			collectConversions(node.key, conversions);
			collectConversions(node.value, conversions);
	}
}
