import { encodeParquet } from "../../../src/columnar/parquet/encode.ts";
import type { StructType } from "../../../src/columnar/types.ts";
import { valueAt } from "../../../src/columnar/value.ts";
import type { Batch, Row } from "../../../src/columnar/vector.ts";
import type {
	Action,
	AddFile,
	Metadata,
	RemoveFile,
} from "../../../src/delta/actions.ts";
import { stageDeletionVectors } from "../../../src/delta/deletion-vector.ts";
import { commitPath, serialiseCommit } from "../../../src/delta/log.ts";
import { batchOf } from "../../support/batch.ts";
import { memoryEngine } from "./memory-engine.ts";

/** A table whose commits are written by hand, with whatever an engine may put in them. */
export class ChangeTable {
	version = -1;
	readonly engine = memoryEngine({ now: () => this.version * 1000 });
	#files = 0;

	/** The version's time is its number in seconds. */
	async commit(
		actions: readonly Action[],
		info: Record<string, unknown> = {},
	): Promise<number> {
		this.version++;
		await this.engine.store.put(
			commitPath(this.version),
			serialiseCommit([
				{ commitInfo: { timestamp: this.version * 1000, ...info } },
				...actions,
			]),
		);
		return this.version;
	}

	metadata(
		schema: StructType,
		options: {
			readonly partitionColumns?: readonly string[];
			readonly configuration?: Readonly<Record<string, string>>;
		} = {},
	): { readonly metaData: Metadata } {
		return {
			metaData: {
				id: "00000000-0000-4000-8000-000000000000",
				format: { provider: "parquet", options: {} },
				schemaString: JSON.stringify(schema),
				partitionColumns: options.partitionColumns ?? [],
				configuration: options.configuration ?? {},
			},
		};
	}

	/** Stores a data file, with the fields that the file has. */
	async file(
		schema: StructType,
		rows: readonly Row[],
		options: {
			readonly path?: string;
			readonly partitionValues?: Readonly<Record<string, string | null>>;
			readonly fieldIds?: boolean;
		} = {},
	): Promise<AddFile> {
		const path = options.path ?? `part-${this.#files++}.parquet`;
		const { bytes } = encodeParquet([batchOf(schema, rows)], {
			fieldIds: options.fieldIds ?? false,
		});
		await this.engine.store.put(path, bytes);
		return {
			path: path.split("/").map(encodeURIComponent).join("/"),
			partitionValues: options.partitionValues ?? {},
			size: bytes.length,
			modificationTime: 1,
			dataChange: true,
			stats: JSON.stringify({ numRecords: rows.length }),
		};
	}

	/** The file without these rows. */
	async hidden(
		file: AddFile,
		rows: readonly number[],
		options: { readonly inlineBytes?: number } = {},
	): Promise<AddFile> {
		const staged = stageDeletionVectors(
			[Uint32Array.from(rows).sort()],
			this.engine.uuid(),
			options,
		);
		if (staged.file !== undefined)
			await this.engine.store.put(staged.file.path, staged.file.bytes);
		const [deletionVector] = staged.descriptors;
		if (deletionVector === undefined) throw new Error("no vector");
		return { ...file, deletionVector };
	}
}

export function removal(file: AddFile): RemoveFile {
	return {
		path: file.path,
		deletionTimestamp: 1,
		dataChange: true,
		extendedFileMetadata: true,
		partitionValues: file.partitionValues,
		size: file.size,
		...(file.deletionVector === undefined
			? {}
			: { deletionVector: file.deletionVector }),
	};
}

export async function collect(
	batches: AsyncIterable<Batch>,
): Promise<Record<string, unknown>[]> {
	const rows: Record<string, unknown>[] = [];
	for await (const batch of batches)
		for (let i = 0; i < batch.length; i++)
			rows.push(
				Object.fromEntries(
					batch.schema.fields.map(({ name, type }, at) => {
						const vector = batch.columns[at];
						if (vector === undefined) throw new Error(`no column ${name}`);
						return [name, valueAt(vector, type, i)];
					}),
				),
			);
	return rows;
}
