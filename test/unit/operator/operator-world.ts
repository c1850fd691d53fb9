import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, vi } from "vitest";
import { createLogger } from "../../../src/observe/log.ts";
import type {
	ConnectorOutcome,
	Connectors,
} from "../../../src/operator/cdc-pipeline/connector.ts";
import { operatorSettings } from "../../../src/operator/environment.ts";
import { runOperator } from "../../../src/operator/operator.ts";
import type { CdcPipelineStatus } from "../../../src/resource/cdc-pipeline-status.ts";
import { TestApiServer } from "../kube/api-server.ts";
import { pipelineYaml } from "./pipeline.ts";

export const wait = { timeout: 10_000 };

export const PIPELINES =
	"/apis/tributary.dev/v1alpha1/namespaces/data/cdcpipelines";
export const SETS = "/apis/apps/v1/namespaces/data/statefulsets";

export function core(kind: string, name: string): string {
	return `/api/v1/namespaces/data/${kind}/${name}`;
}

export const RUNNING: ConnectorOutcome = {
	ready: true,
	reason: "ConnectorRunning",
	message: "1 of 1 tasks run",
	terminal: false,
	connector: {
		name: "data.shop",
		state: "RUNNING",
		tasks: [{ id: 0, state: "RUNNING" }],
	},
};

/** A running operator beside an API server; Kafka Connect and the writers' health are doubles. */
export class OperatorWorld {
	readonly server = new TestApiServer();
	/** What Kafka Connect was asked for. */
	readonly order: string[] = [];
	readonly connectors: TestConnectors = new TestConnectors(this.order);
	/** Of the operator's metrics and probes. */
	port = 0;
	readonly #stop = new AbortController();
	readonly #writer: Server = createServer((_, response) => {
		response.end(JSON.stringify(REPORT));
	});
	#operator: Promise<void> | undefined;

	static async start(): Promise<OperatorWorld> {
		const world = new OperatorWorld();
		await world.#start();
		return world;
	}

	async #start(): Promise<void> {
		const { server } = this;
		await server.start();
		await new Promise<void>((resolve) =>
			this.#writer.listen(0, "127.0.0.1", resolve),
		);
		server.put(core("secrets", "shop-mongo"), {
			data: { uri: Buffer.from("mongodb://m\n").toString("base64") },
		});
		server.put(core("secrets", "lake"), {
			data: { AWS_ACCESS_KEY_ID: "eA==", AWS_SECRET_ACCESS_KEY: "eA==" },
		});
		const listening = Promise.withResolvers<number>();
		this.#operator = runOperator({
			client: server.client(),
			settings: operatorSettings(
				["--metrics-port", "0", "--image", "tributary:test"],
				{ POD_NAMESPACE: "system" },
				{ hostname: "h" },
			),
			connectors: this.connectors,
			log: createLogger({ level: "silent" }),
			signal: this.#stop.signal,
			canaryTimes: { intervalMs: 300, limitMs: 1_500 },
			writerPort: (this.#writer.address() as AddressInfo).port,
			listening: listening.resolve,
		});
		this.port = await listening.promise;
	}

	async stop(): Promise<void> {
		this.#stop.abort();
		await this.#operator;
		this.#writer.closeAllConnections();
		await new Promise((resolve) => this.#writer.close(resolve));
		await this.server.stop();
	}

	status(name = "shop"): CdcPipelineStatus {
		return (
			this.server.get<{ status?: CdcPipelineStatus }>(`${PIPELINES}/${name}`)
				?.status ?? {}
		);
	}

	condition(type: string, name = "shop") {
		return this.status(name).conditions?.find((c) => c.type === type);
	}

	/** What the StatefulSet controller and the kubelet would do. */
	pod(name: string, containerStatus: object, ready: boolean): void {
		const { server } = this;
		server.put(core("pods", `${name}-writer-0`), {
			metadata: {
				labels: {
					"app.kubernetes.io/managed-by": "tributary",
					"tributary.dev/pipeline": name,
				},
			},
			status: {
				phase: "Running",
				podIP: "127.0.0.1",
				conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
				containerStatuses: [{ name: "writer", ready, ...containerStatus }],
			},
		});
		const set = server.get(`${SETS}/${name}-writer`);
		server.put(`${SETS}/${name}-writer`, {
			...set,
			status: {
				observedGeneration: set?.metadata.generation,
				updatedReplicas: 1,
				currentRevision: "r",
				updateRevision: "r",
			},
		});
	}

	async started(name = "shop"): Promise<void> {
		const { server } = this;
		server.put(`${PIPELINES}/${name}`, pipelineYaml({ name }));
		await vi.waitFor(
			() => expect(server.get(`${SETS}/${name}-writer`)).toBeDefined(),
			wait,
		);
		this.pod(name, {}, true);
		await vi.waitFor(
			() => expect(this.status(name).phase).toBe("Running"),
			wait,
		);
	}
}

class TestConnectors implements Connectors {
	outcome: ConnectorOutcome = RUNNING;
	/** Why Kafka Connect removes nothing. */
	refuses: string | undefined;
	readonly #order: string[];

	constructor(order: string[]) {
		this.#order = order;
	}

	reconcile: Connectors["reconcile"] = async ({ metadata, spec }, uri) => {
		this.#order.push(`connector ${metadata.name} ${spec.state} ${uri}`);
		return this.outcome;
	};

	remove: Connectors["remove"] = async ({ metadata }) => {
		if (this.refuses !== undefined) throw new Error(this.refuses);
		this.#order.push(`connector ${metadata.name} removed`);
	};
}

/** What a writer says of itself. */
const REPORT = {
	tables: [{ name: "orders", version: 4, rows: 100 }],
	lagRecords: 7,
	freshnessSeconds: 2.34,
	rowsPerSecond: 50.4,
};
