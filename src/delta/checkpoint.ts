import type { StructType } from "../columnar/types.ts";
import type { AddFile, RemoveFile, Sidecar } from "./actions.ts";
import {
	checkpointAdd,
	checkpointRemove,
	encodeActions,
} from "./checkpoint-columns.ts";
import type { Checkpoint } from "./checkpoint-read.ts";
import {
	FILE_ACTIONS,
	joined,
	TABLE_ACTIONS,
	V2_ACTIONS,
} from "./checkpoint-schema.ts";
import { checkpointForm } from "./checkpoint-stats.ts";
import type { Engine } from "./engine.ts";
import { writerFeatures } from "./features.ts";
import { intervalMs } from "./interval.ts";
import { writeLastCheckpoint } from "./last-checkpoint.ts";
import { checkpointPath, LOG, padded, SIDECARS } from "./log.ts";
import type { Snapshot } from "./snapshot.ts";

export const WEEK_MS = 7 * 86_400_000;

/** Actions of a sidecar. */
const SIDECAR_ACTIONS = 50_000;
/** Sidecars below half of that are joined once there are so many. */
const SMALL_SIDECARS = 10;

export interface CheckpointOptions {
	/** Actions of a sidecar at most. */
	readonly sidecarActions?: number;
}

/**
 * Writes the checkpoint of a published version, then the hint to it: classic, or V2 with sidecars
 * where the table's `delta.checkpointPolicy` says so. Tombstones stay until the table's retention has
 * passed; removed domains are left out. Of V2, the sidecars of the last checkpoint whose files are
 * all still there are used again.
 *
 * The result is the same state, which knows what was written.
 */
export async function writeCheckpoint(
	engine: Engine,
	snapshot: Snapshot,
	options: CheckpointOptions = {},
): Promise<Snapshot> {
	const v2 =
		snapshot.metadata.configuration["delta.checkpointPolicy"] === "v2" &&
		writerFeatures(snapshot.protocol).includes("v2Checkpoint");
	return v2
		? await writeV2(engine, snapshot, options)
		: await writeClassic(engine, snapshot);
}

/** Removed files that are younger than the table's `delta.deletedFileRetentionDuration`. */
export function retainedTombstones(
	snapshot: Snapshot,
	nowMs: number,
): RemoveFile[] {
	const keepAfter =
		nowMs -
		(intervalMs(
			snapshot.metadata.configuration["delta.deletedFileRetentionDuration"],
		) ?? WEEK_MS);
	return [...snapshot.tombstones.values()].filter(
		(remove) => (remove.deletionTimestamp ?? 0) > keepAfter,
	);
}

function tableActions(snapshot: Snapshot) {
	return [
		{ name: "protocol", values: [snapshot.protocol] },
		{ name: "metaData", values: [snapshot.metadata] },
		{ name: "txn", values: [...snapshot.txns.values()] },
		{
			name: "domainMetadata",
			values: [...snapshot.domains.values()].filter(({ removed }) => !removed),
		},
	];
}

async function writeClassic(
	engine: Engine,
	snapshot: Snapshot,
): Promise<Snapshot> {
	const form = checkpointForm(snapshot);
	const actions = [
		...tableActions(snapshot),
		{
			name: "add",
			values: [...snapshot.files.values()].map((add) =>
				form.add(checkpointAdd(add)),
			),
		},
		{
			name: "remove",
			values: retainedTombstones(snapshot, engine.now()).map(checkpointRemove),
		},
	];
	const bytes = encodeActions(joined(TABLE_ACTIONS, form.schema), actions);
	await engine.store.put(checkpointPath(snapshot.version), bytes);
	await writeLastCheckpoint(engine, {
		version: snapshot.version,
		size: actions.reduce((sum, { values }) => sum + values.length, 0),
		sizeInBytes: bytes.length,
		numOfAddFiles: snapshot.files.size,
	});
	return {
		...snapshot,
		checkpoint: { version: snapshot.version, sidecars: [] },
	};
}

type KeptSidecar = Checkpoint["sidecars"][number];

async function writeV2(
	engine: Engine,
	snapshot: Snapshot,
	{ sidecarActions = SIDECAR_ACTIONS }: CheckpointOptions,
): Promise<Snapshot> {
	const form = checkpointForm(snapshot);
	const kept = untouched(snapshot, sidecarActions);
	const sidecars: KeptSidecar[] = [...kept];
	const entries = filesBeside(snapshot, kept);
	for (let start = 0; start < entries.length; start += sidecarActions) {
		const part = entries.slice(start, start + sidecarActions);
		sidecars.push({
			sidecar: await writeSidecar(engine, form.schema, {
				name: "add",
				values: part.map(([, add]) => form.add(checkpointAdd(add))),
			}),
			adds: new Map(part),
			removes: new Map(),
		});
	}
	const tombstones = retainedTombstones(snapshot, engine.now()).map(
		checkpointRemove,
	);
	for (let start = 0; start < tombstones.length; start += sidecarActions) {
		const part = tombstones.slice(start, start + sidecarActions);
		sidecars.push({
			sidecar: await writeSidecar(engine, FILE_ACTIONS, {
				name: "remove",
				values: part,
			}),
			adds: new Map(),
			removes: new Map(part.map((remove) => [remove.path, remove])),
		});
	}

	const actions = [
		{
			name: "checkpointMetadata",
			values: [{ version: snapshot.version, tags: {} }],
		},
		...tableActions(snapshot),
		{ name: "sidecar", values: sidecars.map(({ sidecar }) => sidecar) },
	];
	const bytes = encodeActions(
		joined(TABLE_ACTIONS, FILE_ACTIONS, V2_ACTIONS),
		actions,
	);
	// Now and then by the classic name, which makes a reader without V2 fail clearly (PROTOCOL.md, "V2 Spec").
	const path =
		snapshot.version % 100 === 0
			? checkpointPath(snapshot.version)
			: `${LOG}${padded(snapshot.version)}.checkpoint.${engine.uuid()}.parquet`;
	await engine.store.put(path, bytes);
	await writeLastCheckpoint(engine, {
		version: snapshot.version,
		size:
			actions.reduce((sum, { values }) => sum + values.length, 0) +
			snapshot.files.size +
			tombstones.length,
		sizeInBytes: sidecars.reduce(
			(sum, { sidecar }) => sum + sidecar.sizeInBytes,
			bytes.length,
		),
		numOfAddFiles: snapshot.files.size,
	});
	return { ...snapshot, checkpoint: { version: snapshot.version, sidecars } };
}

/** Sidecars whose files are all in the table as they say, without the small ones when those are many. */
function untouched(snapshot: Snapshot, sidecarActions: number): KeptSidecar[] {
	const changes = [...snapshot.files.changes()];
	const sound = (snapshot.checkpoint?.sidecars ?? []).filter(
		({ adds, removes }) =>
			adds.size > 0 &&
			removes.size === 0 &&
			// What was set since the columns were read is the same only as the same object.
			changes.every(([key, add]) => !adds.has(key) || adds.get(key) === add),
	);
	const large = sound.filter(({ adds }) => adds.size * 2 >= sidecarActions);
	return sound.length - large.length >= SMALL_SIDECARS ? large : sound;
}

/** The files that no kept sidecar has; every file was in a sidecar of the last checkpoint or is a change since. */
function filesBeside(
	snapshot: Snapshot,
	kept: readonly KeptSidecar[],
): [string, AddFile][] {
	const last = snapshot.checkpoint?.sidecars ?? [];
	if (last.length === 0) return [...snapshot.files.entries()];
	const files = new Map<string, AddFile>();
	const consider = (key: string): void => {
		const add = snapshot.files.get(key);
		if (add !== undefined && !kept.some(({ adds }) => adds.has(key)))
			files.set(key, add);
	};
	for (const sidecar of last)
		if (!kept.includes(sidecar))
			for (const key of sidecar.adds.keys()) consider(key);
	for (const [key] of snapshot.files.changes()) consider(key);
	return [...files];
}

async function writeSidecar(
	engine: Engine,
	schema: StructType,
	actions: { readonly name: string; readonly values: readonly object[] },
): Promise<Sidecar> {
	const bytes = encodeActions(schema, [actions]);
	const path = `${engine.uuid()}.parquet`;
	await engine.store.put(`${SIDECARS}${path}`, bytes);
	return { path, sizeInBytes: bytes.length, modificationTime: engine.now() };
}
