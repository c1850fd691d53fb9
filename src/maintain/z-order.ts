import { concat, take } from "../columnar/batch.ts";
import { vectorBytes } from "../columnar/slice.ts";
import type { Batch } from "../columnar/vector.ts";
import type { AddFile } from "../delta/actions.ts";
import type { DataFileStream } from "../delta/data-file-stream.ts";
import type { Engine } from "../delta/engine.ts";
import type { Snapshot } from "../delta/snapshot.ts";
import { fileLayout } from "../delta/stage.ts";
import {
	byPlace,
	deletedShare,
	type FileGroup,
	groupOf,
	type PackingRules,
	split,
} from "./file-groups.ts";
import {
	groupRows,
	outputOptions,
	type StagedRewrite,
	takesDeletions,
	withOutputs,
} from "./rewrite.ts";
import { MOST_OUTPUTS, RowMap } from "./row-map.ts";
import { type ColumnPath, zValues } from "./z-values.ts";

/** Tags of files that were put in order together, by the names that Spark gives them. */
const CUBE = "ZCUBE_ID";
const CUBE_COLUMNS = "ZCUBE_ZORDER_BY";
const CUBE_CURVE = "ZCUBE_ZORDER_CURVE";

/** Files of the target size that are put in order together. */
const CUBE_FILES = 8;
/** Bytes of decoded rows that wait for their row groups, those of all files together. */
const WAITING_BYTES = 128 * 2 ** 20;
const ROW_GROUP_ROWS = 131_072;

/**
 * Files to put in order by the columns: those that never were, and those of cubes that are still
 * small, so that a run costs what came since the last one. A lone small file stays as it is.
 */
export function zOrderGroups(
	snapshot: Snapshot,
	columns: readonly ColumnPath[],
	rules: PackingRules,
): FileGroup[] {
	const by = columnsText(columns);
	const cubeBytes = rules.targetBytes * CUBE_FILES;
	const groups: FileGroup[] = [];
	for (const files of byPlace(
		snapshot,
		(file) =>
			(rules.mayMatch?.(file) ?? true) &&
			// Files that someone else's clustering made are theirs.
			(file.clusteringProvider ?? LIQUID) === LIQUID,
	)) {
		const cubes = new Map<string, number>();
		const cubeOf = (file: AddFile): string | undefined =>
			file.tags?.[CUBE_COLUMNS] === by ? file.tags[CUBE] : undefined;
		for (const file of files) {
			const cube = cubeOf(file);
			if (cube !== undefined)
				cubes.set(cube, (cubes.get(cube) ?? 0) + file.size);
		}
		const open = files.filter((file) => {
			const cube = cubeOf(file);
			return (
				cube === undefined ||
				(cubes.get(cube) ?? 0) < cubeBytes / 2 ||
				deletedShare(file) > rules.deletedShare
			);
		});
		for (const bin of split(open, cubeBytes)) {
			const worn = bin.some((file) => deletedShare(file) > rules.deletedShare);
			const orders = new Set(bin.map(cubeOf));
			const inOrder = orders.size === 1 && !orders.has(undefined);
			const group = groupOf(bin);
			const alone = bin.length === 1 && group.bytes <= rules.targetBytes * 1.5;
			if (worn || !(inOrder || alone)) groups.push(group);
		}
	}
	return groups;
}

export const LIQUID = "liquid";

/** Writes the rows of a group in files that follow each other on the curve. */
export async function rewriteInZOrder(
	engine: Engine,
	table: Snapshot,
	group: FileGroup,
	columns: readonly ColumnPath[],
	{ targetBytes }: { readonly targetBytes: number },
): Promise<StagedRewrite> {
	const layout = fileLayout(table);
	const order = await zValues(engine, table, group.files, columns);
	const parts = Math.max(
		1,
		Math.min(MOST_OUTPUTS, Math.round(group.bytes / targetBytes)),
	);
	const cuts = order.cut(parts);
	const places = takesDeletions(table)
		? new RowMap(group.files.length)
		: undefined;
	const options = {
		...outputOptions(table, group, {
			[CUBE]: engine.uuid(),
			[CUBE_COLUMNS]: columnsText(columns),
			[CUBE_CURVE]: "zorder",
		}),
		rowGroupRows: ROW_GROUP_ROWS,
		rowGroupBytes: Math.ceil(WAITING_BYTES / parts),
	};
	return await withOutputs(engine, layout, async (open) => {
		const buckets = Array.from(
			{ length: parts },
			() => new Bucket(() => open(options), WAITING_BYTES / parts),
		);
		const files: DataFileStream[] = [];
		/** Rows of one bucket are written in their order; each place is known then. */
		const flush = async (bucket: Bucket): Promise<void> => {
			const { stream, rows } = await bucket.flush();
			let output = files.indexOf(stream);
			if (output < 0) output = files.push(stream) - 1;
			for (const { source, row, at } of rows)
				places?.set(source, row, output, at);
		};
		for await (const { batch, source, rows } of groupRows(
			engine,
			table,
			layout,
			group,
		)) {
			places?.reserve(source, (rows.at(-1) ?? -1) + 1);
			const z = order.ofFile(group.files[source] as AddFile);
			for (const [part, picked] of partsOf(rows, z, cuts)) {
				const bucket = buckets[part] as Bucket;
				bucket.add(batch, source, rows, z, picked);
				if (bucket.full) await flush(bucket);
			}
		}
		for (const bucket of buckets) if (bucket.rows > 0) await flush(bucket);
		const outputs: AddFile[] = [];
		for (const stream of files) outputs.push(await stream.finish());
		return { sources: group.files, outputs, places };
	});
}

/** Rows that wait for a row group of one file. */
class Bucket {
	readonly #open: () => DataFileStream;
	readonly #mostBytes: number;
	#stream: DataFileStream | undefined;
	#batches: Batch[] = [];
	#sources: number[] = [];
	#positions: number[] = [];
	#z: number[] = [];
	#bytes = 0;

	constructor(open: () => DataFileStream, mostBytes: number) {
		this.#open = open;
		this.#mostBytes = mostBytes;
	}

	get rows(): number {
		return this.#z.length;
	}

	get full(): boolean {
		return this.rows >= ROW_GROUP_ROWS || this.#bytes >= this.#mostBytes;
	}

	add(
		batch: Batch,
		source: number,
		rows: Int32Array,
		z: Uint32Array,
		picked: Int32Array,
	): void {
		const part = picked.length === batch.length ? batch : take(batch, picked);
		this.#batches.push(part);
		for (const i of picked) {
			const row = rows[i] as number;
			this.#sources.push(source);
			this.#positions.push(row);
			this.#z.push(z[row] as number);
		}
		for (const column of part.columns)
			this.#bytes += vectorBytes(column, 0, part.length);
	}

	/** Writes what waits, in order; tells which row stands where in the file. */
	async flush(): Promise<{
		readonly stream: DataFileStream;
		readonly rows: readonly { source: number; row: number; at: number }[];
	}> {
		this.#stream ??= this.#open();
		const first = this.#stream.rows;
		const z = this.#z;
		const order = Int32Array.from(z.keys()).sort(
			(a, b) => (z[a] as number) - (z[b] as number) || a - b,
		);
		const rows = Array.from(order, (i, n) => ({
			source: this.#sources[i] as number,
			row: this.#positions[i] as number,
			at: first + n,
		}));
		const batch = take(concat(this.#batches), order);
		this.#batches = [];
		this.#sources = [];
		this.#positions = [];
		this.#z = [];
		this.#bytes = 0;
		await this.#stream.write(batch);
		return { stream: this.#stream, rows };
	}
}

/** The rows of a batch by the part of the curve that they are on. */
function* partsOf(
	rows: Int32Array,
	z: Uint32Array,
	cuts: readonly number[],
): Generator<[number, Int32Array]> {
	const lists: number[][] = Array.from({ length: cuts.length + 1 }, () => []);
	for (let i = 0; i < rows.length; i++) {
		const value = z[rows[i] as number] as number;
		let [low, high] = [0, cuts.length];
		while (low < high) {
			const middle = (low + high) >>> 1;
			if ((cuts[middle] as number) <= value) low = middle + 1;
			else high = middle;
		}
		(lists[low] as number[]).push(i);
	}
	for (const [part, list] of lists.entries())
		if (list.length > 0) yield [part, Int32Array.from(list)];
}

function columnsText(columns: readonly ColumnPath[]): string {
	return JSON.stringify(columns.map((path) => path.join(".")));
}
