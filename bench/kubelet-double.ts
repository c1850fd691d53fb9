import { createServer } from "node:http";
import { type ApiClient, ApiError } from "../src/kube/client.ts";
import { systemClock } from "../src/kube/clock.ts";
import { listWatch } from "../src/kube/list-watch.ts";
import { resourcePath } from "../src/kube/object.ts";
import { Reflector } from "../src/kube/reflector.ts";
import { MANAGED_SELECTOR, WRITER_PORT } from "../src/operator/names.ts";
import { type Pod, TYPES } from "../src/operator/types.ts";

/** All writers of a double, on a loopback address of their own: the port is the real one. */
const WRITERS = `127.77.${1 + (process.pid % 250)}.1`;

export interface KubeletDouble {
	stop(): Promise<void>;
}

/**
 * Says of every writer pod that it runs and is ready, which is all of a node that the operator sees, and
 * answers for all of them on `/status`, each time with other figures.
 */
export async function startKubeletDouble(
	client: ApiClient,
	onError: (error: unknown) => void,
): Promise<KubeletDouble> {
	const stop = new AbortController();
	const server = createServer((_, response) => {
		const lagRecords = Math.floor(Math.random() * 1000);
		response.end(
			JSON.stringify({
				tables: [
					{
						name: "orders",
						version: Math.floor(Date.now() / 1000),
						rows: 1000,
						tableRows: 100_000,
						files: 12,
						bytes: 3_000_000,
						lastCommit: new Date().toISOString(),
					},
				],
				lagRecords,
				freshnessSeconds: Math.random() * 10,
				rowsPerSecond: lagRecords / 10,
			}),
		);
	});
	await new Promise<void>((ready, fail) => {
		server.once("error", fail);
		server.listen(WRITER_PORT, WRITERS, ready);
	});

	async function run({ metadata }: Pod): Promise<void> {
		const now = new Date().toISOString();
		await client.request({
			method: "PATCH",
			path: resourcePath(TYPES.pod, { ...metadata, subresource: "status" }),
			contentType: "application/merge-patch+json",
			body: {
				status: {
					phase: "Running",
					podIP: WRITERS,
					podIPs: [{ ip: WRITERS }],
					startTime: now,
					conditions: ["Ready", "ContainersReady", "PodScheduled"].map(
						(type) => ({ type, status: "True", lastTransitionTime: now }),
					),
					containerStatuses: [
						{
							name: "writer",
							ready: true,
							started: true,
							restartCount: 0,
							image: "tributary:bench",
							imageID: "",
							state: { running: { startedAt: now } },
						},
					],
				},
			},
		});
	}

	const reflector = new Reflector<Pod>({
		source: listWatch<Pod>(client, TYPES.pod, {
			labelSelector: MANAGED_SELECTOR,
		}),
		clock: systemClock,
		onError,
		onChange: (_, pod) => {
			if (
				pod === undefined ||
				pod.metadata.deletionTimestamp !== undefined ||
				pod.status?.phase === "Running"
			)
				return;
			run(pod).catch((error: unknown) => {
				// Gone, or changed since: the watch tells of it again.
				if (!(error instanceof ApiError && [404, 409].includes(error.status)))
					onError(error);
			});
		},
	});
	const running = reflector.run(stop.signal);
	return {
		async stop() {
			stop.abort();
			await running;
			server.closeAllConnections();
			await new Promise((closed) => server.close(closed));
		},
	};
}
