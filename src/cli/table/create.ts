import { readFileSync } from "node:fs";
import type { DataType, StructType } from "../../columnar/types.ts";
import { tableConstraints } from "../../delta/constraints.ts";
import { featureOf } from "../../delta/features.ts";
import { parseSchema } from "../../delta/schema.ts";
import { createTable } from "../../delta/write.ts";
import { ConfigError, messageOf, TributaryError } from "../../errors.ts";
import { namedColumns } from "./columns.ts";
import { type Flags, onlyOne } from "./flags.ts";
import type { TableContext } from "./open.ts";
import { type Properties, parseProperties } from "./properties.ts";
import { parseSchemaList } from "./schema-list.ts";
import { nameText } from "./type-text.ts";

export async function createEmptyTable(context: TableContext): Promise<void> {
	const { engine, flags, out } = context;
	const schema = schemaOf(flags);
	const partitionColumns = partitionsOf(flags, schema);
	const properties = parseProperties(flags.property ?? []);
	const { configuration, features } = properties;
	checkNewTable(schema, properties, "--property");
	const { name, description } = flags;
	const snapshot = await createTable(engine, {
		schema,
		partitionColumns,
		configuration,
		features,
		...(name === undefined ? {} : { name }),
		...(description === undefined ? {} : { description }),
	});
	const { url, version, metadata, protocol } = snapshot;
	out.write(
		flags.json === true
			? `${JSON.stringify({ url, version, id: metadata.id, protocol })}\n`
			: `created ${url} at version ${version}\n`,
	);
}

/**
 * @param property - what gave the properties, for messages
 * @throws ConfigError for what no table can be
 */
export function checkNewTable(
	schema: StructType,
	{ configuration, features }: Properties,
	property: string,
): void {
	const unknown = features.find((name) => featureOf(name) === undefined);
	if (unknown !== undefined)
		throw new ConfigError(
			`${property} delta.feature.${unknown}: this engine knows no such feature; docs/reference/delta.md lists them`,
		);
	if ((configuration["delta.columnMapping.mode"] ?? "none") === "none")
		checkNames(schema, property);
	asFlag("the table can't be written so", () =>
		tableConstraints({ configuration }, schema),
	);
}

function schemaOf(flags: Flags): StructType {
	onlyOne(flags, ["schema", "schema-file"]);
	const file = flags["schema-file"];
	if (flags.schema === undefined && file === undefined)
		throw new ConfigError(
			"table create needs --schema 'id long not null, name string' or --schema-file FILE",
		);
	const text =
		file === undefined
			? JSON.stringify(parseSchemaList(flags.schema ?? ""))
			: asFlag("can't be read", () => readFileSync(file, "utf8"), file);
	const schema = asFlag("--schema is none", () =>
		parseSchema(text, file ?? "the list"),
	);
	if (schema.fields.length === 0)
		throw new ConfigError(`${file} has no column; a table needs one`);
	return schema;
}

function partitionsOf(flags: Flags, schema: StructType): string[] {
	const text = flags["partition-by"];
	if (text === undefined) return [];
	return checkPartitions(
		namedColumns("--partition-by", text, schema),
		schema,
		"--partition-by",
	);
}

/** @throws ConfigError for columns that can't partition a table */
export function checkPartitions(
	names: string[],
	schema: StructType,
	flag: string,
): string[] {
	for (const name of names) {
		const type = schema.fields.find((field) => field.name === name)?.type;
		if (typeof type !== "string" || type === "variant" || type === "void")
			throw new ConfigError(
				`${flag} ${name}: a column of type ${kindOf(type)} can't be a partition column; name one of a plain type`,
			);
	}
	if (names.length === schema.fields.length)
		throw new ConfigError(
			`${flag} names all columns; leave at least one for the files`,
		);
	return names;
}

function kindOf(type: DataType | undefined): string {
	return typeof type === "object" ? type.type : (type ?? "none");
}

/** Parquet files of tables without column mapping can't have them, says the reference implementation. */
function checkNames(type: DataType, property: string): void {
	if (typeof type === "string") return;
	switch (type.type) {
		case "struct":
			for (const { name, type: inner } of type.fields) {
				if (/[ ,;{}()\n\t=]/.test(name))
					throw new ConfigError(
						`the column ${nameText(name)} has a character that needs column mapping; add ${property} delta.columnMapping.mode=name, or rename it`,
					);
				checkNames(inner, property);
			}
			return;
		case "array":
			checkNames(type.elementType, property);
			return;
		case "map":
			checkNames(type.keyType, property);
			checkNames(type.valueType, property);
	}
}

/** What fails here is wrong with a flag, not with a table. */
function asFlag<Result>(
	what: string,
	make: () => Result,
	subject?: string,
): Result {
	try {
		return make();
	} catch (cause) {
		if (!(cause instanceof TributaryError || subject !== undefined))
			throw cause;
		throw new ConfigError(
			`${subject === undefined ? "" : `${subject} `}${what}: ${messageOf(cause)}`,
			{ cause },
		);
	}
}
