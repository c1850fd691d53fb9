import { take } from "../columnar/batch.ts";
import type { Batch } from "../columnar/vector.ts";
import { bind } from "../expression/bind.ts";
import type { Bound } from "../expression/bound.ts";
import { evaluate } from "../expression/evaluate.ts";
import { columnsOf, type Expression } from "../expression/expression.ts";
import { parseExpression } from "../expression/parse.ts";
import type { Action, AddFile, RemoveFile } from "./actions.ts";
import type { ChangedBatch } from "./change-data-write.ts";
import {
	type DeletedRows,
	readDeletionVector,
	stageDeletionVectors,
	unionRows,
} from "./deletion-vector.ts";
import type { Engine } from "./engine.ts";
import { DeltaError } from "./errors.ts";
import { writerFeatures } from "./features.ts";
import { decodePath } from "./path.ts";
import { materializedFields, movedRowIds } from "./row-tracking.ts";
import { scanFiles } from "./scan.ts";
import { fileSkipper } from "./skipping.ts";
import type { Snapshot } from "./snapshot.ts";
import { stageFiles } from "./stage.ts";
import { looseStats } from "./stats.ts";

export interface StagedDelete {
	readonly actions: readonly Action[];
	/** Stored files, below the table's root. */
	readonly paths: readonly string[];
	/** Deleted rows, where readers of the change data feed could not tell them from the files. */
	readonly changes: readonly ChangedBatch[];
	/** Files whose rows were looked at. */
	readonly read: readonly string[];
}

/**
 * What deletes the rows that `where` holds for: by deletion vectors where the table has them on, else
 * by writing the other rows of their files again.
 */
export async function stageDelete(
	engine: Engine,
	base: Snapshot,
	where: Predicate | undefined,
): Promise<StagedDelete> {
	if (where === undefined)
		return {
			actions: [...base.files.values()].map((file) => ({
				remove: removal(file, engine.now()),
			})),
			paths: [],
			changes: [],
			read: [],
		};
	const byVector =
		base.metadata.configuration["delta.enableDeletionVectors"] === "true" &&
		writerFeatures(base.protocol).includes("deletionVectors");
	const affected: AffectedFile[] = [];
	const read: string[] = [];
	for (const file of base.files.values()) {
		if (!where.mayMatch(file)) continue;
		read.push(file.path);
		const found = await matchingRows(engine, base, file, where);
		if (found.rows.length > 0) affected.push({ file, ...found });
	}
	const removes = affected.map(({ file }) => ({
		remove: removal(file, engine.now()),
	}));
	const staged = byVector
		? await stageVectors(engine, affected)
		: await stageRewrites(engine, base, affected, where);
	return { ...staged, actions: [...removes, ...staged.actions], read };
}

interface AffectedFile {
	readonly file: AddFile;
	/** Positions of the rows to delete. */
	readonly rows: DeletedRows;
	/** Rows that stay. */
	readonly kept: number;
}

type Staged = Omit<StagedDelete, "read">;

async function stageVectors(
	engine: Engine,
	affected: readonly AffectedFile[],
): Promise<Staged> {
	const kept: {
		readonly file: AddFile;
		readonly rows: DeletedRows;
		readonly physical: number;
	}[] = [];
	for (const { file, rows, kept: left } of affected) {
		if (left === 0) continue;
		const before =
			file.deletionVector === undefined
				? new Uint32Array(0)
				: await readDeletionVector(engine, file.deletionVector);
		kept.push({
			file,
			rows: unionRows(before, rows),
			physical: before.length + rows.length + left,
		});
	}
	if (kept.length === 0) return { actions: [], paths: [], changes: [] };
	const staged = stageDeletionVectors(
		kept.map(({ rows }) => rows),
		engine.uuid(),
	);
	if (staged.file !== undefined)
		await engine.store.put(staged.file.path, staged.file.bytes);
	return {
		actions: kept.flatMap(({ file, physical }, i) => {
			const deletionVector = staged.descriptors[i];
			// A file with a vector has to say how many rows it has.
			const stats = looseStats(file.stats ?? `{"numRecords":${physical}}`);
			return deletionVector === undefined
				? []
				: [{ add: { ...file, dataChange: true, stats, deletionVector } }];
		}),
		paths: staged.file === undefined ? [] : [staged.file.path],
		changes: [],
	};
}

async function stageRewrites(
	engine: Engine,
	base: Snapshot,
	affected: readonly AffectedFile[],
	where: Predicate,
): Promise<Staged> {
	const actions: Action[] = [];
	const paths: string[] = [];
	const changes: ChangedBatch[] = [];
	// Files that only go as a whole tell readers of the feed all that there is to say.
	const feed =
		base.metadata.configuration["delta.enableChangeDataFeed"] === "true" &&
		affected.some(({ kept }) => kept > 0);
	// Rows take their ids along.
	const fileColumns = materializedFields(base.metadata);
	for (const { file, kept } of affected) {
		if (kept === 0 && !feed) continue;
		for await (const { batch: scanned, rows } of scanFiles(engine, base, {
			files: [file],
			fileColumns,
		})) {
			const { length } = scanned;
			const width = scanned.columns.length - fileColumns.length;
			const batch: Batch = {
				schema: {
					type: "struct",
					fields: scanned.schema.fields.slice(0, width),
				},
				length,
				columns: scanned.columns.slice(0, width),
			};
			const matches = matching(where.bound, batch, engine);
			if (feed) changes.push({ type: "delete", batch: take(batch, matches) });
			const staying = others(matches, length);
			const ids: Batch = {
				schema: { type: "struct", fields: fileColumns },
				length,
				columns: movedRowIds(file, rows, scanned.columns.slice(width)),
			};
			for (const { add } of await stageFiles(
				engine,
				base,
				take(batch, staying),
				{ kept: true, fileColumns: take(ids, staying) },
			)) {
				actions.push({ add });
				paths.push(decodePath(add.path));
			}
		}
	}
	return { actions, paths, changes };
}

export interface Predicate {
	readonly expression: Expression;
	readonly bound: Bound;
	readonly mayMatch: (file: AddFile) => boolean;
}

export function predicate(
	table: Snapshot,
	where: string | undefined,
): Predicate | undefined {
	if (where === undefined) return undefined;
	const expression = parseExpression(where);
	const bound = bind(expression, table.schema);
	if (bound.type !== "boolean")
		throw new DeltaError(
			"DELTA_SCHEMA_INCOMPATIBLE",
			`${where} is no condition; write one that is true or false, such as id > 5`,
		);
	return { expression, bound, mayMatch: fileSkipper(bound, table) };
}

/** Positions of the rows that a condition is true for. */
export function matching(
	bound: Bound,
	batch: Batch,
	engine: Pick<Engine, "now">,
): Int32Array {
	const truth = evaluate(bound, batch, { now: engine.now() });
	const rows = new Int32Array(batch.length);
	let length = 0;
	if (truth.kind === "bool")
		for (let row = 0; row < batch.length; row++)
			if (truth.values[row] === 1 && (truth.validity?.[row] ?? 1) === 1)
				rows[length++] = row;
	return rows.subarray(0, length);
}

async function matchingRows(
	engine: Engine,
	base: Snapshot,
	file: AddFile,
	where: Predicate,
): Promise<{ rows: DeletedRows; kept: number }> {
	const wanted = new Set(
		columnsOf(where.expression).map(([name]) => name?.toLowerCase()),
	);
	const columns = base.schema.fields
		.map(({ name }) => name)
		.filter((name) => wanted.has(name.toLowerCase()));
	// A condition without columns still needs to know how many rows there are.
	const any = base.schema.fields.find(
		({ name }) => !base.metadata.partitionColumns.includes(name),
	);
	if (columns.length === 0 && any !== undefined) columns.push(any.name);
	const bound = bind(where.expression, {
		type: "struct",
		fields: base.schema.fields.filter(({ name }) => columns.includes(name)),
	});
	const found: number[] = [];
	let kept = 0;
	for await (const { batch, rows } of scanFiles(engine, base, {
		files: [file],
		columns,
	})) {
		const matches = matching(bound, batch, engine);
		for (const at of matches) found.push(rows[at] as number);
		kept += batch.length - matches.length;
	}
	return { rows: Uint32Array.from(found), kept };
}

/** What takes an active file out of the table. */
export function removal(file: AddFile, nowMs: number): RemoveFile {
	return {
		path: file.path,
		deletionTimestamp: nowMs,
		dataChange: true,
		extendedFileMetadata: true,
		partitionValues: file.partitionValues,
		size: file.size,
		...(file.tags === undefined ? {} : { tags: file.tags }),
		...(file.deletionVector === undefined
			? {}
			: { deletionVector: file.deletionVector }),
		...(file.baseRowId === undefined ? {} : { baseRowId: file.baseRowId }),
		...(file.defaultRowCommitVersion === undefined
			? {}
			: { defaultRowCommitVersion: file.defaultRowCommitVersion }),
	};
}

function others(rows: Int32Array, length: number): Int32Array {
	const rest = new Int32Array(length - rows.length);
	let [at, next] = [0, 0];
	for (let row = 0; row < length; row++) {
		if (rows[next] === row) next++;
		else rest[at++] = row;
	}
	return rest;
}
