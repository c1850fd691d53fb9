import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { stringify } from "yaml";
import { createLogger } from "../../../src/observe/log.ts";
import { operatorSettings } from "../../../src/operator/environment.ts";
import {
	ingestConfigMap,
	ingestHash,
	ingestionOwner,
	ingestService,
	ingestServiceAccount,
	ingestStatefulSet,
} from "../../../src/operator/file-ingestion/manifests.ts";
import { runOperator } from "../../../src/operator/operator.ts";
import {
	type FileIngestion,
	fileIngestion,
} from "../../../src/resource/file-ingestion.ts";
import type { FileIngestionStatus } from "../../../src/resource/file-ingestion-status.ts";
import { TestApiServer } from "../kube/api-server.ts";

vi.setConfig({ testTimeout: 20_000 });
const wait = { timeout: 10_000 };

const SPEC = {
	source: {
		location: "s3://landing/orders",
		storageSecretRef: { name: "lake" },
		include: ["**/*.json"],
	},
	format: { type: "ndjson" },
	sink: {
		location: "s3://lake/orders",
		storageSecretRef: { name: "lake" },
	},
};

function ingestion(more: object = {}): FileIngestion {
	return fileIngestion.parse({
		apiVersion: "tributary.dev/v1alpha1",
		kind: "FileIngestion",
		metadata: { name: "orders", namespace: "data" },
		spec: { ...SPEC, ...more },
	});
}

const image = {
	image: "registry.example/tributary:1",
	pullPolicy: "IfNotPresent",
	pullSecrets: [],
	logLevel: "info",
} as const;

const own = ingestion();
const shared = ingestion({
	state: { connectionSecretRef: { name: "state", key: "url" } },
	worker: { replicas: 3 },
	api: { tokenSecretRef: { name: "api", key: "token" } },
});
const kept = ingestion({ state: { storageClassName: "ssd", size: "2Gi" } });

const manifests: readonly (readonly [string, object])[] = [
	[
		"ingest-service-account",
		ingestServiceAccount(own, ingestionOwner(own, "u")),
	],
	["ingest-config-map", ingestConfigMap(own, ingestionOwner(own, "u"))],
	["ingest-service", ingestService(own, ingestionOwner(own, "u"))],
	...(
		[
			["ingest-stateful-set", own],
			["ingest-stateful-set-shared", shared],
			["ingest-stateful-set-with-volume", kept],
		] as const
	).map(([name, one]): [string, object] => [
		name,
		ingestStatefulSet(one, ingestionOwner(one, "u"), image, {
			replicas: one.spec.worker.replicas,
			hash: "cafe",
		}),
	]),
];

test.each(manifests)("%s is built as before", async (name, manifest) => {
	await expect(stringify(manifest, { lineWidth: 0 })).toMatchFileSnapshot(
		`golden/${name}.yaml`,
	);
});

test("workers are replaced for a change that they must see, and for no other", () => {
	const versions = new Map([["lake", "u/1"]]);
	const base = ingestHash(own, versions);
	expect(ingestHash(ingestion({ suspend: true }), versions)).toBe(base);
	expect(ingestHash(ingestion({ worker: { replicas: 0 } }), versions)).toBe(
		base,
	);
	expect(ingestHash(ingestion({ interval: "5s" }), versions)).not.toBe(base);
	expect(ingestHash(own, new Map([["lake", "u/2"]]))).not.toBe(base);
});

const OURS = "/apis/tributary.dev/v1alpha1/namespaces/data/fileingestions";
const CHILD = "namespaces/data";

let server: TestApiServer;
let worker: Server;
let answer: object;
let stop: AbortController;
let operator: Promise<void>;

beforeEach(async () => {
	server = new TestApiServer();
	await server.start();
	answer = {};
	worker = createServer((_, response) => response.end(JSON.stringify(answer)));
	await new Promise<void>((ready) => worker.listen(0, "127.0.0.1", ready));
	stop = new AbortController();
	operator = runOperator({
		client: server.client(),
		settings: operatorSettings(
			["--metrics-port", "0", "--image", "tributary:test"],
			{ POD_NAMESPACE: "system" },
			{ hostname: "h" },
		),
		connectors: {
			reconcile: async () => {
				throw new Error("there is no pipeline");
			},
			remove: async () => {},
		},
		log: createLogger({ level: "silent" }),
		signal: stop.signal,
		writerPort: (worker.address() as AddressInfo).port,
	});
});
afterEach(async () => {
	stop.abort();
	await operator;
	await server.stop();
	worker.close();
});

const put = (more: object = {}): void =>
	server.put(`${OURS}/orders`, {
		...server.get(`${OURS}/orders`),
		apiVersion: "tributary.dev/v1alpha1",
		kind: "FileIngestion",
		spec: { ...SPEC, ...more },
	});
const status = (): FileIngestionStatus =>
	server.get<{ status?: FileIngestionStatus }>(`${OURS}/orders`)?.status ?? {};
const condition = (type: string) =>
	status().conditions?.find((one) => one.type === type);
const statefulSet = () =>
	server.get<{ spec: { replicas: number } }>(
		`/apis/apps/v1/${CHILD}/statefulsets/orders-ingest`,
	);
const secret = (): void =>
	server.put(`/api/v1/${CHILD}/secrets/lake`, {
		data: { AWS_ACCESS_KEY_ID: "eA==", AWS_SECRET_ACCESS_KEY: "eA==" },
	});

function pod(more: object = {}): void {
	server.put(`/api/v1/${CHILD}/pods/orders-ingest-0`, {
		metadata: {
			name: "orders-ingest-0",
			namespace: "data",
			labels: {
				"app.kubernetes.io/managed-by": "tributary",
				"app.kubernetes.io/component": "ingest",
				"tributary.dev/ingestion": "orders",
			},
		},
		status: {
			phase: "Running",
			podIP: "127.0.0.1",
			conditions: [{ type: "Ready", status: "True" }],
			...more,
		},
	});
}

test("an ingestion becomes a worker, whose word is its status", async () => {
	secret();
	put();
	await vi.waitFor(() => expect(statefulSet()?.spec.replicas).toBe(1), wait);
	for (const kind of ["configmaps", "services", "serviceaccounts"])
		expect(server.get(`/api/v1/${CHILD}/${kind}/orders-ingest`)).toBeDefined();
	await vi.waitFor(
		() => expect(condition("Ready")?.reason).toBe("WorkersStarting"),
		wait,
	);
	answer = {
		files: { DISCOVERED: 1, PROCESSING: 0, SUCCESS: 7, FAILED: 0, SKIPPED: 0 },
		tableVersion: 3,
		lastRun: {
			id: "r",
			trigger: "watch",
			status: "SUCCESS",
			started: "2026-11-21T10:00:00.000Z",
			finished: "2026-11-21T10:00:01.000Z",
			filesLoaded: 7,
			filesFailed: 0,
			records: 70,
			errorMessage: null,
		},
		error: null,
	};
	pod();
	await vi.waitFor(
		() =>
			expect(status()).toMatchObject({
				phase: "Running",
				workers: "1/1",
				tableVersion: 3,
				files: { discovered: 1, loaded: 7, failed: 0 },
				lastRun: { status: "SUCCESS", records: 70 },
			}),
		wait,
	);
	expect(condition("Ready")).toMatchObject({ status: "True" });
});

test("a file that failed, a source that is away and a crash are told with the next step", async () => {
	secret();
	answer = {
		files: { DISCOVERED: 0, PROCESSING: 0, SUCCESS: 1, FAILED: 2, SKIPPED: 0 },
		error: null,
	};
	put();
	pod();
	await vi.waitFor(() => expect(status().phase).toBe("Degraded"), wait);
	expect(condition("FilesLoaded")).toMatchObject({
		status: "False",
		reason: "FilesFailed",
	});
	answer = { error: "bucket landing is gone; postgres://u:hunter2@db/x" };
	put({ interval: "5s" });
	await vi.waitFor(
		() => expect(condition("WorkerReady")?.reason).toBe("IngestionFailed"),
		wait,
	);
	expect(condition("WorkerReady")?.message).toContain("postgres://u:***@db/x");
	pod({
		conditions: [],
		containerStatuses: [
			{
				name: "ingest",
				ready: false,
				restartCount: 2,
				lastState: {
					terminated: { exitCode: 2, message: "no such token" },
				},
			},
		],
	});
	await vi.waitFor(
		() =>
			expect(condition("Ready")).toMatchObject({
				reason: "WorkerFailed",
				message: expect.stringContaining("no such token"),
			}),
		wait,
	);
});

test("without its Secret no worker starts, and the status names it", async () => {
	put();
	await vi.waitFor(
		() =>
			expect(condition("SecretsResolved")).toMatchObject({
				reason: "SecretMissing",
				message: expect.stringContaining("spec.source.storageSecretRef"),
			}),
		wait,
	);
	expect(status().phase).toBe("Failed");
	expect(statefulSet()).toBeUndefined();
	secret();
	await vi.waitFor(() => expect(statefulSet()).toBeDefined(), wait);
});

test("a suspended ingestion keeps its place and has no worker", async () => {
	secret();
	put();
	await vi.waitFor(() => expect(statefulSet()?.spec.replicas).toBe(1), wait);
	put({ suspend: true });
	await vi.waitFor(() => expect(statefulSet()?.spec.replicas).toBe(0), wait);
	await vi.waitFor(() => expect(status().phase).toBe("Suspended"), wait);
});

test("a specification that can't be is told, and workers go on", async () => {
	secret();
	put();
	await vi.waitFor(() => expect(statefulSet()?.spec.replicas).toBe(1), wait);
	put({ worker: { replicas: 2 } });
	await vi.waitFor(
		() =>
			expect(condition("Ready")).toMatchObject({
				reason: "SpecInvalid",
				message: expect.stringContaining("state.connectionSecretRef"),
			}),
		wait,
	);
	expect(statefulSet()?.spec.replicas).toBe(1);
});
