import type { CanaryTimes } from "../kube/canary.ts";
import type { ApiClient } from "../kube/client.ts";
import { type Clock, systemClock } from "../kube/clock.ts";
import { type Reconcile, runController } from "../kube/controller.ts";
import { EventRecorder } from "../kube/events.ts";
import { fenceWrites } from "../kube/fence.ts";
import { apiLeaseStore, LeaseElection } from "../kube/lease.ts";
import { WorkQueue } from "../kube/work-queue.ts";
import { serveHealth } from "../observe/http.ts";
import type { Logger } from "../observe/log.ts";
import { CDC_PIPELINE, FILE_INGESTION } from "../resource/kinds.ts";
import { DELTA_TABLE, TABLE_OPERATION } from "../resource/table-kinds.ts";
import { operatorCanary } from "./canary.ts";
import { type Connectors, fenceConnectors } from "./cdc-pipeline/connector.ts";
import { pipelineReconcile } from "./cdc-pipeline/reconcile.ts";
import { httpWriterReport } from "./cdc-pipeline/writer-report.ts";
import { tableReconcile } from "./delta-table/reconcile.ts";
import type { OperatorSettings } from "./environment.ts";
import { ingestionReconcile } from "./file-ingestion/reconcile.ts";
import { httpWorkerReport } from "./file-ingestion/worker-report.ts";
import { type OperatorMetrics, operatorMetrics } from "./metrics.ts";
import { WRITER_PORT } from "./names.ts";
import { createStores, OWNER_KINDS, type OwnerKind } from "./stores.ts";
import { operationReconcile } from "./table-operation/reconcile.ts";

/** Name of each controller, and of its queue, in metrics. */
const CONTROLLERS: Readonly<Record<OwnerKind, string>> = {
	pipeline: CDC_PIPELINE.singular,
	table: DELTA_TABLE.singular,
	operation: TABLE_OPERATION.singular,
	ingestion: FILE_INGESTION.singular,
};
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
	canaryTimes?: CanaryTimes;
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
	const loops = perOwner((kind) => {
		const loop = metrics.loops.controller(CONTROLLERS[kind], {
			queue: () => queue,
			workers: settings.workers,
		});
		const queue = new WorkQueue(clock, { observer: loop.queue });
		return { queue, reconciled: loop.reconciled };
	});
	const ended = new AbortController();
	const life = AbortSignal.any([signal, ended.signal]);
	const stores = createStores({
		client,
		clock,
		namespaces: settings.namespaces,
		wake: (kind, key) => loops[kind].queue.add(key),
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
	const mayWrite = (): boolean =>
		settings.leaderElection ? election.isLeader : leading;
	const fenced = fenceWrites(client, mayWrite);
	const canary = operatorCanary({
		client: fenced,
		clock,
		stores,
		namespace: settings.namespaces[0] ?? settings.ownNamespace,
		identity: settings.identity,
		times: options.canaryTimes,
		onError: (error) => log.warn({ err: error }, "canary failed"),
	});
	metrics.follow({
		leading: () => leading,
		silence: () => stores.silence(),
		canary: () =>
			new Map([...canary.ages()].map(([kind, ms]) => [CONTROLLERS[kind], ms])),
		pipelines: () =>
			stores
				.keys("pipeline")
				.flatMap((key) => stores.get("pipeline", key) ?? []),
		tables: () =>
			stores.keys("table").flatMap((key) => stores.get("table", key) ?? []),
		cronJob: (key) => stores.get("cronJob", key),
	});
	const server = await serveHealth({
		port: settings.port,
		registry: metrics.registry,
		live: () => [
			...[...stores.silence()]
				.filter(([, ms]) => ms > DEAF_MS)
				.map(([kind]) => `no word from the API server about ${kind}`),
			...canary
				.late()
				.map(
					(kind) =>
						`controller ${CONTROLLERS[kind]} does not notice changes any more`,
				),
		],
		ready: () =>
			stores.hasSynced() ? [] : ["the first lists are not complete"],
	});
	options.listening?.(server.port);

	const events = new EventRecorder({
		client: fenced,
		clock,
		controller: "tributary.dev/operator",
		instance: settings.identity,
		onError: (error) => log.warn({ err: error }, "event failed"),
	});
	const shared = {
		client: fenced,
		clock,
		stores,
		events,
		image: settings.writers,
	};
	const reconciles: Readonly<Record<OwnerKind, Reconcile>> = {
		pipeline: pipelineReconcile({
			...shared,
			connectors: fenceConnectors(options.connectors, mayWrite),
			askWriter: httpWriterReport(options.writerPort ?? WRITER_PORT),
		}),
		table: tableReconcile(shared),
		operation: operationReconcile(shared),
		ingestion: ingestionReconcile({
			...shared,
			askWorker: httpWorkerReport(options.writerPort ?? WRITER_PORT),
		}),
	};

	function work(kind: OwnerKind, term: AbortSignal): Promise<void> {
		const { queue, reconciled } = loops[kind];
		for (const key of stores.keys(kind)) queue.add(key);
		return runController({
			queue,
			reconcile: canary.followedBy(kind, reconciles[kind]),
			clock,
			workers: settings.workers,
			signal: term,
			report(report) {
				reconciled(report);
				if (report.result === "error")
					log.error(
						{
							[kind]: report.key,
							err: report.error,
							retryInMs: report.retryInMs,
						},
						"reconcile failed",
					);
			},
		});
	}

	async function lead(term: AbortSignal): Promise<void> {
		leading = true;
		log.info({ identity: settings.identity }, "leading");
		await Promise.race([
			stores.synced,
			new Promise((resolve) =>
				term.addEventListener("abort", resolve, { once: true }),
			),
		]);
		await Promise.all([
			canary.run(term),
			...OWNER_KINDS.map((kind) => work(kind, term)),
		]);
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

function perOwner<T>(
	make: (kind: OwnerKind) => T,
): Readonly<Record<OwnerKind, T>> {
	return Object.fromEntries(
		OWNER_KINDS.map((kind) => [kind, make(kind)]),
	) as Record<OwnerKind, T>;
}
