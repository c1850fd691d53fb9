/**
 * Bounds of strings, cut as Spark cuts them, so that its order (that of UTF-8 bytes, which is that
 * of code points) holds: `textMin(x) ≤ x ≤ textMax(x)`. Lengths are in UTF-16 units.
 */
export function textMin(value: string, length: number): string | undefined {
	if (value.length <= length) return value;
	return length === 0 ? undefined : value.slice(0, whole(value, length));
}

/**
 * `undefined` where no bound of about that length is greater: after nothing but U+10FFFF.
 */
export function textMax(value: string, length: number): string | undefined {
	if (value.length <= length) return value;
	if (length === 0) return undefined;
	// The first character behind the prefix is replaced by a greater one, or kept while there is none.
	for (let end = whole(value, length); end <= 2 * length; end += LAST.length) {
		if (end >= value.length) return value;
		if (!value.startsWith(LAST, end))
			return (
				value.slice(0, end) + (value.charCodeAt(end) < 0x7f ? "\u007f" : LAST)
			);
	}
	return undefined;
}

const LAST = "\u{10ffff}";

/** The length of a prefix that splits no surrogate pair. */
function whole(value: string, length: number): number {
	const before = value.charCodeAt(length - 1);
	const after = value.charCodeAt(length);
	return before >= 0xd800 &&
		before < 0xdc00 &&
		after >= 0xdc00 &&
		after < 0xe000
		? length + 1
		: length;
}
