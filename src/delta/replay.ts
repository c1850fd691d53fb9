import type {
	Action,
	AddFile,
	DomainMetadata,
	Metadata,
	Protocol,
	RemoveFile,
	SetTransaction,
} from "./actions.ts";
import type { Checkpoint } from "./checkpoint-read.ts";
import { DeltaError } from "./errors.ts";
import { checkReadable } from "./features.ts";
import { fileKey } from "./file-key.ts";
import { commitTimestamp } from "./in-commit-timestamp.ts";
import { LayeredMap } from "./keyed-map.ts";
import { parseSchema } from "./schema.ts";
import type { Snapshot } from "./state.ts";

/** Builds the state of a version from an older one and the actions since (PROTOCOL.md, "Action Reconciliation"). */
export class Replay {
	readonly #url: string;
	version: number;
	#protocol: Protocol | undefined;
	#metadata: Metadata | undefined;
	#schema: Snapshot["schema"] | undefined;
	#timestamp: number | undefined;
	#totals: Snapshot["totals"];
	readonly #base: Pick<
		Snapshot,
		"files" | "tombstones" | "txns" | "domains" | "checkpoint" | "totals"
	>;
	readonly #files = new Map<string, AddFile | undefined>();
	readonly #tombstones = new Map<string, RemoveFile | undefined>();
	readonly #txns = new Map<string, SetTransaction>();
	readonly #domains = new Map<string, DomainMetadata>();

	private constructor(
		url: string,
		version: number,
		base: Pick<
			Snapshot,
			"files" | "tombstones" | "txns" | "domains" | "checkpoint" | "totals"
		>,
	) {
		this.#url = url;
		this.version = version;
		this.#base = base;
		this.#totals = base.totals;
	}

	static fromNothing(url: string): Replay {
		return new Replay(url, -1, {
			files: LayeredMap.empty(),
			tombstones: LayeredMap.empty(),
			txns: LayeredMap.empty(),
			domains: LayeredMap.empty(),
			checkpoint: undefined,
			totals: { files: 0, bytes: 0 },
		});
	}

	static fromSnapshot(snapshot: Snapshot): Replay {
		const replay = new Replay(snapshot.url, snapshot.version, snapshot);
		replay.#protocol = snapshot.protocol;
		replay.#metadata = snapshot.metadata;
		replay.#schema = snapshot.schema;
		replay.#timestamp = snapshot.timestamp;
		return replay;
	}

	static fromCheckpoint(
		url: string,
		version: number,
		checkpoint: Checkpoint,
	): Replay {
		const replay = new Replay(url, version, {
			files: LayeredMap.over(checkpoint.adds),
			tombstones: LayeredMap.over(checkpoint.removes),
			txns: LayeredMap.over(
				new Map(checkpoint.txns.map((txn) => [txn.appId, txn])),
			),
			domains: LayeredMap.over(
				new Map(checkpoint.domains.map((domain) => [domain.domain, domain])),
			),
			checkpoint: { version, sidecars: checkpoint.sidecars },
			totals: undefined,
		});
		replay.#protocol = checkpoint.protocol;
		replay.#metadata = checkpoint.metadata;
		return replay;
	}

	/**
	 * The actions of a commit, or of a log compaction file that ends at `version`.
	 * @throws DeltaError DELTA_LOG_INVALID when they hold two of what may be there once
	 */
	apply(actions: readonly Action[], version: number): void {
		this.version = version;
		const seen = new Set<string>();
		const once = (key: string): void => {
			if (seen.has(key))
				throw new DeltaError(
					"DELTA_LOG_INVALID",
					`${this.#url}: version ${version} holds two actions for ${key}`,
				);
			seen.add(key);
		};
		let timestamp: number | undefined;
		// Removes first: a file that gets a new deletion vector is removed and added in one commit.
		for (const action of actions)
			if ("remove" in action) {
				const key = fileKey(action.remove);
				once(`remove ${key}`);
				this.#count(key, undefined);
				this.#files.set(key, undefined);
				this.#tombstones.set(key, action.remove);
			}
		for (const action of actions) {
			if ("add" in action) {
				const key = fileKey(action.add);
				once(`add ${key}`);
				this.#count(key, action.add);
				this.#files.set(key, action.add);
				this.#tombstones.set(key, undefined);
			} else if ("metaData" in action) {
				once("metaData");
				this.#metadata = action.metaData;
				this.#schema = undefined;
			} else if ("protocol" in action) {
				once("protocol");
				this.#protocol = action.protocol;
			} else if ("txn" in action) {
				once(`txn ${action.txn.appId}`);
				this.#txns.set(action.txn.appId, action.txn);
			} else if ("domainMetadata" in action) {
				once(`domainMetadata ${action.domainMetadata.domain}`);
				this.#domains.set(action.domainMetadata.domain, action.domainMetadata);
			} else if ("commitInfo" in action)
				timestamp = commitTimestamp(action.commitInfo);
		}
		this.#timestamp = timestamp;
	}

	/** Keeps the totals, where they are known, in step with one file. */
	#count(key: string, next: AddFile | undefined): void {
		if (this.#totals === undefined) return;
		const known = this.#files.has(key)
			? this.#files.get(key)
			: this.#base.files.get(key);
		this.#totals = {
			files:
				this.#totals.files +
				Number(next !== undefined) -
				Number(known !== undefined),
			bytes: this.#totals.bytes + (next?.size ?? 0) - (known?.size ?? 0),
		};
	}

	/** @throws DeltaError when protocol or metadata is missing, or the table can't be read */
	finish(): Snapshot {
		const [protocol, metadata] = [this.#protocol, this.#metadata];
		if (protocol === undefined || metadata === undefined)
			throw new DeltaError(
				"DELTA_LOG_INVALID",
				`${this.#url}: the log up to version ${this.version} has no ${protocol === undefined ? "protocol" : "metaData"} action`,
			);
		checkReadable(protocol, this.#url);
		return {
			url: this.#url,
			version: this.version,
			protocol,
			metadata,
			schema: this.#schema ?? parseSchema(metadata.schemaString, this.#url),
			files: this.#base.files.with(this.#files),
			tombstones: this.#base.tombstones.with(this.#tombstones),
			txns: this.#base.txns.with(this.#txns),
			domains: this.#base.domains.with(this.#domains),
			timestamp: this.#timestamp,
			checkpoint: this.#base.checkpoint,
			totals: this.#totals,
		};
	}
}
