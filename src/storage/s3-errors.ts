import { messageOf } from "../errors.ts";
import { NotFoundError, StorageError } from "./errors.ts";

/** Where a request went, for messages. */
export interface RequestPlace {
	readonly url: string;
	readonly bucket: string;
	readonly path: string;
	/** The endpoint without user and password. */
	readonly endpoint: string;
}

/** The HTTP status of what the SDK threw; `undefined` when no answer was understood. */
export function statusOf(error: unknown): number | undefined {
	return (error as { $metadata?: { httpStatusCode?: number } }).$metadata
		?.httpStatusCode;
}

export function nameOf(error: unknown): string {
	return error instanceof Error ? error.name : "";
}

/**
 * What a conditional PUT that threw came to. Only a refusal (4xx) proves that nothing was stored:
 * after a timeout, a broken connection, a 5xx or an answer that can't be parsed it may have been, and
 * 409 says that another conditional request for the key was under way (S3, "Conditional writes").
 */
export function conditionalPutFailure(
	error: unknown,
): "exists" | "unknown" | "refused" {
	if (nameOf(error) === "CredentialsProviderError") return "refused";
	const status = statusOf(error);
	if (status === 412) return "exists";
	if (status === undefined || status < 300 || status >= 500) return "unknown";
	return status === 409 || status === 307 ? "unknown" : "refused";
}

/** The error of a request, with the code that a caller acts on and the next step. */
export function storageError(error: unknown, at: RequestPlace): Error {
	if (error instanceof StorageError || error instanceof NotFoundError)
		return error;
	const status = statusOf(error);
	const name = nameOf(error);
	const options = { cause: error };
	switch (name) {
		case "NoSuchBucket":
			return new StorageError(
				"STORAGE_BUCKET_MISSING",
				`bucket ${at.bucket} does not exist at ${at.endpoint}: create it, or correct sink.location`,
				options,
			);
		case "NoSuchKey":
		case "NotFound":
			return new NotFoundError(at.url, at.path, options);
		case "PermanentRedirect":
		case "AuthorizationHeaderMalformed":
		case "IllegalLocationConstraintException":
			return new StorageError(
				"STORAGE_REGION_WRONG",
				`bucket ${at.bucket} is in another region than ${at.endpoint} was asked for (${messageOf(error)}): correct AWS_REGION`,
				options,
			);
		case "RequestTimeTooSkewed":
			return new StorageError(
				"STORAGE_CLOCK_SKEWED",
				`${at.endpoint} refused ${at.url}: this machine's clock is off; set it right`,
				{ ...options, retryable: true },
			);
		case "InvalidAccessKeyId":
		case "SignatureDoesNotMatch":
		case "AccessDenied":
		case "Forbidden":
		case "ExpiredToken":
		case "InvalidToken":
		case "CredentialsProviderError":
			return denied();
	}
	if (status === 401 || status === 403) return denied();
	if (status === 404) return new NotFoundError(at.url, at.path, options);
	if (status === undefined)
		return new StorageError(
			"STORAGE_UNREACHABLE",
			`${at.url}: no answer from ${at.endpoint} (${messageOf(error)}): check AWS_ENDPOINT_URL and the network`,
			{ ...options, retryable: true },
		);
	return new StorageError(
		"STORAGE_FAILED",
		`${at.url}: ${at.path}: ${at.endpoint} answered ${status} ${name}: ${messageOf(error)}`,
		{
			...options,
			// S3 answers 400 RequestTimeout when a body came too slowly.
			retryable:
				status < 400 ||
				status >= 500 ||
				[408, 409, 429].includes(status) ||
				name === "RequestTimeout",
		},
	);

	function denied(): StorageError {
		return new StorageError(
			"STORAGE_ACCESS_DENIED",
			`${at.endpoint} denied access to ${at.url} (${name}): check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of the storage secret, and the rights on bucket ${at.bucket}`,
			options,
		);
	}
}
