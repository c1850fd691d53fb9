import { expect, test } from "vitest";
import type { DeletionVectorDescriptor } from "../../../src/delta/actions.ts";
import {
	type DeletedRows,
	DeletionVectorReader,
	decodeBitmap,
	deletionVectorPath,
	differenceRows,
	dvId,
	encodeBitmap,
	readDeletionVector,
	stageDeletionVectors,
	unionRows,
} from "../../../src/delta/deletion-vector.ts";
import type { Engine } from "../../../src/delta/engine.ts";
import { fileKey } from "../../../src/delta/file-key.ts";
import { seeded } from "../../support/changes.ts";
import { memoryEngine } from "./memory-engine.ts";
import { randomRows, SHAPES, sameRows } from "./random-rows.ts";

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const UUID = "d2c639aa-8816-431a-aaf6-d3fe2512ff61";

function inline(
	pathOrInlineDv: string,
	sizeInBytes: number,
	cardinality: number,
): DeletionVectorDescriptor {
	return { storageType: "i", pathOrInlineDv, sizeInBytes, cardinality };
}

function bytes(hex: string): Uint8Array {
	return Buffer.from(hex.replaceAll(" ", ""), "hex");
}

const INVALID = { code: "DELTA_DELETION_VECTOR_INVALID" };

test.each([
	[
		"Spark",
		inline("^Bg9^0rr910000000000iXQKl0rr91000625c8Xg0rri41POJ5", 38, 3),
		[1, 3, 5],
	],
	[
		"delta-kernel-rs",
		inline("^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L", 44, 6),
		[3, 4, 7, 11, 18, 29],
	],
	// The vector of its table table-with-dv-small, inline.
	[
		"Databricks",
		inline("^Bg9^0rr910000000000iXQKl0rr91000315c8Xg000r9", 36, 2),
		[0, 9],
	],
	// As in delta-kernel-rs' table cdf-table-with-dv, whose padding is that of the z85 crate.
	[
		"delta-kernel-rs, padded with #",
		inline("^Bg9^0rr910000000000iXQKl0rr91000005c8Xg##093", 34, 1),
		[3],
	],
	["Spark, for no rows", inline("", 0, 0), []],
])("an inline vector of %s is read", async (_, descriptor, rows) => {
	expect([...(await readDeletionVector(memoryEngine(), descriptor))]).toEqual(
		rows,
	);
});

test("the inline example of the protocol's text, which is big-endian, is refused with the reason", async () => {
	const example = inline(
		"wi5b=000010000siXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L",
		40,
		6,
	);
	await expect(
		readDeletionVector(memoryEngine(), example),
	).rejects.toMatchObject({
		...INVALID,
		message: expect.stringContaining("big-endian"),
	});
});

// Made by a script of its own in Python (struct, zlib.crc32) from the layouts in PROTOCOL.md: a file
// of two vectors, rows 0 and 9 in the portable form, and 3, 4, 7, 11, 18, 29 in Spark's native form
// with two empty buckets behind.
const FILE = bytes(
	"01" +
		"00000024 d1d33964 0100000000000000 00000000 3a30000001000000 00000100 10000000 00000900 2a671846" +
		"00000040 d0d33964 03000000" +
		"1c000000 3a30000001000000 00000500 10000000 0300040007000b0012001d00" +
		"08000000 3a30000000000000 08000000 3a30000000000000 6a8a5a01",
);
const FIRST: DeletionVectorDescriptor = {
	storageType: "u",
	pathOrInlineDv: "ab^-aqEH.-t@S}K{vb[*k^",
	offset: 1,
	sizeInBytes: 36,
	cardinality: 2,
};
const SECOND = { ...FIRST, offset: 45, sizeInBytes: 64, cardinality: 6 };

async function engineWithFile(
	file: Uint8Array = FILE,
): Promise<ReturnType<typeof memoryEngine>> {
	const engine = memoryEngine();
	await engine.store.put(`ab/deletion_vector_${UUID}.bin`, file);
	return engine;
}

test("a file made by other hands, with both forms in it, is read", async () => {
	const engine = await engineWithFile();
	expect([...(await readDeletionVector(engine, FIRST))]).toEqual([0, 9]);
	expect([...(await readDeletionVector(engine, SECOND))]).toEqual([
		3, 4, 7, 11, 18, 29,
	]);
	const { offset: _, ...withoutOffset } = FIRST;
	expect([...(await readDeletionVector(engine, withoutOffset))]).toEqual([
		0, 9,
	]);
});

test("paths follow from the descriptor: prefix and UUID, or a URI", () => {
	// PROTOCOL.md, JSON examples 1 and 2; the last is that of a table by Databricks.
	expect(deletionVectorPath(FIRST)).toBe(`ab/deletion_vector_${UUID}.bin`);
	expect(
		deletionVectorPath({
			...FIRST,
			storageType: "p",
			pathOrInlineDv: "s3://my%20table/deletion_vector_1.bin",
		}),
	).toBe("s3://my%20table/deletion_vector_1.bin");
	expect(
		deletionVectorPath({ ...FIRST, pathOrInlineDv: "vBn[lx{q8@P<9BNH/isA" }),
	).toBe("deletion_vector_61d16c75-6994-46b7-a15b-8b538852e50e.bin");
});

test("a vector with an absolute path is read in the table, and outside of it where that can be opened", async () => {
	const engine = await engineWithFile();
	const root = engine.store.url;
	const absolute = {
		...FIRST,
		storageType: "p" as const,
		pathOrInlineDv: `${root}/ab/deletion%5Fvector_${UUID}.bin`,
	};
	expect([...(await readDeletionVector(engine, absolute))]).toEqual([0, 9]);
	const elsewhere = { ...absolute, pathOrInlineDv: "s3://other/dv%201.bin" };
	await expect(readDeletionVector(engine, elsewhere)).rejects.toMatchObject({
		code: "DELTA_FILE_OUTSIDE_TABLE",
	});
	const opened: string[] = [];
	const other = memoryEngine();
	await other.store.put("dv 1.bin", FILE);
	const wide: Engine = {
		...engine,
		openAt: (url) => {
			opened.push(url);
			return { store: other.store, path: "dv 1.bin" };
		},
	};
	expect([...(await readDeletionVector(wide, elsewhere))]).toEqual([0, 9]);
	expect(opened).toEqual(["s3://other/dv%201.bin"]);
});

test("vectors of one file differ by their offset, and a null offset is none", () => {
	expect(dvId(FIRST)).toBe("uab^-aqEH.-t@S}K{vb[*k^@1");
	expect(dvId(inline("abc", 3, 1))).toBe("iabc");
	const withNull = { ...inline("abc", 3, 1), offset: null } as never;
	expect(dvId(withNull)).toBe("iabc");
	// A removal and an addition of one file by two engines have to meet.
	expect(fileKey({ path: "a%20b", deletionVector: withNull })).toBe(
		fileKey({ path: "a b", deletionVector: inline("abc", 3, 1) }),
	);
});

test.each([
	["a type that is unknown", { storageType: "x" }, "storageType"],
	["a path without a UUID", { pathOrInlineDv: "short" }, "UUID"],
	["a UUID that is no Z85", { pathOrInlineDv: "~~~~~~~~~~~~~~~~~~~~" }, "UUID"],
	["a UUID with padding", { pathOrInlineDv: "000000000000000##093" }, "UUID"],
	["no path", { pathOrInlineDv: null }, "pathOrInlineDv"],
	["a negative size", { sizeInBytes: -1 }, "sizeInBytes"],
	["a size that is no number", { sizeInBytes: "36" }, "sizeInBytes"],
	["no size", { sizeInBytes: undefined }, "sizeInBytes"],
	["a broken cardinality", { cardinality: 1.5 }, "cardinality"],
	["a negative offset", { offset: -1 }, "offset"],
	["an offset past the file's end", { offset: 5000 }, "ends before"],
	["an offset between two vectors", { offset: 2 }, "deletion vector of"],
	["a smaller size", { sizeInBytes: 35 }, "deletion vector of 36 bytes"],
	["a greater size", { sizeInBytes: 2 ** 40 }, "ends before"],
	["another cardinality", { cardinality: 3 }, "holds 2 rows"],
	["another vector's size", { offset: 45 }, "deletion vector of 64 bytes"],
])("a descriptor with %s is refused", async (_, change, told) => {
	const engine = await engineWithFile();
	const descriptor = { ...FIRST, ...change } as DeletionVectorDescriptor;
	await expect(readDeletionVector(engine, descriptor)).rejects.toMatchObject({
		...INVALID,
		message: expect.stringContaining(told),
	});
});

test("an inline vector with an offset, too few bytes or too many is refused", async () => {
	const text = "^Bg9^0rr910000000000iXQKl0rr91000315c8Xg000r9";
	for (const descriptor of [
		{ ...inline(text, 36, 2), offset: 1 },
		inline(text, 37, 2),
		inline(text, 32, 2),
		inline(text, 36, 3),
		inline(text.slice(1), 36, 2),
		inline(`${text.slice(0, -1)} `, 36, 2),
		inline("", 0, 1),
	])
		await expect(
			readDeletionVector(memoryEngine(), descriptor),
		).rejects.toMatchObject(INVALID);
});

test("a file of another version, or without its bytes, is refused; one that is gone is missing", async () => {
	const newer = await engineWithFile(
		Buffer.concat([bytes("02"), FILE.slice(1)]),
	);
	await expect(readDeletionVector(newer, FIRST)).rejects.toMatchObject({
		...INVALID,
		message: expect.stringContaining("version 2"),
	});
	const empty = await engineWithFile(new Uint8Array(0));
	await expect(readDeletionVector(empty, FIRST)).rejects.toMatchObject(INVALID);
	await expect(readDeletionVector(memoryEngine(), FIRST)).rejects.toMatchObject(
		{
			code: "DELTA_FILE_MISSING",
			message: expect.stringContaining(`ab/deletion_vector_${UUID}.bin`),
		},
	);
});

const EMPTY = "3a30000000000000";
const ROWS_1_5 = "3a30000001000000 00000100 10000000 01000500";

test.each([
	[
		"empty buckets behind the first",
		`d1d33964 0300000000000000 00000000 ${ROWS_1_5} 01000000 ${EMPTY} 07000000 ${EMPTY}`,
		[1, 5],
	],
	["an empty bucket only", `d1d33964 0100000000000000 05000000 ${EMPTY}`, []],
	["no bucket", "d1d33964 0000000000000000", []],
	["no native bucket", "d0d33964 00000000", []],
])("a bitmap of %s is read", (_, hex, rows) => {
	expect([...decodeBitmap(bytes(hex))]).toEqual(rows);
});

test.each([
	[
		"rows beyond 2^32",
		`d1d33964 0100000000000000 01000000 ${ROWS_1_5}`,
		"beyond 2^32",
	],
	[
		"native rows beyond 2^32",
		`d0d33964 02000000 08000000 ${EMPTY} 14000000 ${ROWS_1_5}`,
		"beyond 2^32",
	],
	[
		"a bucket twice",
		`d1d33964 0200000000000000 00000000 ${ROWS_1_5} 00000000 ${EMPTY}`,
		"bucket 0",
	],
	[
		"buckets that descend",
		`d1d33964 0200000000000000 02000000 ${EMPTY} 01000000 ${EMPTY}`,
		"bucket 1 after bucket 2",
	],
	[
		"a bucket of the highest bit",
		`d1d33964 0100000000000000 00000080 ${EMPTY}`,
		"bucket 2147483648",
	],
	[
		"more buckets than bytes",
		`d1d33964 ffffffffffffffff 00000000 ${ROWS_1_5}`,
		"buckets",
	],
	[
		"a bucket too many",
		`d1d33964 0200000000000000 00000000 ${ROWS_1_5}`,
		"cut short",
	],
	[
		"bytes behind it",
		`d1d33964 0100000000000000 00000000 ${ROWS_1_5} 00`,
		"behind",
	],
	["a count that is cut short", "d1d33964 00000000", "bytes only"],
	["a negative native count", "d0d33964 ffffffff", "buckets"],
	["more native buckets than bytes", "d0d33964 ffffff7f 00000000", "buckets"],
	[
		"a native bucket beyond the end",
		`d0d33964 01000000 15000000 ${ROWS_1_5}`,
		"21 bytes",
	],
	[
		"a native bucket cut short",
		`d0d33964 01000000 13000000 ${ROWS_1_5}`,
		"cut short",
	],
	[
		"a native bucket with bytes to spare",
		`d0d33964 01000000 15000000 ${ROWS_1_5} 00`,
		"instead of",
	],
	[
		"a negative native size",
		`d0d33964 01000000 ffffffff ${ROWS_1_5}`,
		"-1 bytes",
	],
	[
		"native bytes behind it",
		`d0d33964 01000000 14000000 ${ROWS_1_5} 00`,
		"behind",
	],
	["no magic", "00000000 00000000", "starts with 0"],
	["nothing", "", "0 bytes"],
])("a bitmap with %s is refused", (_, hex, told) => {
	expect(() => decodeBitmap(bytes(hex))).toThrow(
		expect.objectContaining({
			...INVALID,
			message: expect.stringContaining(told),
		}),
	);
});

test.each(SHAPES)(
	`vectors of %s rows come back from log and file (SEED=${SEED})`,
	async (shape) => {
		const random = seeded(SEED);
		const engine = memoryEngine();
		for (let round = 0; round < 10; round++) {
			const sets = Array.from({ length: 3 }, () => randomRows(shape, random));
			const staged = await stored(engine, sets, {
				inlineBytes: random() * 200,
			});
			for (const [i, descriptor] of staged.entries()) {
				const rows = sets[i] as DeletedRows;
				expect(descriptor.cardinality).toBe(rows.length);
				expect(
					sameRows(await readDeletionVector(engine, descriptor), rows),
				).toBe(true);
			}
		}
	},
);

async function stored(
	engine: Engine,
	sets: readonly DeletedRows[],
	options: { readonly inlineBytes?: number } = {},
): Promise<readonly DeletionVectorDescriptor[]> {
	const { file, descriptors } = stageDeletionVectors(
		sets,
		engine.uuid(),
		options,
	);
	if (file !== undefined) await engine.store.put(file.path, file.bytes);
	return descriptors;
}

test("a tiny vector costs no file, a larger one is packed with others, none has both", () => {
	const tiny = Uint32Array.of(7);
	const large = Uint32Array.from({ length: 200 }, (_, i) => i * 3);
	const alone = stageDeletionVectors([tiny, tiny], UUID);
	expect(alone.file).toBeUndefined();
	for (const descriptor of alone.descriptors) {
		expect(descriptor).toMatchObject({ storageType: "i", cardinality: 1 });
		expect(descriptor).not.toHaveProperty("offset");
		// Never the padding of the z85 crate, which Spark can't read.
		expect(descriptor.pathOrInlineDv).toMatch(/^[^#]{45}$/);
	}
	const mixed = stageDeletionVectors([large, tiny, large], UUID);
	expect(mixed.file?.path).toBe(`deletion_vector_${UUID}.bin`);
	expect(
		mixed.descriptors.map(({ storageType, offset }) => [storageType, offset]),
	).toEqual([
		["u", 1],
		["i", undefined],
		["u", 1 + 432 + 8],
	]);
	expect(mixed.file?.bytes).toHaveLength(1 + 2 * 440);
});

test("many vectors of one file come with few requests, in any order", async () => {
	const engine = memoryEngine();
	const random = seeded(SEED);
	const sets = Array.from({ length: 400 }, () => randomRows("few", random));
	const descriptors = await stored(engine, sets, { inlineBytes: 0 });
	const reader = new DeletionVectorReader(engine, { descriptors });
	const order = sets.map((_, i) => i).sort(() => random() - 0.5);
	await Promise.all(
		order.map(async (i) => {
			const rows = await reader.read(
				descriptors[i] as DeletionVectorDescriptor,
			);
			expect(sameRows(rows, sets[i] as DeletedRows)).toBe(true);
		}),
	);
	expect(engine.reads).toHaveLength(1);
});

test("what lies far apart is not read for what lies between", async () => {
	const engine = memoryEngine();
	const gap = Uint32Array.from({ length: 70_000 }, (_, i) => i * 2);
	const bits = Uint32Array.from({ length: 700_000 }, (_, i) => i * 2);
	const descriptors = await stored(engine, [gap, bits, gap], {
		inlineBytes: 0,
	});
	const [first, , last] = descriptors as [
		DeletionVectorDescriptor,
		DeletionVectorDescriptor,
		DeletionVectorDescriptor,
	];
	const reader = new DeletionVectorReader(engine, {
		descriptors: [first, last],
	});
	for (const descriptor of [last, first])
		expect(sameRows(await reader.read(descriptor), gap)).toBe(true);
	expect(engine.reads).toHaveLength(2);
});

test("the bytes that are kept have a bound, and what fell out is read again", async () => {
	const engine = memoryEngine();
	const random = seeded(SEED);
	const sets = Array.from({ length: 6 }, () => randomRows("dense", random));
	const descriptors = (
		await Promise.all(
			sets.map((rows) => stored(engine, [rows], { inlineBytes: 0 })),
		)
	).flat();
	const size = Math.max(...descriptors.map((one) => one.sizeInBytes + 9));
	const reader = new DeletionVectorReader(engine, {
		descriptors,
		cacheBytes: 2 * size,
	});
	const read = async (i: number): Promise<void> => {
		const rows = await reader.read(descriptors[i] as DeletionVectorDescriptor);
		expect(sameRows(rows, sets[i] as DeletedRows)).toBe(true);
	};
	for (let i = 0; i < 6; i++) await read(i);
	expect(engine.reads).toHaveLength(6);
	await read(5);
	expect(engine.reads).toHaveLength(6);
	await read(0);
	expect(engine.reads).toHaveLength(7);
});

test("a broken descriptor fails its own read only, and a failed request is made again", async () => {
	const engine = await engineWithFile();
	const broken = { ...FIRST, sizeInBytes: -5 };
	let fail = true;
	const flaky: Engine = {
		...engine,
		store: {
			...engine.store,
			get: async (path, request) => {
				if (fail) throw new Error("connection reset");
				return await engine.store.get(path, request);
			},
		},
	};
	const reader = new DeletionVectorReader(flaky, {
		descriptors: [broken, FIRST, SECOND],
	});
	await expect(reader.read(broken)).rejects.toMatchObject(INVALID);
	await expect(reader.read(FIRST)).rejects.toThrow("connection reset");
	fail = false;
	expect([...(await reader.read(FIRST))]).toEqual([0, 9]);
	expect((await reader.read(SECOND)).length).toBe(6);
	expect(engine.reads).toHaveLength(1);
});

test(`union and difference are those of sets (SEED=${SEED})`, () => {
	const random = seeded(SEED);
	for (let round = 0; round < 300; round++) {
		const some = (): Uint32Array =>
			Uint32Array.from(
				new Set(
					Array.from({ length: random() * 30 }, () =>
						Math.floor(random() * 40),
					),
				),
			).sort();
		const [a, b] = [some(), some()];
		expect([...unionRows(a, b)]).toEqual(
			[...new Set([...a, ...b])].sort((x, y) => x - y),
		);
		expect([...differenceRows(a, b)]).toEqual(
			[...a].filter((row) => !b.includes(row)),
		);
	}
	expect([
		...unionRows(Uint32Array.of(2 ** 32 - 1), Uint32Array.of(0)),
	]).toEqual([0, 2 ** 32 - 1]);
});

test("rows that don't ascend are not written", () => {
	expect(() => encodeBitmap(Uint32Array.of(5, 4))).toThrow(RangeError);
});
