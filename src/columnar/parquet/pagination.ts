import type { LeafSegment } from "./levels.ts";
import { plainSize } from "./plain.ts";

/** Part of a segment in a page: entries, the live values among them, and rows that start there. */
export interface PageSlice {
	readonly segment: LeafSegment;
	readonly entryFrom: number;
	readonly entryTo: number;
	readonly liveFrom: number;
	readonly liveTo: number;
	readonly rows: number;
}

export interface PageLimits {
	/** Values before compression. */
	readonly pageBytes: number;
	readonly pageRows: number;
}

/** Parts of at most this many entries are looked at when a page is cut. */
const STEP = 1024;

/**
 * Cuts a chunk's entries into pages within the limits, each of which starts with a row; a row that
 * is larger has a page of its own. `valueBytes` is a value's size, `undefined` for PLAIN.
 */
export function cutPages(
	segments: readonly LeafSegment[],
	maxDefinition: number,
	valueBytes: number | undefined,
	{ pageBytes, pageRows }: PageLimits,
): PageSlice[][] {
	const pages: PageSlice[][] = [];
	let slices: PageSlice[] = [];
	let bytes = 0;
	let rows = 0;
	for (const segment of segments) {
		let open: PageSlice | undefined;
		let entry = 0;
		let live = 0;
		while (entry < segment.levels.entries) {
			let step = Math.min(STEP, pageRows);
			let part = take(segment, maxDefinition, entry, live, step);
			let size = sizeOf(part, valueBytes);
			while (size > pageBytes && step > 1) {
				step >>>= 1;
				part = take(segment, maxDefinition, entry, live, step);
				size = sizeOf(part, valueBytes);
			}
			if (
				rows > 0 &&
				(bytes + size > pageBytes || rows + part.rows > pageRows)
			) {
				if (open !== undefined) slices.push(open);
				pages.push(slices);
				slices = [];
				open = undefined;
				bytes = 0;
				rows = 0;
			}
			open = open === undefined ? part : join(open, part);
			bytes += size;
			rows += part.rows;
			entry = part.entryTo;
			live = part.liveTo;
		}
		if (open !== undefined) slices.push(open);
	}
	if (slices.length > 0) pages.push(slices);
	return pages;
}

/** The next `step` entries and as many more as end a row. */
function take(
	segment: LeafSegment,
	maxDefinition: number,
	entryFrom: number,
	liveFrom: number,
	step: number,
): PageSlice {
	const { entries, repetition, definition } = segment.levels;
	let entryTo = Math.min(entryFrom + step, entries);
	let rows = entryTo - entryFrom;
	if (repetition !== undefined) {
		while (entryTo < entries && repetition[entryTo] !== 0) entryTo++;
		rows = 0;
		for (let i = entryFrom; i < entryTo; i++) {
			if (repetition[i] === 0) rows++;
		}
	}
	let present = entryTo - entryFrom;
	if (definition !== undefined) {
		present = 0;
		for (let i = entryFrom; i < entryTo; i++) {
			if (definition[i] === maxDefinition) present++;
		}
	}
	const liveTo = liveFrom + present;
	return { segment, entryFrom, entryTo, liveFrom, liveTo, rows };
}

function join(first: PageSlice, next: PageSlice): PageSlice {
	const { entryTo, liveTo } = next;
	return { ...first, entryTo, liveTo, rows: first.rows + next.rows };
}

function sizeOf(slice: PageSlice, valueBytes: number | undefined): number {
	const { segment, liveFrom, liveTo } = slice;
	return valueBytes === undefined
		? plainSize(segment.vector, segment.levels.live, liveFrom, liveTo)
		: (liveTo - liveFrom) * valueBytes;
}
