import { ParquetError } from "./errors.ts";

/*
 * The reading side of Thrift's compact protocol; thrift.ts shows the layout. Everything is bounded by
 * the bytes that are there: no length or count that they announce is trusted before it fits.
 */
const STOP = 0;
const TRUE = 1;
const FALSE = 2;
const I8 = 3;
const I16 = 4;
const I32 = 5;
const I64 = 6;
const DOUBLE = 7;
const BINARY = 8;
const LIST = 9;
const SET = 10;
const MAP = 11;
const STRUCT = 12;
const UUID = 13;

/** Structs and lists in each other that no footer reaches. */
const MAX_DEPTH = 64;

const NAMES: Readonly<Record<number, string>> = {
	[TRUE]: "a boolean",
	[I8]: "an i8",
	[I64]: "an integer",
	[BINARY]: "bytes",
	[LIST]: "a list",
	[STRUCT]: "a struct",
};

/**
 * Reads structs field by field. Inside of `struct`, the callback reads the field it is called for
 * with the method of its type, or leaves it, and then it is skipped.
 *
 * Every method throws ParquetError `PARQUET_INVALID` when the bytes end or hold another type.
 */
export class CompactReader {
	/** Position of the next byte. */
	offset: number;
	readonly #bytes: Uint8Array;
	/** Type of the value that is to be read next; STOP when it was read. */
	#type = STOP;
	#depth = 0;

	constructor(bytes: Uint8Array, offset = 0) {
		this.#bytes = bytes;
		this.offset = offset;
	}

	/** Reads the struct that a file or page starts with, or of the current field. */
	struct(visit: (id: number) => void): void {
		if (this.#depth > 0) this.#expect(STRUCT);
		this.#enter();
		let id = 0;
		for (;;) {
			const byte = this.#byte();
			const type = byte & 0x0f;
			if (type === STOP) break;
			const delta = byte >> 4;
			id = delta === 0 ? this.#zigzag() : id + delta;
			this.#type = type;
			visit(id);
			if (this.#type !== STOP) this.#skip();
		}
		this.#depth--;
		this.#type = STOP;
	}

	bool(): boolean {
		const type = this.#type;
		if (type !== TRUE && type !== FALSE) throw this.#unexpected(TRUE);
		this.#type = STOP;
		return type === TRUE;
	}

	i8(): number {
		this.#expect(I8);
		return (this.#byte() << 24) >> 24;
	}

	/** An integer of 16 to 64 bits within ±2^52: sizes, offsets and counts. */
	integer(): number {
		const type = this.#type;
		if (type !== I16 && type !== I32 && type !== I64)
			throw this.#unexpected(I64);
		this.#type = STOP;
		return this.#zigzag();
	}

	/** A view of the bytes. */
	binary(): Uint8Array {
		this.#expect(BINARY);
		const length = this.#varint();
		if (length > this.#bytes.length - this.offset)
			throw damaged(
				`${length} bytes are announced where ${this.#bytes.length - this.offset} are left`,
			);
		this.offset += length;
		return this.#bytes.subarray(this.offset - length, this.offset);
	}

	text(): string {
		return decoder.decode(this.binary());
	}

	/** `item` has to read one item. */
	list<T>(item: () => T): T[] {
		this.#expect(LIST);
		this.#enter();
		const { type, size } = this.#listHeader();
		const items: T[] = [];
		for (let i = 0; i < size; i++) {
			// In a list a boolean is a byte.
			this.#type =
				type === TRUE || type === FALSE
					? this.#byte() === TRUE
						? TRUE
						: FALSE
					: type;
			items.push(item());
			if (this.#type !== STOP) this.#skip();
		}
		this.#depth--;
		this.#type = STOP;
		return items;
	}

	/** Bounds the stack. */
	#enter(): void {
		if (++this.#depth > MAX_DEPTH)
			throw damaged(`more than ${MAX_DEPTH} structs and lists in each other`);
	}

	#listHeader(): { readonly type: number; readonly size: number } {
		const byte = this.#byte();
		const size = byte >> 4 === 15 ? this.#varint() : byte >> 4;
		// Every item has a byte at least.
		if (size > this.#bytes.length - this.offset)
			throw damaged(
				`a list of ${size} is announced where ${this.#bytes.length - this.offset} bytes are left`,
			);
		const type = byte & 0x0f;
		if (type === STOP && size > 0) throw damaged("a list's items have no type");
		return { type, size };
	}

	#skip(): void {
		const type = this.#type;
		this.#type = STOP;
		switch (type) {
			case TRUE:
			case FALSE:
				return;
			case I8:
				this.#byte();
				return;
			case I16:
			case I32:
			case I64:
				for (let i = 0; this.#byte() & 0x80; i++)
					if (i === 9) throw damaged("an integer is too long");
				return;
			case DOUBLE:
			case UUID:
				this.offset += type === DOUBLE ? 8 : 16;
				if (this.offset > this.#bytes.length) throw damaged("it is cut off");
				return;
			case BINARY:
				this.#type = BINARY;
				this.binary();
				return;
			case SET:
			case LIST:
				this.#type = LIST;
				this.list(() => {});
				return;
			case STRUCT:
				this.#type = STRUCT;
				this.struct(() => {});
				return;
			default:
				throw damaged(
					type === MAP
						? "there is a map, which Parquet has nowhere"
						: `there is a value of the unknown type ${type}`,
				);
		}
	}

	#expect(type: number): void {
		if (this.#type !== type) throw this.#unexpected(type);
		this.#type = STOP;
	}

	#unexpected(wanted: number): ParquetError {
		return damaged(
			`${NAMES[wanted]} is expected where a value of type ${this.#type} is`,
		);
	}

	#zigzag(): number {
		const value = this.#varint();
		return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
	}

	#varint(): number {
		let value = 0;
		let scale = 1;
		for (;;) {
			const byte = this.#byte();
			value += (byte & 0x7f) * scale;
			if (value > Number.MAX_SAFE_INTEGER)
				throw damaged("an integer is too large");
			if (byte < 0x80) return value;
			scale *= 128;
			if (scale > 2 ** 63) throw damaged("an integer is too long");
		}
	}

	#byte(): number {
		const byte = this.#bytes[this.offset];
		if (byte === undefined) throw damaged("it is cut off");
		this.offset++;
		return byte;
	}
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function damaged(what: string): ParquetError {
	return new ParquetError(
		"PARQUET_INVALID",
		`a Thrift structure is damaged: ${what}`,
	);
}
