import type { StructType } from "../columnar/types.ts";
import { NotFoundError } from "../storage/errors.ts";
import type {
	Action,
	AddFile,
	DomainMetadata,
	Metadata,
	Protocol,
	RemoveFile,
	SetTransaction,
} from "./actions.ts";
import { readCheckpoint } from "./checkpoint-read.ts";
import type { Engine } from "./engine.ts";
import { DeltaError } from "./errors.ts";
import { checkReadable } from "./features.ts";
import {
	commitPath,
	LAST_CHECKPOINT,
	LOG,
	padded,
	parseCommit,
	parseLogPath,
} from "./log.ts";
import { decodePath } from "./path.ts";
import { parseSchema } from "./schema.ts";

/** The state of a table at one version; it never changes. */
export interface Snapshot {
	readonly url: string;
	readonly version: number;
	readonly protocol: Protocol;
	readonly metadata: Metadata;
	readonly schema: StructType;
	/** Active files by `fileKey`. */
	readonly files: ReadonlyMap<string, AddFile>;
	/** Removed files that a checkpoint has to keep for a while, by `fileKey`. */
	readonly tombstones: ReadonlyMap<string, RemoveFile>;
	readonly txns: ReadonlyMap<string, SetTransaction>;
	readonly domains: ReadonlyMap<string, DomainMetadata>;
	/** Milliseconds since the epoch, from the newest commit's `commitInfo`. */
	readonly timestamp: number | undefined;
}

/** A logical file: the decoded path and the identity of its deletion vector (PROTOCOL.md, "Action Reconciliation"). */
export function fileKey(file: AddFile | RemoveFile): string {
	const dv = file.deletionVector;
	const path = decodePath(file.path);
	return dv === undefined || dv === null
		? path
		: `${path}\n${dv.storageType}${dv.pathOrInlineDv}${dv.offset === undefined ? "" : `@${dv.offset}`}`;
}

/**
 * The newest state, or that of `version`; `undefined` when there is no table.
 * @throws DeltaError for a log that can't be read as the protocol demands
 */
export async function loadSnapshot(
	engine: Engine,
	options: { readonly version?: number } = {},
): Promise<Snapshot | undefined> {
	const wanted = options.version ?? Number.MAX_SAFE_INTEGER;
	const hint = await lastCheckpoint(engine);
	let listing = await listLog(
		engine,
		hint === undefined || hint > wanted ? undefined : hint,
	);
	// The hint may name a checkpoint that was cleaned up.
	if (hint !== undefined && !listing.checkpoints.has(hint))
		listing = await listLog(engine, undefined);
	const commits = listing.commits.filter((version) => version <= wanted);
	const checkpoints = [...listing.checkpoints]
		.filter(([version]) => version <= wanted)
		.sort(([a], [b]) => b - a);
	const newest = Math.max(commits.at(-1) ?? -1, checkpoints[0]?.[0] ?? -1);
	if (newest < 0) {
		if (listing.commits.length === 0 && listing.checkpoints.size === 0)
			return undefined;
		throw new DeltaError(
			"DELTA_VERSION_NOT_FOUND",
			`${engine.store.url} has no version ${wanted} any more; its oldest commit is ${listing.commits[0]}`,
		);
	}
	if (options.version !== undefined && newest !== options.version)
		throw new DeltaError(
			"DELTA_VERSION_NOT_FOUND",
			`${engine.store.url} has no version ${options.version}; its newest is ${newest}`,
		);

	const failures: unknown[] = [];
	for (const [version, parts] of checkpoints) {
		try {
			const state = new Replay(engine.store.url, version);
			for (const path of parts)
				state.apply(await readCheckpoint(engine, path), version);
			return await replay(
				engine,
				state,
				commits.filter((commit) => commit > version),
			);
		} catch (error) {
			// An older checkpoint, or none, may still do.
			failures.push(error);
		}
	}
	if (commits[0] !== 0) {
		if (failures[0] !== undefined) throw failures[0];
		throw new DeltaError(
			"DELTA_LOG_GAP",
			`${engine.store.url}: the log starts at version ${commits[0]} and has no checkpoint before it`,
		);
	}
	return await replay(engine, new Replay(engine.store.url, -1), commits);
}

/** The newest state, from one that is known: reads the commits since, and nothing else. */
export async function refreshSnapshot(
	engine: Engine,
	snapshot: Snapshot,
): Promise<Snapshot> {
	const state = Replay.from(snapshot);
	for (;;) {
		const version = state.version + 1;
		const actions = await readCommit(engine, version);
		if (actions === undefined)
			return state.version === snapshot.version ? snapshot : state.finish();
		state.apply(actions, version);
	}
}

/** `undefined` when there is no such commit. */
export async function readCommit(
	engine: Engine,
	version: number,
): Promise<Action[] | undefined> {
	const path = commitPath(version);
	try {
		return parseCommit(await engine.store.get(path), path);
	} catch (error) {
		if (error instanceof NotFoundError) return undefined;
		throw error;
	}
}

/** The state after a commit whose actions the caller knows, without reading it back. */
export function advance(
	snapshot: Snapshot | undefined,
	url: string,
	version: number,
	actions: readonly Action[],
): Snapshot {
	const state =
		snapshot === undefined ? new Replay(url, -1) : Replay.from(snapshot);
	state.apply(actions, version);
	return state.finish();
}

async function replay(
	engine: Engine,
	state: Replay,
	commits: readonly number[],
): Promise<Snapshot> {
	const ahead = 16;
	const reads: Promise<Action[] | undefined>[] = [];
	const read = (index: number): void => {
		const version = commits[index];
		if (version === undefined) return;
		const result = readCommit(engine, version);
		result.catch(() => undefined); // Reported where it is awaited.
		reads[index] = result;
	};
	for (let i = 0; i < ahead; i++) read(i);
	for (const [index, version] of commits.entries()) {
		if (version !== state.version + 1)
			throw new DeltaError(
				"DELTA_LOG_GAP",
				`${engine.store.url}: version ${state.version + 1} is missing from the log, though ${version} exists`,
			);
		const actions = await reads[index];
		delete reads[index];
		read(index + ahead);
		if (actions === undefined)
			throw new DeltaError(
				"DELTA_LOG_GAP",
				`${engine.store.url}: version ${version} was listed and can't be read`,
			);
		state.apply(actions, version);
	}
	return state.finish();
}

class Replay {
	readonly url: string;
	version: number;
	protocol: Protocol | undefined;
	metadata: Metadata | undefined;
	timestamp: number | undefined;
	readonly files: Map<string, AddFile>;
	readonly tombstones: Map<string, RemoveFile>;
	readonly txns: Map<string, SetTransaction>;
	readonly domains: Map<string, DomainMetadata>;

	constructor(url: string, version: number, from?: Snapshot) {
		this.url = url;
		this.version = version;
		this.protocol = from?.protocol;
		this.metadata = from?.metadata;
		this.timestamp = from?.timestamp;
		this.files = new Map(from?.files);
		this.tombstones = new Map(from?.tombstones);
		this.txns = new Map(from?.txns);
		this.domains = new Map(from?.domains);
	}

	static from(snapshot: Snapshot): Replay {
		return new Replay(snapshot.url, snapshot.version, snapshot);
	}

	apply(actions: readonly Action[], version: number): void {
		this.version = version;
		// Removes first: a file that gets a new deletion vector is removed and added in one commit.
		for (const action of actions)
			if ("remove" in action) {
				const key = fileKey(action.remove);
				this.files.delete(key);
				this.tombstones.set(key, action.remove);
			}
		for (const action of actions) {
			if ("add" in action) {
				const key = fileKey(action.add);
				this.files.set(key, action.add);
				this.tombstones.delete(key);
			} else if ("metaData" in action) this.metadata = action.metaData;
			else if ("protocol" in action) this.protocol = action.protocol;
			else if ("txn" in action) this.txns.set(action.txn.appId, action.txn);
			else if ("domainMetadata" in action)
				this.domains.set(action.domainMetadata.domain, action.domainMetadata);
			else if ("commitInfo" in action)
				this.timestamp = action.commitInfo.timestamp ?? this.timestamp;
		}
	}

	/** @throws DeltaError when protocol or metadata is missing, or the table can't be read */
	finish(): Snapshot {
		const { protocol, metadata } = this;
		if (protocol === undefined || metadata === undefined)
			throw new DeltaError(
				"DELTA_LOG_INVALID",
				`${this.url}: the log up to version ${this.version} has no ${protocol === undefined ? "protocol" : "metaData"} action`,
			);
		checkReadable(protocol, this.url);
		return {
			url: this.url,
			version: this.version,
			protocol,
			metadata,
			schema: parseSchema(metadata.schemaString, this.url),
			files: this.files,
			tombstones: this.tombstones,
			txns: this.txns,
			domains: this.domains,
			timestamp: this.timestamp,
		};
	}
}

/** A hint only: whatever is wrong with it, the listing decides. */
async function lastCheckpoint(engine: Engine): Promise<number | undefined> {
	let text: string;
	try {
		text = new TextDecoder().decode(await engine.store.get(LAST_CHECKPOINT));
	} catch (error) {
		if (error instanceof NotFoundError) return undefined;
		throw error;
	}
	try {
		const { version } = JSON.parse(text) as { version?: unknown };
		return typeof version === "number" ? version : undefined;
	} catch {
		return undefined;
	}
}

interface Listing {
	readonly commits: readonly number[];
	/** Complete checkpoints only: version to the paths of its parts. */
	readonly checkpoints: ReadonlyMap<number, readonly string[]>;
}

async function listLog(
	engine: Engine,
	from: number | undefined,
): Promise<Listing> {
	const commits: number[] = [];
	const found = new Map<number, Map<number, string[]>>();
	// Everything from the checkpoint on; "." sorts before any digit or letter that may follow.
	const options =
		from === undefined ? {} : { startAfter: `${LOG}${padded(from)}.` };
	for await (const object of engine.store.list(LOG, options)) {
		const file = parseLogPath(object.path);
		if (file?.kind === "commit") commits.push(file.version);
		if (file?.kind === "checkpoint") {
			const byParts = found.get(file.version) ?? new Map<number, string[]>();
			byParts.set(file.parts, [
				...(byParts.get(file.parts) ?? []),
				object.path,
			]);
			found.set(file.version, byParts);
		}
	}
	const checkpoints = new Map<number, readonly string[]>();
	for (const [version, byParts] of found)
		for (const [parts, paths] of byParts)
			if (paths.length === parts) checkpoints.set(version, paths);
	return { commits, checkpoints };
}
