import type { ChangeBatch } from "../change/change.ts";
import { take } from "../columnar/batch.ts";
import type { Action, AddFile } from "../delta/actions.ts";
import type { Engine } from "../delta/engine.ts";
import { fileKey, type NewCommit, type Snapshot } from "../delta/snapshot.ts";
import {
	type StagedFile,
	stageFiles,
	type TableLayout,
} from "../delta/stage.ts";
import { removal } from "../delta/stage-delete.ts";
import { TributaryError } from "../errors.ts";
import type { KeyBatch } from "../index/key-batch.ts";
import { seedOfTable } from "../index/key-encoder.ts";
import {
	IndexDamagedError,
	type IndexMemory,
	NO_FILE,
	type Places,
} from "../index/key-index.ts";
import { SHARD_TAG } from "../index/shard-tag.ts";
import type { Disk } from "../storage/disk.ts";
import {
	type Followed,
	MIRROR_COMMIT,
	rowKeys,
	ShardIndex,
} from "./upsert-index.ts";
import { newestRows } from "./upsert-newest.ts";
import { type StagedVectors, VectorStage } from "./upsert-vectors.ts";

/** Changes of a mirror, and where each came from. */
export interface MirrorBatch {
	readonly changes: ChangeBatch;
	/** The topic's partition of each row. */
	readonly partitions: Int32Array;
	/** The position in the source of each row, where it has one that can be compared; else NaN. */
	readonly positions?: Float64Array;
}

/** What a mirror's commit does to the files, and what the index learns once it has succeeded. */
export interface StagedUpsert {
	readonly actions: readonly Action[];
	/** Keys of the files that the actions replace; all have to be in the table still. */
	readonly replaced: readonly string[];
	readonly bytes: number;
	settle(committed: Snapshot): Promise<void>;
}

export interface MirrorOptions {
	readonly engine: Engine;
	/** A deleted key keeps its row, and so its place. */
	readonly softDeletes: boolean;
	/** The folder of the index of a shard of a table. */
	readonly disk: (tableId: string, shard: string) => Disk;
	readonly memory: IndexMemory;
	/** Told how an index came to the table's version, unless it was there already. */
	readonly onFollowed?: (shard: string, followed: Followed) => void;
	/** Told that an index could not be written after a commit; it is opened again when it is needed. */
	readonly onIndexFailure?: (shard: string, error: unknown) => void;
}

/** The share of the indexes' memory that one mirror's deletion vectors may take beside them. */
const VECTOR_SHARE = 1 / 4;

interface StagedShard {
	readonly index: ShardIndex;
	/** Of the batch: the newest rows of the shard's keys, by key. */
	readonly rows: Uint32Array;
	/** Of the batch: the rows that are in the files, in their order. */
	readonly survivors: Int32Array;
	readonly files: readonly StagedFile[];
}

/**
 * The mirror of a source by key: a change of a key is a deletion-vector bit on the row's old place,
 * and a row in a new file. The old place comes from the index of the key's shard, so the cost does
 * not grow with the table.
 */
export class Mirror {
	readonly #options: MirrorOptions;
	readonly #engine: Engine;
	readonly #vectors: VectorStage;
	readonly #indexes = new Map<string, ShardIndex>();
	/** How many partitions the topic has; part of what a shard is. */
	#partitions: number | undefined;
	#tableId: string | undefined;

	constructor(options: MirrorOptions) {
		this.#options = options;
		this.#engine = options.engine;
		this.#vectors = new VectorStage(
			options.engine,
			options.memory.limit * VECTOR_SHARE,
		);
	}

	/** Keys go to other partitions once there are more of them, so shards of another number are others. */
	set partitions(count: number) {
		this.#partitions = count;
	}

	/** Stores files and deletion vectors for the newest state of each key in the batch. */
	async stage(
		snapshot: Snapshot | undefined,
		batch: MirrorBatch,
		table: TableLayout,
	): Promise<StagedUpsert> {
		const { changes } = batch;
		if (this.#tableId !== table.metadata.id) await this.reset();
		this.#tableId = table.metadata.id;
		const seed = seedOfTable(table.metadata.id);
		const keys = rowKeys(changes.batch, changes.keyColumns, seed);
		const gone = new Map<string, number[]>();
		const shards: StagedShard[] = [];
		const newest = newestRows(keys, batch.positions);
		for (const [partition, rows] of byPartition(newest, batch.partitions)) {
			const shard = this.#shard(partition);
			const index = await this.#index(shard, snapshot, table, changes);
			if (snapshot !== undefined && !changes.truncated)
				await this.#findOld(index, shard, snapshot, keys, rows, gone);
			const survivors = this.#survivors(changes, rows);
			const files = await stageFiles(
				this.#engine,
				table,
				survivors.length === changes.batch.length
					? changes.batch
					: take(changes.batch, survivors),
				{ tags: { [SHARD_TAG]: shard } },
			);
			shards.push({ index, rows, survivors, files });
		}
		const removed = changes.truncated
			? [...(snapshot?.files.values() ?? [])]
			: [];
		const vectors =
			snapshot === undefined || gone.size === 0
				? undefined
				: await this.#vectors.stage(
						snapshot,
						[...gone].map(([key, rows]) => ({
							file: fileOf(snapshot, key),
							rows: Uint32Array.from(rows),
						})),
						changes.keyColumns,
					);
		const now = this.#engine.now();
		const files = shards.flatMap((shard) => shard.files);
		return {
			actions: [
				...files.map(({ add }) => ({ add })),
				...removed.map((file) => ({ remove: removal(file, now) })),
				...(vectors?.actions ?? []),
			],
			replaced: [...removed.map((file) => fileKey(file)), ...gone.keys()],
			bytes: files.reduce((sum, { add }) => sum + add.size, 0),
			settle: async (committed) => {
				vectors?.settle();
				if (changes.truncated) this.#vectors.clear();
				await this.#settle(snapshot, committed, changes, keys, shards, vectors);
			},
		};
	}

	/** Closes the indexes: the next batch opens them again, or others. */
	async reset(): Promise<void> {
		this.#vectors.clear();
		const open = [...this.#indexes.values()];
		this.#indexes.clear();
		for (const index of open) await index.keys.close();
	}

	#shard(partition: number): string {
		return this.#partitions === undefined
			? String(partition)
			: `${partition}/${this.#partitions}`;
	}

	/** The shard's index, at the snapshot's version. */
	async #index(
		shard: string,
		snapshot: Snapshot | undefined,
		table: TableLayout,
		{ keyColumns }: ChangeBatch,
	): Promise<ShardIndex> {
		const { id: tableId } = table.metadata;
		let index = this.#indexes.get(shard);
		if (index === undefined) {
			index = await ShardIndex.open({
				engine: this.#engine,
				disk: this.#options.disk(tableId, shard),
				memory: this.#options.memory,
				seed: seedOfTable(tableId),
				identity: { tableId, shard, keyColumns },
			});
			this.#indexes.set(shard, index);
		}
		if (snapshot === undefined) {
			await index.start();
			return index;
		}
		try {
			this.#tell(shard, await index.follow(snapshot));
		} catch (error) {
			if (!(error instanceof IndexDamagedError)) {
				await this.#drop(shard);
				throw error;
			}
			this.#tell(shard, await index.rebuild(snapshot, error.message));
		}
		return index;
	}

	#tell(shard: string, followed: Followed): void {
		if (followed.kind !== "current")
			this.#options.onFollowed?.(shard, followed);
	}

	/** Opening it again reads what is written of it. */
	async #drop(shard: string): Promise<void> {
		const index = this.#indexes.get(shard);
		this.#indexes.delete(shard);
		await index?.keys.close();
	}

	/** Adds the old places of keys to `gone`, by the key of their file. */
	async #findOld(
		index: ShardIndex,
		shard: string,
		snapshot: Snapshot,
		keys: KeyBatch,
		rows: Uint32Array,
		gone: Map<string, number[]>,
	): Promise<void> {
		let places: Awaited<ReturnType<typeof index.keys.lookUp>>;
		try {
			places = await index.keys.lookUp(keys, rows);
		} catch (error) {
			if (!(error instanceof IndexDamagedError)) throw error;
			this.#tell(shard, await index.rebuild(snapshot, error.message));
			places = await index.keys.lookUp(keys, rows);
		}
		const lists: (number[] | undefined)[] = [];
		for (const row of rows) {
			const number = places.files[row] as number;
			if (number === NO_FILE) continue;
			let list = lists[number];
			if (list === undefined) {
				const key = index.keys.files.key(number) as string;
				list = gone.get(key) ?? [];
				gone.set(key, list);
				lists[number] = list;
			}
			list.push(places.rows[row] as number);
		}
	}

	/** The rows that have to be in a file, in the batch's order. */
	#survivors({ deleted }: ChangeBatch, rows: Uint32Array): Int32Array {
		const kept = new Int32Array(rows.length);
		let length = 0;
		for (const row of rows)
			if (deleted[row] === 0 || this.#options.softDeletes) kept[length++] = row;
		return kept.subarray(0, length).sort();
	}

	/**
	 * Tells all open indexes of the commit. Where others came in between, an index stays at the version
	 * it had, and learns of them when it follows. One that can't be written is opened again: the
	 * commit stands.
	 */
	async #settle(
		base: Snapshot | undefined,
		committed: Snapshot,
		changes: ChangeBatch,
		keys: KeyBatch,
		shards: readonly StagedShard[],
		vectors: StagedVectors | undefined,
	): Promise<void> {
		const next = committed.version === (base?.version ?? -1) + 1;
		for (const [name, index] of this.#indexes) {
			const { keys: own } = index;
			const shard = shards.find((one) => one.index === index);
			// Of a table that others made meanwhile nothing is known.
			if (
				own.version !== (base?.version ?? -1) ||
				(!next && base === undefined)
			) {
				await this.#drop(name);
				continue;
			}
			const files: [number, string | undefined][] = [];
			for (const { before, after } of vectors?.changed ?? []) {
				const number = own.files.number(before);
				if (number !== undefined) files.push([number, after]);
			}
			try {
				const added = shard === undefined ? [] : named(shard);
				await own.apply({
					version: next ? committed.version : own.version,
					clear: changes.truncated,
					files: [...files, ...added],
					...(shard === undefined
						? {}
						: { places: placesOf(shard, keys, added) }),
				});
			} catch (error) {
				this.#options.onIndexFailure?.(name, error);
				await this.#drop(name);
			}
		}
	}
}

/**
 * Whether a commit that is no mirror's own has brought rows: their keys are in no index yet, and a batch
 * that was staged before may have rows of the same keys.
 */
export function addsRows({ actions }: NewCommit): boolean {
	return (
		actions.some((action) => "add" in action && action.add.dataChange) &&
		!actions.some(
			(action) =>
				"commitInfo" in action && action.commitInfo[MIRROR_COMMIT] === true,
		)
	);
}

/** @throws TributaryError when the index names a file that the version does not have */
function fileOf(snapshot: Snapshot, key: string): AddFile {
	const file = snapshot.files.get(key);
	if (file === undefined)
		throw new TributaryError(
			"KEY_INDEX_WRONG",
			`${snapshot.url}: the key index names ${JSON.stringify(key)}, which version ${snapshot.version} does not have; remove the index's folder, it is made again`,
		);
	return file;
}

/** The rows of each partition, in the order that they have. */
function byPartition(
	rows: Uint32Array,
	partitions: Int32Array,
): Map<number, Uint32Array> {
	const counts = new Map<number, number>();
	for (const row of rows) {
		const partition = partitions[row] as number;
		counts.set(partition, (counts.get(partition) ?? 0) + 1);
	}
	if (counts.size === 1)
		return new Map([...counts.keys()].map((partition) => [partition, rows]));
	return new Map(
		[...counts.keys()]
			.sort((a, b) => a - b)
			.map((partition) => [
				partition,
				rows.filter((row) => partitions[row] === partition),
			]),
	);
}

/** The files that a shard staged, under new numbers. */
function named(shard: StagedShard): [number, string][] {
	return shard.files.map(({ add }) => [
		shard.index.keys.allocate(),
		fileKey(add),
	]);
}

/** Where the keys of a shard are once its files are in the table. */
function placesOf(
	shard: StagedShard,
	keys: KeyBatch,
	numbers: readonly (readonly [number, string])[],
): Places {
	const files = new Uint32Array(keys.length).fill(NO_FILE);
	const rows = new Uint32Array(keys.length);
	for (const [n, file] of shard.files.entries()) {
		const number = numbers[n]?.[0] ?? NO_FILE;
		for (let row = 0; row < file.rows.length; row++) {
			const key = shard.survivors[file.rows[row] as number] as number;
			files[key] = number;
			rows[key] = row;
		}
	}
	return { keys, files, rows, order: shard.rows };
}
