import { setTimeout as sleep } from "node:timers/promises";
import {
	AbortMultipartUploadCommand,
	CompleteMultipartUploadCommand,
	CreateMultipartUploadCommand,
	DeleteObjectsCommand,
	GetObjectCommand,
	HeadObjectCommand,
	ListObjectsV2Command,
	PutObjectCommand,
	S3Client,
	UploadPartCommand,
} from "@aws-sdk/client-s3";
import { withoutUserInfo } from "../errors.ts";
import { StorageError } from "./errors.ts";
import {
	conditionalPutFailure,
	nameOf,
	statusOf,
	storageError,
} from "./s3-errors.ts";
import type { ByteRange, ObjectStore, PutOutcome } from "./store.ts";

export interface StorageCredentials {
	readonly accessKeyId?: string;
	readonly secretAccessKey?: string;
	readonly sessionToken?: string;
	readonly region?: string;
	/** For stores other than AWS; turns path-style addressing on. */
	readonly endpoint?: string;
}

export interface S3Location {
	readonly bucket: string;
	/** Without slashes at its ends; may be empty. */
	readonly prefix: string;
	readonly credentials: StorageCredentials;
}

const PART_BYTES = 16 * 2 ** 20;
const MAX_ATTEMPTS = 4;
/** Until the answer to a request begins, its upload included. */
const REQUEST_TIMEOUT_MS = 60_000;

/** One client per endpoint and identity, so that tables share connections. */
const clients = new Map<string, S3Client>();

/**
 * S3, or what speaks its protocol. Everything idempotent is retried by the SDK with jitter;
 * `putIfAbsent` is sent once, because a retry after a lost response would find its own object.
 */
export function openS3Store(location: S3Location): ObjectStore {
	const { bucket, credentials } = location;
	const retrying = client(credentials, MAX_ATTEMPTS);
	const once = client(credentials, 1);
	const base = location.prefix === "" ? "" : `${location.prefix}/`;
	const url = `s3://${bucket}/${location.prefix}`.replace(/\/$/, "");
	const endpoint = withoutUserInfo(credentials.endpoint ?? "AWS");
	const fail = (error: unknown, path: string): Error =>
		storageError(error, { url, bucket, path, endpoint });

	return {
		url,

		get: async (path, options) => {
			const range = options?.range;
			if (range !== undefined && range.end <= range.start)
				return new Uint8Array(0);
			try {
				return await download(base + path, range, options?.signal);
			} catch (error) {
				if (statusOf(error) === 416) return new Uint8Array(0);
				throw fail(error, path);
			}
		},

		head: async (path) => {
			try {
				const found = await retrying.send(
					new HeadObjectCommand({ Bucket: bucket, Key: base + path }),
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
			try {
				if (body.length > PART_BYTES) await putInParts(base + path, body);
				else
					await retrying.send(
						new PutObjectCommand({
							Bucket: bucket,
							Key: base + path,
							Body: body,
						}),
					);
			} catch (error) {
				throw fail(error, path);
			}
		},

		putIfAbsent: async (path, body): Promise<PutOutcome> => {
			try {
				await once.send(
					new PutObjectCommand({
						Bucket: bucket,
						Key: base + path,
						Body: body,
						IfNoneMatch: "*",
					}),
				);
				return { kind: "created" };
			} catch (error) {
				const failure = conditionalPutFailure(error);
				switch (failure) {
					case "exists":
						return { kind: "exists" };
					case "unknown":
						return { kind: "unknown", cause: fail(error, path) };
					case "refused":
						throw fail(error, path);
				}
			}
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
				for (const object of page.Contents ?? [])
					yield {
						path: (object.Key ?? "").slice(base.length),
						size: object.Size ?? 0,
						modified: object.LastModified?.getTime() ?? 0,
						...(object.ETag === undefined ? {} : { etag: object.ETag }),
					};
				token = page.NextContinuationToken;
			} while (token !== undefined);
		},

		delete: async (paths) => {
			for (let i = 0; i < paths.length; i += 1000) {
				const some = paths.slice(i, i + 1000);
				try {
					const response = await retrying.send(
						new DeleteObjectsCommand({
							Bucket: bucket,
							Delete: {
								Objects: some.map((path) => ({ Key: base + path })),
								Quiet: true,
							},
						}),
					);
					const failed = (response.Errors ?? []).filter(
						({ Code }) => Code !== "NoSuchKey",
					);
					const [first] = failed;
					if (first !== undefined)
						throw new StorageError(
							first.Code === "AccessDenied"
								? "STORAGE_ACCESS_DENIED"
								: "STORAGE_FAILED",
							`${url}: ${failed.length} of ${some.length} objects were not deleted, the first being ${first.Key}: ${first.Code} ${first.Message}`,
							{ retryable: first.Code !== "AccessDenied" },
						);
				} catch (error) {
					throw fail(error, some[0] ?? "");
				}
			}
		},
	};

	/** The SDK retries until an answer begins; a body that breaks off is asked for again here. */
	async function download(
		key: string,
		range: ByteRange | undefined,
		signal: AbortSignal | undefined,
	): Promise<Uint8Array> {
		for (let attempt = 1; ; attempt++) {
			const response = await retrying.send(
				new GetObjectCommand({
					Bucket: bucket,
					Key: key,
					...(range === undefined
						? {}
						: { Range: `bytes=${range.start}-${range.end - 1}` }),
				}),
				signal === undefined ? {} : { abortSignal: signal },
			);
			try {
				const body =
					(await response.Body?.transformToByteArray()) ?? new Uint8Array(0);
				// Gateways may answer with the whole object.
				return range !== undefined && response.ContentRange === undefined
					? body.subarray(range.start, range.end)
					: body;
			} catch (error) {
				if (attempt === MAX_ATTEMPTS || signal?.aborted === true) throw error;
				await sleep(Math.random() * 100 * 2 ** attempt);
			}
		}
	}

	function listPage(
		prefix: string,
		token: string | undefined,
		startAfter: string | undefined,
	) {
		return retrying.send(
			new ListObjectsV2Command({
				Bucket: bucket,
				Prefix: prefix,
				...(token === undefined ? {} : { ContinuationToken: token }),
				...(startAfter === undefined ? {} : { StartAfter: base + startAfter }),
			}),
		);
	}

	async function putInParts(key: string, body: Uint8Array): Promise<void> {
		const { UploadId } = await retrying.send(
			new CreateMultipartUploadCommand({ Bucket: bucket, Key: key }),
		);
		const target = { Bucket: bucket, Key: key, UploadId };
		try {
			const parts: { PartNumber: number; ETag: string | undefined }[] = [];
			for (let start = 0; start < body.length; start += PART_BYTES) {
				const PartNumber: number = parts.length + 1;
				const { ETag } = await retrying.send(
					new UploadPartCommand({
						...target,
						PartNumber,
						Body: body.subarray(start, start + PART_BYTES),
					}),
				);
				parts.push({ PartNumber, ETag });
			}
			await retrying.send(
				new CompleteMultipartUploadCommand({
					...target,
					MultipartUpload: { Parts: parts },
				}),
			);
		} catch (error) {
			await retrying
				.send(new AbortMultipartUploadCommand(target))
				.catch(() => undefined); // The store's lifecycle rule removes the parts; the cause matters more.
			throw error;
		}
	}
}

function client(
	credentials: StorageCredentials,
	maxAttempts: number,
): S3Client {
	const key = JSON.stringify([credentials, maxAttempts]);
	let found = clients.get(key);
	if (found === undefined) {
		found = new S3Client({
			region: credentials.region ?? process.env.AWS_REGION ?? "us-east-1",
			maxAttempts,
			// Gateways do not all know the newer default checksums.
			requestChecksumCalculation: "WHEN_REQUIRED",
			responseChecksumValidation: "WHEN_REQUIRED",
			requestHandler: {
				connectionTimeout: 5000,
				requestTimeout: REQUEST_TIMEOUT_MS,
				throwOnRequestTimeout: true,
				socketTimeout: REQUEST_TIMEOUT_MS,
				httpsAgent: { maxSockets: 64 },
				httpAgent: { maxSockets: 64 },
			},
			...(credentials.endpoint === undefined
				? {}
				: { endpoint: credentials.endpoint, forcePathStyle: true }),
			...(credentials.accessKeyId === undefined
				? {}
				: {
						credentials: {
							accessKeyId: credentials.accessKeyId,
							secretAccessKey: credentials.secretAccessKey ?? "",
							...(credentials.sessionToken === undefined
								? {}
								: { sessionToken: credentials.sessionToken }),
						},
					}),
		});
		clients.set(key, found);
	}
	return found;
}
