import type { SASLOptions } from "kafkajs";
import { ConfigError, messageOf, TributaryError } from "../errors.ts";
import { SASL_MECHANISMS, saslKeys } from "./secrets.ts";

/** How a writer proves to the brokers who it is. */
export type SaslConfig =
	| {
			readonly mechanism: "plain" | "scram-sha-256" | "scram-sha-512";
			readonly username: string;
			readonly password: string;
	  }
	| {
			readonly mechanism: "oauthbearer";
			readonly tokenEndpoint: string;
			readonly clientId: string;
			readonly clientSecret: string;
			readonly scope: string | undefined;
	  };

/**
 * @param value - of a key of the Secret; `undefined` where it has none
 * @param where - what refers to the Secret, for messages
 * @throws ConfigError naming the key, never its value
 */
export function saslConfig(
	value: (key: string) => string | undefined,
	where: string,
): SaslConfig {
	const need = (key: string): string => {
		const text = value(key);
		if (text === undefined || text === "")
			throw new ConfigError(`${where} has no key ${key}: add it`);
		return text;
	};
	const text = need("mechanism").toLowerCase();
	const mechanism = SASL_MECHANISMS.find((one) => one === text);
	if (mechanism === undefined)
		throw new ConfigError(
			`${where}: mechanism ${text} is not supported: use ${SASL_MECHANISMS.slice(0, -1).join(", ")} or ${SASL_MECHANISMS.at(-1)}`,
		);
	for (const key of saslKeys(mechanism).required) need(key);
	if (mechanism !== "oauthbearer")
		return {
			mechanism,
			username: need("username"),
			password: need("password"),
		};
	const tokenEndpoint = need("token.endpoint.url");
	if (!/^https?:$/.test(URL.parse(tokenEndpoint)?.protocol ?? ""))
		throw new ConfigError(
			`${where}: token.endpoint.url is no URL such as https://id.example/oauth/token`,
		);
	return {
		mechanism,
		tokenEndpoint,
		clientId: need("client.id"),
		clientSecret: need("client.secret"),
		scope: value("scope") || undefined,
	};
}

/** What kafkajs needs for it. Tokens are asked for when a connection needs one and the last grows old. */
export function saslOptions(
	config: SaslConfig,
	now: () => number = Date.now,
): SASLOptions {
	if (config.mechanism !== "oauthbearer") return { ...config } as SASLOptions;
	let current: { value: string; untilMs: number } | undefined;
	let asked: Promise<{ value: string; untilMs: number }> | undefined;
	return {
		mechanism: "oauthbearer",
		oauthBearerProvider: async () => {
			if (current === undefined || now() >= current.untilMs) {
				asked ??= requestToken(config, now).finally(() => {
					asked = undefined;
				});
				current = await asked;
			}
			return { value: current.value };
		},
	};
}

/** Share of a token's life after which the next is asked for. */
const FRESH = 0.8;
const TIMEOUT_MS = 10_000;

/**
 * A token by client credentials (RFC 6749, section 4.4; KIP-768 for Kafka).
 * @throws TributaryError KAFKA_TOKEN
 */
async function requestToken(
	config: Extract<SaslConfig, { mechanism: "oauthbearer" }>,
	now: () => number,
): Promise<{ value: string; untilMs: number }> {
	const failed = (why: string, retryable: boolean, cause?: unknown) =>
		new TributaryError(
			"KAFKA_TOKEN",
			`no token for Kafka from ${new URL(config.tokenEndpoint).origin}: ${why}; check token.endpoint.url, client.id and client.secret of kafka.saslSecretRef`,
			{ retryable, cause },
		);
	const id = encodeURIComponent(config.clientId);
	const secret = encodeURIComponent(config.clientSecret);
	let response: Response;
	let text: string;
	try {
		response = await fetch(config.tokenEndpoint, {
			method: "POST",
			headers: {
				accept: "application/json",
				"content-type": "application/x-www-form-urlencoded",
				authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString("base64")}`,
			},
			body: new URLSearchParams({
				grant_type: "client_credentials",
				...(config.scope !== undefined && { scope: config.scope }),
			}),
			signal: AbortSignal.timeout(TIMEOUT_MS),
			redirect: "error",
		});
		text = await response.text();
	} catch (cause) {
		const { cause: inner } = cause as { cause?: unknown };
		throw failed(messageOf(inner ?? cause), true, cause);
	}
	// What a server says of a refusal may hold the credentials: only its status is told.
	if (!response.ok)
		throw failed(
			`it answered ${response.status}`,
			response.status >= 500 || response.status === 429,
		);
	const { access_token: token, expires_in: seconds } = fields(text);
	if (typeof token !== "string" || token === "")
		throw failed("its answer has no access_token", false);
	const life = typeof seconds === "number" && seconds > 0 ? seconds : 300;
	return { value: token, untilMs: now() + life * 1000 * FRESH };
}

function fields(text: string): Record<string, unknown> {
	try {
		const body: unknown = JSON.parse(text);
		return typeof body === "object" && body !== null
			? (body as Record<string, unknown>)
			: {};
	} catch {
		return {};
	}
}
