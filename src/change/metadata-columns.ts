import { I64Builder } from "../columnar/builder.ts";
import { BytesBuilder } from "../columnar/bytes-builder.ts";
import { grown, INITIAL } from "../columnar/growth.ts";
import { constantVector } from "../columnar/literal.ts";
import { field, type StructField } from "../columnar/types.ts";
import type { Vector } from "../columnar/vector.ts";
import type { ChangeMessage } from "./change.ts";
import type { Envelope } from "./envelope.ts";

/** The columns that `append` adds to each change, after the source's own. */
export const METADATA_COLUMNS: readonly StructField[] = [
	field("_cdc_operation", "string"),
	field("_cdc_timestamp", "timestamp"),
	field("_kafka_topic", "string"),
	field("_kafka_partition", "integer"),
	field("_kafka_offset", "long"),
	field("_ingestion_timestamp", "timestamp"),
	field("_ingestion_date", "date"),
];

/** JSON of what did not fit the columns of a row; a table gets it when it is first needed. */
export const RESCUED_DATA = field("_rescued_data", "string");

/** With soft deletes: whether the source has deleted the row. */
export const DELETED = field("_deleted", "boolean");

/** Names that a source field can't have, in lower case. */
export const RESERVED: ReadonlySet<string> = new Set(
	[...METADATA_COLUMNS, RESCUED_DATA, DELETED].map(({ name }) => name),
);

/** Collects METADATA_COLUMNS. */
export class MetadataBuilder {
	#operations = new Uint8Array(INITIAL);
	#partitions = new Int32Array(INITIAL);
	readonly #timestamp = new I64Builder("timestamp");
	readonly #offset = new I64Builder("long");
	/** Topics in the order of the rows: hardly ever more than one. */
	readonly #topics: { readonly name: string; readonly from: number }[] = [];

	set(row: number, message: ChangeMessage, envelope: Envelope): void {
		if (row >= this.#operations.length) {
			const capacity = 2 * row;
			this.#operations = grown(Uint8Array, this.#operations, capacity);
			this.#partitions = grown(Int32Array, this.#partitions, capacity);
		}
		this.#operations[row] = envelope.op.charCodeAt(0);
		this.#partitions[row] = message.partition;
		const micros =
			envelope.sourceMicros >= 0
				? envelope.sourceMicros
				: envelope.handledMs * 1000;
		if (micros >= 0) this.#timestamp.set(row, micros);
		if (this.#topics.at(-1)?.name !== message.topic)
			this.#topics.push({ name: message.topic, from: row });
		this.#offset.set(row, message.offset);
	}

	truncate(length: number): void {
		this.#timestamp.truncate(length);
		this.#offset.truncate(length);
		while ((this.#topics.at(-1)?.from ?? -1) >= length) this.#topics.pop();
	}

	/** Vectors of METADATA_COLUMNS; `nowMs` is the rows' ingestion time. */
	finish(length: number, nowMs: number): Vector[] {
		const vectors: Vector[] = [
			{
				kind: "bytes",
				length,
				validity: undefined,
				offsets: everyByte(length),
				data: this.#operations.slice(0, length),
			},
			this.#timestamp.finish(length),
			this.#finishTopics(length),
			{
				kind: "i32",
				length,
				validity: undefined,
				values: this.#partitions.slice(0, length),
			},
			this.#offset.finish(length),
			constantVector("timestamp", BigInt(nowMs) * 1000n, length),
			constantVector("date", Math.floor(nowMs / 86_400_000), length),
		];
		return vectors;
	}

	#finishTopics(length: number): Vector {
		const builder = new BytesBuilder("string");
		for (const [i, { name, from }] of this.#topics.entries()) {
			const bytes = Buffer.from(name);
			const to = this.#topics[i + 1]?.from ?? length;
			builder.room(builder.size + (to - from) * bytes.length);
			for (let row = from; row < to; row++) builder.set(row, bytes);
		}
		this.#topics.length = 0;
		return builder.finish(length);
	}
}

/** Offsets of values of one byte each. */
function everyByte(length: number): Int32Array {
	const offsets = new Int32Array(length + 1);
	for (let row = 0; row <= length; row++) offsets[row] = row;
	return offsets;
}
