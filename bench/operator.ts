import { loadavg } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import {
	between,
	countOf,
	type Durations,
	type OperatorRun,
	quantile,
	startOperator,
} from "./operator-run.ts";
import { startOperatorSetting } from "./operator-setting.ts";

/**
 * One operator process with many pipelines, against a real API server, etcd and controller manager; nodes,
 * writers and Kafka Connect are doubles. Three phases: all pipelines are made while it runs (`create`),
 * nothing happens but that every writer's figures change all the time (`steady`), and a new process
 * takes all of them over (`restart`). A reconcile's time is from its start to its end, with every
 * request that it makes; quantiles are those that Prometheus has of the operator's histogram.
 */
const { values } = parseArgs({
	options: {
		pipelines: { type: "string", default: "500" },
		seconds: { type: "string", default: "60" },
		profile: { type: "boolean", default: false },
	},
});
const count = Number(values.pipelines);
const seconds = Number(values.seconds);

const setting = await startOperatorSetting();
let operator = await run();
try {
	const create = await measured(async () => {
		for (let from = 0; from < count; from += 10)
			await Promise.all(
				Array.from({ length: Math.min(10, count - from) }, (_, i) =>
					setting.create(from + i),
				),
			);
		await allRun();
	});
	const steady = await measured(() => sleep(seconds * 1000));
	const rss = operator.memory();
	await operator.stop();
	operator = await run();
	const restart = await measured(allLookedAt);
	await sleep(20_000);
	const { peak } = operator.memory();
	console.log(
		JSON.stringify(
			{
				pipelines: count,
				load: loadavg()[0],
				create,
				steady,
				restart,
				rssMb: megabytes(rss.now),
				peakRssMb: megabytes(Math.max(rss.peak, peak)),
				peakRssAfterRestartMb: megabytes(peak),
			},
			undefined,
			"\t",
		),
	);
} finally {
	await operator.stop();
	await setting.stop();
}

function run(): Promise<OperatorRun> {
	return startOperator({
		kubeconfig: setting.cluster.kubeconfig,
		dir: setting.dir,
		profile: values.profile,
	});
}

async function measured(work: () => Promise<unknown>) {
	const before: Durations = await operator.durations();
	const cpu = operator.cpuSeconds();
	const requests = await operator.metric(/^rest_client_requests_total/);
	const started = performance.now();
	await work();
	const took = (performance.now() - started) / 1000;
	const durations = between(before, await operator.durations());
	return {
		seconds: round(took),
		reconciles: countOf(durations),
		reconcilesPerSecond: round(countOf(durations) / took),
		p50Seconds: round(quantile(durations, 0.5)),
		p95Seconds: round(quantile(durations, 0.95)),
		apiRequestsPerSecond: round(
			((await operator.metric(/^rest_client_requests_total/)) - requests) /
				took,
		),
		cpuSeconds: round(operator.cpuSeconds() - cpu),
	};
}

/** Until every pipeline is as it should be. */
async function allRun(): Promise<void> {
	for (;;) {
		const running = (await setting.pipelines()).filter(
			({ status }) => status?.phase === "Running",
		).length;
		if (running === count) return;
		await sleep(2_000);
	}
}

/** Until a process that has just started has been through all of them. */
async function allLookedAt(): Promise<void> {
	// Each look makes the operator gather the metrics of all pipelines.
	while (countOf(await operator.durations()) < count) await sleep(2_000);
}

function megabytes(bytes: number): number {
	return Math.round(bytes / 2 ** 20);
}

function round(value: number): number {
	return Math.round(value * 1000) / 1000;
}
