import { type DecimalType, struct } from "../columnar/types.ts";
import { commonType } from "../columnar/widening.ts";
import type { TypedField } from "./connect-schema.ts";
import { readScalar, widen } from "./document.ts";
import { DocumentBuilder } from "./document-builder.ts";
import { readDocument, readJsonText } from "./document-value.ts";
import { opensExtended, readExtended } from "./extended-json.ts";
import { JsonReader } from "./json.ts";
import { JsonSyntaxError } from "./json-input.ts";
import { NumberReader } from "./number.ts";
import { readQuickly } from "./quick.ts";
import type { Rescued } from "./rescue.ts";
import {
	type Documents,
	MAX_DEPTH,
	type RowOptions,
	type TextReader,
} from "./row-options.ts";
import {
	DOCUMENT,
	type Journal,
	LIST,
	ListBuilder,
	newBuilder,
	type Slot,
	STRING,
	STRUCT,
	StructBuilder,
	UNTYPED,
} from "./slot.ts";
import { readTyped } from "./typed.ts";

const NO_INPUT = new JsonReader();

/**
 * Reads JSON objects into builders. Names are expected in the order of the last record and looked up
 * when they come in another. A value that does not fit its column is rescued with its original text,
 * and the column stays null.
 */
export class RowReader {
	json = NO_INPUT;
	readonly numbers = new NumberReader();
	readonly journal: Journal;
	readonly #rescued: Rescued;
	/** Whether fields that the table lacks become columns, or are rescued. */
	newFields: boolean;
	readonly widens: boolean;
	/** Of the value that is being read. */
	decimals: DecimalType | undefined;
	readonly #decimals: DecimalType | undefined;
	readonly #documents: Documents;
	readonly #maxDepth: number;
	readonly #texts: TextReader | undefined;
	/** For JSON in a string. */
	readonly #inner = new JsonReader();
	#extended = false;
	#typed = false;
	/** Names and positions of the containers around the value. */
	readonly #path: (string | number)[] = [];

	constructor(journal: Journal, rescued: Rescued, options: RowOptions) {
		this.journal = journal;
		this.#rescued = rescued;
		this.newFields = options.newFields;
		this.widens = options.widens;
		this.#documents = options.documents ?? "columns";
		this.#maxDepth = Math.min(options.maxDepth ?? MAX_DEPTH, MAX_DEPTH);
		this.#decimals = options.decimals;
		this.#texts = options.texts;
	}

	/**
	 * Reads the object at the position of `json` into row `row`. With `extended`, objects whose first
	 * name starts with `$` are MongoDB's Extended JSON. Types are those of the schema that `root` was
	 * bound to, or those of the values.
	 * @throws JsonSyntaxError
	 */
	read(
		json: JsonReader,
		root: StructBuilder,
		row: number,
		options: { readonly extended: boolean },
	): void {
		this.json = json;
		this.#extended = options.extended;
		this.#typed = root.declared !== undefined;
		// A row that could not be read to its end has left a path; setting a length is not for free.
		if (this.#path.length > 0) this.#path.length = 0;
		json.expect(0x7b);
		this.#object(root, row);
	}

	/** Reads the value at the position of `json` into a field of its own. */
	readField(
		json: JsonReader,
		root: StructBuilder,
		row: number,
		name: string,
		options: { readonly extended: boolean },
	): void {
		this.json = json;
		this.#extended = options.extended;
		this.#typed = root.declared !== undefined;
		// A row that could not be read to its end has left a path; setting a length is not for free.
		if (this.#path.length > 0) this.#path.length = 0;
		root.begin(row);
		const slot = root.index.named(name) ?? this.#unknown(root, name);
		if (slot !== undefined) this.#field(root, slot, row);
	}

	/** Takes the types of `fields` for the struct, or goes back to those of the values. */
	bind(into: StructBuilder, fields: readonly TypedField[] | undefined): void {
		into.declared = fields;
		for (const slot of into.index.fields) this.#bindSlot(slot, undefined);
		for (const field of fields ?? []) {
			let slot = into.index.named(field.name);
			if (slot === undefined || slot.code === UNTYPED) {
				if (!this.newFields || !into.allows(field.name)) continue;
				slot ??= into.add(field.name);
			}
			// Of two fields of one name the first counts.
			if (slot.declared === undefined) this.#bindSlot(slot, field);
		}
	}

	#bindSlot(slot: Slot, field: TypedField | undefined): void {
		slot.declare(field);
		if (field !== undefined && slot.code === UNTYPED)
			this.journal.assign(
				slot,
				field.json && this.#documents === "variant"
					? new DocumentBuilder("variant")
					: newBuilder(field.type, { settled: false }),
			);
		// A column whose type was changed in the source.
		if (field !== undefined && slot.builder !== undefined)
			widen(this, slot, commonType(slot.builder.type, field.type));
		const { builder } = slot;
		if (builder?.kind === "struct")
			this.bind(
				builder,
				field?.conversion === "struct" ? field.fields : undefined,
			);
		else if (builder?.kind === "list")
			this.#bindSlot(builder.element, field?.element);
	}

	/** Reads an object from behind its brace. */
	#object(into: StructBuilder, row: number): void {
		const { json } = this;
		into.begin(row);
		if (json.accept(0x7d)) return;
		let previous: Slot | undefined;
		for (;;) {
			let slot = previous === undefined ? into.first : previous.next;
			if ((json.bytes[json.pos] as number) <= 0x20) json.peek();
			if (
				slot === undefined ||
				!slot.literal ||
				!json.acceptWords(
					into.index.words.values,
					json.nested ? slot.nestedAt : slot.plainAt,
				)
			) {
				slot = this.#lookUp(into);
				if (previous === undefined) into.first = slot ?? into.first;
				else previous.next = slot ?? previous.next;
			}
			if (slot !== undefined) {
				if (
					slot.quick === 0 ||
					(this.#typed && slot.declared === undefined) ||
					!readQuickly(this, slot, row, this.#extended)
				)
					this.#field(into, slot, row);
				previous = slot;
			}
			const next = json.peek();
			json.pos++;
			if (next === 0x7d) return;
			if (next !== 0x2c) {
				json.pos--;
				json.expect(0x7d);
			}
		}
	}

	#lookUp(into: StructBuilder): Slot | undefined {
		const { json } = this;
		json.key();
		return json.escaped
			? (into.index.named(json.text()) ?? this.#unknown(into, json.text()))
			: (into.index.find(json.bytes, json.start, json.stop, json.hash) ??
					this.#unknown(into, json.text()));
	}

	/** A new field; or `undefined`, with its value passed over, when there is none to be. */
	#unknown(into: StructBuilder, name: string): Slot | undefined {
		const { json } = this;
		if (this.#typed) this.#inSchema(into, name);
		if (json.peek() === 0x6e) {
			json.null();
			return undefined;
		}
		if (!this.#typed && this.newFields && into.allows(name))
			return into.add(name);
		this.#rescue(name, json.pos);
		return undefined;
	}

	#field(into: StructBuilder, slot: Slot, row: number): void {
		const { json, journal } = this;
		if (this.#typed && slot.declared === undefined)
			this.#inSchema(into, slot.name);
		// A name that comes twice: the last value counts.
		if (slot.presence !== undefined && slot.presence.length > row)
			slot.builder?.truncate(row);
		const first = json.peek();
		if (first === 0x6e) {
			json.null();
			return;
		}
		const from = json.pos;
		const learned = journal.length;
		const rescued = this.#rescued.length;
		if (
			(slot.code !== UNTYPED || this.#mayType(into, slot)) &&
			this.#value(slot, row, first, slot.name)
		)
			return;
		journal.undo(learned);
		this.#rescued.truncate(rescued);
		if (slot.presence !== undefined && slot.presence.length > row)
			slot.builder?.truncate(row);
		this.#rescue(slot.name, from);
	}

	#mayType(into: StructBuilder, slot: Slot): boolean {
		return !this.#typed && this.newFields && into.allows(slot.name);
	}

	/** Rescues the value that begins at `from`. */
	#rescue(name: string, from: number): void {
		const { json } = this;
		json.pos = from;
		json.skip();
		this.#rescued.add([...this.#path, name], json.slice(from, json.pos));
	}

	/** A field of the schema without a column is rescued; one that the schema lacks is an error. */
	#inSchema(into: StructBuilder, name: string): void {
		if (!into.declared?.some((field) => field.name === name))
			throw new JsonSyntaxError(`field ${name} is not in the schema`);
	}

	/** Whether the value fitted; if not, the reader may stand anywhere in it. */
	#value(
		slot: Slot,
		row: number,
		first: number,
		name: string | number,
	): boolean {
		if (slot.declared !== undefined) {
			if (slot.code === DOCUMENT && slot.declared.json && first === 0x22)
				return readJsonText(
					this,
					this.#inner,
					slot.builder as DocumentBuilder,
					row,
					this.#maxDepth,
				);
			switch (slot.declared.conversion) {
				case "struct":
					return first === 0x7b && this.#struct(slot, row, name);
				case "array":
					return first === 0x5b && this.#list(slot, row, name);
				default:
					return readTyped(this, slot, row, slot.declared, first);
			}
		}
		if (slot.code === DOCUMENT) return this.#document(slot, row, name);
		switch (first) {
			case 0x7b:
				if (!this.#extended || !opensExtended(this.json))
					return this.#struct(slot, row, name);
				this.decimals = this.#inKey(name) ? undefined : this.#decimals;
				return readExtended(this, slot, row);
			case 0x5b:
				return this.#list(slot, row, name);
			case 0x22:
				if (
					this.#texts !== undefined &&
					slot.code !== UNTYPED &&
					slot.code !== STRING
				) {
					this.json.string();
					return this.#texts(this, slot, row, this.json.text());
				}
		}
		return !this.#typed && readScalar(this, slot, row, first);
	}

	/** Whether an object or array there is one value: JSON or a variant. */
	#isDocument(slot: Slot, name: string | number): boolean {
		if (slot.declared !== undefined || slot.code !== UNTYPED) return false;
		const columns = this.#documents === "columns" || this.#inKey(name);
		return this.#path.length >= (columns ? this.#maxDepth : 0);
	}

	#document(slot: Slot, row: number, name: string | number): boolean {
		if (slot.code === UNTYPED) {
			const variant = this.#documents === "variant" && !this.#inKey(name);
			this.journal.assign(
				slot,
				new DocumentBuilder(variant ? "variant" : "string"),
			);
		}
		return readDocument(this, slot.builder as DocumentBuilder, row, {
			extended: this.#extended,
			depth: Math.max(0, this.#maxDepth - this.#path.length),
		});
	}

	/** MongoDB's key has to be comparable, so it is columns wherever possible. */
	#inKey(name: string | number): boolean {
		return (this.#path[0] ?? name) === "_id";
	}

	#struct(slot: Slot, row: number, name: string | number): boolean {
		if (this.#isDocument(slot, name)) return this.#document(slot, row, name);
		if (this.#path.length >= MAX_DEPTH) return false;
		let into: StructBuilder;
		if (slot.code === STRUCT) into = slot.builder as StructBuilder;
		else if (slot.code === UNTYPED)
			into = new StructBuilder(struct(), { settled: false });
		else return false;
		this.json.pos++;
		this.#path.push(name);
		this.#object(into, row);
		this.#path.pop();
		if (slot.code === UNTYPED) {
			// An object without any field that has a type makes no column.
			if (into.index.fields.every(({ code }) => code === UNTYPED)) return false;
			this.journal.assign(slot, into);
		}
		return true;
	}

	#list(slot: Slot, row: number, name: string | number): boolean {
		if (this.#isDocument(slot, name)) return this.#document(slot, row, name);
		if (this.#path.length >= MAX_DEPTH) return false;
		let list: ListBuilder;
		if (slot.code === LIST) list = slot.builder as ListBuilder;
		else if (slot.code === UNTYPED)
			list = new ListBuilder("void", { settled: false });
		else return false;
		const { json } = this;
		const { element } = list;
		json.pos++;
		const from = list.begin(row);
		let at = from;
		if (!json.accept(0x5d)) {
			this.#path.push(name);
			let fits = true;
			do {
				const first = json.peek();
				if (first === 0x6e) json.null();
				// One element that does not fit rescues the whole array, so that it stays one value.
				else fits = this.#value(element, at, first, at - from);
				at++;
			} while (fits && json.accept(0x2c));
			this.#path.pop();
			if (!fits) return false;
			json.expect(0x5d);
		}
		list.end(row, at);
		// The element's type is still unknown: only a rescued [] can be told from null.
		if (element.code === UNTYPED) return false;
		if (slot.code === UNTYPED) this.journal.assign(slot, list);
		return true;
	}
}
