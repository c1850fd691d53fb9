import type { FileMetaData, RowGroup } from "hyparquet";
import { parquetMetadata } from "hyparquet";
import type { StructType } from "../types.ts";
import type { Batch } from "../vector.ts";
import { assemble } from "./assembly.ts";
import type { Conversion } from "./conversion.ts";
import { conversion } from "./conversion.ts";
import type { DecodedChunk } from "./decode.ts";
import { decodeChunk } from "./decode.ts";
import { ParquetError } from "./errors.ts";
import type { FileNode, ReadNode } from "./projection.ts";
import { columnsOf, fileTree, project } from "./projection.ts";

/** A file that is read in ranges. */
export interface RandomAccess {
	readonly size: number;
	/** The bytes `[start, end)`, all of them. */
	readonly read: (start: number, end: number) => Promise<Uint8Array>;
}

export interface ReadOptions {
	/** What to read, by the names in the file; fields that the file lacks are null. */
	readonly schema: StructType;
	/** Top-level fields of `schema`; the others are neither read nor in the batches. */
	readonly columns?: readonly string[];
	/** Match fields by `delta.columnMapping.id` instead of by name. */
	readonly fieldIds?: boolean;
}

export interface ReadBatch {
	readonly batch: Batch;
	/** Position of the batch's first row in the file. */
	readonly firstRow: number;
}

/**
 * Reads a Parquet file of any writer, a row group at a time and only the wanted columns; the
 * batches' fields are in the order of `schema`. Values come as they are in the file or widened as
 * Delta's type widening allows (PROTOCOL.md, "Type Widening"); nothing is ever rounded but
 * nanoseconds, down to µs.
 *
 * @throws ParquetError `PARQUET_INVALID` for damaged files, `PARQUET_UNSUPPORTED` where a field can't
 * be read as the type in the schema
 */
export async function* readParquet(
	file: RandomAccess,
	options: ReadOptions,
): AsyncGenerator<ReadBatch, void, undefined> {
	for await (const group of fetchRowGroups(file, options))
		yield { batch: group.decode(), firstRow: group.firstRow };
}

/** A row group whose bytes are here, compressed as they are in the file. */
export interface FetchedRowGroup {
	readonly length: number;
	/** Position of its first row in the file. */
	readonly firstRow: number;
	/**
	 * Decodes it, or only these top-level fields of what was fetched; each call decodes anew.
	 * @throws ParquetError as `readParquet`
	 */
	decode(columns?: readonly string[]): Batch;
}

/** The row groups of a file, fetched one at a time and decoded when asked. */
export async function* fetchRowGroups(
	file: RandomAccess,
	options: ReadOptions,
): AsyncGenerator<FetchedRowGroup, void, undefined> {
	const metadata = await readFooter(file);
	const root = fileTree(metadata.schema);
	const { schema, columns } = options;
	const wanted: StructType = {
		type: "struct",
		fields: schema.fields.filter(
			({ name }) => columns === undefined || columns.includes(name),
		),
	};
	const unknown = columns?.find(
		(name) => !wanted.fields.some((field) => field.name === name),
	);
	if (unknown !== undefined) {
		throw new ParquetError(
			"PARQUET_UNSUPPORTED",
			`the column ${JSON.stringify(unknown)} is not in the schema; its columns are ${schema.fields.map(({ name }) => name).join(", ")}`,
		);
	}
	const nodes = project(wanted, root, { fieldIds: options.fieldIds ?? false });
	const leaves = leavesOf(root);
	const conversions = new Map<number, Conversion>();
	for (const node of nodes) collectConversions(node, conversions);
	let firstRow = 0;
	for (const group of metadata.row_groups) {
		const length = Number(group.num_rows);
		const chunks = await fetchChunks(file, group, nodes, leaves);
		yield {
			length,
			firstRow,
			decode: (names) => {
				const picked = names === undefined ? undefined : new Set(names);
				const fields = wanted.fields.flatMap((field, i) =>
					(picked?.has(field.name) ?? true)
						? [{ field, node: nodes[i] as ReadNode }]
						: [],
				);
				const decoded = new Map<number, DecodedChunk>();
				for (const { node } of fields)
					for (const column of columnsOf(node)) {
						const chunk = chunks.get(column);
						if (chunk !== undefined && !decoded.has(column))
							decoded.set(
								column,
								decodeChunk(
									chunk.bytes,
									chunk.meta,
									chunk.leaf,
									conversions.get(column),
								),
							);
					}
				return {
					schema: { type: "struct", fields: fields.map(({ field }) => field) },
					length,
					columns: fields.map(({ node }) =>
						assemble(node, length, (column) => {
							const chunk = decoded.get(column);
							if (chunk === undefined)
								throw invalid(`the column chunk ${column} is missing`);
							return chunk;
						}),
					),
				};
			},
		};
		firstRow += length;
	}
}

/** A file of bytes in memory. */
export function bytesFile(bytes: Uint8Array): RandomAccess {
	return {
		size: bytes.length,
		read: async (start, end) => bytes.subarray(start, end),
	};
}

/** Bytes read from the end at first: most footers fit. */
const TAIL = 64 * 1024;

/** The footer; its statistics are not lossless and not for use. */
async function readFooter(file: RandomAccess): Promise<FileMetaData> {
	if (file.size < 12)
		throw invalid(`${file.size} bytes are too few for a Parquet file`);
	let start = Math.max(0, file.size - TAIL);
	let tail = await readAll(file, start, file.size);
	const end = tail.length;
	const magic = Buffer.from(tail.subarray(end - 4)).toString("latin1");
	if (magic === "PARE") {
		throw new ParquetError(
			"PARQUET_UNSUPPORTED",
			"the file's footer is encrypted, which can't be read; write it without encryption",
		);
	}
	if (magic !== "PAR1")
		throw invalid(
			`it ends in ${JSON.stringify(magic)} instead of "PAR1": it is cut off or no Parquet file`,
		);
	const view = new DataView(tail.buffer, tail.byteOffset, end);
	const length = view.getUint32(end - 8, true);
	if (length + 12 > file.size)
		throw invalid(
			`its footer of ${length} bytes is larger than the file of ${file.size}`,
		);
	if (length + 8 > end) {
		start = file.size - length - 8;
		tail = await readAll(file, start, file.size);
	}
	try {
		return parquetMetadata(tail, { geoparquet: false });
	} catch (cause) {
		throw invalid("its footer can't be decoded", cause);
	}
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

/** Chunks nearer to each other than this are read at once. */
const GAP = 128 * 1024;

interface FetchedChunk {
	readonly bytes: Uint8Array;
	readonly meta: Place["meta"];
	readonly leaf: FileNode;
}

async function fetchChunks(
	file: RandomAccess,
	group: RowGroup,
	nodes: readonly ReadNode[],
	leaves: readonly FileNode[],
): Promise<Map<number, FetchedChunk>> {
	const places = [...new Set(nodes.flatMap(columnsOf))]
		.map((column) => placeOf(column, group, file.size))
		.sort((a, b) => a.start - b.start);
	const chunks = new Map<number, FetchedChunk>();
	for (let i = 0; i < places.length; ) {
		const first = places[i] as Place;
		let end = first.end;
		let next = i + 1;
		for (; next < places.length; next++) {
			const place = places[next] as Place;
			if (place.start - end > GAP) break;
			end = Math.max(end, place.end);
		}
		const bytes = await readAll(file, first.start, end);
		for (const place of places.slice(i, next)) {
			const leaf = leaves[place.column];
			if (leaf === undefined)
				throw invalid(`it has no schema for the column chunk ${place.column}`);
			chunks.set(place.column, {
				bytes: bytes.subarray(
					place.start - first.start,
					place.end - first.start,
				),
				meta: place.meta,
				leaf,
			});
		}
		i = next;
	}
	return chunks;
}

interface Place {
	readonly column: number;
	readonly meta: NonNullable<RowGroup["columns"][number]["meta_data"]>;
	readonly start: number;
	readonly end: number;
}

function placeOf(column: number, group: RowGroup, size: number): Place {
	const chunk = group.columns[column];
	const meta = chunk?.meta_data;
	if (meta === undefined) {
		throw new ParquetError(
			"PARQUET_UNSUPPORTED",
			`the column chunk ${column} has no metadata in the footer: it is encrypted or in another file, neither of which can be read`,
		);
	}
	const data = Number(meta.data_page_offset);
	const dictionary = Number(meta.dictionary_page_offset ?? 0n);
	const start = dictionary > 0 && dictionary < data ? dictionary : data;
	const end = start + Number(meta.total_compressed_size);
	if (!(start >= 0 && end >= start && end <= size))
		throw invalid(
			`the column ${meta.path_in_schema.join(".")} lies at ${start} to ${end}, outside of the ${size} bytes`,
		);
	return { column, meta, start, end };
}

async function readAll(
	file: RandomAccess,
	start: number,
	end: number,
): Promise<Uint8Array> {
	const bytes = await file.read(start, end);
	if (bytes.length !== end - start)
		throw invalid(
			`the bytes ${start} to ${end} were asked for, ${bytes.length} came`,
		);
	return bytes;
}

function invalid(what: string, cause?: unknown): ParquetError {
	return new ParquetError(
		"PARQUET_INVALID",
		`the Parquet file is damaged: ${what}`,
		{ cause },
	);
}
