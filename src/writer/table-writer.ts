import type { ChangeMessage } from "../change/change.ts";
import type { ChangeIdentity } from "../change/change-identity.ts";
import type { ChangeBatch, Decoded, TableDecoder } from "../change/decoder.ts";
import type { StructType } from "../columnar/types.ts";
import type { Action } from "../delta/actions.ts";
import { commit } from "../delta/commit.ts";
import type { Engine } from "../delta/engine.ts";
import { newLayout } from "../delta/evolve.ts";
import type { Plan } from "../delta/outcome.ts";
import {
	loadSnapshot,
	refreshSnapshot,
	type Snapshot,
} from "../delta/snapshot.ts";
import {
	type StagedFile,
	stageFiles,
	type TableLayout,
} from "../delta/stage.ts";
import { messageOf, TributaryError } from "../errors.ts";
import { IndexMemory } from "../index/key-index.ts";
import { memoryDisks } from "../storage/memory-disk.ts";
import { DEFAULT_INDEX_MEMORY, type WriterConfig } from "./config.ts";
import type { DeadLetter } from "./dead-letter.ts";
import type { DeadLetterTable } from "./dead-letter-table.ts";
import {
	appId,
	checkSameTopic,
	type PositionOf,
	topicKey,
} from "./position.ts";
import { type RawMessage, Refusals, type RefusedOfBatch } from "./refusals.ts";
import type { Route } from "./route.ts";
import { faultyRows } from "./row-faults.ts";
import {
	DEFAULT_SCHEMA,
	type SchemaConfig,
	schemaRules,
} from "./schema-rules.ts";
import { SeenChanges } from "./seen-changes.ts";
import type { TopicId } from "./source.ts";
import {
	constrained,
	decoderFor,
	demandsNewFiles,
	FLATTENED,
	RECORDS,
	retyped,
} from "./table-layout.ts";
import { type TableChange, type Target, targetOf } from "./table-schema.ts";
import {
	addsRows,
	Mirror,
	type MirrorOptions,
	type StagedUpsert,
} from "./upsert.ts";
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

interface Pending {
	/** Without the rows that the table refused. */
	changes: ChangeBatch;
	/** Of its records. */
	readonly bytes: number;
	/** With upsert: the partition of each row. */
	partitions: Int32Array;
	readonly refused: RefusedOfBatch;
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

/**
 * One table of a topic: decodes its records and commits them with the offsets they came from. The
 * table itself says how far it is: the `txn` of each partition holds the last offset that is in it.
 */
export class TableWriter {
	readonly route: Route;
	readonly topic: string;
	readonly #topicId: TopicId;
	readonly #engine: Engine;
	readonly #config: WriterConfig;
	readonly #clusterId: string;
	readonly #mirror: Mirror | undefined;
	readonly #refusals: Refusals;
	readonly #schema: SchemaConfig;
	#snapshot: Snapshot | undefined;
	/** When the snapshot was last known to be the newest; milliseconds. */
	#checkedAt = Number.NEGATIVE_INFINITY;
	/** Made with the first record that it decodes: after a reset the table may not be this writer's any more. */
	#decoder: TableDecoder | undefined;
	/** The text of the schema that the decoder was made for. */
	#decodedFor: string | undefined;
	/** The table's schema that rows are decoded for: nothing in it may be gone when they are written. */
	#known: StructType | undefined;
	/** Last committed offset by partition, as the table had it or as this process committed it. */
	#committed = new Map<number, number | undefined>();
	/** Last offset by partition that was handed to the decoder. */
	#seen = new Map<number, number>();
	/** Of a history: the latest changes of each partition. A mirror's rows are the same after a repetition. */
	readonly #repeats: Map<number, SeenChanges> | undefined;
	/** Last offset by partition that `#repeats` knows of. */
	#recalled = new Map<number, number>();
	readonly #onRepeated: (() => void) | undefined;
	/** With upsert: the partition of each decoded row. */
	#partitions = new Int32Array(1024);
	/** A batch whose flush failed; it is tried again as it is. */
	#pending: Pending | undefined;
	/** Counts resets. */
	#resets = 0;
	/** When the oldest pending record came; milliseconds. */
	#since: number | undefined;

	constructor(options: {
		readonly route: Route;
		readonly topic: string;
		readonly topicId: TopicId;
		readonly engine: Engine;
		readonly config: WriterConfig;
		readonly clusterId: string;
		readonly deadLetters: DeadLetterTable;
		readonly onDeadLetters?: (letters: readonly DeadLetter[]) => void;
		/** Told how many dead letters newer changes of their rows made useless. */
		readonly onSuperseded?: (count: number) => void;
		/** Told of each record that repeats one before. */
		readonly onRepeated?: () => void;
		/** With upsert: where key indexes are kept; in memory unless given. */
		readonly index?: TableIndexOptions;
	}) {
		this.route = options.route;
		this.topic = options.topic;
		this.#topicId = options.topicId;
		this.#engine = options.engine;
		this.#config = options.config;
		this.#clusterId = options.clusterId;
		this.#schema = options.config.schema ?? DEFAULT_SCHEMA;
		this.#mirror =
			options.route.mode === "upsert"
				? new Mirror({
						engine: options.engine,
						softDeletes: options.config.deletes === "soft",
						...(options.index ?? {
							memory: new IndexMemory(DEFAULT_INDEX_MEMORY),
							disk: memoryDisks(),
						}),
					})
				: undefined;
		this.#repeats = this.#mirror === undefined ? new Map() : undefined;
		this.#onRepeated = options.onRepeated;
		this.#refusals = new Refusals({
			deadLetters: options.deadLetters,
			engine: options.engine,
			table: options.route.path,
			mirror: this.#mirror !== undefined,
			source: options.config.source,
			position: (partition) => this.#appId(partition),
			onKept: options.onDeadLetters,
			onSuperseded: options.onSuperseded,
		});
	}

	get url(): string {
		return this.#engine.store.url;
	}

	get version(): number | undefined {
		return this.#snapshot?.version;
	}

	/** The table as this writer knows it. */
	get snapshot(): Snapshot | undefined {
		return this.#snapshot;
	}

	/** Records that wait for the next commit, dead letters among them. */
	get rows(): number {
		return this.#decodedRows + this.#refusals.count;
	}

	get bytes(): number {
		return (this.#decoder?.bytes ?? 0) + this.#refusals.bytes;
	}

	/** Of the records that are not committed, the batch that waits for its commit included. */
	get held(): number {
		return this.bytes + (this.#pending?.bytes ?? 0);
	}

	get pendingSince(): number | undefined {
		return this.#since;
	}

	get retrying(): boolean {
		return this.#pending !== undefined;
	}

	/**
	 * Reads the table's state and the position of a partition: the last offset that is in the table.
	 * `partitions` is how many the topic has.
	 * @throws TributaryError SOURCE_MISMATCH when the table mirrors another source, KAFKA_POSITION_LOST when
	 * it has changes of another topic of this name
	 */
	async load(
		partition: number,
		partitions?: number,
	): Promise<bigint | undefined> {
		if (partitions !== undefined && this.#mirror !== undefined)
			this.#mirror.partitions = partitions;
		if (!this.#committed.has(partition)) {
			const resets = this.#resets;
			const snapshot = await this.#newest();
			if (snapshot !== undefined) this.#checkSource(snapshot);
			const version = snapshot?.txns.get(this.#appId(partition))?.version;
			await this.#refusals.load(partition, version ?? -1);
			// What was read before a reset, or beside another call, must not move a position that is in use.
			if (resets !== this.#resets || this.#committed.has(partition))
				return this.#position(partition);
			this.#know(snapshot);
			this.#checkedAt = this.#engine.now();
			if (snapshot !== undefined) {
				if (this.#decoder?.empty === true) this.#decoder = undefined;
				if (version === undefined) this.#checkTopic(snapshot, partition);
			}
			// That there is none is a position too: what another writer commits later does not move it.
			this.#committed.set(partition, version);
		}
		return this.#position(partition);
	}

	/** Whether a partition is to be read from some records before its position, which are not taken again. */
	get recalls(): boolean {
		return this.#repeats !== undefined;
	}

	#isRepeat(change: ChangeIdentity, { partition }: ChangeMessage): boolean {
		let seen = this.#repeats?.get(partition);
		if (seen === undefined) {
			seen = new SeenChanges();
			this.#repeats?.set(partition, seen);
		}
		return seen.repeats(change);
	}

	/** `undefined` for a record that is in the table already, or among the dead letters. */
	decode(message: RawMessage): Decoded | undefined {
		const { partition, offset } = message;
		const done = this.#seen.get(partition) ?? this.#committed.get(partition);
		if (done !== undefined && offset <= done) {
			if (offset > (this.#recalled.get(partition) ?? -1)) {
				this.#recalled.set(partition, offset);
				if (this.#repeats !== undefined) this.#decoding().recall(message);
			}
			return undefined;
		}
		this.#seen.set(partition, offset);
		this.#recalled.set(partition, offset);
		this.#since ??= this.#engine.now();
		const decoder = this.#decoding();
		if (this.#refusals.pass(message, decoder.rows)) {
			if (this.#repeats !== undefined) decoder.recall(message);
			return undefined;
		}
		const decoded = decoder.decode(message);
		switch (decoded.kind) {
			case "row": {
				const row = decoder.rows - 1;
				if (this.#mirror !== undefined) this.#notePartition(row, partition);
				if (this.#refusals.keepsRaw) this.#refusals.note(row, message);
				break;
			}
			case "skip":
				if (decoded.reason === "truncate" && this.#mirror !== undefined)
					this.#refusals.truncate();
				else if (decoded.reason === "repeated") this.#onRepeated?.();
				break;
			case "dead-letter":
				this.#refusals.add(message, decoded, decoder.rows);
		}
		return decoded;
	}

	/** The offset up to which a partition needs no more reading; -1 when nothing is in the table. */
	committedOffset(partition: number): bigint {
		return this.#position(partition) ?? -1n;
	}

	/** Nothing is waiting for a commit. */
	get idle(): boolean {
		return this.#decodedNothing && this.#pending === undefined;
	}

	get #decodedNothing(): boolean {
		return this.#decoder?.empty !== false && this.#refusals.count === 0;
	}

	/**
	 * Commits what was decoded so far, with its offsets, as one version; its dead letters before that.
	 * @throws what storage throws; the batch is kept and the next call tries it again
	 */
	async flush(): Promise<FlushOutcome> {
		if (this.#pending === undefined) {
			// A source that was emptied says nothing to a table that is not there.
			const nothing =
				this.#decodedNothing ||
				(this.rows === 0 && this.#snapshot === undefined);
			const changes = nothing ? undefined : this.#take();
			if (changes === undefined) {
				this.#since = undefined;
				return { kind: "nothing" };
			}
			this.#pending = changes;
			await this.#refresh();
			// A rebalance came meanwhile: the batch was dropped, and is read again.
			if (this.#pending !== changes) return { kind: "nothing" };
		}
		const outcome = await this.#commit(this.#pending);
		this.#pending = undefined;
		return outcome;
	}

	/** Closes the files of key indexes; they are opened again when they are needed. */
	async close(): Promise<void> {
		await this.#mirror?.reset();
	}

	/** Drops what is not committed, and every position: they are read from the table again. */
	reset(): void {
		this.#resets++;
		this.#pending = undefined;
		this.#since = undefined;
		this.#committed.clear();
		this.#seen.clear();
		this.#recalled.clear();
		this.#repeats?.clear();
		this.#refusals.reset();
		this.#decoder = undefined;
	}

	/** The table is as the snapshot says, unless more is known: reads and commits overlap. */
	#know(snapshot: Snapshot | undefined): void {
		if ((snapshot?.version ?? -1) < (this.#snapshot?.version ?? -1)) return;
		if (snapshot?.metadata !== this.#snapshot?.metadata)
			this.#refusals.keepsRaw = constrained(snapshot);
		this.#snapshot = snapshot;
	}

	#notePartition(row: number, partition: number): void {
		if (row >= this.#partitions.length) {
			const larger = new Int32Array(this.#partitions.length * 2);
			larger.set(this.#partitions);
			this.#partitions = larger;
		}
		this.#partitions[row] = partition;
	}

	#take(): Pending {
		const decoder = this.#decoding();
		const { rows } = decoder;
		const offsets = new Map(
			[...this.#seen].filter(
				([partition, offset]) => this.#committed.get(partition) !== offset,
			),
		);
		const pending = {
			bytes: this.bytes,
			changes: decoder.finish(this.#engine.now()),
			partitions: this.#partitions.slice(0, rows),
			refused: this.#refusals.take(),
			offsets,
			from: new Map(
				[...offsets.keys()].map((partition) => [
					partition,
					this.#committed.get(partition),
				]),
			),
		};
		this.#since = undefined;
		// Columns that came with the last commits, from whomever, are known from here on.
		if (this.#snapshot?.metadata.schemaString !== this.#decodedFor)
			this.#decoder = this.#newDecoder(pending.changes.keyColumns);
		return pending;
	}

	/** Looks at the table when its schema has been trusted for as long as it may be. */
	async #refresh(): Promise<void> {
		const base = this.#snapshot;
		if (base === undefined) return;
		if (this.#engine.now() - this.#checkedAt < this.#schema.cacheTtlMs) return;
		const snapshot = await refreshSnapshot(this.#engine, base);
		if (this.#snapshot === base) this.#know(snapshot);
		this.#checkedAt = this.#engine.now();
	}

	async #commit(pending: Pending): Promise<FlushOutcome> {
		const { offsets, refused } = pending;
		const resets = this.#resets;
		for (;;) {
			const base = await this.#base(pending);
			const fence = this.#fence(base, pending);
			if (fence !== undefined)
				return { kind: "fenced", reason: fence, schemaChanges: [] };
			const target = this.#target(base, pending.changes);
			if (target.misfit !== undefined)
				return {
					kind: "fenced",
					reason: target.misfit,
					schemaChanges: target.changes,
				};
			let upsert: StagedUpsert | undefined;
			try {
				upsert = await this.#stage(base, pending, target.table);
			} catch (error) {
				const unread = await this.#setAside(error, pending, target.table);
				if (unread !== undefined)
					return { kind: "fenced", reason: unread, schemaChanges: [] };
				continue;
			}
			const { changes } = pending;
			if (!(await this.#refusals.keep(refused, changes, base?.schema)))
				return {
					kind: "fenced",
					reason: `dead letters of ${this.topic} are those of another writer`,
					schemaChanges: [],
				};
			// Nothing but dead letters so far: the table is made with its first row.
			if (base === undefined && changes.batch.length === 0)
				return { kind: "nothing" };
			const files = pending.staged ?? [];
			const fileActions: readonly Action[] =
				upsert?.actions ?? files.map(({ add }) => ({ add }));
			let schemaChanges: readonly TableChange[] = [];
			const outcome = await commit(this.#engine, {
				base,
				plan: (snapshot, winners): Plan => {
					schemaChanges = [];
					const fence = this.#fence(snapshot, pending);
					if (fence !== undefined) return { kind: "abandon", reason: fence };
					if (
						upsert?.replaced.some((key) => !snapshot?.files.has(key)) ||
						(upsert !== undefined && winners.some(addsRows))
					)
						return { kind: "abandon", reason: "stale" };
					const same = snapshot?.metadata === base?.metadata;
					if (!same && demandsNewFiles(snapshot)) {
						delete pending.staged;
						return { kind: "abandon", reason: "stale" };
					}
					const table = same ? target : this.#target(snapshot, changes);
					schemaChanges = table.changes;
					if (table.misfit !== undefined)
						return { kind: "abandon", reason: table.misfit };
					if (!same && retyped(target.table, table.table)) {
						delete pending.staged;
						return { kind: "abandon", reason: "stale" };
					}
					return {
						kind: "commit",
						actions: [
							...table.actions,
							...[...offsets].map(([partition, offset]) => ({
								txn: {
									appId: this.#appId(partition),
									version: offset,
									lastUpdated: this.#engine.now(),
								},
							})),
							...fileActions,
						],
						info: {
							operation: this.#mirror === undefined ? "WRITE" : "MERGE",
							operationParameters: {},
							isBlindAppend: this.#mirror === undefined,
							...(this.#mirror === undefined ? {} : { [MIRROR_COMMIT]: true }),
						},
					};
				},
			});
			switch (outcome.kind) {
				case "committed": {
					this.#know(outcome.snapshot);
					this.#known = outcome.snapshot.schema;
					this.#checkedAt = this.#engine.now();
					// After a reset positions are read from the table: rows that were decoded since then from an
					// older one must not pass for those behind this commit.
					if (resets === this.#resets)
						for (const [partition, offset] of offsets)
							this.#committed.set(partition, offset);
					await upsert?.settle(outcome.snapshot);
					return {
						kind: "committed",
						version: outcome.version,
						rows: changes.batch.length,
						bytes:
							upsert?.bytes ??
							files.reduce((sum, { add }) => sum + add.size, 0),
						newestSourceMs: changes.newestSourceMs,
						oldestStreamedMs: changes.oldestStreamedMs,
						schemaChanges,
					};
				}
				case "abandoned":
					this.#know(outcome.snapshot);
					if (outcome.reason !== "stale")
						return { kind: "fenced", reason: outcome.reason, schemaChanges };
					// Others changed rows of ours, or added some: look the places up again.
					break;
				case "conflict":
					this.#know(outcome.snapshot);
					throw new TributaryError(
						"COMMIT_CONFLICT",
						`${this.url}: ${outcome.attempts} commits in a row were lost to other writers`,
						{ retryable: true },
					);
			}
		}
	}

	/** Stores the files of a batch, those of an append once. */
	async #stage(
		base: Snapshot | undefined,
		pending: Pending,
		table: TableLayout,
	): Promise<StagedUpsert | undefined> {
		const upsert = await this.#mirror?.stage(base, pending, table);
		if (upsert === undefined)
			pending.staged ??= await stageFiles(
				this.#engine,
				table,
				pending.changes.batch,
			);
		return upsert;
	}

	/**
	 * Makes the rows that can't be stored dead letters.
	 * @returns why the batch has to be read again first
	 * @throws the failure where it is not the rows'
	 */
	async #setAside(
		error: unknown,
		pending: Pending,
		table: TableLayout,
	): Promise<string | undefined> {
		const faults = await faultyRows(error, pending.changes, {
			engine: this.#engine,
			table,
			storesDeleted:
				this.#mirror === undefined || this.#config.deletes === "soft",
		});
		if (faults === undefined) throw error;
		const rest = this.#refusals.setAside(
			pending.refused,
			pending.changes,
			faults,
		);
		if (rest === undefined) {
			this.#refusals.keepsRaw = true;
			return `rows can't be written as they are (${messageOf(error)}): the batch is read again, to set them aside`;
		}
		pending.changes = rest.changes;
		pending.partitions = rest.kept.map(
			(row) => pending.partitions[row] as number,
		);
		return undefined;
	}

	/**
	 * The version to stage a batch for. It has to hold all that stands before the batch, or a mirror would
	 * not find the old rows of its keys; what others commit meanwhile is not of this batch's partitions.
	 */
	async #base(pending: Pending): Promise<Snapshot | undefined> {
		if (this.#fence(this.#snapshot, pending) !== undefined)
			this.#know(await this.#newest());
		return this.#snapshot;
	}

	#newest(): Promise<Snapshot | undefined> {
		return this.#snapshot === undefined
			? loadSnapshot(this.#engine)
			: refreshSnapshot(this.#engine, this.#snapshot);
	}

	/** Why this process must not commit: the table holds offsets that it did not write. */
	#fence(
		snapshot: Snapshot | undefined,
		{ from }: Pick<Pending, "from">,
	): string | undefined {
		for (const [partition, known] of from) {
			const found = snapshot?.txns.get(this.#appId(partition))?.version;
			if (found !== known)
				return `partition ${partition} of ${this.topic} is at offset ${found ?? "none"} in the table, not at ${known ?? "none"}: another writer owns it`;
		}
		return undefined;
	}

	/** The table as the batch can be written to it, and the actions that make it so. */
	#target(snapshot: Snapshot | undefined, changes: ChangeBatch): Target {
		if (snapshot === undefined) {
			const created = newLayout(
				this.url,
				{
					schema: changes.batch.schema,
					partitionColumns: this.#partitionColumns(),
					configuration: this.#configuration(changes),
					name: this.route.path,
				},
				this.#engine,
			);
			return { ...created, changes: [] };
		}
		const before = snapshot.metadata.configuration[RECORDS];
		const records =
			changes.flattened === true ? FLATTENED : before && "envelopes";
		return targetOf(snapshot, changes.batch.schema, {
			properties: records === undefined ? {} : { [RECORDS]: records },
			known: this.#known,
			rules: schemaRules(this.#schema, this.route.source),
			uuid: this.#engine.uuid,
		});
	}

	#configuration(changes: ChangeBatch): Record<string, string> {
		return {
			"tributary.source": this.route.source,
			...(changes.flattened === true ? { [RECORDS]: FLATTENED } : {}),
			...(this.#mirror === undefined
				? {}
				: {
						"tributary.key": JSON.stringify(changes.keyColumns),
						"delta.enableDeletionVectors": "true",
					}),
		};
	}

	#checkSource(snapshot: Snapshot): void {
		const source = snapshot.metadata.configuration["tributary.source"];
		if (source !== undefined && source !== this.route.source)
			throw new TributaryError(
				"SOURCE_MISMATCH",
				`${this.url} holds ${source}, but ${this.topic} would write ${this.route.source} to it: set sink.tablePath to "{schema}/{table}"`,
			);
	}

	#checkTopic(snapshot: Snapshot, partition: number): void {
		const key = topicKey(this.#positionOf(partition));
		const known = new Set<TopicId>();
		for (const id of snapshot.txns.keys())
			if (id.startsWith(key))
				known.add(id.slice(key.length, id.lastIndexOf("/")));
		checkSameTopic(
			this.#positionOf(partition),
			[...known],
			this.#config.kafka.onPositionLost,
		);
	}

	#partitionColumns(): readonly string[] {
		if (this.#snapshot !== undefined)
			return this.#snapshot.metadata.partitionColumns;
		if (this.#mirror !== undefined) return this.#config.partitionBy ?? [];
		return this.#config.writeMode === "append"
			? (this.#config.partitionBy ?? ["_ingestion_date"])
			: ["_ingestion_date"];
	}

	get #decodedRows(): number {
		return this.#decoder?.rows ?? 0;
	}

	#decoding(): TableDecoder {
		this.#decoder ??= this.#newDecoder();
		return this.#decoder;
	}

	#newDecoder(keyColumns: readonly string[] = []): TableDecoder {
		const snapshot = this.#snapshot;
		this.#known = snapshot?.schema;
		this.#decodedFor = snapshot?.metadata.schemaString;
		return decoderFor(
			this.#config,
			this.route,
			snapshot,
			keyColumns,
			this.#repeats === undefined
				? undefined
				: (change, message) => this.#isRepeat(change, message),
		);
	}

	#position(partition: number): bigint | undefined {
		const committed = this.#committed.get(partition);
		return committed === undefined ? undefined : BigInt(committed);
	}

	#appId(partition: number): string {
		return appId(this.#positionOf(partition));
	}

	#positionOf(partition: number): PositionOf {
		return {
			pipeline: this.#config.pipeline,
			clusterId: this.#clusterId,
			topic: this.topic,
			topicId: this.#topicId,
			partition,
		};
	}
}

export type TableIndexOptions = Pick<
	MirrorOptions,
	"disk" | "memory" | "onFollowed" | "onIndexFailure"
>;
