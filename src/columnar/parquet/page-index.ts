import { kindOf } from "../vector.ts";
import type { ColumnChunk, DataPage } from "./chunk.ts";
import type { Bound } from "./statistics.ts";
import { compareBounds, encodeBound } from "./statistics.ts";
import { CompactWriter } from "./thrift.ts";

/*
 * The page index (parquet-format PageIndex.md) stands between the last row group and the footer: the
 * ColumnIndex of each chunk with its pages' bounds, then the OffsetIndex of each chunk with their
 * places. The footer's column chunks say where theirs are.
 */

const UNORDERED = 0;
const ASCENDING = 1;
const DESCENDING = 2;

/** The bounds of a chunk's pages; `undefined` where one has none that can be written. */
export function encodeColumnIndex(
	chunk: ColumnChunk,
): Uint8Array<ArrayBuffer> | undefined {
	const { type } = chunk.column;
	const kind = kindOf(type);
	const text = type === "string";
	const nothing = new Uint8Array(0);
	const mins: Uint8Array[] = [];
	const maxes: Uint8Array[] = [];
	for (const { bounds } of chunk.pages) {
		if (bounds.kind === "none") {
			mins.push(nothing);
			maxes.push(nothing);
			continue;
		}
		if (bounds.kind === "unknown") return undefined;
		const min = encodeBound(bounds.min, kind, "min", text);
		const max = encodeBound(bounds.max, kind, "max", text);
		if (min === undefined || max === undefined) return undefined;
		mins.push(min.bytes);
		maxes.push(max.bytes);
	}
	const writer = new CompactWriter();
	writer.bools(
		1,
		chunk.pages.map(({ bounds }) => bounds.kind === "none"),
	);
	writer.binaries(2, mins);
	writer.binaries(3, maxes);
	writer.i32(4, boundaryOrder(chunk.pages, mins, maxes));
	writer.i64s(
		5,
		chunk.pages.map(({ nulls }) => nulls),
	);
	return writer.finish();
}

/** Whether bounds rise or fall from page to page, those of pages without values left out. */
function boundaryOrder(
	pages: readonly DataPage[],
	mins: readonly Uint8Array[],
	maxes: readonly Uint8Array[],
): number {
	let rising = true;
	let falling = true;
	let last: { min: Bound; max: Bound } | undefined;
	pages.forEach(({ bounds }, i) => {
		if (bounds.kind !== "range") return;
		// Cut bounds can be in another order than what they stand for.
		const bytes = bounds.min instanceof Uint8Array;
		const min = bytes ? (mins[i] as Uint8Array) : bounds.min;
		const max = bytes ? (maxes[i] as Uint8Array) : bounds.max;
		if (last !== undefined) {
			const order = [
				compareBounds(last.min, min),
				compareBounds(last.max, max),
			];
			if (order.some((step) => step > 0)) rising = false;
			if (order.some((step) => step < 0)) falling = false;
		}
		last = { min, max };
	});
	return rising ? ASCENDING : falling ? DESCENDING : UNORDERED;
}

/** Where a chunk's data pages are and which row each starts with. */
export function encodeOffsetIndex(chunk: ColumnChunk): Uint8Array<ArrayBuffer> {
	const writer = new CompactWriter();
	writer.structs(1, chunk.pages, (page: DataPage) => {
		writer.i64(1, page.offset);
		writer.i32(2, page.compressedSize);
		writer.i64(3, page.firstRow);
	});
	return writer.finish();
}
