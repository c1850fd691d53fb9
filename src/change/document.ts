import {
	type Builder,
	type F64Builder,
	type I64Builder,
	ListBuilder,
	newBuilder,
	type Slot,
	StructBuilder,
} from "../columnar/builder.ts";
import { decimalParts, struct } from "../columnar/types.ts";
import { extendedValue, type TypedValue } from "./extended-json.ts";
import {
	isJsonNumber,
	type JsonCursor,
	JsonSyntaxError,
	unescapeJson,
} from "./json.ts";
import type { Rescued } from "./rescue.ts";

const MAX_DEPTH = 64;

export interface DocumentOptions {
	/** MongoDB's Extended JSON: objects whose first key starts with `$` are values. */
	readonly extended: boolean;
	/** Whether fields that the table lacks become columns, or are rescued. */
	readonly newFields: boolean;
}

/**
 * Reads JSON values into builders. A value's kind decides a new column's type; a value that does
 * not fit its column is rescued with its original text, and the column stays null.
 */
export class DocumentReader {
	readonly #cursor: JsonCursor;
	readonly #rescued: Rescued;
	readonly #options: DocumentOptions;
	readonly #path: (string | number)[] = [];

	constructor(cursor: JsonCursor, rescued: Rescued, options: DocumentOptions) {
		this.#cursor = cursor;
		this.#rescued = rescued;
		this.#options = options;
	}

	/**
	 * Reads an object's fields into row `row` of `into`; `reserved` names are rescued.
	 * @throws JsonSyntaxError
	 */
	object(
		into: StructBuilder,
		row: number,
		reserved?: ReadonlySet<string>,
	): void {
		const cursor = this.#cursor;
		cursor.expect(0x7b);
		into.begin(row);
		if (cursor.accept(0x7d)) return;
		let next = 0;
		do {
			cursor.string();
			// Documents of one collection mostly have their fields in one order.
			let slot = into.slots[next];
			if (slot !== undefined && cursor.isString(slot.nameBytes)) next++;
			else {
				const name = cursor.text();
				slot = into.find(name);
				if (slot !== undefined) next = into.slots.indexOf(slot) + 1;
				else {
					cursor.expect(0x3a);
					this.#unknown(into, row, name, reserved);
					continue;
				}
			}
			cursor.expect(0x3a);
			this.#field(slot, row);
		} while (cursor.accept(0x2c));
		cursor.expect(0x7d);
	}

	/** Forgets where a row was left that could not be read to its end. */
	reset(): void {
		this.#path.length = 0;
	}

	/** Reads one value into a slot of its own, under the slot's name. */
	field(slot: Slot, row: number): void {
		this.#field(slot, row);
	}

	#unknown(
		into: StructBuilder,
		row: number,
		name: string,
		reserved: ReadonlySet<string> | undefined,
	): void {
		const from = this.#start();
		const allowed =
			this.#options.newFields &&
			name !== "" &&
			name.isWellFormed() &&
			!(reserved?.has(name.toLowerCase()) ?? false);
		const slot = allowed ? into.add(name) : undefined;
		if (slot !== undefined) {
			this.#field(slot, row);
			return;
		}
		this.#cursor.skip();
		this.#rescue(name, from);
	}

	#field(slot: Slot, row: number): void {
		const from = this.#start();
		this.#path.push(slot.name);
		const fits = this.#value(slot, row);
		this.#path.pop();
		if (fits) return;
		const { builder } = slot;
		if (builder !== undefined && builder.length > row) builder.truncate(row);
		this.#cursor.pos = from;
		this.#cursor.skip();
		this.#rescue(slot.name, from);
	}

	#start(): number {
		this.#cursor.peek();
		return this.#cursor.pos;
	}

	#rescue(name: string, from: number): void {
		const text = this.#cursor.slice(from, this.#cursor.pos);
		// A number token is only passed over by its characters: what is no JSON must not get in.
		if (/^[-\d]/.test(text) && !isJsonNumber(text))
			throw new JsonSyntaxError(`${text.slice(0, 40)} is no number`);
		this.#rescued.add([...this.#path, name], text);
	}

	/** Whether the value fitted; if not, the cursor may stand anywhere in it. */
	#value(slot: Slot, row: number): boolean {
		const cursor = this.#cursor;
		switch (cursor.peek()) {
			case 0x22:
				return this.#string(slot, row);
			case 0x7b:
				return this.#objectValue(slot, row);
			case 0x5b:
				return this.#array(slot, row);
			case 0x74:
				cursor.literal("true");
				return setBoolean(slot, row, true);
			case 0x66:
				cursor.literal("false");
				return setBoolean(slot, row, false);
			case 0x6e:
				cursor.literal("null");
				if (slot.builder !== undefined && slot.builder.length > row)
					slot.builder.truncate(row);
				return true;
			default:
				return this.#number(slot, row);
		}
	}

	#string(slot: Slot, row: number): boolean {
		const cursor = this.#cursor;
		cursor.string();
		slot.builder ??= newBuilder("string", false);
		const { builder } = slot;
		if (builder.kind !== "bytes" || builder.type !== "string") return false;
		if (!cursor.escaped) {
			builder.setRange(row, cursor.buffer, cursor.start, cursor.stop);
			return true;
		}
		const text = new Uint8Array(cursor.stop - cursor.start);
		const end = unescapeJson(cursor.buffer, cursor.start, cursor.stop, text, 0);
		if (end === -1) throw new JsonSyntaxError("a bad escape in a string");
		if (end < 0) return false;
		builder.setRange(row, text, 0, end);
		return true;
	}

	#objectValue(slot: Slot, row: number): boolean {
		const cursor = this.#cursor;
		if (this.#options.extended && opensExtended(cursor)) {
			const value = extendedValue(cursor);
			if (value === undefined) return false;
			slot.builder ??= newBuilder(value.type, false);
			return setTyped(slot, row, value, cursor);
		}
		if (this.#path.length > MAX_DEPTH) return false;
		if (slot.builder === undefined) {
			const made = new StructBuilder(struct(), false);
			this.object(made, row);
			// An object without any field that has a type makes no column.
			if (made.slots.every(({ builder }) => builder === undefined))
				return false;
			slot.builder = made;
			return true;
		}
		if (slot.builder.kind !== "struct") return false;
		this.object(slot.builder, row);
		return true;
	}

	#array(slot: Slot, row: number): boolean {
		const cursor = this.#cursor;
		if (this.#path.length > MAX_DEPTH) return false;
		const list = slot.builder ?? new ListBuilder("void", false);
		if (list.kind !== "list") return false;
		cursor.expect(0x5b);
		let at = list.begin(row);
		if (cursor.accept(0x5d)) {
			// The element's type is still unknown: only a rescued [] can be told from null.
			if (list.element.builder === undefined) return false;
			list.end(row, at);
			return true;
		}
		const depth = this.#path.push(0);
		let fits = true;
		do {
			// One element that does not fit rescues the whole array, so that it stays one value.
			fits = this.#value(list.element, at);
			at++;
			this.#path[depth - 1] = at;
		} while (fits && cursor.accept(0x2c));
		this.#path.pop();
		if (!fits) return false;
		cursor.expect(0x5d);
		list.end(row, at);
		if (list.element.builder === undefined) return false;
		slot.builder = list;
		return true;
	}

	#number(slot: Slot, row: number): boolean {
		const cursor = this.#cursor;
		const from = cursor.pos;
		const integer = cursor.smallInteger();
		if (integer !== undefined) {
			slot.builder ??= newBuilder("long", false);
			return setInteger(slot, row, integer);
		}
		cursor.number();
		const text = cursor.slice(from, cursor.pos);
		if (!isJsonNumber(text))
			throw new JsonSyntaxError(`${text.slice(0, 40)} is no number`);
		if (/^-?\d+$/.test(text) && text !== "-0") {
			slot.builder ??= newBuilder("long", false);
			return setBigInteger(slot.builder, row, BigInt(text));
		}
		const value = Number(text);
		if (!Number.isFinite(value)) return false;
		slot.builder ??= newBuilder("double", false);
		return setDouble(slot, row, value, text);
	}
}

function opensExtended(cursor: JsonCursor): boolean {
	const { buffer, end } = cursor;
	let pos = cursor.pos + 1;
	while (pos < end && (buffer[pos] === 0x20 || buffer[pos] === 0x0a)) pos++;
	return buffer[pos] === 0x22 && buffer[pos + 1] === 0x24;
}

function setTyped(
	slot: Slot,
	row: number,
	value: TypedValue,
	cursor: JsonCursor,
): boolean {
	const builder = slot.builder as Builder;
	switch (value.type) {
		case "string":
			if (builder.kind !== "bytes" || builder.type !== "string") return false;
			if ("start" in value)
				builder.setRange(row, cursor.buffer, value.start, value.stop);
			else builder.setText(row, value.value);
			return true;
		case "binary":
			if (builder.kind !== "bytes" || builder.type !== "binary") return false;
			builder.set(row, value.value);
			return true;
		case "timestamp":
			if (builder.kind !== "i64" || builder.type !== "timestamp") return false;
			if (typeof value.value === "bigint") builder.setBigInt(row, value.value);
			else if (Number.isSafeInteger(value.value * 1000))
				builder.set(row, value.value * 1000);
			else builder.setBigInt(row, BigInt(value.value) * 1000n);
			return true;
		case "long":
			return typeof value.value === "bigint"
				? setBigInteger(builder, row, value.value)
				: setInteger(slot, row, value.value);
		case "double":
			if (builder.kind !== "f64" || builder.type !== "double") return false;
			builder.set(row, value.value);
			return true;
	}
}

function setBoolean(slot: Slot, row: number, value: boolean): boolean {
	slot.builder ??= newBuilder("boolean", false);
	if (slot.builder.kind !== "bool") return false;
	slot.builder.set(row, value);
	return true;
}

const RANGE: Readonly<Record<string, number>> = {
	byte: 0x7f,
	short: 0x7fff,
	integer: 0x7fff_ffff,
};

/** `value` is within ±10^15. */
function setInteger(slot: Slot, row: number, value: number): boolean {
	const builder = slot.builder as Builder;
	switch (builder.kind) {
		case "i64":
			if (builder.type !== "long")
				return setBigInteger(builder, row, BigInt(value));
			builder.set(row, value);
			return true;
		case "f64":
			if (builder.type !== "double") return false;
			builder.set(row, value);
			return true;
		default:
			return setBigInteger(builder, row, BigInt(value));
	}
}

function setBigInteger(builder: Builder, row: number, value: bigint): boolean {
	switch (builder.kind) {
		case "i64": {
			if (builder.type === "long") {
				if (BigInt.asIntN(64, value) !== value) return false;
				builder.setBigInt(row, value);
				return true;
			}
			const decimal = decimalParts(builder.type);
			if (decimal === undefined) return false;
			const unscaled = value * 10n ** BigInt(decimal.scale);
			if (tooLong(unscaled, decimal.precision)) return false;
			builder.setBigInt(row, unscaled);
			return true;
		}
		case "fixed16": {
			const decimal = decimalParts(builder.type);
			if (decimal === undefined) return false;
			const unscaled = value * 10n ** BigInt(decimal.scale);
			if (tooLong(unscaled, decimal.precision)) return false;
			builder.setBigInt(row, unscaled);
			return true;
		}
		case "i32": {
			const limit = RANGE[String(builder.type)];
			const number = Number(value);
			if (limit === undefined || number > limit || number < -limit - 1)
				return false;
			builder.set(row, number);
			return true;
		}
		case "f64": {
			const number = Number(value);
			if (builder.type !== "double" || BigInt(number) !== value) return false;
			builder.set(row, number);
			return true;
		}
		case "bytes":
			// Keys of one collection may be of several types; the text of a number stays distinct.
			return false;
		default:
			return false;
	}
}

function tooLong(unscaled: bigint, precision: number): boolean {
	const limit = 10n ** BigInt(precision);
	return unscaled >= limit || unscaled <= -limit;
}

function setDouble(
	slot: Slot,
	row: number,
	value: number,
	text: string,
): boolean {
	const builder = slot.builder as Builder;
	if (builder.kind === "f64" && builder.type === "double") {
		builder.set(row, value);
		return true;
	}
	if (builder.kind !== "i64" || builder.type !== "long") return false;
	if (!slot.settled) {
		// No file has this column yet, so it can still become what holds both.
		const doubles: F64Builder | undefined = (builder as I64Builder).asDoubles();
		if (doubles !== undefined) {
			doubles.set(row, value);
			slot.builder = doubles;
			return true;
		}
	}
	// `3.0` is the integer 3; anything finer would lose digits.
	if (!Number.isSafeInteger(value) || Object.is(value, -0)) return false;
	if (!/^-?\d+\.0+$/.test(text)) return false;
	builder.set(row, value);
	return true;
}
