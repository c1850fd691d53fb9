import { RoaringBitmap32 } from "roaring-wasm";
import { expect, test } from "vitest";
import { DeltaError } from "../../../src/delta/errors.ts";
import {
	encodeRoaring,
	parseRoaring,
	type RoaringBitmap,
} from "../../../src/delta/roaring.ts";
import { seeded } from "../../support/changes.ts";
import { randomRows, SHAPES, sameRows } from "./random-rows.ts";

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);

function unpacked(bitmap: RoaringBitmap): Uint32Array {
	const values = new Uint32Array(bitmap.cardinality);
	bitmap.unpack(values, 0);
	return values;
}

/** What CRoaring, another implementation, makes of the bytes. */
function croaring(bytes: Uint8Array): Uint32Array {
	const bitmap = RoaringBitmap32.deserialize(bytes, "portable");
	try {
		return bitmap.toUint32Array();
	} finally {
		bitmap.dispose();
	}
}

function croaringBytes(values: Uint32Array, runs: boolean): Uint8Array {
	const bitmap = new RoaringBitmap32(values);
	try {
		if (runs) bitmap.runOptimize();
		return new Uint8Array(bitmap.serialize("portable"));
	} finally {
		bitmap.dispose();
	}
}

test.each(SHAPES)(
	`%s values are read by CRoaring and by us as they were (SEED=${SEED})`,
	(shape) => {
		const random = seeded(SEED);
		for (let round = 0; round < 40; round++) {
			const values = randomRows(shape, random);
			const ours = encodeRoaring(values);
			expect(sameRows(croaring(ours), values)).toBe(true);
			const read = parseRoaring(ours, 0);
			expect(read.end).toBe(ours.length);
			expect(sameRows(unpacked(read), values)).toBe(true);
		}
	},
);

test.each(SHAPES)(
	`what CRoaring writes of %s values is read, with and without runs (SEED=${SEED})`,
	(shape) => {
		const random = seeded(SEED + 1);
		for (let round = 0; round < 20; round++) {
			const values = randomRows(shape, random);
			for (const runs of [false, true]) {
				const bytes = croaringBytes(values, runs);
				const read = parseRoaring(bytes, 0);
				expect(read.end).toBe(bytes.length);
				expect(sameRows(unpacked(read), values)).toBe(true);
				// A header without runs has a count and offsets, which a few runs of two could save.
				const header = 4 + 4 * new Set(values.map((row) => row >>> 16)).size;
				if (runs)
					expect(encodeRoaring(values).length).toBeLessThanOrEqual(
						bytes.length + header,
					);
			}
		}
	},
);

test("a bitmap that doesn't start the bytes is found where it starts", () => {
	const values = Uint32Array.of(1, 2, 3, 70_000);
	const bytes = new Uint8Array(100);
	const bitmap = encodeRoaring(values);
	bytes.set(bitmap, 7);
	const read = parseRoaring(bytes, 7);
	expect(read.end).toBe(7 + bitmap.length);
	expect(sameRows(unpacked(read), values)).toBe(true);
});

test.each([
	["repeats", [1, 1]],
	["descends", [5, 4]],
	["descends to an older container", [70_000, 4]],
])("values that %s are not written", (_, values) => {
	expect(() => encodeRoaring(Uint32Array.from(values))).toThrow(RangeError);
});

/** Little-endian u16s. */
function u16(...words: readonly number[]): Uint8Array {
	return new Uint8Array(Uint16Array.from(words).buffer);
}

const ARRAY = [12346, 0, 1, 0]; // cookie, one container

test.each([
	["nothing", []],
	["half a cookie", [12346]],
	["an unknown cookie", [12345, 0, 1, 0]],
	["the plain cookie with high bits", [12346, 1, 1, 0, 0, 0, 16, 0, 3]],
	["more than 65536 containers", [12346, 0, 1, 1]],
	["2^32-1 containers", [12346, 0, 0xffff, 0xffff]],
	["containers that are not there", [12346, 0, 2, 0, 0, 0, 16, 0, 3]],
	["values that are not there", [...ARRAY, 0, 1, 16, 0, 3]],
	["an array that repeats", [...ARRAY, 0, 1, 16, 0, 3, 3]],
	["an array that descends", [...ARRAY, 0, 1, 16, 0, 3, 2]],
	["bits that are not there", [...ARRAY, 0, 4096, 16, 0, 1, 2]],
	[
		"bits that are fewer than the header says",
		[...ARRAY, 0, 4096, 16, 0, ...Array(4096).fill(0x0101)],
	],
	["runs that are not there", [12347, 1, 0, 0, 2, 0]],
	["no runs", [12347, 1, 0, 0, 0]],
	["runs of fewer values than the header says", [12347, 1, 0, 5, 1, 10, 3]],
	["runs that overlap", [12347, 1, 0, 5, 2, 10, 3, 13, 1]],
	["a run beyond the container", [12347, 1, 0, 5, 1, 0xffff, 5]],
	["a container twice", [12346, 0, 2, 0, 1, 0, 1, 0, 24, 0, 26, 0, 7, 8]],
	["containers that descend", [12346, 0, 2, 0, 1, 0, 0, 0, 24, 0, 26, 0, 7, 8]],
])("a bitmap with %s is refused", (_, words) => {
	const bytes = u16(...words);
	// A run container's flag is a single byte.
	const packed =
		words[0] === 12347
			? Uint8Array.from([
					...u16(12347, 0),
					...bytes.subarray(2, 3),
					...bytes.subarray(4),
				])
			: bytes;
	expect(() => parseRoaring(packed, 0)).toThrow(DeltaError);
});

test("the hand-made bitmaps above are right but for what they are named for", () => {
	expect(unpacked(parseRoaring(u16(...ARRAY, 0, 1, 16, 0, 3, 9), 0))).toEqual(
		Uint32Array.of(3, 9),
	);
	const runs = Uint8Array.from([
		...u16(12347, 0),
		1,
		...u16(0, 5, 2, 10, 3, 14, 1),
	]);
	expect(unpacked(parseRoaring(runs, 0))).toEqual(
		Uint32Array.of(10, 11, 12, 13, 14, 15),
	);
});
