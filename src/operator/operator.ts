import type { ApiClient } from "../kube/client.ts";
import { type Clock, systemClock } from "../kube/clock.ts";
import { runController } from "../kube/controller.ts";
import { EventRecorder } from "../kube/events.ts";
import { apiLeaseStore, LeaseElection } from "../kube/lease.ts";
import { WorkQueue } from "../kube/work-queue.ts";
import { serveHealth } from "../observe/http.ts";
import type { Logger } from "../observe/log.ts";
import type { Connectors } from "./cdc-pipeline/connector.ts";
import { pipelineReconcile } from "./cdc-pipeline/reconcile.ts";
import { httpWriterReport } from "./cdc-pipeline/writer-report.ts";
import type { OperatorSettings } from "./environment.ts";
import { type OperatorMetrics, operatorMetrics } from "./metrics.ts";
import { WRITER_PORT } from "./names.ts";
import { createStores } from "./stores.ts";

/** Name of the controller, and of its queue, in metrics. */
const CONTROLLER = "cdcpipeline";
/** A watch that stays silent for so long in spite of all retries means that this process is stuck. */
const DEAF_MS = 600_000;

/**
 * Runs the operator until the signal is aborted or its term as the leader ends; then the process is
 * to end, and its successor starts from what is in the cluster.
 */
export async function runOperator(options: {
	client: ApiClient;
	settings: OperatorSettings;
	connectors: Connectors;
	log: Logger;
	signal: AbortSignal;
	clock?: Clock;
	/** Those that the client counts its requests in. */
	metrics?: OperatorMetrics;
	/** Port of the writers' `/status`. */
	writerPort?: number;
	/** Told of the port that the operator listens on. */
	listening?: (port: number) => void;
}): Promise<void> {
	const {
		client,
		settings,
		log,
		signal,
		clock = systemClock,
		metrics = operatorMetrics(),
	} = options;
	const loop = metrics.loops.controller(CONTROLLER, {
		queue: () => queue,
		workers: settings.workers,
	});
	const queue = new WorkQueue(clock, { observer: loop.queue });
	const ended = new AbortController();
	const life = AbortSignal.any([signal, ended.signal]);
	const stores = createStores({
		client,
		clock,
		namespaces: settings.namespaces,
		wake: (key) => queue.add(key),
		onError: (error) => log.warn({ err: error }, "watch failed"),
	});
	const election = new LeaseElection({
		store: apiLeaseStore(client, {
			namespace: settings.ownNamespace,
			name: "tributary-operator",
		}),
		clock,
		identity: settings.identity,
		onError: (error) => log.warn({ err: error }, "lease failed"),
	});
	let leading = false;
	metrics.follow({
		leading: () => leading,
		silence: () => stores.silence(),
		pipelines: () =>
			stores.pipelineKeys().flatMap((key) => stores.get("pipeline", key) ?? []),
		cronJob: (key) => stores.get("cronJob", key),
	});
	const server = await serveHealth({
		port: settings.port,
		registry: metrics.registry,
		live: () =>
			[...stores.silence()]
				.filter(([, ms]) => ms > DEAF_MS)
				.map(([kind]) => `no word from the API server about ${kind}`),
		ready: () =>
			stores.hasSynced() ? [] : ["the first lists are not complete"],
	});
	options.listening?.(server.port);

	const reconcile = pipelineReconcile({
		client,
		clock,
		stores,
		connectors: options.connectors,
		events: new EventRecorder({
			client,
			clock,
			controller: "tributary.dev/operator",
			instance: settings.identity,
			onError: (error) => log.warn({ err: error }, "event failed"),
		}),
		askWriter: httpWriterReport(options.writerPort ?? WRITER_PORT),
		image: settings.writers,
	});
	async function lead(term: AbortSignal): Promise<void> {
		leading = true;
		log.info({ identity: settings.identity }, "leading");
		await Promise.race([
			stores.synced,
			new Promise((resolve) =>
				term.addEventListener("abort", resolve, { once: true }),
			),
		]);
		for (const key of stores.pipelineKeys()) queue.add(key);
		await runController({
			queue,
			reconcile,
			clock,
			workers: settings.workers,
			signal: term,
			report(report) {
				loop.reconciled(report);
				if (report.result === "error")
					log.error(
						{
							pipeline: report.key,
							err: report.error,
							retryInMs: report.retryInMs,
						},
						"reconcile failed",
					);
			},
		});
		leading = false;
		log.info({ identity: settings.identity }, "no longer leading");
	}

	const watching = stores.run(life);
	try {
		if (settings.leaderElection) await election.run(life, lead);
		else await lead(life);
	} finally {
		ended.abort();
		await watching;
		await server.close();
	}
}
