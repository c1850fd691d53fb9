import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writerConfigFromEnvironment } from "../../src/writer/environment.ts";
import { connectKafka } from "../../src/writer/kafka.ts";
import { type RunningKafka, startKafka } from "../../stack/components.ts";

const USER = { username: "writer", password: "hunter2-sasl" };
const CLIENT = { id: "tributary", secret: "s3cr3t: with/odd%characters" };

let dir: string;
let kafka: RunningKafka;
let tokens: Server;
let asked = 0;
let tokenUrl: string;
const said: string[] = [];
const log = pino({ level: "trace" }, { write: (line) => said.push(line) });

beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "tributary-security-"));
	for (const name of ["broker", "stranger"])
		execFileSync(
			"openssl",
			[
				...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"],
				...["-keyout", join(dir, `${name}.key`)],
				...["-out", join(dir, `${name}.crt`)],
				...["-subj", `/CN=${name}`],
				...["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"],
			],
			{ stdio: "pipe" },
		);
	kafka = await startKafka({
		dir,
		secured: {
			key: readFileSync(join(dir, "broker.key"), "utf8"),
			certificate: readFileSync(join(dir, "broker.crt"), "utf8"),
			...USER,
		},
	});
	tokens = createServer((request, response) => {
		let body = "";
		request.on("data", (chunk) => {
			body += String(chunk);
		});
		request.on("end", () => {
			asked++;
			const [id, secret] = Buffer.from(
				request.headers.authorization?.replace("Basic ", "") ?? "",
				"base64",
			)
				.toString()
				.split(":")
				.map(decodeURIComponent);
			const form = new URLSearchParams(body);
			const known =
				id === CLIENT.id &&
				secret === CLIENT.secret &&
				form.get("grant_type") === "client_credentials" &&
				form.get("scope") === "kafka";
			response.writeHead(known ? 200 : 401, {
				"content-type": "application/json",
			});
			response.end(
				known
					? JSON.stringify({ access_token: unsigned(id), expires_in: 3600 })
					: JSON.stringify({ error: `no client ${id} ${secret}` }),
			);
		});
	});
	await new Promise<void>((ready) => tokens.listen(0, "127.0.0.1", ready));
	tokenUrl = `http://127.0.0.1:${(tokens.address() as AddressInfo).port}/token`;
});

afterAll(async () => {
	tokens?.close();
	await kafka?.stop();
	await rm(dir, { recursive: true, force: true });
});

/** A token without a signature, which this broker takes (KIP-255). */
function unsigned(subject: string): string {
	const now = Math.floor(Date.now() / 1000);
	const part = (json: object): string =>
		Buffer.from(JSON.stringify(json)).toString("base64url");
	return `${part({ alg: "none" })}.${part({ sub: subject, iat: now, exp: now + 3600 })}.`;
}

function configOf(environment: Record<string, string>) {
	return writerConfigFromEnvironment({
		KAFKA_BOOTSTRAP_SERVERS: kafka.securedBootstrap ?? "",
		KAFKA_TOPIC_PATTERN: "shop.*",
		DELTA_TABLE_BASE_PATH: join(dir, "lake"),
		KAFKA_SSL_CA: join(dir, "broker.crt"),
		...environment,
	}).kafka;
}

const PASSWORD = {
	KAFKA_SASL_USERNAME: USER.username,
	KAFKA_SASL_PASSWORD: USER.password,
};
const oauth = () => ({
	KAFKA_SASL_MECHANISM: "oauthbearer",
	KAFKA_SASL_TOKEN_ENDPOINT_URL: tokenUrl,
	KAFKA_SASL_CLIENT_ID: CLIENT.id,
	KAFKA_SASL_CLIENT_SECRET: CLIENT.secret,
	KAFKA_SASL_SCOPE: "kafka",
});

test.each(["plain", "scram-sha-256", "SCRAM-SHA-512"])(
	"a broker that asks for TLS and %s lets the writer in",
	async (mechanism) => {
		const source = await connectKafka(
			configOf({ KAFKA_SASL_MECHANISM: mechanism, ...PASSWORD }),
			log,
		);
		expect(source.clusterId).toMatch(/\S/);
		await source.close();
	},
);

test("a token is had by client credentials, and serves more than one connection", async () => {
	asked = 0;
	const source = await connectKafka(configOf(oauth()), log);
	expect((await source.topics()).size).toBeGreaterThanOrEqual(0);
	await source.close();
	expect(asked).toBe(1);
});

test.each([
	[
		"a wrong password",
		{
			KAFKA_SASL_MECHANISM: "plain",
			KAFKA_SASL_USERNAME: USER.username,
			KAFKA_SASL_PASSWORD: "hunter3-sasl",
		},
		{ code: "KAFKA_DENIED", message: /refused the credentials/ },
	],
	[
		"a wrong SCRAM user",
		{
			KAFKA_SASL_MECHANISM: "scram-sha-512",
			KAFKA_SASL_USERNAME: "nobody",
			KAFKA_SASL_PASSWORD: "hunter3-sasl",
		},
		{ code: "KAFKA_DENIED", message: /refused the credentials/ },
	],
	[
		"an authority that did not sign",
		{ KAFKA_SASL_MECHANISM: "plain", ...PASSWORD, KAFKA_SSL_CA: "stranger" },
		{ code: "KAFKA_UNREACHABLE", message: /self-signed certificate/ },
	],
	[
		"a wrong client secret",
		{ KAFKA_SASL_CLIENT_SECRET: "hunter3-client" },
		{ code: "KAFKA_TOKEN", message: /it answered 401; check token\.endpoint/ },
	],
	[
		"no token endpoint",
		{ KAFKA_SASL_TOKEN_ENDPOINT_URL: "http://127.0.0.1:1/token" },
		{ code: "KAFKA_TOKEN", message: /ECONNREFUSED|bad port/ },
	],
])(
	"%s is told by its name, without a secret",
	async (_, environment, error) => {
		const given: Record<string, string> =
			"KAFKA_SASL_MECHANISM" in environment
				? environment
				: { ...oauth(), ...environment };
		if (given.KAFKA_SSL_CA !== undefined)
			given.KAFKA_SSL_CA = join(dir, `${given.KAFKA_SSL_CA}.crt`);
		const thrown = await connectKafka(configOf(given), log).then(
			() => "nothing",
			(cause: unknown) => cause,
		);
		expect(thrown).toMatchObject({
			code: error.code,
			message: expect.stringMatching(error.message),
		});
		expect(String(thrown) + said.join("")).not.toMatch(/hunter|s3cr3t/);
	},
);

test.each([
	[{ KAFKA_SASL_MECHANISM: "gssapi" }, /mechanism gssapi is not supported/],
	[{ KAFKA_SASL_MECHANISM: "plain" }, /has no key username: add it/],
	[{ KAFKA_SASL_MECHANISM: "oauthbearer" }, /has no key token\.endpoint\.url/],
	[
		{ KAFKA_SSL_CA: "/no/such/file" },
		/KAFKA_SSL_CA=\/no\/such\/file can't be read/,
	],
])("%j is refused before anything is asked", (environment, message) => {
	expect(() => configOf(environment as Record<string, string>)).toThrow(
		message,
	);
});
