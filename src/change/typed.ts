import {
	type Builder,
	newBuilder,
	type Slot,
	type StructBuilder,
} from "../columnar/builder.ts";
import { decimalParts } from "../columnar/types.ts";
import { decimalText } from "../columnar/value.ts";
import type { TypedField } from "./connect-schema.ts";
import { canHold } from "./fit.ts";
import { isJsonNumber, type JsonCursor, JsonSyntaxError } from "./json.ts";
import type { Rescued } from "./rescue.ts";

/**
 * Reads JSON values whose types a Connect schema gives. A column of the table that has another type
 * takes what it can hold exactly; the rest is rescued with its original text.
 */
export class TypedReader {
	readonly #cursor: JsonCursor;
	readonly #rescued: Rescued;
	readonly #newFields: boolean;
	readonly #path: (string | number)[] = [];

	constructor(
		cursor: JsonCursor,
		rescued: Rescued,
		options: { readonly newFields: boolean },
	) {
		this.#cursor = cursor;
		this.#rescued = rescued;
		this.#newFields = options.newFields;
	}

	/** Forgets where a row was left that could not be read to its end. */
	reset(): void {
		this.#path.length = 0;
	}

	/**
	 * Reads an object of these fields, which JsonConverter writes in the schema's order.
	 * @throws JsonSyntaxError
	 */
	object(
		into: StructBuilder,
		row: number,
		fields: readonly TypedField[],
		reserved?: ReadonlySet<string>,
	): void {
		const cursor = this.#cursor;
		cursor.expect(0x7b);
		into.begin(row);
		if (cursor.accept(0x7d)) return;
		let next = 0;
		do {
			cursor.string();
			let field = fields[next];
			if (field === undefined || cursor.text() !== field.name) {
				const name = cursor.text();
				field = fields.find((one) => one.name === name);
				if (field === undefined)
					throw new JsonSyntaxError(`field ${name} is not in the schema`);
				next = fields.indexOf(field);
			}
			next++;
			cursor.expect(0x3a);
			this.#field(into, row, field, reserved);
		} while (cursor.accept(0x2c));
		cursor.expect(0x7d);
	}

	#field(
		into: StructBuilder,
		row: number,
		field: TypedField,
		reserved: ReadonlySet<string> | undefined,
	): void {
		const cursor = this.#cursor;
		cursor.peek();
		const from = cursor.pos;
		let slot = into.find(field.name);
		if (
			slot === undefined &&
			this.#newFields &&
			field.name !== "" &&
			!(reserved?.has(field.name.toLowerCase()) ?? false)
		)
			slot = into.add(field.name);
		if (slot !== undefined) {
			this.#path.push(field.name);
			const fits = this.#value(slot, row, field);
			this.#path.pop();
			if (fits) return;
			if (slot.builder !== undefined && slot.builder.length > row)
				slot.builder.truncate(row);
		}
		cursor.pos = from;
		cursor.skip();
		const text = cursor.slice(from, cursor.pos);
		if (text !== "null") this.#rescued.add([...this.#path, field.name], text);
	}

	#value(slot: Slot, row: number, field: TypedField): boolean {
		const cursor = this.#cursor;
		if (cursor.peek() === 0x6e) {
			cursor.literal("null");
			// The type is known even where the value is not.
			slot.builder ??= newBuilder(field.type, false);
			if (slot.builder.length > row) slot.builder.truncate(row);
			return true;
		}
		slot.builder ??= newBuilder(field.type, false);
		const { builder } = slot;
		switch (field.conversion) {
			case "struct":
				if (builder.kind !== "struct") return false;
				this.object(builder, row, field.fields);
				return true;
			case "array": {
				if (builder.kind !== "list" || field.element === undefined)
					return false;
				cursor.expect(0x5b);
				let at = builder.begin(row);
				if (!cursor.accept(0x5d)) {
					do {
						if (!this.#value(builder.element, at, field.element)) return false;
						at++;
					} while (cursor.accept(0x2c));
					cursor.expect(0x5d);
				} else
					builder.element.builder ??= newBuilder(field.element.type, false);
				builder.end(row, at);
				return true;
			}
			default:
				return this.#scalar(builder, row, field);
		}
	}

	#scalar(builder: Builder, row: number, field: TypedField): boolean {
		const cursor = this.#cursor;
		if (cursor.peek() === 0x22) {
			cursor.string();
			if (
				field.conversion === "plain" &&
				!cursor.escaped &&
				builder.kind === "bytes" &&
				builder.type === "string"
			) {
				builder.setRange(row, cursor.buffer, cursor.start, cursor.stop);
				return true;
			}
			const text = cursor.text();
			switch (field.conversion) {
				case "decimal":
					return setDecimal(builder, row, unscaledOf(text), field.scale);
				case "base64":
					if (builder.kind !== "bytes" || builder.type !== "binary")
						return false;
					builder.set(row, Buffer.from(text, "base64"));
					return true;
				case "zoned": {
					const micros = parseZoned(text);
					if (
						micros === undefined ||
						builder.kind !== "i64" ||
						builder.type !== "timestamp"
					)
						return false;
					builder.setBigInt(row, micros);
					return true;
				}
				default:
					if (
						builder.kind !== "bytes" ||
						builder.type !== "string" ||
						!text.isWellFormed()
					)
						return false;
					builder.setText(row, text);
					return true;
			}
		}
		const from = cursor.pos;
		cursor.skip();
		const text = cursor.slice(from, cursor.pos);
		switch (field.conversion) {
			case "variable-decimal": {
				const parts = JSON.parse(text) as { scale: number; value: string };
				return setDecimal(builder, row, unscaledOf(parts.value), parts.scale);
			}
			case "text":
				if (builder.kind !== "bytes" || builder.type !== "string") return false;
				builder.setText(row, text);
				return true;
		}
		if (text === "true" || text === "false") {
			if (builder.kind !== "bool") return false;
			builder.set(row, text === "true");
			return true;
		}
		if (!isJsonNumber(text))
			throw new JsonSyntaxError(`${text.slice(0, 40)} is no number`);
		return setNumber(builder, row, text, field);
	}
}

function setNumber(
	builder: Builder,
	row: number,
	text: string,
	field: TypedField,
): boolean {
	if (builder.kind === "f64") {
		const value = Number(text);
		if (!Number.isFinite(value) || !canHold(builder.type, field.type))
			return false;
		builder.set(row, value);
		return true;
	}
	if (!/^-?\d+$/.test(text)) return false;
	const value = BigInt(text);
	switch (field.conversion) {
		case "time-millis":
			return setTime(builder, row, value * 1000n, 3);
		case "time-micros":
			return setTime(builder, row, value, 6);
		case "time-nanos":
			return setTime(builder, row, value / 1000n, 6);
		case "millis":
			return setMicros(builder, row, value * 1000n);
		case "micros":
			return setMicros(builder, row, value);
		case "nanos":
			return setMicros(builder, row, value / 1000n);
		case "date":
			if (builder.type === "date" && builder.kind === "i32") {
				builder.set(row, Number(value));
				return true;
			}
			return builder.type === "timestamp_ntz"
				? setMicros(builder, row, value * 86_400_000_000n)
				: false;
	}
	if (builder.kind === "i32" && canHold(builder.type, field.type)) {
		builder.set(row, Number(value));
		return true;
	}
	if (builder.kind === "i64" && builder.type === "long") {
		if (BigInt.asIntN(64, value) !== value) return false;
		builder.setBigInt(row, value);
		return true;
	}
	return false;
}

function setMicros(builder: Builder, row: number, micros: bigint): boolean {
	if (builder.kind !== "i64" || builder.type !== "timestamp_ntz") return false;
	builder.setBigInt(row, micros);
	return true;
}

function setTime(
	builder: Builder,
	row: number,
	micros: bigint,
	digits: number,
): boolean {
	if (builder.kind !== "bytes" || builder.type !== "string") return false;
	const total = Number(micros / 1_000_000n);
	const two = (part: number): string => String(part).padStart(2, "0");
	const fraction = String(micros % 1_000_000n)
		.padStart(6, "0")
		.slice(0, digits);
	builder.setText(
		row,
		`${two(Math.floor(total / 3600))}:${two(Math.floor(total / 60) % 60)}:${two(total % 60)}.${fraction}`,
	);
	return true;
}

function setDecimal(
	builder: Builder,
	row: number,
	unscaled: bigint,
	scale: number,
): boolean {
	if (builder.kind === "bytes" && builder.type === "string") {
		builder.setText(row, decimalText(unscaled, scale));
		return true;
	}
	const target = decimalParts(builder.type);
	if (target === undefined || target.scale < scale) return false;
	const value = unscaled * 10n ** BigInt(target.scale - scale);
	const limit = 10n ** BigInt(target.precision);
	if (value >= limit || value <= -limit) return false;
	if (builder.kind !== "i64" && builder.kind !== "fixed16") return false;
	builder.setBigInt(row, value);
	return true;
}

/** Two's complement, big-endian, in base64. */
function unscaledOf(base64: string): bigint {
	const bytes = Buffer.from(base64, "base64");
	if (bytes.length === 0) return 0n;
	return BigInt.asIntN(bytes.length * 8, BigInt(`0x${bytes.toString("hex")}`));
}

/** Microseconds of `2026-11-21T01:30:41.279572Z`; finer digits are cut, as PostgreSQL has none. */
function parseZoned(text: string): bigint | undefined {
	const match = /^(.+T\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[-+]\d\d:\d\d)$/.exec(
		text,
	);
	if (match === null) return undefined;
	const ms = Date.parse(`${match[1]}${match[3]}`);
	if (Number.isNaN(ms)) return undefined;
	return (
		BigInt(ms) * 1000n + BigInt((match[2] ?? "").padEnd(6, "0").slice(0, 6))
	);
}
