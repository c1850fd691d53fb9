import type { TypedField } from "../../../src/change/connect-schema.ts";
import { decimalText } from "../../../src/columnar/value.ts";
import type { Node } from "./json-tree.ts";

export type Leaf =
	| null
	| boolean
	| number
	| bigint
	| string
	| Uint8Array
	| { readonly unscaled: bigint; readonly scale: number };

/** A double of Extended JSON, which makes no other column one of doubles. */
export const SPECIAL = "special double";

/** A decimal of Extended JSON: a text, or a number where the column is one of decimals. */
export const DECIMAL = "decimal text";

export interface InferredLeaf {
	readonly type: string;
	readonly value: Leaf;
	/** A double that is written with zeros only behind its point. */
	readonly whole: boolean;
}

/** A value of JSON by its own kind; `undefined` when no column holds it. */
export function inferred(node: Node): InferredLeaf | undefined {
	switch (node.kind) {
		case "string":
			return node.value.isWellFormed()
				? { type: "string", value: node.value, whole: false }
				: undefined;
		case "boolean":
			return { type: "boolean", value: node.value, whole: false };
		case "number": {
			if (/^-?\d+$/.test(node.text) && node.text !== "-0")
				return { type: "long", value: BigInt(node.text), whole: true };
			const value = Number(node.text);
			return Number.isFinite(value)
				? {
						type: "double",
						value,
						whole: /^-?\d+\.0+$/.test(node.text) && !Object.is(value, -0),
					}
				: undefined;
		}
		default:
			return undefined;
	}
}

/** MongoDB's Extended JSON; `undefined` for what is none, or fits no type. */
export function extended(
	text: string,
): { readonly type: string; readonly value: Leaf } | undefined {
	const object = JSON.parse(text) as Record<string, unknown>;
	const names = Object.keys(object);
	const name = names[0] ?? "";
	const value = object[name];
	const alone = names.length === 1;
	const string = alone && typeof value === "string" ? value : undefined;
	switch (name) {
		case "$oid":
			return string !== undefined && /^[\da-fA-F]{24}$/.test(string)
				? { type: "string", value: string.toLowerCase() }
				: undefined;
		case "$numberInt":
		case "$numberLong":
			return string !== undefined && /^-?\d{1,19}$/.test(string)
				? { type: "long", value: BigInt(string) }
				: undefined;
		case "$numberDouble": {
			if (string === undefined) return undefined;
			if (["NaN", "Infinity", "-Infinity"].includes(string))
				return { type: SPECIAL, value: Number(string) };
			const isNumber = /^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$/.test(string);
			return isNumber && Number.isFinite(Number(string))
				? { type: SPECIAL, value: Number(string) }
				: undefined;
		}
		case "$numberDecimal":
			return string?.isWellFormed() === true
				? { type: DECIMAL, value: string }
				: undefined;
		case "$uuid":
			return string?.isWellFormed() === true
				? { type: "string", value: string.toLowerCase() }
				: undefined;
		case "$date": {
			if (!alone) return undefined;
			let ms: bigint | undefined;
			if (typeof value === "number" && Number.isSafeInteger(value))
				ms = BigInt(value);
			else if (typeof value === "string" && !Number.isNaN(Date.parse(value)))
				ms = BigInt(Date.parse(value));
			else if (typeof value === "object" && value !== null) {
				const long = (value as Record<string, unknown>).$numberLong;
				if (typeof long === "string" && /^-?\d{1,16}$/.test(long))
					ms = BigInt(long);
			}
			return ms === undefined || BigInt.asIntN(64, ms * 1000n) !== ms * 1000n
				? undefined
				: { type: "timestamp", value: ms * 1000n };
		}
		case "$binary": {
			const inner =
				typeof value === "object" && value !== null
					? (value as Record<string, unknown>)
					: { base64: value, subType: object.$type };
			const bytes = base64(inner.base64);
			if (bytes === undefined || typeof inner.subType !== "string")
				return undefined;
			const hex = bytes.toString("hex");
			return /^0?4$/.test(inner.subType) && bytes.length === 16
				? {
						type: "string",
						value: [0, 8, 12, 16, 20]
							.map((from, i, all) => hex.slice(from, all[i + 1]))
							.join("-"),
					}
				: { type: "binary", value: new Uint8Array(bytes) };
		}
		default:
			return [
				"$regularExpression",
				"$regex",
				"$timestamp",
				"$minKey",
				"$maxKey",
				"$symbol",
				"$code",
				"$undefined",
				"$dbPointer",
			].includes(name)
				? { type: "string", value: text }
				: undefined;
	}
}

/** What a column of type `target` holds for a value of this Connect type; `undefined` for misfits. */
export function typed(
	node: Node,
	field: TypedField,
	target: string,
): Leaf | undefined {
	switch (field.conversion) {
		case "text":
			if (target !== "string") return undefined;
			if (node.kind === "string")
				return node.value.isWellFormed() ? node.value : undefined;
			return node.text;
		case "decimal":
			return node.kind === "string"
				? decimal(node.value, field.scale, target)
				: undefined;
		case "variable-decimal": {
			if (node.kind !== "object") return undefined;
			const { scale, value } = JSON.parse(node.text) as Record<string, unknown>;
			return typeof value === "string" &&
				typeof scale === "number" &&
				Number.isInteger(scale) &&
				Math.abs(scale) < 100_000
				? decimal(value, scale, target)
				: undefined;
		}
		case "base64": {
			if (node.kind !== "string" || target !== "binary") return undefined;
			const bytes = base64(node.value);
			return bytes === undefined ? undefined : new Uint8Array(bytes);
		}
		case "zoned":
			return node.kind === "string" && target === "timestamp"
				? zoned(node.value)
				: undefined;
		case "plain":
			return plain(node, String(field.type), target);
	}
	if (
		node.kind !== "number" ||
		!/^-?\d+$/.test(node.text) ||
		node.text === "-0"
	)
		return undefined;
	const value = BigInt(node.text);
	const micros = (scaled: bigint): bigint | undefined =>
		target === "timestamp_ntz" && BigInt.asIntN(64, scaled) === scaled
			? scaled
			: undefined;
	switch (field.conversion) {
		case "date":
			if (target === "date")
				return BigInt.asIntN(32, value) === value ? Number(value) : undefined;
			return micros(value * 86_400_000_000n);
		case "millis":
			return micros(value * 1000n);
		case "micros":
			return micros(value);
		case "nanos":
			return BigInt.asIntN(64, value) === value
				? micros(value / 1000n)
				: undefined;
		case "time-millis":
			return time(value, 1000n, 3, target);
		case "time-micros":
			return time(value, 1_000_000n, 6, target);
		case "time-nanos":
			return time(value / 1000n, 1_000_000n, 6, target, value);
		default:
			return undefined;
	}
}

function plain(node: Node, type: string, target: string): Leaf | undefined {
	if (node.kind === "boolean")
		return target === "boolean" ? node.value : undefined;
	if (node.kind === "string") {
		if (type === "double" || type === "float") {
			const special = ["NaN", "Infinity", "-Infinity"].includes(node.value);
			return special && (target === "double" || target === "float")
				? Number(node.value)
				: undefined;
		}
		return target === "string" && node.value.isWellFormed()
			? node.value
			: undefined;
	}
	if (node.kind !== "number") return undefined;
	if (target === "double" || target === "float") {
		const sources: Record<string, string[]> = {
			double: ["byte", "short", "integer", "float", "double"],
			float: ["float"],
		};
		const value = Number(node.text);
		const stored = target === "float" ? Math.fround(value) : value;
		return (sources[target] ?? []).includes(type) && Number.isFinite(stored)
			? stored
			: undefined;
	}
	if (!/^-?\d+$/.test(node.text) || node.text === "-0") return undefined;
	const value = BigInt(node.text);
	const decimal = /^decimal\((\d+),(\d+)\)$/.exec(target);
	if (decimal !== null && BigInt.asIntN(64, value) === value) {
		const scale = Number(decimal[2]);
		const unscaled = value * 10n ** BigInt(scale);
		return unscaled === 0n ||
			String(unscaled).replace("-", "").length <= Number(decimal[1])
			? { unscaled, scale }
			: undefined;
	}
	const bits = { byte: 8, short: 16, integer: 32, long: 64 }[target];
	if (bits === undefined || BigInt.asIntN(bits, value) !== value)
		return undefined;
	if (target === "long") return value;
	const widths = ["byte", "short", "integer"];
	return widths.includes(type) && widths.indexOf(type) <= widths.indexOf(target)
		? Number(value)
		: undefined;
}

function decimal(
	text: string,
	scale: number,
	target: string,
): Leaf | undefined {
	const bytes = base64(text);
	if (bytes === undefined) return undefined;
	let unscaled = 0n;
	for (const [i, byte] of bytes.entries())
		unscaled =
			unscaled * 256n + BigInt(i === 0 && byte > 127 ? byte - 256 : byte);
	if (target === "string") return decimalText(unscaled, scale);
	const match = /^decimal\((\d+),(\d+)\)$/.exec(target);
	if (match === null || Number(match[2]) < scale) return undefined;
	const value = unscaled * 10n ** BigInt(Number(match[2]) - scale);
	return value === 0n ||
		String(value).replace("-", "").length <= Number(match[1])
		? { unscaled: value, scale: Number(match[2]) }
		: undefined;
}

function zoned(text: string): bigint | undefined {
	const match =
		/^([-+]?\d{4,6}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[-+]\d\d:\d\d)$/.exec(
			text,
		);
	if (match === null) return undefined;
	const [, local = "", , zone = ""] = match;
	const [year = 0, month = 0, day = 0] =
		local
			.split(/T/)[0]
			?.split(/(?<=\d)-/)
			.map(Number) ?? [];
	const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
	const days = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
	if (day > (days[month - 1] ?? 0) || /T24/.test(local)) return undefined;
	const ms = Date.parse(`${local}${zone}`);
	return Number.isNaN(ms)
		? undefined
		: BigInt(ms) * 1000n +
				BigInt((match?.[2] ?? "").padEnd(6, "0").slice(0, 6));
}

function time(
	value: bigint,
	perSecond: bigint,
	shown: number,
	target: string,
	original = value,
): string | undefined {
	// More than 15 digits are no time of day.
	if (target !== "string" || String(original).replace("-", "").length > 15)
		return undefined;
	const positive = value < 0n ? -value : value;
	const seconds = positive / perSecond;
	const two = (part: bigint): string => String(part).padStart(2, "0");
	const fraction = String(positive % perSecond).padStart(shown, "0");
	return `${original < 0n ? "-" : ""}${two(seconds / 3600n)}:${two((seconds / 60n) % 60n)}:${two(seconds % 60n)}.${fraction}`;
}

/** Padded base64, and nothing else. */
function base64(text: unknown): Buffer | undefined {
	return typeof text === "string" &&
		text.length % 4 === 0 &&
		/^[A-Za-z\d+/]*={0,2}$/.test(text) &&
		!/^=/.test(text)
		? Buffer.from(text, "base64")
		: undefined;
}
