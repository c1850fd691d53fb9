import type { IncomingMessage, RequestListener } from "node:http";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { afterEach } from "vitest";
import { storageCredentials } from "../../src/storage/open.ts";
import type { RetryPolicy } from "../../src/storage/retry.ts";
import { openS3Store } from "../../src/storage/s3.ts";
import type { ObjectStore } from "../../src/storage/store.ts";

export const SECRET = "never-to-be-shown";

/** What the store answers: status, body, headers; or `hang up` without an answer. */
export type Answer =
	| {
			readonly status: number;
			readonly body?: string;
			readonly headers?: Readonly<Record<string, string>>;
			/** Hang up after so many bytes of the body. */
			readonly cutAt?: number;
	  }
	| "hang up";

export interface Seen {
	readonly method: string;
	readonly url: string;
	readonly headers: IncomingMessage["headers"];
	readonly body: string;
}

export interface ScriptedS3 {
	readonly store: ObjectStore;
	readonly requests: Seen[];
	readonly port: number;
}

const running = new Set<ReturnType<typeof createServer>>();

afterEach(() => {
	for (const server of running) {
		server.closeAllConnections();
		server.close();
	}
	running.clear();
});

/** A store at `s3://lake/shop/orders` whose answers the test gives; it ends with the test. */
export async function scriptedS3(
	answer: (seen: Seen, count: number) => Answer,
	options: {
		readonly tls?: { readonly key: string; readonly cert: string };
		readonly environment?: Readonly<Record<string, string>>;
		/** With `{port}` where the port goes. */
		readonly endpoint?: string;
		readonly location?: string;
		/** Waits are a tenth of the usual ones. */
		readonly retry?: Partial<RetryPolicy>;
	} = {},
): Promise<ScriptedS3> {
	const requests: Seen[] = [];
	const listener: RequestListener = async (request, response) => {
		const chunks: Buffer[] = [];
		try {
			for await (const chunk of request) chunks.push(chunk as Buffer);
		} catch {
			return; // The client gave the request up.
		}
		const seen = {
			method: request.method ?? "",
			url: request.url ?? "",
			headers: request.headers,
			body: Buffer.concat(chunks).toString(),
		};
		requests.push(seen);
		const reply = answer(seen, requests.length);
		if (reply === "hang up") {
			request.socket.destroy();
			return;
		}
		const body = Buffer.from(reply.body ?? "");
		response.writeHead(reply.status, {
			"content-length": body.length,
			...reply.headers,
		});
		if (reply.cutAt === undefined) response.end(body);
		else
			response.write(body.subarray(0, reply.cutAt), () =>
				request.socket.destroy(),
			);
	};
	const server =
		options.tls === undefined
			? createServer(listener)
			: createTlsServer(options.tls, listener);
	running.add(server);
	await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
	const { port } = server.address() as AddressInfo;
	const [, bucket = "", prefix = ""] =
		/^s3:\/\/([^/]+)\/(.*)$/.exec(
			options.location ?? "s3://lake/shop/orders",
		) ?? [];
	const store = openS3Store({
		bucket,
		prefix,
		retry: { baseMs: 10, ...options.retry },
		credentials: storageCredentials({
			AWS_ACCESS_KEY_ID: "key",
			AWS_SECRET_ACCESS_KEY: SECRET,
			AWS_SESSION_TOKEN: "session",
			AWS_REGION: "",
			AWS_ENDPOINT_URL: (
				options.endpoint ??
				`${options.tls === undefined ? "http" : "https"}://127.0.0.1:{port}`
			).replace("{port}", String(port)),
			...options.environment,
		}),
	});
	return { store, requests, port };
}

/** S3's answer to a request that failed. */
export function failure(
	status: number,
	code: string,
	headers: Readonly<Record<string, string>> = {},
): Answer {
	return {
		status,
		body: `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`,
		headers: { "content-type": "application/xml", ...headers },
	};
}
