import {
	createServer,
	type IncomingMessage,
	type ServerResponse,
} from "node:http";
import type { Exposition } from "./metrics.ts";

export interface HealthOptions {
	/** 0 takes a free port. */
	readonly port: number;
	readonly host?: string;
	readonly registry: Exposition;
	/** Problems because of which the process has to be restarted; none is healthy. */
	readonly live: () => readonly string[];
	/** Problems because of which it does not do its work now; none is ready. */
	readonly ready: () => readonly string[];
	/** The answer of `/status`. */
	readonly status?: () => unknown;
	/** Answers requests for other paths; false for one that it does not know. */
	readonly other?: (
		request: IncomingMessage,
		response: ServerResponse,
	) => boolean;
}

export interface HealthServer {
	readonly port: number;
	close(): Promise<void>;
}

/** Serves `/healthz`, `/readyz`, `/metrics` and, where there is one, `/status`. */
export function serveHealth(options: HealthOptions): Promise<HealthServer> {
	const server = createServer((request, response) => {
		switch (request.url?.split("?")[0]) {
			case "/healthz":
				answer(response, options.live());
				return;
			case "/readyz":
				answer(response, options.ready());
				return;
			case "/metrics":
				options.registry.metrics().then(
					(text) => {
						response.setHeader("content-type", options.registry.contentType);
						response.end(text);
					},
					(error: unknown) => failed(response, error),
				);
				return;
			case "/status":
				if (options.status !== undefined) {
					Promise.resolve(options.status()).then(
						(report) => {
							response.setHeader("content-type", "application/json");
							response.end(`${JSON.stringify(report)}\n`);
						},
						(error: unknown) => failed(response, error),
					);
					return;
				}
		}
		if (options.other?.(request, response) === true) return;
		response.statusCode = 404;
		response.end("known paths: /healthz /readyz /metrics /status\n");
	});
	return new Promise((ready, fail) => {
		server.once("error", fail);
		server.listen(options.port, options.host ?? "0.0.0.0", () => {
			const address = server.address();
			ready({
				port: typeof address === "object" ? (address?.port ?? 0) : 0,
				close: () =>
					new Promise((closed) => {
						server.close(() => closed());
						server.closeAllConnections();
					}),
			});
		});
	});
}

function failed(response: ServerResponse, error: unknown): void {
	response.statusCode = 500;
	response.end(`${String(error)}\n`);
}

function answer(response: ServerResponse, problems: readonly string[]): void {
	response.statusCode = problems.length === 0 ? 200 : 503;
	response.end(problems.length === 0 ? "ok\n" : `${problems.join("\n")}\n`);
}
