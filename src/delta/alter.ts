import type { StructType } from "../columnar/types.ts";
import { columnsOf } from "../expression/expression.ts";
import { parseExpression } from "../expression/parse.ts";
import type { Action, AddFile, CommitInfo, Metadata } from "./actions.ts";
import {
	type ArrangedColumn,
	arrangeColumns,
	dropColumn,
	renameColumn,
} from "./column-change.ts";
import { enableMapping, MAPPING_MODE } from "./column-mapping.ts";
import { tableConstraints } from "./constraints.ts";
import type { Engine } from "./engine.ts";
import { DeltaError } from "./errors.ts";
import { evolve } from "./evolve.ts";
import { writerFeatures } from "./features.ts";
import { upgradedProtocol } from "./protocol.ts";
import { checkRows } from "./row-check.ts";
import { filesWithoutRowIds, ROW_TRACKING_ENABLED } from "./row-tracking.ts";
import { readTable } from "./scan.ts";
import { parseSchema } from "./schema.ts";
import type { Snapshot } from "./snapshot.ts";
import { transact } from "./transaction.ts";
import { TYPE_WIDENING } from "./type-widening.ts";

/** One change of a table's metadata; no data file is written again for any of them. */
export type Alteration =
	| {
			readonly kind: "set-properties";
			/** `undefined` takes a property away. */
			readonly properties: Readonly<Record<string, string | undefined>>;
	  }
	/** The order of columns, whether they may be null, and what is said of them. */
	| {
			readonly kind: "arrange-columns";
			readonly columns: readonly ArrangedColumn[];
	  }
	/** Fields to add, or types to widen, at any depth: what `schema` has beyond the table's. */
	| { readonly kind: "merge-schema"; readonly schema: StructType }
	| {
			readonly kind: "rename-column";
			readonly path: readonly string[];
			readonly to: string;
	  }
	| { readonly kind: "drop-column"; readonly path: readonly string[] }
	| {
			readonly kind: "add-constraint";
			readonly name: string;
			readonly expression: string;
	  }
	| { readonly kind: "drop-constraint"; readonly name: string }
	| {
			readonly kind: "set-domain";
			readonly domain: string;
			/** `undefined` takes it away. */
			readonly configuration: string | undefined;
	  };

/**
 * Changes a table's metadata, and its protocol as far as that needs.
 * @throws DeltaError DELTA_SCHEMA_INCOMPATIBLE for what the table can't become, DELTA_CONSTRAINT_VIOLATED when
 * rows that are there break a new constraint, DELTA_CONFLICT when the metadata changed meanwhile
 */
export async function alterTable(
	engine: Engine,
	base: Snapshot,
	alteration: Alteration,
): Promise<Snapshot> {
	const { actions, info } = await planned(engine, base, alteration);
	if (actions.length === 0) return base;
	// Rows that were checked, and files that were given ids, have to be all that there are.
	const wholeTable =
		alteration.kind === "add-constraint" ||
		actions.some((action) => "add" in action);
	const { snapshot } = await transact(engine, {
		base,
		reads: wholeTable ? { wholeTable } : {},
		actions,
		info: { isBlindAppend: false, ...info },
	});
	return snapshot;
}

/**
 * What an alteration would do: the table as it would be, and the actions that make it so; none where it
 * is so already. One that is planned on such a table can be committed together with it.
 * @throws as `alterTable`
 */
export async function planAlteration(
	engine: Engine,
	base: Snapshot,
	alteration: Alteration,
): Promise<{ readonly after: Snapshot; readonly actions: readonly Action[] }> {
	const { actions } = await planned(engine, base, alteration);
	let after = base;
	for (const action of actions)
		if ("protocol" in action) after = { ...after, protocol: action.protocol };
		else if ("metaData" in action)
			after = {
				...after,
				metadata: action.metaData,
				schema: parseSchema(action.metaData.schemaString, base.url),
			};
	return { after, actions };
}

interface Planned {
	readonly actions: readonly Action[];
	readonly info: CommitInfo;
}

async function planned(
	engine: Engine,
	base: Snapshot,
	alteration: Alteration,
): Promise<Planned> {
	switch (alteration.kind) {
		case "set-properties":
			return setProperties(engine, base, alteration.properties);
		case "merge-schema": {
			const { actions, conflicts, changes } = evolve(base, alteration.schema, {
				uuid: engine.uuid,
				widen: true,
			});
			const conflict = conflicts[0];
			if (conflict !== undefined)
				throw new DeltaError(
					"DELTA_SCHEMA_INCOMPATIBLE",
					`${base.url}: the column ${conflict.path.join(".")} is ${JSON.stringify(conflict.table)} and can't become ${JSON.stringify(conflict.incoming)} without writing its files again`,
				);
			const widened = changes.find(({ kind }) => kind === "widen");
			if (
				widened !== undefined &&
				base.metadata.configuration[TYPE_WIDENING] !== "true"
			)
				throw new DeltaError(
					"DELTA_SCHEMA_INCOMPATIBLE",
					`${base.url}: the column ${widened.path.join(".")} can be widened once delta.enableTypeWidening is true; set it first`,
				);
			return {
				actions,
				info: {
					operation: widened === undefined ? "ADD COLUMNS" : "CHANGE COLUMN",
					operationParameters: {
						columns: JSON.stringify(
							changes.map(({ path, to }) => ({ path, type: to })),
						),
					},
				},
			};
		}
		case "arrange-columns":
			return withMetadata(base, arrangeColumns(base, alteration.columns), {
				operation: "CHANGE COLUMNS",
				operationParameters: { columns: JSON.stringify(alteration.columns) },
			});
		case "rename-column": {
			checkUnused(base, alteration.path, "renamed");
			return withMetadata(
				base,
				renameColumn(base, alteration.path, alteration.to),
				{
					operation: "RENAME COLUMN",
					operationParameters: {
						oldColumnPath: alteration.path.join("."),
						newColumnPath: [
							...alteration.path.slice(0, -1),
							alteration.to,
						].join("."),
					},
				},
			);
		}
		case "drop-column":
			checkUnused(base, alteration.path, "dropped");
			return withMetadata(base, dropColumn(base, alteration.path), {
				operation: "DROP COLUMNS",
				operationParameters: {
					columns: JSON.stringify([alteration.path.join(".")]),
				},
			});
		case "add-constraint":
			return await addConstraint(engine, base, alteration);
		case "drop-constraint": {
			const key = constraintKey(alteration.name);
			if (base.metadata.configuration[key] === undefined)
				throw new DeltaError(
					"DELTA_SCHEMA_INCOMPATIBLE",
					`${base.url} has no constraint ${alteration.name}`,
				);
			return setProperties(engine, base, { [key]: undefined });
		}
		case "set-domain":
			return setDomain(base, alteration);
	}
}

function setProperties(
	engine: Engine,
	base: Snapshot,
	properties: Readonly<Record<string, string | undefined>>,
): Planned {
	const configuration: Record<string, string> = {
		...base.metadata.configuration,
	};
	for (const [name, value] of Object.entries(properties))
		if (value === undefined) delete configuration[name];
		else configuration[name] = value;
	const mode = configuration[MAPPING_MODE] ?? "none";
	const before = base.metadata.configuration[MAPPING_MODE] ?? "none";
	let metadata: Metadata = { ...base.metadata, configuration };
	if (mode !== before) {
		if (mode !== "name" && mode !== "id")
			throw new DeltaError(
				"DELTA_SCHEMA_INCOMPATIBLE",
				`${base.url}: ${MAPPING_MODE} can't be set from ${before} to ${mode}: the names in its files are not those of its columns any more`,
			);
		const mapped = enableMapping(
			{
				schema: base.schema,
				configuration: {
					...configuration,
					...(base.metadata.configuration[MAPPING_MODE] === undefined
						? { [MAPPING_MODE]: "none" }
						: { [MAPPING_MODE]: before }),
				},
			},
			{ mode, existing: true, uuid: engine.uuid },
		);
		metadata = {
			...metadata,
			schemaString: JSON.stringify(mapped.schema),
			configuration: mapped.configuration,
		};
	}
	const planned = withMetadata(base, metadata, {
		operation: "SET TBLPROPERTIES",
		operationParameters: { properties: JSON.stringify(properties) },
	});
	const tracked = (one: Metadata): boolean =>
		one.configuration[ROW_TRACKING_ENABLED] === "true";
	if (!tracked(metadata) || tracked(base.metadata)) return planned;
	const without: Action[] = filesWithoutRowIds(base).map((add: AddFile) => ({
		add,
	}));
	return { ...planned, actions: [...planned.actions, ...without] };
}

function withMetadata(
	base: Snapshot,
	metadata: Metadata,
	info: CommitInfo,
): Planned {
	// What can't be understood has to be told before it is in the table.
	tableConstraints(metadata, parseSchema(metadata.schemaString, base.url));
	const protocol = upgradedProtocol(base.protocol, metadata);
	return {
		actions: [
			...(protocol === undefined ? [] : [{ protocol }]),
			{ metaData: metadata },
		],
		info,
	};
}

const CONSTRAINT = "delta.constraints.";

function constraintKey(name: string): string {
	return `${CONSTRAINT}${name.toLowerCase()}`;
}

async function addConstraint(
	engine: Engine,
	base: Snapshot,
	constraint: { readonly name: string; readonly expression: string },
): Promise<Planned> {
	const key = constraintKey(constraint.name);
	if (!/^[a-z_]\w*$/i.test(constraint.name))
		throw new DeltaError(
			"DELTA_SCHEMA_INCOMPATIBLE",
			`${JSON.stringify(constraint.name)} is no name of a constraint; use letters, digits and _`,
		);
	if (base.metadata.configuration[key] !== undefined)
		throw new DeltaError(
			"DELTA_SCHEMA_INCOMPATIBLE",
			`${base.url} has a constraint ${constraint.name} already: ${base.metadata.configuration[key]}; drop it first`,
		);
	const metadata: Metadata = {
		...base.metadata,
		configuration: {
			...base.metadata.configuration,
			[key]: constraint.expression,
		},
	};
	const constraints = tableConstraints(metadata, base.schema);
	for await (const batch of readTable(engine, base))
		checkRows(constraints, batch, { now: engine.now() });
	return withMetadata(base, metadata, {
		operation: "ADD CONSTRAINT",
		operationParameters: {
			name: constraint.name,
			expr: constraint.expression,
		},
	});
}

/** Expressions name columns as they are called now: a column in use stays. */
function checkUnused(
	{ metadata, schema, url }: Snapshot,
	path: readonly string[],
	what: string,
): void {
	const uses = (text: string): boolean =>
		columnsOf(parseExpression(text)).some((column) =>
			path.every(
				(part, i) =>
					column[i] === undefined ||
					column[i]?.toLowerCase() === part.toLowerCase(),
			),
		);
	const refused = (by: string): DeltaError =>
		new DeltaError(
			"DELTA_SCHEMA_INCOMPATIBLE",
			`${url}: the column ${path.join(".")} can't be ${what}: ${by} uses it`,
		);
	for (const [key, text] of Object.entries(metadata.configuration))
		if (key.startsWith(CONSTRAINT) && uses(text))
			throw refused(`the constraint ${key.slice(CONSTRAINT.length)}`);
	for (const field of schema.fields) {
		const text = field.metadata["delta.generationExpression"];
		if (typeof text === "string" && uses(text))
			throw refused(`the generated column ${field.name}`);
	}
}

function setDomain(
	base: Snapshot,
	{
		domain,
		configuration,
	}: { readonly domain: string; readonly configuration: string | undefined },
): Planned {
	if (domain.startsWith("delta."))
		throw new DeltaError(
			"DELTA_SCHEMA_INCOMPATIBLE",
			`the domain ${domain} belongs to Delta itself; choose a name that does not start with delta.`,
		);
	const known = base.domains.get(domain);
	if (configuration === undefined && (known === undefined || known.removed))
		return { actions: [], info: {} };
	const protocol = writerFeatures(base.protocol).includes("domainMetadata")
		? undefined
		: upgradedProtocol(base.protocol, base.metadata, ["domainMetadata"]);
	return {
		actions: [
			...(protocol === undefined ? [] : [{ protocol }]),
			{
				domainMetadata: {
					domain,
					configuration: configuration ?? known?.configuration ?? "",
					removed: configuration === undefined,
				},
			},
		],
		info: {
			operation: "SET DOMAIN METADATA",
			operationParameters: { domain },
		},
	};
}
