import { readFileSync } from "node:fs";
import { parseAllDocuments } from "yaml";
import { type StructField, struct } from "../../columnar/types.ts";
import {
	commitDesired,
	type DesiredColumn,
	planDesired,
} from "../../delta/desired.ts";
import { DeltaError } from "../../delta/errors.ts";
import { loadSnapshot, type Snapshot } from "../../delta/snapshot.ts";
import { createTable } from "../../delta/write.ts";
import { ConfigError, messageOf } from "../../errors.ts";
import {
	type DeltaTableSpec,
	deltaTable,
	type TableSchema,
} from "../../resource/delta-table.ts";
import { problem } from "../resource-file.ts";
import { checkNewTable, checkPartitions } from "./create.ts";
import { suggestion } from "./nearest.ts";
import type { TableContext } from "./open.ts";
import { type Properties, parseProperties } from "./properties.ts";
import { parseSchemaList } from "./schema-list.ts";
import { typeText } from "./type-text.ts";

/** Other commits may change the table between the look at it and the commit. */
const TRIES = 5;

/** Makes the table of a `DeltaTable`, or brings one that is there to its schema and properties. */
export async function applyTable(context: TableContext): Promise<void> {
	const { engine, flags, out } = context;
	if (flags.file === undefined)
		throw new ConfigError(
			"table apply needs --file FILE: a DeltaTable in YAML, as kubectl apply takes it",
		);
	const spec = readSpec(flags.file);
	const dryRun = flags["dry-run"] === true || spec.dryRun;
	const columns = spec.schema && columnsOf(spec.schema);
	const properties = propertiesOf(spec);
	for (let tries = 1; ; tries++)
		try {
			const base = await loadSnapshot(engine);
			const changes =
				base === undefined
					? await create(context, spec, { columns, properties, dryRun })
					: await change(context, base, spec, { columns, properties, dryRun });
			const told = { dryRun, changes: [...changes] };
			out.tell(told);
			out.write(
				flags.json === true
					? `${JSON.stringify(told)}\n`
					: changes.length === 0
						? "nothing to change\n"
						: `${dryRun ? "would " : "done: "}${changes.join(`\n${dryRun ? "would " : "done: "}`)}\n`,
			);
			return;
		} catch (error) {
			const lost =
				error instanceof DeltaError &&
				(error.code === "DELTA_CONFLICT" ||
					error.code === "DELTA_TABLE_EXISTS");
			if (!lost || tries === TRIES) throw error;
		}
}

interface Wanted {
	readonly columns: readonly DesiredColumn[] | undefined;
	readonly properties: Properties;
	readonly dryRun: boolean;
}

async function create(
	{ engine }: TableContext,
	{ partitionBy }: DeltaTableSpec,
	{ columns, properties, dryRun }: Wanted,
): Promise<readonly string[]> {
	if (columns === undefined)
		throw new DeltaError(
			"DELTA_TABLE_NOT_FOUND",
			`${engine.store.url} holds no Delta table (no _delta_log): give spec.schema for one to be made, or correct the location`,
		);
	const schema = struct(
		...columns.map(
			({ name, type, nullable, comment }): StructField => ({
				name,
				type,
				nullable,
				metadata: comment === undefined ? {} : { comment },
			}),
		),
	);
	checkNewTable(schema, properties, "spec.properties");
	const partitionColumns = checkPartitions(
		partitionBy.map((name) => {
			const names = columns.map((column) => column.name);
			if (names.includes(name)) return name;
			throw new ConfigError(
				`spec.partitionBy names the column ${name}, which is not in spec.schema.columns${suggestion(name, names)}`,
			);
		}),
		schema,
		"spec.partitionBy",
	);
	if (!dryRun)
		await createTable(engine, { schema, partitionColumns, ...properties });
	return [
		`create the table with ${columns.length} columns${partitionColumns.length === 0 ? "" : `, partitioned by ${partitionColumns.join(", ")}`}`,
	];
}

async function change(
	{ engine }: TableContext,
	base: Snapshot,
	spec: DeltaTableSpec,
	{ columns, properties, dryRun }: Wanted,
): Promise<readonly string[]> {
	const { partitionColumns } = base.metadata;
	const { partitionBy, schema } = spec;
	const renamed = new Map(
		columns?.map(({ name, renamedFrom }) => [renamedFrom ?? name, name]),
	);
	if (
		schema !== undefined &&
		partitionColumns.map((name) => renamed.get(name) ?? name).join("\n") !==
			partitionBy.join("\n")
	)
		throw new DeltaError(
			"DELTA_SCHEMA_INCOMPATIBLE",
			`${base.url} is partitioned by ${partitionColumns.join(", ") || "nothing"}, not by ${partitionBy.join(", ") || "nothing"} as spec.partitionBy says, and that can't be changed: say so there, or make a new table`,
		);
	checkConstraints(properties, base);
	const plan = await planDesired(
		engine,
		base,
		{
			...(columns !== undefined && { columns }),
			unlisted: schema?.unlisted ?? "keep",
			properties: properties.configuration,
		},
		typeText,
	);
	if (!dryRun) await commitDesired(engine, base, plan);
	return plan.changes;
}

const CONSTRAINT = "delta.constraints.";

/** Rows that are there would have to be looked at for a constraint, and that is a command of its own. */
function checkConstraints(
	{ configuration, features }: Properties,
	{ metadata, protocol }: Snapshot,
): void {
	for (const [key, value] of Object.entries(configuration))
		if (key.startsWith(CONSTRAINT) && metadata.configuration[key] !== value)
			throw new ConfigError(
				`spec.properties ${key}: rows that are there have to be checked first; run tributary table alter --add-constraint '${key.slice(CONSTRAINT.length)}: ${value}'`,
			);
	const there = [
		...(protocol.writerFeatures ?? []),
		...(protocol.readerFeatures ?? []),
	];
	const missing = features.find((name) => !there.includes(name));
	if (missing !== undefined)
		throw new ConfigError(
			`spec.properties delta.feature.${missing}: features of a table that is there come with what uses them; set the property that does`,
		);
}

function columnsOf({ columns }: TableSchema): DesiredColumn[] {
	const seen = new Set<string>();
	return columns.map(({ name, type, nullable, comment, renamedFrom }, i) => {
		const where = `spec.schema.columns[${i}] ${name}`;
		if (seen.has(name.toLowerCase()))
			throw new ConfigError(
				`${where}: there is a column of that name before it; names are compared without case`,
			);
		seen.add(name.toLowerCase());
		const { fields } = parseSchemaList(
			`\`${name.replaceAll("`", "``")}\` ${type}`,
			where,
		);
		const [field] = fields;
		if (field === undefined || fields.length > 1)
			throw new ConfigError(
				`${where}: ${type} is more than one type; give each column an entry of its own`,
			);
		if (!field.nullable || Object.keys(field.metadata).length > 0)
			throw new ConfigError(
				`${where}: ${type} is more than a type; say nullable and comment beside it`,
			);
		return {
			name,
			type: field.type,
			nullable,
			...(comment !== undefined && { comment }),
			...(renamedFrom !== undefined && { renamedFrom }),
		};
	});
}

function propertiesOf({ properties }: DeltaTableSpec): Properties {
	return parseProperties(
		Object.entries(properties).map(([name, value]) => `${name}=${value}`),
		"spec.properties",
	);
}

/** @throws ConfigError naming the file, the field and what is allowed */
function readSpec(file: string): DeltaTableSpec {
	let text: string;
	try {
		text = readFileSync(file, "utf8");
	} catch (cause) {
		throw new ConfigError(`can't read ${file}: ${messageOf(cause)}`, { cause });
	}
	const contents: unknown[] = [];
	for (const document of parseAllDocuments(text)) {
		const [broken] = document.errors;
		if (broken !== undefined)
			throw new ConfigError(`${file}: ${broken.message}`);
		const content: unknown = document.toJS();
		if (content !== null && content !== undefined) contents.push(content);
	}
	const [content] = contents;
	if (content === undefined || contents.length > 1)
		throw new ConfigError(
			`${file} has ${contents.length} documents: table apply takes one DeltaTable`,
		);
	const result = deltaTable.safeParse(content);
	if (result.success) return result.data.spec;
	throw new ConfigError(
		`${file}: ${result.error.issues.map((issue) => problem(issue, content)).join("; ")}`,
	);
}
