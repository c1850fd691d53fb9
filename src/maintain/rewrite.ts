import type { Batch } from "../columnar/vector.ts";
import type { AddFile } from "../delta/actions.ts";
import {
	DataFileStream,
	type DataFileStreamOptions,
} from "../delta/data-file-stream.ts";
import type { Engine } from "../delta/engine.ts";
import { decodePath } from "../delta/path.ts";
import { materializedFields, movedRowIds } from "../delta/row-tracking.ts";
import { scanFiles } from "../delta/scan.ts";
import type { Snapshot } from "../delta/snapshot.ts";
import { type FileLayout, fileLayout } from "../delta/stage.ts";
import { SHARD_TAG } from "../index/shard-tag.ts";
import type { FileGroup } from "./file-groups.ts";
import { MOST_OUTPUTS, RowMap } from "./row-map.ts";

/** Rows of some files in new ones that are stored, and not in the table yet. */
export interface StagedRewrite {
	readonly sources: readonly AddFile[];
	readonly outputs: readonly AddFile[];
	/** Where each row went; absent where rows of a file can't be deleted without writing it again. */
	readonly places: RowMap | undefined;
}

/** Above so much of the target size a file ends: rows may take more room than they did. */
const LARGEST = 3 / 2;

/** Writes the rows of a group one after another, in the order that they have. */
export async function rewriteInOrder(
	engine: Engine,
	table: Snapshot,
	group: FileGroup,
	options: { readonly targetBytes: number; readonly tags?: AddFile["tags"] },
): Promise<StagedRewrite> {
	const layout = fileLayout(table);
	const places = takesDeletions(table)
		? new RowMap(group.files.length)
		: undefined;
	return await withOutputs(engine, layout, async (open) => {
		const finished: AddFile[] = [];
		let stream: DataFileStream | undefined;
		for await (const { batch, source, rows } of groupRows(
			engine,
			table,
			layout,
			group,
		)) {
			stream ??= open(outputOptions(table, group, options.tags));
			places?.reserve(source, (rows.at(-1) ?? -1) + 1);
			for (let i = 0; i < rows.length; i++)
				places?.set(
					source,
					rows[i] as number,
					finished.length,
					stream.rows + i,
				);
			await stream.write(batch);
			if (
				stream.bytesWritten >= options.targetBytes * LARGEST &&
				finished.length < MOST_OUTPUTS - 1
			) {
				finished.push(await stream.finish());
				stream = undefined;
			}
		}
		if (stream !== undefined) finished.push(await stream.finish());
		return { sources: group.files, outputs: finished, places };
	});
}

/** Whether single rows of the table's files may be deleted. */
export function takesDeletions({
	metadata,
}: Pick<Snapshot, "metadata">): boolean {
	return metadata.configuration["delta.enableDeletionVectors"] === "true";
}

export interface GroupRows {
	/** In the columns of the table's files. */
	readonly batch: Batch;
	/** Which of the group's files. */
	readonly source: number;
	readonly rows: Int32Array;
}

/** The rows of a group as files hold them; rows take their ids along. */
export async function* groupRows(
	engine: Engine,
	table: Snapshot,
	layout: FileLayout,
	group: FileGroup,
): AsyncGenerator<GroupRows, void, undefined> {
	const numbers = new Map(group.files.map((file, i) => [file, i]));
	const fileColumns = materializedFields(table.metadata);
	const partitions = new Set(table.metadata.partitionColumns);
	const schema = {
		type: "struct" as const,
		fields: [...layout.stored.fields, ...fileColumns],
	};
	for await (const { batch, file, rows } of scanFiles(engine, table, {
		files: group.files,
		columns: table.schema.fields
			.map(({ name }) => name)
			.filter((name) => !partitions.has(name)),
		fileColumns,
	})) {
		const width = batch.columns.length - fileColumns.length;
		yield {
			batch: {
				schema,
				length: batch.length,
				columns: [
					...batch.columns.slice(0, width),
					...movedRowIds(file, rows, batch.columns.slice(width)),
				],
			},
			source: numbers.get(file) ?? -1,
			rows,
		};
	}
}

/** What the files have that take the rows of a group. */
export function outputOptions(
	table: Snapshot,
	group: FileGroup,
	tags: AddFile["tags"] = {},
): DataFileStreamOptions {
	const all = {
		...(group.shard === undefined ? {} : { [SHARD_TAG]: group.shard }),
		...tags,
	};
	return {
		partitionValues: group.partitionValues,
		tags: Object.keys(all).length === 0 ? undefined : all,
		fileColumns: materializedFields(table.metadata),
	};
}

/** Files that `write` opens are there when it succeeds, and gone when it fails. */
export async function withOutputs(
	engine: Engine,
	layout: FileLayout,
	write: (
		open: (options: DataFileStreamOptions) => DataFileStream,
	) => Promise<StagedRewrite>,
): Promise<StagedRewrite> {
	const streams: DataFileStream[] = [];
	try {
		return await write((options) => {
			const stream = new DataFileStream(engine, layout, options);
			streams.push(stream);
			return stream;
		});
	} catch (error) {
		for (const stream of streams) await stream.abort(error);
		throw error;
	}
}

/** Deletes what was stored for a rewrite that no version refers to. */
export async function discard(
	engine: Engine,
	{ outputs }: Pick<StagedRewrite, "outputs">,
): Promise<void> {
	await engine.store.delete(outputs.map(({ path }) => decodePath(path)));
}
