import {
	DeleteObjectCommand,
	DeleteObjectsCommand,
	type S3Client,
} from "@aws-sdk/client-s3";
import { NotFoundError, StorageError } from "./errors.ts";
import { mayRefuseBatches } from "./s3-errors.ts";

/** What one DeleteObjects request takes. */
const BATCH = 1000;
/** Single deletions under way at once. */
const PARALLEL = 16;

export interface Deletion {
	readonly client: S3Client;
	readonly bucket: string;
	/** What goes before each path to make its key. */
	readonly base: string;
	readonly url: string;
	/** Runs an idempotent request, again where that helps. */
	readonly retry: <T>(attempt: () => Promise<T>) => Promise<T>;
	readonly fail: (error: unknown, path: string) => Error;
}

/** Deletes in batches, and one by one what no batch can hold, or where the store has no batches. */
export async function deleteObjects(
	paths: readonly string[],
	deletion: Deletion,
): Promise<void> {
	// XML 1.0 has no way to write most control characters.
	await deleteSingly(paths.filter(hasControls), deletion);
	const plain = paths.filter((path) => !hasControls(path));
	for (let i = 0; i < plain.length; i += BATCH) {
		const some = plain.slice(i, i + BATCH);
		try {
			await deletion.retry(() => deleteBatch(some, deletion));
		} catch (error) {
			if (!mayRefuseBatches(error)) throw deletion.fail(error, some[0] ?? "");
			await deleteSingly(plain.slice(i), deletion);
			return;
		}
	}
}

async function deleteBatch(
	paths: readonly string[],
	{ client, bucket, base, url }: Deletion,
): Promise<void> {
	const { Errors = [] } = await client.send(
		new DeleteObjectsCommand({
			Bucket: bucket,
			Delete: {
				Objects: paths.map((path) => ({ Key: base + path })),
				Quiet: true,
			},
		}),
	);
	const failed = Errors.filter(({ Code }) => Code !== "NoSuchKey");
	const [first] = failed;
	if (first === undefined) return;
	const denied = first.Code === "AccessDenied";
	throw new StorageError(
		denied ? "STORAGE_ACCESS_DENIED" : "STORAGE_FAILED",
		`${url}: ${failed.length} of ${paths.length} objects were not deleted, the first being ${first.Key}: ${first.Code} ${first.Message}`,
		{ retryable: !denied },
	);
}

async function deleteSingly(
	paths: readonly string[],
	{ client, bucket, base, retry, fail }: Deletion,
): Promise<void> {
	const rest = paths.values();
	await Promise.all(
		Array.from({ length: PARALLEL }, async () => {
			for (const path of rest)
				try {
					await retry(() =>
						client.send(
							new DeleteObjectCommand({ Bucket: bucket, Key: base + path }),
						),
					);
				} catch (error) {
					const failure = fail(error, path);
					if (!(failure instanceof NotFoundError)) throw failure;
				}
		}),
	);
}

function hasControls(path: string): boolean {
	// biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is looked for
	return /[\u0000-\u001f\ufffe\uffff]/.test(path);
}
