const ALPHABET =
	"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
const NONE = 255;
const PADDING = "#";

/** Digits by character code. */
const DIGITS = new Uint8Array(128).fill(NONE);
for (let i = 0; i < ALPHABET.length; i++) DIGITS[ALPHABET.charCodeAt(i)] = i;

/**
 * Z85 (ZeroMQ RFC 32): each 4 bytes, big-endian, are 5 digits of base 85. The input is padded with
 * zeros to a multiple of 4, and the reader cuts it by a length of its own.
 */
export function encodeZ85(bytes: Uint8Array): string {
	let text = "";
	for (let i = 0; i < bytes.length; i += 4) {
		let word = 0;
		for (let j = 0; j < 4; j++) word = word * 256 + (bytes[i + j] ?? 0);
		let group = "";
		for (let j = 0; j < 5; j++) {
			group = ALPHABET.charAt(word % 85) + group;
			word = Math.floor(word / 85);
		}
		text += group;
	}
	return text;
}

/**
 * The bytes; `undefined` when the text is no Z85.
 *
 * A last group that starts with `#` is accepted too: no group of RFC 32 can, being above 2^32, so
 * that the z85 crate of Rust counts there the bytes that are missing to 4 (`##093` is 03 00).
 */
export function decodeZ85(text: string): Uint8Array | undefined {
	if (text.length % 5 !== 0) return undefined;
	let missing = 0;
	if (text.length > 0)
		while (missing < 3 && text.at(missing - 5) === PADDING) missing++;
	const bytes = new Uint8Array((text.length / 5) * 4 - missing);
	for (let i = 0, at = 0; i < text.length; i += 5) {
		const last = i + 5 === text.length;
		const skipped = last ? missing : 0;
		let word = 0;
		for (let j = skipped; j < 5; j++) {
			const digit = DIGITS[text.charCodeAt(i + j)] ?? NONE;
			if (digit === NONE) return undefined;
			word = word * 85 + digit;
		}
		if (word >= 256 ** (4 - skipped)) return undefined;
		for (let shift = 24 - 8 * skipped; shift >= 0; shift -= 8)
			bytes[at++] = word >>> shift;
	}
	return bytes;
}
