import { request as plain } from "node:http";
import { request as secure } from "node:https";

/** Who a caller of Kafka Connect is, and whom it trusts. */
export interface ConnectAccess {
	readonly basicAuth?: { readonly username: string; readonly password: string };
	/** PEM of the authority that signed the certificate of an https URL, in place of the system's. */
	readonly ca?: string;
}

export interface Answer {
	readonly status: number;
	readonly text: string;
}

/** More than any answer of Kafka Connect. */
const MAX_BYTES = 64 * 2 ** 20;

/**
 * One call. Redirects are not followed: they would carry credentials elsewhere.
 * @throws Error without an answer in time
 */
export function send(
	url: string,
	{
		method,
		body,
		timeoutMs,
		access: { basicAuth, ca },
	}: {
		readonly method: string;
		/** JSON. */
		readonly body?: unknown;
		readonly timeoutMs: number;
		readonly access: ConnectAccess;
	},
): Promise<Answer> {
	const { promise, resolve, reject } = Promise.withResolvers<Answer>();
	const content =
		body === undefined ? undefined : Buffer.from(JSON.stringify(body));
	const { protocol } = new URL(url);
	const options = {
		method,
		signal: AbortSignal.timeout(timeoutMs),
		headers: {
			accept: "application/json",
			...(content !== undefined && {
				"content-type": "application/json",
				"content-length": content.length,
			}),
			...(basicAuth !== undefined && {
				authorization: `Basic ${Buffer.from(`${basicAuth.username}:${basicAuth.password}`).toString("base64")}`,
			}),
		},
	};
	const request =
		protocol === "https:"
			? secure(url, { ...options, ...(ca !== undefined && { ca }) })
			: plain(url, options);
	request.on("error", reject);
	request.on("response", (response) => {
		const pieces: Buffer[] = [];
		let size = 0;
		response.on("error", reject);
		response.on("data", (piece: Buffer) => {
			size += piece.length;
			if (size > MAX_BYTES)
				request.destroy(new Error(`an answer of more than ${MAX_BYTES} bytes`));
			else pieces.push(piece);
		});
		response.on("end", () =>
			resolve({
				status: response.statusCode ?? 0,
				text: Buffer.concat(pieces).toString(),
			}),
		);
	});
	request.end(content);
	return promise;
}
