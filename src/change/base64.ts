/** Values of the standard alphabet's characters (RFC 4648, section 4); -1 for what is none. */
const VALUES = new Int8Array(256).fill(-1);
for (const [i, character] of [
	..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
].entries())
	VALUES[character.charCodeAt(0)] = i;

/**
 * Writes what the padded base64 text `source[from, to)` stands for to `target` at `at`. Returns the
 * end, or -1 when the text is no base64; `target` needs room for three bytes per four characters.
 */
export function decodeBase64(
	source: Uint8Array,
	from: number,
	to: number,
	target: Uint8Array,
	at: number,
): number {
	if (((to - from) & 3) !== 0) return -1;
	let stop = to;
	if (stop > from && source[stop - 1] === 0x3d) stop--;
	if (stop > from && stop < to && source[stop - 1] === 0x3d) stop--;
	let t = at;
	let bits = 0;
	let count = 0;
	for (let s = from; s < stop; s++) {
		const value = VALUES[source[s] as number] as number;
		if (value < 0) return -1;
		bits = (bits << 6) | value;
		if (++count === 4) {
			target[t++] = bits >> 16;
			target[t++] = bits >> 8;
			target[t++] = bits;
			bits = 0;
			count = 0;
		}
	}
	if (count === 3) {
		target[t++] = bits >> 10;
		target[t++] = bits >> 2;
	} else if (count === 2) target[t++] = bits >> 4;
	return t;
}

/** The bytes of base64 text; `undefined` when it is none. */
export function bytesOf(text: string): Uint8Array | undefined {
	const source = Buffer.from(text);
	const target = new Uint8Array(Math.ceil(source.length / 4) * 3);
	const end = decodeBase64(source, 0, source.length, target, 0);
	return end < 0 ? undefined : target.subarray(0, end);
}
