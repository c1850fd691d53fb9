import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { ReconcileReport } from "../kube/controller.ts";

/** The operator's metrics; those of the loop have controller-runtime's names. */
export interface OperatorMetrics {
	readonly registry: Registry;
	reconciled(report: ReconcileReport): void;
}

export interface OperatorFigures {
	depth(): number;
	active(): number;
	leading(): boolean;
	silence(): ReadonlyMap<string, number>;
}

const CONTROLLER = "cdcpipeline";

export function operatorMetrics(figures: OperatorFigures): OperatorMetrics {
	const registry = new Registry();
	const registers = [registry];
	const total = new Counter({
		name: "controller_runtime_reconcile_total",
		help: "Reconciles by result.",
		labelNames: ["controller", "result"],
		registers,
	});
	const errors = new Counter({
		name: "controller_runtime_reconcile_errors_total",
		help: "Reconciles that failed.",
		labelNames: ["controller"],
		registers,
	});
	const seconds = new Histogram({
		name: "controller_runtime_reconcile_time_seconds",
		help: "Time of a reconcile.",
		labelNames: ["controller"],
		buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
		registers,
	});
	const gauge = (
		name: string,
		help: string,
		labelNames: string[],
		collect: (gauge: Gauge) => void,
	): void => {
		new Gauge({
			name,
			help,
			labelNames,
			registers,
			collect() {
				collect(this);
			},
		});
	};
	gauge("workqueue_depth", "Keys that wait for a worker.", ["name"], (g) =>
		g.set({ name: CONTROLLER }, figures.depth()),
	);
	gauge(
		"controller_runtime_active_workers",
		"Reconciles under way.",
		["controller"],
		(g) => g.set({ controller: CONTROLLER }, figures.active()),
	);
	gauge(
		"leader_election_master_status",
		"1 while this process leads.",
		["name"],
		(g) => g.set({ name: "tributary-operator" }, figures.leading() ? 1 : 0),
	);
	gauge(
		"tributary_watch_silence_seconds",
		"Time since the API server was last heard of on a watch.",
		["kind"],
		(g) => {
			for (const [kind, ms] of figures.silence()) g.set({ kind }, ms / 1000);
		},
	);
	gauge(
		"process_resident_memory_bytes",
		"Resident memory size in bytes.",
		[],
		(g) => g.set(process.memoryUsage.rss()),
	);
	for (const result of ["success", "requeue_after", "error"])
		total.inc({ controller: CONTROLLER, result }, 0);
	return {
		registry,
		reconciled(report) {
			total.inc({ controller: CONTROLLER, result: report.result });
			seconds.observe({ controller: CONTROLLER }, report.seconds);
			if (report.result === "error") errors.inc({ controller: CONTROLLER });
		},
	};
}
