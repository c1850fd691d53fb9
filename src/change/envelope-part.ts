import { Field, FieldIndex } from "./field.ts";
import type { JsonReader } from "./json.ts";

/** Parts of an envelope. */
export const OTHER = 0;
export const PAYLOAD = 1;
export const SCHEMA = 2;
export const BEFORE = 3;
export const AFTER = 4;
export const SOURCE = 5;
export const OP = 6;
export const HANDLED_MS = 7;
export const SOURCE_MS = 8;
export const SOURCE_US = 9;
export const STATUS = 10;
export const DDL = 11;
/** Where a change stands in the log of its source; SourcePlace says what each means. */
export const SNAPSHOT = 12;
export const TRANSACTION = 13;
export const PLACE = 14;
export const LSN = 15;
export const FILE = 16;
export const BINLOG_POS = 17;
export const ORD = 18;

/** By the names of the envelope's own fields. */
export const TOP_LEVEL = new Map([
	["payload", PAYLOAD],
	["schema", SCHEMA],
	["before", BEFORE],
	["after", AFTER],
	["source", SOURCE],
	["op", OP],
	["ts_ms", HANDLED_MS],
	["status", STATUS],
	["ddl", DDL],
]);
/** By the names of fields of "source". */
export const SOURCE_BLOCK = new Map([
	["ts_ms", SOURCE_MS],
	["ts_us", SOURCE_US],
	["snapshot", SNAPSHOT],
	["lsn", LSN],
	["txId", PLACE],
	["server_id", PLACE],
	["file", FILE],
	["pos", BINLOG_POS],
	["row", PLACE],
	["ord", ORD],
	["lsid", TRANSACTION],
	["txnNumber", TRANSACTION],
]);

export class EnvelopeField extends Field {
	readonly part: number;
	next: EnvelopeField | undefined;
	/** Of a part that says nothing: the last value, and whether it has ever been another. */
	text = EMPTY;
	varies = false;

	constructor(name: string, part: number) {
		super(name);
		this.part = part;
	}
}

const EMPTY = new Uint8Array(0);

/** The names of one object of the envelope, in the order of the last message. */
export class Level {
	readonly #index = new FieldIndex<EnvelopeField>();
	readonly #parts: ReadonlyMap<string, number>;
	#first: EnvelopeField | undefined;

	constructor(parts: ReadonlyMap<string, number>) {
		this.#parts = parts;
	}

	/** Reads a key and its colon; `previous` is the key before it in the object. */
	key(json: JsonReader, previous: EnvelopeField | undefined): EnvelopeField {
		const expected = previous === undefined ? this.#first : previous.next;
		if ((json.bytes[json.pos] as number) <= 0x20) json.peek();
		if (
			expected?.literal === true &&
			json.acceptWords(this.#index.words.values, expected.plainAt)
		)
			return expected;
		json.key();
		let field = json.escaped
			? this.#index.named(json.text())
			: this.#index.find(json.bytes, json.start, json.stop, json.hash);
		if (field === undefined) {
			const name = json.text();
			field = new EnvelopeField(name, this.#parts.get(name) ?? OTHER);
			// What is no envelope may have any number of names.
			if (this.#index.fields.length < 256) this.#index.add(field);
		}
		if (previous === undefined) this.#first = field;
		else previous.next = field;
		return field;
	}
}
