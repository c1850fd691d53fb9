import type { Batch } from "../columnar/vector.ts";
import type { Action, AddFile, CommitInfo } from "./actions.ts";
import { type ChangedBatch, stageChanges } from "./change-data-write.ts";
import type { NewTable } from "./create.ts";
import type { Engine } from "./engine.ts";
import { DeltaError } from "./errors.ts";
import { evolve, newLayout } from "./evolve.ts";
import { decodePath } from "./path.ts";
import { loadSnapshot, type Snapshot } from "./snapshot.ts";
import { stageFiles, type TableLayout } from "./stage.ts";
import {
	matching,
	type Predicate,
	predicate,
	type StagedDelete,
	stageDelete,
} from "./stage-delete.ts";
import { transact } from "./transaction.ts";
import { TYPE_WIDENING } from "./type-widening.ts";

export interface WriteOptions {
	/** Adds columns that the rows have beyond the table's, and widens types that may be. */
	readonly mergeSchema?: boolean;
	/** `txn` actions to commit with the rows. */
	readonly txns?: readonly {
		readonly appId: string;
		readonly version: number;
	}[];
	readonly info?: CommitInfo;
}

/**
 * Makes an empty table.
 * @throws DeltaError DELTA_TABLE_EXISTS, or DELTA_CONFLICT when another process is quicker
 */
export async function createTable(
	engine: Engine,
	table: NewTable,
): Promise<Snapshot> {
	const there = await loadSnapshot(engine);
	if (there !== undefined)
		throw new DeltaError(
			"DELTA_TABLE_EXISTS",
			`${engine.store.url} holds a Delta table at version ${there.version} already`,
		);
	const { actions } = newLayout(engine.store.url, table, engine);
	const { snapshot } = await transact(engine, {
		base: undefined,
		reads: {},
		actions,
		info: {
			operation: "CREATE TABLE",
			operationParameters: {
				partitionBy: JSON.stringify(table.partitionColumns ?? []),
			},
		},
	});
	return snapshot;
}

/**
 * Adds rows.
 * @throws DeltaError DELTA_SCHEMA_INCOMPATIBLE when they don't fit, DELTA_CONSTRAINT_VIOLATED, DELTA_CONFLICT
 * when the table's metadata changed meanwhile
 */
export async function append(
	engine: Engine,
	base: Snapshot,
	batches: readonly Batch[],
	options: WriteOptions = {},
): Promise<Snapshot> {
	const staged = await stageRows(engine, base, batches, options);
	const { snapshot } = await transact(engine, {
		base,
		reads: {},
		actions: [
			...staged.actions,
			...txnActions(engine, options),
			...staged.adds.map((add) => ({ add })),
		],
		staged: staged.adds.map(({ path }) => decodePath(path)),
		info: {
			operation: "WRITE",
			operationParameters: { mode: "Append" },
			isBlindAppend: true,
			...options.info,
		},
	});
	return snapshot;
}

/**
 * Puts rows in the place of all rows, or of those that `where` holds for, which the new ones have to
 * fulfil too.
 * @throws DeltaError as `append`, and DELTA_CONFLICT when rows came meanwhile that it would replace
 */
export async function overwrite(
	engine: Engine,
	base: Snapshot,
	batches: readonly Batch[],
	options: WriteOptions & { readonly where?: string } = {},
): Promise<Snapshot> {
	const where = predicate(base, options.where);
	const staged = await stageRows(engine, base, batches, options);
	if (where !== undefined)
		for (const batch of batches)
			if (matching(where.bound, batch, engine).length < batch.length)
				throw new DeltaError(
					"DELTA_CONSTRAINT_VIOLATED",
					`${base.url}: not all rows fulfil ${options.where}, so they can't replace those that do`,
				);
	const gone = await stageDelete(engine, base, where);
	const changes =
		gone.changes.length === 0
			? undefined
			: [
					...gone.changes,
					...batches.map((batch) => ({ type: "insert" as const, batch })),
				];
	return await commitRewrite(engine, base, where, gone, changes, {
		actions: [
			...staged.actions,
			...txnActions(engine, options),
			...staged.adds.map((add) => ({ add })),
		],
		paths: staged.adds.map(({ path }) => decodePath(path)),
		info: {
			operation: "WRITE",
			operationParameters: {
				mode: "Overwrite",
				...(options.where === undefined ? {} : { predicate: options.where }),
			},
			isBlindAppend: false,
			...options.info,
		},
	});
}

/**
 * Deletes the rows that `where` holds for; all of them without. Where the table has deletion vectors on,
 * a file that keeps rows is not written again.
 * @throws DeltaError DELTA_CONFLICT when rows that it read or would have read changed meanwhile
 */
export async function deleteRows(
	engine: Engine,
	base: Snapshot,
	where?: string,
): Promise<Snapshot> {
	const condition = predicate(base, where);
	const gone = await stageDelete(engine, base, condition);
	if (gone.actions.length === 0) return base;
	return await commitRewrite(
		engine,
		base,
		condition,
		gone,
		gone.changes.length === 0 ? undefined : gone.changes,
		{
			actions: [],
			paths: [],
			info: {
				operation: "DELETE",
				operationParameters: {
					predicate: JSON.stringify(where === undefined ? [] : [where]),
				},
				isBlindAppend: false,
			},
		},
	);
}

interface StagedRows {
	readonly actions: readonly Action[];
	readonly adds: readonly AddFile[];
}

async function stageRows(
	engine: Engine,
	base: Snapshot,
	batches: readonly Batch[],
	options: WriteOptions,
): Promise<StagedRows> {
	let table: TableLayout = base;
	let actions: readonly Action[] = [];
	if (options.mergeSchema === true)
		for (const batch of batches) {
			const evolved = evolve(table, batch.schema, {
				uuid: engine.uuid,
				widen: base.metadata.configuration[TYPE_WIDENING] === "true",
			});
			table = evolved.table;
			if (evolved.actions.length > 0) actions = evolved.actions;
		}
	const adds: AddFile[] = [];
	for (const batch of batches)
		for (const { add } of await stageFiles(engine, table, batch))
			adds.push(add);
	return { actions, adds };
}

async function commitRewrite(
	engine: Engine,
	base: Snapshot,
	where: Predicate | undefined,
	gone: StagedDelete,
	changes: readonly ChangedBatch[] | undefined,
	more: {
		readonly actions: readonly Action[];
		readonly paths: readonly string[];
		readonly info: CommitInfo;
	},
): Promise<Snapshot> {
	const paths = [...gone.paths, ...more.paths];
	const cdc: Action[] = [];
	if (changes !== undefined) {
		const staged = stageChanges(base, changes, { uuid: engine.uuid });
		for (const file of staged.files) {
			await engine.store.put(file.path, file.bytes);
			paths.push(file.path);
		}
		cdc.push(...staged.actions);
	}
	const { snapshot } = await transact(engine, {
		base,
		reads:
			where === undefined
				? { wholeTable: true }
				: { files: gone.read, matches: where.mayMatch },
		actions: [...more.actions, ...gone.actions, ...cdc],
		staged: paths,
		info: more.info,
	});
	return snapshot;
}

function txnActions(engine: Engine, options: WriteOptions): Action[] {
	return (options.txns ?? []).map((txn) => ({
		txn: { ...txn, lastUpdated: engine.now() },
	}));
}
