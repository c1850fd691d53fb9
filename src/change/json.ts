/** Raised inside the decoder for input that is no JSON; becomes a dead letter. */
export class JsonSyntaxError extends Error {}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** A reader of JSON bytes that makes no objects: positions and numbers only. */
export class JsonCursor {
	buffer: Uint8Array;
	pos = 0;
	end = 0;
	/** The content of the string that was read last is `buffer[start, stop)`, still escaped. */
	start = 0;
	stop = 0;
	escaped = false;

	constructor(buffer: Uint8Array) {
		this.buffer = buffer;
		this.end = buffer.length;
	}

	reset(buffer: Uint8Array, pos: number, end: number): void {
		this.buffer = buffer;
		this.pos = pos;
		this.end = end;
	}

	/** Passes over white space; the next byte, or -1 at the end. */
	peek(): number {
		const { buffer, end } = this;
		let pos = this.pos;
		while (pos < end) {
			const byte = buffer[pos] as number;
			if (
				byte > 0x20 ||
				(byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)
			) {
				this.pos = pos;
				return byte;
			}
			pos++;
		}
		this.pos = pos;
		return -1;
	}

	expect(byte: number): void {
		if (this.peek() !== byte)
			throw new JsonSyntaxError(
				`expected ${String.fromCharCode(byte)} at byte ${this.pos}`,
			);
		this.pos++;
	}

	/** Whether `byte` comes next; it is passed over if so. */
	accept(byte: number): boolean {
		if (this.peek() !== byte) return false;
		this.pos++;
		return true;
	}

	/** Reads a string's extent. */
	string(): void {
		this.expect(QUOTE);
		const { buffer, end } = this;
		let pos = this.pos;
		this.start = pos;
		this.escaped = false;
		while (pos < end) {
			const byte = buffer[pos] as number;
			if (byte === QUOTE) {
				this.stop = pos;
				this.pos = pos + 1;
				return;
			}
			if (byte === BACKSLASH) {
				this.escaped = true;
				pos += 2;
			} else if (byte < 0x20)
				throw new JsonSyntaxError(`a control character at byte ${pos}`);
			else pos++;
		}
		throw new JsonSyntaxError("a string that does not end");
	}

	/** Whether the string that was read last is these bytes, unescaped. */
	isString(bytes: Uint8Array): boolean {
		const length = this.stop - this.start;
		if (this.escaped || length !== bytes.length) return false;
		const { buffer, start } = this;
		for (let i = 0; i < length; i++)
			if (buffer[start + i] !== bytes[i]) return false;
		return true;
	}

	/** The string that was read last, as text; lone surrogates stay as they are. */
	text(): string {
		const { buffer, start, stop } = this;
		const raw = latin1OrUtf8(buffer, start, stop);
		if (!this.escaped) return raw;
		try {
			return JSON.parse(`"${raw}"`) as string;
		} catch {
			throw new JsonSyntaxError(`a bad escape in the string at byte ${start}`);
		}
	}

	/**
	 * Reads an integer of at most 15 digits; `undefined`, with the cursor where it was, when the next
	 * value is anything else.
	 */
	smallInteger(): number | undefined {
		this.peek();
		const { buffer, end } = this;
		const negative = buffer[this.pos] === 0x2d;
		const from = negative ? this.pos + 1 : this.pos;
		let at = from;
		let value = 0;
		while (at < end) {
			const digit = (buffer[at] as number) - 0x30;
			if (digit < 0 || digit > 9) break;
			value = value * 10 + digit;
			at++;
		}
		const digits = at - from;
		if (digits < 1 || digits > 15) return undefined;
		// No leading zeros, and no negative zero, which an integer can't hold.
		if (buffer[from] === 0x30 && (digits > 1 || negative)) return undefined;
		const next = at < end ? (buffer[at] as number) : 0;
		// A point or an exponent makes it something else.
		if (next === 0x2e || next === 0x65 || next === 0x45) return undefined;
		this.pos = at;
		return negative ? -value : value;
	}

	/**
	 * Reads a string and writes its unescaped content to `target`, which has room for all that is
	 * left; returns the content's length. One pass, for documents inside a string.
	 */
	unescapedString(target: Uint8Array): number {
		this.expect(QUOTE);
		const { buffer, end } = this;
		let s = this.pos;
		let t = 0;
		while (s < end) {
			const byte = buffer[s] as number;
			if (byte === QUOTE) {
				this.pos = s + 1;
				return t;
			}
			if (byte === BACKSLASH) {
				const simple = SIMPLE[buffer[s + 1] as number] as number;
				if (simple !== 0) {
					target[t++] = simple;
					s += 2;
					continue;
				}
				// `\uXXXX`, with its other half if it has one.
				let stop = Math.min(end, s + 6);
				if (buffer[stop] === BACKSLASH && buffer[stop + 1] === 0x75)
					stop = Math.min(end, stop + 6);
				let done = unescapeJson(buffer, s, stop, target, t);
				if (done < 0 && stop - s > 6) {
					stop = s + 6;
					done = unescapeJson(buffer, s, stop, target, t);
				}
				if (done < 0) throw new JsonSyntaxError(`a bad escape at byte ${s}`);
				s = stop;
				t = done;
				continue;
			}
			if (byte < 0x20)
				throw new JsonSyntaxError(`a control character at byte ${s}`);
			target[t++] = byte;
			s++;
		}
		throw new JsonSyntaxError("a string that does not end");
	}

	/** Passes over a number's text: `buffer[from, pos)`. */
	number(): void {
		const { buffer, end } = this;
		let pos = this.pos;
		while (pos < end) {
			const byte = buffer[pos] as number;
			// Digits, sign, point, exponent.
			if (
				(byte >= 0x30 && byte <= 0x39) ||
				byte === 0x2d ||
				byte === 0x2b ||
				byte === 0x2e ||
				byte === 0x65 ||
				byte === 0x45
			)
				pos++;
			else break;
		}
		if (pos === this.pos)
			throw new JsonSyntaxError(`no value at byte ${this.pos}`);
		this.pos = pos;
	}

	literal(text: string): void {
		for (let i = 0; i < text.length; i++)
			if (
				this.buffer[this.pos + i] !== text.charCodeAt(i) ||
				this.pos + i >= this.end
			)
				throw new JsonSyntaxError(`expected ${text} at byte ${this.pos}`);
		this.pos += text.length;
	}

	/** Passes over one value of any kind. */
	skip(): void {
		const first = this.peek();
		switch (first) {
			case QUOTE:
				this.string();
				return;
			case 0x7b:
			case 0x5b:
				this.skipNested();
				return;
			case 0x74:
				this.literal("true");
				return;
			case 0x66:
				this.literal("false");
				return;
			case 0x6e:
				this.literal("null");
				return;
			default:
				this.number();
		}
	}

	private skipNested(): void {
		const { buffer, end } = this;
		let depth = 0;
		while (this.pos < end) {
			const byte = buffer[this.pos] as number;
			if (byte === QUOTE) {
				this.string();
				continue;
			}
			this.pos++;
			if (byte === 0x7b || byte === 0x5b) depth++;
			else if (byte === 0x7d || byte === 0x5d) {
				depth--;
				if (depth === 0) return;
			}
		}
		throw new JsonSyntaxError("a value that does not end");
	}

	/** `buffer[from, to)` as text. */
	slice(from: number, to: number): string {
		return latin1OrUtf8(this.buffer, from, to);
	}
}

function latin1OrUtf8(buffer: Uint8Array, from: number, to: number): string {
	return Buffer.from(
		buffer.buffer,
		buffer.byteOffset + from,
		to - from,
	).toString("utf8");
}

const HEX = new Int8Array(256).fill(-1);
for (let i = 0; i < 16; i++) {
	HEX["0123456789abcdef".charCodeAt(i)] = i;
	HEX["0123456789ABCDEF".charCodeAt(i)] = i;
}

const SIMPLE = new Uint8Array(256);
for (const [from, to] of [
	['"', 0x22],
	["\\", 0x5c],
	["/", 0x2f],
	["b", 8],
	["f", 12],
	["n", 10],
	["r", 13],
	["t", 9],
] as const)
	SIMPLE[from.charCodeAt(0)] = to;

/**
 * Writes the unescaped form of `source[from, to)` to `target` at `at`; it is never longer. Returns
 * the end, or -1 for a bad escape and -2 for a lone surrogate, which UTF-8 can't hold.
 */
export function unescapeJson(
	source: Uint8Array,
	from: number,
	to: number,
	target: Uint8Array,
	at: number,
): number {
	let s = from;
	let t = at;
	while (s < to) {
		const byte = source[s++] as number;
		if (byte !== BACKSLASH) {
			target[t++] = byte;
			continue;
		}
		const kind = source[s++] as number;
		const simple = SIMPLE[kind] as number;
		if (simple !== 0) {
			target[t++] = simple;
			continue;
		}
		if (kind !== 0x75 || s + 4 > to) return -1;
		let code = hex4(source, s);
		if (code < 0) return -1;
		s += 4;
		if (code >= 0xdc00 && code < 0xe000) return -2;
		if (code >= 0xd800 && code < 0xdc00) {
			if (s + 6 > to || source[s] !== BACKSLASH || source[s + 1] !== 0x75)
				return -2;
			const low = hex4(source, s + 2);
			if (low < 0xdc00 || low >= 0xe000) return -2;
			s += 6;
			code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
		}
		if (code < 0x80) target[t++] = code;
		else if (code < 0x800) {
			target[t++] = 0xc0 | (code >> 6);
			target[t++] = 0x80 | (code & 0x3f);
		} else if (code < 0x10000) {
			target[t++] = 0xe0 | (code >> 12);
			target[t++] = 0x80 | ((code >> 6) & 0x3f);
			target[t++] = 0x80 | (code & 0x3f);
		} else {
			target[t++] = 0xf0 | (code >> 18);
			target[t++] = 0x80 | ((code >> 12) & 0x3f);
			target[t++] = 0x80 | ((code >> 6) & 0x3f);
			target[t++] = 0x80 | (code & 0x3f);
		}
	}
	return t;
}

function hex4(source: Uint8Array, at: number): number {
	const a = HEX[source[at] as number] as number;
	const b = HEX[source[at + 1] as number] as number;
	const c = HEX[source[at + 2] as number] as number;
	const d = HEX[source[at + 3] as number] as number;
	return (a | b | c | d) < 0 ? -1 : (a << 12) | (b << 8) | (c << 4) | d;
}

/** Whether text is a number as JSON has it. */
export function isJsonNumber(text: string): boolean {
	return /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?$/.test(text);
}
