import type { DataType } from "../columnar/types.ts";

const WIDER: Readonly<Record<string, readonly string[]>> = {
	byte: ["byte", "short", "integer", "long", "double"],
	short: ["short", "integer", "long", "double"],
	integer: ["integer", "long", "double"],
	long: ["long"],
	float: ["float", "double"],
	double: ["double"],
};

/** Whether a column of one numeric type holds every value of another. */
export function canHold(column: DataType, value: DataType): boolean {
	return (
		column === value ||
		(typeof value === "string" &&
			typeof column === "string" &&
			(WIDER[value]?.includes(column) ?? false))
	);
}
