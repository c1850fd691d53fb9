import type { AddFile } from "../delta/actions.ts";
import type { Snapshot } from "../delta/snapshot.ts";
import { numRecords } from "../delta/stats-rows.ts";
import { SHARD_TAG } from "../index/shard-tag.ts";

/** Files whose rows may stand in one file: those of one partition, and of one shard of a mirror. */
export interface FileGroup {
	readonly partitionValues: AddFile["partitionValues"];
	readonly shard: string | undefined;
	/** Oldest first. */
	readonly files: readonly AddFile[];
	/** Without what deletion vectors hide, by the mean size of a row. */
	readonly bytes: number;
}

export interface PackingRules {
	readonly targetBytes: number;
	/** The share of deleted rows above which a file is written again without them; 0: any. */
	readonly deletedShare: number;
	/** Files to look at; all when absent. */
	readonly mayMatch?: (file: AddFile) => boolean;
}

/** A file is left alone from this share of the target size on: it would gain little. */
const LARGE = 3 / 4;
/** Rows whose places are remembered at once: 80 MiB of them. */
export const GROUP_ROWS = 2 ** 24;
/** Assumed of files that don't tell how many rows they have. */
const BYTES_PER_ROW = 16;

/**
 * What compaction has to write again: small files together up to the target size, neighbours in time
 * with each other so that rows of one time stay in few files, and files with many deleted rows, alone
 * if need be.
 */
export function packFiles(
	snapshot: Snapshot,
	rules: PackingRules,
): FileGroup[] {
	const { targetBytes } = rules;
	const groups: FileGroup[] = [];
	for (const files of byPlace(snapshot, (file) => isCandidate(file, rules)))
		for (const bin of split(files, targetBytes))
			if (
				bin.length > 1 ||
				bin.some((file) => deletedShare(file) > rules.deletedShare)
			)
				groups.push(groupOf(bin));
	return groups;
}

/** Files of each partition and shard that are `wanted`, oldest first. */
export function byPlace(
	snapshot: Snapshot,
	wanted: (file: AddFile) => boolean,
): AddFile[][] {
	const places = new Map<string, AddFile[]>();
	for (const file of snapshot.files.values()) {
		if (!wanted(file)) continue;
		const key = JSON.stringify([
			snapshot.metadata.partitionColumns.length === 0
				? []
				: Object.entries(file.partitionValues).sort(),
			file.tags?.[SHARD_TAG] ?? null,
		]);
		const files = places.get(key);
		if (files === undefined) places.set(key, [file]);
		else files.push(file);
	}
	return [...places.values()].map((files) =>
		files.sort(
			(a, b) =>
				a.modificationTime - b.modificationTime || (a.path < b.path ? -1 : 1),
		),
	);
}

/** Neighbours together while they fit; a file that is larger than that stands alone. */
export function split(
	files: readonly AddFile[],
	mostBytes: number,
): AddFile[][] {
	const bins: AddFile[][] = [];
	let [bytes, rows] = [0, 0];
	for (const file of files) {
		const [size, count] = [liveBytes(file), rowsOf(file)];
		const bin = bins.at(-1);
		if (
			bin === undefined ||
			bytes + size > mostBytes ||
			rows + count > GROUP_ROWS
		) {
			bins.push([file]);
			[bytes, rows] = [size, count];
		} else {
			bin.push(file);
			bytes += size;
			rows += count;
		}
	}
	return bins;
}

export function groupOf(files: readonly AddFile[]): FileGroup {
	const [first] = files;
	return {
		partitionValues: first?.partitionValues ?? {},
		shard: first?.tags?.[SHARD_TAG],
		files,
		bytes: files.reduce((sum, file) => sum + liveBytes(file), 0),
	};
}

/** From 0 to 1; 0 for a file that doesn't tell how many rows it has. */
export function deletedShare(file: AddFile): number {
	const deleted = file.deletionVector?.cardinality ?? 0;
	if (deleted === 0) return 0;
	const rows = numRecords(file.stats);
	return rows === undefined || rows === 0 ? 0 : Math.min(1, deleted / rows);
}

/** Physical rows, deleted ones included. */
export function rowsOf(file: AddFile): number {
	return numRecords(file.stats) ?? Math.ceil(file.size / BYTES_PER_ROW);
}

function liveBytes(file: AddFile): number {
	return file.size * (1 - deletedShare(file));
}

function isCandidate(
	file: AddFile,
	{ targetBytes, deletedShare: limit, mayMatch }: PackingRules,
): boolean {
	return (
		(file.size < targetBytes * LARGE || deletedShare(file) > limit) &&
		(mayMatch?.(file) ?? true)
	);
}
