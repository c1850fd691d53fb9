import { messageOf, TributaryError } from "../errors.ts";
import { type Answer, type ConnectAccess, send } from "./http.ts";

export type { ConnectAccess } from "./http.ts";

export type ConnectErrorCode =
	| "CONNECT_UNREACHABLE"
	| "CONNECT_DENIED"
	| "CONNECT_REJECTED"
	| "CONNECT_FAILED";

export class ConnectError extends TributaryError {
	declare readonly code: ConnectErrorCode;
}

export type ConnectorConfig = Readonly<Record<string, string>>;

export interface ConnectorStatus {
	readonly name: string;
	readonly connector: { readonly state: string; readonly trace?: string };
	readonly tasks: readonly {
		readonly id: number;
		readonly state: string;
		readonly trace?: string;
	}[];
}

export type Validation =
	| { readonly kind: "valid" }
	| {
			readonly kind: "invalid";
			readonly errors: readonly {
				readonly field: string;
				readonly message: string;
			}[];
	  };

export interface ConnectClient {
	plugins(): Promise<readonly string[]>;
	validate(config: ConnectorConfig): Promise<Validation>;
	connectors(): Promise<readonly string[]>;
	/** `undefined` when there is no such connector. */
	config(name: string): Promise<ConnectorConfig | undefined>;
	status(name: string): Promise<ConnectorStatus | undefined>;
	/** Creates or updates. */
	put(name: string, config: ConnectorConfig): Promise<void>;
	/** Restarts the connector and those of its tasks that have failed. */
	restartFailed(name: string): Promise<void>;
	/** Restarts the connector and all of its tasks. */
	restart(name: string): Promise<void>;
	pause(name: string): Promise<void>;
	resume(name: string): Promise<void>;
	stop(name: string): Promise<void>;
	offsets(name: string): Promise<unknown>;
	/** Only a stopped connector's offsets can be deleted (KIP-875). */
	deleteOffsets(name: string): Promise<void>;
	/** One that is gone is fine. */
	delete(name: string): Promise<void>;
}

export interface ConnectOptions extends ConnectAccess {
	readonly timeoutMs?: number;
	readonly attempts?: number;
	readonly sleep?: (ms: number) => Promise<void>;
}

/**
 * Kafka Connect's REST API. Every call has a time limit; 409 (a rebalance is under way), 5xx and
 * connection errors are tried again with growing, jittered pauses.
 */
export function connectClient(
	url: string,
	options: ConnectOptions = {},
): ConnectClient {
	const base = url.replace(/\/+$/, "");
	const attempts = options.attempts ?? 5;
	const sleep =
		options.sleep ??
		((ms: number) => new Promise<void>((wake) => setTimeout(wake, ms)));

	async function call(
		method: string,
		path: string,
		body?: unknown,
	): Promise<{ status: number; body: unknown }> {
		for (let attempt = 1; ; attempt++) {
			const last = attempt >= attempts;
			let answer: Answer;
			try {
				answer = await send(base + path, {
					method,
					body,
					timeoutMs: options.timeoutMs ?? 15_000,
					access: options,
				});
			} catch (cause) {
				if (last)
					throw new ConnectError(
						"CONNECT_UNREACHABLE",
						`no answer from Kafka Connect at ${base}: check kafka.connectUrl and that the cluster runs (${reason(cause)})`,
						{ cause, retryable: true },
					);
				await pause(attempt);
				continue;
			}
			const { status, text } = answer;
			const again = status === 409 || status >= 500;
			if (again && !last) {
				await pause(attempt);
				continue;
			}
			if ((status >= 200 && status < 300) || status === 404)
				return { status, body: text === "" ? undefined : parse(text) };
			throw refusal(status, text, `${method} ${path}`);
		}
	}

	function pause(attempt: number): Promise<void> {
		return sleep(
			Math.min(5000, 200 * 2 ** attempt) * (0.5 + Math.random() / 2),
		);
	}

	function refusal(status: number, text: string, what: string): ConnectError {
		const body = parse(text);
		const message =
			typeof body === "object" && body !== null && "message" in body
				? String(body.message)
				: text.slice(0, 500);
		if (status === 401 || status === 403)
			return new ConnectError(
				"CONNECT_DENIED",
				`Kafka Connect at ${base} refused ${what} with ${status}: check kafka.connectSecretRef`,
			);
		return new ConnectError(
			status < 500 ? "CONNECT_REJECTED" : "CONNECT_FAILED",
			`Kafka Connect at ${base} answered ${status} to ${what}: ${message}`,
			{ retryable: status >= 500 || status === 409 },
		);
	}

	const at = (name: string): string =>
		`/connectors/${encodeURIComponent(name)}`;
	return {
		plugins: async () => {
			const { body } = await call("GET", "/connector-plugins");
			return (body as { class: string }[]).map((plugin) => plugin.class);
		},
		validate: async (config) => {
			const type = config["connector.class"] ?? "";
			const { status, body } = await call(
				"PUT",
				`/connector-plugins/${encodeURIComponent(type)}/config/validate`,
				config,
			);
			if (status === 404)
				return {
					kind: "invalid",
					errors: [
						{
							field: "connector.class",
							message: `Kafka Connect at ${base} has no plugin ${type}: install Debezium's connector on every worker`,
						},
					],
				};
			const { configs } = body as {
				configs: { value: { name: string; errors: string[] } | null }[];
			};
			const errors = configs.flatMap(({ value }) =>
				(value?.errors ?? []).map((message) => ({
					field: value?.name ?? "",
					message,
				})),
			);
			return errors.length === 0
				? { kind: "valid" }
				: { kind: "invalid", errors };
		},
		connectors: async () =>
			(await call("GET", "/connectors")).body as readonly string[],
		config: async (name) => {
			const { status, body } = await call("GET", `${at(name)}/config`);
			return status === 404 ? undefined : (body as ConnectorConfig);
		},
		status: async (name) => {
			const { status, body } = await call("GET", `${at(name)}/status`);
			return status === 404 ? undefined : (body as ConnectorStatus);
		},
		put: async (name, config) => {
			await call("PUT", `${at(name)}/config`, config);
		},
		restartFailed: async (name) => {
			await call(
				"POST",
				`${at(name)}/restart?includeTasks=true&onlyFailed=true`,
			);
		},
		restart: async (name) => {
			await call(
				"POST",
				`${at(name)}/restart?includeTasks=true&onlyFailed=false`,
			);
		},
		pause: async (name) => {
			await call("PUT", `${at(name)}/pause`);
		},
		resume: async (name) => {
			await call("PUT", `${at(name)}/resume`);
		},
		stop: async (name) => {
			await call("PUT", `${at(name)}/stop`);
		},
		offsets: async (name) => (await call("GET", `${at(name)}/offsets`)).body,
		deleteOffsets: async (name) => {
			await call("DELETE", `${at(name)}/offsets`);
		},
		delete: async (name) => {
			await call("DELETE", at(name));
		},
	};
}

function parse(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return undefined;
	}
}

function reason(error: unknown): string {
	// Where a host has several addresses, what each of them answered.
	if (error instanceof AggregateError)
		return error.errors.map(messageOf).join("; ");
	const cause = error instanceof Error ? error.cause : undefined;
	return messageOf(cause ?? error);
}
