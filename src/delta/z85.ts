const ALPHABET =
	"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
const DIGITS = new Map([...ALPHABET].map((char, i) => [char, i]));

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

/** `undefined` when the text is no Z85. */
export function decodeZ85(text: string): Uint8Array | undefined {
	if (text.length % 5 !== 0) return undefined;
	const bytes = new Uint8Array((text.length / 5) * 4);
	for (let i = 0, at = 0; i < text.length; i += 5, at += 4) {
		let word = 0;
		for (let j = 0; j < 5; j++) {
			const digit = DIGITS.get(text.charAt(i + j));
			if (digit === undefined) return undefined;
			word = word * 85 + digit;
		}
		if (word > 0xffff_ffff) return undefined;
		bytes[at] = word >>> 24;
		bytes[at + 1] = word >>> 16;
		bytes[at + 2] = word >>> 8;
		bytes[at + 3] = word;
	}
	return bytes;
}
