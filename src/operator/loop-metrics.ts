import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { AnswerNote } from "../kube/client.ts";
import type { ReconcileReport } from "../kube/controller.ts";
import type { WorkQueue, WorkQueueObserver } from "../kube/work-queue.ts";

/** What one controller tells of its loop. */
export interface ControllerMetrics {
	/** For the controller's work queue. */
	readonly queue: WorkQueueObserver;
	reconciled(report: ReconcileReport): void;
}

export interface LoopMetrics {
	/** A controller is known under its name from here on, with all its results at 0. */
	controller(
		name: string,
		options: { readonly queue: () => WorkQueue; readonly workers: number },
	): ControllerMetrics;
}

const RESULTS = ["success", "requeue_after", "error"] as const;
const WORK_SECONDS = [
	0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
];
const QUEUE_SECONDS = [0.001, 0.01, 0.1, 1, 10, 100, 1000];

/**
 * The reconcile loops under the names that controller-runtime and client-go have for them, so that
 * dashboards and alerts made for these fit.
 */
export function loopMetrics(registry: Registry): LoopMetrics {
	const registers = [registry];
	const controllers = new Map<
		string,
		{ queue: () => WorkQueue; workers: number }
	>();
	const perController = ["controller"] as const;
	const perQueue = ["name", "controller"] as const;
	const of = (name: string) => ({ name, controller: name });
	const total = new Counter({
		name: "controller_runtime_reconcile_total",
		help: "Reconciles by result.",
		labelNames: ["controller", "result"],
		registers,
	});
	const errors = new Counter({
		name: "controller_runtime_reconcile_errors_total",
		help: "Reconciles that failed.",
		labelNames: perController,
		registers,
	});
	const seconds = new Histogram({
		name: "controller_runtime_reconcile_time_seconds",
		help: "Time of a reconcile.",
		labelNames: perController,
		buckets: WORK_SECONDS,
		registers,
	});
	const adds = new Counter({
		name: "workqueue_adds_total",
		help: "Keys that were added to the queue.",
		labelNames: perQueue,
		registers,
	});
	const retries = new Counter({
		name: "workqueue_retries_total",
		help: "Keys that were added again after a failure.",
		labelNames: perQueue,
		registers,
	});
	const waited = new Histogram({
		name: "workqueue_queue_duration_seconds",
		help: "Time of a key in the queue before a worker took it.",
		labelNames: perQueue,
		buckets: QUEUE_SECONDS,
		registers,
	});
	const worked = new Histogram({
		name: "workqueue_work_duration_seconds",
		help: "Time of a worker with a key.",
		labelNames: perQueue,
		buckets: WORK_SECONDS,
		registers,
	});
	const gauge = (
		name: string,
		help: string,
		value: (controller: { queue: WorkQueue; workers: number }) => number,
		queue: boolean,
	): void => {
		new Gauge<string>({
			name,
			help,
			labelNames: queue ? perQueue : perController,
			registers,
			collect() {
				for (const [controller, { queue: get, workers }] of controllers)
					this.set(
						queue ? of(controller) : { controller },
						value({ queue: get(), workers }),
					);
			},
		});
	};
	gauge(
		"controller_runtime_active_workers",
		"Reconciles under way.",
		({ queue }) => queue.workingMs().length,
		false,
	);
	gauge(
		"controller_runtime_max_concurrent_reconciles",
		"Reconciles that may be under way at once.",
		({ workers }) => workers,
		false,
	);
	gauge(
		"workqueue_depth",
		"Keys that wait for a worker.",
		({ queue }) => queue.depth,
		true,
	);
	gauge(
		"workqueue_unfinished_work_seconds",
		"Time of all workers with the keys that they hold, together.",
		({ queue }) => queue.workingMs().reduce((sum, ms) => sum + ms, 0) / 1000,
		true,
	);
	gauge(
		"workqueue_longest_running_processor_seconds",
		"Time of the worker that holds its key longest.",
		({ queue }) => Math.max(0, ...queue.workingMs()) / 1000,
		true,
	);
	return {
		controller(name, options) {
			controllers.set(name, options);
			const controller = name;
			for (const result of RESULTS) total.inc({ controller, result }, 0);
			errors.inc({ controller }, 0);
			seconds.zero({ controller });
			adds.inc(of(name), 0);
			retries.inc(of(name), 0);
			waited.zero(of(name));
			worked.zero(of(name));
			return {
				queue: {
					added: () => adds.inc(of(name)),
					retried: () => retries.inc(of(name)),
					taken: (waitedMs) => waited.observe(of(name), waitedMs / 1000),
					done: (workedMs) => worked.observe(of(name), workedMs / 1000),
				},
				reconciled(report) {
					total.inc({ controller, result: report.result });
					seconds.observe({ controller }, report.seconds);
					if (report.result === "error") errors.inc({ controller });
				},
			};
		},
	};
}

/** Counts the answers of the API server, under client-go's name; code `<error>` where there was none. */
export function restClientRequests(
	registry: Registry,
): (answer: AnswerNote) => void {
	const requests = new Counter({
		name: "rest_client_requests_total",
		help: "Requests to the API server by method and status.",
		labelNames: ["code", "method", "host"],
		registers: [registry],
	});
	return ({ status, method, host }) =>
		requests.inc({
			code: status === 0 ? "<error>" : String(status),
			method,
			host,
		});
}
