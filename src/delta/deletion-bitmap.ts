import { DeltaError } from "./errors.ts";
import { encodeRoaring, parseRoaring, type RoaringBitmap } from "./roaring.ts";

/*
 * The data of a deletion vector (PROTOCOL.md, "Deletion Vector Format"), little-endian:
 *
 *   u32  magic 1681511377
 *   u64  number of buckets
 *   per bucket, ascending: u32 key (high 32 bits of the rows),
 *                          a 32-bit roaring bitmap in its portable form
 *
 * Older Spark writers have another form: u32 magic 1681511376, i32 number of buckets, and per bucket,
 * whose key is its position, i32 size and the bitmap.
 */
const MAGIC = 1681511377;
const NATIVE_MAGIC = 1681511376;

/** A bucket with its key or size, at the least: that many can't be in fewer bytes. */
const MIN_BUCKET_BYTES = 12;

/** Positions take 4 bytes each: 1 GiB for the rows of one data file is where reading ends. */
const MAX_ROWS = 2 ** 28;

/** Deleted rows of one data file: positions, ascending, without repeats. */
export type DeletedRows = Uint32Array;

/**
 * The data of a vector.
 * @throws RangeError when the rows don't ascend
 */
export function encodeBitmap(rows: DeletedRows): Uint8Array {
	const empty = rows.length === 0;
	const body = empty ? new Uint8Array(0) : encodeRoaring(rows);
	const data = Buffer.alloc(12 + (empty ? 0 : 4 + body.length));
	data.writeUInt32LE(MAGIC, 0);
	data.writeBigUInt64LE(empty ? 0n : 1n, 4);
	if (!empty) data.set(body, 16);
	return data;
}

/**
 * Rows of a vector's data, in either form. The bytes are checked from end to end, and the number of
 * rows against `cardinality`, before any memory is taken for them.
 * @throws DeltaError DELTA_DELETION_VECTOR_INVALID naming what is wrong
 */
export function decodeBitmap(
	bytes: Uint8Array,
	options: { readonly cardinality?: number } = {},
): DeletedRows {
	const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	if (data.length < 8)
		throw invalid(`a deletion vector has ${data.length} bytes only`);
	const magic = data.readUInt32LE(0);
	const bitmap =
		magic === MAGIC
			? portableBitmap(data)
			: magic === NATIVE_MAGIC
				? nativeBitmap(data)
				: unknownMagic(data);
	const rows = bitmap?.cardinality ?? 0;
	const { cardinality = rows } = options;
	if (rows !== cardinality)
		throw invalid(
			`a deletion vector holds ${rows} rows where the log says ${cardinality}`,
		);
	if (rows > MAX_ROWS)
		throw invalid(
			`a deletion vector holds ${rows} rows; at most ${MAX_ROWS} of one file are read: rewrite the file without them`,
		);
	const found = new Uint32Array(rows);
	bitmap?.unpack(found, 0);
	return found;
}

/** Both sets of rows as one. */
export function unionRows(a: DeletedRows, b: DeletedRows): DeletedRows {
	const merged = new Uint32Array(a.length + b.length);
	let [i, j, length] = [0, 0, 0];
	while (i < a.length && j < b.length) {
		const x = a[i] as number;
		const y = b[j] as number;
		if (x <= y) i++;
		if (y <= x) j++;
		merged[length++] = Math.min(x, y);
	}
	const rest = i < a.length ? a.subarray(i) : b.subarray(j);
	merged.set(rest, length);
	length += rest.length;
	return length === merged.length ? merged : merged.slice(0, length);
}

/** Rows of `a` that are not in `b`. */
export function differenceRows(a: DeletedRows, b: DeletedRows): DeletedRows {
	const rest = new Uint32Array(a.length);
	let [j, length] = [0, 0];
	for (const row of a) {
		while (j < b.length && (b[j] as number) < row) j++;
		if (b[j] !== row) rest[length++] = row;
	}
	return rest.slice(0, length);
}

function portableBitmap(data: Buffer): RoaringBitmap | undefined {
	if (data.length < 12)
		throw invalid(`a deletion vector has ${data.length} bytes only`);
	const count = data.readBigUInt64LE(4);
	if (count > BigInt(data.length) / BigInt(MIN_BUCKET_BYTES))
		throw invalid(
			`a deletion vector of ${data.length} bytes claims ${count} buckets`,
		);
	let first: RoaringBitmap | undefined;
	let at = 12;
	let previous = -1;
	for (let i = 0; i < Number(count); i++) {
		if (data.length < at + 4) throw invalid("a deletion vector is cut short");
		const key = data.readUInt32LE(at);
		if (key <= previous || key > 0x7fff_ffff)
			throw invalid(
				`a deletion vector has bucket ${key} ${previous < 0 ? "first" : `after bucket ${previous}`}`,
			);
		previous = key;
		const bitmap = parseRoaring(data, at + 4);
		at = bitmap.end;
		if (key === 0) first = bitmap;
		else if (bitmap.cardinality > 0) throw beyond();
	}
	if (at !== data.length)
		throw invalid(
			`a deletion vector ends at ${at} and has ${data.length - at} bytes behind it`,
		);
	return first;
}

function nativeBitmap(data: Buffer): RoaringBitmap | undefined {
	const count = data.readInt32LE(4);
	if (count < 0 || count > data.length / MIN_BUCKET_BYTES)
		throw invalid(
			`a deletion vector of ${data.length} bytes claims ${count} buckets`,
		);
	let first: RoaringBitmap | undefined;
	let at = 8;
	for (let key = 0; key < count; key++) {
		if (data.length < at + 4) throw invalid("a deletion vector is cut short");
		const size = data.readInt32LE(at);
		at += 4;
		if (size < 0 || size > data.length - at)
			throw invalid(
				`a deletion vector's bucket has ${size} bytes where ${data.length - at} are left`,
			);
		const bitmap = parseRoaring(data.subarray(0, at + size), at);
		at += size;
		if (bitmap.end !== at)
			throw invalid(
				`a deletion vector's bucket ends at ${bitmap.end} instead of ${at}`,
			);
		if (key === 0) first = bitmap;
		else if (bitmap.cardinality > 0) throw beyond();
	}
	if (at !== data.length)
		throw invalid(
			`a deletion vector ends at ${at} and has ${data.length - at} bytes behind it`,
		);
	return first;
}

function unknownMagic(data: Buffer): never {
	const swapped = data.readUInt32BE(0);
	if (swapped === MAGIC || swapped === NATIVE_MAGIC)
		throw invalid(
			"a deletion vector is big-endian, as the inline example of PROTOCOL.md: no engine writes or reads that; delete the rows again",
		);
	throw invalid(
		`a deletion vector starts with ${data.readUInt32LE(0)}, not ${MAGIC}`,
	);
}

function beyond(): DeltaError {
	return invalid("a deletion vector has rows beyond 2^32");
}

function invalid(message: string): DeltaError {
	return new DeltaError("DELTA_DELETION_VECTOR_INVALID", message);
}
