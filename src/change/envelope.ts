import { parseSchema, type TypedField, typedFields } from "./connect-schema.ts";
import { Field, FieldIndex } from "./field.ts";
import { type JsonReader, JsonSyntaxError } from "./json.ts";
import { NumberReader, SMALL, WIDE } from "./number.ts";

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
	/** Fields of the row by the Connect schema, when the message carries one. */
	fields: readonly TypedField[] | undefined;
}

type Part =
	| "payload"
	| "schema"
	| "before"
	| "after"
	| "source"
	| "op"
	| "ts_ms"
	| "ts_us"
	| "status"
	| "ddl"
	| undefined;

class EnvelopeField extends Field {
	readonly part: Part;
	next: EnvelopeField | undefined;

	constructor(name: string, parts: readonly Part[]) {
		super(name);
		this.part = parts.find((part) => part === name);
	}
}

/** The names of one object of the envelope, in the order of the last message. */
class Level {
	readonly #index = new FieldIndex<EnvelopeField>();
	readonly #parts: readonly Part[];
	#first: EnvelopeField | undefined;

	constructor(parts: readonly Part[]) {
		this.#parts = parts;
	}

	/** Reads a key and its colon; `previous` is the key before it in the object. */
	key(
		json: JsonReader,
		previous: EnvelopeField | undefined,
	): EnvelopeField | undefined {
		const expected = previous === undefined ? this.#first : previous.next;
		if ((json.bytes[json.pos] as number) <= 0x20) json.peek();
		if (
			expected !== undefined &&
			json.acceptWords(expected.plainKey, expected.plainLength)
		)
			return expected;
		json.key();
		let field = json.escaped
			? this.#index.named(json.text())
			: this.#index.find(json.bytes, json.start, json.stop, json.hash);
		if (field === undefined) {
			field = new EnvelopeField(json.text(), this.#parts);
			// What is no envelope may have any number of names.
			if (this.#index.fields.length < 256) this.#index.add(field);
		}
		if (previous === undefined) this.#first = field;
		else previous.next = field;
		return field;
	}
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
	readonly #top = new Level([
		"payload",
		"schema",
		"before",
		"after",
		"source",
		"op",
		"ts_ms",
		"status",
		"ddl",
	]);
	readonly #source = new Level(["ts_ms", "ts_us"]);
	#known: KnownSchema[] = [];
	readonly envelope: Envelope = {
		op: "",
		beforeAt: -1,
		afterAt: -1,
		sourceMicros: -1,
		handledMs: -1,
		status: false,
		ddl: false,
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

	/** @throws JsonSyntaxError */
	read(): Envelope {
		const found = this.envelope;
		const json = this.#json;
		found.op = "";
		found.beforeAt = found.afterAt = -1;
		found.sourceMicros = found.handledMs = -1;
		found.status = found.ddl = false;
		found.fields = undefined;
		this.#object(true);
		if (json.peek() !== 0 || json.pos !== json.end)
			throw new JsonSyntaxError(`more than one value, from byte ${json.pos}`);
		return found;
	}

	#object(outermost: boolean): void {
		const json = this.#json;
		const found = this.envelope;
		json.expect(OBJECT);
		if (json.accept(0x7d)) return;
		let field: EnvelopeField | undefined;
		do {
			field = this.#top.key(json, field);
			const first = json.peek();
			switch (field?.part) {
				case "after":
					found.afterAt = first === NULL ? -1 : json.pos;
					if (first === OBJECT || first === 0x22) this.#readAfter(found.fields);
					else json.skip();
					break;
				case "before":
					found.beforeAt = first === NULL ? -1 : json.pos;
					json.skip();
					break;
				case "op":
					this.#op(first);
					break;
				case "source":
					if (first === OBJECT) this.#sourceBlock();
					else json.skip();
					break;
				case "ts_ms":
					found.handledMs = this.#integer(first);
					break;
				case "schema":
					this.#schema(first);
					break;
				case "payload":
					if (first === OBJECT && outermost) this.#object(false);
					else json.skip();
					break;
				case "status":
					found.status = true;
					json.skip();
					break;
				case "ddl":
					found.ddl = true;
					json.skip();
					break;
				default:
					json.skip();
			}
		} while (json.accept(0x2c));
		json.expect(0x7d);
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

	#sourceBlock(): void {
		const json = this.#json;
		const found = this.envelope;
		json.expect(OBJECT);
		if (json.accept(0x7d)) return;
		let field: EnvelopeField | undefined;
		do {
			field = this.#source.key(json, field);
			const part = field?.part;
			if (part === undefined) json.skip();
			else {
				const value = this.#integer(json.peek());
				// A snapshot has 0 where the source has no time for it.
				if (part === "ts_us" && value > 0) found.sourceMicros = value;
				else if (value > 0 && found.sourceMicros < 0)
					found.sourceMicros = value * 1000;
			}
		} while (json.accept(0x2c));
		json.expect(0x7d);
	}

	/** A positive integer below 2^53, or -1. */
	#integer(first: number): number {
		const json = this.#json;
		if (first < 0x30 || first > 0x39) {
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

const OPERATIONS: readonly (string | undefined)[] = Array.from(
	{ length: 256 },
	(_, code) =>
		"cudrtm".includes(String.fromCharCode(code))
			? String.fromCharCode(code)
			: undefined,
);

/** The fields of a row image; MongoDB's rows are strings, which have none. */
function rowFields(text: string): readonly TypedField[] | undefined {
	const row = parseSchema(text).fields?.find(
		(inner) => inner.field === "after" || inner.field === "before",
	);
	return row?.type === "struct" ? typedFields(row) : undefined;
}
