import type { BytesBuilder } from "../columnar/bytes-builder.ts";
import { areDigits } from "./digits.ts";
import { BACKSLASH, hex4, SIMPLE_ESCAPES, writeUtf8 } from "./escape.ts";
import { mix } from "./field.ts";
import { JsonInput } from "./json-input.ts";

const QUOTE = 0x22;
/** "null", "true", and "alse" as little-endian words. */
const NULL = 0x6c6c756e;
const TRUE = 0x65757274;
const ALSE = 0x65736c61;

/**
 * Reads strings, keys, and values that are passed over, without an object for any. With `nested` the
 * quotes of the JSON read are `\"` and its escapes begin with `\\`; what needs more than that raises
 * UNESCAPE_FIRST.
 */
export class JsonReader extends JsonInput {
	/** The content of the string or key that was read last is `bytes[start, stop)`, still escaped. */
	start = 0;
	stop = 0;
	escaped = false;
	/** Of the key that was read last; only when it has no escapes. */
	hash = 0;
	#code = 0;
	#stack = new Uint8Array(64);

	/** Whether a string begins here. */
	atString(): boolean {
		const byte = this.peek();
		return this.nested
			? byte === BACKSLASH && this.bytes[this.pos + 1] === QUOTE
			: byte === QUOTE;
	}

	openString(): void {
		if (!this.atString()) this.fail(`expected a string at byte ${this.pos}`);
		this.pos += this.nested ? 2 : 1;
	}

	/** Passes over the quote that ends a string, if one comes next. */
	closesString(): boolean {
		const { bytes, pos, nested } = this;
		if (nested && bytes[pos] !== BACKSLASH) return false;
		if (bytes[nested ? pos + 1 : pos] !== QUOTE) return false;
		this.pos = nested ? pos + 2 : pos + 1;
		return true;
	}

	/** Reads a key and its colon; its extent is `start`, `stop`, `escaped`, and `hash`. */
	key(): void {
		this.openString();
		const { bytes, view } = this;
		let pos = this.pos;
		this.start = pos;
		let hash = 0;
		for (;;) {
			const word = view.getInt32(pos, true);
			const stops = stopsIn(word);
			if (stops === 0) {
				hash = mix(hash, word);
				pos += 4;
				continue;
			}
			const whole = Math.clz32(stops & -stops) ^ 31;
			pos += whole >> 3;
			this.hash = mix(hash, word & ((1 << (whole & 0x18)) - 1));
			break;
		}
		this.pos = pos;
		const ends = this.nested
			? bytes[pos] === BACKSLASH && bytes[pos + 1] === QUOTE
			: bytes[pos] === QUOTE;
		if (ends) {
			this.stop = pos;
			this.escaped = false;
			this.pos = pos + (this.nested ? 2 : 1);
		} else {
			this.pos = this.start;
			this.#restOfString();
		}
		if (bytes[this.pos] === 0x3a) this.pos++;
		else this.expect(0x3a);
	}

	/** Reads a string's extent: `start`, `stop`, `escaped`. */
	string(): void {
		this.openString();
		this.start = this.pos;
		this.#restOfString();
	}

	#restOfString(): void {
		const { view, bytes, nested } = this;
		this.escaped = false;
		let pos = this.pos;
		for (;;) {
			const stops = stopsIn(view.getInt32(pos, true));
			if (stops === 0) {
				pos += 4;
				continue;
			}
			pos += (Math.clz32(stops & -stops) ^ 31) >> 3;
			const byte = bytes[pos];
			if (
				nested ? byte === BACKSLASH && bytes[pos + 1] === QUOTE : byte === QUOTE
			) {
				this.stop = pos;
				this.pos = pos + (nested ? 2 : 1);
				return;
			}
			this.escaped = true;
			// The commonest by far, `\"` of a document inside a string, in a way of its own.
			if (
				!nested &&
				byte === BACKSLASH &&
				SIMPLE_ESCAPES[bytes[pos + 1] as number] !== 0
			)
				pos += 2;
			else pos = this.#escape(pos);
		}
	}

	/**
	 * Copies the rest of a string, unescaped, to the end of a column's content. Returns false where
	 * a lone surrogate is in the way, which UTF-8 can't hold.
	 */
	copyString(into: BytesBuilder): boolean {
		const { view, bytes, nested } = this;
		let pos = this.pos;
		let { size, view: target } = into;
		let limit = into.data.length - 4;
		for (;;) {
			if (size > limit) {
				into.room(size + 4);
				target = into.view;
				limit = into.data.length - 4;
			}
			const word = view.getInt32(pos, true);
			target.setInt32(size, word, true);
			const stops = stopsIn(word);
			if (stops === 0) {
				pos += 4;
				size += 4;
				continue;
			}
			const whole = (Math.clz32(stops & -stops) ^ 31) >> 3;
			pos += whole;
			size += whole;
			const byte = bytes[pos];
			if (
				nested ? byte === BACKSLASH && bytes[pos + 1] === QUOTE : byte === QUOTE
			) {
				this.pos = pos + (nested ? 2 : 1);
				into.size = size;
				return true;
			}
			pos = this.#escape(pos);
			if (this.#code < 0) return false;
			if (size > limit) {
				into.room(size + 4);
				target = into.view;
				limit = into.data.length - 4;
			}
			size = writeUtf8(this.#code, into.data, size);
		}
	}

	/** Reads the escape at `pos` into #code, -1 for a lone surrogate; returns where it ends. */
	#escape(pos: number): number {
		const { bytes, nested } = this;
		if (bytes[pos] !== BACKSLASH)
			this.fail(
				bytes[pos] === 0 && pos >= this.end
					? "a string that does not end"
					: `a control character at byte ${pos}`,
			);
		let at = pos + 1;
		let kind = bytes[at] as number;
		if (nested) {
			if (kind !== BACKSLASH) this.fail("an escape of the outer string");
			kind = bytes[++at] as number;
			if (kind === QUOTE) this.fail("the outer string ends");
			if (kind === BACKSLASH) {
				kind = bytes[++at] as number;
				if (kind !== QUOTE && kind !== BACKSLASH)
					this.fail("an escape of the outer string");
			}
		}
		at++;
		const simple = SIMPLE_ESCAPES[kind] as number;
		if (simple !== 0) {
			this.#code = simple;
			return at;
		}
		const code = kind === 0x75 ? hex4(bytes, at) : -1;
		if (code < 0) this.fail(`a bad escape at byte ${pos}`);
		at += 4;
		this.#code = code;
		if (code < 0xd800 || code >= 0xe000) return at;
		this.#code = -1;
		if (code >= 0xdc00) return at;
		const mark = nested ? 3 : 2;
		for (let i = 0; i < mark - 1; i++)
			if (bytes[at + i] !== BACKSLASH) return at;
		if (bytes[at + mark - 1] !== 0x75) return at;
		const low = hex4(bytes, at + mark);
		if (low < 0xdc00 || low >= 0xe000) return at;
		this.#code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
		return at + mark + 4;
	}

	null(): void {
		this.#word(NULL, 0);
	}

	true(): void {
		this.#word(TRUE, 0);
	}

	false(): void {
		this.#word(ALSE, 1);
	}

	/** Passes over a word of four letters, `skipped` bytes from here. */
	#word(word: number, skipped: number): void {
		const at = this.pos + skipped;
		if (this.view.getInt32(at, true) !== word)
			this.fail(`no value at byte ${this.pos}`);
		this.pos = at + 4;
	}

	/** Passes over one value of any kind, and makes sure that it is JSON. */
	skip(): void {
		let depth = 0;
		for (;;) {
			const first = this.peek();
			if (first === 0x7b || first === 0x5b) {
				this.pos++;
				// The closing bracket is two after the opening one.
				if (!this.accept(first + 2)) {
					if (depth === this.#stack.length) this.#deepen();
					this.#stack[depth++] = first + 2;
					if (first === 0x7b) this.key();
					continue;
				}
			} else this.#skipScalar(first);
			for (;;) {
				if (depth === 0) return;
				const open = this.#stack[depth - 1] as number;
				if (this.accept(0x2c)) {
					if (open === 0x7d) this.key();
					break;
				}
				this.expect(open);
				depth--;
			}
		}
	}

	#skipScalar(first: number): void {
		switch (first) {
			case QUOTE:
			case BACKSLASH:
				this.string();
				return;
			case 0x74:
				this.true();
				return;
			case 0x66:
				this.false();
				return;
			case 0x6e:
				this.null();
				return;
			default:
				this.#skipNumber();
		}
	}

	#skipNumber(): void {
		const { bytes } = this;
		if (bytes[this.pos] === 0x2d) this.pos++;
		if (bytes[this.pos] === 0x30) this.pos++;
		else this.#digits();
		if (bytes[this.pos] === 0x2e) {
			this.pos++;
			this.#digits();
		}
		const exponent = (bytes[this.pos] as number) | 0x20;
		if (exponent === 0x65) {
			const sign = bytes[++this.pos];
			if (sign === 0x2b || sign === 0x2d) this.pos++;
			this.#digits();
		}
	}

	#digits(): void {
		const { bytes, view } = this;
		const from = this.pos;
		let pos = from;
		while (areDigits(view.getInt32(pos, true))) pos += 4;
		for (;;) {
			const digit = (bytes[pos] as number) - 0x30;
			if (digit < 0 || digit > 9) break;
			pos++;
		}
		if (pos === from) this.fail(`no value at byte ${from}`);
		this.pos = pos;
	}

	/** The string or key that was read last; lone surrogates stay as they are. */
	text(): string {
		const raw = this.slice(this.start, this.stop);
		return this.escaped ? (JSON.parse(`"${raw}"`) as string) : raw;
	}

	#deepen(): void {
		const deeper = new Uint8Array(this.#stack.length * 2);
		deeper.set(this.#stack);
		this.#stack = deeper;
	}
}

/** A bit (0x80) for the first byte of a word that a string can't just go on with, and maybe for later ones. */
function stopsIn(word: number): number {
	const backslash = word ^ 0x5c5c5c5c;
	const quote = word ^ 0x22222222;
	return (
		(((backslash - 0x01010101) & ~backslash) |
			((quote - 0x01010101) & ~quote) |
			((word - 0x20202020) & ~word)) &
		0x80808080
	);
}
