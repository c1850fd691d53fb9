import { type LeafBuilder, newLeafBuilder } from "../columnar/builder.ts";
import { capacityFor, grown, INITIAL, roomLike } from "../columnar/growth.ts";
import { Presence } from "../columnar/presence.ts";
import {
	type DataType,
	decimalParts,
	field,
	type StructField,
	type StructType,
} from "../columnar/types.ts";
import type { Vector } from "../columnar/vector.ts";
import type { TypedField } from "./connect-schema.ts";
import { DocumentBuilder } from "./document-builder.ts";
import { Field, FieldIndex } from "./field.ts";

export type Builder =
	| LeafBuilder
	| StructBuilder
	| ListBuilder
	| DocumentBuilder;

/** What a slot's builder takes, as a number that is quick to compare. */
export const UNTYPED = 0;
export const STRING = 1;
export const LONG = 2;
export const DOUBLE_COLUMN = 3;
export const BOOLEAN = 4;
export const TIMESTAMP = 5;
export const STRUCT = 6;
export const LIST = 7;
export const OTHER = 8;
/** Whole documents; any value fits. */
export const DOCUMENT = 10;
/** Of `Slot.quick` only: a column of 32 bits. */
export const INTEGER = 9;

/** A named place for a column whose type is known once a value that isn't null was seen. */
export class Slot extends Field {
	/** The table has this column, or will have it with the next commit: its type is settled. */
	settled = false;
	builder: Builder | undefined;
	presence: Presence | undefined;
	code = UNTYPED;
	/** The slot that followed in the last record. */
	next: Slot | undefined;
	/** How the Connect schema in use has the field. */
	declared: TypedField | undefined;
	/** The simple values that nearly always come: their code, or 0. */
	quick = UNTYPED;
	decimal: { readonly precision: number; readonly scale: number } | undefined;

	assign(builder: Builder | undefined): void {
		this.builder = builder;
		this.presence = builder?.presence;
		this.code = codeOf(builder);
		this.decimal =
			this.code === OTHER && builder !== undefined
				? decimalParts(builder.type)
				: undefined;
		this.quick = quickCode(this);
	}

	declare(field: TypedField | undefined): void {
		this.declared = field;
		this.quick = quickCode(this);
	}
}

function codeOf(builder: Builder | undefined): number {
	if (builder === undefined) return UNTYPED;
	switch (builder.kind) {
		case "struct":
			return STRUCT;
		case "list":
			return LIST;
		case "document":
			return DOCUMENT;
	}
	switch (builder.type) {
		case "string":
			return STRING;
		case "long":
			return LONG;
		case "double":
			return DOUBLE_COLUMN;
		case "boolean":
			return BOOLEAN;
		case "timestamp":
			return TIMESTAMP;
		default:
			return OTHER;
	}
}

/** What `readQuickly` reads for a slot: one of the codes of columns, or 0. */
function quickCode({ code, declared, builder }: Slot): number {
	if (declared === undefined)
		return code === STRING ||
			code === LONG ||
			code === DOUBLE_COLUMN ||
			code === BOOLEAN ||
			code === TIMESTAMP
			? code
			: 0;
	switch (declared.conversion) {
		case "plain":
			if (builder?.type !== declared.type) return 0;
			if (builder.type === "integer") return INTEGER;
			return code === STRING ||
				code === LONG ||
				code === DOUBLE_COLUMN ||
				code === BOOLEAN
				? code
				: 0;
		case "micros":
			return builder?.type === "timestamp_ntz" ? LONG : 0;
		case "date":
			return builder?.type === "date" ? INTEGER : 0;
		default:
			return 0;
	}
}

/** Remembers which slots got a type, so that a record that is taken back leaves none behind. */
export class Journal {
	readonly #entries: {
		readonly slot: Slot;
		readonly before: Builder | undefined;
	}[] = [];

	get length(): number {
		return this.#entries.length;
	}

	/** Gives a slot its type, or another one that holds its values too. */
	assign(slot: Slot, builder: Builder): void {
		this.#entries.push({ slot, before: slot.builder });
		slot.assign(builder);
	}

	/** Takes back what was assigned since the journal had this length. */
	undo(length: number): void {
		while (this.#entries.length > length) {
			const entry = this.#entries.pop();
			entry?.slot.assign(entry.before);
		}
	}

	clear(): void {
		this.#entries.length = 0;
	}
}

export class StructBuilder {
	readonly kind = "struct";
	readonly type: DataType;
	readonly presence = new Presence();
	readonly index = new FieldIndex<Slot>();
	/** The slot that the last record began with. */
	first: Slot | undefined;
	/** The fields that the Connect schema in use gives this struct. */
	declared: readonly TypedField[] | undefined;
	readonly #lower = new Map<string, Slot>();
	readonly #reserved: ReadonlySet<string>;

	/** `reserved` are names, in lower case, that no new field may have. */
	constructor(
		type: StructType,
		options: {
			readonly settled: boolean;
			readonly reserved?: ReadonlySet<string>;
		},
	) {
		this.type = type;
		this.#reserved = options.reserved ?? NONE;
		for (const { name, type: inner, metadata } of type.fields) {
			const slot = this.add(name);
			if (options.settled) settle(slot, inner, documentsOf(metadata), "");
		}
	}

	/** Starts slot `i`, without any field yet. */
	begin(i: number): void {
		if (i < this.presence.length) this.truncate(i);
		this.presence.mark(i);
	}

	/**
	 * Whether a field of this name may get a type: names that differ from another's by case only would
	 * be one column.
	 */
	allows(name: string): boolean {
		const lower = name.toLowerCase();
		if (name === "" || !name.isWellFormed() || this.#reserved.has(lower))
			return false;
		const other = this.#lower.get(lower);
		if (other === undefined || other.name === name) return true;
		if (other.code !== UNTYPED) return false;
		const own = this.index.named(name);
		if (own !== undefined) this.#lower.set(lower, own);
		return true;
	}

	/** A new field. */
	add(name: string): Slot {
		const slot = new Slot(name);
		this.index.add(slot);
		const lower = name.toLowerCase();
		if ((this.#lower.get(lower)?.code ?? UNTYPED) === UNTYPED)
			this.#lower.set(lower, slot);
		return slot;
	}

	truncate(length: number): void {
		for (const { builder, presence } of this.index.fields)
			if (presence !== undefined && presence.length > length)
				builder?.truncate(length);
		this.presence.truncate(length);
	}

	finish(length: number): Vector {
		const validity = this.presence.take(length);
		const children: Vector[] = [];
		for (const slot of this.index.fields) {
			if (slot.builder === undefined) continue;
			if (typeOf(slot.builder) === undefined) slot.builder.truncate(0);
			else {
				slot.settled = true;
				children.push(slot.builder.finish(length));
			}
		}
		return { kind: "struct", length, validity, children };
	}
}

const NONE: ReadonlySet<string> = new Set();

export class ListBuilder {
	readonly kind = "list";
	readonly type: DataType;
	readonly presence = new Presence();
	readonly element = new Slot("element");
	#offsets = new Int32Array(0);
	#atFirst = INITIAL;
	#end = 0;

	/** `documents` are the paths from here that hold documents as JSON. */
	constructor(
		type: DataType,
		options: {
			readonly settled: boolean;
			readonly documents?: ReadonlySet<string>;
			readonly path?: string;
		},
	) {
		this.type = type;
		const { settled, documents = NONE, path = "" } = options;
		if (settled && typeof type !== "string" && type.type === "array")
			settle(this.element, type.elementType, documents, below(path));
	}

	/** The child's slot where the list at `i` begins; `end` says where it ends. */
	begin(i: number): number {
		if (i < this.presence.length) this.truncate(i);
		const from = this.presence.length;
		this.presence.mark(i);
		if (i + 1 >= this.#offsets.length) this.#grow(i + 2);
		for (let k = from; k <= i; k++) this.#offsets[k + 1] = this.#end;
		return this.#end;
	}

	end(i: number, childEnd: number): void {
		this.#end = childEnd;
		this.#offsets[i + 1] = childEnd;
	}

	truncate(length: number): void {
		if (length < this.presence.length) {
			this.#end = this.#offsets[length] ?? 0;
			this.element.builder?.truncate(this.#end);
		}
		this.presence.truncate(length);
	}

	finish(length: number): Vector {
		const from = this.presence.length;
		const validity = this.presence.take(length);
		if (length >= this.#offsets.length) this.#grow(length + 1);
		for (let k = from; k < length; k++) this.#offsets[k + 1] = this.#end;
		const offsets = this.#offsets.subarray(0, length + 1);
		this.element.settled = true;
		const child = (this.element.builder as Builder).finish(this.#end);
		this.#offsets = new Int32Array(0);
		this.#atFirst = roomLike(length);
		this.#end = 0;
		return { kind: "list", length, validity, offsets, child };
	}

	#grow(wanted: number): void {
		const capacity = capacityFor(
			wanted - 1,
			this.#offsets.length,
			this.#atFirst + 1,
		);
		this.#offsets = grown(Int32Array, this.#offsets, capacity);
	}
}

/**
 * Of a column's metadata: the places in it, `element` for what an array holds, that have documents as JSON.
 * A column of texts looks the same without it.
 */
export const DOCUMENTS = "tributary.documents";

function documentsOf(metadata: StructField["metadata"]): ReadonlySet<string> {
	const paths = metadata[DOCUMENTS];
	return Array.isArray(paths) ? new Set(paths as unknown[] as string[]) : NONE;
}

function below(path: string): string {
	return path === "" ? "element" : `${path}.element`;
}

/** The places in a builder's content that are documents as JSON. */
function documentsIn(builder: Builder, path: string): string[] {
	switch (builder.kind) {
		case "document":
			return builder.type === "string" ? [path] : [];
		case "list":
			return builder.element.builder === undefined
				? []
				: documentsIn(builder.element.builder, below(path));
		default:
			return [];
	}
}

function settle(
	slot: Slot,
	type: DataType,
	documents: ReadonlySet<string>,
	path: string,
): void {
	slot.settled = true;
	if (type === "variant" || (type === "string" && documents.has(path)))
		slot.assign(new DocumentBuilder(type));
	// Columns of other writers that no source value becomes: what comes for them is rescued.
	else if (type === "void") slot.code = OTHER;
	else if (typeof type !== "string" && type.type === "map") slot.code = OTHER;
	else slot.assign(newBuilder(type, { settled: true, documents, path }));
}

/** A builder of a type; with `settled` nested fields have the types that the table gives them. */
export function newBuilder(
	type: DataType,
	options: {
		readonly settled: boolean;
		readonly documents?: ReadonlySet<string>;
		readonly path?: string;
	},
): Builder {
	if (typeof type === "string") return newLeafBuilder(type);
	return type.type === "struct"
		? new StructBuilder(type, options)
		: new ListBuilder(type, options);
}

/** The type that a builder's content has; `undefined` while nothing below it has one. */
export function typeOf(builder: Builder): DataType | undefined {
	switch (builder.kind) {
		case "struct": {
			const fields: StructField[] = [];
			for (const slot of builder.index.fields) {
				if (slot.builder === undefined) continue;
				const type = typeOf(slot.builder);
				if (type === undefined) continue;
				const documents = documentsIn(slot.builder, "");
				const metadata =
					documents.length === 0 ? {} : { [DOCUMENTS]: documents };
				fields.push(field(slot.name, type, { metadata }));
			}
			return fields.length === 0 ? undefined : { type: "struct", fields };
		}
		case "list": {
			const element =
				builder.element.builder === undefined
					? undefined
					: typeOf(builder.element.builder);
			return element === undefined
				? undefined
				: { type: "array", elementType: element, containsNull: true };
		}
		default:
			return builder.type;
	}
}
