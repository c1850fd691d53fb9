import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { RequestOptions } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { stringify } from "yaml";
import { type ApiAccess, apiAccess } from "../../../src/kube/access.ts";

let dir: string;
beforeEach(async () => {
	dir = await mkdtemp(join(tmpdir(), "tributary-access-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function optionsOf(access: ApiAccess): Promise<RequestOptions> {
	const options: RequestOptions = {};
	await access.applyToHTTPSOptions(options);
	return options;
}

async function kubeconfig(user: object, cluster: object): Promise<string> {
	const file = join(dir, "config");
	await writeFile(
		file,
		stringify({
			apiVersion: "v1",
			kind: "Config",
			"current-context": "here",
			contexts: [{ name: "here", context: { cluster: "c", user: "u" } }],
			clusters: [
				{ name: "other", cluster: { server: "https://other" } },
				{ name: "c", cluster: { server: "https://api:6443/", ...cluster } },
			],
			users: [{ name: "u", user }],
		}),
	);
	return file;
}

const base64 = (text: string): string => Buffer.from(text).toString("base64");

test("a pod speaks as its service account", async () => {
	await writeFile(join(dir, "ca.crt"), "authority");
	await writeFile(join(dir, "token"), "first\n");
	for (const [host, server] of [
		["10.96.0.1", "https://10.96.0.1:6443"],
		["fd00::1", "https://[fd00::1]:6443"],
	] as const) {
		const access = await apiAccess(
			{ KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: "6443" },
			{ account: dir, home: dir },
		);
		expect(access.getCurrentCluster()?.server).toBe(server);
		expect(await optionsOf(access)).toEqual({
			ca: "authority",
			headers: { authorization: "Bearer first" },
		});
	}
});

test("a token that can't be read yet is tried again by the next request", async () => {
	await writeFile(join(dir, "ca.crt"), "authority");
	const access = await apiAccess(
		{ KUBERNETES_SERVICE_HOST: "10.96.0.1" },
		{ account: dir, home: dir },
	);
	await expect(optionsOf(access)).rejects.toThrow(/token/);
	await writeFile(join(dir, "token"), "later");
	expect(await optionsOf(access)).toMatchObject({
		headers: { authorization: "Bearer later" },
	});
});

test("a kubeconfig's certificates and tokens are used, from data and from files beside it", async () => {
	await writeFile(join(dir, "client.key"), "key");
	const certificates = await apiAccess(
		{
			KUBECONFIG: await kubeconfig(
				{
					"client-certificate-data": base64("certificate"),
					"client-key": "client.key",
				},
				{ "certificate-authority-data": base64("authority") },
			),
		},
		{ home: dir },
	);
	expect(certificates.getCurrentCluster()?.server).toBe("https://api:6443");
	expect(await optionsOf(certificates)).toEqual({
		ca: "authority",
		cert: "certificate",
		key: "key",
	});
	const token = await apiAccess(
		{
			KUBECONFIG: await kubeconfig(
				{ token: "secret" },
				{ "insecure-skip-tls-verify": true, "tls-server-name": "api" },
			),
		},
		{ home: dir },
	);
	expect(await optionsOf(token)).toEqual({
		rejectUnauthorized: false,
		servername: "api",
		headers: { authorization: "Bearer secret" },
	});
});

test.each([
	["an exec plugin", { exec: { command: "login" } }, {}],
	["a proxy", { token: "t" }, { "proxy-url": "http://proxy:3128" }],
])("%s is left to the client library", async (_, user, cluster) => {
	const KUBECONFIG = await kubeconfig(user, cluster);
	const before = process.env.KUBECONFIG;
	process.env.KUBECONFIG = KUBECONFIG;
	try {
		const access = await apiAccess({ KUBECONFIG }, { home: dir });
		expect(access.constructor.name).toBe("KubeConfig");
		expect(access.getCurrentCluster()?.server).toContain("https://api:6443");
	} finally {
		if (before === undefined) delete process.env.KUBECONFIG;
		else process.env.KUBECONFIG = before;
	}
});
