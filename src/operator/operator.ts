import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { messageOf } from "../errors.ts";
import type { ApiClient } from "../kube/client.ts";
import { type Clock, systemClock } from "../kube/clock.ts";
import { type Reconcile, runController } from "../kube/controller.ts";
import { EventRecorder } from "../kube/events.ts";
import { apiLeaseStore, LeaseElection } from "../kube/lease.ts";
import { WorkQueue } from "../kube/work-queue.ts";
import type { Connectors } from "./cdc-pipeline/connector.ts";
import { pipelineReconcile } from "./cdc-pipeline/reconcile.ts";
import { httpWriterReport } from "./cdc-pipeline/writer-report.ts";
import type { OperatorSettings } from "./environment.ts";
import { operatorMetrics } from "./metrics.ts";
import { WRITER_PORT } from "./names.ts";
import { createStores, type Stores } from "./stores.ts";

/** As pino's logger. */
export interface Log {
	info(fields: object, message: string): void;
	warn(fields: object, message: string): void;
	error(fields: object, message: string): void;
}

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
	log: Log;
	signal: AbortSignal;
	clock?: Clock;
	/** Port of the writers' `/status`. */
	writerPort?: number;
	/** Told of the port that the operator listens on. */
	listening?: (port: number) => void;
}): Promise<void> {
	const { client, settings, log, signal, clock = systemClock } = options;
	const queue = new WorkQueue(clock);
	let active = 0;
	const ended = new AbortController();
	const life = AbortSignal.any([signal, ended.signal]);
	const stores = createStores({
		client,
		clock,
		namespaces: settings.namespaces,
		wake: (key) => queue.add(key),
		onError: (error) => log.warn({ error: messageOf(error) }, "watch failed"),
	});
	const election = new LeaseElection({
		store: apiLeaseStore(client, {
			namespace: settings.ownNamespace,
			name: "tributary-operator",
		}),
		clock,
		identity: settings.identity,
		onError: (error) => log.warn({ error: messageOf(error) }, "lease failed"),
	});
	let leading = false;
	const metrics = operatorMetrics({
		depth: () => queue.depth,
		active: () => active,
		leading: () => leading,
		silence: () => stores.silence(),
	});
	const server = await serve(settings.port, stores, () =>
		metrics.registry.metrics(),
	);
	options.listening?.((server.address() as AddressInfo).port);

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
			onError: (error) => log.warn({ error: messageOf(error) }, "event failed"),
		}),
		askWriter: httpWriterReport(options.writerPort ?? WRITER_PORT),
		image: settings.writers,
	});
	const counted: Reconcile = async (key, term) => {
		active++;
		try {
			return await reconcile(key, term);
		} finally {
			active--;
		}
	};

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
			reconcile: counted,
			clock,
			workers: settings.workers,
			signal: term,
			report(report) {
				metrics.reconciled(report);
				if (report.result === "error")
					log.error(
						{
							pipeline: report.key,
							error: messageOf(report.error),
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
		server.closeAllConnections();
		await new Promise((resolve) => server.close(resolve));
	}
}

async function serve(
	port: number,
	stores: Stores,
	metrics: () => Promise<string>,
): Promise<Server> {
	const server = createServer((request, response) => {
		const answer = (
			status: number,
			text: string,
			type = "text/plain",
		): void => {
			response.writeHead(status, { "content-type": type }).end(text);
		};
		switch (request.url) {
			case "/healthz": {
				const deaf = [...stores.silence()].filter(([, ms]) => ms > DEAF_MS);
				return deaf.length === 0
					? answer(200, "ok\n")
					: answer(
							503,
							`no word from the API server about ${deaf.map(([kind]) => kind).join(", ")}\n`,
						);
			}
			case "/readyz":
				return stores.hasSynced()
					? answer(200, "ok\n")
					: answer(503, "the first lists are not complete\n");
			case "/metrics":
				metrics().then(
					(text) => answer(200, text, "text/plain; version=0.0.4"),
					(error: unknown) => answer(500, `${messageOf(error)}\n`),
				);
				return;
			default:
				answer(404, "try /healthz, /readyz or /metrics\n");
		}
	});
	await new Promise<void>((resolve, reject) => {
		server.once("error", reject);
		server.listen(port, () => resolve());
	});
	return server;
}
