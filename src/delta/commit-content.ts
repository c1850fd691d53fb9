import type { Action, CommitInfo, Metadata, Protocol } from "./actions.ts";
import type { Engine } from "./engine.ts";
import { DeltaError } from "./errors.ts";
import { checkWritable } from "./features.ts";
import { fileKey } from "./file-key.ts";
import {
	inCommitTimestamps,
	nextTimestamp,
	withEnablement,
} from "./in-commit-timestamp.ts";
import { commitPath } from "./log.ts";
import { canonicalPath } from "./path.ts";
import { withMaterializedColumns, withRowIds } from "./row-tracking.ts";
import type { Snapshot } from "./snapshot.ts";

const ENGINE_INFO = "Tributary/0.1.0";

/**
 * The actions of a commit as they stand in its file: what the plan wants, and what the protocol asks
 * for beside it: `commitInfo` first, in-commit timestamp, row ids.
 * @throws DeltaError when they would break a rule of the protocol
 */
export async function commitContent(
	engine: Engine,
	plan: { readonly actions: readonly Action[]; readonly info: CommitInfo },
	snapshot: Snapshot | undefined,
	txnId: string,
): Promise<readonly Action[]> {
	const version = (snapshot?.version ?? -1) + 1;
	const after = stateAfter(plan.actions, snapshot, engine.store.url);
	const ordered = inCommitTimestamps(after.metadata);
	const timestamp = ordered
		? nextTimestamp(engine.now(), await previousTimestamp(engine, snapshot))
		: engine.now();
	const named = withMaterializedColumns(plan.actions, engine.uuid);
	const actions = withRowIds(
		ordered
			? withEnablement(named, snapshot?.metadata, version, timestamp)
			: named,
		snapshot,
		after,
		version,
	);
	const content: readonly Action[] = [
		{
			commitInfo: {
				...(ordered ? { inCommitTimestamp: timestamp } : {}),
				timestamp,
				...(snapshot === undefined ? {} : { readVersion: snapshot.version }),
				engineInfo: ENGINE_INFO,
				...plan.info,
				txnId,
			},
		},
		...actions,
	];
	validate(content, snapshot, after, engine.store.url);
	return content;
}

/** The first timestamp of a table that turns them on has to be later than the file of the commit before. */
async function previousTimestamp(
	engine: Engine,
	snapshot: Snapshot | undefined,
): Promise<number | undefined> {
	if (snapshot === undefined) return undefined;
	if (inCommitTimestamps(snapshot.metadata)) return snapshot.timestamp;
	return (await engine.store.head(commitPath(snapshot.version)))?.modified;
}

interface After {
	readonly protocol: Protocol;
	readonly metadata: Metadata;
}

function stateAfter(
	actions: readonly Action[],
	snapshot: Snapshot | undefined,
	url: string,
): After {
	let protocol = snapshot?.protocol;
	let metadata = snapshot?.metadata;
	for (const action of actions) {
		if ("metaData" in action) metadata = action.metaData;
		else if ("protocol" in action) protocol = action.protocol;
	}
	if (protocol === undefined || metadata === undefined)
		throw new DeltaError(
			"DELTA_LOG_INVALID",
			`the first commit to ${url} needs a protocol and a metaData action`,
		);
	return { protocol, metadata };
}

/** @throws DeltaError naming the rule that the actions would break */
function validate(
	actions: readonly Action[],
	snapshot: Snapshot | undefined,
	after: After,
	url: string,
): void {
	const invalid = (what: string): DeltaError =>
		new DeltaError("DELTA_LOG_INVALID", `a commit to ${url} would ${what}`);
	const seen = new Set<string>();
	const once = (key: string): void => {
		if (seen.has(key)) throw invalid(`hold two actions for ${key}`);
		seen.add(key);
	};
	const removed = new Set<string>();
	const appendOnly =
		after.metadata.configuration["delta.appendOnly"] === "true";
	for (const action of actions) {
		if ("metaData" in action) once("metaData");
		else if ("protocol" in action) once("protocol");
		else if ("txn" in action) once(`txn ${action.txn.appId}`);
		else if ("domainMetadata" in action)
			once(`domainMetadata ${action.domainMetadata.domain}`);
		else if ("remove" in action) {
			const { remove } = action;
			once(`remove ${canonicalPath(remove.path)}`);
			removed.add(fileKey(remove));
			if (appendOnly && remove.dataChange)
				throw new DeltaError(
					"DELTA_APPEND_ONLY",
					`${url} is append-only (delta.appendOnly), so ${remove.path} can't be removed; set the property to false first`,
				);
			// What is not there any more was removed by someone else: the plan is stale.
			if (snapshot !== undefined && !snapshot.files.has(fileKey(remove)))
				throw invalid(
					`remove ${remove.path}, which is not in version ${snapshot.version}`,
				);
		}
	}
	for (const action of actions) {
		if (!("add" in action)) continue;
		const { add } = action;
		const path = canonicalPath(add.path);
		once(`add ${path}`);
		if (removed.has(fileKey(add)))
			throw invalid(`remove and add ${add.path} with the same deletion vector`);
		if (
			add.deletionVector !== undefined &&
			snapshot?.files.has(path) === true &&
			!removed.has(path)
		)
			throw invalid(
				`add a deletion vector to ${add.path} without removing the file as it was`,
			);
	}
	checkWritable(after.protocol, after.metadata, url);
}
