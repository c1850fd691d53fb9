import type { TypedField } from "../../../src/change/connect-schema.ts";
import type { DataType } from "../../../src/columnar/types.ts";
import { toJson } from "../../../src/columnar/value.ts";
import type { Value } from "../../../src/columnar/vector.ts";
import { commonType } from "../../../src/columnar/widening.ts";
import { DECIMAL, type Leaf, SPECIAL } from "./reference-values.ts";

export type Path = readonly (string | number)[];

/** A value, or the mark of an object or array, at its place in a row. */
export interface Entry {
	readonly row: number;
	readonly path: Path;
	readonly value: Leaf | "object" | "array";
}

/** The value at a place of a row as JSON. */
export function jsonAt(
	types: ReadonlyMap<string, string>,
	entries: readonly Entry[],
	path: Path,
	type: string,
): string {
	const below = entries.filter((one) =>
		path.every((name, i) => one.path[i] === name),
	);
	const own = below.find((one) => one.path.length === path.length);
	if (own === undefined || own.value === null) return "null";
	if (type === "struct") {
		const fields = [...types].flatMap(([key, inner]) => {
			const place = JSON.parse(key) as string[];
			const name = place.at(-1) ?? "";
			return place.length === path.length + 1 &&
				column(path) === JSON.stringify(place.slice(0, -1)) &&
				hasType(types, place)
				? [
						`${JSON.stringify(name)}:${jsonAt(types, below, [...path, name], inner)}`,
					]
				: [];
		});
		return `{${fields.sort().join(",")}}`;
	}
	if (type === "list") {
		const count =
			1 +
			Math.max(-1, ...below.map((one) => Number(one.path[path.length] ?? -1)));
		const length = own.value === "array" ? count : 0;
		const inner = types.get(column([...path, 0])) ?? "void";
		return `[${Array.from({ length }, (_, i) => jsonAt(types, below, [...path, i], inner)).join(",")}]`;
	}
	const value = own.value as Leaf;
	const shown: Value =
		type === "double" && typeof value === "bigint" ? Number(value) : value;
	return toJson(shown, type === "document" ? "string" : (type as DataType));
}

/** A struct without a typed field is no column. */
function hasType(
	types: ReadonlyMap<string, string>,
	place: readonly string[],
): boolean {
	const type = types.get(JSON.stringify(place));
	if (type !== "struct" && type !== "list") return type !== undefined;
	return [...types.keys()].some((key) => {
		const inner = JSON.parse(key) as string[];
		return (
			inner.length === place.length + 1 &&
			place.every((name, i) => inner[i] === name) &&
			hasType(types, inner)
		);
	});
}

export function column(path: Path): string {
	return JSON.stringify(
		path.map((name) => (typeof name === "number" ? "[]" : name)),
	);
}

export function pathText(path: Path): string {
	return path
		.map((name) =>
			/[.`]/.test(String(name))
				? `\`${String(name).replaceAll("`", "``")}\``
				: String(name),
		)
		.join(".");
}

export function typeName(field: TypedField): string {
	if (field.conversion === "struct") return "struct";
	return field.conversion === "array" ? "list" : String(field.type);
}

/** What a column of type `target` holds for a value of type `type`; `undefined` if it can't. */
export function fitting(
	value: Leaf,
	type: string,
	target: string,
	whole: boolean,
): Leaf | undefined {
	if (type === SPECIAL) return target === "double" ? value : undefined;
	if (type === DECIMAL) return decimalIn(String(value), target);
	if (type === "double" && typeof value === "number") {
		if (target === "double") return value;
		// Written with a fraction of zeros only.
		return target === "long" && whole && Number.isSafeInteger(value)
			? BigInt(value)
			: undefined;
	}
	if (type === "long" && typeof value === "bigint") {
		const limits: Record<string, bigint> = {
			byte: 7n,
			short: 15n,
			integer: 31n,
			long: 63n,
		};
		const bits = limits[target];
		if (bits !== undefined)
			return value < 1n << bits && value >= -(1n << bits)
				? target === "long"
					? value
					: Number(value)
				: undefined;
		if (target === "double") {
			const double = Number(value);
			return Number.isFinite(double) && BigInt(double) === value
				? double
				: undefined;
		}
		const decimal = /^decimal\((\d+),(\d+)\)$/.exec(target);
		if (decimal === null) return undefined;
		const scale = Number(decimal[2]);
		const unscaled = value * 10n ** BigInt(scale);
		return digits(unscaled) <= Number(decimal[1])
			? { unscaled, scale }
			: undefined;
	}
	return type === target ? value : undefined;
}

/** A decimal's text as a column of type `target` has it. */
function decimalIn(text: string, target: string): Leaf | undefined {
	if (target === "string") return text;
	const parts = /^decimal\((\d+),(\d+)\)$/.exec(target);
	const number = /^(-?)(\d+)(?:\.(?=\d))?(\d*)(?:E([+-]?\d+))?$/i.exec(text);
	if (parts === null || number === null) return undefined;
	const [, sign, whole = "", fraction = "", exponent = "0"] = number;
	const scale = Number(parts[2]);
	const shift = Number(exponent) - fraction.length + scale;
	let unscaled = BigInt(`${sign}${whole}${fraction}`);
	if (unscaled === 0n) return { unscaled, scale };
	if (Math.abs(shift) > 100) return undefined;
	if (shift >= 0) unscaled *= 10n ** BigInt(shift);
	else if (unscaled % 10n ** BigInt(-shift) !== 0n) return undefined;
	else unscaled /= 10n ** BigInt(-shift);
	return digits(unscaled) <= Number(parts[1]) ? { unscaled, scale } : undefined;
}

/** The type that a column would need for a value; `undefined` when it has it, or there is none. */
export function widerFor(
	value: Leaf,
	type: string,
	target: string,
	decimals: DataType | undefined,
): string | undefined {
	if (type === DECIMAL) {
		const parts = /^decimal\((\d+),(\d+)\)$/.exec(target);
		if (parts === null)
			return decimals !== undefined && ["long", "integer"].includes(target)
				? (commonType(target as DataType, decimals) as string | undefined)
				: undefined;
		// The least scale that the value has, by trying.
		for (let scale = Number(parts[2]); scale <= 38; scale++) {
			const whole = Number(parts[1]) - Number(parts[2]);
			const found = decimalIn(String(value), `decimal(38,${scale})`);
			if (typeof found !== "object" || found === null) continue;
			if (!("unscaled" in found)) continue;
			const precision = Math.max(whole + scale, digits(found.unscaled));
			return precision > 38 ? undefined : `decimal(${precision},${scale})`;
		}
		return undefined;
	}
	if (type === "double" || type === SPECIAL)
		return ["byte", "short", "integer", "float"].includes(target)
			? "double"
			: undefined;
	if (type !== "long" || typeof value !== "bigint") return undefined;
	const decimal = /^decimal\((\d+),(\d+)\)$/.exec(target);
	if (decimal === null) return target === "float" ? "double" : "long";
	const scale = Number(decimal[2]);
	const precision = Math.max(Number(decimal[1]), digits(value) + scale);
	return precision > 38 ? undefined : `decimal(${precision},${scale})`;
}

/** A column's value in a wider type. */
export function widened(
	value: Entry["value"],
	from: string,
	to: string,
): Entry["value"] {
	if (value === "object" || value === "array" || value === null) return value;
	if (to === "timestamp_ntz") return BigInt(Number(value)) * 86_400_000_000n;
	if (to === "long") return BigInt(Number(value));
	const scale = /^decimal\(\d+,(\d+)\)$/.exec(to)?.[1];
	if (scale === undefined)
		return from === "float" ? Math.fround(Number(value)) : value;
	const before =
		typeof value === "object" && "unscaled" in value
			? value
			: { unscaled: BigInt(value as number | bigint), scale: 0 };
	return {
		unscaled: before.unscaled * 10n ** BigInt(Number(scale) - before.scale),
		scale: Number(scale),
	};
}

function digits(value: bigint): number {
	return value === 0n ? 0 : String(value).replace("-", "").length;
}
