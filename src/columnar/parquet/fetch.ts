import { ParquetError } from "./errors.ts";
import type { ChunkMetadata, RowGroupMetadata } from "./metadata.ts";
import type { RandomAccess } from "./random-access.ts";
import { damaged, readRange } from "./random-access.ts";

export interface FetchedChunk {
	readonly bytes: Uint8Array;
	readonly chunk: ChunkMetadata;
}

/** Chunks nearer to each other than this are read at once. */
const GAP = 128 * 1024;
/** Ranges that are asked for at the same time. */
const PARALLEL = 8;

/**
 * The bytes of some column chunks of a row group, by the columns' places.
 * @throws ParquetError when a chunk isn't in the file
 */
export async function fetchChunks(
	file: RandomAccess,
	group: RowGroupMetadata,
	columns: readonly number[],
): Promise<ReadonlyMap<number, FetchedChunk>> {
	const places = columns
		.map((column) => placeOf(column, group, file.size))
		.sort((a, b) => a.start - b.start);
	const ranges = rangesOf(places);
	const chunks = new Map<number, FetchedChunk>();
	for (let i = 0; i < ranges.length; i += PARALLEL) {
		await Promise.all(
			ranges.slice(i, i + PARALLEL).map(async ({ start, end, places }) => {
				const bytes = await readRange(file, start, end);
				for (const { column, chunk, ...place } of places) {
					const part = bytes.subarray(place.start - start, place.end - start);
					chunks.set(column, { bytes: part, chunk });
				}
			}),
		);
	}
	return chunks;
}

interface Range {
	readonly start: number;
	readonly end: number;
	readonly places: readonly Place[];
}

/** Joins places, in ascending order, that are near to each other. */
function rangesOf(places: readonly Place[]): Range[] {
	const ranges: Range[] = [];
	for (const place of places) {
		const last = ranges.at(-1);
		if (last === undefined || place.start - last.end > GAP) {
			ranges.push({ start: place.start, end: place.end, places: [place] });
		} else {
			ranges[ranges.length - 1] = {
				start: last.start,
				end: Math.max(last.end, place.end),
				places: [...last.places, place],
			};
		}
	}
	return ranges;
}

interface Place {
	readonly column: number;
	readonly chunk: ChunkMetadata;
	readonly start: number;
	readonly end: number;
}

function placeOf(column: number, group: RowGroupMetadata, size: number): Place {
	const metadata = group.columns[column];
	if (metadata === undefined)
		throw damaged(`a row group has no column chunk ${column}`);
	const { chunk } = metadata;
	if (chunk === undefined) {
		throw new ParquetError(
			"PARQUET_UNSUPPORTED",
			`the column chunk ${column} has no metadata in the footer: it is encrypted or in another file, neither of which can be read`,
		);
	}
	const { dataOffset, dictionaryOffset = 0 } = chunk;
	// Some writers say 0 where there is no dictionary.
	const start =
		dictionaryOffset > 0 && dictionaryOffset < dataOffset
			? dictionaryOffset
			: dataOffset;
	const end = start + chunk.compressedSize;
	if (!(start >= 0 && end <= size))
		throw damaged(
			`the column ${metadata.path.join(".")} lies at ${start} to ${end}, outside of the ${size} bytes`,
		);
	return { column, chunk, start, end };
}
