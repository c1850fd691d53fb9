import {
	type DataType,
	type StructField,
	type StructType,
	struct,
} from "../../columnar/types.ts";
import { type Alteration, alterTable } from "../../delta/alter.ts";
import type { Snapshot } from "../../delta/snapshot.ts";
import { ConfigError } from "../../errors.ts";
import { boundCondition, columnPath, membersOf, splitPath } from "./columns.ts";
import { ALTERATIONS, type Flags, onlyOne } from "./flags.ts";
import { suggestion } from "./nearest.ts";
import { openTable, type TableContext } from "./open.ts";
import { parseChanges } from "./properties.ts";
import { parseSchemaList } from "./schema-list.ts";

/** One change of a table's metadata. */
export async function alter(context: TableContext): Promise<void> {
	const { engine, flags, out } = context;
	onlyOne(flags, [...ALTERATIONS, "set"]);
	onlyOne(flags, [...ALTERATIONS, "unset"]);
	const base = await openTable(context);
	const alteration = alterationOf(flags, base);
	if (alteration === undefined)
		throw new ConfigError(
			`table alter needs one of ${[...ALTERATIONS, "set", "unset"].map((flag) => `--${flag}`).join(", ")}`,
		);
	const { version } = await alterTable(engine, base, alteration);
	const changed = version > base.version;
	out.write(
		flags.json === true
			? `${JSON.stringify({ version, changed })}\n`
			: `${changed ? "altered" : "nothing to change"}: version ${version}\n`,
	);
}

function alterationOf(flags: Flags, base: Snapshot): Alteration | undefined {
	const { metadata, schema } = base;
	const added = flags["add-column"];
	if (added !== undefined)
		return {
			kind: "merge-schema",
			schema: added.reduce(withColumn, schema),
		};
	const widened = flags["widen-column"];
	if (widened !== undefined)
		return {
			kind: "merge-schema",
			schema: widened.reduce(withWider, schema),
		};
	const renamed = flags["rename-column"];
	if (renamed !== undefined) {
		const { path, rest } = splitPath("--rename-column", renamed);
		const [, name] = /^\s*=(.*\S.*)$/s.exec(rest) ?? [];
		const to =
			name === undefined ? undefined : splitPath("--rename-column", name);
		if (to?.path.length !== 1 || to.rest.trim() !== "")
			throw new ConfigError(
				`--rename-column ${renamed} is no old=new; write it like address.zip=postcode`,
			);
		return {
			kind: "rename-column",
			path: columnPath("--rename-column", path, schema),
			to: to.path[0] ?? "",
		};
	}
	const dropped = flags["drop-column"];
	if (dropped !== undefined) {
		const { path, rest } = splitPath("--drop-column", dropped);
		if (rest.trim() !== "")
			throw new ConfigError(
				`--drop-column ${dropped} is no column; name one, like address.zip`,
			);
		return {
			kind: "drop-column",
			path: columnPath("--drop-column", path, schema),
		};
	}
	if (flags["add-constraint"] !== undefined)
		return newConstraint(flags["add-constraint"], schema);
	if (flags["drop-constraint"] !== undefined)
		return oldConstraint(flags["drop-constraint"], metadata.configuration);
	if (flags.set === undefined && flags.unset === undefined) return undefined;
	return {
		kind: "set-properties",
		properties: parseChanges(
			flags.set ?? [],
			flags.unset ?? [],
			metadata.configuration,
		),
	};
}

const CONSTRAINT = "delta.constraints.";

function newConstraint(text: string, schema: StructType): Alteration {
	const [, name, expression] = /^\s*(\w+)\s*:\s*(\S.*)$/s.exec(text) ?? [];
	if (name === undefined || expression === undefined)
		throw new ConfigError(
			`--add-constraint ${JSON.stringify(text)} is no name: expression; write it like 'positive: price > 0'`,
		);
	boundCondition("--add-constraint", expression, schema);
	return { kind: "add-constraint", name, expression };
}

function oldConstraint(
	name: string,
	configuration: Readonly<Record<string, string>>,
): Alteration {
	const names = Object.keys(configuration)
		.filter((key) => key.startsWith(CONSTRAINT))
		.map((key) => key.slice(CONSTRAINT.length));
	if (!names.includes(name.toLowerCase()))
		throw new ConfigError(
			`--drop-constraint ${name}: the table has no such constraint${suggestion(name, names) || `; it has ${names.join(", ") || "none"}`}`,
		);
	return { kind: "drop-constraint", name };
}

/** The table's schema with a column more. */
function withColumn(schema: StructType, text: string): StructType {
	const flag = "--add-column";
	const { path, field } = pathField(flag, text);
	const parent = columnPath(flag, path.slice(0, -1), schema);
	if (!field.nullable)
		throw new ConfigError(
			`${flag} ${text}: rows that are there have no value of it, so it can't be NOT NULL`,
		);
	const type = typeAt(parent, schema);
	if (typeof type === "string" || type.type !== "struct")
		throw new ConfigError(
			`${flag} ${text}: ${parent.join(".")} is no struct; only a struct can have a field more`,
		);
	const there = type.fields.find(
		({ name }) => name.toLowerCase() === field.name.toLowerCase(),
	);
	if (there !== undefined)
		throw new ConfigError(
			`${flag} ${text}: there is a column ${[...parent, there.name].join(".")}; --widen-column gives it a wider type`,
		);
	return changedAt(schema, parent, struct(...type.fields, field)) as StructType;
}

/** The table's schema with another type of a column. */
function withWider(schema: StructType, text: string): StructType {
	const flag = "--widen-column";
	const { path, field } = pathField(flag, text);
	const spelt = columnPath(flag, path, schema);
	return changedAt(schema, spelt, field.type) as StructType;
}

interface PathField {
	readonly path: readonly string[];
	readonly field: StructField;
}

function pathField(flag: string, text: string): PathField {
	const { path, rest } = splitPath(flag, text);
	const name = path.at(-1) ?? "";
	const { fields } = parseSchemaList(
		`\`${name.replaceAll("`", "``")}\` ${rest}`,
		flag,
	);
	const [field] = fields;
	if (field === undefined || fields.length > 1)
		throw new ConfigError(
			`${flag} ${text} is more than one column; repeat the flag for each`,
		);
	return { path, field };
}

function typeAt(path: readonly string[], schema: StructType): DataType {
	let type: DataType = schema;
	for (const name of path)
		type =
			membersOf(type).fields.find((field) => field.name === name)?.type ?? type;
	return type;
}

/** A type with another one at a path below it. */
function changedAt(
	type: DataType,
	path: readonly string[],
	to: DataType,
): DataType {
	const [name, ...rest] = path;
	if (name === undefined) return to;
	if (typeof type === "string") return type;
	switch (type.type) {
		case "struct":
			return {
				...type,
				fields: type.fields.map((field) =>
					field.name === name
						? { ...field, type: changedAt(field.type, rest, to) }
						: field,
				),
			};
		case "array":
			return { ...type, elementType: changedAt(type.elementType, rest, to) };
		case "map":
			return name === "key"
				? { ...type, keyType: changedAt(type.keyType, rest, to) }
				: { ...type, valueType: changedAt(type.valueType, rest, to) };
	}
}
