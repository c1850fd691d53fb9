import type { Action, AddFile } from "./actions.ts";
import { canonicalPath } from "./path.ts";
import type { NewCommit } from "./snapshot.ts";

/**
 * `Serializable`: as if commits had run one after another. `WriteSerializable`: as that, but blind
 * appends of others may slip in before a commit that did not see them.
 */
export type Isolation = "Serializable" | "WriteSerializable";

/** What a transaction has seen of the table that it started from. */
export interface Reads {
	/** Files whose rows or metadata were read, by path as the log has it. */
	readonly files?: Iterable<string>;
	/** Whether a file that is there now would have been read too; absent: nothing was read by content. */
	readonly matches?: (file: AddFile) => boolean;
	/** Every file, whatever is in it. */
	readonly wholeTable?: boolean;
	/** Application ids whose `txn` versions were looked up. */
	readonly apps?: Iterable<string>;
	/** Domains whose configuration was looked up. */
	readonly domains?: Iterable<string>;
}

export type ConflictKind =
	| "protocol-changed"
	| "metadata-changed"
	/** A file that would have been read was added. */
	| "concurrent-append"
	/** A file that was read is gone. */
	| "concurrent-delete-read"
	/** Both remove the same file. */
	| "concurrent-delete-delete"
	| "concurrent-transaction"
	| "concurrent-domain";

export interface Conflict {
	readonly kind: ConflictKind;
	/** The version that is in the way. */
	readonly version: number;
	readonly message: string;
}

const ROW_TRACKING = "delta.rowTracking";

/**
 * Whether `ours`, made before the winners were there, may still be committed after them; the rules of
 * the reference implementation's conflict checker. `undefined`: nothing is in the way.
 */
export function findConflict(
	ours: readonly Action[],
	reads: Reads,
	winners: readonly NewCommit[],
	isolation: Isolation = "Serializable",
): Conflict | undefined {
	const mine = summarise(ours);
	const apps = new Set([...mine.apps, ...(reads.apps ?? [])]);
	const domains = new Set([...mine.domains, ...(reads.domains ?? [])]);
	domains.delete(ROW_TRACKING); // Its high-water mark is computed anew by every try.
	const files = new Set([...(reads.files ?? [])].map(canonicalPath));
	for (const { version, actions } of winners) {
		const theirs = summarise(actions);
		const conflict = (kind: ConflictKind, what: string): Conflict => ({
			kind,
			version,
			message: `version ${version}, committed meanwhile, ${what}`,
		});
		if (theirs.protocol && mine.protocol)
			return conflict("protocol-changed", "changes the protocol too");
		if (theirs.metadata)
			return conflict("metadata-changed", "changes the table's metadata");
		for (const app of theirs.apps)
			if (apps.has(app))
				return conflict("concurrent-transaction", `moves the txn of ${app}`);
		for (const domain of theirs.domains)
			if (domains.has(domain))
				return conflict("concurrent-domain", `sets the domain ${domain}`);
		for (const path of theirs.removes) {
			if (mine.removes.has(path))
				return conflict("concurrent-delete-delete", `removes ${path} too`);
			if (reads.wholeTable === true || files.has(path))
				return conflict(
					"concurrent-delete-read",
					`removes ${path}, which was read`,
				);
		}
		// What only rearranges rows needs nothing but its own files to be there still.
		if (!mine.changesData && !mine.metadata) continue;
		if (
			theirs.blindAppend &&
			isolation === "WriteSerializable" &&
			!mine.metadata
		)
			continue;
		for (const add of theirs.adds) {
			// Rows of a rearrangement came from files whose removal was checked above.
			if (!add.dataChange) continue;
			if (reads.wholeTable === true || reads.matches?.(add) === true)
				return conflict(
					"concurrent-append",
					`adds ${add.path}, which has rows that would have been read`,
				);
		}
	}
	return undefined;
}

function summarise(actions: readonly Action[]) {
	const adds: AddFile[] = [];
	const removes = new Set<string>();
	const apps = new Set<string>();
	const domains = new Set<string>();
	let [protocol, metadata, blindAppend, changesData] = [
		false,
		false,
		false,
		false,
	];
	for (const action of actions) {
		if ("add" in action) {
			adds.push(action.add);
			changesData ||= action.add.dataChange;
		} else if ("remove" in action) {
			removes.add(canonicalPath(action.remove.path));
			changesData ||= action.remove.dataChange;
		} else if ("txn" in action) apps.add(action.txn.appId);
		else if ("domainMetadata" in action)
			domains.add(action.domainMetadata.domain);
		else if ("metaData" in action) metadata = true;
		else if ("protocol" in action) protocol = true;
		else if ("commitInfo" in action)
			blindAppend = action.commitInfo.isBlindAppend === true;
	}
	return {
		adds,
		removes,
		apps,
		domains,
		protocol,
		metadata,
		blindAppend,
		changesData,
	};
}
