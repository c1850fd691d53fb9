import type { ApiClient } from "../kube/client.ts";
import type { Clock } from "../kube/clock.ts";
import { listWatch } from "../kube/list-watch.ts";
import type { KubeObject } from "../kube/object.ts";
import { Reflector } from "../kube/reflector.ts";
import { LABELS, MANAGED_SELECTOR } from "./names.ts";
import {
	CHILD_KINDS,
	type ChildKind,
	type ConfigMap,
	type CronJob,
	type IngestionObject,
	type Job,
	type OperationObject,
	type PipelineObject,
	type Pod,
	type StatefulSet,
	type TableObject,
	TYPES,
} from "./types.ts";

/** Kinds with a controller of their own, each with the label by which what it made names it. */
export const OWNERS = {
	pipeline: LABELS.pipeline,
	table: LABELS.table,
	operation: LABELS.operation,
	ingestion: LABELS.ingestion,
} as const;
export type OwnerKind = keyof typeof OWNERS;
export const OWNER_KINDS = Object.keys(OWNERS) as readonly OwnerKind[];

type Watched = OwnerKind | "pod" | "job" | "cronJob" | ChildKind;

interface Objects extends Record<Watched, KubeObject> {
	readonly pipeline: PipelineObject;
	readonly table: TableObject;
	readonly operation: OperationObject;
	readonly ingestion: IngestionObject;
	readonly job: Job;
	readonly pod: Pod;
	readonly cronJob: CronJob;
	readonly configMap: ConfigMap;
	readonly statefulSet: StatefulSet;
}

const WATCHED: readonly Watched[] = [
	...OWNER_KINDS,
	"pod",
	"job",
	"cronJob",
	...CHILD_KINDS,
];

/** Copies of everything that the operator watches, in one namespace, in some, or in all. */
export interface Stores {
	get<K extends Watched>(kind: K, key: string): Objects[K] | undefined;
	keys(kind: OwnerKind): string[];
	count(kind: OwnerKind): number;
	/** What carries the label of the owner with this key. */
	children<K extends Watched>(
		kind: K,
		owner: OwnerKind,
		ownerKey: string,
	): readonly Objects[K][];
	/** Pods of an owner by what they are for; a pod that does not say is a writer. */
	pods(owner: OwnerKind, key: string, component: string): readonly Pod[];
	/** Resolves when every first list is complete. */
	readonly synced: Promise<void>;
	hasSynced(): boolean;
	/** Milliseconds since the API server was last heard of, by kind: the longest of its watches. */
	silence(): ReadonlyMap<string, number>;
	/** Watches until the signal is aborted. */
	run(signal: AbortSignal): Promise<void>;
}

/** @param wake - told of the key of each owner that may need work */
export function createStores(options: {
	client: ApiClient;
	clock: Clock;
	/** Empty for all. */
	namespaces: readonly string[];
	wake: (owner: OwnerKind, key: string) => void;
	onError: (error: unknown) => void;
}): Stores {
	const { client, clock, wake, onError } = options;
	const owned = new Map<string, Map<string, KubeObject>>();
	const all: { kind: Watched; reflector: Reflector<KubeObject> }[] = [];

	function changed(
		kind: Watched,
		key: string,
		object: KubeObject | undefined,
		before: KubeObject | undefined,
	): void {
		// The status of an owner is our own word, and no news to anyone.
		const news =
			!isOwner(kind) ||
			object === undefined ||
			before === undefined ||
			asks(object, before);
		if (isOwner(kind) && news) wake(kind, key);
		// What a pipeline's writers told is the status of its tables, and its settings are theirs.
		if (kind === "pipeline") {
			const told = changedTables(
				(object as PipelineObject | undefined)?.status,
				(before as PipelineObject | undefined)?.status,
			);
			for (const { metadata, spec } of children("table", "pipeline", key))
				if (news || told((spec as { path?: string }).path ?? ""))
					wake("table", `${metadata.namespace ?? ""}/${metadata.name}`);
		}
		for (const owner of OWNER_KINDS) {
			if (owner === kind) continue;
			const now = ownerKey(owner, object);
			const then = ownerKey(owner, before);
			if (then !== undefined && then !== now) {
				index(kind, owner, then, key, undefined);
				wake(owner, then);
			}
			if (now === undefined) continue;
			index(kind, owner, now, key, object);
			if (news) wake(owner, now);
		}
	}

	function index(
		kind: Watched,
		owner: OwnerKind,
		ownerKey: string,
		key: string,
		object: KubeObject | undefined,
	): void {
		const place = placeOf(kind, owner, ownerKey);
		const objects = owned.get(place) ?? new Map<string, KubeObject>();
		if (object === undefined) objects.delete(key);
		else objects.set(key, object);
		if (objects.size === 0) owned.delete(place);
		else owned.set(place, objects);
	}

	function children<K extends Watched>(
		kind: K,
		owner: OwnerKind,
		ownerKey: string,
	): readonly Objects[K][] {
		const objects = owned.get(placeOf(kind, owner, ownerKey));
		return [...(objects?.values() ?? [])] as Objects[K][];
	}

	for (const kind of WATCHED)
		for (const namespace of options.namespaces.length === 0
			? [undefined]
			: options.namespaces)
			all.push({
				kind,
				reflector: new Reflector({
					source: listWatch<KubeObject>(client, TYPES[kind], {
						...(namespace !== undefined && { namespace }),
						...(!isOwner(kind) && { labelSelector: MANAGED_SELECTOR }),
						// What a pod is to be stands in what it was made by.
						...(kind === "pod" && { without: ["spec"] }),
					}),
					clock,
					onChange: (key, object, before) => changed(kind, key, object, before),
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
		keys: (wanted) =>
			all
				.filter(({ kind }) => kind === wanted)
				.flatMap(({ reflector }) =>
					[...reflector.values()].map(
						({ metadata }) => `${metadata.namespace ?? ""}/${metadata.name}`,
					),
				),
		count: (wanted) =>
			all
				.filter(({ kind }) => kind === wanted)
				.reduce((sum, { reflector }) => sum + reflector.size, 0),
		children,
		pods: (owner, key, component) =>
			children("pod", owner, key).filter(
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

function isOwner(kind: Watched): kind is OwnerKind {
	return Object.hasOwn(OWNERS, kind);
}

function placeOf(kind: Watched, owner: OwnerKind, ownerKey: string): string {
	return `${kind} ${owner} ${ownerKey}`;
}

/** Whether a pipeline's status tells something new of the table in a folder. */
function changedTables(
	now: PipelineObject["status"],
	before: PipelineObject["status"],
): (path: string) => boolean {
	// A run on all tables has ended.
	if (JSON.stringify(now?.maintenance) !== JSON.stringify(before?.maintenance))
		return () => true;
	const known = new Map(
		before?.tables?.map((table) => [table.name, JSON.stringify(table)]),
	);
	const changed = new Set(
		now?.tables
			?.filter((table) => known.get(table.name) !== JSON.stringify(table))
			.map(({ name }) => name),
	);
	return (path) => changed.has(path);
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

function ownerKey(
	owner: OwnerKind,
	object: KubeObject | undefined,
): string | undefined {
	const name = object?.metadata.labels?.[OWNERS[owner]];
	return name && `${object?.metadata.namespace ?? ""}/${name}`;
}
