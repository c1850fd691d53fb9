import { ParquetWriter } from "../columnar/parquet/encode.ts";
import type { StructField } from "../columnar/types.ts";
import type { Batch } from "../columnar/vector.ts";
import type { AddFile } from "./actions.ts";
import type { Engine } from "./engine.ts";
import { type FileLayout, newFile, newPath } from "./stage.ts";

/** Encoded bytes that may wait for the store. */
const AHEAD_BYTES = 16 * 2 ** 20;

export interface DataFileStreamOptions {
	readonly partitionValues: AddFile["partitionValues"];
	readonly tags?: AddFile["tags"] | undefined;
	/** Columns beside the table's, which come last in every batch. */
	readonly fileColumns?: readonly StructField[];
	readonly rowGroupRows?: number;
	readonly rowGroupBytes?: number;
}

/**
 * A data file that is stored while its rows still come: no more than a row group of them is held, and
 * some encoded bytes. It is there, and not in the table, once it is finished.
 */
export class DataFileStream {
	readonly #engine: Engine;
	readonly #layout: FileLayout;
	readonly #options: DataFileStreamOptions;
	readonly #path: string;
	readonly #encoder: ParquetWriter;
	readonly #stored: Promise<void>;
	readonly #waiting: Uint8Array[] = [];
	#waitingBytes = 0;
	#end: "open" | "finished" | { readonly error: unknown } = "open";
	/** Wakes the store when bytes come, or a writer when they are gone. */
	#wake: () => void = () => {};
	#failure: { readonly error: unknown } | undefined;
	#rows = 0;

	constructor(
		engine: Engine,
		layout: FileLayout,
		options: DataFileStreamOptions,
	) {
		const { partitionValues, fileColumns = [] } = options;
		this.#engine = engine;
		this.#layout = layout;
		this.#options = options;
		this.#path = newPath(engine, layout, partitionValues);
		this.#encoder = new ParquetWriter(
			{ type: "struct", fields: [...layout.stored.fields, ...fileColumns] },
			{
				...layout.options.encode,
				...(options.rowGroupRows && { rowGroupRows: options.rowGroupRows }),
				...(options.rowGroupBytes && { rowGroupBytes: options.rowGroupBytes }),
			},
		);
		this.#stored = engine.store.put(this.#path, this.#pieces());
		this.#stored.catch((error: unknown) => {
			this.#failure = { error };
			this.#wake();
		});
	}

	get rows(): number {
		return this.#rows;
	}

	/** Bytes of the file so far, without rows that wait for their row group. */
	get bytesWritten(): number {
		return this.#encoder.bytesWritten;
	}

	/** Adds rows in the layout's columns; waits while the store is behind. @throws what the store throws */
	async write(batch: Batch): Promise<void> {
		this.#rows += batch.length;
		this.#encoder.write(batch);
		await this.#give();
	}

	/** What the log has to say of the file, once it is stored. @throws what the store throws */
	async finish(): Promise<AddFile> {
		const { rows, leaves } = this.#encoder.finish();
		await this.#give();
		this.#end = "finished";
		this.#wake();
		await this.#stored;
		return newFile(this.#engine, this.#layout, {
			path: this.#path,
			partitionValues: this.#options.partitionValues,
			size: this.#encoder.bytesWritten,
			rows,
			leaves,
			tags: this.#options.tags,
		});
	}

	/** Gives the file up, finished or not: the store keeps nothing of it. */
	async abort(error: unknown): Promise<void> {
		const whole = this.#end === "finished";
		if (!whole) this.#end = { error };
		this.#wake();
		await this.#stored.catch(() => undefined); // It fails with what it was aborted for.
		if (whole) await this.#engine.store.delete([this.#path]);
	}

	async #give(): Promise<void> {
		for (const piece of this.#encoder.take()) {
			this.#waiting.push(piece);
			this.#waitingBytes += piece.length;
		}
		this.#wake();
		while (this.#waitingBytes > AHEAD_BYTES && this.#failure === undefined)
			await this.#sleep();
		if (this.#failure !== undefined) throw this.#failure.error;
	}

	async *#pieces(): AsyncGenerator<Uint8Array> {
		for (;;) {
			const piece = this.#waiting.shift();
			if (piece !== undefined) {
				this.#waitingBytes -= piece.length;
				this.#wake();
				yield piece;
			} else if (this.#end === "open") await this.#sleep();
			else if (this.#end === "finished") return;
			else throw this.#end.error;
		}
	}

	/** Only one side ever sleeps: the store when nothing waits, a writer when too much does. */
	#sleep(): Promise<void> {
		return new Promise((resolve) => {
			this.#wake = resolve;
		});
	}
}
