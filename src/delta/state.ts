import type { StructType } from "../columnar/types.ts";
import type {
	AddFile,
	DomainMetadata,
	Metadata,
	Protocol,
	RemoveFile,
	SetTransaction,
} from "./actions.ts";
import type { Checkpoint } from "./checkpoint-read.ts";
import type { LayeredMap } from "./keyed-map.ts";

/** The state of a table at one version; it never changes. */
export interface Snapshot {
	readonly url: string;
	readonly version: number;
	readonly protocol: Protocol;
	readonly metadata: Metadata;
	readonly schema: StructType;
	/** Active files by `fileKey`. */
	readonly files: LayeredMap<AddFile>;
	/** Removed files that a checkpoint has to keep for a while, by `fileKey`. */
	readonly tombstones: LayeredMap<RemoveFile>;
	readonly txns: LayeredMap<SetTransaction>;
	/** Removed ones too, until a checkpoint drops them. */
	readonly domains: LayeredMap<DomainMetadata>;
	/** Milliseconds since the epoch: in-commit timestamp of the version, else what its writer noted. */
	readonly timestamp: number | undefined;
	/** The last checkpoint that the state was read from or written to. */
	readonly checkpoint:
		| { readonly version: number; readonly sidecars: Checkpoint["sidecars"] }
		| undefined;
	/** Number and bytes of the active files, where they are known without counting. */
	readonly totals: Totals | undefined;
}

export interface Totals {
	readonly files: number;
	readonly bytes: number;
}

/** Counts the active files and their bytes, unless that is known. */
export function totalsOf(snapshot: Snapshot): Totals {
	if (snapshot.totals !== undefined) return snapshot.totals;
	let [files, bytes] = [0, 0];
	for (const { size } of snapshot.files.values()) {
		files++;
		bytes += size;
	}
	return { files, bytes };
}
