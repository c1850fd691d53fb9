import { expect, test } from "vitest";
import { WorkQueue } from "../../../src/kube/work-queue.ts";
import { operatorMetrics } from "../../../src/operator/metrics.ts";
import { tableJobName } from "../../../src/operator/names.ts";
import type {
	CronJob,
	PipelineObject,
	TableObject,
} from "../../../src/operator/types.ts";
import { VirtualClock } from "../kube/virtual-clock.ts";
import { pipelineYaml } from "./pipeline.ts";

const samples = (text: string, name: string): string[] =>
	text
		.split("\n")
		.filter((line) => line.startsWith(`${name}{`) && !line.endsWith(" 0"))
		.map((line) => line.slice(name.length));

function shop(status: PipelineObject["status"]): PipelineObject {
	return {
		...(pipelineYaml() as unknown as PipelineObject),
		...(status && { status }),
	};
}

function following(
	pipelines: readonly PipelineObject[],
	leading = true,
	cronJobs: Readonly<Record<string, CronJob>> = {},
	tables: readonly TableObject[] = [],
) {
	const metrics = operatorMetrics();
	metrics.follow({
		leading: () => leading,
		silence: () => new Map([["Pod", 2500]]),
		canary: () => new Map([["cdcpipeline", 31_000]]),
		pipelines: () => pipelines,
		tables: () => tables,
		cronJob: (key) => cronJobs[key],
	});
	return metrics.registry;
}

test("a failed task shows, and so does a state that nobody knew", async () => {
	const text = await following([
		shop({
			phase: "Degraded",
			lag: 12,
			replicas: 2,
			readyReplicas: 1,
			connector: {
				name: "data.shop",
				state: "RUNNING",
				tasks: [
					{ id: 0, state: "FAILED", message: "no primary" },
					{ id: 1, state: "ODD" },
				],
			},
		}),
	]).metrics();
	const pipeline = 'namespace="data",pipeline="shop"';
	expect(samples(text, "tributary_connector_task_state")).toEqual([
		`{${pipeline},connector="data.shop",task="0",state="FAILED"} 1`,
		`{${pipeline},connector="data.shop",task="1",state="ODD"} 1`,
	]);
	expect(samples(text, "tributary_pipeline_phase")).toEqual([
		`{${pipeline},phase="Degraded"} 1`,
	]);
	expect(samples(text, "tributary_pipeline_lag_records")).toEqual([
		`{${pipeline}} 12`,
	]);
	expect(samples(text, "tributary_pipeline_writers_ready")).toEqual([
		`{${pipeline}} 1`,
	]);
	expect(text).not.toContain("tributary_pipeline_freshness_seconds{");
	expect(samples(text, "tributary_canary_unnoticed_seconds")).toEqual([
		'{controller="cdcpipeline"} 31',
	]);
	expect(samples(text, "tributary_watch_silence_seconds")).toEqual([
		'{kind="Pod"} 2.5',
	]);
});

test("a pipeline that is deleted, and an operator that does not lead, have no samples", async () => {
	const pipelines = [shop({ phase: "Running" })];
	const registry = following(pipelines);
	expect(await registry.metrics()).toContain('pipeline="shop"');
	pipelines.pop();
	expect(await registry.metrics()).not.toContain('pipeline="shop"');
	const standby = await following(
		[shop({ phase: "Running" })],
		false,
	).metrics();
	expect(standby).not.toContain('pipeline="shop"');
	expect(standby).toContain(
		'leader_election_master_status{name="tributary-operator"} 0',
	);
});

test("maintenance that never ran is late since its CronJob was made; a suspended one is not late", async () => {
	const at = (day: number) => `2026-01-0${day}T00:00:00Z`;
	const seconds = (day: number) => Date.parse(at(day)) / 1000;
	const job = (suspend: boolean): CronJob => ({
		apiVersion: "batch/v1",
		kind: "CronJob",
		metadata: { name: "x", creationTimestamp: at(1) },
		spec: { suspend },
	});
	const run = {
		result: "Failed" as const,
		started: at(3),
		finished: at(4),
		pod: "p",
		filesRemoved: 7,
	};
	const name = "tributary_maintenance_last_success_timestamp_seconds";
	const success = async (
		jobs: Readonly<Record<string, CronJob>>,
		maintenance: NonNullable<PipelineObject["status"]>["maintenance"],
	) => {
		const text = await following(
			[shop({ phase: "Running", ...(maintenance && { maintenance }) })],
			true,
			jobs,
		).metrics();
		return { text, samples: samples(text, name) };
	};
	const labels = (operation: string) =>
		`{namespace="data",pipeline="shop",operation="${operation}"}`;
	const jobs = {
		"data/shop-optimize": job(false),
		"data/shop-vacuum": job(true),
	};
	expect((await success({}, undefined)).samples).toEqual([]);
	expect((await success(jobs, undefined)).samples).toEqual([
		`${labels("optimize")} ${seconds(1)}`,
	]);
	const { text, samples: late } = await success(jobs, {
		optimize: { ...run, lastSuccess: at(2) },
		vacuum: { ...run, lastSuccess: at(2) },
	});
	expect(late).toEqual([`${labels("optimize")} ${seconds(2)}`]);
	expect(samples(text, "tributary_maintenance_last_run_failed")).toEqual([
		`${labels("optimize")} 1`,
		`${labels("vacuum")} 1`,
	]);
	expect(samples(text, "tributary_maintenance_last_run_seconds")[0]).toBe(
		`${labels("optimize")} 86400`,
	);
	expect(samples(text, "tributary_maintenance_last_run_files_removed")[0]).toBe(
		`${labels("optimize")} 7`,
	);
});

test("a queue tells how long its keys waited, and how long they are worked on", async () => {
	const clock = new VirtualClock();
	const metrics = operatorMetrics();
	const loop = metrics.loops.controller("cdcpipeline", {
		queue: () => queue,
		workers: 4,
	});
	const queue = new WorkQueue(clock, { observer: loop.queue });
	const labels = '{name="cdcpipeline",controller="cdcpipeline"}';
	queue.add("a");
	queue.add("a");
	await clock.advance(2000);
	expect(await queue.take()).toBe("a");
	queue.add("a");
	await clock.advance(3000);
	let text = await metrics.registry.metrics();
	for (const line of [
		`workqueue_adds_total${labels} 2`,
		`workqueue_depth${labels} 1`,
		`workqueue_queue_duration_seconds_sum${labels} 2`,
		`workqueue_unfinished_work_seconds${labels} 3`,
		`workqueue_longest_running_processor_seconds${labels} 3`,
		'controller_runtime_active_workers{controller="cdcpipeline"} 1',
		'controller_runtime_max_concurrent_reconciles{controller="cdcpipeline"} 4',
		'controller_runtime_reconcile_total{controller="cdcpipeline",result="error"} 0',
	])
		expect(text).toContain(line);
	queue.retry("a");
	queue.done("a");
	loop.reconciled({ key: "a", result: "error", seconds: 3 });
	text = await metrics.registry.metrics();
	for (const line of [
		`workqueue_work_duration_seconds_sum${labels} 3`,
		`workqueue_retries_total${labels} 1`,
		`workqueue_unfinished_work_seconds${labels} 0`,
		'controller_runtime_reconcile_errors_total{controller="cdcpipeline"} 1',
	])
		expect(text).toContain(line);
});

test("a table that its pipeline's runs leave out is late and fails by itself", async () => {
	const table = (name: string, status: TableObject["status"]): TableObject => ({
		apiVersion: "tributary.dev/v1alpha1",
		kind: "DeltaTable",
		metadata: { name, namespace: "data" },
		spec: {},
		...(status && { status }),
	});
	const at = "2026-01-02T00:00:00Z";
	const ready = (status: "True" | "False", reason: string) => ({
		conditions: [
			{ type: "Ready", status, reason, message: "", lastTransitionTime: at },
		],
	});
	const run = { result: "Failed" as const, finished: at, pod: "p" };
	const text = await following(
		[],
		true,
		{
			[`data/${tableJobName("own", "vacuum")}`]: {
				apiVersion: "batch/v1",
				kind: "CronJob",
				metadata: { name: "x", creationTimestamp: at },
				spec: { suspend: false },
			},
		},
		[
			table("own", { ...ready("False", "Refused"), vacuum: run }),
			// Its runs are its pipeline's.
			table("shared", { ...ready("True", "Written"), vacuum: run }),
			table("planned", ready("False", "Planned")),
			table("new", undefined),
		],
	).metrics();
	const prefix = "tributary_deltatable";
	expect(
		text
			.split("\n")
			.filter((line) => line.startsWith(prefix))
			.map((line) => line.slice(prefix.length)),
	).toEqual([
		'_ready{namespace="data",deltatable="own"} 0',
		'_ready{namespace="data",deltatable="shared"} 1',
		`_maintenance_last_success_timestamp_seconds{namespace="data",deltatable="own",operation="vacuum"} ${Date.parse(at) / 1000}`,
		'_maintenance_last_run_failed{namespace="data",deltatable="own",operation="vacuum"} 1',
	]);
});
