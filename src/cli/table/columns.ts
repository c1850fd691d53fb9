import {
	type DataType,
	field,
	type StructType,
	struct,
} from "../../columnar/types.ts";
import { ConfigError } from "../../errors.ts";
import { bindPredicate } from "../../expression/bind.ts";
import type { Bound } from "../../expression/bound.ts";
import { columnsOf } from "../../expression/expression.ts";
import { parseExpression } from "../../expression/parse.ts";
import { suggestion } from "./nearest.ts";

/**
 * The columns that `--columns a,b` names, as the schema spells them; a name with a comma stands in
 * back ticks.
 * @throws ConfigError for a name that is not there, or is there twice
 */
export function namedColumns(
	flag: string,
	text: string,
	schema: StructType,
): string[] {
	const found: string[] = [];
	for (const name of splitNames(flag, text)) {
		const column = columnNamed(flag, name, schema);
		if (found.includes(column))
			throw new ConfigError(`${flag} has ${column} twice; name it once`);
		found.push(column);
	}
	return found;
}

/**
 * A condition on the rows of a table.
 * @throws ConfigError for a column that is not there, ExpressionError for the rest
 */
export function boundCondition(
	flag: string,
	text: string,
	schema: StructType,
): Bound {
	const parsed = parseExpression(text);
	for (const [name = ""] of columnsOf(parsed)) columnNamed(flag, name, schema);
	return bindPredicate(parsed, schema);
}

/**
 * The path of a column such as `address.zip`, as the schema spells it; `element`, `key` and `value`
 * stand for what arrays and maps hold.
 * @throws ConfigError for a column that is not there
 */
export function columnPath(
	flag: string,
	path: readonly string[],
	schema: StructType,
): string[] {
	const found: string[] = [];
	let type: DataType = schema;
	for (const name of path) {
		type = membersOf(type);
		const spelt = columnNamed(flag, name, type);
		found.push(spelt);
		type = type.fields.find((one) => one.name === spelt)?.type ?? type;
	}
	return found;
}

/** The fields of a struct; what an array or a map holds, under the names that paths have for it. */
export function membersOf(type: DataType): StructType {
	if (typeof type === "string") return struct();
	switch (type.type) {
		case "struct":
			return type;
		case "array":
			return struct(field("element", type.elementType));
		case "map":
			return struct(field("key", type.keyType), field("value", type.valueType));
	}
}

/** A path at the start of a text, and what follows it. */
export function splitPath(
	flag: string,
	text: string,
): { readonly path: string[]; readonly rest: string } {
	const part = /\s*(?:`((?:[^`]|``)+)`|([\p{L}\p{N}_]+))(\.?)/uy;
	const path: string[] = [];
	for (;;) {
		const match = part.exec(text);
		if (match === null)
			throw new ConfigError(
				`${flag} ${JSON.stringify(text)} does not begin with the name of a column; write names with other characters in back ticks`,
			);
		path.push(match[1]?.replaceAll("``", "`") ?? match[2] ?? "");
		if (match[3] === "") return { path, rest: text.slice(part.lastIndex) };
	}
}

function columnNamed(flag: string, name: string, schema: StructType): string {
	const { fields } = schema;
	const found =
		fields.find((field) => field.name === name) ??
		fields.find((field) => field.name.toLowerCase() === name.toLowerCase());
	if (found !== undefined) return found.name;
	const names = fields.map((field) => field.name);
	const near = suggestion(name, names);
	throw new ConfigError(
		`${flag} names the column ${name}, which is not there${near === "" ? `; there are ${listed(names)}` : near}`,
	);
}

function splitNames(flag: string, text: string): string[] {
	const names: string[] = [];
	const name = /\s*(?:`((?:[^`]|``)+)`|([^,`]+?))\s*(,|$)/y;
	for (;;) {
		const match = name.exec(text);
		if (match === null)
			throw new ConfigError(
				`${flag} ${JSON.stringify(text)} is no list of names; write them like a,b and those with a comma in back ticks`,
			);
		names.push(match[1]?.replaceAll("``", "`") ?? match[2] ?? "");
		if (match[3] === "") return names;
	}
}

const LISTED = 20;

function listed(names: readonly string[]): string {
	if (names.length === 0) return "none";
	const more = names.length - LISTED;
	return `${names.slice(0, LISTED).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}
