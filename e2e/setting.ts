import { execFile } from "node:child_process";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { MongoClient } from "mongodb";
import { expect, vi } from "vitest";
import { stringify } from "yaml";
import type { CdcPipelineStatus } from "../src/resource/cdc-pipeline-status.ts";
import { type Cluster, startCluster } from "../stack/cluster.ts";
import { JUDGES_PYTHON, type Stack, startStack } from "../stack/components.ts";
import { buildImage, IMAGE } from "../stack/image.ts";
import { startKindCluster } from "../stack/kind.ts";

/**
 * The cluster with the chart installed, the components beside it, and what the tests of a file do with
 * them; set up once by each file.
 */

const run = promisify(execFile);
export const ROOT = resolve(import.meta.dirname, "..");
/** Of the pipelines. */
export const NAMESPACE = "data";
/** Of the operator. */
export const SYSTEM = "tributary-system";
export const minutes = (n: number) => ({ timeout: n * 60_000, interval: 500 });

export let dir: string;
export let cluster: Cluster;
export let stack: Stack<"kafka" | "connect" | "mongo" | "postgres" | "s3">;
let documents: MongoClient | undefined;

/** @param values - of the chart, besides the image */
export async function setUp(
	values: Readonly<Record<string, string>> = {},
): Promise<void> {
	dir = await mkdtemp(join(tmpdir(), "tributary-e2e-"));
	await chmod(dir, 0o755);
	await run("npm", ["run", "--silent", "build"], { cwd: ROOT });
	const archive = await buildImage({ dir });
	const start =
		process.env.TRIBUTARY_CLUSTER === "kind" ? startKindCluster : startCluster;
	cluster = await start({ dir, images: [archive] });
	stack = await startStack({
		dir,
		host: cluster.hostAddress,
		netnsPid: cluster.netnsPid,
		components: ["kafka", "connect", "mongo", "postgres", "s3"],
		buckets: ["lake"],
	});
	documents = await MongoClient.connect(stack.mongo.uri);
	for (const namespace of [SYSTEM, NAMESPACE]) {
		await cluster.kubectl("create", "namespace", namespace);
		await cluster.kubectl(
			"label",
			"namespace",
			namespace,
			"pod-security.kubernetes.io/enforce=restricted",
		);
	}
	const [repository = "", tag = ""] = IMAGE.split(/:(?=[^:]+$)/);
	const image = {
		"image.repository": repository,
		"image.tag": tag,
		"image.pullPolicy": "Never",
	};
	await cluster.helm(
		...["install", "tributary", join(ROOT, "helm/tributary")],
		...["--namespace", SYSTEM, "--wait", "--timeout", "3m"],
		...Object.entries({ ...image, ...values }).flatMap(([name, value]) => [
			"--set",
			`${name}=${value}`,
		]),
	);
	await secret("shop-mongo", { uri: stack.mongo.uri });
	await secret("shop-postgres", { uri: stack.postgres.uri });
	await secret("lake", lakeKeys());
}

export async function tearDown(): Promise<void> {
	await documents?.close();
	await stack?.stop();
	await cluster?.stop();
	if (dir !== undefined) await rm(dir, { recursive: true, force: true });
}

export function lakeKeys(changes: Record<string, string> = {}) {
	return {
		AWS_ACCESS_KEY_ID: stack.s3.accessKeyId,
		AWS_SECRET_ACCESS_KEY: stack.s3.secretAccessKey,
		AWS_REGION: stack.s3.region,
		AWS_ENDPOINT_URL: stack.s3.endpoint,
		...changes,
	};
}

export async function secret(
	name: string,
	data: Readonly<Record<string, string>>,
): Promise<void> {
	await apply({
		apiVersion: "v1",
		kind: "Secret",
		metadata: { name, namespace: NAMESPACE },
		stringData: data,
	});
}

export async function apply(manifest: object): Promise<void> {
	await cluster.kubectlWith(stringify(manifest), "apply", "-f", "-");
}

export interface Changes {
	readonly source?: object;
	readonly kafka?: object;
	readonly sink?: object;
	readonly writer?: object;
}

/** A pipeline from MongoDB; its pods are small enough for all of them to fit one node. */
export function pipeline(name: string, changes: Changes = {}): object {
	return {
		apiVersion: "tributary.dev/v1alpha1",
		kind: "CdcPipeline",
		metadata: { name, namespace: NAMESPACE },
		spec: {
			source: {
				type: "mongodb",
				connectionSecretRef: { name: "shop-mongo", key: "uri" },
				include: ["shop.orders"],
				...changes.source,
			},
			kafka: {
				bootstrapServers: [stack.kafka.bootstrap],
				connectUrl: stack.connect.url,
				topicPrefix: name,
				...changes.kafka,
			},
			sink: {
				location: `s3://lake/${name}`,
				storageSecretRef: { name: "lake" },
				...changes.sink,
			},
			writer: {
				batch: { maxDelay: "1s" },
				resources: { cpu: "50m", memory: "512Mi" },
				...changes.writer,
			},
		},
	};
}

export async function status(name: string): Promise<CdcPipelineStatus> {
	const text = await cluster.kubectl(
		...["get", "cdcpipeline", name, "-n", NAMESPACE, "-o", "json"],
	);
	return (JSON.parse(text) as { status?: CdcPipelineStatus }).status ?? {};
}

export async function condition(name: string, type: string) {
	return (await status(name)).conditions?.find((c) => c.type === type);
}

export function becomesReady(name: string): Promise<void> {
	return vi.waitFor(
		async () =>
			expect(await condition(name, "Ready")).toMatchObject({ status: "True" }),
		minutes(4),
	);
}

const READ = `
import duckdb, duckdb_extension_delta, json, pathlib, sys
[extension] = pathlib.Path(duckdb_extension_delta.__file__).parent.glob("extensions/*/delta.duckdb_extension")
db = duckdb.connect()
# On a slow machine it would write to the output.
db.execute("SET enable_progress_bar = false")
db.execute(f"LOAD '{extension}'")
rows = db.execute(f"SELECT {sys.argv[2]} FROM delta_scan('{sys.argv[1]}')").fetchall()
print(json.dumps(sorted(rows), default=str))
`;

/** A table as another engine reads it, straight from the bucket's files. */
export async function table(
	path: string,
	columns: readonly string[],
): Promise<unknown[][]> {
	const { stdout } = await run(
		JUDGES_PYTHON,
		[
			"-c",
			READ,
			join(stack.s3.folder, "lake", path),
			columns.map((column) => `"${column}"`).join(", "),
		],
		{ maxBuffer: 64 * 2 ** 20 },
	);
	return JSON.parse(stdout) as unknown[][];
}

function shopOrders() {
	if (documents === undefined) throw new Error("setUp was not called");
	return documents.db("shop").collection("orders");
}

export async function orders(): Promise<unknown[][]> {
	const found = await shopOrders().find().toArray();
	return found
		.map(({ _id, name, qty }) => [String(_id), name, qty])
		.sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));
}

export function tableEqualsOrders(path: string): Promise<void> {
	return vi.waitFor(
		async () =>
			expect(await table(path, ["_id", "name", "qty"])).toEqual(await orders()),
		minutes(2),
	);
}

export async function change(step: number): Promise<void> {
	const collection = shopOrders();
	await collection.insertMany(
		Array.from({ length: 100 }, (_, i) => ({
			name: `order ${step}-${i}`,
			qty: i,
		})),
	);
	await collection.updateMany({ qty: { $lt: 10 } }, { $inc: { qty: 1000 } });
	await collection.deleteMany({ qty: { $gte: 95, $lt: 1000 } });
}
