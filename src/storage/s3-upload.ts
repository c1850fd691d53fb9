import {
	AbortMultipartUploadCommand,
	type CompletedPart,
	CompleteMultipartUploadCommand,
	CreateMultipartUploadCommand,
	HeadObjectCommand,
	type S3Client,
	UploadPartCommand,
} from "@aws-sdk/client-s3";
import { crc32Of } from "./checksum.ts";
import { StorageError } from "./errors.ts";
import { nameOf } from "./s3-errors.ts";

/** Bodies above it go in parts of it; 10,000 parts are S3's limit. */
export const PART_BYTES = 16 * 2 ** 20;
const MAX_PARTS = 10_000;
/** Parts under way at once: what a streamed body takes of memory is one more. */
const PARALLEL = 4;

export interface Upload {
	readonly client: S3Client;
	readonly target: { readonly Bucket: string; readonly Key: string };
	/** Runs an idempotent request, again where that helps. */
	readonly retry: <T>(attempt: () => Promise<T>) => Promise<T>;
	readonly checksums: boolean;
}

/**
 * A multipart upload: the object is there once it is completed, as a whole or not at all. When a
 * part or the body itself fails, the parts under way are waited for before the upload is aborted:
 * one that arrived later would stay.
 */
export async function uploadInParts(
	parts: AsyncIterable<Uint8Array>,
	{ client, target, retry, checksums }: Upload,
): Promise<void> {
	const algorithm = checksums ? ({ ChecksumAlgorithm: "CRC32" } as const) : {};
	const { UploadId } = await retry(() =>
		client.send(new CreateMultipartUploadCommand({ ...target, ...algorithm })),
	);
	const upload = { ...target, UploadId };
	const done: CompletedPart[] = [];
	const running = new Set<Promise<void>>();
	const stop = new AbortController();
	let failure: { readonly cause: unknown } | undefined;
	let size = 0;

	async function send(PartNumber: number, Body: Uint8Array): Promise<void> {
		const checksum = checksums ? { ChecksumCRC32: crc32Of(Body) } : {};
		const { ETag } = await retry(() =>
			client.send(
				new UploadPartCommand({ ...upload, ...checksum, PartNumber, Body }),
				{ abortSignal: stop.signal },
			),
		);
		done.push({ PartNumber, ETag, ...checksum });
	}

	try {
		let number = 0;
		for await (const body of parts) {
			number++;
			if (number > MAX_PARTS)
				throw new StorageError(
					"STORAGE_OBJECT_TOO_LARGE",
					`${target.Key} has more than ${MAX_PARTS} parts of ${PART_BYTES} bytes, which S3 does not take: write smaller files`,
				);
			size += body.length;
			const part: Promise<void> = send(number, body)
				.catch((cause: unknown) => {
					failure ??= { cause };
					stop.abort();
				})
				.finally(() => running.delete(part));
			running.add(part);
			if (running.size >= PARALLEL) await Promise.race(running);
			if (failure !== undefined) break;
		}
		await Promise.all(running);
		if (failure !== undefined) throw failure.cause;
		await complete();
	} catch (error) {
		stop.abort();
		await Promise.all(running);
		await retry(() =>
			client.send(new AbortMultipartUploadCommand(upload)),
		).catch(() => undefined); // The store's lifecycle rule removes the parts; the cause matters more.
		throw error;
	}

	async function complete(): Promise<void> {
		const Parts = done.sort(
			(a, b) => (a.PartNumber ?? 0) - (b.PartNumber ?? 0),
		);
		let tried = false;
		await retry(async () => {
			try {
				await client.send(
					new CompleteMultipartUploadCommand({
						...upload,
						MultipartUpload: { Parts },
					}),
				);
			} catch (error) {
				// The answer to an earlier try was lost: the upload is gone because it is complete.
				if (nameOf(error) === "NoSuchUpload" && tried && (await isThere()))
					return;
				tried = true;
				throw error;
			}
		});
	}

	/** Whether the object is the one of this upload: an ETag of parts ends in their number. */
	async function isThere(): Promise<boolean> {
		const found = await retry(() => client.send(new HeadObjectCommand(target)));
		return (
			found.ContentLength === size &&
			(found.ETag?.replaceAll('"', "").endsWith(`-${done.length}`) ?? false)
		);
	}
}

/** The bytes of a stream in parts of `PART_BYTES`, the last one shorter. */
export async function* partsOf(
	body: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
	let waiting: Uint8Array[] = [];
	let bytes = 0;
	for await (const chunk of body)
		for (let start = 0; start < chunk.length; ) {
			const piece = chunk.subarray(start, start + PART_BYTES - bytes);
			waiting.push(piece);
			bytes += piece.length;
			start += piece.length;
			if (bytes === PART_BYTES) {
				yield join(waiting);
				waiting = [];
				bytes = 0;
			}
		}
	if (bytes > 0) yield join(waiting);
}

function join(pieces: readonly Uint8Array[]): Uint8Array {
	const [only] = pieces;
	return pieces.length === 1 && only !== undefined
		? only
		: Buffer.concat(pieces);
}
