import { execFileSync } from "node:child_process";
import dns from "node:dns";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { openStore, storageCredentials } from "../../../src/storage/open.ts";
import { type Answer, scriptedS3 } from "../../support/scripted-s3.ts";

const ok: Answer = { status: 200, body: "x" };
let dir: string;

beforeAll(() => {
	dir = mkdtempSync(join(tmpdir(), "tributary-s3-connection-"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));
afterEach(() => {
	vi.unstubAllEnvs();
	vi.restoreAllMocks();
});

test("a bucket is a part of the path at an endpoint, also one with dots", async () => {
	const { store, requests } = await scriptedS3(() => ok, {
		location: "s3://lake.with.dots/t",
	});
	await store.get("x");
	expect(requests[0]?.url).toMatch(/^\/lake\.with\.dots\/t\/x/);
});

test("a bucket is a part of the host where virtual hosts are asked for", async () => {
	const lookup = vi
		.spyOn(dns, "lookup")
		.mockImplementation(((
			_: string,
			__: unknown,
			done: (error: null, found: { address: string; family: number }[]) => void,
		) =>
			done(null, [{ address: "127.0.0.1", family: 4 }])) as typeof dns.lookup);
	const { store, requests } = await scriptedS3(() => ok, {
		endpoint: "http://store.example:{port}",
		environment: { AWS_VIRTUAL_HOSTED_STYLE_REQUEST: "true" },
	});
	await store.get("x");
	expect(lookup.mock.calls.map(([host]) => host)).toContain(
		"lake.store.example",
	);
	expect(requests[0]?.headers.host).toMatch(/^lake\.store\.example:/);
	expect(requests[0]?.url).toMatch(/^\/shop\/orders\/x/);
});

test("the endpoint of S3 goes before the one of all services, empty values do not count", () => {
	expect(
		storageCredentials({
			AWS_ENDPOINT_URL: "http://all",
			AWS_ENDPOINT_URL_S3: "http://s3",
			AWS_REGION: "",
			AWS_DEFAULT_REGION: "eu-west-3",
			AWS_VIRTUAL_HOSTED_STYLE_REQUEST: "false",
			AWS_CA_BUNDLE: "",
		}),
	).toEqual({ endpoint: "http://s3", region: "eu-west-3" });
});

test("a certificate of an own CA is trusted where it is named, and refused with the next step where not", async () => {
	const [key, cert] = [join(dir, "key.pem"), join(dir, "cert.pem")];
	execFileSync(
		"openssl",
		[
			...["req", "-x509", "-newkey", "ec", "-pkeyopt"],
			...["ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"],
			...["-keyout", key, "-out", cert, "-subj", "/CN=127.0.0.1"],
			...["-addext", "subjectAltName=IP:127.0.0.1"],
		],
		{ stdio: "ignore" },
	);
	const tls = {
		key: readFileSync(key, "utf8"),
		cert: readFileSync(cert, "utf8"),
	};
	for (const bundle of [cert, tls.cert]) {
		const { store } = await scriptedS3(() => ok, {
			tls,
			environment: { AWS_CA_BUNDLE: bundle },
		});
		expect(Buffer.from(await store.get("x")).toString()).toBe("x");
	}
	const { store, requests } = await scriptedS3(() => ok, { tls });
	const refused = {
		code: "STORAGE_CERTIFICATE_INVALID",
		retryable: false,
		message: expect.stringContaining("AWS_CA_BUNDLE"),
	};
	await expect(store.get("x")).rejects.toMatchObject(refused);
	await expect(store.putIfAbsent("x", Buffer.alloc(1))).rejects.toMatchObject(
		refused,
	);
	expect(requests).toHaveLength(0);
});

test("a CA bundle that is none is told by its name", () => {
	const empty = join(dir, "empty.pem");
	writeFileSync(empty, "nothing");
	for (const bundle of [join(dir, "missing.pem"), empty])
		expect(() =>
			openStore("s3://lake/t", { endpoint: "https://a", caBundle: bundle }),
		).toThrow("AWS_CA_BUNDLE");
});

test("without keys a pod's web identity is exchanged for a session, and its token is sent", async () => {
	const seen: string[] = [];
	const sts = createServer(async (request, response) => {
		const chunks: Buffer[] = [];
		for await (const chunk of request) chunks.push(chunk as Buffer);
		seen.push(Buffer.concat(chunks).toString());
		response.setHeader("content-type", "text/xml");
		response.end(
			`<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIAWEB</AccessKeyId><SecretAccessKey>web-secret</SecretAccessKey><SessionToken>web-session</SessionToken><Expiration>${new Date(Date.now() + 3600_000).toISOString()}</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`,
		);
	});
	await new Promise<void>((done) => sts.listen(0, "127.0.0.1", done));
	try {
		const token = join(dir, "token");
		writeFileSync(token, "the-pods-token");
		vi.stubEnv("AWS_WEB_IDENTITY_TOKEN_FILE", token);
		vi.stubEnv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/lake");
		vi.stubEnv(
			"AWS_ENDPOINT_URL_STS",
			`http://127.0.0.1:${(sts.address() as AddressInfo).port}`,
		);
		const { store, requests } = await scriptedS3(() => ok, {
			environment: {
				AWS_ACCESS_KEY_ID: "",
				AWS_SECRET_ACCESS_KEY: "",
				AWS_SESSION_TOKEN: "",
			},
		});
		await store.get("x");
		await store.get("y");
		expect(seen).toHaveLength(1);
		expect(seen[0]).toContain("Action=AssumeRoleWithWebIdentity");
		expect(seen[0]).toContain("WebIdentityToken=the-pods-token");
		expect(requests[1]?.headers["x-amz-security-token"]).toBe("web-session");
		expect(requests[1]?.headers.authorization).toContain("ASIAWEB/");
	} finally {
		sts.closeAllConnections();
		sts.close();
	}
});
