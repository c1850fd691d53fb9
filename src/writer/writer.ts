import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { ChangeMessage } from "../change/decoder.ts";
import type { Engine } from "../delta/engine.ts";
import { messageOf } from "../errors.ts";
import { IndexMemory } from "../index/key-index.ts";
import type { Logger } from "../observe/log.ts";
import type { WriterMetrics } from "../observe/metrics.ts";
import { openDisk } from "../storage/disk.ts";
import { fileOpener, openBelow } from "../storage/open.ts";
import { type Clock, systemClock } from "./clock.ts";
import { DEFAULT_INDEX_MEMORY, type WriterConfig } from "./config.ts";
import { DEAD_LETTERS, type DeadLetter } from "./dead-letter.ts";
import { DeadLetterTable } from "./dead-letter-table.ts";
import { Flusher } from "./flusher.ts";
import { connectKafka, heartbeatMs } from "./kafka.ts";
import { Placement } from "./placement.ts";
import { routesOf } from "./route.ts";
import type {
	Source,
	SourceBatch,
	SourceRecord,
	Subscription,
	TopicId,
	TopicPartition,
} from "./source.ts";
import { WriterStatus } from "./status.ts";
import { type TableIndexOptions, TableWriter } from "./table-writer.ts";

const TOPIC_POLL_MS = 2000;
/** A partition that waits hears nothing of new records by itself, and its lag would stand still. */
const END_POLL_MS = 10_000;
/** Dead letters of a commit that the log has one by one, by code. */
const MAX_TOLD = 5;
/** How long one table's commit may hold up the batches of others. */
const PATIENCE_MS = 1000;

export interface WriterHandle {
	readonly status: WriterStatus;
	/** Commits what was read so far, leaves the group, and resolves. */
	stop(): Promise<void>;
	/** Rejects when the writer can't go on. */
	readonly finished: Promise<void>;
}

/** The world as a writer meets it. */
export interface WriterEffects {
	readonly log: Logger;
	readonly metrics: WriterMetrics;
	readonly clock?: Clock;
	readonly random?: () => number;
	readonly connect?: () => Promise<Source>;
	/** The engine of the table at a path below the location. */
	readonly engineAt?: (path: string) => Engine;
}

/**
 * Consumes the topics of a pipeline and writes their tables until it is stopped. What does not answer
 * is waited for.
 */
export function runWriter(
	config: WriterConfig,
	effects: WriterEffects,
): WriterHandle {
	const writer = new Writer(config, effects);
	return {
		status: writer.status,
		stop: () => writer.stop(),
		finished: writer.run(),
	};
}

class Writer {
	readonly status: WriterStatus;
	readonly #config: WriterConfig;
	readonly #log: Logger;
	readonly #metrics: WriterMetrics;
	readonly #clock: Clock;
	readonly #random: () => number;
	readonly #connectSource: () => Promise<Source>;
	readonly #engineAt: (path: string) => Engine;
	readonly #tables = new Map<string, readonly TableWriter[]>();
	#topics: ReadonlyMap<string, TopicId> = new Map();
	#subscription: Subscription | undefined;
	/** Ends waiting and retries. */
	readonly #stopping = new AbortController();
	/** Ends retries when the grace period for the last commits is over. */
	readonly #giveUp = new AbortController();
	#stopped: (() => void) | undefined;
	#failure: { readonly error: unknown } | undefined;
	#wake = new AbortController();
	readonly #indexMemory: IndexMemory;

	constructor(config: WriterConfig, effects: WriterEffects) {
		this.#config = config;
		this.#indexMemory = new IndexMemory(
			config.index?.memory ?? DEFAULT_INDEX_MEMORY,
		);
		this.#log = effects.log;
		this.#metrics = effects.metrics;
		this.#clock = effects.clock ?? systemClock;
		this.#random = effects.random ?? Math.random;
		this.#connectSource =
			effects.connect ?? (() => connectKafka(config.kafka, effects.log));
		this.#engineAt = effects.engineAt ?? ((path) => this.#storeEngine(path));
		this.status = new WriterStatus(effects.metrics);
		this.status.writers = () => this.#all();
	}

	async run(): Promise<void> {
		try {
			const source = await this.#connect();
			if (source !== undefined) await this.#consumeAll(source);
		} finally {
			this.#stopped?.();
		}
	}

	stop(): Promise<void> {
		return new Promise((done) => {
			this.#stopped = done;
			this.#stopping.abort();
			this.#wake.abort();
		});
	}

	async #consumeAll(source: Source): Promise<void> {
		const deadLetters = new DeadLetterTable(this.#engineAt(DEAD_LETTERS));
		const flusher = new Flusher({
			clock: this.#clock,
			random: this.#random,
			log: this.#log,
			metrics: this.#metrics,
			status: this.status,
			signal: this.#giveUp.signal,
			onStartOver: (table, reason) => {
				this.#log.warn({ table: table.url }, reason);
				startOver(table.topic);
			},
			onCommitted: (table) => this.#commitGroupOffsets(table),
			onFailure: (error) => this.#fail(error),
		});
		const placement = new Placement({
			source,
			flusher,
			status: this.status,
			log: this.#log,
			fromBeginning: this.#config.kafka.fromBeginning,
			onPositionLost: this.#config.kafka.onPositionLost,
			tablesOf: (topic) => this.#tables.get(topic) ?? [],
			subscription: () => this.#subscription,
			clock: this.#clock,
			random: this.#random,
			signal: this.#giveUp.signal,
			onFailure: (error) => this.#fail(error),
		});
		const parts: Parts = { source, deadLetters, flusher, placement };
		/** Drops what is not committed of a topic; its partitions are read again from the tables' positions. */
		const startOver = (topic: string): void => {
			const places = placement.forget(topic);
			for (const table of this.#tables.get(topic) ?? []) table.reset();
			for (const place of places) placement.place(place);
		};
		const endTimer = this.#clock.every(
			Math.min(1000, Math.max(50, this.#config.batch.maxDelayMs / 5)),
			() => this.#flushDue(flusher),
		);
		const endPoll = this.#clock.every(END_POLL_MS, () => {
			this.#followEnds(source).catch((error: unknown) =>
				this.#log.debug({ err: error }, "can't read the ends of topics"),
			);
		});
		try {
			while (!this.#stopping.signal.aborted) {
				await this.#followTopics(parts);
				if (this.#failure !== undefined) throw this.#failure.error;
				await this.#pause(TOPIC_POLL_MS);
			}
		} finally {
			endTimer();
			endPoll();
			await this.#drain(parts);
			await source.close();
		}
	}

	async #pause(ms: number): Promise<void> {
		if (this.#stopping.signal.aborted) return;
		this.#wake = new AbortController();
		await this.#clock.sleep(ms, this.#wake.signal);
	}

	/** Kafka may come up after the writer does, so an address that does not answer is tried again. */
	async #connect(): Promise<Source | undefined> {
		for (let attempt = 0; !this.#stopping.signal.aborted; attempt++) {
			try {
				const source = await this.#connectSource();
				this.status.problem("kafka", undefined);
				return source;
			} catch (error) {
				this.status.problem("kafka", messageOf(error));
				this.#log.error({ err: error }, "can't connect to Kafka");
				await this.#pause(Math.min(30_000, 500 * 2 ** Math.min(attempt, 6)));
			}
		}
		return undefined;
	}

	/** Subscribes again whenever the topics that match are others, or one was made anew. */
	async #followTopics(parts: Parts): Promise<void> {
		let topics: Map<string, TopicId>;
		try {
			topics = new Map(
				[...(await parts.source.topics())]
					.filter(([topic]) => this.#config.kafka.topics.test(topic))
					.sort(([a], [b]) => (a < b ? -1 : 1)),
			);
			this.status.problem("kafka", undefined);
		} catch (error) {
			this.status.problem("kafka", messageOf(error));
			this.#log.warn({ err: error }, "can't list topics");
			return;
		}
		if (topics.size === 0) {
			this.status.waiting = `no topic matches ${this.#config.kafka.topics.source} yet`;
			return;
		}
		this.status.waiting = undefined;
		if (JSON.stringify([...topics]) === JSON.stringify([...this.#topics]))
			return;
		await this.#drain(parts);
		for (const [topic, id] of topics)
			if (!this.#tables.has(topic) || this.#topics.get(topic) !== id)
				this.#tables.set(topic, this.#tablesOf(topic, id, parts));
		this.#topics = topics;
		this.#subscription = await parts.source.subscribe([...topics.keys()], {
			assigned: (partitions) => {
				this.#reset(parts);
				this.#metrics.rebalances.inc();
				this.status.assigned(partitions.length);
				for (const place of partitions) parts.placement.place(place);
			},
			consume: (batch) => this.#consume(batch, parts),
		});
		this.#log.info({ topics: [...topics.keys()] }, "consuming");
	}

	async #followEnds(source: Source): Promise<void> {
		for (const topic of this.status.topics)
			for (const { partition, high } of await source.offsets(topic))
				this.status.ended({ topic, partition }, high);
	}

	#tablesOf(
		topic: string,
		topicId: TopicId,
		{ source: { clusterId }, deadLetters }: Parts,
	): TableWriter[] {
		return routesOf(topic, this.#config).map(
			(route) =>
				new TableWriter({
					route,
					topic,
					topicId,
					engine: this.#engineAt(route.path),
					config: this.#config,
					clusterId,
					deadLetters,
					onDeadLetters: (letters) => this.#tellOf(route.path, letters),
					onRepeated: () =>
						this.#metrics.repeatedChanges.inc({ table: route.path }),
					onSuperseded: (count) => {
						this.#metrics.deadLettersSuperseded.inc(
							{ table: route.path },
							count,
						);
						this.#log.info(
							{ table: route.path, count },
							"newer changes of their rows have come: dead letters superseded",
						);
					},
					...this.#index(route.path),
				}),
		);
	}

	/** Where a table's key indexes are; nothing where they stay in memory. */
	#index(table: string): { index?: TableIndexOptions } {
		const folder = this.#config.index?.folder;
		if (folder === undefined) return {};
		return {
			index: {
				memory: this.#indexMemory,
				disk: (tableId, shard) =>
					openDisk(
						join(
							folder,
							...[tableId, shard].map((part) =>
								encodeURIComponent(part).replaceAll(".", "%2E"),
							),
						),
					),
				onFollowed: (shard, followed) =>
					this.#log.info({ table, shard, ...followed }, "key index"),
				onIndexFailure: (shard, error) =>
					this.#log.warn(
						{ err: error, table, shard },
						"the key index was not written; it is read again",
					),
			},
		};
	}

	#storeEngine(path: string): Engine {
		return {
			store: openBelow(this.#config.location, path, this.#config.credentials),
			openAt: fileOpener(this.#config.credentials),
			now: () => this.#clock.now(),
			uuid: randomUUID,
			sleep: (ms) => this.#clock.sleep(ms),
			random: this.#random,
			onCheckpointFailure: (error) =>
				this.#log.warn(
					{ err: error, table: path },
					"no checkpoint was written",
				),
		};
	}

	/** After a rebalance nothing is known: uncommitted rows are dropped, and read again by their owner. */
	#reset({ placement }: Parts): void {
		placement.reset();
		this.status.assigned(undefined);
		for (const table of this.#all()) table.reset();
	}

	#all(): TableWriter[] {
		return [...this.#tables.values()].flat();
	}

	async #consume(batch: SourceBatch, parts: Parts): Promise<void> {
		const { placement } = parts;
		const { topic, partition } = batch;
		const place = { topic, partition };
		const expected = placement.next(place);
		if (expected === undefined) {
			// Not placed yet, or its position is lost: nothing of it may be taken.
			this.#wait(place, placement, () => placement.next(place) === undefined);
			return;
		}
		const { flusher } = parts;
		const tables = this.#tables.get(topic) ?? [];
		// A table that fails takes no more than it has, and all together no more than their bound.
		const wait = (): boolean =>
			tables.some((table) => flusher.failing(table)) || this.#overfull();
		if (wait()) {
			this.#bound(flusher);
			this.#wait(place, placement, wait);
			return;
		}
		const endBeat = this.#clock.every(heartbeatMs(this.#config.kafka), () => {
			batch
				.heartbeat()
				.catch((error: unknown) =>
					this.#log.debug({ err: error }, "heartbeat"),
				);
		});
		try {
			await this.#decode(batch, expected, parts);
		} finally {
			endBeat();
		}
	}

	async #decode(
		batch: SourceBatch,
		start: bigint,
		parts: Parts,
	): Promise<void> {
		const { placement, flusher } = parts;
		const { topic, partition } = batch;
		const { moves } = placement;
		const tables = this.#tables.get(topic) ?? [];
		const current = (): boolean => moves === placement.moves && batch.current();
		let next = Number(start);
		let count = 0;
		let finished = false;
		try {
			// Nothing else runs, and moves the partition, but where this waits.
			if (!current()) return;
			const message = new Message(batch);
			for (const record of batch.records) {
				const { offset } = record;
				message.record = record;
				// Read twice, or before the place that the tables asked for.
				if (offset < next) continue;
				if (count === 0 && offset > next) {
					const whole = await placement.verifyGap(
						{ topic, partition },
						BigInt(next),
						current,
					);
					if (!whole || !current()) return;
				}
				for (const table of tables) {
					if (this.#full(table)) {
						const room = await this.#makeRoom(table, batch, parts);
						if (!room || !current()) return;
					}
					table.decode(message);
				}
				next = offset + 1;
				count++;
			}
			finished = true;
		} finally {
			if (current()) {
				// Behind the last record there may be markers of transactions.
				if (finished) next = Math.max(next, Number(batch.next));
				placement.advance(batch, BigInt(next));
				if (next > start) batch.done(BigInt(next - 1));
			}
		}
		this.#metrics.messages.inc({ topic }, count);
		this.status.consumed(batch, {
			highWatermark: batch.highWatermark,
			next: batch.next,
		});
		this.#bound(flusher);
	}

	/** Says what was kept out of a table; the first few letters of each code one by one. */
	#tellOf(table: string, letters: readonly DeadLetter[]): void {
		const told = new Map<string, number>();
		for (const { topic, partition, offset, code, message } of letters) {
			this.#metrics.deadLetters.inc({ table, code });
			const count = (told.get(code) ?? 0) + 1;
			told.set(code, count);
			if (count <= MAX_TOLD)
				this.#log.warn(
					{ table, topic, partition, offset: String(offset), code },
					`dead letter: ${message}`,
				);
		}
		for (const [code, count] of told)
			if (count > MAX_TOLD)
				this.#log.warn({ table, code, count }, "so many dead letters at once");
	}

	/**
	 * Commits a full table. The commit before gets a moment to end; a table that is slow or fails gives
	 * its place up until it works, because batches of all partitions come in turns.
	 * @returns whether the batch goes on
	 */
	async #makeRoom(
		table: TableWriter,
		place: TopicPartition,
		{ flusher, placement }: Parts,
	): Promise<boolean> {
		while (this.#full(table)) {
			const before = flusher.running(table);
			if (before !== undefined && !flusher.failing(table))
				await this.#soon(before);
			if (flusher.running(table) !== undefined) {
				this.#wait(
					place,
					placement,
					() => flusher.running(table) !== undefined,
				);
				return false;
			}
			if (this.#full(table)) {
				// It takes what there is at once, and commits it while more is decoded.
				void flusher.flush(table);
				await Promise.resolve();
				return true;
			}
		}
		return true;
	}

	/** Waits for something, but not long. */
	async #soon(one: Promise<void>): Promise<void> {
		const enough = new AbortController();
		await Promise.race([one, this.#clock.sleep(PATIENCE_MS, enough.signal)]);
		enough.abort();
	}

	/** No batches of a partition as long as something holds, and no rebalance comes. */
	#wait(
		place: TopicPartition,
		placement: Placement,
		holds: () => boolean,
	): void {
		const resume = this.#subscription?.pause(place);
		const { epoch } = placement;
		const end = this.#clock.every(100, () => {
			if (
				holds() &&
				epoch === placement.epoch &&
				!this.#stopping.signal.aborted
			)
				return;
			end();
			resume?.();
		});
	}

	#full(table: TableWriter): boolean {
		const { maxRows, maxBytes } = this.#config.batch;
		return table.rows >= maxRows || table.bytes >= maxBytes;
	}

	#overfull(): boolean {
		return this.#held() >= this.#config.batch.maxTotalBytes;
	}

	#held(): number {
		return this.#all().reduce((sum, { held }) => sum + held, 0);
	}

	/** Tables are committed early, the largest first, when all together are at half of their bound. */
	#bound(flusher: Flusher): void {
		let excess = this.#held() - this.#config.batch.maxTotalBytes / 2;
		if (excess <= 0) return;
		for (const table of this.#all().sort((a, b) => b.bytes - a.bytes)) {
			if (excess <= 0 || table.bytes === 0) return;
			excess -= table.held;
			if (flusher.running(table) === undefined) void flusher.flush(table);
		}
	}

	#flushDue(flusher: Flusher): void {
		const now = this.#clock.now();
		for (const table of this.#all()) {
			const since = table.pendingSince;
			if (
				since !== undefined &&
				now - since >= this.#config.batch.maxDelayMs &&
				flusher.running(table) === undefined
			)
				void flusher.flush(table);
		}
	}

	#fail(error: unknown): void {
		this.#failure ??= { error };
		this.status.problem("writer", messageOf(error));
		this.#wake.abort();
	}

	/** For lag displays of other tools; the position that counts is in the table. */
	#commitGroupOffsets(table: TableWriter): void {
		const offsets = this.status.groupOffsets(table.topic);
		if (offsets.length === 0) return;
		this.#subscription
			?.commit(offsets)
			.catch((error: unknown) =>
				this.#log.debug({ err: error }, "group offsets were not committed"),
			);
	}

	async #drain(parts: Parts): Promise<void> {
		const subscription = this.#subscription;
		if (subscription === undefined) return;
		try {
			// The last commits are tried once more at most: whoever comes next reads the positions.
			if (this.#stopping.signal.aborted) this.#giveUp.abort();
			await subscription.stop();
			await Promise.all(
				this.#all()
					// What fails is dropped, and read again.
					.filter((table) => !parts.flusher.failing(table))
					.map((table) => parts.flusher.flush(table)),
			);
		} finally {
			this.#subscription = undefined;
			await subscription.close();
			this.#reset(parts);
			await Promise.all(this.#all().map((table) => table.close()));
		}
	}
}

/** The record that is being decoded, with its place; one for a whole batch. */
class Message implements ChangeMessage {
	readonly topic: string;
	readonly partition: number;
	record: SourceRecord = NO_RECORD;

	constructor({ topic, partition }: TopicPartition) {
		this.topic = topic;
		this.partition = partition;
	}

	get key(): Uint8Array | null {
		return this.record.key;
	}

	get value(): Uint8Array | null {
		return this.record.value;
	}

	get offset(): number {
		return this.record.offset;
	}
}

const NO_RECORD: SourceRecord = {
	key: null,
	value: null,
	offset: -1,
	headers: () => [],
	timestamp: () => -1,
};

interface Parts {
	readonly source: Source;
	readonly deadLetters: DeadLetterTable;
	readonly flusher: Flusher;
	readonly placement: Placement;
}
