import type { ChangeBatch } from "../change/change.ts";
import type { StructType } from "../columnar/types.ts";
import type { Engine } from "../delta/engine.ts";
import { newLayout } from "../delta/evolve.ts";
import type { Snapshot } from "../delta/snapshot.ts";
import { TributaryError } from "../errors.ts";
import type { WriterConfig } from "./config.ts";
import type { Route } from "./route.ts";
import { DEFAULT_SCHEMA, schemaRules } from "./schema-rules.ts";
import { FLATTENED, RECORDS } from "./table-layout.ts";
import { type Target, targetOf } from "./table-schema.ts";

export interface BatchTargetOptions {
	readonly engine: Engine;
	readonly config: WriterConfig;
	readonly route: Route;
	/** What the rows were decoded for. */
	readonly rowSchema: StructType | undefined;
}

/** The property that says what a table holds. */
const SOURCE = "tributary.source";

/** The table as a batch can be written to it, made with it where there is none, and the actions that make it so. */
export function batchTarget(
	snapshot: Snapshot | undefined,
	changes: ChangeBatch,
	options: BatchTargetOptions,
): Target {
	const { engine, config, route, rowSchema } = options;
	if (snapshot === undefined) return newTable(changes, options);
	const before = snapshot.metadata.configuration[RECORDS];
	const records =
		changes.flattened === true ? FLATTENED : before && "envelopes";
	return targetOf(snapshot, changes.batch.schema, {
		properties: records === undefined ? {} : { [RECORDS]: records },
		known: rowSchema,
		rules: schemaRules(config.schema ?? DEFAULT_SCHEMA, route.source),
		uuid: engine.uuid,
	});
}

/** @throws TributaryError SOURCE_MISMATCH when the table mirrors another source */
export function checkSource(
	{ url, metadata }: Snapshot,
	{ topic, route }: { readonly topic: string; readonly route: Route },
): void {
	const source = metadata.configuration[SOURCE];
	if (source !== undefined && source !== route.source)
		throw new TributaryError(
			"SOURCE_MISMATCH",
			`${url} holds ${source}, but ${topic} would write ${route.source} to it: set sink.tablePath to "{schema}/{table}"`,
		);
}

function newTable(
	changes: ChangeBatch,
	{ engine, config, route }: BatchTargetOptions,
): Target {
	const created = newLayout(
		engine.store.url,
		{
			schema: changes.batch.schema,
			partitionColumns: partitionColumns(config, route),
			configuration: {
				[SOURCE]: route.source,
				...(changes.flattened === true ? { [RECORDS]: FLATTENED } : {}),
				...(route.mode === "upsert"
					? {
							"tributary.key": JSON.stringify(changes.keyColumns),
							"delta.enableDeletionVectors": "true",
						}
					: {}),
			},
			name: route.path,
		},
		engine,
	);
	return { ...created, changes: [] };
}

/** A history beside a mirror is always by day: `partitionBy` is the mirror's. */
function partitionColumns(
	{ writeMode, partitionBy }: WriterConfig,
	{ mode }: Route,
): readonly string[] {
	if (mode === "upsert") return partitionBy ?? [];
	return writeMode === "append"
		? (partitionBy ?? ["_ingestion_date"])
		: ["_ingestion_date"];
}
