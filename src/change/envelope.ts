import { isUtf8 } from "node:buffer";
import { parseSchema, type TypedField, typedFields } from "./connect-schema.ts";
import { EnvelopeLayout, type Hole } from "./envelope-layout.ts";
import {
	AFTER,
	BEFORE,
	BINLOG_POS,
	DDL,
	type EnvelopeField,
	FILE,
	HANDLED_MS,
	Level,
	LSN,
	OP,
	ORD,
	OTHER,
	PAYLOAD,
	PLACE,
	SCHEMA,
	SNAPSHOT,
	SOURCE,
	SOURCE_BLOCK,
	SOURCE_MS,
	SOURCE_US,
	STATUS,
	TOP_LEVEL,
	TRANSACTION,
} from "./envelope-part.ts";
import type { JsonReader } from "./json.ts";
import { JsonSyntaxError } from "./json-input.ts";
import { NumberReader, SMALL, WIDE } from "./number.ts";
import { SourcePlace } from "./source-place.ts";

/** Where the parts of a Debezium envelope are in the message; -1 for what is absent or null. */
export interface Envelope {
	/** Debezium's operation code, or "" when this is no change event. */
	op: string;
	beforeAt: number;
	afterAt: number;
	/** When the source made the change: microseconds since the epoch, or -1. */
	sourceMicros: number;
	/** When Debezium handled it: milliseconds since the epoch, or -1. */
	handledMs: number;
	/** Marks of what is not a change event. */
	status: boolean;
	ddl: boolean;
	/** Where in the source's log the change stands. */
	readonly place: SourcePlace;
	/** Fields of the row by the Connect schema, when the message carries one. */
	fields: readonly TypedField[] | undefined;
}

interface KnownSchema {
	readonly text: Uint8Array;
	readonly fields: readonly TypedField[] | undefined;
}

const OBJECT = 0x7b;
const NULL = 0x6e;

/** Finds the parts of envelopes. Schemas repeat in every message: each is parsed once, then compared. */
export class EnvelopeReader {
	readonly #json: JsonReader;
	readonly #readAfter: (fields: readonly TypedField[] | undefined) => void;
	readonly #numbers = new NumberReader();
	readonly #top = new Level(TOP_LEVEL);
	readonly #source = new Level(SOURCE_BLOCK);
	#layout: EnvelopeLayout | undefined;
	readonly #holes: Hole[] = [];
	/** Whether the message can be a layout for others. */
	#regular = true;
	/** Messages of another layout, since the last was taken; how many it takes for a new one. */
	#misses = 0;
	#patience = 1;
	#known: KnownSchema[] = [];
	readonly envelope: Envelope = {
		op: "",
		beforeAt: -1,
		afterAt: -1,
		sourceMicros: -1,
		handledMs: -1,
		status: false,
		ddl: false,
		place: new SourcePlace(),
		fields: undefined,
	};

	/**
	 * `readAfter` is called where "after" has an object or a string, with the schema so far, and reads
	 * that value: nearly always it is the row, and one pass over it is enough.
	 */
	constructor(
		json: JsonReader,
		readAfter: (fields: readonly TypedField[] | undefined) => void,
	) {
		this.#json = json;
		this.#readAfter = readAfter;
	}

	/**
	 * Reads a message; `undefined` when it is not valid UTF-8.
	 * @throws JsonSyntaxError
	 */
	read(message: Uint8Array): Envelope | undefined {
		const json = this.#json;
		this.#clear();
		if (this.#layout?.hasSchema(message) === true) {
			// The schema is most of the message: what is known of it is not even copied.
			const { fields, schemaText } = this.#layout;
			const rest = message.subarray(schemaText?.length);
			if (!isUtf8(rest)) return undefined;
			json.load(rest);
			this.envelope.fields = fields;
			if (this.#readBy(this.#layout, 1)) return this.#hit();
			json.load(message);
		} else {
			if (!isUtf8(message)) return undefined;
			json.load(message);
			if (this.#layout !== undefined && this.#readBy(this.#layout, 0))
				return this.#hit();
		}
		this.#clear();
		json.pos = 0;
		this.#holes.length = 0;
		this.#regular = true;
		this.#object(true);
		if (json.peek() !== 0 || json.pos !== json.end)
			throw new JsonSyntaxError(`more than one value, from byte ${json.pos}`);
		if (
			this.#regular &&
			this.#holes.length > 0 &&
			++this.#misses >= this.#patience
		) {
			this.#layout = new EnvelopeLayout(json, this.#holes, {
				withSchema: this.#holes[0]?.kind === SCHEMA,
				fields: this.envelope.fields,
			});
			this.#misses = 0;
			this.#patience = Math.min(2 * this.#patience, 256);
		}
		return this.envelope;
	}

	#hit(): Envelope {
		if (this.#patience > 1) this.#patience--;
		return this.envelope;
	}

	#clear(): void {
		const found = this.envelope;
		found.op = "";
		found.beforeAt = found.afterAt = -1;
		found.sourceMicros = found.handledMs = -1;
		found.status = found.ddl = false;
		found.place.clear();
		found.fields = undefined;
	}

	/** Whether the message has this layout, from value `from` on. */
	#readBy(layout: EnvelopeLayout, from: number): boolean {
		const json = this.#json;
		const { kinds } = layout;
		for (let i = from; i < kinds.length; i++) {
			if (!layout.accepts(json, i)) return false;
			this.#value(kinds[i] as number, json.peek());
		}
		return layout.ends(json);
	}

	#object(outermost: boolean): void {
		const json = this.#json;
		json.expect(OBJECT);
		if (json.accept(0x7d)) return;
		let field: EnvelopeField | undefined;
		do {
			field = this.#top.key(json, field);
			const first = json.peek();
			if (field.part === PAYLOAD && first === OBJECT && outermost)
				this.#object(false);
			else if (field.part === SOURCE && first === OBJECT) this.#sourceBlock();
			else this.#field(field, first);
		} while (json.accept(0x2c));
		json.expect(0x7d);
	}

	#sourceBlock(): void {
		const json = this.#json;
		json.expect(OBJECT);
		if (json.accept(0x7d)) return;
		let field: EnvelopeField | undefined;
		do {
			field = this.#source.key(json, field);
			this.#field(field, json.peek());
		} while (json.accept(0x2c));
		json.expect(0x7d);
	}

	#field(field: EnvelopeField, first: number): void {
		const json = this.#json;
		const from = json.pos;
		this.#value(field.part, first);
		const { part } = field;
		// What a message of another kind has there would be read as that of this one.
		if (part === PAYLOAD || part === SOURCE || part === STATUS || part === DDL)
			this.#regular = false;
		if (part === OTHER && !varies(field, json, from, first)) return;
		this.#holes.push({ kind: part, from, to: json.pos });
	}

	/** Reads the value of a part. */
	#value(part: number, first: number): void {
		const json = this.#json;
		const found = this.envelope;
		switch (part) {
			case AFTER:
				found.afterAt = first === NULL ? -1 : json.pos;
				if (first === OBJECT || first === 0x22) this.#readAfter(found.fields);
				else json.skip();
				return;
			case BEFORE:
				found.beforeAt = first === NULL ? -1 : json.pos;
				json.skip();
				return;
			case OP:
				this.#op(first);
				return;
			case HANDLED_MS:
				found.handledMs = this.#integer(first);
				return;
			case SOURCE_US: {
				const value = this.#integer(first);
				// A snapshot has 0 where the source has no time for it.
				if (value > 0) found.sourceMicros = value;
				return;
			}
			case SOURCE_MS: {
				const from = json.pos;
				const value = this.#integer(first);
				found.place.addNumber(part, json.bytes, from, json.pos, value);
				if (value > 0 && found.sourceMicros < 0)
					found.sourceMicros = value * 1000;
				return;
			}
			case SCHEMA:
				this.#schema(first);
				return;
			case SNAPSHOT:
			case TRANSACTION:
			case PLACE:
			case FILE: {
				const from = json.pos;
				json.skip();
				found.place.add(part, json.bytes, from, json.pos);
				return;
			}
			case LSN:
			case BINLOG_POS:
			case ORD: {
				const from = json.pos;
				const value = this.#integer(first);
				found.place.addNumber(part, json.bytes, from, json.pos, value);
				return;
			}
			case STATUS:
				found.status = true;
				break;
			case DDL:
				found.ddl = true;
		}
		json.skip();
	}

	#op(first: number): void {
		const json = this.#json;
		const { bytes, pos } = json;
		if (first !== 0x22) {
			json.skip();
			return;
		}
		const known = OPERATIONS[bytes[pos + 1] as number];
		if (known !== undefined && bytes[pos + 2] === 0x22) {
			this.envelope.op = known;
			json.pos = pos + 3;
			return;
		}
		json.string();
		this.envelope.op = json.text();
	}

	/** A positive integer below 2^53, or -1. */
	#integer(first: number): number {
		const json = this.#json;
		if (!isDigit(first)) {
			json.skip();
			return -1;
		}
		const kind = this.#numbers.read(json);
		const { value } = this.#numbers;
		return (kind === SMALL || kind === WIDE) && Number.isSafeInteger(value)
			? value
			: -1;
	}

	#schema(first: number): void {
		const json = this.#json;
		if (first !== OBJECT) {
			json.skip();
			this.envelope.fields = undefined;
			return;
		}
		const from = json.pos;
		for (const known of this.#known) {
			const end = from + known.text.length;
			if (end <= json.end && json.isText(known.text, from)) {
				json.pos = end;
				this.envelope.fields = known.fields;
				return;
			}
		}
		json.skip();
		const text = json.bytes.slice(from, json.pos);
		const fields = rowFields(json.slice(from, json.pos));
		// Schemas change seldom; a few stay, so that two in turn are not parsed over and over.
		this.#known = [{ text, fields }, ...this.#known].slice(0, 8);
		this.envelope.fields = fields;
	}
}

function isDigit(byte: number): boolean {
	return byte >= 0x30 && byte <= 0x39;
}

const OPERATIONS: readonly (string | undefined)[] = Array.from(
	{ length: 256 },
	(_, code) =>
		"cudrtm".includes(String.fromCharCode(code))
			? String.fromCharCode(code)
			: undefined,
);

const NOTHING = new Uint8Array(0);

/** Whether messages have different values at a field without a meaning here, as far as seen. */
function varies(
	field: EnvelopeField,
	json: JsonReader,
	from: number,
	first: number,
): boolean {
	const length = json.pos - from;
	// Numbers differ from message to message, names and versions don't.
	field.varies ||=
		isDigit(first) ||
		length > 256 ||
		(field.text.length > 0 &&
			!(field.text.length === length && json.isText(field.text, from)));
	field.text = field.varies ? NOTHING : json.bytes.slice(from, json.pos);
	return field.varies;
}

/** The fields of a row image; MongoDB's rows are strings, which have none. */
function rowFields(text: string): readonly TypedField[] | undefined {
	const row = parseSchema(text).fields?.find(
		(inner) => inner.field === "after" || inner.field === "before",
	);
	return row?.type === "struct" ? typedFields(row) : undefined;
}
