import http from "node:http";
import https from "node:https";
import { text } from "node:stream/consumers";
import { messageOf, TributaryError } from "../errors.ts";
import type { ApiAccess } from "./access.ts";

/** What the API server answered instead of what was asked for, or that it did not answer. */
export class ApiError extends TributaryError {
	/** HTTP status; 0 where there was no answer. */
	readonly status: number;
	/** `reason` of the server's Status, such as `NotFound`. */
	readonly reason: string;
	readonly retryAfterMs: number | undefined;

	constructor(
		message: string,
		options: {
			status: number;
			reason?: string;
			retryAfterMs?: number | undefined;
			cause?: unknown;
		},
	) {
		const { status } = options;
		super("KUBE_API", message, {
			retryable:
				status === 0 || status === 409 || status === 429 || status >= 500,
			cause: options.cause,
		});
		this.status = status;
		this.reason = options.reason ?? "";
		this.retryAfterMs = options.retryAfterMs;
	}
}

export interface ApiRequest {
	readonly method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
	readonly path: string;
	readonly query?: Readonly<
		Record<string, string | number | boolean | undefined>
	>;
	readonly body?: object;
	readonly contentType?: string;
	readonly signal?: AbortSignal;
	/** Until the answer is complete; of a stream, until its head is there. */
	readonly timeoutMs?: number;
}

/** Speaks with one API server, with the address and the credentials that it is given. */
export interface ApiClient {
	/**
	 * The parsed answer.
	 *
	 * @throws ApiError for any answer but 2xx, and where there is none in time.
	 */
	request<T>(request: ApiRequest): Promise<T>;
	/**
	 * The lines of an answer that does not end soon, such as a watch.
	 *
	 * @throws ApiError as `request` does, and when the connection breaks.
	 */
	lines(request: ApiRequest): AsyncGenerator<string>;
}

/** One answer of the API server. */
export interface AnswerNote {
	readonly method: string;
	/** HTTP status; 0 where there was no answer. */
	readonly status: number;
	/** Of the API server, with its port. */
	readonly host: string;
}

export function createApiClient(
	access: ApiAccess,
	{
		userAgent = "tributary",
		onAnswer = () => {},
	}: {
		userAgent?: string;
		/** Told of every answer, and of every request that got none. */
		onAnswer?: (answer: AnswerNote) => void;
	} = {},
): ApiClient {
	const server = access.getCurrentCluster()?.server;
	if (server === undefined)
		throw new ApiError(
			"the kubeconfig has no current cluster: set KUBECONFIG or run inside a pod",
			{ status: 0 },
		);

	// The client library's agents open a connection for each request and keep the first certificate
	// for ever; ours pool by what the TLS options are at the time.
	const agent = server.startsWith("https:")
		? new https.Agent({ keepAlive: true })
		: new http.Agent({ keepAlive: true });
	const direct = access.getCurrentCluster()?.proxyUrl === undefined;

	async function open(
		request: ApiRequest,
		signal: AbortSignal,
	): Promise<http.IncomingMessage> {
		const url = new URL(server + request.path);
		for (const [name, value] of Object.entries(request.query ?? {}))
			if (value !== undefined) url.searchParams.set(name, String(value));
		const body =
			request.body === undefined ? undefined : JSON.stringify(request.body);
		const options: https.RequestOptions = {
			method: request.method ?? "GET",
			headers: {},
		};
		await access.applyToHTTPSOptions(options);
		options.headers = {
			...(options.headers as http.OutgoingHttpHeaders),
			accept: "application/json",
			"user-agent": userAgent,
			...(body !== undefined && {
				"content-type": request.contentType ?? "application/json",
				"content-length": Buffer.byteLength(body),
			}),
		};
		options.signal = signal;
		if (direct) options.agent = agent;
		const { promise, resolve, reject } =
			Promise.withResolvers<http.IncomingMessage>();
		const outgoing = (url.protocol === "https:" ? https.request : http.request)(
			url,
			options,
			resolve,
		);
		outgoing.on("error", reject);
		outgoing.end(body);
		const { method = "GET" } = options;
		const noted = (status: number): void =>
			onAnswer({ method: String(method), status, host: url.host });
		const response = await promise.catch((error: unknown) => {
			// One that was called off, as watches are at the end, is no failure of the server.
			if (!request.signal?.aborted) noted(0);
			throw error;
		});
		const status = response.statusCode ?? 0;
		noted(status);
		if (status >= 200 && status < 300) return response;
		throw await failure(request, status, response);
	}

	async function request<T>(request: ApiRequest): Promise<T> {
		const timeout = AbortSignal.timeout(request.timeoutMs ?? 30_000);
		const signal = AbortSignal.any(
			request.signal ? [timeout, request.signal] : [timeout],
		);
		try {
			return JSON.parse(await text(await open(request, signal))) as T;
		} catch (error) {
			throw unanswered(request, timeout.aborted ? timeout.reason : error);
		}
	}

	async function* lines(request: ApiRequest): AsyncGenerator<string> {
		const timeout = new AbortController();
		const timer = setTimeout(
			() => timeout.abort(new Error("no answer in time")),
			request.timeoutMs ?? 30_000,
		);
		const signal = AbortSignal.any(
			request.signal ? [timeout.signal, request.signal] : [timeout.signal],
		);
		try {
			const response = await open(request, signal);
			clearTimeout(timer);
			response.setEncoding("utf8");
			let rest = "";
			for await (const chunk of response as AsyncIterable<string>) {
				const parts = (rest + chunk).split("\n");
				rest = parts.pop() ?? "";
				for (const line of parts) if (line !== "") yield line;
			}
			if (rest !== "") yield rest;
		} catch (error) {
			throw unanswered(request, error);
		} finally {
			clearTimeout(timer);
		}
	}

	return { request, lines };
}

async function failure(
	request: ApiRequest,
	status: number,
	response: http.IncomingMessage,
): Promise<ApiError> {
	const raw = await text(response);
	let said: { message?: string; reason?: string } = {};
	try {
		said = JSON.parse(raw) as typeof said;
	} catch {
		// A proxy in between may answer with anything; its text is all there is to say.
		said = { message: raw.slice(0, 500) };
	}
	const retryAfter = Number(response.headers["retry-after"]);
	return new ApiError(
		`${request.method ?? "GET"} ${request.path}: ${status} ${said.message || (response.statusMessage ?? "")}`,
		{
			status,
			reason: said.reason ?? "",
			retryAfterMs: retryAfter > 0 ? retryAfter * 1000 : undefined,
		},
	);
}

function unanswered(request: ApiRequest, error: unknown): ApiError {
	if (error instanceof ApiError) return error;
	return new ApiError(
		`${request.method ?? "GET"} ${request.path}: ${messageOf(error)}`,
		{ status: 0, cause: error },
	);
}
