import { vectorBytes } from "../slice.ts";
import type { DataType, StructType } from "../types.ts";
import type { Batch, Value } from "../vector.ts";
import { ByteSink, joinBytes } from "./bytes.ts";
import type { ChunkOptions, ColumnChunk, FileSink } from "./chunk.ts";
import { encodeChunk } from "./chunk.ts";
import type { Compression } from "./compression.ts";
import { ParquetError } from "./errors.ts";
import type { IndexPlaces, Place, RowGroup } from "./footer.ts";
import { encodeFooter, MAGIC } from "./footer.ts";
import type { LeafSegment } from "./levels.ts";
import { firstLeaf, rowLevels, walkLevels } from "./levels.ts";
import { encodeColumnIndex, encodeOffsetIndex } from "./page-index.ts";
import type { FileSchema } from "./schema.ts";
import { fileSchema } from "./schema.ts";
import type { Bounds } from "./statistics.ts";
import { boundValue, mergeBounds, NO_BOUNDS } from "./statistics.ts";

export interface EncodeOptions {
	/** Of the pages; zstd and gzip at their quickest levels. */
	readonly compression?: Compression;
	/** Rows after which a row group ends: what a reader holds at once. */
	readonly rowGroupRows?: number;
	/** Bytes of values in memory after which a row group ends: what this writer holds at once. */
	readonly rowGroupBytes?: number;
	/** Rows after which a page ends. */
	readonly pageRows?: number;
	/** Bytes of values, before compression, after which a page ends. */
	readonly pageBytes?: number;
	/** Whether repeated values may be written once. */
	readonly dictionary?: boolean;
	/**
	 * The newest format whose encodings may be used (`delta.parquet.format.version`): 2 writes strings
	 * without repeats in DELTA_BYTE_ARRAY, which is quicker and smaller, but which older readers (Spark
	 * before 3.3) don't know. Pages are V1 either way.
	 */
	readonly format?: 1 | 2;
	/** Whether fields get the ids of `delta.columnMapping.id` in their metadata. */
	readonly fieldIds?: boolean;
	readonly createdBy?: string;
	/** Leaves that get a Bloom filter, by the names down to them; not for booleans. */
	readonly bloom?: readonly (readonly string[])[];
	/** Probability that a Bloom filter finds a value that isn't there. */
	readonly bloomFalsePositives?: number;
}

/**
 * What the file says of a field that isn't a struct. Lists, maps and variants have a null count
 * only. `min` and `max` are exact, in the order of Delta's statistics, and absent where there is no
 * value or a NaN among them; a zero is positive.
 */
export interface LeafStats {
	/** Names of the fields down to this one. */
	readonly path: readonly string[];
	readonly type: DataType;
	readonly nullCount: number;
	readonly min?: Value;
	readonly max?: Value;
}

export interface EncodedFile {
	readonly bytes: Uint8Array<ArrayBuffer>;
	readonly rows: number;
	readonly leaves: readonly LeafStats[];
}

/**
 * Encodes batches of one schema as a Parquet file. A field of type `void` has no column in it.
 *
 * @throws ParquetError when there is no batch, a vector doesn't fit its field, or the schema can't
 * be held by Parquet
 */
export function encodeParquet(
	batches: readonly Batch[],
	options: EncodeOptions = {},
): EncodedFile {
	const [first] = batches;
	if (first === undefined) {
		throw new ParquetError(
			"PARQUET_INVALID",
			"no batch to encode; pass at least one, which may be empty",
		);
	}
	const writer = new ParquetWriter(first.schema, options);
	for (const batch of batches) writer.write(batch);
	const { rows, leaves } = writer.finish();
	return { bytes: joinBytes(writer.take()), rows, leaves };
}

/**
 * Encodes a file piece by piece: whole row groups as soon as their rows are there. Batches are held
 * until their row group is encoded and mustn't change.
 */
export class ParquetWriter {
	readonly #schema: FileSchema;
	readonly #columns: number;
	readonly #options: Required<EncodeOptions>;
	readonly #chunkOptions: ChunkOptions;
	readonly #rowGroups: RowGroup[] = [];
	readonly #nulls: number[];
	readonly #bounds: Bounds[];
	#pending: Batch[] = [];
	#pendingRows = 0;
	#pendingBytes = 0;
	#pieces: Uint8Array[] = [MAGIC];
	#offset = MAGIC.length;

	constructor(schema: StructType, options: EncodeOptions = {}) {
		this.#options = {
			compression: "zstd",
			rowGroupRows: 131_072,
			rowGroupBytes: 256 * 1024 * 1024,
			pageRows: 131_072,
			pageBytes: 1 << 20,
			dictionary: true,
			format: 1,
			fieldIds: false,
			createdBy: "tributary version 0.1.0",
			bloom: [],
			bloomFalsePositives: 0.01,
			...options,
		};
		this.#schema = fileSchema(schema, { fieldIds: this.#options.fieldIds });
		this.#columns = schema.fields.length;
		this.#chunkOptions = {
			...this.#options,
			bloomColumns: bloomColumns(this.#schema, this.#options.bloom),
			// It grows to a page: files of a few rows should not cost a megabyte each.
			scratch: new ByteSink(4096),
		};
		this.#nulls = this.#schema.measured.map(() => 0);
		this.#bounds = this.#schema.measured.map(() => NO_BOUNDS);
	}

	/** Bytes of the file so far, those that were taken included; rows that wait for their group aren't. */
	get bytesWritten(): number {
		return this.#offset;
	}

	write(batch: Batch): void {
		if (
			batch.columns.length !== this.#columns ||
			batch.columns.some((column) => column.length < batch.length)
		) {
			throw new ParquetError(
				"PARQUET_INVALID",
				`a batch of ${batch.length} rows has ${batch.columns.length} columns of the lengths ${batch.columns.map((column) => column.length).join(", ")}, where the schema has ${this.#columns} fields`,
			);
		}
		if (batch.length === 0) return;
		this.#pending.push(batch);
		this.#pendingRows += batch.length;
		for (const column of batch.columns)
			this.#pendingBytes += vectorBytes(column, 0, batch.length);
		const { rowGroupRows, rowGroupBytes } = this.#options;
		while (
			this.#pendingRows >= rowGroupRows ||
			(this.#pendingBytes >= rowGroupBytes && this.#pendingRows > 0)
		) {
			// As many rows as fit, if all are as large as the mean.
			const fitting = Math.floor(
				(this.#pendingRows * rowGroupBytes) / this.#pendingBytes,
			);
			this.#flush(
				Math.min(rowGroupRows, this.#pendingRows, Math.max(1, fitting)),
			);
		}
	}

	/** The pieces of the file since the last call. */
	take(): Uint8Array[] {
		const pieces = this.#pieces;
		this.#pieces = [];
		return pieces;
	}

	/** Encodes what is left and the footer; the last pieces are there to `take` afterwards. */
	finish(): { readonly rows: number; readonly leaves: readonly LeafStats[] } {
		if (this.#pendingRows > 0) this.#flush(this.#pendingRows);
		const indexes = this.#writeIndexes();
		this.#write(
			encodeFooter({
				schema: this.#schema,
				rowGroups: this.#rowGroups,
				createdBy: this.#options.createdBy,
				indexes,
			}),
		);
		const rows = this.#rowGroups.reduce((sum, group) => sum + group.rows, 0);
		return { rows, leaves: this.#leaves() };
	}

	#writeIndexes(): ReadonlyMap<ColumnChunk, IndexPlaces> {
		const chunks = this.#rowGroups.flatMap((group) => group.chunks);
		const place = (index: Uint8Array): Place => {
			const offset = this.#offset;
			this.#write(index);
			return { offset, length: index.length };
		};
		const blooms = chunks.map(({ bloom }) =>
			bloom === undefined ? undefined : place(bloom.encode()),
		);
		const columnIndexes = chunks.map((chunk) => {
			const index = encodeColumnIndex(chunk);
			return index === undefined ? undefined : place(index);
		});
		return new Map(
			chunks.map((chunk, i) => [
				chunk,
				{
					columnIndex: columnIndexes[i],
					offsetIndex: place(encodeOffsetIndex(chunk)),
					bloom: blooms[i],
				},
			]),
		);
	}

	/** Encodes the first `rows` of the pending batches as a row group. */
	#flush(rows: number): void {
		const offset = this.#offset;
		const parts: { batch: Batch; from: number; to: number }[] = [];
		let left = rows;
		for (const batch of this.#pending) {
			if (left === 0) break;
			const skipped = parts.length === 0 ? this.#firstRow : 0;
			const to = Math.min(batch.length, skipped + left);
			parts.push({ batch, from: skipped, to });
			left -= to - skipped;
		}
		const chunks: ColumnChunk[] = [];
		for (const { child, node } of this.#schema.fields)
			this.#encodeField(child, node, parts, chunks);
		this.#measure(chunks);
		this.#rowGroups.push({ rows, offset, chunks });
		const last = parts.at(-1);
		if (last !== undefined) {
			const done = last.to === last.batch.length;
			this.#pending = this.#pending.slice(parts.length - (done ? 0 : 1));
			this.#firstRow = done ? 0 : last.to;
		}
		this.#pendingBytes -= (this.#pendingBytes * rows) / this.#pendingRows;
		this.#pendingRows -= rows;
	}

	/** Rows of the first pending batch that are encoded already. */
	#firstRow = 0;

	#encodeField(
		child: number,
		node: FileSchema["fields"][number]["node"],
		parts: readonly { batch: Batch; from: number; to: number }[],
		chunks: ColumnChunk[],
	): void {
		const base = firstLeaf(node);
		const leaves: LeafSegment[][] = [];
		const walk = {
			leaf: (index: number, segment: LeafSegment) => {
				const segments = leaves[index - base];
				if (segments === undefined) leaves[index - base] = [segment];
				else segments.push(segment);
			},
			container: (leaf: number, nulls: number) => {
				const field = this.#schema.measured.findIndex(
					(measured) => measured.column === leaf,
				);
				this.#nulls[field] = (this.#nulls[field] as number) + nulls;
			},
		};
		for (const { batch, from, to } of parts) {
			const vector = batch.columns[child];
			if (vector !== undefined)
				walkLevels(node, vector, rowLevels(from, to), walk);
		}
		const writer = this;
		const out: FileSink = {
			get offset() {
				return writer.#offset;
			},
			write: (piece) => this.#write(piece),
		};
		leaves.forEach((segments, i) => {
			const column = this.#schema.columns[base + i];
			if (column !== undefined)
				chunks.push(encodeChunk(column, segments, out, this.#chunkOptions));
		});
	}

	#measure(chunks: readonly ColumnChunk[]): void {
		this.#schema.measured.forEach(({ column, ordered }, i) => {
			const chunk = chunks[column];
			if (!ordered || chunk === undefined) return;
			this.#nulls[i] = (this.#nulls[i] as number) + chunk.nulls;
			this.#bounds[i] = mergeBounds(this.#bounds[i] ?? NO_BOUNDS, chunk.bounds);
		});
	}

	#leaves(): LeafStats[] {
		return this.#schema.measured.map(({ path, type }, i) => {
			const bounds = this.#bounds[i] ?? NO_BOUNDS;
			const nullCount = this.#nulls[i] as number;
			if (bounds.kind !== "range") return { path, type, nullCount };
			const min = boundValue(bounds.min, type);
			const max = boundValue(bounds.max, type);
			return {
				path,
				type,
				nullCount,
				...(min === undefined ? {} : { min }),
				...(max === undefined ? {} : { max }),
			};
		});
	}

	#write(piece: Uint8Array): void {
		this.#pieces.push(piece);
		this.#offset += piece.length;
	}
}

function bloomColumns(
	schema: FileSchema,
	paths: readonly (readonly string[])[],
): ReadonlySet<number> {
	return new Set(
		paths.map((path) => {
			const name = JSON.stringify(path);
			const column = schema.columns.find(
				(leaf) => JSON.stringify(leaf.path) === name,
			);
			if (column === undefined || column.type === "boolean")
				throw new ParquetError(
					"PARQUET_UNSUPPORTED",
					`a Bloom filter of ${path.join(".")} can't be made: ${column === undefined ? "there is no such leaf" : "a boolean has none"}; correct the option bloom`,
				);
			return column.index;
		}),
	);
}
