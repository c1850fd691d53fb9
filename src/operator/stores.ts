import type { ApiClient } from "../kube/client.ts";
import type { Clock } from "../kube/clock.ts";
import { listWatch } from "../kube/list-watch.ts";
import type { KubeObject } from "../kube/object.ts";
import { type OnChange, Reflector } from "../kube/reflector.ts";
import { LABELS, MANAGED_SELECTOR, type Operation } from "./names.ts";
import {
	CHILD_KINDS,
	type ChildKind,
	type CronJob,
	type PipelineObject,
	type Pod,
	type StatefulSet,
	TYPES,
} from "./types.ts";

type Watched = "pipeline" | "pod" | "cronJob" | ChildKind;

interface Objects extends Record<Watched, KubeObject> {
	readonly pipeline: PipelineObject;
	readonly pod: Pod;
	readonly cronJob: CronJob;
	readonly statefulSet: StatefulSet;
}

const WATCHED: readonly Watched[] = [
	"pipeline",
	"pod",
	"cronJob",
	...CHILD_KINDS,
];

/** Copies of everything that the operator watches, in one namespace, in some, or in all. */
export interface Stores {
	get<K extends Watched>(kind: K, key: string): Objects[K] | undefined;
	pipelineKeys(): string[];
	/** Pods of the pipeline with this key: its writers, or those of a CronJob's runs. */
	pods(pipelineKey: string, component?: "writer" | Operation): readonly Pod[];
	/** Resolves when every first list is complete. */
	readonly synced: Promise<void>;
	hasSynced(): boolean;
	/** Milliseconds since the API server was last heard of, by kind: the longest of its watches. */
	silence(): ReadonlyMap<string, number>;
	/** Watches until the signal is aborted. */
	run(signal: AbortSignal): Promise<void>;
}

/** @param wake - told of the key of each pipeline that may need work */
export function createStores(options: {
	client: ApiClient;
	clock: Clock;
	/** Empty for all. */
	namespaces: readonly string[];
	wake: (pipelineKey: string) => void;
	onError: (error: unknown) => void;
}): Stores {
	const { client, clock, wake, onError } = options;
	const podsOf = new Map<string, Map<string, Pod>>();
	const all: { kind: Watched; reflector: Reflector<KubeObject> }[] = [];

	const pipelineChanged: OnChange<KubeObject> = (key, object, before) => {
		if (object === undefined || before === undefined || asks(object, before))
			wake(key);
	};
	const childChanged: OnChange<KubeObject> = (_, object, before) => {
		const key = pipelineKey(object ?? before);
		if (key !== undefined) wake(key);
	};
	const podChanged: OnChange<KubeObject> = (key, object, before) => {
		const owner = pipelineKey(object ?? before);
		if (owner === undefined) return;
		const pods = podsOf.get(owner) ?? new Map<string, Pod>();
		if (object === undefined) pods.delete(key);
		else pods.set(key, object as Pod);
		if (pods.size === 0) podsOf.delete(owner);
		else podsOf.set(owner, pods);
		wake(owner);
	};

	for (const kind of WATCHED)
		for (const namespace of options.namespaces.length === 0
			? [undefined]
			: options.namespaces)
			all.push({
				kind,
				reflector: new Reflector({
					source: listWatch<KubeObject>(client, TYPES[kind], {
						...(namespace !== undefined && { namespace }),
						...(kind !== "pipeline" && { labelSelector: MANAGED_SELECTOR }),
					}),
					clock,
					onChange:
						kind === "pipeline"
							? pipelineChanged
							: kind === "pod"
								? podChanged
								: childChanged,
					onError,
				}),
			});

	return {
		get<K extends Watched>(kind: K, key: string): Objects[K] | undefined {
			for (const entry of all) {
				const object = entry.kind === kind && entry.reflector.get(key);
				if (object) return object as Objects[K];
			}
			return undefined;
		},
		pipelineKeys: () =>
			all
				.filter(({ kind }) => kind === "pipeline")
				.flatMap(({ reflector }) =>
					[...reflector.values()].map(
						({ metadata }) => `${metadata.namespace ?? ""}/${metadata.name}`,
					),
				),
		pods: (key, component = "writer") =>
			[...(podsOf.get(key)?.values() ?? [])].filter(
				({ metadata }) =>
					(metadata.labels?.[LABELS.component] ?? "writer") === component,
			),
		synced: Promise.all(all.map(({ reflector }) => reflector.synced)).then(
			() => {},
		),
		hasSynced: () => all.every(({ reflector }) => reflector.hasSynced),
		silence: () => {
			const longest = new Map<string, number>();
			for (const { kind, reflector } of all)
				longest.set(
					TYPES[kind].kind,
					Math.max(longest.get(TYPES[kind].kind) ?? 0, reflector.silenceMs),
				);
			return longest;
		},
		async run(signal) {
			await Promise.all(all.map(({ reflector }) => reflector.run(signal)));
		},
	};
}

/** Whether a person, or the API server for one, changed something; our own status is no news. */
function asks(
	{ metadata: now }: KubeObject,
	{ metadata: old }: KubeObject,
): boolean {
	return (
		now.uid !== old.uid ||
		now.generation !== old.generation ||
		now.deletionTimestamp !== old.deletionTimestamp ||
		JSON.stringify(now.annotations) !== JSON.stringify(old.annotations) ||
		JSON.stringify(now.finalizers) !== JSON.stringify(old.finalizers)
	);
}

function pipelineKey(object: KubeObject | undefined): string | undefined {
	const name = object?.metadata.labels?.[LABELS.pipeline];
	return name && `${object?.metadata.namespace ?? ""}/${name}`;
}
