import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createRedactor } from "../../../../src/cli/cdc/redact.ts";
import { fail } from "../../kube/api-server.ts";
import { pipelineYaml } from "../../operator/pipeline.ts";
import { type Cdc, startCdc } from "./command.ts";

const NAMESPACE = "/namespaces/data";
const PIPELINE = `/apis/tributary.dev/v1alpha1${NAMESPACE}/cdcpipelines/shop`;

/** Of the Secrets that the pipeline names: known, so that they are found in any text. */
const KNOWN = {
	uriPassword: "p@ss/w0rd+x",
	accessKey: "lakeaccesskey01",
	secretKey: "lake/secret+key=02",
	saslPassword: 'kafka"pass\\word',
};
/** Never in a Secret that a report reads: they have to be known by their look or their name. */
const UNKNOWN = {
	property: "truststorepassword4",
	env: "handmadeenvvalue5",
	bearer: "abcdef.ghijkl.mnopqr",
	aws: "AKIAIOSFODNN7EXAMPLE",
	assigned: "loggedpassword6",
	otherUri: "otheruripassword7",
	key: "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC",
	jaas: "jaaspassword8",
	applied: "lastappliedvalue9",
};

let cdc: Cdc;
let connect: Server;
const uri = `mongodb://u:${encodeURIComponent(KNOWN.uriPassword)}@m:27017/`;
const base64 = (text: string): string => Buffer.from(text).toString("base64");

beforeEach(async () => {
	cdc = await startCdc();
	connect = createServer((request, response) => {
		const config = {
			"mongodb.connection.string": uri,
			"signal.consumer.sasl.jaas.config": `PlainLoginModule required username="u" password="${UNKNOWN.jaas}";`,
			"poll.interval.ms": "100",
		};
		const status = {
			name: "data.shop",
			connector: { state: "RUNNING" },
			tasks: [{ id: 0, state: "FAILED", trace: `can't connect to ${uri}` }],
		};
		response.end(
			JSON.stringify(
				request.url?.endsWith("/config")
					? config
					: request.url?.endsWith("/status")
						? status
						: { offsets: [] },
			),
		);
	});
	await new Promise<void>((resolve) => connect.listen(0, "127.0.0.1", resolve));
	plant();
});
afterEach(async () => {
	connect.closeAllConnections();
	await new Promise((resolve) => connect.close(resolve));
	await cdc.stop();
});

/** Secrets in every place where a person, a driver or a log may have put one. */
function plant(): void {
	const { server } = cdc;
	const core = `/api/v1${NAMESPACE}`;
	server.put(
		`${PIPELINE.replace("cdcpipelines/shop", "deltatables/shop.orders")}`,
		{
			metadata: { labels: { "tributary.dev/pipeline": "shop" } },
			spec: { pipelineRef: { name: "shop" }, path: "orders" },
			status: {
				version: 12,
				optimize: { message: `can't reach mongodb://u:${UNKNOWN.otherUri}@m` },
			},
		},
	);
	server.put(PIPELINE, {
		...pipelineYaml({
			source: {
				config: {
					"mongodb.ssl.truststore.password": UNKNOWN.property,
					"field.renames": `x=${KNOWN.accessKey}`,
				},
			},
			kafka: {
				connectUrl: `http://127.0.0.1:${(connect.address() as AddressInfo).port}`,
				saslSecretRef: { name: "kafka" },
			},
		}),
		metadata: {
			annotations: {
				"kubectl.kubernetes.io/last-applied-configuration": `{"x":"${UNKNOWN.applied}"}`,
				note: `see ${uri}`,
			},
		},
		status: {
			phase: "Failed",
			conditions: [
				{
					type: "ConnectorReady",
					status: "False",
					reason: "TaskFailed",
					message: `refused with ${KNOWN.secretKey} and amqp://a:${UNKNOWN.otherUri}@h`,
				},
			],
		},
	});
	server.put(`${core}/secrets/shop-mongo`, {
		data: { uri: base64(`${uri}\n`) },
	});
	server.put(`${core}/secrets/lake`, {
		data: {
			AWS_ACCESS_KEY_ID: base64(KNOWN.accessKey),
			AWS_SECRET_ACCESS_KEY: base64(KNOWN.secretKey),
			AWS_REGION: base64("us-east-1"),
		},
	});
	server.put(`${core}/secrets/kafka`, {
		data: {
			mechanism: base64("plain"),
			username: base64("u"),
			password: base64(KNOWN.saslPassword),
		},
	});
	server.put(`${core}/pods/shop-writer-0`, {
		metadata: {
			labels: {
				"tributary.dev/pipeline": "shop",
				"app.kubernetes.io/component": "writer",
			},
		},
		spec: {
			containers: [
				{
					name: "writer",
					image: "tributary:0.1.0",
					env: [{ name: "HTTP_PASSWORD", value: UNKNOWN.env }],
				},
			],
		},
		status: {
			phase: "Running",
			containerStatuses: [
				{
					name: "writer",
					restartCount: 1,
					lastState: {
						terminated: {
							exitCode: 1,
							message: `key ${KNOWN.accessKey}, and ${JSON.stringify(KNOWN.saslPassword)}`,
						},
					},
				},
			],
		},
	});
	server.put(`/apis/apps/v1${NAMESPACE}/statefulsets/shop-writer`, {
		spec: {
			template: {
				spec: {
					containers: [{ env: [{ name: "X_TOKEN", value: UNKNOWN.env }] }],
				},
			},
		},
	});
	server.put(`/api/v1${NAMESPACE}/configmaps/shop-writer`, {
		data: { "writer.yaml": `a: ${base64(KNOWN.secretKey)}\n` },
	});
	server.put(`/apis/events.k8s.io/v1${NAMESPACE}/events/e1`, {
		regarding: { kind: "CdcPipeline", name: "shop" },
		type: "Warning",
		reason: "TaskFailed",
		note: `Authorization: Bearer ${UNKNOWN.bearer}`,
		eventTime: "2026-01-01T00:00:00.000000Z",
	});
	server.put("/api/v1/namespaces/system/pods/operator-0", {
		metadata: {
			labels: {
				"app.kubernetes.io/name": "tributary",
				"app.kubernetes.io/component": "operator",
			},
		},
	});
	server.faults.intercept = (_, url, response) => {
		if (!url.pathname.endsWith("/log")) return false;
		response.end(
			[
				`{"msg":"connecting to ${uri}"}`,
				`{"msg":"key ${UNKNOWN.aws} password=${UNKNOWN.assigned} ${encodeURIComponent(KNOWN.secretKey)}"}`,
				`-----BEGIN PRIVATE KEY-----`,
				UNKNOWN.key,
				`-----END PRIVATE KEY-----`,
				`{"msg":"committed version 12"}`,
			].join("\n"),
		);
		return true;
	};
}

function contents(folder: string): Map<string, string> {
	return new Map(
		readdirSync(folder, { recursive: true, encoding: "utf8" })
			.filter((path) => statSync(join(folder, path)).isFile())
			.map((path) => [path, readFileSync(join(folder, path), "utf8")]),
	);
}

function leaks(
	files: ReadonlyMap<string, string>,
	secrets: readonly string[],
): string[] {
	return [...files].flatMap(([path, text]) =>
		secrets
			.flatMap((secret) => [
				secret,
				base64(secret),
				encodeURIComponent(secret),
				JSON.stringify(secret).slice(1, -1),
			])
			.filter((form) => text.includes(form))
			.map((form) => `${path}: ${form}`),
	);
}

test("no secret that was planted anywhere is in a report, and what helps is", async () => {
	const archive = join(cdc.dir, "report.tar.gz");
	const { text } = await cdc.run("report", "shop", "--to", archive);
	expect(text).toMatch(
		/report\.tar\.gz: \d+ files; \d+ things could not be had.*\nSecrets are masked\.\n$/,
	);
	expect(statSync(archive).mode & 0o077).toBe(0);
	execFileSync("tar", ["-xzf", archive, "-C", cdc.dir]);
	const [root = ""] = readdirSync(cdc.dir).filter((name) =>
		name.startsWith("tributary-report-data-shop-"),
	);
	const files = contents(join(cdc.dir, root));
	expect(
		leaks(files, [...Object.values(KNOWN), ...Object.values(UNKNOWN)]),
	).toEqual([]);
	expect([...files.keys()].sort()).toEqual([
		"configmap.yaml",
		"connector.yaml",
		"events.yaml",
		"logs/operator-operator-0.log",
		"logs/shop-writer-0-previous.log",
		"logs/shop-writer-0.log",
		"missing.txt",
		"operator.yaml",
		"pipeline.yaml",
		"pods.yaml",
		"statefulset.yaml",
		"status.txt",
		"tables.yaml",
		"versions.yaml",
	]);
	expect(files.get("tables.yaml")).toContain("version: 12");
	expect(files.get("logs/shop-writer-0.log")).toContain("committed version 12");
	expect(files.get("connector.yaml")).toContain("poll.interval.ms");
	expect(files.get("pipeline.yaml")).toContain(
		"storageSecretRef:\n      name: lake",
	);
	expect(files.get("versions.yaml")).toContain("v1.36.3");
	expect(files.get("missing.txt")).toMatch(/^ServiceAccount: /m);
});

test("without the right to read Secrets their values are masked by their look, and the report says so", async () => {
	const { intercept } = cdc.server.faults;
	cdc.server.faults.intercept = (method, url, response) => {
		if (!url.pathname.includes("/secrets/"))
			return intercept?.(method, url, response) ?? false;
		fail(response, 403, "Forbidden", "no");
		return true;
	};
	const folder = join(cdc.dir, "folder");
	const { text } = await cdc.run("report", "shop", "--to", folder);
	expect(text).toContain(
		"you may not read them, so read it before you send it",
	);
	const files = contents(folder);
	expect(leaks(files, Object.values(UNKNOWN))).toEqual([]);
	expect(files.get("connector.yaml")).toContain(
		'mongodb.connection.string: "***"',
	);
	expect(files.get("missing.txt")).toContain("verb get on secrets");
});

test("a report is not written over another", async () => {
	const archive = join(cdc.dir, "twice.tar.gz");
	await cdc.run("report", "shop", "--to", archive);
	expect(await cdc.failure("report", "shop", "--to", archive)).toMatch(
		/^CONFIG_INVALID: the report can't be written to .*twice\.tar\.gz: EEXIST.*--to$/,
	);
});

test("the redactor leaves what is no secret: references, names, short words, numbers", () => {
	const { object, text } = createRedactor(["abc", "longer-secret"]);
	expect(
		object({
			connectionSecretRef: { name: "shop-mongo", key: "uri" },
			automountServiceAccountToken: false,
			password: "x",
			list: ["abc", "a longer-secret here"],
			env: [{ name: "POD_NAME", value: "p" }],
		}),
	).toEqual({
		connectionSecretRef: { name: "shop-mongo", key: "uri" },
		automountServiceAccountToken: false,
		password: "***",
		list: ["abc", "a *** here"],
		env: [{ name: "POD_NAME", value: "p" }],
	});
	expect(text("version 12 of s3://lake/shop, 3 tokens")).toBe(
		"version 12 of s3://lake/shop, 3 tokens",
	);
});
