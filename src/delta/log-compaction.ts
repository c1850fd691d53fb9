import type { Action } from "./actions.ts";
import type { Engine } from "./engine.ts";
import { DeltaError } from "./errors.ts";
import { fileKey } from "./file-key.ts";
import { compactedPath, serialiseCommit } from "./log.ts";
import { readCommit } from "./snapshot.ts";

/**
 * Writes the commits `from` to `to` as one file that readers may use in their place (PROTOCOL.md, "Log
 * Compaction Files"). Removes and removed domains stay: what they cancel is older.
 * @returns the file's path
 * @throws DeltaError DELTA_VERSION_NOT_FOUND when one of the commits is not there
 */
export async function writeLogCompaction(
	engine: Engine,
	from: number,
	to: number,
): Promise<string> {
	if (!(from >= 0 && to > from))
		throw new DeltaError(
			"DELTA_VERSION_NOT_FOUND",
			`versions ${from} to ${to} are no range that could be compacted; name two versions, the smaller first`,
		);
	const commits: Action[][] = [];
	for (let version = from; version <= to; version++) {
		const actions = await readCommit(engine, version);
		if (actions === undefined)
			throw new DeltaError(
				"DELTA_VERSION_NOT_FOUND",
				`${engine.store.url} has no commit ${version}`,
			);
		commits.push(actions);
	}
	const path = compactedPath(from, to);
	await engine.store.put(path, serialiseCommit(reconcile(commits)));
	return path;
}

/** One set of actions with the effect of all commits, oldest first (PROTOCOL.md, "Action Reconciliation"). */
export function reconcile(commits: readonly (readonly Action[])[]): Action[] {
	const newest = new Map<string, Action>();
	const set = (key: string, action: Action): void => {
		newest.delete(key);
		newest.set(key, action);
	};
	for (const actions of commits) {
		for (const action of actions)
			if ("remove" in action) set(`file ${fileKey(action.remove)}`, action);
		for (const action of actions) {
			if ("add" in action) set(`file ${fileKey(action.add)}`, action);
			else if ("txn" in action) set(`txn ${action.txn.appId}`, action);
			else if ("domainMetadata" in action)
				set(`domain ${action.domainMetadata.domain}`, action);
			else if ("metaData" in action) set("metaData", action);
			else if ("protocol" in action) set("protocol", action);
		}
	}
	return [...newest.values()];
}
