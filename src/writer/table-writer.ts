import type { ChangeMessage, Decoded } from "../change/change.ts";
import type { ChangeIdentity } from "../change/change-identity.ts";
import type { TableDecoder } from "../change/decoder.ts";
import { giveBackBatch } from "../columnar/give-back.ts";
import type { Engine } from "../delta/engine.ts";
import type { Snapshot } from "../delta/snapshot.ts";
import { IndexMemory } from "../index/key-index.ts";
import { memoryDisks } from "../storage/memory-disk.ts";
import {
	type BatchTable,
	commitBatch,
	type FlushOutcome,
	type PendingBatch,
} from "./batch-commit.ts";
import { checkSource } from "./batch-target.ts";
import { CommittedOffsets } from "./committed-offsets.ts";
import { DEFAULT_INDEX_MEMORY, type WriterConfig } from "./config.ts";
import type { DeadLetter } from "./dead-letter.ts";
import type { DeadLetterTable } from "./dead-letter-table.ts";
import { KnownTable } from "./known-table.ts";
import type { RawMessage } from "./raw-message.ts";
import { Refusals } from "./refusals.ts";
import type { Route } from "./route.ts";
import { DEFAULT_SCHEMA } from "./schema-rules.ts";
import { SeenChanges } from "./seen-changes.ts";
import type { TopicId } from "./source.ts";
import { constrained, decoderFor } from "./table-layout.ts";
import { Mirror, type MirrorOptions } from "./upsert.ts";

/**
 * One table of a topic: decodes its records and commits them with the offsets they came from. The
 * table itself says how far it is: the `txn` of each partition holds the last offset that is in it.
 */
export class TableWriter {
	readonly route: Route;
	readonly topic: string;
	readonly #engine: Engine;
	readonly #config: WriterConfig;
	readonly #mirror: Mirror | undefined;
	readonly #refusals: Refusals;
	readonly #known: KnownTable;
	readonly #committed: CommittedOffsets;
	/** Made with the first record that it decodes: after a reset the table may not be this writer's any more. */
	#decoder: TableDecoder | undefined;
	/** The text of the schema that the decoder was made for. */
	#decodedFor: string | undefined;
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
	#pending: PendingBatch | undefined;
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
		this.#engine = options.engine;
		this.#config = options.config;
		this.#committed = new CommittedOffsets({
			pipeline: options.config.pipeline,
			clusterId: options.clusterId,
			topic: options.topic,
			topicId: options.topicId,
		});
		this.#known = new KnownTable({
			engine: options.engine,
			cacheTtlMs: (options.config.schema ?? DEFAULT_SCHEMA).cacheTtlMs,
			onMetadata: (snapshot) => {
				this.#refusals.keepsRaw = constrained(snapshot);
			},
		});
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
			position: (partition) => this.#committed.appId(partition),
			onKept: options.onDeadLetters,
			onSuperseded: options.onSuperseded,
		});
	}

	get url(): string {
		return this.#engine.store.url;
	}

	get version(): number | undefined {
		return this.#known.snapshot?.version;
	}

	/** The table as this writer knows it. */
	get snapshot(): Snapshot | undefined {
		return this.#known.snapshot;
	}

	/** Records that wait for the next commit, dead letters among them. */
	get rows(): number {
		return (this.#decoder?.rows ?? 0) + this.#refusals.count;
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
			const { epoch } = this.#committed;
			const snapshot = await this.#known.newest();
			if (snapshot !== undefined) checkSource(snapshot, this);
			const version = this.#committed.foundIn(snapshot, partition);
			await this.#refusals.load(partition, version ?? -1);
			// What was read before a reset, or beside another call, must not move a position that is in use.
			if (epoch !== this.#committed.epoch || this.#committed.has(partition))
				return this.#position(partition);
			this.#known.knowNow(snapshot);
			if (snapshot !== undefined) {
				if (this.#decoder?.empty === true) this.#decoder = undefined;
				if (version === undefined)
					this.#committed.checkTopic(
						snapshot,
						partition,
						this.#config.kafka.onPositionLost,
					);
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
				(this.rows === 0 && this.#known.snapshot === undefined);
			const changes = nothing ? undefined : this.#take();
			if (changes === undefined) {
				this.#since = undefined;
				return { kind: "nothing" };
			}
			this.#pending = changes;
			await this.#known.refresh();
			// A rebalance came meanwhile: the batch was dropped, and is read again.
			if (this.#pending !== changes) return { kind: "nothing" };
		}
		const pending = this.#pending;
		const outcome = await commitBatch(this.#table, pending);
		this.#pending = undefined;
		giveBackBatch(pending.changes.batch);
		return outcome;
	}

	/** Closes the files of key indexes; they are opened again when they are needed. */
	async close(): Promise<void> {
		await this.#mirror?.reset();
	}

	/** Drops what is not committed, and every position: they are read from the table again. */
	reset(): void {
		this.#pending = undefined;
		this.#since = undefined;
		this.#committed.clear();
		this.#seen.clear();
		this.#recalled.clear();
		this.#repeats?.clear();
		this.#refusals.reset();
		this.#decoder = undefined;
	}

	#notePartition(row: number, partition: number): void {
		if (row >= this.#partitions.length) {
			const larger = new Int32Array(this.#partitions.length * 2);
			larger.set(this.#partitions);
			this.#partitions = larger;
		}
		this.#partitions[row] = partition;
	}

	#take(): PendingBatch {
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
		if (this.#known.snapshot?.metadata.schemaString !== this.#decodedFor)
			this.#decoder = this.#newDecoder(pending.changes.keyColumns);
		return pending;
	}

	get #table(): BatchTable {
		return {
			topic: this.topic,
			route: this.route,
			engine: this.#engine,
			config: this.#config,
			known: this.#known,
			committed: this.#committed,
			refusals: this.#refusals,
			mirror: this.#mirror,
		};
	}

	#decoding(): TableDecoder {
		this.#decoder ??= this.#newDecoder();
		return this.#decoder;
	}

	#newDecoder(keyColumns: readonly string[] = []): TableDecoder {
		const { snapshot } = this.#known;
		this.#known.rowSchema = snapshot?.schema;
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
}

export type TableIndexOptions = Pick<
	MirrorOptions,
	"disk" | "memory" | "onFollowed" | "onIndexFailure"
>;
