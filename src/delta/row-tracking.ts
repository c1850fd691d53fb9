import { field, type StructField } from "../columnar/types.ts";
import { valueAt } from "../columnar/value.ts";
import type { Vector } from "../columnar/vector.ts";
import type { Action, AddFile, Metadata, Protocol } from "./actions.ts";
import { DeltaError } from "./errors.ts";
import { writerFeatures } from "./features.ts";
import type { Snapshot } from "./snapshot.ts";
import { numRecords } from "./stats-rows.ts";

/*
 * Row tracking (PROTOCOL.md, "Row Tracking"): each file has the id of its first row and the version
 * that brought it; the highest id given away is in a domain of the table.
 */

export const ROW_TRACKING_DOMAIN = "delta.rowTracking";
export const ROW_TRACKING_ENABLED = "delta.enableRowTracking";

/** Properties that name the columns of data files with the ids of rows that moved. */
export const MATERIALIZED_ROW_ID =
	"delta.rowTracking.materializedRowIdColumnName";
export const MATERIALIZED_COMMIT_VERSION =
	"delta.rowTracking.materializedRowCommitVersionColumnName";

/**
 * The actions with names for the columns that hold the ids of moved rows, where the metadata enables
 * row tracking without (PROTOCOL.md, "Writer Requirements for Row Tracking"). Other engines need them
 * as soon as they update a row.
 */
export function withMaterializedColumns(
	actions: readonly Action[],
	uuid: () => string,
): Action[] {
	return actions.map((action) => {
		if (!("metaData" in action)) return action;
		const { configuration } = action.metaData;
		if (configuration[ROW_TRACKING_ENABLED] !== "true") return action;
		return {
			metaData: {
				...action.metaData,
				configuration: {
					...configuration,
					[MATERIALIZED_ROW_ID]:
						configuration[MATERIALIZED_ROW_ID] ?? `_row-id-col-${uuid()}`,
					[MATERIALIZED_COMMIT_VERSION]:
						configuration[MATERIALIZED_COMMIT_VERSION] ??
						`_row-commit-version-col-${uuid()}`,
				},
			},
		};
	});
}

/**
 * The actions with ids for the files that bring new rows. Files that come back with ids (a new
 * deletion vector, a rearrangement) keep theirs. Computed by every try of a commit, so that a lost
 * race gives other ids.
 * @throws DeltaError DELTA_LOG_INVALID for a file without `numRecords`, or files without ids in a
 * table whose row tracking gets enabled
 */
export function withRowIds(
	actions: readonly Action[],
	snapshot: Snapshot | undefined,
	after: { readonly protocol: Protocol; readonly metadata: Metadata },
	version: number,
): Action[] {
	if (!writerFeatures(after.protocol).includes("rowTracking"))
		return [...actions];
	const { configuration } = after.metadata;
	if (configuration["delta.rowTrackingSuspended"] === "true")
		return [...actions];
	const before = highWaterMark(snapshot);
	let mark = before;
	const given = actions.map((action) => {
		if (!("add" in action)) return action;
		const { add } = action;
		if (add.baseRowId !== undefined) {
			mark = Math.max(mark, add.baseRowId - 1);
			return add.defaultRowCommitVersion === undefined
				? { add: { ...add, defaultRowCommitVersion: version } }
				: action;
		}
		const rows = numRecords(add.stats);
		if (rows === undefined)
			throw new DeltaError(
				"DELTA_LOG_INVALID",
				`${add.path} has no numRecords in its statistics, which row tracking needs`,
			);
		const baseRowId = mark + 1;
		mark += rows;
		return {
			add: {
				...add,
				baseRowId,
				defaultRowCommitVersion: add.defaultRowCommitVersion ?? version,
			},
		};
	});
	const enabled = (metadata: Metadata | undefined): boolean =>
		metadata?.configuration[ROW_TRACKING_ENABLED] === "true";
	if (enabled(after.metadata) && !enabled(snapshot?.metadata))
		checkBackfilled(snapshot, given);
	if (mark === before) return given;
	return [
		...given.filter(
			(action) =>
				!("domainMetadata" in action) ||
				action.domainMetadata.domain !== ROW_TRACKING_DOMAIN,
		),
		{
			domainMetadata: {
				domain: ROW_TRACKING_DOMAIN,
				configuration: JSON.stringify({ rowIdHighWaterMark: mark }),
				removed: false,
			},
		},
	];
}

/**
 * The columns of data files that hold the ids of rows from other files, and the versions that brought
 * them; none where rows need not keep their ids.
 */
export function materializedFields({
	configuration,
}: Pick<Metadata, "configuration">): StructField[] {
	const id = configuration[MATERIALIZED_ROW_ID];
	const version = configuration[MATERIALIZED_COMMIT_VERSION];
	return configuration[ROW_TRACKING_ENABLED] !== "true" ||
		id === undefined ||
		version === undefined
		? []
		: [field(id, "long"), field(version, "long")];
}

/**
 * What the `materializedFields` of rows have to hold when they go to another file: what they hold
 * already, else the id that the row has by its place.
 */
export function movedRowIds(
	file: AddFile,
	rows: Int32Array,
	materialized: readonly Vector[],
): Vector[] {
	const { baseRowId, defaultRowCommitVersion } = file;
	return materialized.map((vector, column): Vector => {
		const values = new BigInt64Array(rows.length);
		const validity = new Uint8Array(rows.length);
		for (const [i, row] of rows.entries()) {
			const held = valueAt(vector, "long", i);
			const own =
				column === 0
					? baseRowId === undefined
						? undefined
						: baseRowId + row
					: defaultRowCommitVersion;
			if (typeof held !== "bigint" && own === undefined) continue;
			values[i] = typeof held === "bigint" ? held : BigInt(own ?? 0);
			validity[i] = 1;
		}
		return { kind: "i64", length: rows.length, values, validity };
	});
}

/** The files that need ids before row tracking can be enabled: added again with nothing changed. */
export function filesWithoutRowIds(snapshot: Snapshot): AddFile[] {
	const files: AddFile[] = [];
	for (const file of snapshot.files.values())
		if (file.baseRowId === undefined)
			files.push({ ...file, dataChange: false });
	return files;
}

/** The highest row id given away; -1 before the first. */
export function highWaterMark(snapshot: Snapshot | undefined): number {
	const domain = snapshot?.domains.get(ROW_TRACKING_DOMAIN);
	if (domain === undefined || domain.removed) return -1;
	const mark = (
		JSON.parse(domain.configuration) as { rowIdHighWaterMark?: unknown }
	).rowIdHighWaterMark;
	if (typeof mark !== "number")
		throw new DeltaError(
			"DELTA_LOG_INVALID",
			`the domain ${ROW_TRACKING_DOMAIN} holds ${domain.configuration}, which has no rowIdHighWaterMark`,
		);
	return mark;
}

function checkBackfilled(
	snapshot: Snapshot | undefined,
	actions: readonly Action[],
): void {
	if (snapshot === undefined) return;
	const given = new Set(
		actions.flatMap((action) => ("add" in action ? [action.add.path] : [])),
	);
	const gone = new Set(
		actions.flatMap((action) =>
			"remove" in action ? [action.remove.path] : [],
		),
	);
	for (const file of snapshot.files.values())
		if (
			file.baseRowId === undefined &&
			!given.has(file.path) &&
			!gone.has(file.path)
		)
			throw new DeltaError(
				"DELTA_LOG_INVALID",
				`row tracking can't be enabled while ${file.path} has no row ids; add the files of filesWithoutRowIds in the same commit`,
			);
}
