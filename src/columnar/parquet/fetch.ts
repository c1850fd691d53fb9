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
		const bytes = await readRange(file, first.start, end);
		for (const place of places.slice(i, next)) {
			const from = place.start - first.start;
			chunks.set(place.column, {
				bytes: bytes.subarray(from, from + place.end - place.start),
				chunk: place.chunk,
			});
		}
		i = next;
	}
	return chunks;
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
