import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { messageOf, TributaryError } from "../errors.ts";
import type { Database } from "./database.ts";
import { fileJson, runJson } from "./json.ts";
import { findRun, listRuns } from "./runs.ts";
import {
	FILE_STATUSES,
	type FileStatus,
	listFiles,
	retryFiles,
} from "./state.ts";
import type { IngestWorker } from "./worker.ts";

const ROOT = "/api/v1/ingestions";
const MAX_BODY_BYTES = 1024 * 1024;
const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1000;

interface Answer {
	readonly status: number;
	readonly body: unknown;
	readonly headers?: Readonly<Record<string, string>>;
}

/** A request that is answered with a 4xx. */
class Refused extends Error {
	readonly status: number;
	readonly code: string;

	constructor(status: number, code: string, message: string) {
		super(message);
		this.status = status;
		this.code = code;
	}
}

/**
 * The HTTP API of a worker: `POST …/{id}/run`, `GET …/{id}/runs[/{run}]`, `GET …/{id}/files`,
 * `POST …/{id}/retry`. Every request has to show the token; without one nobody is answered.
 * @returns what answers a request, or says that it is none of its own
 */
export function ingestApi(options: {
	readonly worker: IngestWorker;
	readonly db: Database;
	readonly token: string | undefined;
}): (request: IncomingMessage, response: ServerResponse) => boolean {
	return (request, response) => {
		const url = URL.parse(request.url ?? "/", "http://worker");
		if (url === null) return false;
		if (url.pathname !== ROOT && !url.pathname.startsWith(`${ROOT}/`))
			return false;
		answer(request, url, options).then(
			(reply) => send(response, reply),
			(error: unknown) => send(response, failure(error)),
		);
		return true;
	};
}

async function answer(
	request: IncomingMessage,
	url: URL,
	{ worker, db, token }: Parameters<typeof ingestApi>[0],
): Promise<Answer> {
	authenticate(request, token);
	const [id, what, which, ...more] = url.pathname
		.slice(ROOT.length + 1)
		.split("/")
		.map(decode);
	const { method = "GET" } = request;
	if (id === "" || id === undefined) {
		only(method, "GET");
		return { status: 200, body: { ingestions: [await summary(worker)] } };
	}
	if (id !== worker.id && id !== worker.id.slice(worker.id.indexOf(".") + 1))
		throw new Refused(
			404,
			"NOT_FOUND",
			`there is no ingestion ${id} here: this worker has ${worker.id}`,
		);
	if (more.length > 0 || (which !== undefined && what !== "runs"))
		throw unknownPath(url);
	switch (what) {
		case undefined:
			only(method, "GET");
			return { status: 200, body: await summary(worker) };
		case "run": {
			only(method, "POST");
			const run = await worker.request();
			return {
				status: 202,
				body: runJson(run),
				headers: { location: `${ROOT}/${worker.id}/runs/${run.id}` },
			};
		}
		case "runs": {
			only(method, "GET");
			if (which === undefined) {
				const runs = await listRuns(db, worker.id, limitOf(url));
				return { status: 200, body: { runs: runs.map(runJson) } };
			}
			const run = await findRun(db, worker.id, which);
			if (run === undefined)
				throw new Refused(404, "NOT_FOUND", `there is no run ${which}`);
			return { status: 200, body: runJson(run) };
		}
		case "files": {
			only(method, "GET");
			const limit = limitOf(url);
			const files = await listFiles(db, worker.id, {
				status: statusOf(url.searchParams.get("status")),
				run: url.searchParams.get("run") ?? undefined,
				path: url.searchParams.get("path") ?? undefined,
				after: wholeNumber("after", url.searchParams.get("after")),
				limit,
			});
			const last = files.at(-1);
			return {
				status: 200,
				body: {
					files: files.map(fileJson),
					...(files.length === limit &&
						last !== undefined && { next: last.id }),
				},
			};
		}
		case "retry": {
			only(method, "POST");
			const paths = pathsOf(await bodyOf(request));
			const files = await retryFiles(db, worker.id, paths);
			const run = files > 0 ? await worker.request() : undefined;
			return {
				status: 202,
				body: { files, ...(run !== undefined && { run: runJson(run) }) },
			};
		}
		default:
			throw unknownPath(url);
	}
}

async function summary(worker: IngestWorker): Promise<object> {
	const { lastRun, ...report } = await worker.report();
	return {
		...report,
		lastRun: lastRun === undefined ? null : runJson(lastRun),
	};
}

function authenticate(
	{ headers }: IncomingMessage,
	token: string | undefined,
): void {
	if (token === undefined || token === "")
		throw new Refused(
			403,
			"API_DISABLED",
			"this worker has no token, so it answers nobody: set spec.api.tokenSecretRef",
		);
	const [, given = ""] =
		/^bearer +(\S+)\s*$/i.exec(headers.authorization ?? "") ?? [];
	// Digests are of one length, and comparing them tells nothing of the token.
	const digest = (text: string): Buffer =>
		createHash("sha256").update(text).digest();
	if (!timingSafeEqual(digest(given), digest(token)))
		throw new Refused(
			401,
			"UNAUTHORIZED",
			"send the header Authorization: Bearer TOKEN with the token of spec.api.tokenSecretRef",
		);
}

function only(method: string, allowed: "GET" | "POST"): void {
	if (method !== allowed)
		throw new Refused(405, "METHOD_NOT_ALLOWED", `${method}: use ${allowed}`);
}

function unknownPath(url: URL): Refused {
	return new Refused(
		404,
		"NOT_FOUND",
		`${url.pathname} is none of ${ROOT}/{id}, …/run, …/runs, …/runs/{run}, …/files and …/retry`,
	);
}

function decode(part: string): string {
	try {
		return decodeURIComponent(part);
	} catch {
		throw new Refused(400, "BAD_REQUEST", `${part} is no part of a path`);
	}
}

function statusOf(text: string | null): FileStatus | undefined {
	if (text === null) return undefined;
	const status = FILE_STATUSES.find((one) => one === text.toUpperCase());
	if (status === undefined)
		throw new Refused(
			400,
			"BAD_REQUEST",
			`status=${text}: use one of ${FILE_STATUSES.join(", ")}`,
		);
	return status;
}

function limitOf(url: URL): number {
	const limit = wholeNumber("limit", url.searchParams.get("limit"));
	if (limit === undefined) return DEFAULT_LIMIT;
	if (limit < 1 || limit > MAX_LIMIT)
		throw new Refused(
			400,
			"BAD_REQUEST",
			`limit=${limit}: use 1 to ${MAX_LIMIT}`,
		);
	return limit;
}

function wholeNumber(name: string, text: string | null): number | undefined {
	if (text === null) return undefined;
	if (!/^\d{1,15}$/.test(text))
		throw new Refused(
			400,
			"BAD_REQUEST",
			`${name}=${text}: use a whole number`,
		);
	return Number(text);
}

function pathsOf(body: string): readonly string[] | undefined {
	if (body.trim() === "") return undefined;
	let value: unknown;
	try {
		value = JSON.parse(body);
	} catch (error) {
		throw new Refused(
			400,
			"BAD_REQUEST",
			`the body is no JSON: ${messageOf(error)}`,
		);
	}
	const paths =
		typeof value === "object" && value !== null && "paths" in value
			? value.paths
			: undefined;
	if (paths === undefined) return undefined;
	if (!Array.isArray(paths) || !paths.every((one) => typeof one === "string"))
		throw new Refused(400, "BAD_REQUEST", "paths has to be a list of texts");
	return paths;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
	const chunks: Buffer[] = [];
	let size = 0;
	for await (const chunk of request) {
		size += (chunk as Buffer).length;
		if (size > MAX_BODY_BYTES)
			throw new Refused(
				413,
				"BODY_TOO_LARGE",
				`a body may have ${MAX_BODY_BYTES} bytes`,
			);
		chunks.push(chunk as Buffer);
	}
	return Buffer.concat(chunks).toString("utf8");
}

function failure(error: unknown): Answer {
	if (error instanceof Refused)
		return {
			status: error.status,
			body: { code: error.code, message: error.message },
			...(error.status === 401 && {
				headers: { "www-authenticate": "Bearer" },
			}),
		};
	return {
		status: error instanceof TributaryError && error.retryable ? 503 : 500,
		body: {
			code: error instanceof TributaryError ? error.code : "UNEXPECTED",
			message: messageOf(error),
		},
	};
}

function send(
	response: ServerResponse,
	{ status, body, headers = {} }: Answer,
): void {
	response.writeHead(status, {
		"content-type": "application/json",
		"cache-control": "no-store",
		...headers,
	});
	response.end(`${JSON.stringify(body)}\n`);
}
