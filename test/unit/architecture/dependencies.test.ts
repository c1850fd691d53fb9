import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { VERSION } from "../../../src/version.ts";

/** Every runtime dependency is a decision; here is the reason for each. */
const REASONS: Readonly<Record<string, string>> = {
	"@aws-sdk/client-s3": "S3's own client: signing, endpoints, credentials",
	"@electric-sql/pglite":
		"PostgreSQL in the process: the state of file ingestion without a server",
	"@kubernetes/client-node": "kubeconfig, authentication and API types",
	kafkajs: "the Kafka consumer, pure JavaScript",
	"lz4-napi": "lz4 of Kafka batches and Parquet; Node has no lz4",
	pg: "PostgreSQL's protocol: the state of file ingestion, shared by workers; slots that a deleted pipeline drops",
	pino: "structured JSON logs at low cost",
	"prom-client": "Prometheus metrics",
	snappyjs: "snappy blocks of Kafka batches and Parquet; Node has no snappy",
	yaml: "reads multi-document YAML with positions for error messages",
	zod: "one definition per resource: types, defaults, schemas, messages",
};

const pkg = JSON.parse(
	readFileSync(resolve(import.meta.dirname, "../../../package.json"), "utf8"),
) as {
	version: string;
	dependencies: Record<string, string>;
	devDependencies: Record<string, string>;
};

test("every runtime dependency has a reason, and no reason lost its dependency", () => {
	expect(Object.keys(pkg.dependencies).sort()).toEqual(
		Object.keys(REASONS).sort(),
	);
});

test("every version is exact", () => {
	const loose = Object.entries({
		...pkg.dependencies,
		...pkg.devDependencies,
	}).filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version));
	expect(loose).toEqual([]);
});

test("the version that the commands print is that of the package", () => {
	expect(VERSION).toBe(pkg.version);
});
