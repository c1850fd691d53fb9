export const BACKSLASH = 0x5c;

/** What `\n` and the like stand for, by the letter; 0 for letters without a meaning. */
export const SIMPLE_ESCAPES = new Uint8Array(256);
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
	SIMPLE_ESCAPES[from.charCodeAt(0)] = to;

const HEX = new Int8Array(256).fill(-1);
for (let i = 0; i < 16; i++) {
	HEX["0123456789abcdef".charCodeAt(i)] = i;
	HEX["0123456789ABCDEF".charCodeAt(i)] = i;
}

/** The number of four hexadecimal digits, or -1. */
export function hex4(source: Uint8Array, at: number): number {
	const a = HEX[source[at] as number] as number;
	const b = HEX[source[at + 1] as number] as number;
	const c = HEX[source[at + 2] as number] as number;
	const d = HEX[source[at + 3] as number] as number;
	return (a | b | c | d) < 0 ? -1 : (a << 12) | (b << 8) | (c << 4) | d;
}

/** Writes a Unicode scalar value as UTF-8, up to four bytes; returns the end. */
export function writeUtf8(
	code: number,
	target: Uint8Array,
	at: number,
): number {
	let t = at;
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
	return t;
}

/**
 * Writes the unescaped form of `source[from, to)`, the content of a JSON string, to `target` at `at`;
 * it is never longer. Returns the end, or -1 for a bad escape and -2 for a lone surrogate, which
 * UTF-8 can't hold.
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
		const simple = SIMPLE_ESCAPES[kind] as number;
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
		t = writeUtf8(code, target, t);
	}
	return t;
}
