import { crc32 } from "node:zlib";
import { RoaringBitmap32 } from "roaring-wasm";
import { expect, test } from "vitest";
import type { DeletionVectorDescriptor } from "../../../src/delta/actions.ts";
import {
	decodeBitmap,
	encodeBitmap,
	readDeletionVector,
	stageDeletionVectors,
} from "../../../src/delta/deletion-vector.ts";
import { DeltaError } from "../../../src/delta/errors.ts";
import { encodeZ85 } from "../../../src/delta/z85.ts";
import { seeded } from "../../support/changes.ts";
import { memoryEngine } from "./memory-engine.ts";
import { randomRows, SHAPES, sameRows } from "./random-rows.ts";

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const INPUTS = 20_000;

/** Flips bits, cuts, fills with noise or writes a huge count; returns a copy. */
function damaged(bytes: Uint8Array, random: () => number): Uint8Array {
	const int = (limit: number): number => Math.floor(random() * limit);
	const copy = Uint8Array.from(bytes);
	const anywhere = (): number =>
		// The headers are where damage does most.
		int(random() < 0.5 ? Math.min(48, copy.length) : copy.length);
	switch (int(6)) {
		case 0:
			return copy.subarray(0, int(copy.length));
		case 1:
			for (let i = 0; i < 1 + int(4); i++) {
				const at = anywhere();
				copy[at] = (copy[at] ?? 0) ^ (1 << int(8));
			}
			return copy;
		case 2: {
			const at = anywhere();
			copy.fill(255, at, at + 1 + int(8));
			return copy;
		}
		case 3: {
			const at = anywhere();
			for (let i = at; i < Math.min(copy.length, at + 1 + int(16)); i++)
				copy[i] = int(256);
			return copy;
		}
		case 4: {
			const at = anywhere();
			const more = Uint8Array.from({ length: int(8) }, () => int(256));
			return Buffer.concat([copy.subarray(0, at), more, copy.subarray(at)]);
		}
		default:
			// The first bytes right, so that the rest is looked at.
			return Uint8Array.from(
				{ length: int(200) },
				(_, i) => (i < 24 && random() < 0.97 ? copy[i] : int(256)) ?? 0,
			);
	}
}

/** What CRoaring reads of the only bucket with rows in it, in bytes that passed our checks. */
function croaringRows(data: Uint8Array): Uint32Array | undefined {
	const buckets = Buffer.from(data).readUInt32LE(4);
	if (Buffer.from(data).readUInt32LE(0) !== 1681511377 || buckets !== 1)
		return undefined;
	const bitmap = RoaringBitmap32.deserialize(data.subarray(16), "portable");
	try {
		return bitmap.toUint32Array();
	} finally {
		bitmap.dispose();
	}
}

test(`${INPUTS} damaged bitmaps end in an error or in what CRoaring reads (SEED=${SEED})`, () => {
	const random = seeded(SEED);
	const originals = Array.from({ length: 60 }, (_, i) =>
		encodeBitmap(
			randomRows(SHAPES[i % SHAPES.length] as (typeof SHAPES)[number], random),
		),
	).filter((bytes) => bytes.length < 20_000);
	let refused = 0;
	let compared = 0;
	for (let i = 0; i < INPUTS; i++) {
		const original = originals[i % originals.length] as Uint8Array;
		const bytes = damaged(original, random);
		let rows: Uint32Array;
		try {
			rows = decodeBitmap(bytes);
		} catch (error) {
			if (!(error instanceof DeltaError)) throw error;
			expect(error.code).toBe("DELTA_DELETION_VECTOR_INVALID");
			refused++;
			continue;
		}
		const theirs = croaringRows(bytes);
		if (theirs === undefined) continue;
		compared++;
		if (!sameRows(rows, theirs))
			throw new Error(`other rows: ${Buffer.from(bytes).toString("hex")}`);
	}
	expect(refused).toBeGreaterThan(INPUTS / 4);
	expect(compared).toBeGreaterThan(INPUTS / 100);
});

test(`no damage to a file of vectors goes unnoticed (SEED=${SEED})`, async () => {
	const random = seeded(SEED + 1);
	const engine = memoryEngine();
	const sets = SHAPES.map((shape) => randomRows(shape, random)).filter(
		(rows) => rows.length < 10_000,
	);
	const { file, descriptors } = stageDeletionVectors(sets, engine.uuid(), {
		inlineBytes: 0,
	});
	if (file === undefined) throw new Error("no file");
	let [refused, intact] = [0, 0];
	for (let round = 0; round < 1000; round++) {
		await engine.store.put(file.path, damaged(file.bytes, random));
		for (const [i, descriptor] of descriptors.entries()) {
			try {
				const rows = await readDeletionVector(engine, descriptor);
				// The damage is in another vector.
				if (!sameRows(rows, sets[i] as Uint32Array))
					throw new Error(`vector ${i} has other rows`);
				intact++;
			} catch (error) {
				if (!(error instanceof DeltaError)) throw error;
				refused++;
			}
		}
	}
	expect(refused).toBeGreaterThan(1000);
	expect(intact).toBeGreaterThan(1000);
});

test(`damaged inline vectors end in an error or in as many rows as the log says (SEED=${SEED})`, async () => {
	const random = seeded(SEED + 2);
	const engine = memoryEngine();
	let refused = 0;
	for (let round = 0; round < 4000; round++) {
		const rows = randomRows("few", random);
		const data = encodeBitmap(rows);
		const broken = damaged(data, random);
		const text = [...encodeZ85(broken)];
		if (random() < 0.3)
			text[Math.floor(random() * text.length)] = String.fromCharCode(
				32 + Math.floor(random() * 100),
			);
		const descriptor: DeletionVectorDescriptor = {
			storageType: "i",
			pathOrInlineDv: text.join(""),
			sizeInBytes: random() < 0.8 ? broken.length : data.length,
			cardinality: rows.length,
		};
		try {
			const read = await readDeletionVector(engine, descriptor);
			expect(read).toHaveLength(rows.length);
		} catch (error) {
			if (!(error instanceof DeltaError)) throw error;
			refused++;
		}
	}
	expect(refused).toBeGreaterThan(2000);
});

/** 65536 containers, each of one run of all its values: 2^32 rows in less than 1 MB. */
function everyRow(): Uint8Array {
	const count = 65_536;
	const header = 4 + count / 8;
	const bytes = Buffer.alloc(16 + header + count * 8 + count * 6);
	bytes.writeUInt32LE(1681511377, 0);
	bytes.writeUInt32LE(1, 4);
	bytes.writeUInt32LE(12347 + (count - 1) * 65_536, 16);
	bytes.fill(255, 20, 16 + header);
	for (let i = 0; i < count; i++) {
		bytes.writeUInt16LE(i, 16 + header + i * 4);
		bytes.writeUInt16LE(65_535, 16 + header + i * 4 + 2);
		const run = 16 + header + count * 8 + i * 6;
		bytes.writeUInt16LE(1, run);
		bytes.writeUInt16LE(0, run + 2);
		bytes.writeUInt16LE(65_535, run + 4);
	}
	return bytes;
}

test("2^32 rows in less than a megabyte take no memory, whatever the log says of them", async () => {
	const data = everyRow();
	const frame = Buffer.alloc(data.length + 9);
	frame[0] = 1;
	frame.writeUInt32BE(data.length, 1);
	frame.set(data, 5);
	frame.writeUInt32BE(crc32(data), data.length + 5);
	const engine = memoryEngine();
	await engine.store.put(
		"deletion_vector_00000000-0000-0000-0000-000000000000.bin",
		frame,
	);
	const before = process.memoryUsage().arrayBuffers;
	for (const [cardinality, told] of [
		[6, "holds 4294967296 rows where the log says 6"],
		[2 ** 32, "at most 268435456"],
	] as const)
		await expect(
			readDeletionVector(engine, {
				storageType: "u",
				pathOrInlineDv: "00000000000000000000",
				offset: 1,
				sizeInBytes: data.length,
				cardinality,
			}),
		).rejects.toMatchObject({
			code: "DELTA_DELETION_VECTOR_INVALID",
			message: expect.stringContaining(told),
		});
	expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 << 20);
});
