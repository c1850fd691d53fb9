import { collectDefaultMetrics, Gauge, Registry } from "prom-client";
import type { AnswerNote } from "../kube/client.ts";
import {
	type LoopMetrics,
	loopMetrics,
	restClientRequests,
} from "./loop-metrics.ts";
import { maintenanceName, tableJobName } from "./names.ts";
import { pipelineMetrics } from "./pipeline-metrics.ts";
import { tableMetrics } from "./table-metrics.ts";
import type { CronJob, PipelineObject, TableObject } from "./types.ts";

/** The operator's metrics; those of its loops have controller-runtime's names. */
export interface OperatorMetrics {
	readonly registry: Registry;
	readonly loops: LoopMetrics;
	/** For the client of the API server. */
	answered(answer: AnswerNote): void;
	/** What is asked at each scrape. */
	follow(figures: OperatorFigures): void;
}

export interface OperatorFigures {
	leading(): boolean;
	/** Milliseconds by kind. */
	silence(): ReadonlyMap<string, number>;
	/** Milliseconds by controller. */
	canary(): ReadonlyMap<string, number>;
	pipelines(): Iterable<PipelineObject>;
	tables(): Iterable<TableObject>;
	cronJob(key: string): CronJob | undefined;
}

export function operatorMetrics(): OperatorMetrics {
	const registry = new Registry();
	const registers = [registry];
	collectDefaultMetrics({ register: registry });
	let figures: OperatorFigures = {
		leading: () => false,
		silence: () => new Map(),
		canary: () => new Map(),
		pipelines: () => [],
		tables: () => [],
		cronJob: () => undefined,
	};
	const loops = loopMetrics(registry);
	const answered = restClientRequests(registry);
	new Gauge({
		name: "leader_election_master_status",
		help: "1 while this process leads.",
		labelNames: ["name"],
		registers,
		collect() {
			this.set({ name: "tributary-operator" }, Number(figures.leading()));
		},
	});
	new Gauge({
		name: "tributary_watch_silence_seconds",
		help: "Time since the API server was last heard of on a watch.",
		labelNames: ["kind"],
		registers,
		collect() {
			this.reset();
			for (const [kind, ms] of figures.silence()) this.set({ kind }, ms / 1000);
		},
	});
	new Gauge({
		name: "tributary_canary_unnoticed_seconds",
		help: "Time since the leader changed its canary without the controller having noticed; 0 where it has.",
		labelNames: ["controller"],
		registers,
		collect() {
			this.reset();
			for (const [controller, ms] of figures.canary())
				this.set({ controller }, ms / 1000);
		},
	});
	pipelineMetrics(
		registry,
		() => (figures.leading() ? figures.pipelines() : []),
		({ metadata: { namespace = "", name } }, operation) =>
			figures.cronJob(`${namespace}/${maintenanceName(name, operation)}`),
	);
	tableMetrics(
		registry,
		() => (figures.leading() ? figures.tables() : []),
		({ metadata: { namespace = "", name } }, operation) =>
			figures.cronJob(`${namespace}/${tableJobName(name, operation)}`),
	);
	return {
		registry,
		loops,
		answered,
		follow(now) {
			figures = now;
		},
	};
}
