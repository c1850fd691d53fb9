import type { ChangeBatch } from "../change/decoder.ts";
import { type KeyColumn, keyOf } from "../change/key.ts";
import { RESCUED_DATA } from "../change/metadata-columns.ts";
import { take } from "../columnar/batch.ts";
import type { Action, AddFile, RemoveFile } from "../delta/actions.ts";
import {
	type DeletedRows,
	readDeletionVector,
	stageDeletionVectors,
	unionRows,
} from "../delta/deletion-vector.ts";
import type { Engine } from "../delta/engine.ts";
import { scanFiles } from "../delta/scan.ts";
import { fileKey, type Snapshot } from "../delta/snapshot.ts";
import {
	type StagedFile,
	stageFiles,
	type TableLayout,
} from "../delta/stage.ts";
import { looseStats } from "../delta/stats.ts";
import { KeyIndex } from "../index/key-map.ts";

/** What a mirror's commit does to the files, and what the index learns once it has succeeded. */
export interface StagedUpsert {
	readonly actions: readonly Action[];
	/** Keys of the files that the actions replace; all have to be in the table still. */
	readonly replaced: readonly string[];
	readonly bytes: number;
	settle(snapshot: Snapshot): void;
}

/**
 * The mirror of a source by key: a change of a key is a deletion-vector bit on the row's old place,
 * and a row in a new file. The old place comes from the index, so the cost does not grow with the
 * table.
 */
export class Mirror {
	readonly #engine: Engine;
	readonly #index = new KeyIndex();
	/** Deleted rows of the files that this process has touched, by path. */
	readonly #deleted = new Map<string, DeletedRows>();
	/** File keys that the index stands for; any difference means that another writer was here. */
	#known: ReadonlySet<string> | undefined;

	/** With soft deletes, a deleted key keeps its row, and so its place. */
	readonly #softDeletes: boolean;

	constructor(engine: Engine, options: { readonly softDeletes: boolean }) {
		this.#engine = engine;
		this.#softDeletes = options.softDeletes;
	}

	get keys(): number {
		return this.#index.size;
	}

	/** Stores files and deletion vectors for the newest state of each key in the batch. */
	async stage(
		snapshot: Snapshot | undefined,
		changes: ChangeBatch,
		table: TableLayout,
	): Promise<StagedUpsert> {
		await this.#follow(snapshot, changes.keyColumns);
		const last = new Map<string, number>();
		for (const [row, key] of changes.keys.entries()) last.set(key, row);

		const survivors: number[] = [];
		const gone = new Map<string, number[]>();
		for (const [key, row] of last) {
			const place = this.#index.get(key);
			if (place !== undefined && !changes.truncated) {
				const path = this.#index.path(place.file);
				const rows = gone.get(path);
				if (rows === undefined) gone.set(path, [place.row]);
				else rows.push(place.row);
			}
			if (changes.deleted[row] === 0 || this.#softDeletes) survivors.push(row);
		}
		survivors.sort((a, b) => a - b);
		const files = await stageFiles(
			this.#engine,
			table,
			take(changes.batch, Int32Array.from(survivors)),
		);
		const actions: Action[] = files.map(({ add }) => ({ add }));
		const now = this.#engine.now();
		const replaced: string[] = [];
		const vectors: { file: AddFile; rows: DeletedRows }[] = [];
		for (const file of snapshot?.files.values() ?? []) {
			const rows = gone.get(file.path);
			if (rows === undefined && !changes.truncated) continue;
			replaced.push(fileKey(file));
			actions.push({ remove: removal(file, now) });
			if (changes.truncated) continue;
			const merged = unionRows(
				await this.#deletedRows(file),
				Uint32Array.from(rows ?? []).sort(),
			);
			// A file without a row left just goes.
			if (merged.length < rowsOf(file)) vectors.push({ file, rows: merged });
			else this.#deleted.delete(file.path);
		}
		if (vectors.length > 0) {
			const staged = stageDeletionVectors(
				vectors.map(({ rows }) => rows),
				this.#engine.uuid(),
			);
			if (staged.file !== undefined)
				await this.#engine.store.put(staged.file.path, staged.file.bytes);
			for (const [i, { file }] of vectors.entries()) {
				const descriptor = staged.descriptors[i];
				if (descriptor !== undefined)
					actions.push({
						add: {
							...file,
							dataChange: true,
							deletionVector: descriptor,
							...(file.stats === undefined
								? {}
								: { stats: looseStats(file.stats) }),
						},
					});
			}
		}
		return {
			actions,
			replaced,
			bytes: files.reduce((sum, { add }) => sum + add.size, 0),
			settle: (committed) => {
				for (const { file, rows } of vectors)
					this.#deleted.set(file.path, rows);
				this.#settle(changes, last, files);
				this.#known = new Set(committed.files.keys());
			},
		};
	}

	/** Forgets the index: the next batch rebuilds it from the table. */
	reset(): void {
		this.#index.clear();
		this.#deleted.clear();
		this.#known = undefined;
	}

	#settle(
		changes: ChangeBatch,
		last: ReadonlyMap<string, number>,
		files: readonly StagedFile[],
	): void {
		if (changes.truncated) this.#index.clear();
		for (const key of last.keys()) this.#index.delete(key);
		// A staged file's rows are positions among the survivors, in the batch's order.
		const keys: string[] = [];
		for (const [key, row] of last)
			if (changes.deleted[row] === 0 || this.#softDeletes) keys[row] = key;
		const survivors = keys.filter((key) => key !== undefined);
		for (const { add, rows } of files) {
			const file = this.#index.fileNumber(add.path);
			for (const [row, survivor] of rows.entries()) {
				const key = survivors[survivor];
				if (key !== undefined) this.#index.set(key, { file, row });
			}
		}
	}

	/** Brings the index to the table's state; only another writer's commits make that necessary. */
	async #follow(
		snapshot: Snapshot | undefined,
		keyColumns: readonly string[],
	): Promise<void> {
		if (snapshot === undefined) {
			this.reset();
			return;
		}
		if (
			this.#known !== undefined &&
			this.#known.size === snapshot.files.size &&
			[...snapshot.files.keys()].every((key) => this.#known?.has(key))
		)
			return;
		this.reset();
		const names = snapshot.schema.fields.map((field) => field.name);
		const columns = [...keyColumns, RESCUED_DATA.name].filter((name) =>
			names.includes(name),
		);
		for await (const { batch, file, rows } of scanFiles(
			this.#engine,
			snapshot,
			{ columns },
		)) {
			const number = this.#index.fileNumber(file.path);
			const vectorOf = (name: string): KeyColumn | undefined => {
				const i = batch.schema.fields.findIndex((field) => field.name === name);
				const type = batch.schema.fields[i]?.type;
				const vector = batch.columns[i];
				return type === undefined || vector === undefined
					? undefined
					: { name, type, vector };
			};
			const key = keyColumns.flatMap((name) => vectorOf(name) ?? []);
			const rescued = vectorOf(RESCUED_DATA.name)?.vector;
			for (let i = 0; i < batch.length; i++) {
				const text = keyOf(key, i, rescued);
				if (text !== undefined)
					this.#index.set(text, { file: number, row: rows[i] ?? 0 });
			}
		}
		this.#known = new Set(snapshot.files.keys());
	}

	async #deletedRows(file: AddFile): Promise<DeletedRows> {
		if (file.deletionVector === undefined) return new Uint32Array(0);
		return (
			this.#deleted.get(file.path) ??
			(await readDeletionVector(this.#engine, file.deletionVector))
		);
	}
}

function rowsOf(file: AddFile): number {
	const { numRecords } = JSON.parse(file.stats ?? "{}") as {
		numRecords?: number;
	};
	return numRecords ?? Number.POSITIVE_INFINITY;
}

function removal(file: AddFile, now: number): RemoveFile {
	return {
		path: file.path,
		deletionTimestamp: now,
		dataChange: true,
		extendedFileMetadata: true,
		partitionValues: file.partitionValues,
		size: file.size,
		...(file.tags === undefined ? {} : { tags: file.tags }),
		...(file.deletionVector === undefined
			? {}
			: { deletionVector: file.deletionVector }),
	};
}
