import { BytesBuilder } from "../columnar/bytes-builder.ts";
import {
	type StructField,
	type StructType,
	struct,
} from "../columnar/types.ts";
import type { Batch, Vector } from "../columnar/vector.ts";
import {
	type ChangeBatch,
	type ChangeMessage,
	type Decoded,
	dead,
	ROW,
	SKIP,
} from "./change.ts";
import { ChangeIdentity } from "./change-identity.ts";
import type { TypedField } from "./connect-schema.ts";
import type { DecoderOptions } from "./decoder-options.ts";
import { type Envelope, EnvelopeReader } from "./envelope.ts";
import { FlattenedRecords } from "./flattened.ts";
import { ImageReader } from "./image.ts";
import { JsonReader } from "./json.ts";
import { MessageKeyReader } from "./message-key.ts";
import {
	DELETED,
	METADATA_COLUMNS,
	MetadataBuilder,
	RESCUED_DATA,
	RESERVED,
} from "./metadata-columns.ts";
import { isBadInput, isChange, isEnvelope, other } from "./record-kind.ts";
import { Rescued } from "./rescue.ts";
import { RowReader } from "./row.ts";
import { MAX_DEPTH } from "./row-options.ts";
import { Journal, StructBuilder, typeOf } from "./slot.ts";

/**
 * Turns the Debezium records of one table into columns. Records are decoded one after another;
 * `finish` hands over the rows so far and keeps what was learnt of the schema.
 */
export class TableDecoder {
	readonly #options: DecoderOptions;
	readonly #json = new JsonReader();
	readonly #journal = new Journal();
	readonly #rescued = new Rescued();
	readonly #root: StructBuilder;
	readonly #envelopes: EnvelopeReader;
	readonly #rows: RowReader;
	readonly #images: ImageReader;
	readonly #messageKeys: MessageKeyReader;
	readonly #metadata = new MetadataBuilder();
	readonly #rescuedColumn = new BytesBuilder("string");
	readonly #undoRow = (): void => this.#undo(this.rows, this.#learnt);
	#rescuedInTable: boolean;
	#deleted = new Uint8Array(1024);
	#keyColumns: readonly string[] = [];
	#truncated = false;
	#newestMicros = 0;
	#oldestStreamedMicros = 0;
	/** The journal's length before the row that is being decoded. */
	#learnt = 0;
	/** The image that this row was read from already, and the schema it was read by; -1 for none. */
	#imageAt = -1;
	#imageFields: readonly TypedField[] | undefined;
	readonly #identity = new ChangeIdentity();
	readonly #flattened: FlattenedRecords;
	rows = 0;
	/** Of the messages that became rows. */
	bytes = 0;

	constructor(options: DecoderOptions) {
		this.#options = options;
		const own = (options.tableSchema?.fields ?? []).filter(
			({ name }) => !RESERVED.has(name.toLowerCase()),
		);
		this.#rescuedInTable =
			options.tableSchema?.fields.some(
				({ name }) => name === RESCUED_DATA.name,
			) ?? false;
		this.#root = new StructBuilder(struct(...own), {
			settled: true,
			reserved: RESERVED,
		});
		this.#rows = new RowReader(this.#journal, this.#rescued, {
			newFields:
				(options.onNewColumn ?? "add") === "add" ||
				options.tableSchema === undefined,
			widens: (options.onWiden ?? "widen") === "widen",
			documents: options.documents ?? "columns",
			maxDepth: options.maxDepth ?? MAX_DEPTH,
			decimals: options.decimals,
		});
		this.#images = new ImageReader(this.#rows, this.#root);
		this.#messageKeys = new MessageKeyReader(
			this.#rows,
			this.#images,
			this.#root,
		);
		this.#envelopes = new EnvelopeReader(this.#json, (fields) =>
			this.#readAfter(fields),
		);
		this.#flattened = new FlattenedRecords({
			mongodb: options.source === "mongodb",
			expected: options.flattened ?? false,
		});
		this.#keyColumns =
			options.source === "mongodb" ? ["_id"] : (options.keyColumns ?? []);
	}

	/** Nothing that arrives makes this throw. */
	decode(message: ChangeMessage): Decoded {
		const flattened = this.#flattened;
		const { value } = message;
		if (value === null || value.length === 0) {
			const gone = flattened.tombstone(message);
			return gone === undefined ? SKIP.tombstone : this.#decodeMade(gone);
		}
		if (!flattened.expected) return this.#decode(message, value, false);
		const made = flattened.envelope(message);
		if (made !== undefined) return this.#decodeMade(made);
		const outcome = this.#decode(message, value, false);
		if (outcome.kind === "row") flattened.expected = false;
		return outcome;
	}

	/** Decodes an envelope that was made of a flattened record. */
	#decodeMade(message: ChangeMessage): Decoded {
		return this.#decode(message, message.value as Uint8Array, true);
	}

	/** The value is handed over because a message makes a view of it whenever it is asked. */
	#decode(message: ChangeMessage, value: Uint8Array, made: boolean): Decoded {
		const row = this.rows;
		this.#learnt = this.#journal.length;
		this.#imageAt = -1;
		try {
			const envelope = this.#envelopes.read(value);
			if (envelope === undefined)
				return dead("UTF8_INVALID", "the value is not valid UTF-8");
			if (!made && !isEnvelope(envelope)) {
				// Columns of a row may be named like parts of an envelope.
				const own = this.#flattened.envelope(message);
				if (own !== undefined) {
					this.#undoRow();
					this.#flattened.expected = true;
					return this.#decodeMade(own);
				}
			}
			const outcome = isChange(envelope.op)
				? this.#change(message, envelope, row)
				: other(envelope);
			if (outcome.kind !== "row") this.#undoRow();
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
			this.#undoRow();
			if (isBadInput(error)) return dead("JSON_INVALID", error.message);
			throw error;
		} finally {
			this.#json.release();
		}
	}

	/** A record that is in the table already, for the sake of those that may repeat it. */
	recall(message: ChangeMessage): void {
		const { key, value } = message;
		const { isRepeat } = this.#options;
		if (isRepeat === undefined || value === null || value.length === 0) return;
		this.#learnt = this.#journal.length;
		this.#imageAt = -1;
		try {
			const envelope = this.#envelopes.read(value);
			if (envelope !== undefined && this.#identify(key, envelope))
				isRepeat(this.#identity, message);
		} catch (error) {
			if (!isBadInput(error)) throw error;
		} finally {
			this.#undoRow();
			this.#json.release();
		}
	}

	/** Nothing was decoded since the last `finish` that a table would have to know. */
	get empty(): boolean {
		return this.rows === 0 && !this.#truncated;
	}

	/** Hands over the rows since the last call; `nowMs` is their ingestion time. */
	finish(nowMs: number): ChangeBatch {
		const { mode, deletes } = this.#options;
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
		this.#journal.clear();
		this.#rows.newFields = (this.#options.onNewColumn ?? "add") === "add";
		if (mode === "append")
			for (const [i, vector] of this.#metadata.finish(length, nowMs).entries())
				push(METADATA_COLUMNS[i] as StructField, vector);
		const deleted = this.#deleted.slice(0, length);
		if (mode === "upsert" && deletes === "soft")
			push(DELETED, {
				kind: "bool",
				length,
				validity: undefined,
				values: deleted,
			});
		if (this.#rescuedColumn.presence.count > 0) this.#rescuedInTable = true;
		const rescued = this.#rescuedColumn.finish(length);
		if (this.#rescuedInTable) push(RESCUED_DATA, rescued);
		const batch: Batch = { schema: struct(...fields), length, columns };
		const result: ChangeBatch = {
			batch,
			deleted,
			keyColumns: this.#keyColumns,
			truncated: this.#truncated,
			flattened: this.#flattened.expected,
			newestSourceMs: Math.floor(this.#newestMicros / 1000),
			oldestStreamedMs: Math.floor(this.#oldestStreamedMicros / 1000),
		};
		this.rows = 0;
		this.bytes = 0;
		this.#truncated = false;
		this.#oldestStreamedMicros = 0;
		return result;
	}

	/** Reads "after" as the row on the way through the envelope, whose operation may come later. */
	#readAfter(fields: readonly TypedField[] | undefined): void {
		const json = this.#json;
		const at = json.pos;
		if (this.#imageAt >= 0) this.#undoRow();
		try {
			this.#images.read(json, this.rows, fields, this.#undoRow);
			this.#imageAt = at;
			this.#imageFields = fields;
		} catch (error) {
			if (!isBadInput(error)) throw error;
			// Whether that matters is decided when the row is needed, and read again.
			this.#undoRow();
			json.pos = at;
			json.skip();
		}
	}

	/** Whether it is known which change this is. */
	#identify(key: Uint8Array | null, envelope: Envelope): boolean {
		const { source } = this.#options;
		const { op, place } = envelope;
		if (key === null || !isChange(op) || op === "r" || !place.known(source))
			return false;
		this.#identity.set(place, key, op, source);
		return true;
	}

	#change(message: ChangeMessage, envelope: Envelope, row: number): Decoded {
		const { mode, isRepeat } = this.#options;
		if (
			isRepeat !== undefined &&
			this.#identify(message.key, envelope) &&
			isRepeat(this.#identity, message)
		)
			return SKIP.repeated;
		if (envelope.op === "t") return this.#truncate(message, envelope, row);
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
		else {
			if (this.#imageAt >= 0) this.#undoRow();
			if (!this.#keyRow(message.key, row, envelope.fields))
				return dead(
					"KEY_MISSING",
					"a deleted row has neither a key nor an image: give the source table a primary key",
				);
		}
		if (mode === "upsert" && this.#keyColumns.length === 0) {
			this.#keyColumns = this.#messageKeys.names(message.key);
			if (this.#keyColumns.length === 0)
				return dead(
					"KEY_MISSING",
					"the record has no key, and a mirror needs one: give the source table a primary key, or use writeMode append",
				);
		}
		const missing =
			mode === "upsert"
				? this.#keyColumns.find((name) => !this.#hasKey(name, row))
				: undefined;
		if (missing !== undefined)
			return dead(
				"KEY_MISSING",
				`the key's column ${missing} is null, and a mirror can't tell such rows apart: use columns that are never null as key, or writeMode append`,
			);
		if (this.#options.frozen === true && this.#rescued.length > 0)
			return dead(
				"SCHEMA_FROZEN",
				`the table's schema is frozen and has no place for ${this.#rescued.json().slice(0, 200)}: alter the table, or use another contract`,
			);
		this.#complete(message, envelope, row, gone);
		return ROW;
	}

	/** Whether the row has a value for this column, be it one that did not fit. */
	#hasKey(name: string, row: number): boolean {
		if (this.#root.index.named(name)?.presence?.has(row) === true) return true;
		return this.#rescued.length > 0 && this.#rescued.has(name);
	}

	#truncate(message: ChangeMessage, envelope: Envelope, row: number): Decoded {
		if (this.#options.mode === "append") {
			if (this.#imageAt >= 0) this.#undoRow();
			this.#root.begin(row);
			this.#complete(message, envelope, row, false);
			return ROW;
		}
		this.#undo(0, 0);
		this.#learnt = 0;
		this.rows = 0;
		this.bytes = 0;
		this.#truncated = true;
		return SKIP.truncate;
	}

	/** Makes sure that row `row` is what stands at byte `at`. */
	#image(envelope: Envelope, at: number, row: number): void {
		if (at === this.#imageAt && envelope.fields === this.#imageFields) return;
		if (this.#imageAt >= 0) this.#undoRow();
		this.#json.pos = at;
		this.#images.read(this.#json, row, envelope.fields, this.#undoRow);
	}

	#keyRow(
		key: Uint8Array | null,
		row: number,
		fields: readonly TypedField[] | undefined,
	): boolean {
		return this.#options.source === "mongodb"
			? this.#messageKeys.readDocumentKey(key, row)
			: this.#messageKeys.read(key, row, fields);
	}

	#complete(
		message: ChangeMessage,
		envelope: Envelope,
		row: number,
		gone: boolean,
	): void {
		if (row >= this.#deleted.length) {
			const larger = new Uint8Array(this.#deleted.length * 2);
			larger.set(this.#deleted);
			this.#deleted = larger;
		}
		this.#deleted[row] = gone ? 1 : 0;
		if (this.#rescued.length > 0) {
			this.#rescuedColumn.setText(row, this.#rescued.json());
			this.#rescued.truncate(0);
		}
		if (this.#options.mode === "append")
			this.#metadata.set(row, message, envelope);
	}

	/** Takes back the rows from `row` on, and the types learnt since the journal had that length. */
	#undo(row: number, learnt: number): void {
		this.#imageAt = -1;
		this.#rescued.truncate(0);
		if (this.#journal.length > learnt) {
			this.#journal.undo(learnt);
			this.#images.forget();
		}
		this.#root.truncate(row);
		this.#rescuedColumn.truncate(row);
		this.#metadata.truncate(row);
	}
}
