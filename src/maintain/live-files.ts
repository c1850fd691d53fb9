import type { Action, AddFile, RemoveFile } from "../delta/actions.ts";
import { deletionVectorPath } from "../delta/deletion-vector.ts";
import type { Engine } from "../delta/engine.ts";
import { orderedTimes } from "../delta/history.ts";
import { listLog } from "../delta/listing.ts";
import { placeOf } from "../delta/path.ts";
import { readCommit, type Snapshot } from "../delta/snapshot.ts";

/** Commits that are read at once. */
const PARALLEL = 16;

/** Files below a table's root, data files and deletion vectors, that some version still needs. */
export class LiveFiles {
	readonly #root: string;
	readonly #paths = new Set<string>();

	constructor(root: string) {
		this.#root = root;
	}

	has(path: string): boolean {
		return this.#paths.has(path);
	}

	add(file: Pick<AddFile | RemoveFile, "path" | "deletionVector">): void {
		this.#note(file.path);
		const { deletionVector } = file;
		if (deletionVector && deletionVector.storageType !== "i")
			this.#note(deletionVectorPath(deletionVector));
	}

	/** A removed file, unless that was before `since`. One without a time may have been removed just now. */
	addRemoved(file: RemoveFile, since: number): void {
		if ((file.deletionTimestamp ?? since) >= since) this.add(file);
	}

	/**
	 * What a commit brings, and what it takes away: readers may be at the version before. Change data is
	 * never removed from a table; like every file that is young it stays for that.
	 */
	follow(actions: readonly Action[]): void {
		for (const action of actions)
			if ("add" in action) this.add(action.add);
			else if ("remove" in action) this.add(action.remove);
	}

	#note(path: string): void {
		const place = placeOf(path, this.#root);
		if (place.kind === "inside") this.#paths.add(place.path);
	}
}

/**
 * The files of all versions that were the newest at some time since `since`: those of the table, and
 * those that were removed since. `stateSince`: from when on the state of the table knows what was
 * removed; before that the commits are read, as far back as the log goes.
 */
export async function liveFiles(
	engine: Engine,
	snapshot: Snapshot,
	{
		since,
		stateSince,
	}: { readonly since: number; readonly stateSince: number },
): Promise<LiveFiles> {
	const live = new LiveFiles(engine.store.url);
	for (const file of snapshot.files.values()) live.add(file);
	// One without a time may have been removed just now.
	for (const file of snapshot.tombstones.values())
		if ((file.deletionTimestamp ?? since) >= since) live.add(file);
	if (since >= stateSince) return live;
	const { commits } = await listLog(engine);
	const versions = orderedTimes(commits)
		.filter(({ modified }) => modified >= since)
		.map(({ version }) => version);
	for (let i = 0; i < versions.length; i += PARALLEL)
		for (const actions of await Promise.all(
			versions
				.slice(i, i + PARALLEL)
				.map((version) => readCommit(engine, version)),
		))
			for (const action of actions ?? [])
				if ("remove" in action) live.addRemoved(action.remove, since);
	return live;
}
