import type { CommitInfo } from "../delta/actions.ts";
import { clusteringColumns } from "../delta/clustering.ts";
import { mappingMode, physicalName } from "../delta/column-mapping.ts";
import { dataFileOptions } from "../delta/data-file.ts";
import type { Engine } from "../delta/engine.ts";
import { DeltaError } from "../delta/errors.ts";
import { checkWritable } from "../delta/features.ts";
import { materializedFields } from "../delta/row-tracking.ts";
import { refreshSnapshot, type Snapshot } from "../delta/snapshot.ts";
import { predicate } from "../delta/stage-delete.ts";
import { type CarriedRewrite, currentFiles } from "./carry-deletions.ts";
import { commitRewrites } from "./commit-rewrite.ts";
import {
	type FileGroup,
	groupOf,
	type PackingRules,
	packFiles,
} from "./file-groups.ts";
import {
	type OptimizeResult,
	OptimizeTally,
	operationMetrics,
} from "./optimize-metrics.ts";
import { discard, rewriteInOrder, type StagedRewrite } from "./rewrite.ts";
import { LIQUID, rewriteInZOrder, zOrderGroups } from "./z-order.ts";
import { type ColumnPath, checkOrderable } from "./z-values.ts";

export interface OptimizeOptions {
	/** In place of `delta.targetFileSize`. */
	readonly targetBytes?: number;
	/** Only files that may have rows for which this is true. */
	readonly where?: string;
	/** Columns to put the rows in order by; a path through structs has dots. */
	readonly zOrderBy?: readonly string[];
	/** Writes every file with deleted rows again, not only those with more than 5 % of them. */
	readonly purge?: boolean;
	/** Only tells what would be done. */
	readonly dryRun?: boolean;
	/** Ends the work after the commit that is under way. */
	readonly signal?: AbortSignal;
	/** Told of each commit. */
	readonly onCommit?: (version: number, rewrite: CarriedRewrite) => void;
}

/** As Spark purges files: most readers pay little for less. */
const DELETED_SHARE = 0.05;
/** Plans of one run: another follows when files were changed otherwise than by deleting rows. */
const MOST_ROUNDS = 3;

/**
 * Writes small files together and leaves deleted rows out, in commits that change no data; with
 * columns to order by, in the order of a Z-curve. Writers of the table go on meanwhile: none ever
 * loses a row or a commit to it, only the race for a version number.
 *
 * Each commit takes the place of about one file of the target size and stands for itself, so that
 * work that is interrupted is not lost.
 * @throws DeltaError DELTA_UNSUPPORTED_WRITER for a table that can't be written,
 *   DELTA_SCHEMA_INCOMPATIBLE for a column that can't be ordered by, and as `scanFiles`
 */
export async function optimize(
	engine: Engine,
	base: Snapshot,
	options: OptimizeOptions = {},
): Promise<OptimizeResult> {
	checkWritable(base.protocol, base.metadata, base.url);
	const order = orderOf(base, options.zOrderBy ?? []);
	const { mayMatch } = predicate(base, options.where) ?? {};
	const rules: PackingRules = {
		targetBytes:
			options.targetBytes ??
			dataFileOptions(
				base.schema,
				base.metadata,
				mappingMode(base.protocol, base.metadata),
			).targetBytes,
		deletedShare: options.purge === true ? 0 : DELETED_SHARE,
		...(mayMatch && { mayMatch }),
	};
	const plan = (snapshot: Snapshot): FileGroup[] =>
		order.columns.length === 0
			? packFiles(snapshot, rules)
			: zOrderGroups(snapshot, order.columns, rules);
	const groups = plan(base);
	const tally = new OptimizeTally(base.version, groups);
	if (options.dryRun === true) return tally.result();
	const infoOf = (rewrite: CarriedRewrite): CommitInfo => ({
		operation: "OPTIMIZE",
		operationParameters: {
			predicate: JSON.stringify(
				options.where === undefined ? [] : [options.where],
			),
			zOrderBy: JSON.stringify(order.clustered ? [] : namesOf(order.columns)),
			clusterBy: JSON.stringify(order.clustered ? namesOf(order.columns) : []),
			auto: "false",
		},
		isBlindAppend: false,
		operationMetrics: operationMetrics(rewrite),
		...(materializedFields(base.metadata).length > 0 && {
			tags: { "delta.rowTracking.preserved": "true" },
		}),
	});

	let snapshot = base;
	let queue: readonly FileGroup[] = groups;
	for (let round = 1; round <= MOST_ROUNDS && queue.length > 0; round++) {
		let again = false;
		let waiting: { staged: StagedRewrite; group: FileGroup }[] = [];
		let bytes = 0;
		const settle = async (): Promise<void> => {
			// Whatever comes of the commit: it may have made them files of the table.
			const batch = waiting;
			waiting = [];
			bytes = 0;
			if (batch.length === 0) return;
			const outcome = await commitRewrites(
				engine,
				snapshot,
				batch.map(({ staged }) => staged),
				infoOf,
			);
			({ snapshot } = outcome);
			if (outcome.rewrite !== undefined) {
				tally.committed(snapshot.version, outcome.rewrite);
				options.onCommit?.(snapshot.version, outcome.rewrite);
			}
			for (const { staged, reason } of outcome.stale) {
				const one = batch.find((entry) => entry.staged === staged);
				if (one === undefined) continue;
				if (round === MOST_ROUNDS) tally.leftOut(one.group, reason);
				again = true;
			}
		};
		try {
			for (const planned of queue) {
				if (options.signal?.aborted === true) break;
				const group = stillThere(snapshot, planned);
				if (group === undefined) continue;
				const staged =
					order.columns.length === 0
						? await rewriteInOrder(engine, snapshot, group, rules)
						: await rewriteInZOrder(
								engine,
								snapshot,
								group,
								order.columns,
								rules,
							);
				waiting.push({
					group,
					staged: order.clustered ? clustered(staged) : staged,
				});
				bytes += group.bytes;
				if (bytes >= rules.targetBytes / 2) await settle();
			}
		} catch (error) {
			for (const { staged } of waiting) await discard(engine, staged);
			throw error;
		}
		await settle();
		queue = [];
		if (!again || round === MOST_ROUNDS) continue;
		snapshot = await refreshSnapshot(engine, snapshot);
		queue = plan(snapshot);
	}
	return tally.result();
}

interface Order {
	readonly columns: readonly ColumnPath[];
	/** The table says so itself. */
	readonly clustered: boolean;
}

/** @throws DeltaError DELTA_SCHEMA_INCOMPATIBLE */
function orderOf(base: Snapshot, wanted: readonly string[]): Order {
	const own = clusteringColumns(base.domains);
	if (own.length > 0 && wanted.length > 0)
		throw new DeltaError(
			"DELTA_SCHEMA_INCOMPATIBLE",
			`${base.url} is clustered by columns of its own, so it can't be ordered by ${wanted.join(", ")}; leave the columns out`,
		);
	const columns =
		own.length > 0
			? own.map((path) => logicalPath(base, path))
			: wanted.map((text) => columnPath(base, text));
	checkOrderable(base, columns);
	return { columns, clustered: own.length > 0 };
}

/** A name with dots is a column of that name, if there is one, else a path. */
function columnPath({ schema }: Snapshot, text: string): ColumnPath {
	return schema.fields.some(({ name }) => name === text)
		? [text]
		: text.split(".");
}

/** A path of physical names by the names that the table shows. */
function logicalPath(
	{ schema, protocol, metadata }: Snapshot,
	path: ColumnPath,
): ColumnPath {
	const mode = mappingMode(protocol, metadata);
	let fields = schema.fields;
	return path.map((part) => {
		const found = fields.find((field) => physicalName(field, mode) === part);
		const type = found?.type;
		fields =
			typeof type === "object" && type.type === "struct" ? type.fields : [];
		return found?.name ?? part;
	});
}

function namesOf(columns: readonly ColumnPath[]): string[] {
	return columns.map((path) => path.join("."));
}

function clustered(staged: StagedRewrite): StagedRewrite {
	return {
		...staged,
		outputs: staged.outputs.map((add) => ({
			...add,
			clusteringProvider: LIQUID,
		})),
	};
}

/** The group with its files as they are now; `undefined` when there is nothing left to write again. */
function stillThere(
	snapshot: Snapshot,
	group: FileGroup,
): FileGroup | undefined {
	const files = currentFiles(snapshot, group.files).filter(
		(file) => file !== undefined,
	);
	return files.length === 0 ? undefined : groupOf(files);
}
