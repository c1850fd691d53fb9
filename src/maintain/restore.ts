import type { Action, AddFile, Metadata } from "../delta/actions.ts";
import {
	MAPPING_MODE,
	MAX_COLUMN_ID,
	mappingMode,
} from "../delta/column-mapping.ts";
import { commit } from "../delta/commit.ts";
import type { Engine } from "../delta/engine.ts";
import { DeltaError } from "../delta/errors.ts";
import { locateFile } from "../delta/path.ts";
import {
	MATERIALIZED_COMMIT_VERSION,
	MATERIALIZED_ROW_ID,
	ROW_TRACKING_ENABLED,
} from "../delta/row-tracking.ts";
import { loadSnapshot, type Snapshot } from "../delta/snapshot.ts";
import { removal } from "../delta/stage-delete.ts";

export interface RestoreOptions {
	/** The version to go back to. */
	readonly version: number;
	/**
	 * Leaves the positions of writers where they are: what came since the version is not written
	 * again. Otherwise writers go back with the table, and read it from Kafka once more.
	 */
	readonly keepPositions?: boolean;
	/** Only tells what would be done. */
	readonly dryRun?: boolean;
}

export interface RestoreResult {
	/** After the commit. */
	readonly version: number;
	readonly restoredVersion: number;
	readonly filesRestored: number;
	readonly filesRemoved: number;
	readonly schemaRestored: boolean;
	/** Positions of writers that went back. */
	readonly positions: number;
}

/** Files that are looked for at once. */
const PARALLEL = 32;
/** Application ids of Tributary's writers: the version of each is a Kafka offset. */
const WRITER = "tributary/";
/** Properties that a table can't give up again, or that rows which came since depend on. */
const LASTING = [
	MAPPING_MODE,
	ROW_TRACKING_ENABLED,
	MATERIALIZED_ROW_ID,
	MATERIALIZED_COMMIT_VERSION,
	"delta.enableInCommitTimestamps",
	"delta.inCommitTimestampEnablementVersion",
	"delta.inCommitTimestampEnablementTimestamp",
];

/**
 * Makes the rows, the schema and the properties of an older version those of the newest one, in a
 * commit that can itself be undone. The protocol stays. Writers at work notice that their positions
 * went back, and go on from there.
 * @throws DeltaError DELTA_VERSION_NOT_FOUND, DELTA_FILE_MISSING when vacuum took a file of it,
 *   DELTA_SCHEMA_INCOMPATIBLE for a version from before column mapping, DELTA_CONFLICT when a writer's
 *   position can't go back
 */
export async function restore(
	engine: Engine,
	base: Snapshot,
	options: RestoreOptions,
): Promise<RestoreResult> {
	const target = await loadSnapshot(engine, { version: options.version });
	if (target === undefined)
		throw new DeltaError(
			"DELTA_VERSION_NOT_FOUND",
			`${base.url} has no version ${options.version}`,
		);
	if (
		mappingMode(target.protocol, target.metadata) !==
		mappingMode(base.protocol, base.metadata)
	)
		throw new DeltaError(
			"DELTA_SCHEMA_INCOMPATIBLE",
			`${base.url}: the columns of version ${options.version} are mapped otherwise than now, so its schema can't come back; read its rows with --version and write them anew`,
		);
	await checkFiles(engine, base, target);
	let change = compare(base, target, options, engine.now());
	if (options.dryRun === true) return resultOf(base.version);
	const outcome = await commit(engine, {
		base,
		plan: (now) => {
			change = compare(now ?? base, target, options, engine.now());
			return change.actions.length === 0
				? { kind: "abandon", reason: "nothing to restore" }
				: {
						kind: "commit",
						actions: change.actions,
						info: {
							operation: "RESTORE",
							operationParameters: { version: String(options.version) },
							isBlindAppend: false,
							operationMetrics: {
								numRestoredFiles: String(change.restored.length),
								restoredFilesSize: String(sizeOf(change.restored)),
								numRemovedFiles: String(change.removed.length),
								removedFilesSize: String(sizeOf(change.removed)),
								numOfFilesAfterRestore: String(target.files.size),
								tableSizeAfterRestore: String(
									sizeOf([...target.files.values()]),
								),
							},
						},
					};
		},
	});
	if (outcome.kind === "conflict")
		throw new DeltaError(
			"DELTA_CONFLICT",
			`${base.url}: ${outcome.attempts} commits in a row were lost to other writers; try again`,
			{ retryable: true },
		);
	return resultOf(outcome.snapshot?.version ?? base.version);

	function resultOf(version: number): RestoreResult {
		return {
			version,
			restoredVersion: options.version,
			filesRestored: change.restored.length,
			filesRemoved: change.removed.length,
			schemaRestored: change.schema,
			positions: change.positions,
		};
	}
}

interface Difference {
	readonly actions: readonly Action[];
	readonly restored: readonly AddFile[];
	readonly removed: readonly AddFile[];
	readonly schema: boolean;
	readonly positions: number;
}

/** What makes `now` into `target`. */
function compare(
	now: Snapshot,
	target: Snapshot,
	options: RestoreOptions,
	nowMs: number,
): Difference {
	const removed: AddFile[] = [];
	for (const [key, file] of now.files.entries())
		if (!target.files.has(key)) removed.push(file);
	const restored: AddFile[] = [];
	for (const [key, file] of target.files.entries())
		if (!now.files.has(key)) restored.push({ ...file, dataChange: true });
	const metadata = metadataOf(now, target);
	const positions =
		options.keepPositions === true ? [] : positionsOf(now, target);
	return {
		actions: [
			...(metadata === undefined ? [] : [{ metaData: metadata }]),
			...positions.map(({ appId, version }) => ({
				txn: { appId, version, lastUpdated: nowMs },
			})),
			...removed.map((file) => ({ remove: removal(file, nowMs) })),
			...restored.map((add) => ({ add })),
		],
		restored,
		removed,
		schema:
			metadata?.schemaString !== undefined &&
			metadata.schemaString !== now.metadata.schemaString,
		positions: positions.length,
	};
}

/** The older metadata, with what can't be given up; `undefined` when there is nothing to change. */
function metadataOf(now: Snapshot, target: Snapshot): Metadata | undefined {
	const configuration: Record<string, string> = {
		...target.metadata.configuration,
	};
	for (const name of LASTING) {
		const value = now.metadata.configuration[name];
		if (value === undefined) delete configuration[name];
		else configuration[name] = value;
	}
	const ids = [now, target].map(({ metadata }) =>
		Number(metadata.configuration[MAX_COLUMN_ID] ?? -1),
	);
	if (Math.max(...ids) >= 0)
		configuration[MAX_COLUMN_ID] = String(Math.max(...ids));
	const metadata = { ...target.metadata, configuration };
	const text = ({ configuration, ...rest }: Metadata): string =>
		JSON.stringify([rest, Object.entries(configuration).sort()]);
	return text(metadata) === text(now.metadata) ? undefined : metadata;
}

/** @throws DeltaError DELTA_CONFLICT for a writer that was not at work yet */
function positionsOf(
	now: Snapshot,
	target: Snapshot,
): { readonly appId: string; readonly version: number }[] {
	const back: { appId: string; version: number }[] = [];
	for (const { appId, version } of now.txns.values()) {
		if (!appId.startsWith(WRITER)) continue;
		const then = target.txns.get(appId)?.version;
		if (then === version) continue;
		if (then === undefined)
			throw new DeltaError(
				"DELTA_CONFLICT",
				`${now.url}: ${appId} is at ${version} and had no position in version ${target.version}, so it can't go back with the table; restore a later version, or keep the positions`,
			);
		back.push({ appId, version: then });
	}
	return back;
}

/** @throws DeltaError DELTA_FILE_MISSING */
async function checkFiles(
	engine: Engine,
	now: Snapshot,
	target: Snapshot,
): Promise<void> {
	const wanted: AddFile[] = [];
	for (const [key, file] of target.files.entries())
		if (!now.files.has(key)) wanted.push(file);
	for (let i = 0; i < wanted.length; i += PARALLEL)
		await Promise.all(
			wanted.slice(i, i + PARALLEL).map(async ({ path }) => {
				const file = locateFile(engine, path);
				if ((await file.store.head(file.path)) === undefined)
					throw new DeltaError(
						"DELTA_FILE_MISSING",
						`${now.url}: ${path}, which version ${target.version} needs, is gone: vacuum deletes files of versions older than its retention; restore a later version`,
					);
			}),
		);
}

function sizeOf(files: readonly AddFile[]): number {
	return files.reduce((sum, { size }) => sum + size, 0);
}
