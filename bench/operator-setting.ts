import { execFile } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { KubeConfig } from "@kubernetes/client-node";
import { type ApiClient, createApiClient } from "../src/kube/client.ts";
import { type ResourceType, resourcePath } from "../src/kube/object.ts";
import { type PipelineObject, TYPES } from "../src/operator/types.ts";
import { type Cluster, startCluster } from "../stack/cluster.ts";
import { type ConnectDouble, startConnectDouble } from "./connect-double.ts";
import { startKubeletDouble } from "./kubelet-double.ts";

const ROOT = resolve(import.meta.dirname, "..");
const NAMESPACE: ResourceType = {
	group: "",
	version: "v1",
	kind: "Namespace",
	plural: "namespaces",
};

/**
 * A real API server with etcd and the controller manager, and doubles for what is behind them: nodes,
 * writers and Kafka Connect, in this process.
 */
export interface OperatorSetting {
	readonly dir: string;
	readonly cluster: Cluster;
	readonly client: ApiClient;
	readonly connect: ConnectDouble;
	/** `namespace/name` of the nth pipeline. */
	place(index: number): { readonly namespace: string; readonly name: string };
	/** The nth pipeline as a user writes it, with changes of its specification. */
	pipeline(index: number, changes?: object): object;
	create(index: number): Promise<void>;
	pipelines(): Promise<readonly PipelineObject[]>;
	stop(): Promise<void>;
}

export async function startOperatorSetting({
	namespaces = 5,
}: {
	namespaces?: number;
} = {}): Promise<OperatorSetting> {
	const dir = mkdtempSync(join(tmpdir(), "tributary-operator-"));
	chmodSync(dir, 0o755);
	await promisify(execFile)("npm", ["run", "--silent", "build"], { cwd: ROOT });
	const cluster = await startCluster({ dir, nodes: 0 });
	const connect = await startConnectDouble();
	const config = new KubeConfig();
	config.loadFromFile(cluster.kubeconfig);
	const client = createApiClient(config, { userAgent: "bench" });
	await cluster.kubectl("apply", "--server-side", "-f", join(ROOT, "crds"));
	await cluster.kubectl(
		...["wait", "--for=condition=Established", "--timeout=60s"],
		...["crd", "--all"],
	);
	for (let i = 0; i < namespaces; i++) {
		const name = `team-${i}`;
		await client.request({
			method: "POST",
			path: resourcePath(NAMESPACE),
			body: { apiVersion: "v1", kind: "Namespace", metadata: { name } },
		});
		for (const [secret, data] of Object.entries({
			"shop-mongo": { uri: "mongodb://reader:hunter2@mongo:27017" },
			lake: { AWS_ACCESS_KEY_ID: "x", AWS_SECRET_ACCESS_KEY: "y" },
		}))
			await client.request({
				method: "POST",
				path: resourcePath(TYPES.secret, { namespace: name }),
				body: {
					apiVersion: "v1",
					kind: "Secret",
					metadata: { name: secret },
					stringData: data,
				},
			});
	}
	const kubelet = await startKubeletDouble(client, (error) =>
		console.error("kubelet double:", error),
	);

	const place = (index: number) => ({
		namespace: `team-${index % namespaces}`,
		name: `shop-${index}`,
	});
	function pipeline(index: number, changes: object = {}): object {
		const { namespace, name } = place(index);
		return {
			apiVersion: "tributary.dev/v1alpha1",
			kind: "CdcPipeline",
			metadata: { name, namespace },
			spec: {
				source: {
					type: "mongodb",
					connectionSecretRef: { name: "shop-mongo", key: "uri" },
					include: ["shop.orders", "shop.customers"],
				},
				kafka: {
					bootstrapServers: ["127.0.0.1:9"],
					connectUrl: connect.url,
					topicPrefix: name,
				},
				sink: {
					location: `s3://lake/${name}`,
					storageSecretRef: { name: "lake" },
				},
				...changes,
			},
		};
	}
	return {
		dir,
		cluster,
		client,
		connect,
		place,
		pipeline,
		async create(index) {
			const { namespace } = place(index);
			await client.request({
				method: "POST",
				path: resourcePath(TYPES.pipeline, { namespace }),
				body: pipeline(index),
			});
		},
		async pipelines() {
			const { items } = await client.request<{ items: PipelineObject[] }>({
				path: resourcePath(TYPES.pipeline),
			});
			return items;
		},
		async stop() {
			await kubelet.stop();
			await connect.stop();
			await cluster.stop();
			rmSync(dir, { recursive: true, force: true });
		},
	};
}
