import type { DataType } from "../columnar/types.ts";
import { decimalParts } from "../columnar/types.ts";
import {
	dateText,
	decimalText,
	formatValue,
	isDecimal,
	timestampText,
} from "../columnar/value.ts";
import type { Value } from "../columnar/vector.ts";
import { DeltaError } from "./errors.ts";
import { parseDate, parseTimestamp } from "./time-text.ts";

const HIVE_NULL = "__HIVE_DEFAULT_PARTITION__";

/**
 * A partition value as the log holds it (PROTOCOL.md, "Partition Value Serialization"); `null` also
 * for the empty string, which the format can't tell from null. Timestamps are in UTC. Binary is its
 * UTF-8 text, which is how Spark and the kernels read it.
 * @throws DeltaError DELTA_SCHEMA_INCOMPATIBLE for a type that can't be partitioned by, and for
 * binary that is no UTF-8
 */
export function serialisePartitionValue(
	value: Value,
	type: DataType,
): string | null {
	if (value === null || value === "" || type === "void") return null;
	if (typeof value === "string") return value;
	switch (type) {
		case "date":
			if (typeof value === "number") return dateText(value);
			break;
		case "timestamp":
			if (typeof value === "bigint") return `${timestampText(value)}Z`;
			break;
		case "timestamp_ntz":
			if (typeof value === "bigint")
				return timestampText(value).replace("T", " ");
			break;
		case "binary":
			if (value instanceof Uint8Array) return binaryText(value);
			break;
		default:
			if (typeof type !== "string" || type === "variant") break;
			if (isDecimal(value)) return decimalText(value.unscaled, value.scale);
			return formatValue(value, type);
	}
	throw new DeltaError(
		"DELTA_SCHEMA_INCOMPATIBLE",
		`a column of type ${typeName(type)} can't be partitioned by this value; partition by a column of a primitive type`,
	);
}

/**
 * A partition value of the log as a value of its column's type. Timestamps without a zone count as
 * UTC; a fraction finer than microseconds is cut.
 * @throws DeltaError DELTA_LOG_INVALID when the text is no value of the type, or out of its range
 */
export function parsePartitionValue(
	text: string | null,
	type: DataType,
): Value {
	if (text === null || text === "") return null;
	const value = parsed(text, type);
	if (value !== undefined) return value;
	throw new DeltaError(
		"DELTA_LOG_INVALID",
		`the partition value ${JSON.stringify(text)} is no ${typeName(type)}, or none that fits`,
	);
}

/** A file's own value, by physical name; `null` where it has none. */
export function partitionText(
	values: Readonly<Record<string, string | null>>,
	name: string,
): string | null {
	return Object.hasOwn(values, name) ? (values[name] ?? null) : null;
}

/**
 * `a=1/b=x%3D/`: the folder by convention, hive-escaped, not yet URI-encoded; `values` by the same
 * names as `columns`. Empty where the folder would be too long for a file system or a key: readers
 * go by `partitionValues` alone.
 */
export function partitionFolder(
	columns: readonly string[],
	values: Readonly<Record<string, string | null>>,
): string {
	const parts = columns.map(
		(column) =>
			`${hiveEscape(column)}=${hiveEscape(partitionText(values, column) ?? HIVE_NULL)}`,
	);
	const sizes = parts.map((part) => Buffer.byteLength(part));
	const total = sizes.reduce((sum, size) => sum + size + 1, 0);
	if (total > MAX_FOLDER || sizes.some((size) => size > MAX_NAME)) return "";
	return parts.map((part) => `${part}/`).join("");
}

/** The path of a file as `add.path` holds it. */
export function encodePath(path: string): string {
	return path
		.split("/")
		.map(encodeURIComponent)
		.join("/")
		.replaceAll("%3D", "=");
}

/** Bytes of a name in usual file systems, and of an S3 key less some for the prefix and file. */
const MAX_NAME = 255;
const MAX_FOLDER = 700;

const INTEGER_BITS: Readonly<Record<string, number>> = {
	byte: 8,
	short: 16,
	integer: 32,
	long: 64,
};

/** `undefined` when the text is no value of the type. */
function parsed(text: string, type: DataType): Value | undefined {
	switch (type) {
		case "string":
			return text;
		case "byte":
		case "short":
		case "integer":
		case "long": {
			if (!/^[+-]?\d{1,40}$/.test(text)) return undefined;
			const value = BigInt(text.replace("+", ""));
			if (BigInt.asIntN(INTEGER_BITS[type] ?? 0, value) !== value)
				return undefined;
			return type === "long" ? value : Number(value);
		}
		case "float":
			return roundedToFloat(floating(text));
		case "double":
			return floating(text);
		case "boolean": {
			const lower = text.toLowerCase();
			return lower === "true" ? true : lower === "false" ? false : undefined;
		}
		case "binary":
			return new TextEncoder().encode(text);
		case "date":
			return parseDate(text);
		case "timestamp":
		case "timestamp_ntz":
			return parseTimestamp(text, type);
	}
	const decimal = decimalParts(type);
	return decimal && parseDecimal(text, decimal);
}

function floating(text: string): number | undefined {
	const special = /^([+-]?)(nan|inf|infinity)$/i.exec(text);
	if (special !== null) {
		if (special[2]?.toLowerCase() === "nan") return Number.NaN;
		return special[1] === "-" ? -Infinity : Infinity;
	}
	return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)
		? Number(text)
		: undefined;
}

function roundedToFloat(value: number | undefined): number | undefined {
	return value === undefined ? undefined : Math.fround(value);
}

/** Exact, or `undefined`: digits beyond the scale may only be zeros. `1E-7` is what Java writes. */
export function parseDecimal(
	text: string,
	{ precision, scale }: { readonly precision: number; readonly scale: number },
): { readonly unscaled: bigint; readonly scale: number } | undefined {
	const match = /^([+-]?)(\d*)(?:\.(\d*))?(?:e([+-]?\d{1,4}))?$/i.exec(text);
	if (match === null) return undefined;
	const [, sign, whole = "", fraction = "", exponent = "0"] = match;
	if (whole === "" && fraction === "") return undefined;
	const shift = scale - fraction.length + Number(exponent);
	let digits = (whole + fraction).replace(/^0+(?=\d)/, "");
	if (digits === "0") return { unscaled: 0n, scale };
	if (shift >= 0) {
		// More than any decimal holds; the zeros aren't worth writing out.
		if (digits.length + shift > precision) return undefined;
		digits += "0".repeat(shift);
	} else {
		if (/[^0]/.test(digits.slice(shift))) return undefined;
		digits = digits.slice(0, shift) || "0";
	}
	if (digits.length > precision) return undefined;
	return { unscaled: BigInt(`${sign === "-" ? "-" : ""}${digits}`), scale };
}

function binaryText(bytes: Uint8Array): string | null {
	if (bytes.length === 0) return null;
	try {
		return utf8.decode(bytes);
	} catch (cause) {
		throw new DeltaError(
			"DELTA_SCHEMA_INCOMPATIBLE",
			`the binary partition value ${Buffer.from(bytes.subarray(0, 20)).toString("hex")} is no UTF-8 text, and no engine would read it back as it is; partition by another column`,
			{ cause },
		);
	}
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function typeName(type: DataType): string {
	return typeof type === "string" ? type : type.type;
}

function hiveEscape(text: string): string {
	return text.replace(
		// biome-ignore lint/suspicious/noControlCharactersInRegex: Hive escapes control characters.
		/[\u0000-\u001f"#%'*/:=?\\\u007f{[\]^]/g,
		(char) =>
			`%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
	);
}
