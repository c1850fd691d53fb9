import type { DataType, StructType } from "../columnar/types.ts";
import { canWiden } from "../columnar/widening.ts";
import type {
	Action,
	AddCdcFile,
	AddFile,
	CommitInfo,
	DeletionVectorDescriptor,
	Metadata,
	Protocol,
	RemoveFile,
} from "./actions.ts";
import {
	mappingMode,
	physicalNames,
	physicalSchema,
} from "./column-mapping.ts";
import type { Engine } from "./engine.ts";
import { DeltaError } from "./errors.ts";
import { orderedTimes } from "./history.ts";
import { listLog } from "./listing.ts";
import { canonicalPath } from "./path.ts";
import { parseSchema } from "./schema.ts";
import { loadSnapshot, readCommit, type Snapshot } from "./snapshot.ts";

const FEED = "delta.enableChangeDataFeed";

/** Whether writers record the table's changes; the property counts only where the protocol has it. */
export function changeDataFeed(
	protocol: Protocol,
	metadata: Pick<Metadata, "configuration">,
): boolean {
	const { minWriterVersion, writerFeatures = [] } = protocol;
	return (
		metadata.configuration[FEED] === "true" &&
		(minWriterVersion === 7
			? writerFeatures.includes("changeDataFeed")
			: minWriterVersion >= 4)
	);
}

/** What a commit did to the data. */
export interface CommitChanges {
	readonly version: number;
	/** Milliseconds since the epoch. */
	readonly timestamp: number;
	readonly cdc: readonly AddCdcFile[];
	readonly adds: readonly AddFile[];
	readonly removes: readonly RemoveFile[];
}

/** A data file that a commit gave another deletion vector. */
export interface VectorChange {
	/** With all its rows: it has no deletion vector here. */
	readonly file: AddFile;
	readonly before: DeletionVectorDescriptor | undefined;
	readonly after: DeletionVectorDescriptor | undefined;
}

/** Commits are read so many at once. */
const WINDOW = 32;
/** Actions that are kept from the check of a range to its reading; more are read twice. */
const MAX_KEPT = 100_000;

/**
 * The commits of a range that changed data, checked as a whole first.
 * @throws DeltaError as `readChanges`
 */
export async function* changesIn(
	engine: Engine,
	end: Snapshot,
	range: { readonly from: number; readonly to: number },
	options: { readonly recorded: boolean; readonly maxKept?: number },
): AsyncGenerator<CommitChanges, void, undefined> {
	const { url } = end;
	const { from, to } = range;
	if (!Number.isSafeInteger(from) || from < 0 || from > to)
		throw new DeltaError(
			"DELTA_VERSION_NOT_FOUND",
			`${url}: changes from version ${from} to ${to} were asked for; the first has to be a version from 0 to the last`,
		);
	const kept = new Map<number, CommitChanges>();
	let actions = 0;
	const times = new Map(
		orderedTimes((await listLog(engine, range)).commits).map(
			({ version, modified }) => [version, modified],
		),
	);
	/** What the table's metadata was, from which version on. */
	const states: { readonly version: number; readonly metadata: Metadata }[] =
		[];
	for await (const commit of commitsOf(engine, end, range, times)) {
		if (commit.metadata !== undefined)
			states.push({ version: commit.version, metadata: commit.metadata });
		const { changes } = commit;
		actions +=
			changes.cdc.length + changes.adds.length + changes.removes.length;
		if (actions <= (options.maxKept ?? MAX_KEPT))
			kept.set(commit.version, changes);
	}
	if (states[0]?.version !== from)
		states.unshift({
			version: from,
			metadata:
				states.length === 0
					? end.metadata
					: await metadataAt(engine, url, from),
		});
	for (const state of states) {
		if (options.recorded && !changeDataFeed(end.protocol, state.metadata))
			throw new DeltaError(
				"DELTA_CHANGES_UNAVAILABLE",
				`${url}: ${FEED} was not on in version ${state.version}, so that the changes from ${from} to ${to} were not all recorded; read a range in which it was`,
			);
		checkFits(end, state);
	}
	for (let version = from; version <= to; version++) {
		const known = kept.get(version);
		if (known !== undefined) {
			kept.delete(version);
			yield known;
			continue;
		}
		const again = { from: version, to };
		for await (const { changes } of commitsOf(engine, end, again, times))
			yield changes;
		return;
	}
}

/**
 * Added and removed files of a commit, where one file's change of its deletion vector is told apart.
 */
export function dataChanges({ adds, removes }: CommitChanges): {
	readonly added: readonly AddFile[];
	readonly removed: readonly RemoveFile[];
	readonly vectors: readonly VectorChange[];
} {
	const gone = new Map(removes.map((file) => [canonicalPath(file.path), file]));
	const added: AddFile[] = [];
	const vectors: VectorChange[] = [];
	for (const add of adds) {
		const path = canonicalPath(add.path);
		const remove = gone.get(path);
		if (remove === undefined) {
			added.push(add);
			continue;
		}
		gone.delete(path);
		const { deletionVector, ...file } = add;
		vectors.push({
			file,
			before: remove.deletionVector ?? undefined,
			after: deletionVector ?? undefined,
		});
	}
	return { added, removed: [...gone.values()], vectors };
}

async function* commitsOf(
	engine: Engine,
	{ url }: Snapshot,
	{ from, to }: { readonly from: number; readonly to: number },
	times: ReadonlyMap<number, number>,
): AsyncGenerator<
	{
		readonly version: number;
		readonly metadata: Metadata | undefined;
		readonly changes: CommitChanges;
	},
	void,
	undefined
> {
	for (let start = from; start <= to; start += WINDOW) {
		const window = await Promise.all(
			Array.from({ length: Math.min(WINDOW, to - start + 1) }, (_, i) =>
				readCommit(engine, start + i),
			),
		);
		for (const [i, actions] of window.entries()) {
			const version = start + i;
			if (actions === undefined) {
				const { commits } = await listLog(engine);
				const oldest = commits.find((commit) => commit.version > version);
				throw new DeltaError(
					"DELTA_CHANGES_UNAVAILABLE",
					`${url}: the commit of version ${version} is not in the log any more; ${oldest === undefined ? "no later one is" : `changes can be read from version ${oldest.version} on`}`,
				);
			}
			yield {
				version,
				metadata: actions.flatMap((action) =>
					"metaData" in action ? [action.metaData] : [],
				)[0],
				changes: changesOf(version, actions, times.get(version), url),
			};
		}
	}
}

function changesOf(
	version: number,
	actions: readonly Action[],
	modified: number | undefined,
	url: string,
): CommitChanges {
	const info = actions.flatMap((action) =>
		"commitInfo" in action ? [action.commitInfo] : [],
	)[0];
	// Not what the writer noted as its time: PROTOCOL.md, "Reader Requirements for AddCDCFile".
	const timestamp = info?.inCommitTimestamp ?? modified;
	if (timestamp === undefined)
		throw new DeltaError(
			"DELTA_LOG_INVALID",
			`${url}: the time of version ${version} can't be told: its commit is not in a listing of the log`,
		);
	const cdc = actions.flatMap((action) =>
		"cdc" in action ? [action.cdc] : [],
	);
	// With change data files the others don't count.
	const files =
		cdc.length > 0 || (info !== undefined && changedNothing(info))
			? []
			: actions;
	return {
		version,
		timestamp,
		cdc,
		adds: files.flatMap((action) =>
			"add" in action && action.add.dataChange ? [action.add] : [],
		),
		removes: files.flatMap((action) =>
			"remove" in action && action.remove.dataChange ? [action.remove] : [],
		),
	};
}

/**
 * A MERGE may rewrite files and change no row; it says so in its metrics, and Spark reads no changes
 * from such a commit.
 */
function changedNothing(info: CommitInfo): boolean {
	return (
		info.operation === "MERGE" &&
		[
			"numTargetRowsInserted",
			"numTargetRowsUpdated",
			"numTargetRowsDeleted",
		].every((metric) => String(info.operationMetrics?.[metric]) === "0")
	);
}

async function metadataAt(
	engine: Engine,
	url: string,
	version: number,
): Promise<Metadata> {
	try {
		const snapshot = await loadSnapshot(engine, { version });
		if (snapshot !== undefined) return snapshot.metadata;
	} catch (cause) {
		if (!(cause instanceof DeltaError)) throw cause;
		throw new DeltaError(
			"DELTA_CHANGES_UNAVAILABLE",
			`${url}: the schema of version ${version} can't be told any more (${cause.message}); read changes from a later version`,
			{ cause },
		);
	}
	throw new DeltaError("DELTA_TABLE_NOT_FOUND", `${url} has no table any more`);
}

/** @throws DeltaError when files of an older version can't be read under the last one's schema */
function checkFits(
	end: Snapshot,
	{ version, metadata }: { version: number; metadata: Metadata },
): void {
	if (metadata === end.metadata) return;
	const refuse = (what: string): DeltaError =>
		new DeltaError(
			"DELTA_CHANGES_UNAVAILABLE",
			`${end.url}: ${what} between version ${version} and ${end.version}, so that their changes don't fit one schema; read up to the version before, and from there on`,
		);
	const [older, newer] = [
		{ metadata, schema: parseSchema(metadata.schemaString, end.url) },
		end,
	].map((table) => {
		const mode = mappingMode(end.protocol, table.metadata);
		const names = physicalNames(table.schema, mode);
		return {
			schema: physicalSchema(table.schema, mode),
			partitions: table.metadata.partitionColumns.map((name) =>
				names.get(name),
			),
		};
	});
	if (older === undefined || newer === undefined) return;
	if (older.partitions.join("\n") !== newer.partitions.join("\n"))
		throw refuse(
			`the partition columns changed from (${metadata.partitionColumns.join(", ")}) to (${end.metadata.partitionColumns.join(", ")})`,
		);
	const changed = misfit(older.schema, newer.schema, []);
	if (changed !== undefined) throw refuse(changed);
}

/** Where the older type can't be read as the newer. */
function misfit(
	older: DataType,
	newer: DataType,
	path: readonly string[],
): string | undefined {
	if (typeof older === "string" || typeof newer === "string")
		return (typeof older === "string" &&
			typeof newer === "string" &&
			canWiden(older, newer)) ||
			older === "void"
			? undefined
			: `the type of ${path.join(".")} changed from ${nameOf(older)} to ${nameOf(newer)}`;
	if (older.type === "struct" && newer.type === "struct") {
		const before = new Map(older.fields.map((field) => [field.name, field]));
		for (const { name, type } of newer.fields) {
			const old = before.get(name);
			const found =
				old === undefined ? undefined : misfit(old.type, type, [...path, name]);
			if (found !== undefined) return found;
		}
		return undefined;
	}
	if (older.type === "array" && newer.type === "array")
		return misfit(older.elementType, newer.elementType, [...path, "element"]);
	if (older.type === "map" && newer.type === "map")
		return (
			misfit(older.keyType, newer.keyType, [...path, "key"]) ??
			misfit(older.valueType, newer.valueType, [...path, "value"])
		);
	return `the type of ${path.join(".")} changed from ${nameOf(older)} to ${nameOf(newer)}`;
}

function nameOf(type: DataType | StructType): string {
	return typeof type === "string" ? type : type.type;
}
