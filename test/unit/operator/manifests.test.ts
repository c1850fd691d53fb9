import { expect, test } from "vitest";
import { stringify } from "yaml";
import { cronJob } from "../../../src/operator/cdc-pipeline/cron-job.ts";
import {
	configMap,
	ownerOf,
	podDisruptionBudget,
	service,
	serviceAccount,
} from "../../../src/operator/cdc-pipeline/manifests.ts";
import { statefulSet } from "../../../src/operator/cdc-pipeline/stateful-set.ts";
import { configHash } from "../../../src/operator/cdc-pipeline/writer-config.ts";
import { effective } from "../../../src/operator/delta-table/decide.ts";
import {
	applyConfig,
	applyJob,
	pipelineTable,
	tableCronJob,
} from "../../../src/operator/delta-table/manifests.ts";
import {
	placeOf,
	type TablePlace,
} from "../../../src/operator/delta-table/place.ts";
import {
	argumentsOf,
	operationJob,
} from "../../../src/operator/table-operation/manifests.ts";
import { deltaTable } from "../../../src/resource/delta-table.ts";
import {
	tableOperation,
	tableOperationSpec,
} from "../../../src/resource/table-operation.ts";
import { pipeline } from "./pipeline.ts";

const secured = pipeline({
	kafka: {
		tls: true,
		caSecretRef: { name: "kafka-ca", key: "ca.crt" },
		saslSecretRef: { name: "kafka-user" },
	},
	source: { config: { "mongodb.ssl.keystore.password": "hunter2" } },
	writer: { replicas: 3 },
});
const durable = pipeline({
	writer: {
		keyIndex: { size: "20Gi", storageClassName: "ssd", memory: "512Mi" },
		serviceAccountAnnotations: {
			"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/lake",
		},
	},
});
const owner = ownerOf(secured, "0a1b");
const image = {
	image: "registry.example/tributary:1",
	pullPolicy: "IfNotPresent",
	pullSecrets: ["registry"],
	logLevel: "info",
} as const;

const rates = deltaTable.parse({
	apiVersion: "tributary.dev/v1alpha1",
	kind: "DeltaTable",
	metadata: { name: "rates", namespace: "data" },
	spec: {
		location: "s3://lake/rates",
		storageSecretRef: { name: "lake" },
		serviceAccountName: "lake-writer",
		schema: { columns: [{ name: "id", type: "long", nullable: false }] },
		clusterBy: ["id", "day"],
		maintenance: { optimize: { targetFileSize: "64Mi" } },
	},
});
const place = placeOf(rates, undefined) as TablePlace;
const operation = tableOperation.parse({
	apiVersion: "tributary.dev/v1alpha1",
	kind: "TableOperation",
	metadata: { name: "rates.back", namespace: "data" },
	spec: {
		tableRef: { name: "rates" },
		type: "restore",
		restore: { timestamp: "2026-11-21", keepPositions: true },
	},
});

test.each([
	["service-account", serviceAccount(secured, owner)],
	["config-map", configMap(secured, owner)],
	["service", service(secured, owner)],
	["pod-disruption-budget", podDisruptionBudget(secured, owner)],
	[
		"stateful-set",
		statefulSet(secured, owner, image, { replicas: 3, hash: "cafe" }),
	],
	[
		"stateful-set-with-volume",
		statefulSet(durable, ownerOf(durable, "0a1b"), image, {
			replicas: 1,
			hash: "cafe",
		}),
	],
	["service-account-of-a-role", serviceAccount(durable, owner)],
	["cron-job-optimize", cronJob(secured, owner, image, "optimize")],
	["cron-job-vacuum", cronJob(secured, owner, image, "vacuum")],
	["delta-table", pipelineTable(secured, owner, "public/orders")],
	[
		"table-cron-job",
		tableCronJob(
			rates,
			ownerOf(rates, "2c3d"),
			place,
			effective(rates, place),
			image,
			"optimize",
		),
	],
	["table-config", applyConfig(rates, ownerOf(rates, "2c3d"))],
	["table-job", applyJob(rates, ownerOf(rates, "2c3d"), place, image)],
	[
		"operation-job",
		operationJob(operation, ownerOf(operation, "4e5f"), place, image),
	],
])("%s is built as before", async (name, manifest) => {
	await expect(stringify(manifest, { lineWidth: 0 })).toMatchFileSnapshot(
		`golden/${name}.yaml`,
	);
});

test("nodes, tolerations and priority reach every pod of a pipeline, and no pod that has none", () => {
	const scheduling = {
		nodeSelector: { pool: "lake" },
		tolerations: [{ key: "lake", operator: "Exists", effect: "NoSchedule" }],
		priorityClassName: "batch",
	};
	const chosen = pipeline({ writer: { scheduling } });
	const { apiVersion, kind, metadata, spec } = chosen;
	const object = { apiVersion, kind, metadata, spec };
	const orders = deltaTable.parse({
		apiVersion: "tributary.dev/v1alpha1",
		kind: "DeltaTable",
		metadata: { name: "shop.orders", namespace: "data" },
		spec: { pipelineRef: { name: "shop" }, path: "orders" },
	});
	const ofShop = placeOf(orders, object) as TablePlace;
	const writers = { replicas: 1, hash: "cafe" };
	for (const [manifest, wanted] of [
		[statefulSet(chosen, owner, image, writers), true],
		[cronJob(chosen, owner, image, "vacuum"), true],
		[applyJob(orders, owner, ofShop, image), true],
		[operationJob(operation, owner, ofShop, image), true],
		[statefulSet(secured, owner, image, writers), false],
		[applyJob(rates, owner, place, image), false],
	] as const) {
		const text = stringify(manifest);
		for (const field of Object.keys(scheduling))
			expect(text.includes(`${field}:`), `${manifest.kind} ${field}`).toBe(
				wanted,
			);
	}
});

test("no value that may be a secret reaches a ConfigMap", () => {
	const text = JSON.stringify(configMap(secured, owner));
	expect(text).not.toContain("hunter2");
	expect(text).toContain("kafka-user");
});

test("writers are replaced for a change that they must see, and for no other", () => {
	const versions = new Map([["lake", "u/1"]]);
	const hash = (changes: Parameters<typeof pipeline>[0] = {}) =>
		configHash(pipeline(changes), versions);
	const base = hash();
	expect(hash({ state: "paused" })).toBe(base);
	expect(hash({ writer: { replicas: 5 } })).toBe(base);
	expect(hash({ source: { snapshot: { mode: "no_data" } } })).toBe(base);
	expect(hash({ writer: { batch: { maxRows: 1 } } })).not.toBe(base);
	expect(hash({ sink: { tablePath: "x/{table}" } })).not.toBe(base);
	expect(hash({ kafka: { bootstrapServers: ["other:9092"] } })).not.toBe(base);
});

test("a rotated Secret replaces the writers that read it, not those that don't", () => {
	const hash = (lake: string, mongo: string) =>
		configHash(
			pipeline(),
			new Map([
				["lake", lake],
				["shop-mongo", mongo],
			]),
		);
	expect(hash("u/2", "m/1")).not.toBe(hash("u/1", "m/1"));
	expect(hash("u/1", "m/2")).toBe(hash("u/1", "m/1"));
});

test("a history keeps no key index", () => {
	const history = pipeline({ sink: { writeMode: "append" } });
	const text = stringify(
		statefulSet(history, owner, image, { replicas: 1, hash: "cafe" }),
	);
	expect(text).not.toContain("key-index");
	expect(text).not.toContain("KEY_INDEX_DIR");
});

test.each([
	[
		{
			type: "optimize",
			dryRun: true,
			optimize: {
				targetFileSize: "64Mi",
				zOrderBy: ["a", "--purge", "b,`c"],
				where: "--json; rm -rf /",
				purge: true,
			},
		},
		"optimize L|--target-file-size=64Mi|--where=--json; rm -rf /|--z-order=`a`,`--purge`,`b,``c`|--purge|--dry-run",
	],
	[{ type: "optimize" }, "optimize L"],
	[
		{
			type: "vacuum",
			vacuum: { retention: "1h", allowShortRetention: true },
		},
		"vacuum L|--retention=1h|--allow-short-retention",
	],
	[{ type: "restore", restore: { version: 0 } }, "restore L|--version=0"],
	[{ type: "checkpoint" }, "checkpoint L"],
	[{ type: "cleanLog", dryRun: true }, "checkpoint L|--clean-log|--dry-run"],
])("what a user writes can't become another flag: %j", (spec, flags) => {
	const parsed = tableOperationSpec.parse({ tableRef: { name: "t" }, ...spec });
	expect(argumentsOf(parsed, "L")).toEqual(
		`table ${flags}`
			.split("|")
			.flatMap((part, i) => (i === 0 ? part.split(" ") : [part])),
	);
});
