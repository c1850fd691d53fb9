import { crc32 } from "node:zlib";
import { RoaringBitmap32, SerializationFormat } from "roaring-wasm";
import type { DeletionVectorDescriptor } from "./actions.ts";
import type { Engine } from "./engine.ts";
import { DeltaError } from "./errors.ts";
import { decodePath } from "./path.ts";
import { decodeZ85, encodeZ85 } from "./z85.ts";

/*
 * A deletion vector file (PROTOCOL.md, "Deletion Vector File Storage Format"):
 *
 *   u8      version = 1
 *   per vector, at `offset`:
 *     u32 BE  size of data
 *     data    u32 LE  magic 1681511377
 *             u64 LE  number of buckets
 *             per bucket, ascending: u32 LE key (high 32 bits of the rows),
 *                                    a 32-bit roaring bitmap in its portable form
 *     u32 BE  CRC-32 of data
 */
const FILE_VERSION = 1;
const MAGIC = 1681511377;
const NATIVE_MAGIC = 1681511376;

/** Deleted rows of one data file: positions, ascending. */
export type DeletedRows = Uint32Array;

export interface StagedDeletionVectors {
	/** The file's path below the table's root. */
	readonly path: string;
	readonly bytes: Uint8Array;
	/** One per input, in order. */
	readonly descriptors: readonly DeletionVectorDescriptor[];
}

/** Packs the vectors of several data files in one file, to be stored before the commit. */
export function stageDeletionVectors(
	vectors: readonly DeletedRows[],
	uuid: string,
): StagedDeletionVectors {
	const parts: Uint8Array[] = [Uint8Array.of(FILE_VERSION)];
	const descriptors: DeletionVectorDescriptor[] = [];
	const pathOrInlineDv = encodeZ85(
		Buffer.from(uuid.replaceAll("-", ""), "hex"),
	);
	let offset = 1;
	for (const rows of vectors) {
		const data = encodeBitmap(rows);
		const frame = Buffer.alloc(8);
		frame.writeUInt32BE(data.length, 0);
		frame.writeUInt32BE(crc32(data), 4);
		parts.push(frame.subarray(0, 4), data, frame.subarray(4));
		descriptors.push({
			storageType: "u",
			pathOrInlineDv,
			offset,
			sizeInBytes: data.length,
			cardinality: rows.length,
		});
		offset += data.length + 8;
	}
	return {
		path: `deletion_vector_${uuid}.bin`,
		bytes: Buffer.concat(parts),
		descriptors,
	};
}

/** @throws DeltaError DELTA_DELETION_VECTOR_INVALID when size, checksum or cardinality are wrong */
export async function readDeletionVector(
	engine: Engine,
	descriptor: DeletionVectorDescriptor,
): Promise<DeletedRows> {
	const { sizeInBytes, cardinality } = descriptor;
	let data: Uint8Array;
	if (descriptor.storageType === "i") {
		const decoded = decodeZ85(descriptor.pathOrInlineDv);
		if (decoded === undefined || decoded.length < sizeInBytes)
			throw invalid("an inline deletion vector is not Z85 of its size");
		data = decoded.subarray(0, sizeInBytes);
	} else {
		const path = deletionVectorPath(descriptor);
		const start = descriptor.offset ?? 1;
		const frame = Buffer.from(
			await engine.store.get(path, {
				range: { start, end: start + sizeInBytes + 8 },
			}),
		);
		if (
			frame.length !== sizeInBytes + 8 ||
			frame.readUInt32BE(0) !== sizeInBytes
		)
			throw invalid(
				`${path} has no deletion vector of ${sizeInBytes} bytes at ${start}`,
			);
		data = frame.subarray(4, 4 + sizeInBytes);
		if (crc32(data) !== frame.readUInt32BE(4 + sizeInBytes))
			throw invalid(`${path}: the checksum at ${start} is wrong`);
	}
	const rows = decodeBitmap(data);
	if (rows.length !== cardinality)
		throw invalid(
			`a deletion vector holds ${rows.length} rows where the log says ${cardinality}`,
		);
	return rows;
}

/** The path of a stored vector below the table's root. */
export function deletionVectorPath(
	descriptor: DeletionVectorDescriptor,
): string {
	if (descriptor.storageType === "p")
		return decodePath(descriptor.pathOrInlineDv);
	const text = descriptor.pathOrInlineDv;
	const prefix = text.slice(0, -20);
	const id = decodeZ85(text.slice(-20));
	if (id === undefined || text.length < 20)
		throw invalid(`${text} is not the Z85 form of a UUID`);
	const hex = Buffer.from(id).toString("hex");
	const uuid = hex.replace(
		/^(.{8})(.{4})(.{4})(.{4})(.{12})$/,
		"$1-$2-$3-$4-$5",
	);
	return `${prefix === "" ? "" : `${prefix}/`}deletion_vector_${uuid}.bin`;
}

/** Both sets of rows as one. */
export function unionRows(a: DeletedRows, b: DeletedRows): DeletedRows {
	const merged = new Uint32Array(a.length + b.length);
	let [i, j, length] = [0, 0, 0];
	while (i < a.length || j < b.length) {
		const x = a[i] ?? Number.POSITIVE_INFINITY;
		const y = b[j] ?? Number.POSITIVE_INFINITY;
		if (x <= y) i++;
		if (y <= x) j++;
		merged[length++] = Math.min(x, y);
	}
	return merged.slice(0, length);
}

export function encodeBitmap(rows: DeletedRows): Uint8Array {
	const bitmap = new RoaringBitmap32(rows);
	try {
		bitmap.runOptimize();
		const body = bitmap.serialize(SerializationFormat.portable);
		const empty = rows.length === 0;
		const data = Buffer.alloc(12 + (empty ? 0 : 4 + body.length));
		data.writeUInt32LE(MAGIC, 0);
		data.writeBigUInt64LE(empty ? 0n : 1n, 4);
		if (!empty) data.set(body, 16);
		return data;
	} finally {
		bitmap.dispose();
	}
}

export function decodeBitmap(bytes: Uint8Array): DeletedRows {
	const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	if (data.length < 8) throw invalid("a deletion vector is cut short");
	const magic = data.readUInt32LE(0);
	if (magic === MAGIC) {
		if (data.length < 12) throw invalid("a deletion vector is cut short");
		const buckets = data.readBigUInt64LE(4);
		if (buckets === 0n) return new Uint32Array(0);
		if (buckets > 1n || data.length < 16 || data.readUInt32LE(12) !== 0)
			throw invalid("a deletion vector has rows beyond 2^32");
		return decodeRoaring(data.subarray(16));
	}
	if (magic === NATIVE_MAGIC) {
		// Older Spark writers: i32 LE count, then per bucket i32 LE size and a 32-bit bitmap.
		const buckets = data.readInt32LE(4);
		if (buckets === 0) return new Uint32Array(0);
		if (buckets > 1 || data.length < 12)
			throw invalid("a deletion vector has rows beyond 2^32");
		const size = data.readInt32LE(8);
		if (size < 0 || data.length < 12 + size)
			throw invalid("a deletion vector is cut short");
		return decodeRoaring(data.subarray(12, 12 + size));
	}
	throw invalid(`a deletion vector starts with ${magic}, not ${MAGIC}`);
}

function decodeRoaring(data: Uint8Array): Uint32Array {
	let bitmap: RoaringBitmap32;
	try {
		bitmap = RoaringBitmap32.deserialize(data, "portable");
	} catch (cause) {
		throw invalid("a deletion vector is no roaring bitmap", cause);
	}
	try {
		return bitmap.toUint32Array();
	} finally {
		bitmap.dispose();
	}
}

function invalid(message: string, cause?: unknown): DeltaError {
	return new DeltaError("DELTA_DELETION_VECTOR_INVALID", message, { cause });
}
