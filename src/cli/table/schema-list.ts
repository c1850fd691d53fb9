import {
	array,
	type DataType,
	field,
	type StructField,
	type StructType,
	struct,
} from "../../columnar/types.ts";
import { ConfigError } from "../../errors.ts";
import { suggestion } from "./nearest.ts";

const TYPES: Readonly<Record<string, DataType>> = {
	string: "string",
	long: "long",
	bigint: "long",
	int: "integer",
	integer: "integer",
	short: "short",
	smallint: "short",
	byte: "byte",
	tinyint: "byte",
	float: "float",
	real: "float",
	double: "double",
	boolean: "boolean",
	binary: "binary",
	date: "date",
	timestamp: "timestamp",
	timestamp_ntz: "timestamp_ntz",
	variant: "variant",
};

/**
 * The columns of a list in SQL's manner: `id long not null, tags array<string>, price decimal(10,2)
 * comment 'net', address struct<city: string>`; names with other characters stand in back ticks.
 * @throws ConfigError with the place in what the flag says and what was expected there
 */
export function parseSchemaList(text: string, flag = "--schema"): StructType {
	const list = new SchemaList(text, flag);
	const fields = list.members(false);
	list.end();
	return struct(...fields);
}

const DEEPEST = 100;

class SchemaList {
	readonly #text: string;
	readonly #flag: string;
	#at = 0;
	#depth = 0;

	constructor(text: string, flag: string) {
		this.#text = text;
		this.#flag = flag;
	}

	members(inStruct: boolean): StructField[] {
		const fields = [this.#member(inStruct)];
		while (this.#take(/,/y) !== undefined) fields.push(this.#member(inStruct));
		return fields;
	}

	end(): void {
		if (this.#take(/$/y) === undefined) throw this.#unexpected("a comma");
	}

	#member(inStruct: boolean): StructField {
		const name = this.#name();
		if (inStruct) this.#take(/:/y);
		const type = this.#type(name);
		const nullable = this.#take(/not\s+null\b/iy) === undefined;
		const comment = this.#take(/comment\s*'((?:[^']|'')*)'/iy);
		return field(name, type, {
			nullable,
			...(comment === undefined
				? {}
				: { metadata: { comment: (comment[1] ?? "").replaceAll("''", "'") } }),
		});
	}

	#name(): string {
		const found = this.#take(/`((?:[^`]|``)+)`|([\p{L}\p{N}_]+)/uy);
		if (found === undefined) throw this.#unexpected("the name of a column");
		return found[1]?.replaceAll("``", "`") ?? found[2] ?? "";
	}

	#type(of: string): DataType {
		if (++this.#depth > DEEPEST)
			throw new ConfigError(
				`${this.#flag}: ${of} nests deeper than ${DEEPEST} levels; make it shallower`,
			);
		const found = this.#take(/[a-z]\w*/iy)?.[0];
		const start = this.#at - (found?.length ?? 0);
		const name = found?.toLowerCase();
		if (name === undefined) throw this.#unexpected(`the type of ${of}`);
		const type = this.#typeNamed(name, of);
		if (type === undefined) {
			this.#at = start;
			throw this.#unexpected(
				`the type of ${of}`,
				suggestion(name, [...Object.keys(TYPES), ...NESTED]) ||
					`; there are ${[...Object.keys(TYPES), "decimal(p,s)", ...NESTED].join(", ")}`,
			);
		}
		this.#depth--;
		return type;
	}

	#typeNamed(name: string, of: string): DataType | undefined {
		switch (name) {
			case "decimal":
			case "dec":
			case "numeric":
				return this.#decimal(of);
			case "array": {
				this.#expect("<");
				const element = this.#type(`${of}.element`);
				this.#expect(">");
				return array(element);
			}
			case "map": {
				this.#expect("<");
				const keyType = this.#type(`${of}.key`);
				this.#expect(",");
				const valueType = this.#type(`${of}.value`);
				this.#expect(">");
				return { type: "map", keyType, valueType, valueContainsNull: true };
			}
			case "struct": {
				this.#expect("<");
				const fields = this.members(true);
				this.#expect(">");
				return struct(...fields);
			}
			default:
				return Object.hasOwn(TYPES, name) ? TYPES[name] : undefined;
		}
	}

	#decimal(of: string): DataType {
		const sizes = this.#take(/\(\s*(\d{1,3})\s*(?:,\s*(\d{1,3})\s*)?\)/y);
		const [precision, scale] = [
			Number(sizes?.[1] ?? 10),
			Number(sizes?.[2] ?? 0),
		];
		if (precision < 1 || precision > 38 || scale > precision)
			throw new ConfigError(
				`${this.#flag}: ${of} can't be decimal(${precision},${scale}); a decimal has 1 to 38 digits, and no more than those after the point`,
			);
		return `decimal(${precision},${scale})`;
	}

	#expect(symbol: string): void {
		if (
			this.#take(symbol === "<" ? /</y : symbol === ">" ? />/y : /,/y) ===
			undefined
		)
			throw this.#unexpected(symbol);
	}

	/** What matches here, after spaces. */
	#take(pattern: RegExp): RegExpExecArray | undefined {
		while (/\s/.test(this.#text.charAt(this.#at))) this.#at++;
		pattern.lastIndex = this.#at;
		const found = pattern.exec(this.#text);
		if (found === null) return undefined;
		this.#at += found[0].length;
		return found;
	}

	#unexpected(expected: string, more = ""): ConfigError {
		const rest = this.#text.slice(this.#at).trim().slice(0, 20);
		return new ConfigError(
			`${this.#flag}: expected ${expected} at character ${this.#at + 1}, found ${rest === "" ? "the end" : rest}${more}`,
		);
	}
}

const NESTED = ["array", "map", "struct"];
