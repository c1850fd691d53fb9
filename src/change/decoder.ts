import { isUtf8 } from "node:buffer";
import {
	BytesBuilder,
	I32Builder,
	I64Builder,
	newBuilder,
	StructBuilder,
	typeOf,
} from "../columnar/builder.ts";
import { constantVector } from "../columnar/literal.ts";
import {
	type StructField,
	type StructType,
	struct,
} from "../columnar/types.ts";
import type { Batch, Vector } from "../columnar/vector.ts";
import type { SourceType } from "../resource/cdc-pipeline.ts";
import { DocumentReader } from "./document.ts";
import { type Envelope, EnvelopeReader } from "./envelope.ts";
import { JsonCursor, JsonSyntaxError, unescapeJson } from "./json.ts";
import { type KeyColumn, keyOf } from "./key.ts";
import {
	DELETED,
	METADATA_COLUMNS,
	RESCUED_DATA,
	RESERVED,
} from "./metadata-columns.ts";
import { Rescued } from "./rescue.ts";
import { TypedReader } from "./typed.ts";

export interface ChangeMessage {
	readonly key: Uint8Array | null;
	readonly value: Uint8Array | null;
	readonly topic: string;
	readonly partition: number;
	readonly offset: bigint;
}

export interface DecoderOptions {
	readonly source: SourceType;
	readonly mode: "append" | "upsert";
	/** Of the table as it is: its types win. */
	readonly tableSchema?: StructType | undefined;
	readonly deletes?: "hard" | "soft";
	/** Whether fields that the table lacks become columns, or are rescued. */
	readonly onNewColumn?: "add" | "rescue";
}

/** What a message turned out to be; nothing that arrives makes `decode` throw. */
export type Decoded =
	| { readonly kind: "row" }
	| { readonly kind: "skip"; readonly reason: SkipReason }
	| {
			readonly kind: "dead-letter";
			readonly code: DeadLetterCode;
			readonly message: string;
	  };

export type SkipReason =
	| "tombstone"
	| "heartbeat"
	| "transaction"
	| "schema-change"
	/** An update whose document was gone before Debezium looked it up; its delete follows. */
	| "vanished"
	| "truncate"
	| "message";

export type DeadLetterCode =
	| "UTF8_INVALID"
	| "JSON_INVALID"
	| "ENVELOPE_UNKNOWN"
	| "KEY_MISSING";

export interface ChangeBatch {
	readonly batch: Batch;
	/** With upsert, per row: the row's identity and whether it is gone. */
	readonly keys: readonly string[];
	readonly deleted: Uint8Array;
	/** Columns that identify a row; empty when the source has no key. */
	readonly keyColumns: readonly string[];
	/** With upsert: the source emptied the table before the first of these rows. */
	readonly truncated: boolean;
	/** Milliseconds since the epoch; 0 when no change had a time. */
	readonly newestSourceMs: number;
	/** Of the changes that were streamed, not of a snapshot's rows; 0 when there were none. */
	readonly oldestStreamedMs: number;
}

const ROW: Decoded = { kind: "row" };
const SKIP = {
	tombstone: { kind: "skip", reason: "tombstone" },
	heartbeat: { kind: "skip", reason: "heartbeat" },
	transaction: { kind: "skip", reason: "transaction" },
	"schema-change": { kind: "skip", reason: "schema-change" },
	vanished: { kind: "skip", reason: "vanished" },
	truncate: { kind: "skip", reason: "truncate" },
	message: { kind: "skip", reason: "message" },
} as const satisfies Record<SkipReason, Decoded>;
const OPERATIONS = new Set(["c", "u", "d", "r", "t"]);

/**
 * Turns the Debezium records of one table into columns. Records are decoded one after another;
 * `finish` hands over the rows so far and keeps what was learnt of the schema.
 */
export class TableDecoder {
	readonly #options: DecoderOptions;
	readonly #cursor = new JsonCursor(new Uint8Array(0));
	readonly #inner = new JsonCursor(new Uint8Array(0));
	readonly #rescued = new Rescued();
	readonly #envelopes: EnvelopeReader;
	readonly #documents: DocumentReader;
	readonly #plain: DocumentReader;
	readonly #typed: TypedReader;
	readonly #root: StructBuilder;
	readonly #metadata = {
		operation: new BytesBuilder("string"),
		timestamp: new I64Builder("timestamp"),
		topic: new BytesBuilder("string"),
		partition: new I32Builder("integer"),
		offset: new I64Builder("long"),
	};
	readonly #rescuedColumn = new BytesBuilder("string");
	#rescuedInTable: boolean;
	#scratch = new Uint8Array(16 * 1024);
	#deleted = new Uint8Array(1024);
	#keyColumns: readonly string[] = [];
	#truncated = false;
	#newestMicros = 0;
	#oldestStreamedMicros = 0;
	#topic = new Uint8Array(0);
	#topicName = "";
	rows = 0;
	/** Of the messages that became rows. */
	bytes = 0;

	constructor(options: DecoderOptions) {
		this.#options = options;
		const newFields = (options.onNewColumn ?? "add") === "add";
		const own = (options.tableSchema?.fields ?? []).filter(
			({ name }) => !RESERVED.has(name.toLowerCase()),
		);
		this.#rescuedInTable =
			options.tableSchema?.fields.some(
				({ name }) => name === RESCUED_DATA.name,
			) ?? false;
		this.#root = new StructBuilder(struct(...own), true);
		this.#envelopes = new EnvelopeReader(this.#cursor);
		this.#documents = new DocumentReader(this.#inner, this.#rescued, {
			extended: true,
			newFields: newFields || options.tableSchema === undefined,
		});
		this.#plain = new DocumentReader(this.#cursor, this.#rescued, {
			extended: false,
			newFields: newFields || options.tableSchema === undefined,
		});
		this.#typed = new TypedReader(this.#cursor, this.#rescued, {
			newFields: newFields || options.tableSchema === undefined,
		});
		if (options.source === "mongodb") this.#keyColumns = ["_id"];
	}

	decode(message: ChangeMessage): Decoded {
		const { value } = message;
		if (value === null || value.length === 0) return SKIP.tombstone;
		if (!isUtf8(value))
			return dead("UTF8_INVALID", "the value is not valid UTF-8");
		const row = this.rows;
		try {
			this.#cursor.reset(value, 0, value.length);
			const envelope = this.#envelopes.read();
			if (!OPERATIONS.has(envelope.op)) return this.#other(envelope);
			const outcome = this.#change(message, envelope, row);
			if (outcome.kind !== "row") this.#undo(row);
			else {
				this.rows = row + 1;
				this.bytes += value.length;
				if (envelope.sourceMicros > this.#newestMicros)
					this.#newestMicros = envelope.sourceMicros;
				if (this.#oldestStreamedMicros === 0 && envelope.op !== "r")
					this.#oldestStreamedMicros = Math.max(0, envelope.sourceMicros);
			}
			return outcome;
		} catch (error) {
			this.#undo(row);
			if (
				error instanceof JsonSyntaxError ||
				error instanceof SyntaxError ||
				error instanceof RangeError
			)
				return dead("JSON_INVALID", error.message);
			throw error;
		}
	}

	/** Nothing was decoded since the last `finish` that a table would have to know. */
	get empty(): boolean {
		return this.rows === 0 && !this.#truncated;
	}

	/** Hands over the rows since the last call; `nowMs` is their ingestion time. */
	finish(nowMs: number): ChangeBatch {
		const length = this.rows;
		const fields: StructField[] = [];
		const columns: Vector[] = [];
		const push = (column: StructField, vector: Vector): void => {
			fields.push(column);
			columns.push(vector);
		};
		const type = typeOf(this.#root);
		const root = this.#root.finish(length);
		if (root.kind === "struct" && typeof type === "object")
			for (const [i, column] of (type as StructType).fields.entries())
				push(column, root.children[i] as Vector);
		if (this.#options.mode === "append") this.#pushMetadata(push, nowMs);
		if (this.#options.mode === "upsert" && this.#options.deletes === "soft")
			push(DELETED, {
				kind: "bool",
				length,
				validity: undefined,
				values: this.#deleted.slice(0, length),
			});
		if (this.#rescuedColumn.present > 0) this.#rescuedInTable = true;
		const rescued = this.#rescuedColumn.finish(length);
		if (this.#rescuedInTable) push(RESCUED_DATA, rescued);
		const batch: Batch = { schema: struct(...fields), length, columns };
		const result: ChangeBatch = {
			batch,
			keys:
				this.#options.mode === "upsert" ? rowKeys(batch, this.#keyColumns) : [],
			deleted: this.#deleted.slice(0, length),
			keyColumns: this.#keyColumns,
			truncated: this.#truncated,
			newestSourceMs: Math.floor(this.#newestMicros / 1000),
			oldestStreamedMs: Math.floor(this.#oldestStreamedMicros / 1000),
		};
		this.rows = 0;
		this.bytes = 0;
		this.#truncated = false;
		this.#oldestStreamedMicros = 0;
		return result;
	}

	#change(message: ChangeMessage, envelope: Envelope, row: number): Decoded {
		const { mode } = this.#options;
		if (envelope.op === "t") {
			if (mode === "append") {
				this.#root.begin(row);
				return this.#complete(message, envelope, row);
			}
			this.#undo(0);
			this.rows = 0;
			this.bytes = 0;
			this.#truncated = true;
			return SKIP.truncate;
		}
		const gone = envelope.op === "d";
		if (!gone && envelope.afterAt < 0) {
			if (envelope.op !== "u")
				return dead(
					"ENVELOPE_UNKNOWN",
					`the operation ${envelope.op} has no "after"`,
				);
			if (mode === "upsert") return SKIP.vanished;
		}
		const image = gone ? envelope.beforeAt : envelope.afterAt;
		if (image >= 0) this.#image(envelope, image, row);
		else if (!this.#keyRow(message.key, row))
			return dead(
				"KEY_MISSING",
				"a deleted row has neither a key nor an image: give the source table a primary key",
			);
		if (mode === "upsert" && this.#keyColumns.length === 0) {
			this.#keyColumns = keyNames(message.key);
			if (this.#keyColumns.length === 0)
				return dead(
					"KEY_MISSING",
					"the record has no key, and a mirror needs one: give the source table a primary key, or use writeMode append",
				);
		}
		return this.#complete(message, envelope, row, gone);
	}

	/** Reads the row at byte `at` of the message. */
	#image(envelope: Envelope, at: number, row: number): void {
		const cursor = this.#cursor;
		if (at === envelope.afterAt && envelope.documentLength >= 0) {
			this.#inner.reset(this.#envelopes.document, 0, envelope.documentLength);
			this.#document(row);
			return;
		}
		cursor.pos = at;
		if (cursor.peek() === 0x22) {
			// MongoDB's documents are JSON inside a string.
			cursor.string();
			this.#openInner(cursor);
			this.#document(row);
		} else if (envelope.fields !== undefined)
			this.#typed.object(this.#root, row, envelope.fields, RESERVED);
		else this.#plain.object(this.#root, row, RESERVED);
	}

	#document(row: number): void {
		this.#documents.object(this.#root, row, RESERVED);
		if (this.#inner.peek() !== -1)
			throw new JsonSyntaxError("more than one value in a document");
	}

	/** Lets the inner cursor read the content of the string that `cursor` has just read. */
	#openInner(cursor: JsonCursor): void {
		if (!cursor.escaped) {
			this.#inner.reset(cursor.buffer, cursor.start, cursor.stop);
			return;
		}
		const size = cursor.stop - cursor.start;
		if (size > this.#scratch.length) this.#scratch = new Uint8Array(size * 2);
		const end = unescapeJson(
			cursor.buffer,
			cursor.start,
			cursor.stop,
			this.#scratch,
			0,
		);
		if (end < 0) throw new JsonSyntaxError("a bad escape in a document");
		this.#inner.reset(this.#scratch, 0, end);
	}

	/** Sets the key's columns from the Kafka key: all that is known of a deleted row. */
	#keyRow(key: Uint8Array | null, row: number): boolean {
		const payload = keyPayload(key);
		if (payload === undefined) return false;
		this.#root.begin(row);
		for (const [name, value] of Object.entries(payload)) {
			const mongo = this.#options.source === "mongodb" && name === "id";
			const column = mongo ? "_id" : name;
			const slot = this.#root.find(column) ?? this.#root.add(column);
			if (slot === undefined) return false;
			const text =
				mongo && typeof value === "string" ? value : JSON.stringify(value);
			const encoded = Buffer.from(text);
			this.#inner.reset(encoded, 0, encoded.length);
			this.#documents.field(slot, row);
		}
		return true;
	}

	#complete(
		message: ChangeMessage,
		envelope: Envelope,
		row: number,
		gone = false,
	): Decoded {
		if (row >= this.#deleted.length) {
			const larger = new Uint8Array(this.#deleted.length * 2);
			larger.set(this.#deleted);
			this.#deleted = larger;
		}
		this.#deleted[row] = gone ? 1 : 0;
		if (!this.#rescued.empty) {
			this.#rescuedColumn.setText(row, this.#rescued.json());
			this.#rescued.clear();
		}
		if (this.#options.mode === "append") {
			const { operation, timestamp, topic, partition, offset } = this.#metadata;
			if (message.topic !== this.#topicName) {
				this.#topicName = message.topic;
				this.#topic = Buffer.from(message.topic);
			}
			operation.data[operation.reserve(row, 1)] = envelope.op.charCodeAt(0);
			const micros =
				envelope.sourceMicros >= 0
					? envelope.sourceMicros
					: envelope.handledMs * 1000;
			if (micros >= 0) timestamp.set(row, micros);
			topic.set(row, this.#topic);
			partition.set(row, message.partition);
			offset.set(row, Number(message.offset));
		}
		return ROW;
	}

	#pushMetadata(
		push: (column: StructField, vector: Vector) => void,
		nowMs: number,
	): void {
		const length = this.rows;
		const { operation, timestamp, topic, partition, offset } = this.#metadata;
		const vectors = [
			operation.finish(length),
			timestamp.finish(length),
			topic.finish(length),
			partition.finish(length),
			offset.finish(length),
			constantVector("timestamp", BigInt(nowMs) * 1000n, length),
			constantVector("date", Math.floor(nowMs / 86_400_000), length),
		];
		for (const [i, column] of METADATA_COLUMNS.entries())
			push(column, vectors[i] as Vector);
	}

	#undo(row: number): void {
		this.#rescued.clear();
		this.#documents.reset();
		this.#plain.reset();
		this.#typed.reset();
		this.#root.truncate(row);
		this.#root.forget();
		this.#rescuedColumn.truncate(row);
		for (const builder of Object.values(this.#metadata)) builder.truncate(row);
	}

	#other(envelope: Envelope): Decoded {
		if (envelope.ddl) return SKIP["schema-change"];
		if (envelope.status) return SKIP.transaction;
		if (envelope.op === "m") return SKIP.message;
		if (
			envelope.op === "" &&
			envelope.handledMs >= 0 &&
			envelope.afterAt < 0 &&
			envelope.beforeAt < 0
		)
			return SKIP.heartbeat;
		return dead(
			"ENVELOPE_UNKNOWN",
			'the value is no Debezium envelope (no known "op")',
		);
	}
}

function dead(code: DeadLetterCode, message: string): Decoded {
	return { kind: "dead-letter", code, message };
}

function rowKeys(batch: Batch, names: readonly string[]): string[] {
	const column = (name: string): KeyColumn | undefined => {
		const i = batch.schema.fields.findIndex((one) => one.name === name);
		const type = batch.schema.fields[i]?.type;
		const vector = batch.columns[i];
		return type === undefined || vector === undefined
			? undefined
			: { name, type, vector };
	};
	const rescued = column(RESCUED_DATA.name)?.vector;
	// A key that never fitted has no column: it is read from the rescued data.
	const columns = names.map(
		(name): KeyColumn =>
			column(name) ?? {
				name,
				type: "string",
				vector: newBuilder("string", false).finish(batch.length),
			},
	);
	return Array.from(
		{ length: batch.length },
		(_, row) => keyOf(columns, row, rescued) ?? "",
	);
}

/** The key's fields, without the schema that may be around them. */
function keyPayload(
	key: Uint8Array | null,
): Record<string, unknown> | undefined {
	if (key === null) return undefined;
	const parsed: unknown = JSON.parse(Buffer.from(key).toString("utf8"));
	if (typeof parsed !== "object" || parsed === null) return undefined;
	const inner =
		"schema" in parsed && "payload" in parsed ? parsed.payload : parsed;
	return typeof inner === "object" && inner !== null
		? (inner as Record<string, unknown>)
		: undefined;
}

function keyNames(key: Uint8Array | null): string[] {
	return Object.keys(keyPayload(key) ?? {});
}
