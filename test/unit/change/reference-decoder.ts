import type { ChangeMessage, Decoded } from "../../../src/change/change.ts";
import type { TypedField } from "../../../src/change/connect-schema.ts";
import type { DecoderOptions } from "../../../src/change/decoder-options.ts";
import { RESERVED } from "../../../src/change/metadata-columns.ts";
import type { DataType } from "../../../src/columnar/types.ts";
import { canWiden, commonType } from "../../../src/columnar/widening.ts";
import { type Node, parseTree } from "./json-tree.ts";
import {
	column,
	type Entry,
	fitting,
	jsonAt,
	type Path,
	pathText,
	typeName,
	widened,
	widerFor,
} from "./reference-columns.ts";
import { BadKey, envelopeOf, keyPayload, utf8 } from "./reference-envelope.ts";
import {
	DECIMAL,
	extended,
	inferred,
	type Leaf,
	SPECIAL,
	typed,
} from "./reference-values.ts";

/**
 * What TableDecoder has to do, without regard to speed: the message becomes a tree, each value an entry
 * of a list, and whatever is taken back is put back from a copy.
 */
export class ReferenceDecoder {
	readonly #options: DecoderOptions;
	/** By column path (array positions are "[]"), as JSON: "struct", "list", or a leaf's type. */
	#types = new Map<string, string>();
	#settled: ReadonlyMap<string, string> = new Map();
	#entries: Entry[] = [];
	#rescued: { path: Path; text: string }[] = [];
	#keys: readonly string[] = [];
	#texts: string[] = [];
	#operations: string[] = [];
	#rows = 0;
	#row = 0;
	#extended = false;
	#keyColumns: readonly string[] = [];
	/** There is a table, by `tableSchema` or by the first batch. */
	#made = false;

	constructor(options: DecoderOptions) {
		this.#options = options;
		if (options.source === "mongodb") this.#keyColumns = ["_id"];
		const declare = (type: DataType, path: Path): void => {
			if (typeof type === "string") this.#types.set(column(path), type);
			else if (type.type === "struct") {
				if (path.length > 0) this.#types.set(column(path), "struct");
				for (const field of type.fields)
					if (path.length > 0 || !RESERVED.has(field.name.toLowerCase()))
						declare(field.type, [...path, field.name]);
			} else if (type.type === "array") {
				this.#types.set(column(path), "list");
				declare(type.elementType, [...path, 0]);
			}
		};
		if (options.tableSchema !== undefined) declare(options.tableSchema, []);
		this.#settled = new Map(this.#types);
	}

	decode(message: ChangeMessage): Decoded {
		if (message.value === null || message.value.length === 0)
			return { kind: "skip", reason: "tombstone" };
		const before = {
			types: new Map(this.#types),
			entries: [...this.#entries],
		};
		const outcome = this.#decode(message);
		if (outcome.kind !== "row") {
			if (outcome.kind === "skip" && outcome.reason === "truncate") {
				this.#types = new Map(this.#settled);
				this.#entries = [];
				this.#texts = [];
				this.#operations = [];
				this.#rows = 0;
			} else {
				this.#types = before.types;
				this.#entries = before.entries;
			}
		} else {
			this.#texts[this.#rows] =
				this.#rescued.length === 0
					? ""
					: `{${this.#rescued
							.map(
								({ path, text }) => `${JSON.stringify(pathText(path))}:${text}`,
							)
							.join(",")}}`;
			this.#rows++;
		}
		this.#rescued = [];
		return outcome;
	}

	/** Rows as JSON texts by column, nulls left out. */
	finish(): Record<string, string>[] {
		const rows = Array.from({ length: this.#rows }, (_, row) => {
			const shown = new Map<string, string>();
			for (const [path, type] of this.#types) {
				const [name = "", ...below] = JSON.parse(path) as string[];
				if (below.length > 0) continue;
				const entries = this.#entries.filter(
					(one) => one.row === row && one.path[0] === name,
				);
				if (entries.length > 0)
					shown.set(name, jsonAt(this.#types, entries, [name], type));
			}
			const rescued = this.#texts[row] ?? "";
			if (rescued !== "") shown.set("_rescued_data", JSON.stringify(rescued));
			if (this.#options.mode === "append")
				shown.set("_cdc_operation", JSON.stringify(this.#operations[row]));
			return Object.fromEntries(shown);
		});
		this.#made = true;
		this.#settled = new Map(this.#types);
		this.#entries = [];
		this.#texts = [];
		this.#operations = [];
		this.#rows = 0;
		return rows;
	}

	#decode(message: ChangeMessage): Decoded {
		const dead = (code: string): Decoded =>
			({ kind: "dead-letter", code, message: "" }) as Decoded;
		let text: string;
		try {
			text = utf8(message.value as Uint8Array);
		} catch {
			return dead("UTF8_INVALID");
		}
		try {
			return this.#envelope(parseTree(text), message);
		} catch (error) {
			if (error instanceof BadKey) return dead("KEY_MISSING");
			return dead("JSON_INVALID");
		}
	}

	#envelope(tree: Node, message: ChangeMessage): Decoded {
		const { op, before, after, fields, other } = envelopeOf(tree);
		if (other !== undefined) return other;
		this.#row = this.#rows;
		const { mode, source } = this.#options;
		if (op === "t" && mode === "upsert")
			return { kind: "skip", reason: "truncate" };
		if (op !== "t") {
			if (op !== "d" && after === undefined) {
				if (op !== "u")
					return { kind: "dead-letter", code: "ENVELOPE_UNKNOWN", message: "" };
				if (mode === "upsert") return { kind: "skip", reason: "vanished" };
			}
			const image: Node | undefined = op === "d" ? before : after;
			if (image !== undefined) this.#image(image, fields);
			else if (source === "mongodb") this.#documentKey(message.key);
			else this.#key(message.key, fields);
		}
		if (mode === "upsert" && this.#keyColumns.length === 0) {
			const payload = keyPayload(message.key);
			if (payload.kind !== "object" || payload.entries.length === 0)
				throw new BadKey();
			this.#keyColumns = payload.entries.map(([name]) => name);
		}
		// A key's part that did not fit its column is among the rescued.
		for (const name of mode === "upsert" ? this.#keyColumns : [])
			if (
				!this.#entries.some(
					(one) => one.row === this.#row && one.path[0] === name,
				) &&
				!this.#rescued.some(({ path }) => path.length === 1 && path[0] === name)
			)
				throw new BadKey();
		this.#operations[this.#row] = op;
		return { kind: "row" };
	}

	#image(image: Node, fields: readonly TypedField[] | undefined): void {
		this.#extended = image.kind === "string";
		const types = this.#extended ? undefined : fields;
		let tree = image;
		if (image.kind === "string") {
			if (!image.value.isWellFormed()) throw new SyntaxError("surrogates");
			tree = parseTree(image.value);
		}
		if (tree.kind !== "object") throw new SyntaxError("no object");
		this.#declareAll([], types ?? []);
		this.#object(tree, [], types);
	}

	#key(
		key: Uint8Array | null,
		fields: readonly TypedField[] | undefined,
	): void {
		const payload = keyPayload(key);
		if (payload.kind !== "object" || payload.entries.length === 0)
			throw new BadKey();
		this.#extended = false;
		this.#declareAll([], fields ?? []);
		this.#object(payload, [], fields);
	}

	#documentKey(key: Uint8Array | null): void {
		const payload = keyPayload(key);
		const entries =
			payload.kind === "object"
				? payload.entries.filter(([name]) => name === "id")
				: [];
		if (entries.length === 0) throw new BadKey();
		this.#extended = true;
		for (const [, value] of entries)
			this.#field(
				"_id",
				value.kind === "string" ? parseTree(value.value) : value,
				[],
				undefined,
			);
	}

	/** The columns that the schema gives, whether a value comes for them or not. */
	#declareAll(path: Path, fields: readonly TypedField[]): void {
		for (const field of fields) {
			const place = [...path, field.name];
			if (!this.#types.has(column(place))) {
				if (!this.#mayAdd(place)) continue;
				this.#types.set(column(place), typeName(field));
			}
			this.#declareBelow(place, field);
		}
	}

	/** Whether a column has the type now; its values are the same. */
	#widen(place: string, to: string | undefined): boolean {
		const from = this.#types.get(place) ?? "";
		if (to === undefined || from === to) return false;
		if (!canWiden(from as DataType, to as DataType)) return false;
		if (this.#settled.has(place) && this.#options.onWiden === "rescue")
			return false;
		this.#types.set(place, to);
		this.#entries = this.#entries.map((one) =>
			column(one.path) === place
				? { ...one, value: widened(one.value, from, to) }
				: one,
		);
		return true;
	}

	#declareBelow(place: Path, field: TypedField): void {
		const type = this.#types.get(column(place));
		if (typeof field.type === "string")
			this.#widen(
				column(place),
				commonType(type as DataType, field.type) as string | undefined,
			);
		if (type === "struct" && field.conversion === "struct")
			this.#declareAll(place, field.fields);
		if (type === "list" && field.element !== undefined) {
			const element = [...place, 0];
			if (!this.#types.has(column(element)))
				this.#types.set(column(element), typeName(field.element));
			this.#declareBelow(element, field.element);
		}
	}

	#mayAdd(place: Path): boolean {
		const name = String(place.at(-1));
		const { onNewColumn = "add", tableSchema } = this.#options;
		if (onNewColumn !== "add" && (tableSchema !== undefined || this.#made))
			return false;
		if (name === "" || !name.isWellFormed()) return false;
		if (place.length === 1 && RESERVED.has(name.toLowerCase())) return false;
		const parent = column(place.slice(0, -1));
		return ![...this.#types.keys()].some((key) => {
			const other = JSON.parse(key) as string[];
			const otherName = other.pop() ?? "";
			return (
				JSON.stringify(other) === parent &&
				otherName !== name &&
				otherName.toLowerCase() === name.toLowerCase()
			);
		});
	}

	#object(
		node: Node & { readonly kind: "object" },
		path: Path,
		fields: readonly TypedField[] | undefined,
	): void {
		for (const [name, value] of node.entries) {
			const field = fields?.find((one) => one.name === name);
			if (fields !== undefined && field === undefined)
				throw new SyntaxError("not in the schema");
			this.#field(name, value, path, field);
		}
	}

	#field(
		name: string,
		value: Node,
		above: Path,
		field: TypedField | undefined,
	): void {
		const path = [...above, name];
		// A name that comes twice: what came before is overwritten.
		this.#remove(path);
		if (value.kind === "null") return;
		const types = new Map(this.#types);
		const entries = [...this.#entries];
		const rescued = this.#rescued.length;
		const known = this.#types.has(column(path));
		if (
			(known || (field === undefined && this.#mayAdd(path))) &&
			this.#value(value, path, field)
		)
			return;
		this.#types = types;
		this.#entries = entries;
		this.#rescued.length = rescued;
		this.#rescued.push({ path, text: value.text });
	}

	#remove(path: Path): void {
		this.#entries = this.#entries.filter(
			(one) =>
				one.row !== this.#row || !path.every((name, i) => one.path[i] === name),
		);
	}

	#add(path: Path, value: Entry["value"]): void {
		this.#entries.push({ row: this.#row, path, value });
	}

	/** Whether the column could take it. */
	#value(node: Node, path: Path, field: TypedField | undefined): boolean {
		const place = column(path);
		const type = this.#types.get(place);
		if (type === "document" && field === undefined) {
			this.#add(path, node.text);
			return true;
		}
		const leaf =
			field === undefined || !["struct", "array"].includes(field.conversion);
		if (field !== undefined && leaf) {
			const value = typed(node, field, type ?? "");
			if (value === undefined) return false;
			this.#add(path, value);
			return true;
		}
		if (
			node.kind === "object" &&
			field === undefined &&
			this.#extended &&
			(node.entries[0]?.[0] ?? "").startsWith("$")
		) {
			const value = extended(node.text);
			if (value === undefined) return false;
			const { decimals = "string" } = this.#options;
			const own =
				value.type === SPECIAL
					? "double"
					: value.type === DECIMAL
						? path[0] === "_id"
							? "string"
							: decimals
						: value.type;
			// It may be widened for its first value already.
			if (value.type === DECIMAL && type === undefined)
				this.#types.set(place, own);
			return this.#leaf(path, type ?? own, value.type, value.value, false);
		}
		if (
			["object", "array"].includes(node.kind) &&
			type === undefined &&
			path.length > this.#levels(path)
		) {
			this.#types.set(place, "document");
			this.#add(path, node.text);
			return true;
		}
		if (node.kind === "object") {
			if (field !== undefined && field.conversion !== "struct") return false;
			if (path.length > 32 || (type !== undefined && type !== "struct"))
				return false;
			this.#add(path, "object");
			this.#object(node, path, field?.fields);
			if (type === undefined) {
				const typedField = [...this.#types.keys()].some((key) => {
					const inner = JSON.parse(key) as string[];
					return (
						inner.length === path.length + 1 &&
						JSON.stringify(inner.slice(0, -1)) === place
					);
				});
				if (!typedField) return false;
				this.#types.set(place, "struct");
			}
			return true;
		}
		if (node.kind === "array") {
			if (field !== undefined && field.conversion !== "array") return false;
			if (path.length > 32 || (type !== undefined && type !== "list"))
				return false;
			this.#add(path, "array");
			for (const [i, item] of node.items.entries()) {
				// A null element is an entry, so that the array's length shows.
				if (item.kind === "null") this.#add([...path, i], null);
				else if (!this.#value(item, [...path, i], field?.element)) return false;
			}
			if (!this.#types.has(column([...path, 0]))) return false;
			this.#types.set(place, "list");
			return true;
		}
		if (field !== undefined) return false;
		const own = inferred(node);
		return (
			own !== undefined &&
			this.#leaf(path, type ?? own.type, own.type, own.value, own.whole)
		);
	}

	/** How many levels of columns there are at a place. */
	#levels([root]: Path): number {
		const { documents = "columns", maxDepth = 32 } = this.#options;
		return documents === "columns" || root === "_id" ? maxDepth : 0;
	}

	#leaf(
		path: Path,
		column_: string,
		type: string,
		value: Leaf,
		whole: boolean,
	): boolean {
		const place = column(path);
		let target = column_;
		if (target === "long" && type === "double" && typeof value === "number") {
			const others = this.#entries.filter(
				(one) => column(one.path) === place && typeof one.value === "bigint",
			);
			if (
				!this.#settled.has(place) &&
				others.every((one) => Number.isSafeInteger(Number(one.value)))
			)
				target = "double";
		}
		let fitted = fitting(value, type, target, whole);
		const wider = widerFor(
			value,
			type,
			target,
			path[0] === "_id" ? undefined : this.#options.decimals,
		);
		if (
			wider !== undefined &&
			(fitted === undefined || (type === "double" && target !== "long"))
		) {
			const better = fitting(value, type, wider, whole);
			if (better !== undefined && this.#widen(place, wider)) {
				fitted = better;
				target = wider;
			}
		}
		if (fitted === undefined) return false;
		if (target !== this.#types.get(place)) this.#types.set(place, target);
		this.#add(path, fitted);
		return true;
	}
}
