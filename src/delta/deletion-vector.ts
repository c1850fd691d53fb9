import { crc32 } from "node:zlib";
import { NotFoundError } from "../storage/errors.ts";
import type { DeletionVectorDescriptor } from "./actions.ts";
import {
	type DeletedRows,
	decodeBitmap,
	encodeBitmap,
} from "./deletion-bitmap.ts";
import type { Engine } from "./engine.ts";
import { DeltaError } from "./errors.ts";
import { canonicalPath, locateFile } from "./path.ts";
import { decodeZ85, encodeZ85 } from "./z85.ts";

export {
	type DeletedRows,
	decodeBitmap,
	differenceRows,
	encodeBitmap,
	unionRows,
} from "./deletion-bitmap.ts";

/*
 * A deletion vector file (PROTOCOL.md, "Deletion Vector File Storage Format"):
 *
 *   u8      version = 1
 *   per vector, at `offset`:
 *     u32 BE  size of data
 *     data    a bitmap
 *     u32 BE  CRC-32 of data
 */
const FILE_VERSION = 1;
/** Size before and checksum behind a vector's data. */
const FRAME_BYTES = 8;

/**
 * Vectors up to this size stand in the log itself, which saves the write of a file and its read.
 * They are 160 characters then, a third of a usual `add` with statistics, which every reader of the
 * log and every checkpoint has to carry; some 50 scattered rows, or any number in a dozen runs, fit.
 */
const INLINE_BYTES = 128;

/** Vectors of a file are fetched together unless so much lies between them, or so much is to come. */
const GAP_BYTES = 64 * 1024;
const SPAN_BYTES = 4 * 1024 * 1024;
const CACHE_BYTES = 32 * 1024 * 1024;

export interface StagedDeletionVectors {
	/**
	 * What has to be stored before the commit, its path below the table's root; `undefined` when all
	 * vectors stand in their descriptors.
	 */
	readonly file:
		| { readonly path: string; readonly bytes: Uint8Array }
		| undefined;
	/** One per input, in order. */
	readonly descriptors: readonly DeletionVectorDescriptor[];
}

/** Vectors of several data files: small ones inline, the others packed in one file. */
export function stageDeletionVectors(
	vectors: readonly DeletedRows[],
	uuid: string,
	options: { readonly inlineBytes?: number } = {},
): StagedDeletionVectors {
	const { inlineBytes = INLINE_BYTES } = options;
	const parts: Uint8Array[] = [Uint8Array.of(FILE_VERSION)];
	const id = encodeZ85(Buffer.from(uuid.replaceAll("-", ""), "hex"));
	let offset = 1;
	const descriptors = vectors.map((rows): DeletionVectorDescriptor => {
		const data = encodeBitmap(rows);
		const measures = { sizeInBytes: data.length, cardinality: rows.length };
		if (data.length <= inlineBytes)
			return {
				storageType: "i",
				pathOrInlineDv: encodeZ85(data),
				...measures,
			};
		const frame = Buffer.alloc(FRAME_BYTES);
		frame.writeUInt32BE(data.length, 0);
		frame.writeUInt32BE(crc32(data), 4);
		parts.push(frame.subarray(0, 4), data, frame.subarray(4));
		const start = offset;
		offset += data.length + FRAME_BYTES;
		return {
			storageType: "u",
			pathOrInlineDv: id,
			offset: start,
			...measures,
		};
	});
	return {
		file:
			parts.length === 1
				? undefined
				: {
						path: `deletion_vector_${uuid}.bin`,
						bytes: Buffer.concat(parts),
					},
		descriptors,
	};
}

/**
 * Reads one vector; many of a table are read by `DeletionVectorReader` with fewer requests.
 * @throws DeltaError DELTA_DELETION_VECTOR_INVALID when anything about it is wrong,
 * DELTA_FILE_MISSING when its file is gone
 */
export async function readDeletionVector(
	engine: Engine,
	descriptor: DeletionVectorDescriptor,
): Promise<DeletedRows> {
	return await new DeletionVectorReader(engine).read(descriptor);
}

/** Bytes of a file that are fetched at once. */
interface Span {
	readonly path: string;
	readonly start: number;
	end: number;
}

/**
 * Reads the vectors of many data files: neighbours in one file come with one range read, kept within
 * a bound while others of them may be asked for. Vectors that weren't announced are read alone.
 */
export class DeletionVectorReader {
	readonly #engine: Engine;
	readonly #cacheBytes: number;
	/** By `dvId`. */
	readonly #spans = new Map<string, Span>();
	/** What was fetched, least recently used first. */
	readonly #fetched = new Map<Span, Promise<Uint8Array>>();
	#held = 0;

	constructor(
		engine: Engine,
		options: {
			readonly descriptors?: Iterable<DeletionVectorDescriptor>;
			/** Bytes of files that are kept. */
			readonly cacheBytes?: number;
		} = {},
	) {
		this.#engine = engine;
		this.#cacheBytes = options.cacheBytes ?? CACHE_BYTES;
		this.#announce(options.descriptors ?? []);
	}

	/** @throws DeltaError as `readDeletionVector` */
	async read(descriptor: DeletionVectorDescriptor): Promise<DeletedRows> {
		checkDescriptor(descriptor);
		if (descriptor.storageType === "i") return decodeInline(descriptor);
		const span = this.#spans.get(dvId(descriptor)) ?? spanOf(descriptor);
		const bytes = await this.#fetch(span);
		const { start, end } = frameOf(descriptor);
		const where = `${this.#engine.store.url}: ${span.path} at ${start}`;
		if (span.start === 0 && bytes[0] !== FILE_VERSION)
			throw invalid(
				`${where}: the file has version ${bytes[0] ?? "none, it is empty"}; this engine reads version ${FILE_VERSION}`,
			);
		return decodeFrame(
			bytes.subarray(start - span.start, end - span.start),
			descriptor,
			where,
		);
	}

	#announce(descriptors: Iterable<DeletionVectorDescriptor>): void {
		const files = new Map<string, DeletionVectorDescriptor[]>();
		for (const descriptor of descriptors) {
			// What breaks the rules is reported where it is read.
			if (!isReadable(descriptor) || descriptor.storageType === "i") continue;
			const path = canonicalPath(deletionVectorPath(descriptor));
			const known = files.get(path);
			if (known === undefined) files.set(path, [descriptor]);
			else known.push(descriptor);
		}
		for (const vectors of files.values()) {
			vectors.sort((a, b) => frameOf(a).start - frameOf(b).start);
			let span: Span | undefined;
			for (const descriptor of vectors) {
				const own = spanOf(descriptor);
				if (
					span === undefined ||
					own.start - span.end > GAP_BYTES ||
					own.end - span.start > SPAN_BYTES
				)
					span = own;
				else span.end = Math.max(span.end, own.end);
				this.#spans.set(dvId(descriptor), span);
			}
		}
	}

	#fetch(span: Span): Promise<Uint8Array> {
		const known = this.#fetched.get(span);
		if (known !== undefined) {
			this.#fetched.delete(span);
			this.#fetched.set(span, known);
			return known;
		}
		const bytes = fetchSpan(this.#engine, span);
		const size = span.end - span.start;
		if (size > this.#cacheBytes) return bytes;
		for (const oldest of this.#fetched.keys()) {
			if (this.#held + size <= this.#cacheBytes) break;
			this.#drop(oldest);
		}
		this.#fetched.set(span, bytes);
		this.#held += size;
		// A failure is reported to who waits for it, and the next one tries again.
		bytes.catch(() => this.#drop(span));
		return bytes;
	}

	#drop(span: Span): void {
		if (this.#fetched.delete(span)) this.#held -= span.end - span.start;
	}
}

/** PROTOCOL.md, "Derived Fields": what tells two vectors of one data file apart. */
export function dvId(descriptor: DeletionVectorDescriptor): string {
	const { storageType, pathOrInlineDv, offset } = descriptor;
	// A checkpoint's missing offset may be null.
	return `${storageType}${pathOrInlineDv}${offset === undefined || offset === null ? "" : `@${offset}`}`;
}

/**
 * The path of a stored vector as `add.path` would have it: URI-encoded, relative to the table's root
 * or absolute.
 * @throws DeltaError DELTA_DELETION_VECTOR_INVALID when there is none
 */
export function deletionVectorPath(
	descriptor: DeletionVectorDescriptor,
): string {
	const text = descriptor.pathOrInlineDv;
	switch (descriptor.storageType) {
		case "p":
			return text;
		case "u": {
			const id = decodeZ85(text.slice(-20));
			if (id?.length !== 16)
				throw invalid(
					`the deletion vector ${shown(text)} does not end with a UUID in Z85`,
				);
			const hex = Buffer.from(id).toString("hex");
			const uuid = hex.replace(
				/^(.{8})(.{4})(.{4})(.{4})(.{12})$/,
				"$1-$2-$3-$4-$5",
			);
			const prefix = encodeURIComponent(text.slice(0, -20));
			return `${prefix === "" ? "" : `${prefix}/`}deletion_vector_${uuid}.bin`;
		}
		default:
			throw invalid(
				`a deletion vector of type ${shown(String(descriptor.storageType))} has no path`,
			);
	}
}

async function fetchSpan(engine: Engine, span: Span): Promise<Uint8Array> {
	const { path, start, end } = span;
	try {
		const file = locateFile(engine, path);
		return await file.store.get(file.path, { range: { start, end } });
	} catch (cause) {
		if (!(cause instanceof NotFoundError)) throw cause;
		throw new DeltaError(
			"DELTA_FILE_MISSING",
			`${engine.store.url}: the deletion vector file ${path} is gone; restore it, or read a version that does not need it`,
			{ cause },
		);
	}
}

/** Where the vector's frame is in its file; a missing offset means the first one. */
function frameOf(descriptor: DeletionVectorDescriptor): {
	readonly start: number;
	readonly end: number;
} {
	const start = descriptor.offset ?? 1;
	return { start, end: start + descriptor.sizeInBytes + FRAME_BYTES };
}

/** The file's version comes with its first vector. */
function spanOf(descriptor: DeletionVectorDescriptor): Span {
	const { start, end } = frameOf(descriptor);
	return {
		path: deletionVectorPath(descriptor),
		start: start === 1 ? 0 : start,
		end,
	};
}

/** Rows of a vector that stands in its descriptor. */
function decodeInline(descriptor: DeletionVectorDescriptor): DeletedRows {
	const { sizeInBytes, cardinality, pathOrInlineDv } = descriptor;
	// Spark's "no rows deleted".
	if (sizeInBytes === 0 && cardinality === 0) return new Uint32Array(0);
	const decoded = decodeZ85(pathOrInlineDv);
	if (decoded === undefined)
		throw invalid(
			`the inline deletion vector ${shown(pathOrInlineDv)} is not Z85`,
		);
	if (decoded.length < sizeInBytes || decoded.length - sizeInBytes > 3)
		throw invalid(
			`an inline deletion vector has ${decoded.length} bytes where its descriptor says ${sizeInBytes}`,
		);
	return decodeBitmap(decoded.subarray(0, sizeInBytes), { cardinality });
}

/** Rows of a vector from its frame: size, data, checksum. `where` is for the message. */
function decodeFrame(
	bytes: Uint8Array,
	descriptor: DeletionVectorDescriptor,
	where: string,
): DeletedRows {
	const { sizeInBytes, cardinality } = descriptor;
	const frame = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	if (frame.length !== sizeInBytes + FRAME_BYTES)
		throw invalid(
			`${where}: the file ends before the ${sizeInBytes} bytes of a deletion vector`,
		);
	const size = frame.readUInt32BE(0);
	if (size !== sizeInBytes)
		throw invalid(
			`${where}: a deletion vector of ${size} bytes, where the log says ${sizeInBytes}`,
		);
	const data = frame.subarray(4, 4 + sizeInBytes);
	if (crc32(data) !== frame.readUInt32BE(4 + sizeInBytes))
		throw invalid(`${where}: the deletion vector's checksum is wrong`);
	return decodeBitmap(data, { cardinality });
}

/** @throws DeltaError DELTA_DELETION_VECTOR_INVALID when its fields break the protocol's rules */
function checkDescriptor(descriptor: DeletionVectorDescriptor): void {
	const { storageType, pathOrInlineDv, offset } = descriptor;
	const wrong = (field: string, value: unknown): DeltaError =>
		invalid(
			`a deletion vector's ${field} is ${shown(JSON.stringify(value) ?? "missing")}`,
		);
	if (storageType !== "u" && storageType !== "i" && storageType !== "p")
		throw wrong("storageType", storageType);
	if (typeof pathOrInlineDv !== "string")
		throw wrong("pathOrInlineDv", pathOrInlineDv);
	for (const field of ["sizeInBytes", "cardinality"] as const)
		if (!isCount(descriptor[field])) throw wrong(field, descriptor[field]);
	if (offset === undefined || offset === null) return;
	if (storageType === "i")
		throw invalid(`an inline deletion vector has the offset ${offset}`);
	if (!isCount(offset)) throw wrong("offset", offset);
}

function isReadable(descriptor: DeletionVectorDescriptor): boolean {
	try {
		checkDescriptor(descriptor);
		if (descriptor.storageType !== "i")
			canonicalPath(deletionVectorPath(descriptor));
		return true;
	} catch {
		return false;
	}
}

function isCount(value: unknown): boolean {
	return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function shown(text: string): string {
	return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function invalid(message: string): DeltaError {
	return new DeltaError("DELTA_DELETION_VECTOR_INVALID", message);
}
