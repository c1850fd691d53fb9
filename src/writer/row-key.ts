import { TableDecoder } from "../change/decoder.ts";
import { RESCUED_DATA } from "../change/metadata-columns.ts";
import type { StructType } from "../columnar/types.ts";
import type { Batch } from "../columnar/vector.ts";
import { type KeyBatch, tailStart } from "../index/key-batch.ts";
import { seedOfTable } from "../index/key-encoder.ts";
import type { SourceType } from "../resource/cdc-pipeline.ts";
import type { DeadLetter } from "./dead-letter.ts";
import { rowKeys } from "./upsert-index.ts";

/** The same for all tables: a letter may be older than the table that it belongs to. */
const SEED = seedOfTable("dead letters");

/** Keys of rows by which dead letters are told to be of the same row. */
export function letterKeys(
	batch: Batch,
	keyColumns: readonly string[],
): KeyBatch {
	return rowKeys(batch, [...keyColumns].sort(), SEED);
}

/** A key as text: its kind, its 16 bytes, and its tail where it has one; `null` for none. */
export function keyText(keys: KeyBatch, row: number): string | null {
	const kind = keys.kinds[row] as number;
	if (kind === 0) return null;
	const words = [0, 1, 2, 3].map((i) =>
		(keys.words[row * 4 + i] as number).toString(16).padStart(8, "0"),
	);
	const tail = Buffer.from(
		keys.tails.subarray(tailStart(keys, row), keys.tailEnds[row]),
	).toString("hex");
	return `${kind.toString(16).padStart(2, "0")}${words.join("")}${tail}`;
}

/** The first 52 bits of a key, for a quick look into a set; as `headOfText` has them of its text. */
export function keyHead(keys: KeyBatch, row: number): number {
	return (
		(keys.words[row * 4] as number) * 2 ** 20 +
		((keys.words[row * 4 + 1] as number) >>> 12)
	);
}

export function headOfText(text: string): number {
	return Number.parseInt(text.slice(2, 15), 16);
}

const DELETE = Buffer.from('{"op":"d"}');

/**
 * The key of a mirror's row by the record's key alone, whatever its value is. `null` where the record has
 * none that can be read, or the table's columns would have it otherwise: types that only the value's
 * schema tells are not known here.
 */
export function keyOfRecord(
	record: Pick<DeadLetter, "key" | "topic" | "partition" | "offset">,
	options: {
		readonly source: SourceType;
		readonly tableSchema: StructType | undefined;
	},
): string | null {
	if (record.key === null) return null;
	// Only the table knows what becomes of such types.
	if (
		options.tableSchema === undefined &&
		Buffer.from(record.key).includes('"schema"')
	)
		return null;
	const decoder = new TableDecoder({ ...options, mode: "upsert" });
	if (
		decoder.decode({ ...record, offset: Number(record.offset), value: DELETE })
			.kind !== "row"
	)
		return null;
	const { batch, keyColumns } = decoder.finish(0);
	const rescued = batch.schema.fields.findIndex(
		({ name }) => name === RESCUED_DATA.name,
	);
	const vector = batch.columns[rescued];
	if (vector !== undefined && vector.validity?.[0] !== 0) return null;
	return keyText(letterKeys(batch, keyColumns), 0);
}
