import { isUtf8 } from "node:buffer";
import type { TypedField } from "./connect-schema.ts";
import type { ImageReader } from "./image.ts";
import { JsonReader } from "./json.ts";
import { JsonSyntaxError } from "./json-input.ts";
import type { RowReader } from "./row.ts";
import type { StructBuilder } from "./slot.ts";

const OBJECT = 0x7b;

/**
 * Reads Kafka keys, all that is known of some deleted rows: an object of the key's columns, alone or
 * beside its schema. MongoDB's has the field `id`, the Extended JSON of `_id` in a string.
 */
export class MessageKeyReader {
	readonly #json = new JsonReader();
	readonly #rows: RowReader;
	readonly #images: ImageReader;
	readonly #root: StructBuilder;

	constructor(rows: RowReader, images: ImageReader, root: StructBuilder) {
		this.#rows = rows;
		this.#images = images;
		this.#root = root;
	}

	/**
	 * Sets the key's columns in row `row`; false when the key has none. `fields` are the types of the
	 * row, if there is a schema.
	 * @throws JsonSyntaxError
	 */
	read(
		key: Uint8Array | null,
		row: number,
		fields: readonly TypedField[] | undefined,
	): boolean {
		if (!this.#open(key)) return false;
		this.#images.bind(fields);
		const json = this.#json;
		const from = json.pos++;
		if (json.peek() === 0x7d) return false;
		json.pos = from;
		this.#rows.read(json, this.#root, row, { extended: false });
		return true;
	}

	/** As `read`, for a key of the MongoDB connector. */
	readDocumentKey(key: Uint8Array | null, row: number): boolean {
		const json = this.#json;
		if (!this.#open(key)) return false;
		json.pos++;
		let found = false;
		if (json.peek() === 0x7d) return false;
		do {
			json.key();
			const isId = json.text() === "id";
			const first = json.peek();
			const from = json.pos;
			json.skip();
			if (!isId) continue;
			found = true;
			const text = json.slice(from, json.pos);
			this.#root.begin(row);
			this.#images.readField(
				Buffer.from(first === 0x22 ? (JSON.parse(text) as string) : text),
				row,
				"_id",
			);
		} while (json.accept(0x2c));
		return found;
	}

	/** The names of the key's columns; empty without a key. */
	names(key: Uint8Array | null): string[] {
		const json = this.#json;
		const names: string[] = [];
		if (!this.#open(key)) return names;
		json.pos++;
		if (json.peek() === 0x7d) return names;
		do {
			json.key();
			names.push(json.text());
			json.skip();
		} while (json.accept(0x2c));
		return [...new Set(names)];
	}

	/** Goes to the object of the key's columns, if there is one. */
	#open(key: Uint8Array | null): boolean {
		const json = this.#json;
		if (key === null || key.length === 0) return false;
		if (!isUtf8(key)) throw new JsonSyntaxError("the key is not valid UTF-8");
		json.load(key);
		let schema = false;
		let payloadAt = -1;
		if (json.peek() === OBJECT) {
			const from = json.pos;
			json.pos++;
			if (json.peek() !== 0x7d)
				do {
					json.key();
					const name = json.text();
					if (name === "schema") schema = true;
					json.peek();
					if (name === "payload") payloadAt = json.pos;
					json.skip();
				} while (json.accept(0x2c));
			json.expect(0x7d);
			if (!schema || payloadAt < 0) payloadAt = from;
		} else json.skip();
		if (json.peek() !== 0 || json.pos !== json.end)
			throw new JsonSyntaxError("more than one value in the key");
		if (payloadAt < 0) return false;
		json.pos = payloadAt;
		return json.peek() === OBJECT;
	}
}
