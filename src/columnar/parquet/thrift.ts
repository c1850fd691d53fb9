import { ByteSink } from "./bytes.ts";

/*
 * Thrift's compact protocol, as far as Parquet's footer and page headers use it.
 *
 *   field    one byte (id − previous id) << 4 | type when the difference is 1 to 15,
 *            else one byte type and the id as a zigzag varint
 *   struct   fields, then a byte 0
 *   bool     the field's type itself (1 true, 2 false); in a list one byte
 *   i8       one byte
 *   i16 to i64  zigzag varint
 *   binary   varint length, bytes
 *   list     one byte size << 4 | type for a size below 15, else 0xF0 | type and a varint size
 */
const TRUE = 1;
const FALSE = 2;
const I8 = 3;
const I16 = 4;
const I32 = 5;
const I64 = 6;
const BINARY = 8;
const LIST = 9;
const STRUCT = 12;

const encoder = new TextEncoder();

/** Writes one struct; fields have to come in ascending order of their ids. */
export class CompactWriter {
	readonly #sink: ByteSink;
	#last = 0;

	constructor(sink = new ByteSink()) {
		this.#sink = sink;
	}

	bool(id: number, value: boolean): void {
		this.#field(id, value ? TRUE : FALSE);
	}

	i8(id: number, value: number): void {
		this.#field(id, I8);
		this.#sink.byte(value & 0xff);
	}

	i16(id: number, value: number): void {
		this.#field(id, I16);
		this.#zigzag(value);
	}

	i32(id: number, value: number): void {
		this.#field(id, I32);
		this.#zigzag(value);
	}

	/** `value` is a safe integer: sizes, offsets and counts. */
	i64(id: number, value: number): void {
		this.#field(id, I64);
		this.#zigzag(value);
	}

	binary(id: number, value: Uint8Array | string): void {
		this.#field(id, BINARY);
		this.#bytes(value);
	}

	struct(id: number, body: () => void): void {
		this.#field(id, STRUCT);
		this.#body(body);
	}

	structs<T>(id: number, items: readonly T[], body: (item: T) => void): void {
		this.#list(id, STRUCT, items.length);
		for (const item of items) this.#body(() => body(item));
	}

	i32s(id: number, items: readonly number[]): void {
		this.#list(id, I32, items.length);
		for (const item of items) this.#zigzag(item);
	}

	i64s(id: number, items: readonly number[]): void {
		this.#list(id, I64, items.length);
		for (const item of items) this.#zigzag(item);
	}

	bools(id: number, items: readonly boolean[]): void {
		this.#list(id, TRUE, items.length);
		for (const item of items) this.#sink.byte(item ? TRUE : FALSE);
	}

	binaries(id: number, items: readonly (Uint8Array | string)[]): void {
		this.#list(id, BINARY, items.length);
		for (const item of items) this.#bytes(item);
	}

	/** Ends the struct; the bytes are a view into the sink. */
	finish(): Uint8Array<ArrayBuffer> {
		this.#sink.byte(0);
		return this.#sink.written();
	}

	#body(body: () => void): void {
		const outer = this.#last;
		this.#last = 0;
		body();
		this.#sink.byte(0);
		this.#last = outer;
	}

	#field(id: number, type: number): void {
		const delta = id - this.#last;
		if (delta > 0 && delta <= 15) {
			this.#sink.byte((delta << 4) | type);
		} else {
			this.#sink.byte(type);
			this.#zigzag(id);
		}
		this.#last = id;
	}

	#list(id: number, type: number, size: number): void {
		this.#field(id, LIST);
		if (size < 15) {
			this.#sink.byte((size << 4) | type);
		} else {
			this.#sink.byte(0xf0 | type);
			this.#sink.varint(size);
		}
	}

	#zigzag(value: number): void {
		this.#sink.varint(value < 0 ? -2 * value - 1 : 2 * value);
	}

	#bytes(value: Uint8Array | string): void {
		const bytes = typeof value === "string" ? encoder.encode(value) : value;
		this.#sink.varint(bytes.length);
		this.#sink.append(bytes);
	}
}
