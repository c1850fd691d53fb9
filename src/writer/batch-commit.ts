import type { ChangeBatch } from "../change/change.ts";
import type { Action } from "../delta/actions.ts";
import { commit } from "../delta/commit.ts";
import type { Engine } from "../delta/engine.ts";
import type { Plan } from "../delta/outcome.ts";
import type { NewCommit, Snapshot } from "../delta/snapshot.ts";
import {
	type StagedFile,
	stageFiles,
	type TableLayout,
} from "../delta/stage.ts";
import { messageOf, TributaryError } from "../errors.ts";
import { batchTarget } from "./batch-target.ts";
import type { CommittedOffsets } from "./committed-offsets.ts";
import type { WriterConfig } from "./config.ts";
import type { KnownTable } from "./known-table.ts";
import type { Refusals } from "./refusals.ts";
import type { RefusedBatch } from "./refused-batch.ts";
import type { Route } from "./route.ts";
import { faultyRows } from "./row-faults.ts";
import { demandsNewFiles, retyped } from "./table-layout.ts";
import type { TableChange, Target } from "./table-schema.ts";
import { addsRows, type Mirror, type StagedUpsert } from "./upsert.ts";
import { MIRROR_COMMIT } from "./upsert-index.ts";

export type FlushOutcome =
	| { readonly kind: "nothing" }
	| {
			readonly kind: "committed";
			readonly version: number;
			readonly rows: number;
			readonly bytes: number;
			readonly newestSourceMs: number;
			readonly oldestStreamedMs: number;
			readonly schemaChanges: readonly TableChange[];
	  }
	/** Another writer went further: everything pending is dropped, positions have to be read again. */
	| {
			readonly kind: "fenced";
			readonly reason: string;
			readonly schemaChanges: readonly TableChange[];
	  };

/** Rows that wait for their commit, with the offsets that they came from. */
export interface PendingBatch {
	/** Without the rows that the table refused. */
	changes: ChangeBatch;
	/** Of its records. */
	readonly bytes: number;
	/** With upsert: the partition of each row. */
	partitions: Int32Array;
	readonly refused: RefusedBatch;
	/** Last offset of each partition that the batch covers, records that made no row included. */
	readonly offsets: ReadonlyMap<number, number>;
	/**
	 * Where the table was when the batch was read: it may be committed there and nowhere else, whatever
	 * became known of the table while its commit was under way.
	 */
	readonly from: ReadonlyMap<number, number | undefined>;
	/** Files of an append: stored once, however often the commit is tried. */
	staged?: readonly StagedFile[];
}

/** The table that batches are committed to, and what its writer has and knows of it. */
export interface BatchTable {
	readonly topic: string;
	readonly route: Route;
	readonly engine: Engine;
	readonly config: WriterConfig;
	readonly known: KnownTable;
	readonly committed: CommittedOffsets;
	readonly refusals: Refusals;
	/** With upsert. */
	readonly mirror: Mirror | undefined;
}

/**
 * Commits a batch with its offsets as one version; its dead letters before that. What rows can't be
 * stored are set aside.
 * @throws what storage throws: the same batch may be tried again; TributaryError COMMIT_CONFLICT when other
 * writers were quicker each time
 */
export async function commitBatch(
	batchTable: BatchTable,
	pending: PendingBatch,
): Promise<FlushOutcome> {
	const { topic, committed, refusals } = batchTable;
	const { epoch } = committed;
	for (;;) {
		const base = await baseOf(batchTable, pending);
		const fence = committed.fence(base, pending.from);
		if (fence !== undefined) return fenced(fence);
		const target = targetOf(batchTable, base, pending);
		if (target.misfit !== undefined)
			return fenced(target.misfit, target.changes);
		let upsert: StagedUpsert | undefined;
		try {
			upsert = await stage(batchTable, base, pending, target.table);
		} catch (error) {
			const unread = await setAside(batchTable, error, pending, target.table);
			if (unread !== undefined) return fenced(unread);
			continue;
		}
		const { changes, refused } = pending;
		if (!(await refusals.keep(refused, changes, base?.schema)))
			return fenced(`dead letters of ${topic} are those of another writer`);
		// Nothing but dead letters so far: the table is made with its first row.
		if (base === undefined && changes.batch.length === 0)
			return { kind: "nothing" };
		const staged: Staged = { base, target, upsert };
		const outcome = await commitStaged(batchTable, pending, staged, epoch);
		// Else others changed rows of ours, or added some: look the places up again.
		if (outcome !== "stale") return outcome;
	}
}

interface Staged {
	readonly base: Snapshot | undefined;
	readonly target: Target;
	readonly upsert: StagedUpsert | undefined;
}

/** Why a plan is given up when the batch has to be staged for a newer version. */
const STALE = "stale";

/** The one commit of a batch; `stale` when it has to be staged for a newer version. */
async function commitStaged(
	batchTable: BatchTable,
	pending: PendingBatch,
	staged: Staged,
	epoch: number,
): Promise<FlushOutcome | "stale"> {
	const { engine, known, committed } = batchTable;
	const { base, upsert } = staged;
	const { changes, offsets } = pending;
	const files = pending.staged ?? [];
	const fileActions: readonly Action[] =
		upsert?.actions ?? files.map(({ add }) => ({ add }));
	let schemaChanges: readonly TableChange[] = [];
	const outcome = await commit(engine, {
		base,
		plan: (snapshot, winners): Plan => {
			const next = replan(batchTable, pending, staged, snapshot, winners);
			schemaChanges = next.kind === "stale" ? [] : next.changes;
			if (next.kind === "stale") {
				if (next.restage) delete pending.staged;
				return { kind: "abandon", reason: STALE };
			}
			if (next.kind === "fenced")
				return { kind: "abandon", reason: next.reason };
			return {
				kind: "commit",
				actions: [
					...next.actions,
					...committed.actions(offsets, engine.now),
					...fileActions,
				],
				info: {
					operation: upsert === undefined ? "WRITE" : "MERGE",
					operationParameters: {},
					isBlindAppend: upsert === undefined,
					...(upsert === undefined ? {} : { [MIRROR_COMMIT]: true }),
				},
			};
		},
	});
	switch (outcome.kind) {
		case "committed":
			known.knowNow(outcome.snapshot);
			known.rowSchema = outcome.snapshot.schema;
			// After a reset positions are read from the table: rows that were decoded since then from an
			// older one must not pass for those behind this commit.
			if (epoch === committed.epoch)
				for (const [partition, offset] of offsets)
					committed.set(partition, offset);
			await upsert?.settle(outcome.snapshot);
			return {
				kind: "committed",
				version: outcome.version,
				rows: changes.batch.length,
				bytes:
					upsert?.bytes ?? files.reduce((sum, { add }) => sum + add.size, 0),
				newestSourceMs: changes.newestSourceMs,
				oldestStreamedMs: changes.oldestStreamedMs,
				schemaChanges,
			};
		case "abandoned":
			known.know(outcome.snapshot);
			return outcome.reason === STALE
				? "stale"
				: fenced(outcome.reason, schemaChanges);
		case "conflict":
			known.know(outcome.snapshot);
			throw new TributaryError(
				"COMMIT_CONFLICT",
				`${engine.store.url}: ${outcome.attempts} commits in a row were lost to other writers`,
				{ retryable: true },
			);
	}
}

type Replanned =
	| {
			readonly kind: "fits";
			readonly actions: readonly Action[];
			readonly changes: readonly TableChange[];
	  }
	| {
			readonly kind: "fenced";
			readonly reason: string;
			readonly changes: readonly TableChange[];
	  }
	/** `restage`: the files of an append are of no use any more either. */
	| { readonly kind: "stale"; readonly restage: boolean };

/** Whether what was staged can be committed behind this snapshot. */
function replan(
	batchTable: BatchTable,
	pending: PendingBatch,
	{ base, target, upsert }: Staged,
	snapshot: Snapshot | undefined,
	winners: readonly NewCommit[],
): Replanned {
	const fence = batchTable.committed.fence(snapshot, pending.from);
	if (fence !== undefined)
		return { kind: "fenced", reason: fence, changes: [] };
	if (
		upsert?.replaced.some((key) => !snapshot?.files.has(key)) ||
		(upsert !== undefined && winners.some(addsRows))
	)
		return { kind: "stale", restage: false };
	const same = snapshot?.metadata === base?.metadata;
	if (!same && demandsNewFiles(snapshot))
		return { kind: "stale", restage: true };
	const { table, actions, changes, misfit } = same
		? target
		: targetOf(batchTable, snapshot, pending);
	if (misfit !== undefined) return { kind: "fenced", reason: misfit, changes };
	if (!same && retyped(target.table, table))
		return { kind: "stale", restage: true };
	return { kind: "fits", actions, changes };
}

/**
 * The version to stage a batch for. It has to hold all that stands before the batch, or a mirror would
 * not find the old rows of its keys; what others commit meanwhile is not of this batch's partitions.
 */
async function baseOf(
	{ known, committed }: BatchTable,
	{ from }: PendingBatch,
): Promise<Snapshot | undefined> {
	if (committed.fence(known.snapshot, from) !== undefined)
		known.know(await known.newest());
	return known.snapshot;
}

function targetOf(
	{ engine, config, route, known: { rowSchema } }: BatchTable,
	snapshot: Snapshot | undefined,
	{ changes }: PendingBatch,
): Target {
	return batchTarget(snapshot, changes, { engine, config, route, rowSchema });
}

/** Stores the files of a batch, those of an append once. */
async function stage(
	{ engine, mirror }: BatchTable,
	base: Snapshot | undefined,
	pending: PendingBatch,
	table: TableLayout,
): Promise<StagedUpsert | undefined> {
	const upsert = await mirror?.stage(base, pending, table);
	if (upsert === undefined)
		pending.staged ??= await stageFiles(engine, table, pending.changes.batch);
	return upsert;
}

/**
 * Makes the rows that can't be stored dead letters.
 * @returns why the batch has to be read again first
 * @throws the failure where it is not the rows'
 */
async function setAside(
	{ engine, config, mirror, refusals }: BatchTable,
	error: unknown,
	pending: PendingBatch,
	table: TableLayout,
): Promise<string | undefined> {
	const faults = await faultyRows(error, pending.changes, {
		engine,
		table,
		storesDeleted: mirror === undefined || config.deletes === "soft",
	});
	if (faults === undefined) throw error;
	const rest = refusals.setAside(pending.refused, pending.changes, faults);
	if (rest === undefined) {
		refusals.keepsRaw = true;
		return `rows can't be written as they are (${messageOf(error)}): the batch is read again, to set them aside`;
	}
	pending.changes = rest.changes;
	pending.partitions = rest.kept.map(
		(row) => pending.partitions[row] as number,
	);
	return undefined;
}

function fenced(
	reason: string,
	schemaChanges: readonly TableChange[] = [],
): FlushOutcome {
	return { kind: "fenced", reason, schemaChanges };
}
