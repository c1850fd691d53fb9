import { concatVectors, takeVector } from "../batch.ts";
import { sliceVector } from "../slice.ts";
import type { Vector } from "../vector.ts";
import type { Conversion } from "./conversion.ts";
import type { DecodedPage } from "./decode.ts";
import { ChunkPages } from "./decode.ts";
import { ParquetError } from "./errors.ts";
import type { ChunkMetadata } from "./metadata.ts";
import type { PlainPart } from "./plain-read.ts";
import { takePlain } from "./plain-read.ts";
import type { FileNode } from "./projection.ts";
import { decodeValues } from "./raw.ts";
import { countLevels } from "./rle.ts";

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
		return this.#named(() => this.#next(rows));
	}

	/** @throws ParquetError when rows are left */
	end(): void {
		this.#named(() => {
			if (this.#current() !== undefined)
				throw damaged("it has more rows than the footer announces");
		});
	}

	/** Mean bytes of what the next page's dictionary stands for; 0 where it has none, or no bytes. */
	meanBytes(): number {
		const values = this.#named(() => this.#current())?.values;
		if (values?.kind !== "dictionary") return 0;
		const { dictionary } = values;
		return dictionary.kind === "bytes"
			? dictionary.data.length / dictionary.length
			: 0;
	}

	#next(rows: number): DecodedChunk {
		const slices: PageSlice[] = [];
		let missing = rows;
		let begun = false;
		while (missing > 0 || begun) {
			const page = this.#current();
			if (page === undefined) {
				if (missing > 0)
					throw damaged(
						`${missing} rows that the footer announces are missing`,
					);
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
					throw damaged("its first row starts in the middle");
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
		const valueFrom = this.#value;
		this.#entry = to;
		if (to === page.entries) this.#value = page.present;
		else if (page.definition === undefined) this.#value += to - from;
		else
			this.#value += countLevels(
				page.definition,
				this.#leaf.definition,
				from,
				to,
			);
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
		const { type } = this.#chunk;
		const width = this.#leaf.element.typeLength ?? 0;
		const parts: { vector: Vector; from: number; to: number }[] = [];
		for (const run of runsOf(slices)) {
			const [first] = run;
			const values = first?.page.values;
			if (first === undefined || values === undefined) continue;
			if (values.kind === "vector") {
				const { valueFrom: from, valueTo: to } = first;
				parts.push({ vector: values.vector, from, to });
			} else {
				const vector =
					values.kind === "dictionary"
						? takeVector(values.dictionary, joinIndexes(run))
						: convert(takePlain(type, width, plainParts(run)));
				parts.push({ vector, from: 0, to: vector.length });
			}
		}
		const [only] = parts;
		if (only === undefined)
			return convert(
				decodeValues("PLAIN", type, Math.max(1, width), new Uint8Array(0), 0),
			);
		if (parts.length > 1) return concatVectors(parts);
		return sliceVector(only.vector, only.from, only.to);
	}

	/** Says which column an error is of. */
	#named<T>(read: () => T): T {
		try {
			return read();
		} catch (cause) {
			if (cause instanceof ParquetError && cause.code === "PARQUET_UNSUPPORTED")
				throw cause;
			const reason = cause instanceof Error ? cause.message : String(cause);
			throw new ParquetError(
				"PARQUET_INVALID",
				`the column ${this.#leaf.path.join(".")} can't be decoded: ${reason}`,
				{ cause },
			);
		}
	}
}

function damaged(what: string): ParquetError {
	return new ParquetError("PARQUET_INVALID", `${what}; the file is damaged`);
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

/** Slices with values: those in a row that are PLAIN, or of the dictionary, are taken at once. */
function runsOf(slices: readonly PageSlice[]): PageSlice[][] {
	const runs: PageSlice[][] = [];
	let last: DecodedPage["values"]["kind"] | undefined;
	for (const slice of slices) {
		const { kind } = slice.page.values;
		if (kind === "none" || slice.valueFrom === slice.valueTo) continue;
		if (kind === last && kind !== "vector") runs.at(-1)?.push(slice);
		else runs.push([slice]);
		last = kind;
	}
	return runs;
}

function plainParts(slices: readonly PageSlice[]): PlainPart[] {
	return slices.flatMap(({ page: { values }, valueFrom, valueTo }) =>
		values.kind === "plain"
			? [{ values: values.values, count: valueTo - valueFrom }]
			: [],
	);
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
