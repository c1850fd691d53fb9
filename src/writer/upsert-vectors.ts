import type { Action, AddFile } from "../delta/actions.ts";
import {
	type DeletedRows,
	DeletionVectorReader,
	stageDeletionVectors,
	unionRows,
} from "../delta/deletion-vector.ts";
import type { Engine } from "../delta/engine.ts";
import { fileKey } from "../delta/file-key.ts";
import { scanFiles } from "../delta/scan.ts";
import type { Snapshot } from "../delta/snapshot.ts";
import { removal } from "../delta/stage-delete.ts";
import { looseStats } from "../delta/stats.ts";

export interface StagedVectors {
	readonly actions: readonly Action[];
	/** Keys of files before and after; without `after` the file is gone. */
	readonly changed: readonly {
		readonly before: string;
		readonly after: string | undefined;
	}[];
	/** Remembers the vectors once they are in the table. */
	settle(): void;
}

interface Kept {
	readonly rows: DeletedRows;
	/** Of the whole file, deleted ones included. */
	readonly physical: number;
}

/** Puts rows into the deletion vectors of their files; the latest vectors stay in memory. */
export class VectorStage {
	readonly #engine: Engine;
	readonly #limit: number;
	/** Deleted rows by file key, least recently used first. */
	readonly #kept = new Map<string, Kept>();
	#bytes = 0;

	/** `limit`: bytes of vectors that are kept. */
	constructor(engine: Engine, limit: number) {
		this.#engine = engine;
		this.#limit = limit;
	}

	/** Stores what takes these rows, in any order, out of these files; a file without a row left goes. */
	async stage(
		snapshot: Snapshot,
		gone: readonly { readonly file: AddFile; readonly rows: Uint32Array }[],
		keyColumns: readonly string[],
	): Promise<StagedVectors> {
		const now = this.#engine.now();
		const reader = new DeletionVectorReader(this.#engine, {
			descriptors: gone.flatMap(({ file }) =>
				this.#kept.has(fileKey(file)) ? [] : (file.deletionVector ?? []),
			),
		});
		const actions: Action[] = [];
		const vectors: { readonly file: AddFile; readonly kept: Kept }[] = [];
		const left: string[] = [];
		for (const { file, rows } of gone) {
			const key = fileKey(file);
			const before: Kept = this.#kept.get(key) ?? {
				rows:
					file.deletionVector === undefined || file.deletionVector === null
						? new Uint32Array(0)
						: await reader.read(file.deletionVector),
				physical: await this.#physicalRows(snapshot, file, keyColumns),
			};
			const merged = unionRows(before.rows, rows.sort());
			// An index may have places of rows that went with a crash's commit.
			if (merged.length === before.rows.length) continue;
			actions.push({ remove: removal(file, now) });
			if (merged.length < before.physical)
				vectors.push({
					file,
					kept: { rows: merged, physical: before.physical },
				});
			else left.push(key);
		}
		const staged = stageDeletionVectors(
			vectors.map(({ kept }) => kept.rows),
			this.#engine.uuid(),
		);
		if (staged.file !== undefined)
			await this.#engine.store.put(staged.file.path, staged.file.bytes);
		const changed: { before: string; after: string; kept: Kept }[] = [];
		for (const [i, { file, kept }] of vectors.entries()) {
			const deletionVector = staged.descriptors[i];
			if (deletionVector === undefined) continue;
			const add: AddFile = {
				...file,
				dataChange: true,
				deletionVector,
				// A file with a vector has to say how many rows it has.
				stats: looseStats(file.stats ?? `{"numRecords":${kept.physical}}`),
			};
			actions.push({ add });
			changed.push({ before: fileKey(file), after: fileKey(add), kept });
		}
		return {
			actions,
			changed: [
				...changed,
				...left.map((before) => ({ before, after: undefined })),
			],
			settle: () => {
				for (const key of left) this.#drop(key);
				for (const { before, after, kept } of changed) {
					this.#drop(before);
					this.#keep(after, kept);
				}
			},
		};
	}

	clear(): void {
		this.#kept.clear();
		this.#bytes = 0;
	}

	#keep(key: string, kept: Kept): void {
		this.#kept.set(key, kept);
		this.#bytes += kept.rows.byteLength;
		for (const oldest of this.#kept.keys()) {
			if (this.#bytes <= this.#limit) break;
			this.#drop(oldest);
		}
	}

	#drop(key: string): void {
		this.#bytes -= this.#kept.get(key)?.rows.byteLength ?? 0;
		this.#kept.delete(key);
	}

	async #physicalRows(
		snapshot: Snapshot,
		file: AddFile,
		columns: readonly string[],
	): Promise<number> {
		const found = /^\{"numRecords":(\d+)[,}]/.exec(file.stats ?? "");
		if (found !== null) return Number(found[1]);
		const { numRecords } = JSON.parse(file.stats ?? "{}") as {
			numRecords?: number;
		};
		if (numRecords !== undefined) return numRecords;
		let rows = file.deletionVector?.cardinality ?? 0;
		for await (const { batch } of scanFiles(this.#engine, snapshot, {
			files: [file],
			columns: columns.filter((name) =>
				snapshot.schema.fields.some((field) => field.name === name),
			),
		}))
			rows += batch.length;
		return rows;
	}
}
