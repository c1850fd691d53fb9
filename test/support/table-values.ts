import {
	array,
	type DataType,
	decimalParts,
	field,
	type StructField,
	type StructType,
} from "../../src/columnar/types.ts";
import type { Wire } from "./wire.ts";

export type Random = () => number;

export function below(random: Random, limit: number): number {
	return Math.floor(random() * limit);
}

export function pick<T>(random: Random, from: readonly T[]): T {
	return from[below(random, from.length)] as T;
}

const SCALARS: readonly DataType[] = [
	"string",
	"long",
	"integer",
	"short",
	"byte",
	"float",
	"double",
	"boolean",
	"binary",
	"date",
	"timestamp",
	"decimal(9,2)",
	"decimal(18,0)",
	"decimal(38,18)",
];

/** Types at random, nested at most `depth` times; with `ntz` timestamps without a zone too. */
export function randomType(
	random: Random,
	options: { readonly depth: number; readonly ntz: boolean },
): DataType {
	const inner = { ...options, depth: options.depth - 1 };
	if (options.depth > 0 && random() < 0.35)
		switch (below(random, 3)) {
			case 0:
				return {
					type: "struct",
					fields: Array.from({ length: 1 + below(random, 3) }, (_, i) =>
						field(`f${i}`, randomType(random, inner)),
					),
				};
			case 1:
				return array(randomType(random, inner));
			default:
				return {
					type: "map",
					keyType: pick(random, ["string", "integer", "date"]),
					valueType: randomType(random, inner),
					valueContainsNull: true,
				};
		}
	if (options.ntz && random() < 0.2) return "timestamp_ntz";
	return pick(random, SCALARS);
}

/** Types that a column may have by which a table is partitioned. */
export function randomPartitionType(random: Random, ntz: boolean): DataType {
	if (ntz && random() < 0.3) return "timestamp_ntz";
	return pick(random, [...SCALARS, "string", "string", "date", "timestamp"]);
}

/** A value of a partition column, not null; it has to fit in the name of a folder. */
export function randomPartitionWire(random: Random, type: DataType): Wire {
	const wire = randomWire(random, type, false);
	return typeof wire === "string" ? wire.slice(0, 60) : wire;
}

const LONG_TEXT = "0123456789abcdefghijklmnopqrstu"; // 31 characters: the cut is at 32.
const TEXTS = [
	"",
	"plain",
	"Grüße, 你好 🦀",
	"quotes \" and ' and \\ and /",
	"a=b/c%2F d#e?f&g+h:i",
	"line\nbreak\ttab",
	"null",
	"{}[]()^|~*",
	`${LONG_TEXT}vw`,
	`${LONG_TEXT}\u{1f980}tail`,
	`${LONG_TEXT}\u{10ffff}\u{10ffff}tail`,
	`${LONG_TEXT}v\u{7f}tail`,
	`${LONG_TEXT}v\u{10ffff}`,
	"\u{ffff}\u{e000}",
	"\u{10ffff}",
	"x".repeat(300),
];
const WHOLE: Readonly<Record<string, readonly [bigint, bigint]>> = {
	byte: [-128n, 127n],
	short: [-32_768n, 32_767n],
	integer: [-(2n ** 31n), 2n ** 31n - 1n],
	long: [-(2n ** 63n), 2n ** 63n - 1n],
};
const DOUBLES = ["NaN", "Infinity", "-Infinity", "0.0", "-0.0", "5e-324"];
const FLOATS = ["NaN", "Infinity", "-Infinity", "0.0", "-0.0"];
/** Years 1, 1582 (its days that the Julian calendar lacks are left out: Spark moves them in its change feed), 1969 with a fraction, and 9999. */
const MICROS = [
	"-62135596800000000",
	"-12220156800000001",
	"-12219292799999999",
	"-1",
	"0",
	"1700000000123456",
	"1700000000123999",
	"253402300799999999",
];
const DAYS = ["-719162", "-141438", "-141427", "-1", "0", "19675", "2932896"];

/** A value as it may stand in any row; null in a sixth of the cases. */
export function randomWire(
	random: Random,
	type: DataType,
	nullable = true,
): Wire {
	if (nullable && random() < 1 / 6) return null;
	const edge = random() < 0.3;
	if (typeof type !== "string") {
		const length = below(random, 4);
		switch (type.type) {
			case "struct":
				return type.fields.map((inner) => randomWire(random, inner.type));
			case "array":
				return Array.from({ length }, () =>
					randomWire(random, type.elementType),
				);
			case "map": {
				const entries = new Map<Wire, Wire>();
				for (let i = 0; i < length; i++)
					entries.set(
						randomWire(random, type.keyType, false),
						randomWire(random, type.valueType),
					);
				return [...entries];
			}
		}
	}
	switch (type) {
		case "string":
			return edge ? pick(random, TEXTS) : `text ${below(random, 50)}`;
		case "boolean":
			return pick(random, ["true", "false"]);
		case "binary":
			return edge
				? pick(random, ["", "00", "ff", "2f3d25", "7f80"])
				: Buffer.from(`b${below(random, 50)}`).toString("hex");
		case "float":
			return edge
				? pick(random, FLOATS)
				: String(Math.fround(random() * 200 - 100));
		case "double":
			return edge ? pick(random, DOUBLES) : String(random() * 2e6 - 1e6);
		case "date":
			return edge ? pick(random, DAYS) : String(19_000 + below(random, 800));
		case "timestamp":
		case "timestamp_ntz":
			return edge
				? pick(random, MICROS)
				: String(1_700_000_000_000_000n + BigInt(below(random, 2 ** 40)));
	}
	const decimal = decimalParts(type);
	if (decimal !== undefined) {
		const { precision, scale } = decimal;
		const limit = 10n ** BigInt(precision) - 1n;
		return decimalOf(
			edge
				? pick(random, [limit, -limit, 0n, 1n, -1n])
				: BigInt(below(random, 1e6)) - 500_000n,
			scale,
		);
	}
	const [least, most] = WHOLE[type] ?? [0n, 0n];
	return String(
		edge ? pick(random, [least, most, 0n]) : BigInt(below(random, 200)) - 100n,
	);
}

function decimalOf(unscaled: bigint, scale: number): string {
	const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(
		scale + 1,
		"0",
	);
	const sign = unscaled < 0n ? "-" : "";
	const cut = digits.length - scale;
	return scale === 0
		? sign + digits
		: `${sign}${digits.slice(0, cut)}.${digits.slice(cut)}`;
}

/** A type in the SQL of Spark. */
export function sqlType(type: DataType): string {
	if (typeof type !== "string")
		switch (type.type) {
			case "struct":
				return `STRUCT<${type.fields.map((inner) => `${quoted(inner.name)}: ${sqlType(inner.type)}`).join(", ")}>`;
			case "array":
				return `ARRAY<${sqlType(type.elementType)}>`;
			case "map":
				return `MAP<${sqlType(type.keyType)}, ${sqlType(type.valueType)}>`;
		}
	const names: Readonly<Record<string, string>> = {
		long: "BIGINT",
		integer: "INT",
		short: "SMALLINT",
		byte: "TINYINT",
		timestamp_ntz: "TIMESTAMP_NTZ",
	};
	return names[type] ?? type.toUpperCase();
}

export function quoted(name: string): string {
	return `\`${name.replaceAll("`", "``")}\``;
}

export function columnNames(fields: readonly StructField[]): string {
	return fields.map((inner) => quoted(inner.name)).join(", ");
}

/** The columns of a schema that hold a value which SQL can compare, `id` left out. */
export function scalarColumns(schema: StructType): readonly StructField[] {
	return schema.fields.filter(
		({ name, type }) => typeof type === "string" && name !== "id",
	);
}
