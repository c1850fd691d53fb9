import { encodeVariant, type JsonValue } from "../columnar/variant-encode.ts";
import { TributaryError } from "../errors.ts";
import { digitsOf } from "./decimal-text.ts";
import type { DocumentBuilder } from "./document-builder.ts";
import { bsonValue, opensExtended } from "./extended-json.ts";
import type { JsonReader } from "./json.ts";
import { JsonSyntaxError } from "./json-input.ts";
import { DOUBLE, type NumberReader } from "./number.ts";

interface Reader {
	readonly json: JsonReader;
	readonly numbers: NumberReader;
}

/**
 * Reads a value of any kind into a column of documents. With `extended`, MongoDB's types become those of a
 * variant; JSON keeps them as they are written. What lies deeper than `depth` levels is JSON text within a
 * variant. False when no variant holds it.
 * @throws JsonSyntaxError
 */
export function readDocument(
	{ json, numbers }: Reader,
	builder: DocumentBuilder,
	row: number,
	options: { readonly extended: boolean; readonly depth: number },
): boolean {
	if (builder.type === "string") {
		builder.setJson(row, textOf(json));
		return true;
	}
	try {
		const value = jsonValue(json, numbers, options.extended, options.depth);
		builder.setVariant(row, encodeVariant(value));
		return true;
	} catch (error) {
		if (error instanceof TributaryError && error.code === "VARIANT_INVALID")
			return false;
		throw error;
	}
}

/**
 * As `readDocument`, for JSON in a string, as relational sources have it.
 * @throws JsonSyntaxError
 */
export function readJsonText(
	{ json, numbers }: Reader,
	inner: JsonReader,
	builder: DocumentBuilder,
	row: number,
	depth: number,
): boolean {
	json.string();
	inner.load(Buffer.from(json.text()));
	try {
		return (
			readDocument({ json: inner, numbers }, builder, row, {
				extended: false,
				depth,
			}) &&
			inner.peek() === 0 &&
			inner.pos === inner.end
		);
	} catch (error) {
		if (error instanceof JsonSyntaxError) return false;
		throw error;
	} finally {
		inner.release();
	}
}

function textOf(json: JsonReader): string {
	json.peek();
	const from = json.pos;
	json.skip();
	return json.slice(from, json.pos);
}

function jsonValue(
	json: JsonReader,
	numbers: NumberReader,
	extended: boolean,
	depth: number,
): JsonValue {
	switch (json.peek()) {
		case 0x7b: {
			if (extended && opensExtended(json)) {
				const from = json.pos;
				const value = bsonOf(textOf(json));
				if (value !== undefined) return value;
				json.pos = from;
			}
			if (depth === 0) return textOf(json);
			const fields = new Map<string, JsonValue>();
			json.pos++;
			if (json.accept(0x7d)) return fields;
			do {
				json.key();
				const name = json.text();
				fields.set(name, jsonValue(json, numbers, extended, depth - 1));
			} while (json.accept(0x2c));
			json.expect(0x7d);
			return fields;
		}
		case 0x5b: {
			if (depth === 0) return textOf(json);
			const items: JsonValue[] = [];
			json.pos++;
			if (json.accept(0x5d)) return items;
			do items.push(jsonValue(json, numbers, extended, depth - 1));
			while (json.accept(0x2c));
			json.expect(0x5d);
			return items;
		}
		case 0x22:
		case 0x5c:
			json.string();
			return json.text();
		case 0x74:
			json.true();
			return true;
		case 0x66:
			json.false();
			return false;
		case 0x6e:
			json.null();
			return null;
		default: {
			if (numbers.read(json) !== DOUBLE) {
				const whole = BigInt(numbers.text(json));
				return digitsOf(whole) <= 38 ? whole : numbers.text(json);
			}
			// Beyond the doubles the text says more than an infinity.
			return Number.isFinite(numbers.value)
				? { double: numbers.value }
				: numbers.text(json);
		}
	}
}

/** `undefined` for an object that stays one, such as a regular expression. */
function bsonOf(text: string): JsonValue | undefined {
	const value = bsonValue(text);
	if (value === undefined) return undefined;
	switch (value.type) {
		case "string":
			// What has no type of its own keeps its Extended JSON.
			return value.value === text ? undefined : value.value;
		case "decimal":
			return variantDecimal(value.value) ?? value.value;
		case "timestamp":
			return { micros: value.value };
		case "double":
			return { double: value.value };
		default:
			return value.value;
	}
}

/** With the digits behind the point that the text has. */
function variantDecimal(text: string): JsonValue | undefined {
	const match = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text);
	if (match === null || /^-0*(\.0*)?$/.test(text)) return undefined;
	const [, sign, whole = "", fraction = ""] = match;
	const unscaled = BigInt(`${sign}${whole}${fraction}`);
	return fraction.length <= 38 && digitsOf(unscaled) <= 38
		? { unscaled, scale: fraction.length }
		: undefined;
}
