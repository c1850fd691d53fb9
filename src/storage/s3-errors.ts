import { messageOf } from "../errors.ts";
import { NotFoundError, StorageError } from "./errors.ts";
import type { Verdict } from "./retry.ts";

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
 * What a conditional PUT that threw came to. Only a refusal (4xx, 501) or a connection that was never
 * made proves that nothing was and will be stored: after a timeout, a broken connection, another 5xx
 * or an answer that can't be parsed it may have been, and 409 says that another conditional request
 * for the key was under way (S3, "Conditional writes").
 */
export function conditionalPutFailure(
	error: unknown,
): "exists" | "unknown" | "refused" {
	if (wasNeverSent(error)) return "refused";
	const status = statusOf(error);
	if (status === 412) return "exists";
	if (status === undefined || status < 300) return "unknown";
	if (status >= 500 && status !== 501) return "unknown";
	if (NAME_CLASH.has(nameOf(error))) return "refused";
	return status === 409 || status === 307 ? "unknown" : "refused";
}

function wasNeverSent(error: unknown): boolean {
	const { code, syscall } = error as { code?: unknown; syscall?: unknown };
	return (
		nameOf(error) === "CredentialsProviderError" ||
		syscall === "connect" ||
		syscall === "getaddrinfo" ||
		(typeof code === "string" && CERTIFICATE.has(code))
	);
}

/** Whether an idempotent request may do better when it is sent again. */
export function judge(error: unknown): Verdict {
	const status = statusOf(error);
	const { code } = error as { code?: unknown };
	if (error instanceof StorageError)
		return error.retryable ? { retry: true } : { retry: false };
	if (
		nameOf(error) === "CredentialsProviderError" ||
		nameOf(error) === "AbortError" ||
		(typeof code === "string" && CERTIFICATE.has(code)) ||
		(status !== undefined && isFinal(status, nameOf(error)))
	)
		return { retry: false };
	const afterMs = retryAfterMs(error);
	return { retry: true, ...(afterMs === undefined ? {} : { afterMs }) };
}

/** Certificates do not get better by themselves. */
const CERTIFICATE = new Set([
	"DEPTH_ZERO_SELF_SIGNED_CERT",
	"SELF_SIGNED_CERT_IN_CHAIN",
	"UNABLE_TO_VERIFY_LEAF_SIGNATURE",
	"UNABLE_TO_GET_ISSUER_CERT",
	"UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
	"CERT_HAS_EXPIRED",
	"CERT_NOT_YET_VALID",
	"ERR_TLS_CERT_ALTNAME_INVALID",
]);

/** Gateways over folders: what is a folder can't be an object too. */
const NAME_CLASH = new Set(["ExistingObjectIsDirectory", "ObjectParentIsFile"]);

function isFinal(status: number, name: string): boolean {
	if (status === 501 || NAME_CLASH.has(name)) return true;
	if (status < 300 || status === 307 || status >= 500) return false;
	return (
		![408, 409, 429].includes(status) &&
		// S3 answers 400 RequestTimeout when a body came too slowly; the SDK corrects its clock by the
		// answer to a request that was too early or too late.
		!["RequestTimeout", "RequestTimeTooSkewed", "SlowDown"].includes(name)
	);
}

function retryAfterMs(error: unknown): number | undefined {
	const { headers } =
		(error as { $response?: { headers?: Record<string, string> } }).$response ??
		{};
	const seconds = Number(headers?.["retry-after"] ?? Number.NaN);
	return seconds >= 0 ? Math.min(seconds, 60) * 1000 : undefined;
}

/**
 * Whether a PUT may have been refused for its checksum header, which some stores do not know. What
 * was refused was not stored, so that it can be sent without.
 */
export function mayRefuseChecksums(error: unknown): boolean {
	const status = statusOf(error);
	return (
		(status === 400 || status === 501) &&
		["NotImplemented", "InvalidArgument", "InvalidRequest"].includes(
			nameOf(error),
		)
	);
}

/** Whether the store has no deletion of many objects at once. */
export function mayRefuseBatches(error: unknown): boolean {
	const status = statusOf(error);
	return (
		status === 405 ||
		status === 501 ||
		nameOf(error) === "MissingContentMD5" ||
		nameOf(error) === "InvalidRequest"
	);
}

/** The error of a request, with the code that a caller acts on and the next step. */
export function storageError(error: unknown, at: RequestPlace): Error {
	if (error instanceof StorageError || error instanceof NotFoundError)
		return error;
	const status = statusOf(error);
	const name = nameOf(error);
	const { code } = error as { code?: unknown };
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
	if (typeof code === "string" && CERTIFICATE.has(code))
		return new StorageError(
			"STORAGE_CERTIFICATE_INVALID",
			`${at.endpoint} has a certificate that is not trusted (${messageOf(error)}): name the CA in AWS_CA_BUNDLE, or correct AWS_ENDPOINT_URL`,
			options,
		);
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
			retryable: !isFinal(status, name),
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
