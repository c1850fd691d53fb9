import { concatVectors, sliceVector, takeVector } from "../batch.ts";
import type { Vector } from "../vector.ts";
import type { Conversion } from "./conversion.ts";
import type { DecodedPage } from "./decode.ts";
import { ChunkPages } from "./decode.ts";
import { ParquetError } from "./errors.ts";
import type { ChunkMetadata } from "./metadata.ts";
import type { FileNode } from "./projection.ts";
import { decodeValues } from "./raw.ts";

/** The entries of some rows of a leaf. */
export interface DecodedChunk {
	readonly entries: number;
	/** `undefined` where all are 0. */
	readonly repetition: Uint8Array | undefined;
	/** `undefined` where all are at the maximum. */
	readonly definition: Uint8Array | undefined;
	/** The present values, one after another; `undefined` where only levels were wanted. */
	readonly values: Vector | undefined;
}

/** Entries of a page, and the present values among them. */
interface PageSlice {
	readonly page: DecodedPage;
	readonly from: number;
	readonly to: number;
	readonly valueFrom: number;
	readonly valueTo: number;
}

/**
 * Reads a column chunk row by row: pages are decoded as their rows are wanted, and what a dictionary
 * stands for is looked up only then, so that no more is held than a page and the rows asked for. A
 * row may go on in the next page, as it may in V1 pages.
 */
export class ColumnReader {
	readonly #pages: ChunkPages;
	readonly #chunk: ChunkMetadata;
	readonly #leaf: FileNode;
	readonly #convert: Conversion | undefined;
	#page: DecodedPage | undefined;
	/** Entries and values of the page that were handed over. */
	#entry = 0;
	#value = 0;

	constructor(
		bytes: Uint8Array,
		chunk: ChunkMetadata,
		leaf: FileNode,
		convert: Conversion | undefined,
	) {
		this.#pages = new ChunkPages(bytes, chunk, leaf, convert);
		this.#chunk = chunk;
		this.#leaf = leaf;
		this.#convert = convert;
	}

	/**
	 * The entries of the next `rows` rows.
	 * @throws ParquetError when there are fewer, or the bytes contradict themselves
	 */
	next(rows: number): DecodedChunk {
		const slices: PageSlice[] = [];
		let missing = rows;
		let begun = false;
		while (missing > 0 || begun) {
			const page = this.#current();
			if (page === undefined) {
				if (missing > 0) throw this.#short(missing);
				break;
			}
			const from = this.#entry;
			let to = from;
			if (page.repetition === undefined) {
				to = Math.min(page.entries, from + missing);
				missing -= to - from;
				// The next page's first entry may continue the last row.
				begun = to === page.entries && this.#leaf.repetition > 0;
			} else {
				const { repetition, entries } = page;
				if (!begun && repetition[to] !== 0)
					throw this.#damaged("its first row starts in the middle");
				for (; to < entries; to++) {
					if (repetition[to] !== 0) continue;
					if (missing === 0) break;
					missing--;
				}
				begun = to === entries;
			}
			// The last row was complete.
			if (to === from) break;
			slices.push(this.#slice(page, from, to));
		}
		return this.#join(slices);
	}

	/** @throws ParquetError when rows are left */
	end(): void {
		if (this.#current() !== undefined)
			throw this.#damaged("it has more rows than the footer announces");
	}

	#current(): DecodedPage | undefined {
		while (this.#page === undefined || this.#entry === this.#page.entries) {
			this.#page = this.#pages.next();
			this.#entry = 0;
			this.#value = 0;
			if (this.#page === undefined) return undefined;
		}
		return this.#page;
	}

	#slice(page: DecodedPage, from: number, to: number): PageSlice {
		let present = to - from;
		if (page.definition !== undefined) {
			const max = this.#leaf.definition;
			present = 0;
			for (let i = from; i < to; i++) if (page.definition[i] === max) present++;
		}
		const valueFrom = this.#value;
		this.#entry = to;
		this.#value += present;
		return { page, from, to, valueFrom, valueTo: this.#value };
	}

	#join(slices: readonly PageSlice[]): DecodedChunk {
		let entries = 0;
		for (const { from, to } of slices) entries += to - from;
		return {
			entries,
			repetition: joinLevels(slices, "repetition", 0, entries),
			definition: joinLevels(
				slices,
				"definition",
				this.#leaf.definition,
				entries,
			),
			values:
				this.#convert === undefined
					? undefined
					: this.#joinValues(slices, this.#convert),
		};
	}

	#joinValues(slices: readonly PageSlice[], convert: Conversion): Vector {
		const parts: { vector: Vector; from: number; to: number }[] = [];
		let run: PageSlice[] = [];
		const lookUp = (): void => {
			const [first] = run;
			if (first?.page.values.kind !== "dictionary") return;
			const { dictionary } = first.page.values;
			const vector = takeVector(dictionary, joinIndexes(run));
			parts.push({ vector, from: 0, to: vector.length });
			run = [];
		};
		for (const slice of slices) {
			const { values } = slice.page;
			const { valueFrom: from, valueTo: to } = slice;
			if (from === to || values.kind === "none") continue;
			if (values.kind === "dictionary") {
				run.push(slice);
			} else {
				lookUp();
				parts.push({ vector: values.vector, from, to });
			}
		}
		lookUp();
		const [only] = parts;
		if (only === undefined)
			return convert(
				decodeValues(
					"PLAIN",
					this.#chunk.type,
					Math.max(1, this.#leaf.element.typeLength ?? 0),
					new Uint8Array(0),
					0,
				),
			);
		if (parts.length > 1) return concatVectors(parts);
		return sliceVector(only.vector, only.from, only.to);
	}

	#short(missing: number): ParquetError {
		return this.#damaged(
			`${missing} rows that the footer announces are missing`,
		);
	}

	#damaged(what: string): ParquetError {
		return new ParquetError(
			"PARQUET_INVALID",
			`the column ${this.#leaf.path.join(".")} can't be decoded: ${what}; the file is damaged`,
		);
	}
}

function joinLevels(
	slices: readonly PageSlice[],
	which: "repetition" | "definition",
	constant: number,
	entries: number,
): Uint8Array | undefined {
	if (slices.every(({ page }) => page[which] === undefined)) return undefined;
	const [first] = slices;
	if (slices.length === 1 && first !== undefined)
		return first.page[which]?.subarray(first.from, first.to);
	const joined = new Uint8Array(entries);
	let at = 0;
	for (const { page, from, to } of slices) {
		const levels = page[which];
		if (levels === undefined) joined.fill(constant, at, at + to - from);
		else joined.set(levels.subarray(from, to), at);
		at += to - from;
	}
	return joined;
}

/** The indexes of slices that share a dictionary. */
function joinIndexes(slices: readonly PageSlice[]): Int32Array {
	const views = slices.flatMap(({ page: { values }, valueFrom, valueTo }) =>
		values.kind === "dictionary"
			? [values.indexes.subarray(valueFrom, valueTo)]
			: [],
	);
	const [first] = views;
	if (views.length === 1 && first !== undefined) return first;
	const joined = new Int32Array(
		views.reduce((size, view) => size + view.length, 0),
	);
	let at = 0;
	for (const view of views) {
		joined.set(view, at);
		at += view.length;
	}
	return joined;
}
