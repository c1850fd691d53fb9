import {
	type ConnectSchema,
	type TypedField,
	typedFields,
} from "./connect-schema.ts";
import { type JsonCursor, JsonSyntaxError } from "./json.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text);
const SCHEMA = bytes("schema");
const PAYLOAD = bytes("payload");
const BEFORE = bytes("before");
const AFTER = bytes("after");
const SOURCE = bytes("source");
const OP = bytes("op");
const TS_MS = bytes("ts_ms");
const TS_US = bytes("ts_us");
const STATUS = bytes("status");
const DDL = bytes("ddl");
const OBJECT = 0x7b;
const STRING = 0x22;

/** Where the parts of a Debezium envelope are in the message; -1 for what is absent or null. */
export interface Envelope {
	/** Debezium's operation code, or "" when this is no change event. */
	op: string;
	beforeAt: number;
	afterAt: number;
	/** Length of the document in `EnvelopeReader.document`, when "after" is a string; or -1. */
	documentLength: number;
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

interface KnownSchema {
	readonly text: Uint8Array;
	readonly fields: readonly TypedField[] | undefined;
}

/** Finds the parts of envelopes. Schemas repeat in every message: each is parsed once, then compared. */
export class EnvelopeReader {
	readonly #cursor: JsonCursor;
	#known: KnownSchema[] = [];
	/** MongoDB's document after the change: the content of the string "after". */
	document = new Uint8Array(16 * 1024);
	readonly envelope: Envelope = {
		op: "",
		beforeAt: -1,
		afterAt: -1,
		documentLength: -1,
		sourceMicros: -1,
		handledMs: -1,
		status: false,
		ddl: false,
		fields: undefined,
	};

	constructor(cursor: JsonCursor) {
		this.#cursor = cursor;
	}

	/** @throws JsonSyntaxError */
	read(): Envelope {
		const found = this.envelope;
		found.op = "";
		found.beforeAt = found.afterAt = found.documentLength = -1;
		found.sourceMicros = found.handledMs = -1;
		found.status = found.ddl = false;
		found.fields = undefined;
		this.#object();
		if (this.#cursor.peek() !== -1)
			throw new JsonSyntaxError(
				`more than one value, from byte ${this.#cursor.pos}`,
			);
		return found;
	}

	#object(): void {
		const cursor = this.#cursor;
		const found = this.envelope;
		cursor.expect(OBJECT);
		if (cursor.accept(0x7d)) return;
		do {
			cursor.string();
			const { start } = cursor;
			const first = cursor.buffer[start];
			let handled = false;
			// The first letter decides which names are worth comparing.
			if (first === 0x61 && cursor.isString(AFTER)) {
				cursor.expect(0x3a);
				if (cursor.peek() === STRING) {
					found.afterAt = cursor.pos;
					const room = cursor.end - cursor.pos;
					if (this.document.length < room)
						this.document = new Uint8Array(room * 2);
					found.documentLength = cursor.unescapedString(this.document);
				} else found.afterAt = this.#place();
				handled = true;
			} else if (first === 0x62 && cursor.isString(BEFORE)) {
				cursor.expect(0x3a);
				found.beforeAt = this.#place();
				handled = true;
			} else if (first === 0x6f && cursor.isString(OP)) {
				cursor.expect(0x3a);
				if (cursor.peek() === STRING) {
					cursor.string();
					found.op = cursor.text();
					handled = true;
				} else cursor.skip();
				handled = true;
			} else if (first === 0x73) {
				if (cursor.isString(SOURCE)) {
					cursor.expect(0x3a);
					if (cursor.peek() === OBJECT) this.#source();
					else cursor.skip();
					handled = true;
				} else if (cursor.isString(SCHEMA)) {
					cursor.expect(0x3a);
					this.#schema();
					handled = true;
				} else if (cursor.isString(STATUS)) found.status = true;
			} else if (first === 0x70 && cursor.isString(PAYLOAD)) {
				cursor.expect(0x3a);
				if (cursor.peek() === OBJECT) this.#object();
				else cursor.skip();
				handled = true;
			} else if (first === 0x74 && cursor.isString(TS_MS)) {
				cursor.expect(0x3a);
				found.handledMs = this.#integer();
				handled = true;
			} else if (first === 0x64 && cursor.isString(DDL)) found.ddl = true;
			if (!handled) {
				cursor.expect(0x3a);
				cursor.skip();
			}
		} while (cursor.accept(0x2c));
		cursor.expect(0x7d);
	}

	/** The position of a value that isn't null, which is passed over. */
	#place(): number {
		const cursor = this.#cursor;
		const kind = cursor.peek();
		const at = cursor.pos;
		cursor.skip();
		return kind === 0x6e ? -1 : at;
	}

	#source(): void {
		const cursor = this.#cursor;
		cursor.expect(OBJECT);
		if (cursor.accept(0x7d)) return;
		do {
			cursor.string();
			const isMs = cursor.isString(TS_MS);
			const isUs = !isMs && cursor.isString(TS_US);
			cursor.expect(0x3a);
			if (isMs || isUs) {
				const value = this.#integer();
				// A snapshot has 0 where the source has no time for it.
				if (isUs && value > 0) this.envelope.sourceMicros = value;
				else if (value > 0 && this.envelope.sourceMicros < 0)
					this.envelope.sourceMicros = value * 1000;
			} else cursor.skip();
		} while (cursor.accept(0x2c));
		cursor.expect(0x7d);
	}

	/** An integer below 2^53, or -1. */
	#integer(): number {
		const cursor = this.#cursor;
		cursor.peek();
		const { buffer, pos: from } = cursor;
		cursor.skip();
		let value = 0;
		for (let i = from; i < cursor.pos; i++) {
			const digit = (buffer[i] as number) - 0x30;
			if (digit < 0 || digit > 9) return -1;
			value = value * 10 + digit;
		}
		return Number.isSafeInteger(value) ? value : -1;
	}

	#schema(): void {
		const cursor = this.#cursor;
		cursor.peek();
		const { buffer, pos: from } = cursor;
		for (const known of this.#known) {
			const end = from + known.text.length;
			if (
				end <= cursor.end &&
				Buffer.compare(known.text, buffer.subarray(from, end)) === 0
			) {
				cursor.pos = end;
				this.envelope.fields = known.fields;
				return;
			}
		}
		cursor.skip();
		const text = buffer.slice(from, cursor.pos);
		const fields = rowFields(cursor.slice(from, cursor.pos));
		// Schemas change seldom; a few stay, so that two in turn are not parsed over and over.
		this.#known = [{ text, fields }, ...this.#known].slice(0, 8);
		this.envelope.fields = fields;
	}
}

/** The fields of a row image; MongoDB's rows are strings, which have none. */
function rowFields(text: string): readonly TypedField[] | undefined {
	let schema: ConnectSchema | null;
	try {
		schema = JSON.parse(text) as ConnectSchema | null;
	} catch {
		throw new JsonSyntaxError("the schema is no JSON");
	}
	const row = schema?.fields?.find(
		(inner) => inner.field === "after" || inner.field === "before",
	);
	return row?.type === "struct" ? typedFields(row) : undefined;
}
