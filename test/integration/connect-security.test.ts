import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type ConnectAccess, connectClient } from "../../src/connect/client.ts";
import {
	type RunningConnect,
	type RunningKafka,
	startConnect,
	startKafka,
} from "../../stack/components.ts";

const USER = { username: "tributary", password: "hunter2: odd" };

let dir: string;
let kafka: RunningKafka;
let connect: RunningConnect;
let ca: string;

beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "tributary-connect-security-"));
	execFileSync(
		"openssl",
		[
			...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"],
			...["-keyout", join(dir, "connect.key")],
			...["-out", join(dir, "connect.crt")],
			...["-subj", "/CN=connect", "-addext", "subjectAltName=IP:127.0.0.1"],
		],
		{ stdio: "pipe" },
	);
	ca = readFileSync(join(dir, "connect.crt"), "utf8");
	kafka = await startKafka({ dir });
	connect = await startConnect({
		dir,
		bootstrap: kafka.bootstrap,
		secured: {
			key: readFileSync(join(dir, "connect.key"), "utf8"),
			certificate: ca,
			...USER,
		},
	});
});

afterAll(async () => {
	await connect?.stop();
	await kafka?.stop();
	await rm(dir, { recursive: true, force: true });
});

function clientOf(access: ConnectAccess) {
	return connectClient(connect.url, {
		...access,
		attempts: 1,
		timeoutMs: 10_000,
	});
}

test("Kafka Connect with TLS and a password is worked with", async () => {
	const client = clientOf({ basicAuth: USER, ca });
	await vi.waitFor(async () => expect(await client.connectors()).toEqual([]), {
		timeout: 60_000,
		interval: 500,
	});
	expect(await client.plugins()).toContain(
		"io.debezium.connector.mongodb.MongoDbConnector",
	);
	expect(await client.status("none")).toBeUndefined();
	expect(
		await client.validate({
			"connector.class": "io.debezium.connector.mongodb.MongoDbConnector",
			name: "x",
		}),
	).toMatchObject({ kind: "invalid" });
});

test.each<[string, () => ConnectAccess, object]>([
	[
		"no password",
		() => ({ ca }),
		{
			code: "CONNECT_DENIED",
			message: /with 401: check kafka\.connectSecretRef/,
		},
	],
	[
		"a wrong password",
		() => ({ ca, basicAuth: { ...USER, password: "hunter3" } }),
		{
			code: "CONNECT_DENIED",
			message: /with 401: check kafka\.connectSecretRef/,
		},
	],
	[
		"no authority",
		() => ({ basicAuth: USER }),
		{ code: "CONNECT_UNREACHABLE", message: /self-signed certificate/ },
	],
])("%s is told by its name, without a secret", async (_, access, wanted) => {
	const { code, message } = wanted as { code: string; message: RegExp };
	const error = await clientOf(access())
		.connectors()
		.then(
			() => "an answer",
			(thrown: unknown) => thrown,
		);
	expect(error).toMatchObject({
		code,
		message: expect.stringMatching(message),
	});
	expect(String(error)).not.toContain("hunter");
});
