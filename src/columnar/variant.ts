import { TributaryError } from "../errors.ts";
import {
	dateText,
	decimalText,
	numberText,
	timestampText,
} from "./value-text.ts";

/*
 * A variant is two byte strings (parquet-format, VariantEncoding.md), integers little-endian:
 *
 *   metadata  u8 header: version 1 | sorted << 4 | (offset size - 1) << 6
 *             dictionary size n, n + 1 offsets, UTF-8 names
 *   value     u8 basic type | header << 2, then
 *     0 primitive  header = type, see `primitive`
 *     1 string     header = length; UTF-8
 *     2 object     header = (offset size - 1) | (id size - 1) << 2 | large << 4
 *                  n (u8, or u32 when large), n ids, n + 1 offsets, values in any order
 *     3 array      header = (offset size - 1) | large << 2
 *                  n, n + 1 offsets, values
 */
const VERSION = 1;

/** Levels of nesting: more would exhaust the stack. */
export const MAX_DEPTH = 500;

/**
 * A variant as JSON text that loses nothing: all digits of integers and decimals, dates and
 * timestamps in ISO 8601, binary in base64, NaN and infinities as strings. Fields come in the order of
 * the encoding.
 * @throws TributaryError `VARIANT_INVALID` for bytes that are no variant
 */
export function variantJson(metadata: Uint8Array, value: Uint8Array): string {
	const names = dictionary(new Reader(metadata, "metadata"));
	return valueJson(new Reader(value, "value"), names, 0);
}

/** Fails instead of reading past the end. */
class Reader {
	readonly #bytes: Uint8Array;
	readonly #view: DataView;
	readonly #end: number;
	readonly #what: string;
	#at: number;

	constructor(
		bytes: Uint8Array,
		what: string,
		view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
		start = 0,
		end = bytes.length,
	) {
		this.#bytes = bytes;
		this.#what = what;
		this.#view = view;
		this.#at = start;
		this.#end = end;
	}

	get left(): number {
		return this.#end - this.#at;
	}

	/** The place of the next `size` bytes. */
	skip(size: number): number {
		const at = this.#at;
		if (size > this.#end - at)
			throw invalid(
				`its ${this.#what} has ${this.left} bytes left where ${size} are announced`,
			);
		this.#at = at + size;
		return at;
	}

	take(size: number): Uint8Array {
		const at = this.skip(size);
		return this.#bytes.subarray(at, at + size);
	}

	unsigned(size: number): number {
		const at = this.skip(size);
		let result = 0;
		for (let i = size - 1; i >= 0; i--)
			result = result * 256 + (this.#bytes[at + i] as number);
		return result;
	}

	signed(size: 1 | 2 | 4): number {
		const at = this.skip(size);
		if (size === 1) return this.#view.getInt8(at);
		return size === 2
			? this.#view.getInt16(at, true)
			: this.#view.getInt32(at, true);
	}

	long(): bigint {
		return this.#view.getBigInt64(this.skip(8), true);
	}

	float(): number {
		return this.#view.getFloat32(this.skip(4), true);
	}

	double(): number {
		return this.#view.getFloat64(this.skip(8), true);
	}

	text(size: number): string {
		const bytes = this.take(size);
		try {
			return utf8.decode(bytes);
		} catch (cause) {
			throw invalid(`a text in its ${this.#what} is no UTF-8`, cause);
		}
	}

	numbers(count: number, size: number): number[] {
		if (count * size > this.left) this.skip(count * size);
		const numbers: number[] = [];
		for (let i = 0; i < count; i++) numbers.push(this.unsigned(size));
		return numbers;
	}

	/** The bytes `[start, end)` from here on as a value of their own. */
	part(start: number, end: number): Reader {
		return new Reader(
			this.#bytes,
			this.#what,
			this.#view,
			this.#at + start,
			this.#at + end,
		);
	}
}

function dictionary(reader: Reader): (id: number) => string {
	const header = reader.unsigned(1);
	if ((header & 0xf) !== VERSION)
		throw invalid(
			`its metadata has version ${header & 0xf}; this engine reads version ${VERSION}`,
		);
	const size = (header >> 6) + 1;
	const count = reader.unsigned(size);
	const offsets = reader.numbers(count + 1, size);
	const names: (string | undefined)[] = [];
	return (id) => {
		const known = names[id];
		if (known !== undefined) return known;
		const [start, end] = [offsets[id], offsets[id + 1]];
		if (start === undefined || end === undefined)
			throw invalid(
				`a field has the name ${id} of a dictionary of ${count} names`,
			);
		if (start > end || end > reader.left)
			throw invalid(
				`the name ${id} lies at ${start} to ${end} of ${reader.left} bytes`,
			);
		const name = reader.part(start, end).text(end - start);
		names[id] = name;
		return name;
	};
}

function valueJson(
	reader: Reader,
	names: (id: number) => string,
	depth: number,
): string {
	if (depth > MAX_DEPTH)
		throw invalid(`it nests deeper than ${MAX_DEPTH} levels`);
	const head = reader.unsigned(1);
	const header = head >> 2;
	switch (head & 3) {
		case 0:
			return primitive(reader, header);
		case 1:
			return JSON.stringify(reader.text(header));
		case 2: {
			const count = reader.unsigned(header & 0x10 ? 4 : 1);
			const ids = reader.numbers(count, ((header >> 2) & 3) + 1);
			const parts = members(reader, count, (header & 3) + 1);
			const seen = new Set<string>();
			const fields = parts.map((part, i) => {
				const name = names(ids[i] as number);
				if (seen.has(name))
					throw invalid(`the field ${JSON.stringify(name)} is there twice`);
				seen.add(name);
				return `${JSON.stringify(name)}:${valueJson(part, names, depth + 1)}`;
			});
			return `{${fields.join(",")}}`;
		}
		default: {
			const count = reader.unsigned(header & 4 ? 4 : 1);
			const parts = members(reader, count, (header & 3) + 1);
			return `[${parts.map((part) => valueJson(part, names, depth + 1)).join(",")}]`;
		}
	}
}

/**
 * The bytes of each member, up to where the next one in the bytes begins: members may come in any
 * order, but none shares bytes with another, or a few bytes could stand for endless text.
 */
function members(reader: Reader, count: number, size: number): Reader[] {
	const offsets = reader.numbers(count + 1, size);
	const total = offsets.pop() ?? 0;
	if (total > reader.left)
		throw invalid(
			`its values take ${total} bytes where ${reader.left} are left`,
		);
	const ends = new Map<number, number>();
	const starts = [...offsets].sort((a, b) => a - b);
	for (const [i, start] of starts.entries()) {
		const end = starts[i + 1] ?? total;
		if (start >= end)
			throw invalid(`a value lies at ${start} to ${end} of ${total} bytes`);
		ends.set(start, end);
	}
	return offsets.map((start) => reader.part(start, ends.get(start) ?? start));
}

function primitive(reader: Reader, type: number): string {
	switch (type) {
		case 0:
			return "null";
		case 1:
			return "true";
		case 2:
			return "false";
		case 3:
			return String(reader.signed(1));
		case 4:
			return String(reader.signed(2));
		case 5:
			return String(reader.signed(4));
		case 6:
			return String(reader.long());
		case 7:
			return numberJson(reader.double(), "double");
		case 8:
			return decimalJson(reader, () => BigInt(reader.signed(4)));
		case 9:
			return decimalJson(reader, () => reader.long());
		case 10:
			return decimalJson(reader, () => {
				const low = BigInt.asUintN(64, reader.long());
				return (reader.long() << 64n) | low;
			});
		case 11:
			return JSON.stringify(dateText(reader.signed(4)));
		case 12:
			return JSON.stringify(`${timestampText(reader.long())}Z`);
		case 13:
			return JSON.stringify(timestampText(reader.long()));
		case 14:
			return numberJson(reader.float(), "float");
		case 15:
			return JSON.stringify(
				Buffer.from(reader.take(reader.unsigned(4))).toString("base64"),
			);
		case 16:
			return JSON.stringify(reader.text(reader.unsigned(4)));
		case 17:
			return JSON.stringify(timeText(reader.long()));
		case 18:
			return JSON.stringify(`${nanosText(reader.long())}Z`);
		case 19:
			return JSON.stringify(nanosText(reader.long()));
		case 20:
			return JSON.stringify(
				Buffer.from(reader.take(16))
					.toString("hex")
					.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-"),
			);
		default:
			throw invalid(
				`it has a value of the primitive type ${type}, which this engine does not know`,
			);
	}
}

function decimalJson(reader: Reader, unscaled: () => bigint): string {
	const scale = reader.unsigned(1);
	if (scale > 38) throw invalid(`it has a decimal of scale ${scale}`);
	return decimalText(unscaled(), scale);
}

function numberJson(value: number, type: "float" | "double"): string {
	const text = numberText(value, type);
	return Number.isFinite(value) ? text : JSON.stringify(text);
}

const DAY_MICROS = 86_400_000_000n;

function timeText(micros: bigint): string {
	if (micros < 0n || micros >= DAY_MICROS)
		throw invalid(`${micros} µs are no time of day`);
	return timestampText(micros).slice("1970-01-01T".length);
}

function nanosText(nanos: bigint): string {
	const rest = ((nanos % 1000n) + 1000n) % 1000n;
	return timestampText((nanos - rest) / 1000n) + String(rest).padStart(3, "0");
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function invalid(what: string, cause?: unknown): TributaryError {
	return new TributaryError(
		"VARIANT_INVALID",
		`a variant is damaged: ${what}`,
		{ cause },
	);
}
