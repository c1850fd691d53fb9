import { Readable } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { messageOf } from "../errors.ts";
import type { ObjectStore } from "../storage/store.ts";
import { FileError } from "./errors.ts";

export type Compression = "auto" | "none" | "gzip" | "zstd";

const CHUNK_BYTES = 4 * 2 ** 20;
const GZIP = [0x1f, 0x8b];
const ZSTD = [0x28, 0xb5, 0x2f, 0xfd];

/**
 * The content of an object, in order, with no more than two ranges of it held. `auto` tells by the
 * first bytes how it is compressed, whatever its name says.
 * @throws FileError INGEST_FILE_INVALID when it can't be decompressed; what the store throws
 */
export async function* sourceBytes(
	store: ObjectStore,
	file: { readonly path: string; readonly size: number },
	compression: Compression = "auto",
	chunkBytes = CHUNK_BYTES,
): AsyncGenerator<Uint8Array> {
	const raw = ranges(store, file, chunkBytes);
	const first = await raw.next();
	if (first.done === true) return;
	const codec = compression === "auto" ? codecOf(first.value) : compression;
	const whole = prepended(first.value, raw);
	if (codec === "none") {
		yield* whole;
		return;
	}
	let sourceFailure: unknown;
	async function* watched(): AsyncGenerator<Uint8Array> {
		try {
			yield* whole;
		} catch (error) {
			sourceFailure = error;
			throw error;
		}
	}
	const unpacked =
		codec === "gzip"
			? createGunzip({ chunkSize: 256 * 1024 })
			: createZstdDecompress({ chunkSize: 256 * 1024 });
	const input = Readable.from(watched(), { objectMode: false });
	input.once("error", (error) => unpacked.destroy(error));
	input.pipe(unpacked);
	try {
		for await (const chunk of unpacked) yield chunk as Uint8Array;
	} catch (cause) {
		if (sourceFailure !== undefined) throw sourceFailure;
		throw new FileError(
			"INGEST_FILE_INVALID",
			`${file.path} can't be decompressed as ${codec}: ${messageOf(cause)}; upload it again, whole`,
			{ cause },
		);
	} finally {
		input.destroy();
		unpacked.destroy();
	}
}

async function* ranges(
	store: ObjectStore,
	{ path, size }: { readonly path: string; readonly size: number },
	chunkBytes: number,
): AsyncGenerator<Uint8Array> {
	const fetch = (start: number): Promise<Uint8Array> | undefined => {
		if (start >= size) return undefined;
		const bytes = store.get(path, {
			range: { start, end: Math.min(size, start + chunkBytes) },
		});
		bytes.catch(() => undefined); // Thrown where it is waited for.
		return bytes;
	};
	let ahead = fetch(0);
	for (let start = 0; ahead !== undefined; start += chunkBytes) {
		const bytes: Uint8Array = await ahead;
		ahead = fetch(start + chunkBytes);
		if (bytes.length !== Math.min(chunkBytes, size - start))
			throw new FileError(
				"INGEST_FILE_CHANGED",
				`${path} was ${size} bytes when it was listed and is shorter now: it is taken up again as it is by then`,
				{ retryable: true },
			);
		yield bytes;
	}
}

async function* prepended(
	first: Uint8Array,
	rest: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
	yield first;
	yield* rest;
}

function codecOf(bytes: Uint8Array): Exclude<Compression, "auto"> {
	const starts = (magic: readonly number[]): boolean =>
		magic.every((byte, i) => bytes[i] === byte);
	return starts(GZIP) ? "gzip" : starts(ZSTD) ? "zstd" : "none";
}
