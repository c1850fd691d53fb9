import type { DataType } from "../columnar/types.ts";
import type { Value } from "../columnar/vector.ts";

const HIVE_NULL = "__HIVE_DEFAULT_PARTITION__";

/**
 * A partition value as the log holds it (PROTOCOL.md, "Partition Value Serialization"); `null` also
 * for the empty string, which the format can't tell from null.
 */
export function serialisePartitionValue(
	value: Value,
	type: DataType,
): string | null {
	if (value === null || value === "") return null;
	if (type === "date" && typeof value === "number")
		return new Date(value * 86_400_000).toISOString().slice(0, 10);
	if (
		(type === "timestamp" || type === "timestamp_ntz") &&
		typeof value === "bigint"
	) {
		const seconds = value / 1_000_000n - (value % 1_000_000n < 0n ? 1n : 0n);
		const micros = value - seconds * 1_000_000n;
		const text = `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}.${String(micros).padStart(6, "0")}`;
		return type === "timestamp" ? `${text}Z` : text.replace("T", " ");
	}
	if (value instanceof Uint8Array)
		return [...value].map((byte) => String.fromCharCode(byte)).join("");
	if (
		typeof value === "object" &&
		"unscaled" in value &&
		typeof value.unscaled === "bigint" &&
		typeof value.scale === "number"
	) {
		const digits = String(
			value.unscaled < 0n ? -value.unscaled : value.unscaled,
		).padStart(value.scale + 1, "0");
		const split = digits.length - value.scale;
		return `${value.unscaled < 0n ? "-" : ""}${digits.slice(0, split)}${value.scale > 0 ? `.${digits.slice(split)}` : ""}`;
	}
	return String(value);
}

/** `a=1/b=x%3D`: the folder by convention, hive-escaped, not yet URI-encoded. */
export function partitionFolder(
	columns: readonly string[],
	values: Readonly<Record<string, string | null>>,
): string {
	return columns
		.map(
			(column) =>
				`${hiveEscape(column)}=${hiveEscape(values[column] ?? HIVE_NULL)}/`,
		)
		.join("");
}

/** The path of a file as `add.path` holds it. */
export function encodePath(path: string): string {
	return path
		.split("/")
		.map(encodeURIComponent)
		.join("/")
		.replaceAll("%3D", "=");
}

function hiveEscape(text: string): string {
	return text.replace(
		// biome-ignore lint/suspicious/noControlCharactersInRegex: Hive escapes control characters.
		/[\u0000-\u001f"#%'*/:=?\\\u007f{[\]^]/g,
		(char) =>
			`%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
	);
}
