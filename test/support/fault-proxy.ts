import {
	Agent,
	createServer,
	type IncomingMessage,
	type ServerResponse,
	request as send,
} from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { generator } from "./seed.ts";

export type Fault =
	/** Passed on as it is. */
	| { readonly kind: "none" }
	/** Answered with an error, and never passed on. */
	| { readonly kind: "refuse"; readonly status: 500 | 503 }
	/** The connection breaks before the request is passed on. */
	| { readonly kind: "reset" }
	/** The connection breaks at once, and the request arrives after `ms`. */
	| { readonly kind: "reset late"; readonly ms: number }
	| { readonly kind: "slow"; readonly ms: number }
	/** Passed on, and answered by the store, but the client never hears of it. */
	| { readonly kind: "stall" }
	/** Passed on, and the answer breaks off half-way. */
	| { readonly kind: "cut" }
	/** Passed on, and the answer stops half-way, without an end. */
	| { readonly kind: "stall body" }
	/** Passed on; instead of the answer of the store the client gets an error. */
	| { readonly kind: "lose"; readonly status: 500 | 503 | "reset" };

export interface ProxiedRequest {
	readonly method: string;
	readonly url: string;
}

export type FaultPlan = (request: ProxiedRequest) => Fault;

export interface FaultProxy {
	readonly endpoint: string;
	/** What became of the requests so far. */
	readonly log: (ProxiedRequest & { readonly fault: Fault })[];
	/** Faults from now on. */
	plan: FaultPlan;
	/** Resolves when every request that was passed on has been answered by the store. */
	settled(): Promise<void>;
	stop(): Promise<void>;
}

export const NO_FAULTS: FaultPlan = () => ({ kind: "none" });

/** Each of the faults with the same likelihood, together in `rate` of the requests. */
export function seededFaults(seed: number, rate: number): FaultPlan {
	const random = generator(seed);
	const faults: readonly (() => Fault)[] = [
		() => ({ kind: "refuse", status: 500 }),
		() => ({ kind: "refuse", status: 503 }),
		() => ({ kind: "reset" }),
		() => ({ kind: "reset late", ms: random() * 200 }),
		() => ({ kind: "slow", ms: random() * 100 }),
		() => ({ kind: "cut" }),
		() => ({ kind: "lose", status: 500 }),
		() => ({ kind: "lose", status: 503 }),
		() => ({ kind: "lose", status: "reset" }),
	];
	return () => {
		if (random() >= rate) return { kind: "none" };
		return faults[Math.floor(random() * faults.length)]?.() ?? { kind: "none" };
	};
}

/** An HTTP proxy before an S3 endpoint without TLS, which does to requests what its plan says. */
export async function startFaultProxy(upstream: string): Promise<FaultProxy> {
	const { hostname, port } = new URL(upstream);
	const agent = new Agent({ keepAlive: true, maxSockets: 64 });
	const pending = new Set<Promise<unknown>>();
	const log: (ProxiedRequest & { fault: Fault })[] = [];

	interface Answer {
		readonly head: IncomingMessage;
		readonly body: Buffer;
	}

	function forward(request: IncomingMessage, body: Buffer): Promise<Answer> {
		const answer = new Promise<Answer>((resolve, reject) => {
			const { method = "GET", url = "/" } = request;
			const forwarded = send(
				// The signature covers the headers, the host among them.
				{ hostname, port, agent, method, path: url, setHost: false },
				(head) => {
					const chunks: Buffer[] = [];
					head.on("data", (chunk: Buffer) => chunks.push(chunk));
					head.on("error", reject);
					head.on("end", () => resolve({ head, body: Buffer.concat(chunks) }));
				},
			);
			forwarded.on("error", reject);
			for (let i = 0; i < request.rawHeaders.length; i += 2) {
				const [name = "", value = ""] = request.rawHeaders.slice(i, i + 2);
				if (!/^(connection|expect)$/i.test(name))
					forwarded.setHeader(name, value);
			}
			forwarded.end(body);
		});
		pending.add(answer);
		answer.catch(() => undefined).finally(() => pending.delete(answer));
		return answer;
	}

	async function handle(
		request: IncomingMessage,
		response: ServerResponse,
	): Promise<void> {
		const chunks: Buffer[] = [];
		for await (const chunk of request) chunks.push(chunk as Buffer);
		const body = Buffer.concat(chunks);
		const { method = "GET", url = "/" } = request;
		const fault = proxy.plan({ method, url });
		log.push({ method, url, fault });
		switch (fault.kind) {
			case "refuse":
				return refuse(response, fault.status);
			case "reset":
				return reset(request);
			case "reset late":
				reset(request);
				await sleep(fault.ms);
				await forward(request, body);
				return;
			case "slow":
				await sleep(fault.ms);
				return pass(response, await forward(request, body));
			case "none":
				return pass(response, await forward(request, body));
			case "lose":
				await forward(request, body);
				return fault.status === "reset"
					? reset(request)
					: refuse(response, fault.status);
			case "stall":
				await forward(request, body);
				return;
			case "cut":
				return half(request, response, await forward(request, body), true);
			case "stall body":
				return half(request, response, await forward(request, body), false);
		}
	}

	const server = createServer((request, response) => {
		const handled = handle(request, response).catch(() => reset(request));
		pending.add(handled);
		handled.finally(() => pending.delete(handled));
	});
	await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
	const proxy: FaultProxy = {
		endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
		log,
		plan: NO_FAULTS,
		settled: async () => {
			while (pending.size > 0) await Promise.allSettled(pending);
		},
		stop: async () => {
			server.closeAllConnections();
			await new Promise((done) => server.close(done));
			await proxy.settled();
			agent.destroy();
		},
	};
	return proxy;
}

function reset(request: IncomingMessage): void {
	request.socket.resetAndDestroy();
}

function refuse(response: ServerResponse, status: 500 | 503): void {
	const code = status === 503 ? "SlowDown" : "InternalError";
	const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>by the plan</Message></Error>`;
	response.writeHead(status, {
		"content-type": "application/xml",
		"content-length": Buffer.byteLength(body),
	});
	response.end(body);
}

function pass(
	response: ServerResponse,
	{ head, body }: { head: IncomingMessage; body: Buffer },
): void {
	response.writeHead(head.statusCode ?? 500, head.rawHeaders);
	response.end(body);
}

/** Half of the body, or half of the head where there is no body. */
function half(
	request: IncomingMessage,
	response: ServerResponse,
	{ head, body }: { head: IncomingMessage; body: Buffer },
	end: boolean,
): void {
	const done = (): void => {
		if (end) reset(request);
	};
	if (body.length > 1) {
		response.writeHead(head.statusCode ?? 500, head.rawHeaders);
		response.write(body.subarray(0, body.length >> 1), done);
	} else request.socket.write(`HTTP/1.1 ${head.statusCode} OK\r\nETa`, done);
}
