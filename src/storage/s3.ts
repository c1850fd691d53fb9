import { setTimeout as sleep } from "node:timers/promises";
import {
	GetObjectCommand,
	HeadObjectCommand,
	ListObjectsV2Command,
	PutObjectCommand,
} from "@aws-sdk/client-s3";
import { withoutUserInfo } from "../errors.ts";
import { Source } from "./body.ts";
import { crc32Of, mismatch } from "./checksum.ts";
import { StorageError } from "./errors.ts";
import { rangeHeader, spanOf } from "./range.ts";
import { type Effects, RETRY, type RetryPolicy, retrying } from "./retry.ts";
import {
	connect,
	REQUEST_TIMEOUT_MS,
	type StorageCredentials,
} from "./s3-client.ts";
import { deleteObjects } from "./s3-delete.ts";
import {
	conditionalPutFailure,
	judge,
	mayRefuseChecksums,
	nameOf,
	statusOf,
	storageError,
} from "./s3-errors.ts";
import { partsOf, uploadInParts } from "./s3-upload.ts";
import type {
	ByteRange,
	ObjectStore,
	PutOutcome,
	SuffixRange,
} from "./store.ts";

export type { StorageCredentials } from "./s3-client.ts";

export interface S3Location {
	readonly bucket: string;
	/** Without slashes at its ends; may be empty. */
	readonly prefix: string;
	readonly credentials: StorageCredentials;
	readonly retry?: Partial<RetryPolicy>;
	/** Until the answer to a request begins, in milliseconds. */
	readonly requestTimeoutMs?: number;
}

const EFFECTS: Effects = {
	now: () => performance.now(),
	random: Math.random,
	sleep: (ms, signal) =>
		sleep(ms, undefined, signal === undefined ? {} : { signal }),
};

/**
 * S3, or what speaks its protocol. Everything idempotent is retried; `putIfAbsent` is sent once,
 * because a retry after a lost response would find its own object. Bodies go with a CRC-32, as long
 * as the store takes it, and are held against the checksums that the store gives back.
 */
export function openS3Store(location: S3Location): ObjectStore {
	const { bucket, credentials } = location;
	const connection = connect(
		credentials,
		location.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
	);
	const { client } = connection;
	const policy = { ...RETRY, ...location.retry };
	const base = location.prefix === "" ? "" : `${location.prefix}/`;
	const url = `s3://${bucket}/${location.prefix}`.replace(/\/$/, "");
	const endpoint = withoutUserInfo(credentials.endpoint ?? "AWS");
	const fail = (error: unknown, path: string): Error =>
		storageError(error, { url, bucket, path, endpoint });
	const target = (path: string) => ({ Bucket: bucket, Key: base + path });

	return {
		url,

		get: async (path, options) => {
			try {
				return await download(path, options?.range, options?.signal);
			} catch (error) {
				if (statusOf(error) === 416) return new Uint8Array(0);
				options?.signal?.throwIfAborted();
				throw fail(error, path);
			}
		},

		head: async (path) => {
			try {
				const found = await retry(() =>
					client.send(new HeadObjectCommand(target(path))),
				);
				return {
					path,
					size: found.ContentLength ?? 0,
					modified: found.LastModified?.getTime() ?? 0,
					...(found.ETag === undefined ? {} : { etag: found.ETag }),
				};
			} catch (error) {
				if (statusOf(error) === 404 && nameOf(error) !== "NoSuchBucket")
					return undefined;
				throw fail(error, path);
			}
		},

		put: async (path, body) => {
			const source = new Source(body);
			const parts = partsOf(source.chunks());
			try {
				const first = await parts.next();
				const second = first.done ? first : await parts.next();
				if (first.done || second.done)
					await putWhole(path, first.done ? new Uint8Array(0) : first.value);
				else await putInParts(path, first.value, second.value, parts);
			} catch (error) {
				throw source.failedWith(error) ? error : fail(error, path);
			} finally {
				await parts.return(undefined);
			}
		},

		putIfAbsent: async (path, body): Promise<PutOutcome> => {
			const outcome = await putOnce(path, body);
			if (outcome.kind === "exists") connection.conditional.add(bucket);
			if (outcome.kind === "created" && !connection.conditional.has(bucket))
				await proveConditions(path, body);
			return outcome;
		},

		async *list(prefix, options) {
			let token: string | undefined;
			do {
				let page: Awaited<ReturnType<typeof listPage>>;
				try {
					page = await listPage(base + prefix, token, options?.startAfter);
				} catch (error) {
					throw fail(error, prefix);
				}
				for (const { Key = "", Size, LastModified, ETag } of page.Contents ??
					[])
					yield {
						path: decodeKey(Key, page.EncodingType).slice(base.length),
						size: Size ?? 0,
						modified: LastModified?.getTime() ?? 0,
						...(ETag === undefined ? {} : { etag: ETag }),
					};
				token = page.NextContinuationToken;
			} while (token !== undefined);
		},

		delete: (paths) =>
			deleteObjects(paths, { client, bucket, base, url, retry, fail }),
	};

	function retry<T>(
		attempt: () => Promise<T>,
		signal?: AbortSignal,
	): Promise<T> {
		return retrying(attempt, {
			policy,
			budget: connection.budget,
			effects: EFFECTS,
			judge,
			signal,
		});
	}

	/** One attempt is the answer and the whole of its body: a body that breaks off is asked for again. */
	function download(
		path: string,
		range: ByteRange | SuffixRange | undefined,
		signal: AbortSignal | undefined,
	): Promise<Uint8Array> {
		const Range = range === undefined ? undefined : rangeHeader(range);
		return retry(async () => {
			if (range !== undefined && Range === undefined) {
				await client.send(new HeadObjectCommand(target(path)));
				return new Uint8Array(0);
			}
			const command = new GetObjectCommand({
				...target(path),
				...(Range === undefined ? {} : { Range }),
			});
			if (Range === undefined)
				// As a header: if the SDK knew, it would check the body itself, in slow streams.
				command.middlewareStack.add(
					(next) => (args) => {
						Object.assign((args.request as { headers: object }).headers, {
							"x-amz-checksum-mode": "ENABLED",
						});
						return next(args);
					},
					{ step: "build" },
				);
			const response = await client.send(
				command,
				signal === undefined ? {} : { abortSignal: signal },
			);
			const body =
				(await response.Body?.transformToByteArray()) ?? new Uint8Array(0);
			const { ContentLength = body.length } = response;
			const wrong =
				body.length !== ContentLength
					? `${body.length} bytes instead of ${ContentLength}`
					: response.ContentRange === undefined
						? mismatch(body, response)
						: undefined;
			if (wrong !== undefined)
				throw new StorageError(
					"STORAGE_CHECKSUM_MISMATCH",
					`${url}: ${path} came with ${wrong}: it was damaged on its way or in the store`,
					{ retryable: true },
				);
			if (range === undefined || response.ContentRange !== undefined)
				return body;
			// Gateways may answer with the whole object.
			const { start, end } = spanOf(range, body.length);
			return body.subarray(start, end);
		}, signal);
	}

	async function putOnce(path: string, body: Uint8Array): Promise<PutOutcome> {
		try {
			await withChecksum(body, (checksum) =>
				client.send(
					new PutObjectCommand({
						...target(path),
						...checksum,
						Body: body,
						IfNoneMatch: "*",
					}),
				),
			);
			return { kind: "created" };
		} catch (error) {
			switch (conditionalPutFailure(error)) {
				case "exists":
					return { kind: "exists" };
				case "unknown":
					return { kind: "unknown", cause: fail(error, path) };
				case "refused":
					throw statusOf(error) === 501
						? noConditions("refuses", error)
						: fail(error, path);
			}
		}
	}

	/**
	 * Some stores ignore the condition and replace what is there: commits would be lost without a
	 * sign. The first success at a bucket is sent again, with the same bytes, and has to be refused.
	 */
	async function proveConditions(
		path: string,
		body: Uint8Array,
	): Promise<void> {
		const { kind } = await putOnce(path, body);
		if (kind === "created") throw noConditions("ignores");
		if (kind === "exists") connection.conditional.add(bucket);
	}

	function noConditions(how: string, cause?: unknown): StorageError {
		return new StorageError(
			"STORAGE_NO_CONDITIONAL_PUT",
			`${endpoint} ${how} the condition of a PUT (If-None-Match: *), so that commits to ${url} could replace each other: use a store that has conditional writes`,
			cause === undefined ? {} : { cause },
		);
	}

	function listPage(
		prefix: string,
		token: string | undefined,
		startAfter: string | undefined,
	) {
		return retry(() =>
			client.send(
				new ListObjectsV2Command({
					Bucket: bucket,
					Prefix: prefix,
					EncodingType: "url",
					...(token === undefined ? {} : { ContinuationToken: token }),
					...(startAfter === undefined
						? {}
						: { StartAfter: base + startAfter }),
				}),
			),
		);
	}

	async function putWhole(path: string, body: Uint8Array): Promise<void> {
		await retry(() =>
			withChecksum(body, (checksum) =>
				client.send(
					new PutObjectCommand({ ...target(path), ...checksum, Body: body }),
				),
			),
		);
	}

	/** A refused checksum header is left out from then on; what was refused is sent again without. */
	async function withChecksum<T>(
		body: Uint8Array,
		send: (checksum: { ChecksumCRC32?: string }) => Promise<T>,
	): Promise<T> {
		if (!connection.checksums) return await send({});
		try {
			return await send({ ChecksumCRC32: crc32Of(body) });
		} catch (error) {
			if (!mayRefuseChecksums(error)) throw error;
			const result = await send({});
			connection.checksums = false;
			return result;
		}
	}

	async function putInParts(
		path: string,
		first: Uint8Array,
		second: Uint8Array,
		rest: AsyncIterable<Uint8Array>,
	): Promise<void> {
		async function* all(): AsyncGenerator<Uint8Array> {
			yield first;
			yield second;
			yield* rest;
		}
		await uploadInParts(all(), {
			client,
			target: target(path),
			retry,
			checksums: connection.checksums,
		});
	}
}

/** Keys are asked for URL-encoded, with `+` for a space, because XML can't hold every character. */
function decodeKey(key: string, encoding: string | undefined): string {
	return encoding === "url"
		? decodeURIComponent(key.replaceAll("+", " "))
		: key;
}
