import type { TypedField } from "./connect-schema.ts";
import { JsonReader } from "./json.ts";
import { JsonSyntaxError, UNESCAPE_FIRST } from "./json-input.ts";
import type { RowReader } from "./row.ts";
import type { StructBuilder } from "./slot.ts";

const QUOTE = 0x22;

/**
 * Reads row images: the objects of relational sources, and MongoDB's documents, which are Extended JSON
 * inside a JSON string. Those are read as they stand, with their quotes escaped; the few that need it
 * are unescaped first.
 */
export class ImageReader {
	readonly #rows: RowReader;
	readonly #root: StructBuilder;
	/** A document that was unescaped. */
	readonly #document = new JsonReader();
	#bound: readonly TypedField[] | undefined;
	#stale = true;

	constructor(rows: RowReader, root: StructBuilder) {
		this.#rows = rows;
		this.#root = root;
	}

	/**
	 * Reads the image at the position of `json` into row `row`, typed by `fields` if there are any, and
	 * passes over it. `undo` takes back what a first attempt has left of the row.
	 * @throws JsonSyntaxError
	 */
	read(
		json: JsonReader,
		row: number,
		fields: readonly TypedField[] | undefined,
		undo: () => void,
	): void {
		if (json.peek() !== QUOTE) {
			this.bind(fields);
			this.#rows.read(json, this.#root, row, { extended: false });
			return;
		}
		this.bind(undefined);
		const at = json.pos;
		try {
			json.pos = at + 1;
			json.nested = true;
			this.#rows.read(json, this.#root, row, EXTENDED);
			if (json.peek() !== QUOTE) json.fail("more than one value in a document");
			json.nested = false;
			json.pos++;
			return;
		} catch (error) {
			if (error !== UNESCAPE_FIRST) throw error;
		} finally {
			json.nested = false;
		}
		undo();
		this.bind(undefined);
		json.pos = at;
		json.string();
		this.#readDocument(json.bytes, json.start, json.stop, row);
	}

	#readDocument(
		source: Uint8Array,
		from: number,
		to: number,
		row: number,
	): void {
		const document = this.#document;
		try {
			document.loadString(source, from, to);
			this.#rows.read(document, this.#root, row, EXTENDED);
			if (document.peek() !== 0 || document.pos !== document.end)
				throw new JsonSyntaxError("more than one value in a document");
		} finally {
			document.release();
		}
	}

	/** Reads Extended JSON that stands alone into one field of a row. */
	readField(text: Uint8Array, row: number, name: string): void {
		this.bind(undefined);
		const document = this.#document;
		document.load(text);
		this.#rows.readField(document, this.#root, row, name, EXTENDED);
		if (document.peek() !== 0 || document.pos !== document.end)
			throw new JsonSyntaxError(`more than one value for ${name}`);
	}

	/** Types that a row has brought were taken back with it. */
	forget(): void {
		this.#stale = true;
	}

	bind(fields: readonly TypedField[] | undefined): void {
		if (!this.#stale && this.#bound === fields) return;
		this.#rows.bind(this.#root, fields);
		this.#bound = fields;
		this.#stale = false;
	}
}

const EXTENDED = { extended: true };
