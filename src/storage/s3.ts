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
import { messageOf } from "../errors.ts";
import { NotFoundError, StorageError } from "./errors.ts";
import type { ObjectStore, PutOutcome } from "./store.ts";

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
	const where = credentials.endpoint ?? "AWS";
	const fail = (error: unknown, path: string): Error =>
		typed(error, { url, bucket, path, where });

	return {
		url,

		get: async (path, options) => {
			const range = options?.range;
			if (range !== undefined && range.end <= range.start)
				return new Uint8Array(0);
			try {
				const response = await retrying.send(
					new GetObjectCommand({
						Bucket: bucket,
						Key: base + path,
						...(range === undefined
							? {}
							: { Range: `bytes=${range.start}-${range.end - 1}` }),
					}),
					options?.signal === undefined ? {} : { abortSignal: options.signal },
				);
				return (
					(await response.Body?.transformToByteArray()) ?? new Uint8Array(0)
				);
			} catch (error) {
				if (status(error) === 416) return new Uint8Array(0);
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
				if (status(error) === 404 && name(error) !== "NoSuchBucket")
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
				const code = status(error);
				if (code === 412) return { kind: "exists" };
				// 409: another conditional request was under way; 5xx and no status: it may have been done.
				if (code === undefined || code === 409 || code >= 500)
					return { kind: "unknown", cause: fail(error, path) };
				throw fail(error, path);
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
					const first = response.Errors?.[0];
					if (first !== undefined)
						throw new Error(`${first.Key}: ${first.Code} ${first.Message}`);
				} catch (error) {
					throw fail(error, some[0] ?? "");
				}
			}
		},
	};

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
				requestTimeout: 60_000,
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

function status(error: unknown): number | undefined {
	const metadata = (error as { $metadata?: { httpStatusCode?: number } })
		.$metadata;
	return metadata?.httpStatusCode;
}

function name(error: unknown): string {
	return error instanceof Error ? error.name : "";
}

function typed(
	error: unknown,
	at: { url: string; bucket: string; path: string; where: string },
): Error {
	const code = status(error);
	const options = { cause: error };
	switch (name(error)) {
		case "NoSuchBucket":
			return new StorageError(
				"STORAGE_BUCKET_MISSING",
				`bucket ${at.bucket} does not exist at ${at.where}: create it, or correct sink.location`,
				options,
			);
		case "NoSuchKey":
		case "NotFound":
			return new NotFoundError(at.url, at.path, options);
		case "InvalidAccessKeyId":
		case "SignatureDoesNotMatch":
		case "AccessDenied":
		case "Forbidden":
		case "ExpiredToken":
		case "InvalidToken":
		case "CredentialsProviderError":
			return denied();
	}
	if (code === 401 || code === 403) return denied();
	if (code === 404) return new NotFoundError(at.url, at.path, options);
	if (code === undefined)
		return new StorageError(
			"STORAGE_UNREACHABLE",
			`${at.url}: no answer from ${at.where} (${messageOf(error)}): check AWS_ENDPOINT_URL and the network`,
			{ ...options, retryable: true },
		);
	return new StorageError(
		"STORAGE_FAILED",
		`${at.url}: ${at.path}: ${at.where} answered ${code} ${name(error)}: ${messageOf(error)}`,
		{ ...options, retryable: code >= 500 || code === 429 || code === 409 },
	);

	function denied(): StorageError {
		return new StorageError(
			"STORAGE_ACCESS_DENIED",
			`${at.where} denied access to ${at.url} (${name(error)}): check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of the storage secret, and the rights on bucket ${at.bucket}`,
			options,
		);
	}
}
