import { expect, test } from "vitest";
import { ByteSink } from "../../../src/columnar/parquet/bytes.ts";
import type { DecodedChunk } from "../../../src/columnar/parquet/column-reader.ts";
import { ColumnReader } from "../../../src/columnar/parquet/column-reader.ts";
import { conversion } from "../../../src/columnar/parquet/conversion.ts";
import type { ChunkMetadata } from "../../../src/columnar/parquet/metadata.ts";
import { dataHeader, PLAIN } from "../../../src/columnar/parquet/page.ts";
import type { FileNode } from "../../../src/columnar/parquet/projection.ts";
import { fileTree } from "../../../src/columnar/parquet/projection.ts";
import { encodeHybrid } from "../../../src/columnar/parquet/rle.ts";
import { random } from "./random.ts";

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);

const [list] = fileTree([
	{ name: "root", children: 1 },
	{ name: "c", repetition: "OPTIONAL", children: 1, converted: "LIST" },
	{ name: "list", repetition: "REPEATED", children: 1 },
	{ name: "element", repetition: "OPTIONAL", type: "INT32" },
]).children;
const LEAF = list?.children[0]?.children[0] as FileNode;
const MAX = 3;

/** Levels of entries; values are 0, 1, 2, … */
interface Entries {
	readonly repetition: readonly number[];
	readonly definition: readonly number[];
}

/** V1 pages that begin at these entries, wherever the rows begin. */
function chunkOf(
	{ repetition, definition }: Entries,
	starts: readonly number[],
): { bytes: Uint8Array; chunk: ChunkMetadata } {
	const file = new ByteSink();
	let value = 0;
	starts.forEach((from, i) => {
		const to = starts[i + 1] ?? repetition.length;
		const page = new ByteSink();
		for (const [levels, width] of [
			[repetition, 1],
			[definition, 2],
		] as const) {
			const at = page.length;
			page.int32(0);
			if (to > from)
				encodeHybrid(page, width, Uint8Array.from(levels), from, to);
			page.view.setInt32(at, page.length - at - 4, true);
		}
		for (const level of definition.slice(from, to))
			if (level === MAX) page.int32(value++);
		const bytes = page.written();
		file.append(dataHeader(to - from, PLAIN, bytes.length, bytes));
		file.append(bytes);
	});
	return {
		bytes: file.written(),
		chunk: {
			type: "INT32",
			codec: "UNCOMPRESSED",
			entries: repetition.length,
			uncompressedSize: file.length,
			compressedSize: file.length,
			dataOffset: 4,
			dictionaryOffset: undefined,
			statistics: undefined,
			bloomOffset: undefined,
			bloomLength: undefined,
		},
	};
}

function readerOf(entries: Entries, starts: readonly number[]): ColumnReader {
	const { bytes, chunk } = chunkOf(entries, starts);
	return new ColumnReader(bytes, chunk, LEAF, conversion("integer", LEAF));
}

function levelsOf(
	chunk: DecodedChunk,
): [repetition: number[], definition: number[], values: number[]] {
	const { entries, repetition, definition, values } = chunk;
	if (values?.kind !== "i32") throw new Error("no integers");
	return [
		[...(repetition ?? new Uint8Array(entries))],
		[...(definition ?? new Uint8Array(entries).fill(MAX))],
		[...values.values.subarray(0, values.length)],
	];
}

test(`rows are whole, however pages and batches cut them (SEED=${SEED})`, () => {
	for (let round = 0; round < 300; round++) {
		const seed = SEED + round;
		const rng = random(seed);
		const lonely = rng.chance(0.3);
		const count = 1 + rng.below(40);
		const repetition = Array.from({ length: count }, (_, i) =>
			i === 0 || lonely || rng.chance(0.5) ? 0 : 1,
		);
		// An entry that goes on with a list, or is gone on with, is in one.
		const definition = repetition.map((level, i) =>
			level === 1 || repetition[i + 1] === 1
				? 2 + rng.below(2)
				: rng.below(MAX + 1),
		);
		const starts = [0];
		for (let i = 1; i <= count; i++)
			if (rng.chance(0.3)) starts.push(Math.min(i, count));
		const reader = readerOf({ repetition, definition }, starts);
		const rows = repetition.filter((level) => level === 0).length;
		const got: [number[], number[], number[]] = [[], [], []];
		for (let row = 0; row < rows; ) {
			const wanted = Math.min(1 + rng.below(6), rows - row);
			const parts = levelsOf(reader.next(wanted));
			expect(
				parts[0].filter((level) => level === 0).length,
				`seed ${seed}, row ${row}`,
			).toBe(wanted);
			expect(parts[0][0], `seed ${seed}, row ${row}`).toBe(0);
			got.forEach((all, i) => {
				all.push(...(parts[i] as number[]));
			});
			row += wanted;
		}
		reader.end();
		const present = definition.filter((level) => level === MAX).length;
		expect(got, `seed ${seed}`).toEqual([
			repetition,
			definition,
			Array.from({ length: present }, (_, i) => i),
		]);
	}
});

test("a chunk with fewer or more rows than announced is damaged, by name", () => {
	const entries = { repetition: [0, 1, 0], definition: [3, 3, 3] };
	const short = readerOf(entries, [0, 1]);
	expect(levelsOf(short.next(1))[2]).toEqual([0, 1]);
	expect(() => short.next(2)).toThrow(/c\.list\.element .*1 rows .* missing/);
	const long = readerOf(entries, [0]);
	long.next(1);
	expect(() => long.end()).toThrow(/c\.list\.element .*more rows/);
	const middle = readerOf({ repetition: [1, 0], definition: [3, 3] }, [0]);
	expect(() => middle.next(1)).toThrow(/starts in the middle/);
});
