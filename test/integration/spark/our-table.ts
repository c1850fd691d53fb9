import { expect } from "vitest";
import { encodeParquet } from "../../../src/columnar/parquet/encode.ts";
import { field, struct } from "../../../src/columnar/types.ts";
import type { Row } from "../../../src/columnar/vector.ts";
import type {
	Action,
	AddFile,
	RemoveFile,
} from "../../../src/delta/actions.ts";
import { stageChanges } from "../../../src/delta/change-data-write.ts";
import { commit } from "../../../src/delta/commit.ts";
import { newTable } from "../../../src/delta/create.ts";
import { stageDeletionVectors } from "../../../src/delta/deletion-vector.ts";
import type { Engine } from "../../../src/delta/engine.ts";
import { loadSnapshot, type Snapshot } from "../../../src/delta/snapshot.ts";
import { looseStats } from "../../../src/delta/stats.ts";
import { batchOf } from "../../support/batch.ts";
import { engineOf } from "../../support/differential.ts";

/** A table with the change data feed on, written by this engine. */
export class OurTable {
	readonly engine: Engine;
	readonly #partitionColumns: readonly string[];

	private constructor(engine: Engine, partitionColumns: readonly string[]) {
		this.engine = engine;
		this.#partitionColumns = partitionColumns;
	}

	static async create(
		folder: string,
		options: {
			readonly partitionColumns: readonly string[];
			readonly vectors: boolean;
		},
	): Promise<OurTable> {
		const table = new OurTable(engineOf(folder), options.partitionColumns);
		await table.#commit(() =>
			newTable(
				{
					schema: SCHEMA,
					partitionColumns: options.partitionColumns,
					configuration: {
						"delta.enableChangeDataFeed": "true",
						...(options.vectors
							? { "delta.enableDeletionVectors": "true" }
							: {}),
					},
				},
				table.engine,
			),
		);
		return table;
	}

	async append(rows: readonly OurRow[]): Promise<void> {
		const adds = await this.#files(rows);
		await this.#commit(() => adds.map((add) => ({ add })));
	}

	/** All files are written anew. */
	async rewrite(change: {
		readonly updated: readonly (readonly [OurRow, OurRow])[];
		readonly deleted: readonly OurRow[];
		readonly kept: readonly OurRow[];
	}): Promise<void> {
		const after = change.updated.map(([, now]) => now);
		const adds = await this.#files([...change.kept, ...after]);
		const staged = stageChanges(
			await newest(this.engine),
			[
				{
					type: "update_preimage",
					batch: batchOf(
						SCHEMA,
						change.updated.map(([old]) => old),
					),
				},
				{ type: "update_postimage", batch: batchOf(SCHEMA, after) },
				{ type: "delete", batch: batchOf(SCHEMA, change.deleted) },
			],
			this.engine,
		);
		for (const { path, bytes } of staged.files)
			await this.engine.store.put(path, bytes);
		await this.#commit((files) => [
			...files.map((file) => ({ remove: removal(file) })),
			...adds.map((add) => ({ add })),
			...staged.actions,
		]);
	}

	/** Of the only file, these rows and no others are hidden. */
	async hide(rows: readonly number[], inlineBytes?: number): Promise<void> {
		const staged = stageDeletionVectors(
			[Uint32Array.from(rows)],
			this.engine.uuid(),
			inlineBytes === undefined ? {} : { inlineBytes },
		);
		if (staged.file !== undefined)
			await this.engine.store.put(staged.file.path, staged.file.bytes);
		const [deletionVector] = staged.descriptors;
		if (deletionVector === undefined) throw new Error("no vector");
		await this.#commit((files) =>
			files.flatMap((file): Action[] => [
				{ remove: removal(file) },
				{
					add: {
						...file,
						deletionVector,
						stats: looseStats(file.stats ?? ""),
					},
				},
			]),
		);
	}

	async clear(): Promise<void> {
		await this.#commit((files) =>
			files.map((file) => ({ remove: removal(file) })),
		);
	}

	async #commit(
		actions: (files: readonly AddFile[]) => readonly Action[],
	): Promise<void> {
		const outcome = await commit(this.engine, {
			base: undefined,
			plan: (snapshot) => ({
				kind: "commit",
				info: { operation: "TEST" },
				actions: actions([...(snapshot?.files.values() ?? [])]),
			}),
		});
		expect(outcome.kind).toBe("committed");
	}

	async #files(rows: readonly OurRow[]): Promise<AddFile[]> {
		const byWord = this.#partitionColumns.length > 0;
		const groups = Map.groupBy(rows, ({ word }) => (byWord ? word : ""));
		const adds: AddFile[] = [];
		for (const [word, members] of groups) {
			const schema = byWord ? struct(field("id", "long")) : SCHEMA;
			const { bytes } = encodeParquet([batchOf(schema, members)]);
			const path = `part-${this.engine.uuid()}.parquet`;
			await this.engine.store.put(path, bytes);
			adds.push({
				path,
				partitionValues: byWord ? { word } : {},
				size: bytes.length,
				modificationTime: Date.now(),
				dataChange: true,
				stats: JSON.stringify({
					numRecords: members.length,
					tightBounds: true,
				}),
			});
		}
		return adds;
	}
}

const SCHEMA = struct(field("id", "long"), field("word", "string"));

export interface OurRow extends Row {
	readonly id: bigint;
	readonly word: string | null;
}

export function row(id: number, word: string | null): OurRow {
	return { id: BigInt(id), word };
}

export async function newest(engine: Engine): Promise<Snapshot> {
	const snapshot = await loadSnapshot(engine);
	if (snapshot === undefined) throw new Error("no table");
	return snapshot;
}

function removal(file: AddFile): RemoveFile {
	const { path, partitionValues, size, deletionVector } = file;
	return {
		path,
		deletionTimestamp: Date.now(),
		dataChange: true,
		extendedFileMetadata: true,
		partitionValues,
		size,
		...(deletionVector === undefined ? {} : { deletionVector }),
	};
}
