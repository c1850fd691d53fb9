import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { connectorName } from "../src/connect/debezium.ts";
import { needsApply } from "../src/kube/apply.ts";
import { ApiError } from "../src/kube/client.ts";
import { type KubeObject, resourcePath } from "../src/kube/object.ts";
import {
	configMap,
	ownerOf,
	podDisruptionBudget,
	service,
	serviceAccount,
} from "../src/operator/cdc-pipeline/manifests.ts";
import { writerName } from "../src/operator/names.ts";
import {
	type PipelineObject,
	type StatefulSet,
	TYPES,
} from "../src/operator/types.ts";
import { type CdcPipeline, cdcPipeline } from "../src/resource/cdc-pipeline.ts";
import { seeded } from "../test/support/changes.ts";
import { startOperator } from "./operator-run.ts";
import { startOperatorSetting } from "./operator-setting.ts";

/**
 * Twenty pipelines whose specifications change at random for half an hour, and whose objects, connectors and
 * Secrets are changed behind the operator's back. Afterwards nothing may differ from what the
 * specifications say, and the operator's memory must be what it was: the median of its resident memory
 * in the last third of the time within 10 % of that in the second.
 */
const { values } = parseArgs({
	options: {
		minutes: { type: "string", default: "30" },
		pipelines: { type: "string", default: "20" },
		seed: { type: "string", default: String(Date.now() % 1_000_000) },
	},
});
const count = Number(values.pipelines);
const seed = Number(values.seed);
console.log(`seed ${seed}`);
const random = seeded(seed);

const setting = await startOperatorSetting({ namespaces: 2 });
const { client, connect } = setting;
const operator = await startOperator({
	kubeconfig: setting.cluster.kubeconfig,
	dir: setting.dir,
});
/** What was done how often. */
const done = new Map<string, number>();
try {
	for (let i = 0; i < count; i++) await setting.create(i);
	await settled();
	const started = performance.now();
	const length = Number(values.minutes) * 60_000;
	const samples: { at: number; rss: number }[] = [];
	let sampled = Number.NEGATIVE_INFINITY;
	for (;;) {
		const at = performance.now() - started;
		if (at > length) break;
		if (at - sampled > 5_000) {
			samples.push({ at, rss: operator.memory().now });
			sampled = at;
		}
		await act();
		await sleep(random() * 2_000);
	}
	const settledAfter = await settled();
	const median = (from: number, to: number): number => {
		const within = samples
			.filter(({ at }) => at >= from * length && at < to * length)
			.map(({ rss }) => rss)
			.sort((a, b) => a - b);
		return (within[Math.floor(within.length / 2)] ?? Number.NaN) / 2 ** 20;
	};
	const second = median(1 / 3, 2 / 3);
	const last = median(2 / 3, 1);
	console.log(
		JSON.stringify(
			{
				seed,
				minutes: Number(values.minutes),
				pipelines: count,
				done: Object.fromEntries([...done].sort()),
				reconciles: await operator.metric(
					/^controller_runtime_reconcile_total\{/,
				),
				errors: await operator.metric(
					/^controller_runtime_reconcile_errors_total\{/,
				),
				settledAfterSeconds: settledAfter,
				rssMb: {
					secondThird: Math.round(second),
					lastThird: Math.round(last),
					peak: Math.round(operator.memory().peak / 2 ** 20),
				},
				growth: Math.round((last / second - 1) * 1000) / 1000,
				cpuSeconds: operator.cpuSeconds(),
			},
			undefined,
			"\t",
		),
	);
	assert.ok(
		last <= second * 1.1,
		`memory grew from ${second} MB to ${last} MB`,
	);
} finally {
	await operator.stop();
	await setting.stop();
}

/** One change, by a user or behind the operator's back. */
async function act(): Promise<void> {
	const index = Math.floor(random() * count);
	const { namespace, name } = setting.place(index);
	const writer = writerName(name);
	const actions: Record<string, () => Promise<unknown>> = {
		state: () =>
			patch(index, {
				state: ["running", "running", "paused", "stopped"][
					Math.floor(random() * 4)
				],
			}),
		replicas: () =>
			patch(index, { writer: { replicas: 1 + Math.floor(random() * 3) } }),
		batch: () =>
			patch(index, {
				writer: {
					batch: { maxDelay: `${1 + Math.floor(random() * 20)}s` },
				},
			}),
		source: () =>
			patch(index, {
				source: {
					config: { "poll.interval.ms": String(Math.floor(random() * 1000)) },
				},
			}),
		restart: () =>
			patch(index, { actions: { restart: `n${Math.floor(random() * 1e9)}` } }),
		recreate: async () => {
			await remove("pipeline", namespace, name);
			while (await exists("pipeline", namespace, name)) await sleep(250);
			await setting.create(index);
		},
		"child deleted": () =>
			remove(
				pick(["configMap", "service", "serviceAccount", "statefulSet"]),
				namespace,
				writer,
			),
		"child changed": () =>
			merge("statefulSet", namespace, writer, {
				spec: { replicas: 5 },
			}),
		"connector deleted": async () => {
			connect.connectors.delete(`${namespace}.${name}`);
		},
		"connector changed": async () => {
			const connector = connect.connectors.get(`${namespace}.${name}`);
			if (connector !== undefined)
				connector.config = { ...connector.config, "tasks.max": "7" };
		},
		"secret rotated": () =>
			merge("secret", namespace, "lake", {
				stringData: { AWS_SECRET_ACCESS_KEY: `key-${random()}` },
			}),
	};
	const [what, run] = pick(Object.entries(actions));
	done.set(what, (done.get(what) ?? 0) + 1);
	await run();
}

async function patch(index: number, spec: object): Promise<void> {
	const { namespace, name } = setting.place(index);
	await merge("pipeline", namespace, name, { spec });
}

/** What is not there, or not any more, stays as it is. */
async function merge(
	kind: keyof typeof TYPES,
	namespace: string,
	name: string,
	body: object,
): Promise<void> {
	await tolerant(
		client.request({
			method: "PATCH",
			path: resourcePath(TYPES[kind], { namespace, name }),
			contentType: "application/merge-patch+json",
			body,
		}),
	);
}

async function remove(
	kind: keyof typeof TYPES,
	namespace: string,
	name: string,
): Promise<void> {
	await tolerant(
		client.request({
			method: "DELETE",
			path: resourcePath(TYPES[kind], { namespace, name }),
		}),
	);
}

async function exists(
	kind: keyof typeof TYPES,
	namespace: string,
	name: string,
): Promise<boolean> {
	return (await get(kind, namespace, name)) !== undefined;
}

function get<T extends KubeObject>(
	kind: keyof typeof TYPES,
	namespace: string,
	name: string,
): Promise<T | undefined> {
	return tolerant(
		client.request<T>({ path: resourcePath(TYPES[kind], { namespace, name }) }),
	);
}

async function tolerant<T>(request: Promise<T>): Promise<T | undefined> {
	try {
		return await request;
	} catch (error) {
		if (error instanceof ApiError && error.status === 404) return undefined;
		throw error;
	}
}

/** Waits until nothing drifts, at most five minutes; returns the seconds. @throws with what still does */
async function settled(): Promise<number> {
	const started = performance.now();
	for (;;) {
		const found = await drift();
		const seconds = (performance.now() - started) / 1000;
		if (found.length === 0) return Math.round(seconds);
		assert.ok(
			seconds < 300,
			`drift is left (seed ${seed}): ${found.join("; ")}`,
		);
		await sleep(1_000);
	}
}

/** All that is not as the specifications say. */
async function drift(): Promise<string[]> {
	const objects = await setting.pipelines();
	const wrong: string[] = [];
	if (objects.length !== count) wrong.push(`${objects.length} pipelines`);
	for (const object of objects) wrong.push(...(await driftOf(object)));
	const known = new Set(objects.map((object) => connectorName(parsed(object))));
	for (const name of connect.connectors.keys())
		if (!known.has(name)) wrong.push(`connector ${name} has no pipeline`);
	return wrong;
}

function parsed({
	apiVersion,
	kind,
	metadata,
	spec,
}: PipelineObject): CdcPipeline {
	return cdcPipeline.parse({ apiVersion, kind, metadata, spec });
}

async function driftOf(object: PipelineObject): Promise<string[]> {
	const pipeline = parsed(object);
	const { namespace, name } = pipeline.metadata;
	const { state } = pipeline.spec;
	const wrong: string[] = [];
	const expected = { running: "Running", paused: "Paused", stopped: "Stopped" };
	if (object.status?.observedGeneration !== object.metadata.generation)
		wrong.push(
			`generation ${object.status?.observedGeneration} of ${object.metadata.generation}`,
		);
	if (object.status?.phase !== expected[state])
		wrong.push(`${object.status?.phase}, not ${expected[state]}`);
	const connector = connect.connectors.get(connectorName(pipeline));
	if (connector?.state !== state.toUpperCase())
		wrong.push(`connector ${connector?.state}, not ${state}`);
	if (connector?.config["tasks.max"] === "7") wrong.push("connector changed");
	const interval = pipeline.spec.source.config["poll.interval.ms"];
	if (
		interval !== undefined &&
		connector?.config["poll.interval.ms"] !== interval
	)
		wrong.push("connector has another interval");
	const set = await get<StatefulSet>(
		"statefulSet",
		namespace,
		writerName(name),
	);
	const replicas =
		state === "stopped"
			? undefined
			: state === "paused"
				? 0
				: pipeline.spec.writer.replicas;
	if (set?.spec?.replicas !== replicas)
		wrong.push(`${set?.spec?.replicas} replicas, not ${replicas}`);
	// A stopped pipeline's other objects are left as they were.
	if (state !== "stopped") {
		const owner = ownerOf(pipeline, object.metadata.uid ?? "");
		for (const [kind, manifest] of [
			["serviceAccount", serviceAccount(pipeline, owner)],
			["configMap", configMap(pipeline, owner)],
			["service", service(pipeline, owner)],
			["podDisruptionBudget", podDisruptionBudget(pipeline, owner)],
		] as const)
			if (needsApply(await get(kind, namespace, writerName(name)), manifest))
				wrong.push(`${kind} differs`);
	}
	return wrong.map((what) => `${namespace}/${name}: ${what}`);
}

function pick<T>(list: readonly T[]): T {
	return list[Math.floor(random() * list.length)] as T;
}
