import type { Action, AddFile } from "../delta/actions.ts";
import {
	type DeletedRows,
	DeletionVectorReader,
	differenceRows,
	stageDeletionVectors,
} from "../delta/deletion-vector.ts";
import type { Engine } from "../delta/engine.ts";
import { fileKey } from "../delta/file-key.ts";
import { canonicalPath } from "../delta/path.ts";
import type { Snapshot } from "../delta/snapshot.ts";
import { removal } from "../delta/stage-delete.ts";
import { looseStats } from "../delta/stats.ts";
import { numRecords } from "../delta/stats-rows.ts";
import type { StagedRewrite } from "./rewrite.ts";

/** What puts a rewrite in the place of its sources as they are in one version. */
export interface CarriedRewrite {
	readonly removes: readonly AddFile[];
	readonly adds: readonly AddFile[];
	/** Rows that others deleted since the sources were read. */
	readonly carried: number;
	/** Below the table's root; stored for this version only. */
	readonly vectorFiles: readonly string[];
}

/**
 * Follows what others did to the sources of a rewrite since they were read: a row that is deleted
 * there, or whose file is gone, is deleted in the output that holds its copy. So the outputs hold
 * what the sources hold in `snapshot`, whatever was done to them. `undefined` when that can't be had
 * with deletion vectors alone: a row came back, or the table takes none.
 */
export async function carryDeletions(
	engine: Engine,
	snapshot: Snapshot,
	{ sources, outputs, places }: StagedRewrite,
): Promise<CarriedRewrite | undefined> {
	const now = currentFiles(snapshot, sources);
	const changed = sources.flatMap((source, number) => {
		const current = now[number];
		return current !== undefined && fileKey(current) === fileKey(source)
			? []
			: [{ source, number, current }];
	});
	const removes = now.filter((file) => file !== undefined);
	if (changed.length === 0)
		return { removes, adds: outputs, carried: 0, vectorFiles: [] };
	if (places === undefined) return undefined;
	const reader = new DeletionVectorReader(engine, {
		descriptors: changed.flatMap(({ source, current }) => [
			...(source.deletionVector ? [source.deletionVector] : []),
			...(current?.deletionVector ? [current.deletionVector] : []),
		]),
	});
	const read = async (file: AddFile): Promise<DeletedRows> =>
		file.deletionVector ? await reader.read(file.deletionVector) : NONE;
	const deleted = new Map<number, number[]>();
	for (const { source, number, current } of changed) {
		if (current === undefined) {
			places.collect(number, undefined, deleted);
			continue;
		}
		const [before, after] = [await read(source), await read(current)];
		if (differenceRows(before, after).length > 0) return undefined;
		places.collect(number, differenceRows(after, before), deleted);
	}
	return { removes, ...(await withVectors(engine, outputs, deleted)) };
}

/** The actions of a commit that only moves rows from file to file. */
export function rearrangement(
	removes: readonly AddFile[],
	adds: readonly AddFile[],
	nowMs: number,
): Action[] {
	return [
		...removes.map((file) => ({
			remove: { ...removal(file, nowMs), dataChange: false },
		})),
		...adds.map((add) => ({ add: { ...add, dataChange: false } })),
	];
}

const NONE: DeletedRows = new Uint32Array(0);

/** The files as the snapshot has them; `undefined` for those that are gone. */
export function currentFiles(
	snapshot: Snapshot,
	sources: readonly AddFile[],
): (AddFile | undefined)[] {
	const now = sources.map((source) => snapshot.files.get(fileKey(source)));
	if (!now.includes(undefined)) return now;
	const wanted = new Map(
		sources.map((source, i) => [canonicalPath(source.path), i]),
	);
	for (const file of snapshot.files.values()) {
		const i = wanted.get(canonicalPath(file.path));
		if (i !== undefined) now[i] = file;
	}
	return now;
}

/** Stores deletion vectors for the outputs; one without a row left is not added. */
async function withVectors(
	engine: Engine,
	outputs: readonly AddFile[],
	deleted: ReadonlyMap<number, number[]>,
): Promise<Omit<CarriedRewrite, "removes">> {
	let carried = 0;
	const whole: AddFile[] = [];
	const marked: { readonly file: AddFile; readonly rows: DeletedRows }[] = [];
	for (const [i, file] of outputs.entries()) {
		const rows = Uint32Array.from(deleted.get(i) ?? []).sort();
		carried += rows.length;
		if (rows.length === 0) whole.push(file);
		else if (rows.length < physicalRows(file)) marked.push({ file, rows });
	}
	const staged = stageDeletionVectors(
		marked.map(({ rows }) => rows),
		engine.uuid(),
	);
	if (staged.file !== undefined)
		await engine.store.put(staged.file.path, staged.file.bytes);
	return {
		carried,
		vectorFiles: staged.file === undefined ? [] : [staged.file.path],
		adds: [
			...whole,
			...marked.map(({ file }, i) => ({
				...file,
				stats: looseStats(file.stats ?? ""),
				deletionVector: staged.descriptors[i] as NonNullable<
					AddFile["deletionVector"]
				>,
			})),
		],
	};
}

function physicalRows({ stats }: AddFile): number {
	return numRecords(stats) ?? Number.POSITIVE_INFINITY;
}
