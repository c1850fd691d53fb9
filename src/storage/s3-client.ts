import { readFileSync } from "node:fs";
import { getCACertificates } from "node:tls";
import { S3Client } from "@aws-sdk/client-s3";
import { ConfigError, messageOf } from "../errors.ts";
import { type RetryBudget, retryBudget } from "./retry.ts";

/** By AWS's own names in the environment; without keys the SDK looks for an identity of the machine. */
export interface StorageCredentials {
	readonly accessKeyId?: string;
	readonly secretAccessKey?: string;
	readonly sessionToken?: string;
	readonly region?: string;
	/** For stores other than AWS: `http://…` or `https://…`; turns path-style addressing on. */
	readonly endpoint?: string;
	/** `https://bucket.endpoint/key` instead of `https://endpoint/bucket/key` at that endpoint. */
	readonly virtualHosted?: boolean;
	/** Certificates that are trusted beside the usual ones: PEM text, or the path of a PEM file. */
	readonly caBundle?: string;
}

/** What the stores at one endpoint share under one identity. */
export interface S3Connection {
	readonly client: S3Client;
	readonly budget: RetryBudget;
	/** Whether the endpoint takes checksum headers; found out by the first refusal. */
	checksums: boolean;
	/** Buckets that were seen to refuse a conditional PUT of a name that is taken. */
	readonly conditional: Set<string>;
}

/** Until the answer to a request begins, its upload included. */
export const REQUEST_TIMEOUT_MS = 60_000;
const CONNECTION_TIMEOUT_MS = 5_000;
const MAX_SOCKETS = 64;

const connections = new Map<string, S3Connection>();

/**
 * One client per endpoint and identity, so that tables share connections. It sends each request
 * once: what is retried, and how, is decided by the store.
 *
 * @throws ConfigError when the CA bundle can't be read
 */
export function connect(
	credentials: StorageCredentials,
	requestTimeoutMs: number,
): S3Connection {
	const key = JSON.stringify([credentials, requestTimeoutMs]);
	let found = connections.get(key);
	if (found === undefined) {
		found = {
			client: client(credentials, requestTimeoutMs),
			budget: retryBudget(),
			checksums: true,
			conditional: new Set(),
		};
		connections.set(key, found);
	}
	return found;
}

function client(
	credentials: StorageCredentials,
	requestTimeoutMs: number,
): S3Client {
	const { accessKeyId, secretAccessKey, sessionToken, endpoint } = credentials;
	const ca = certificates(credentials.caBundle);
	return new S3Client({
		region: credentials.region ?? process.env.AWS_REGION ?? "us-east-1",
		maxAttempts: 1,
		// Checksums are computed by the store: the SDK's would stop at gateways that do not know them.
		requestChecksumCalculation: "WHEN_REQUIRED",
		responseChecksumValidation: "WHEN_REQUIRED",
		requestHandler: {
			connectionTimeout: CONNECTION_TIMEOUT_MS,
			requestTimeout: requestTimeoutMs,
			throwOnRequestTimeout: true,
			socketTimeout: requestTimeoutMs,
			httpsAgent: {
				maxSockets: MAX_SOCKETS,
				...(ca === undefined ? {} : { ca }),
			},
			httpAgent: { maxSockets: MAX_SOCKETS },
		},
		...(endpoint === undefined
			? {}
			: { endpoint, forcePathStyle: credentials.virtualHosted !== true }),
		...(accessKeyId === undefined
			? {}
			: {
					credentials: {
						accessKeyId,
						secretAccessKey: secretAccessKey ?? "",
						...(sessionToken === undefined ? {} : { sessionToken }),
					},
				}),
	});
}

function certificates(bundle: string | undefined): string[] | undefined {
	if (bundle === undefined) return undefined;
	let text = bundle;
	if (!bundle.includes("-----BEGIN"))
		try {
			text = readFileSync(bundle, "utf8");
		} catch (cause) {
			throw new ConfigError(
				`AWS_CA_BUNDLE names a file that can't be read (${messageOf(cause)}): give the path of a PEM file, or the PEM text itself`,
				{ cause },
			);
		}
	if (!text.includes("-----BEGIN CERTIFICATE-----"))
		throw new ConfigError(
			"AWS_CA_BUNDLE has no certificate: it must be PEM, with -----BEGIN CERTIFICATE-----",
		);
	return [...getCACertificates(), text];
}
