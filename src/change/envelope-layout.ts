import type { TypedField } from "./connect-schema.ts";
import { Words } from "./field.ts";
import type { JsonReader } from "./json.ts";

/** A value of the envelope that is not the same in every message, and what it is. */
export interface Hole {
	readonly kind: number;
	readonly from: number;
	readonly to: number;
}

/**
 * The text of an envelope around its values, as it was in an earlier message: nearly all messages of a
 * table have the same, so it is compared in words instead of read. What follows the text of an
 * earlier message, with values of JSON in its holes, is JSON.
 */
export class EnvelopeLayout {
	/** The kinds of the values, in their order. */
	readonly kinds: Int8Array;
	readonly #words = new Words();
	readonly #texts: Int32Array;
	readonly #end: Uint8Array;
	/** The message up to the end of its schema, when it begins with one. */
	readonly schemaText: Buffer | undefined;
	/** What that schema says of the row. */
	readonly fields: readonly TypedField[] | undefined;

	/** Texts between values are at least four bytes long: a comma, a key, and a colon. */
	constructor(
		json: JsonReader,
		holes: readonly Hole[],
		options: {
			readonly withSchema: boolean;
			readonly fields: readonly TypedField[] | undefined;
		},
	) {
		const ends = [0, ...holes.map(({ to }) => to)];
		this.kinds = Int8Array.from(holes, ({ kind }) => kind);
		this.#texts = Int32Array.from(holes, ({ from }, i) =>
			this.#words.add(json.bytes.subarray(ends[i] as number, from)),
		);
		this.schemaText = options.withSchema
			? Buffer.from(json.bytes.slice(0, ends[1]))
			: undefined;
		this.fields = options.fields;
		this.#end = json.bytes.slice(ends.at(-1) as number, json.end);
	}

	/** Whether a message begins with the same schema. */
	hasSchema(message: Uint8Array): boolean {
		const text = this.schemaText;
		return (
			text !== undefined &&
			message.length > text.length &&
			text.compare(message, 0, text.length) === 0
		);
	}

	/** Whether the text before value `i` comes next; passes over it. */
	accepts(json: JsonReader, i: number): boolean {
		return json.acceptWords(this.#words.values, this.#texts[i] as number);
	}

	/** Whether nothing but the text behind the last value is left. */
	ends(json: JsonReader): boolean {
		const { bytes, pos } = json;
		const text = this.#end;
		if (pos + text.length !== json.end) return false;
		for (let i = 0; i < text.length; i++)
			if (bytes[pos + i] !== text[i]) return false;
		return true;
	}
}
