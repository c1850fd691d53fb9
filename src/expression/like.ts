import { invalid } from "./errors.ts";

/**
 * A pattern of LIKE: the bytes of a character, or `any` for `%`, or `one` for `_`. Matching keeps one
 * place to go back to, so it takes at most text × pattern steps.
 */
export type LikePattern = readonly (Uint8Array | "any" | "one")[];

/**
 * @throws ExpressionError EXPRESSION_INVALID when the escape character stands at the end, or before
 *   something that needs none, as Spark refuses both
 */
export function likePattern(
	text: string,
	mark: string,
	at?: number,
): LikePattern {
	const pattern: (Uint8Array | "any" | "one")[] = [];
	const chars = [...text];
	for (let i = 0; i < chars.length; i++) {
		const char = chars[i] as string;
		if (char === mark) {
			const next = chars[++i];
			if (next !== "%" && next !== "_" && next !== mark)
				throw invalid(
					`in the pattern '${text.slice(0, 60)}' the escape character ${mark} has to stand before %, _ or itself`,
					at,
				);
			pattern.push(Buffer.from(next));
		} else if (char === "%") {
			if (pattern.at(-1) !== "any") pattern.push("any");
		} else if (char === "_") pattern.push("one");
		else pattern.push(Buffer.from(char));
	}
	return pattern;
}

/** The text that every match begins with. */
export function likePrefix(pattern: LikePattern): string {
	const end = pattern.findIndex((part) => typeof part === "string");
	const parts = end < 0 ? pattern : pattern.slice(0, end);
	return Buffer.concat(
		parts.filter((part): part is Uint8Array => typeof part !== "string"),
	).toString("utf8");
}

/** Whether the UTF-8 text from `from` to `to` matches as a whole. */
export function likes(
	pattern: LikePattern,
	data: Uint8Array,
	from: number,
	to: number,
): boolean {
	let at = from;
	let p = 0;
	// The last `%`, and where the text after it was tried last.
	let star = -1;
	let retry = from;
	while (at < to) {
		const part = pattern[p];
		if (part === "any") {
			star = p++;
			retry = at;
			continue;
		}
		const length = part === undefined ? 0 : matched(part, data, at, to);
		if (length > 0) {
			at += length;
			p++;
		} else if (star >= 0) {
			retry += charLength(data, retry, to);
			at = retry;
			p = star + 1;
		} else return false;
	}
	while (pattern[p] === "any") p++;
	return p === pattern.length;
}

/** Bytes that a part takes; 0 when it does not match. */
function matched(
	part: Uint8Array | "any" | "one",
	data: Uint8Array,
	at: number,
	to: number,
): number {
	if (typeof part === "string") return charLength(data, at, to);
	if (at + part.length > to) return 0;
	for (let i = 0; i < part.length; i++) if (data[at + i] !== part[i]) return 0;
	return part.length;
}

function charLength(data: Uint8Array, at: number, to: number): number {
	let end = at + 1;
	while (end < to && ((data[end] as number) & 0xc0) === 0x80) end++;
	return end - at;
}
