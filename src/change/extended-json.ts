import { type JsonCursor, JsonSyntaxError } from "./json.ts";

/** A value that its Extended JSON form gives a type. */
export type TypedValue =
	| { readonly type: "string"; readonly value: string }
	/** Bytes of the cursor's buffer, as they are. */
	| { readonly type: "string"; readonly start: number; readonly stop: number }
	/** In units of `scale` microseconds; an integer of at most 15 digits. */
	| { readonly type: "timestamp"; readonly value: number; readonly scale: 1000 }
	| { readonly type: "long"; readonly value: number }
	| { readonly type: "binary"; readonly value: Uint8Array }
	| { readonly type: "timestamp"; readonly value: bigint }
	| { readonly type: "long"; readonly value: bigint }
	| { readonly type: "double"; readonly value: number };

/**
 * A BSON value in the Extended JSON that Debezium's MongoDB connector writes, such as
 * `{"$oid": "…"}` or `{"$date": 1767323045678}`; `undefined` when the object is a document after all,
 * or a value that no type holds exactly, such as NaN.
 */
export function extendedValue(cursor: JsonCursor): TypedValue | undefined {
	const from = cursor.pos;
	const common = commonValue(cursor);
	if (common !== undefined) return common;
	cursor.pos = from;
	cursor.skip();
	const text = cursor.slice(from, cursor.pos);
	let object: Record<string, unknown>;
	try {
		object = JSON.parse(text) as Record<string, unknown>;
	} catch {
		throw new JsonSyntaxError(`a bad value at byte ${from}`);
	}
	const names = Object.keys(object);
	const [first = ""] = names;
	const value = object[first];
	const only = names.length === 1;
	switch (first) {
		case "$oid":
			return only && typeof value === "string" && /^[\da-f]{24}$/i.test(value)
				? { type: "string", value: value.toLowerCase() }
				: undefined;
		case "$numberInt":
		case "$numberLong":
			return only && typeof value === "string" && /^-?\d{1,19}$/.test(value)
				? { type: "long", value: BigInt(value) }
				: undefined;
		case "$numberDouble": {
			if (!only || typeof value !== "string") return undefined;
			const special: Readonly<Record<string, number>> = {
				NaN: Number.NaN,
				Infinity: Number.POSITIVE_INFINITY,
				"-Infinity": Number.NEGATIVE_INFINITY,
			};
			const double =
				special[value] ?? (value.trim() === "" ? Number.NaN : Number(value));
			if (Number.isNaN(double) && value !== "NaN") return undefined;
			return { type: "double", value: double };
		}
		case "$numberDecimal":
			return only && typeof value === "string"
				? { type: "string", value }
				: undefined;
		case "$date": {
			if (!only) return undefined;
			const ms = dateMs(value);
			return ms === undefined
				? undefined
				: { type: "timestamp", value: ms * 1000n };
		}
		case "$uuid":
			return only && typeof value === "string"
				? { type: "string", value: value.toLowerCase() }
				: undefined;
		case "$binary":
			return binary(object);
		case "$regularExpression":
		case "$regex":
		case "$timestamp":
		case "$minKey":
		case "$maxKey":
		case "$symbol":
		case "$code":
		case "$undefined":
		case "$dbPointer":
			// Values without a counterpart keep their Extended JSON.
			return { type: "string", value: text };
		default:
			return undefined;
	}
}

const OID = Buffer.from("$oid");
const DATE = Buffer.from("$date");
const NUMBER_LONG = Buffer.from("$numberLong");
const NUMBER_DECIMAL = Buffer.from("$numberDecimal");

/** The values that nearly every document has, read without a parse of their own. */
function commonValue(cursor: JsonCursor): TypedValue | undefined {
	cursor.expect(0x7b);
	cursor.string();
	const oid = cursor.isString(OID);
	const long = !oid && cursor.isString(NUMBER_LONG);
	const decimal = !oid && !long && cursor.isString(NUMBER_DECIMAL);
	const date = !oid && !long && !decimal && cursor.isString(DATE);
	if (!oid && !long && !decimal && !date) return undefined;
	cursor.expect(0x3a);
	if (date) {
		const ms = cursor.smallInteger();
		if (ms === undefined || !cursor.accept(0x7d)) return undefined;
		return { type: "timestamp", value: ms, scale: 1000 };
	}
	if (cursor.peek() !== 0x22) return undefined;
	cursor.string();
	if (cursor.escaped) return undefined;
	const { start, stop } = cursor;
	if (!cursor.accept(0x7d)) return undefined;
	if (oid) {
		if (stop - start !== 24 || !isLowerHex(cursor.buffer, start, stop))
			return undefined;
		return { type: "string", start, stop };
	}
	if (decimal) return { type: "string", start, stop };
	const at = cursor.pos;
	cursor.pos = start;
	const value = cursor.smallInteger();
	const whole = cursor.pos === stop;
	cursor.pos = at;
	return value === undefined || !whole ? undefined : { type: "long", value };
}

function isLowerHex(buffer: Uint8Array, from: number, to: number): boolean {
	for (let i = from; i < to; i++) {
		const byte = buffer[i] as number;
		if (!((byte >= 0x30 && byte <= 0x39) || (byte >= 0x61 && byte <= 0x66)))
			return false;
	}
	return true;
}

function dateMs(value: unknown): bigint | undefined {
	if (typeof value === "number" && Number.isSafeInteger(value))
		return BigInt(value);
	if (typeof value === "string") {
		const ms = Date.parse(value);
		return Number.isNaN(ms) ? undefined : BigInt(ms);
	}
	if (typeof value === "object" && value !== null && "$numberLong" in value) {
		const text = value.$numberLong;
		return typeof text === "string" && /^-?\d{1,16}$/.test(text)
			? BigInt(text)
			: undefined;
	}
	return undefined;
}

/** Both forms: `{"$binary": "…", "$type": "00"}` and `{"$binary": {"base64": …, "subType": …}}`. */
function binary(object: Record<string, unknown>): TypedValue | undefined {
	let base64 = object.$binary;
	let subType = object.$type;
	if (typeof base64 === "object" && base64 !== null && "base64" in base64) {
		subType = "subType" in base64 ? base64.subType : undefined;
		base64 = base64.base64;
	}
	if (typeof base64 !== "string" || typeof subType !== "string")
		return undefined;
	const bytes = Buffer.from(base64, "base64");
	if (/^0?4$/.test(subType) && bytes.length === 16)
		return {
			type: "string",
			value: bytes
				.toString("hex")
				.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5"),
		};
	return { type: "binary", value: bytes };
}
