import { BytesBuilder, I32Builder, I64Builder } from "../columnar/builder.ts";
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
	readonly #operation = new BytesBuilder("string");
	readonly #timestamp = new I64Builder("timestamp");
	readonly #topic = new BytesBuilder("string");
	readonly #partition = new I32Builder("integer");
	readonly #offset = new I64Builder("long");
	#topicBytes = new Uint8Array(0);
	#topicName = "";

	set(row: number, message: ChangeMessage, envelope: Envelope): void {
		if (message.topic !== this.#topicName) {
			this.#topicName = message.topic;
			this.#topicBytes = Buffer.from(message.topic);
		}
		const operation = this.#operation;
		operation.begin(row);
		operation.room(operation.size + 1);
		operation.data[operation.size++] = envelope.op.charCodeAt(0);
		operation.end(row);
		const micros =
			envelope.sourceMicros >= 0
				? envelope.sourceMicros
				: envelope.handledMs * 1000;
		if (micros >= 0) this.#timestamp.set(row, micros);
		this.#topic.set(row, this.#topicBytes);
		this.#partition.set(row, message.partition);
		this.#offset.set(row, Number(message.offset));
	}

	truncate(length: number): void {
		this.#operation.truncate(length);
		this.#timestamp.truncate(length);
		this.#topic.truncate(length);
		this.#partition.truncate(length);
		this.#offset.truncate(length);
	}

	/** Vectors of METADATA_COLUMNS; `nowMs` is the rows' ingestion time. */
	finish(length: number, nowMs: number): Vector[] {
		return [
			this.#operation.finish(length),
			this.#timestamp.finish(length),
			this.#topic.finish(length),
			this.#partition.finish(length),
			this.#offset.finish(length),
			constantVector("timestamp", BigInt(nowMs) * 1000n, length),
			constantVector("date", Math.floor(nowMs / 86_400_000), length),
		];
	}
}
