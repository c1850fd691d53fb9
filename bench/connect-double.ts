import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

export interface ConnectDouble {
	readonly url: string;
	/** Configurations by name; what is put or deleted here by hand is drift. */
	readonly connectors: Map<
		string,
		{ config: Record<string, string>; state: string }
	>;
	readonly requests: () => number;
	stop(): Promise<void>;
}

/**
 * The part of Kafka Connect's REST API that the operator uses, without any connector behind it; each
 * answer takes some milliseconds, as a herder's does.
 */
export async function startConnectDouble({
	delayMs = 10,
}: {
	delayMs?: number;
} = {}): Promise<ConnectDouble> {
	const connectors: ConnectDouble["connectors"] = new Map();
	let requests = 0;

	function answer(
		method: string,
		path: string,
		body: string,
	): { status: number; body?: unknown } {
		if (path.startsWith("/connector-plugins/"))
			return { status: 200, body: { configs: [] } };
		const [, , encoded, part] = path.split("/");
		if (encoded === undefined)
			return { status: 200, body: [...connectors.keys()] };
		const name = decodeURIComponent(encoded);
		const found = connectors.get(name);
		if (method === "PUT" && part === "config") {
			const config = JSON.parse(body) as Record<string, string>;
			connectors.set(name, { config, state: found?.state ?? "RUNNING" });
			return {
				status: found === undefined ? 201 : 200,
				body: { name, config },
			};
		}
		if (found === undefined)
			return { status: 404, body: { message: `Connector ${name} not found` } };
		if (method === "DELETE") {
			connectors.delete(name);
			return { status: 204 };
		}
		switch (part) {
			case "config":
				return { status: 200, body: found.config };
			case "status":
				return {
					status: 200,
					body: {
						name,
						connector: { state: found.state, worker_id: "double:8083" },
						tasks:
							found.state === "STOPPED"
								? []
								: [{ id: 0, state: found.state, worker_id: "double:8083" }],
					},
				};
			case "pause":
			case "resume":
			case "stop": {
				const states = { pause: "PAUSED", resume: "RUNNING", stop: "STOPPED" };
				found.state = states[part];
				return { status: 202 };
			}
			case "restart":
				return { status: 202 };
			default:
				return { status: 404, body: { message: `no ${path}` } };
		}
	}

	function send(response: ServerResponse, status: number, body: unknown): void {
		response.writeHead(status, { "content-type": "application/json" });
		response.end(body === undefined ? "" : JSON.stringify(body));
	}

	const server = createServer(async (request, response) => {
		requests++;
		const body = await text(request);
		const path = (request.url ?? "/").split("?")[0] ?? "/";
		setTimeout(() => {
			const said = answer(request.method ?? "GET", path, body);
			send(response, said.status, said.body);
		}, delayMs);
	});
	await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
	const { port } = server.address() as AddressInfo;
	return {
		url: `http://127.0.0.1:${port}`,
		connectors,
		requests: () => requests,
		stop: () =>
			new Promise((stopped) => {
				server.close(() => stopped());
				server.closeAllConnections();
			}),
	};
}
