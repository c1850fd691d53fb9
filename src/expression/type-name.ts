import type { DataType } from "../columnar/types.ts";
import { invalid, unsupported } from "./errors.ts";
import { MAX_PRECISION } from "./number.ts";

/** The type that `CAST` names, with Spark's synonyms. */
export function typeNamed(
	name: string,
	sizes: readonly number[],
	at: number,
): DataType {
	const lower = name.toLowerCase();
	if (lower === "decimal" || lower === "dec" || lower === "numeric") {
		const [precision = 10, scale = 0] = sizes;
		if (
			sizes.length > 2 ||
			precision < 1 ||
			precision > MAX_PRECISION ||
			scale > precision
		)
			throw invalid(
				`${name}(${sizes.join(", ")}) is no type; a decimal has up to ${MAX_PRECISION} digits, and no more than those after the point`,
				at,
			);
		return `decimal(${precision},${scale})`;
	}
	const type = Object.hasOwn(NAMES, lower) ? NAMES[lower] : undefined;
	if (type === undefined || sizes.length > 0)
		throw unsupported(
			`CAST to ${name.slice(0, 40)}${sizes.length > 0 ? `(${sizes.join(", ")})` : ""} is not supported; there are ${Object.keys(NAMES).join(", ")} and decimal(p, s)`,
			at,
		);
	return type;
}

/** As messages name a type. */
export function typeText(type: DataType): string {
	return typeof type === "string" ? type : type.type;
}

const NAMES: Readonly<Record<string, DataType>> = {
	string: "string",
	boolean: "boolean",
	tinyint: "byte",
	byte: "byte",
	smallint: "short",
	short: "short",
	int: "integer",
	integer: "integer",
	bigint: "long",
	long: "long",
	float: "float",
	real: "float",
	double: "double",
	date: "date",
	timestamp: "timestamp",
	timestamp_ltz: "timestamp",
	timestamp_ntz: "timestamp_ntz",
	binary: "binary",
};
