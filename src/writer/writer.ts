import type { Engine } from "../delta/engine.ts";
import { messageOf } from "../errors.ts";
import type { Logger } from "../observe/log.ts";
import type { WriterMetrics } from "../observe/metrics.ts";
import { Backpressure } from "./backpressure.ts";
import { type Clock, systemClock } from "./clock.ts";
import type { WriterConfig } from "./config.ts";
import { Flusher } from "./flusher.ts";
import { connectKafka, heartbeatMs } from "./kafka.ts";
import { Placement } from "./placement.ts";
import { Message } from "./raw-message.ts";
import type { Source, SourceBatch, Subscription, TopicId } from "./source.ts";
import { WriterStatus } from "./status.ts";
import type { TableWriter } from "./table-writer.ts";
import { TopicTables } from "./topic-tables.ts";

const TOPIC_POLL_MS = 2000;
/** A partition that waits hears nothing of new records by itself, and its lag would stand still. */
const END_POLL_MS = 10_000;

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
	readonly #engineAt: WriterEffects["engineAt"];
	#subscription: Subscription | undefined;
	/** Ends waiting and retries. */
	readonly #stopping = new AbortController();
	/** Ends retries when the grace period for the last commits is over. */
	readonly #giveUp = new AbortController();
	#stopped: (() => void) | undefined;
	#failure: { readonly error: unknown } | undefined;
	#wake = new AbortController();

	constructor(config: WriterConfig, effects: WriterEffects) {
		this.#config = config;
		this.#log = effects.log;
		this.#metrics = effects.metrics;
		this.#clock = effects.clock ?? systemClock;
		this.#random = effects.random ?? Math.random;
		this.#connectSource =
			effects.connect ?? (() => connectKafka(config.kafka, effects.log));
		this.#engineAt = effects.engineAt;
		this.status = new WriterStatus(effects.metrics);
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
		const tables = new TopicTables({
			clusterId: source.clusterId,
			config: this.#config,
			log: this.#log,
			metrics: this.#metrics,
			clock: this.#clock,
			random: this.#random,
			engineAt: this.#engineAt,
		});
		this.status.writers = () => tables.all();
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
			tablesOf: (topic) => tables.of(topic),
			subscription: () => this.#subscription,
			clock: this.#clock,
			random: this.#random,
			signal: this.#giveUp.signal,
			onFailure: (error) => this.#fail(error),
		});
		const pressure = new Backpressure({
			batch: this.#config.batch,
			tables,
			flusher,
			placement,
			subscription: () => this.#subscription,
			clock: this.#clock,
			signal: this.#stopping.signal,
		});
		const parts: Parts = { source, tables, flusher, placement, pressure };
		/** Drops what is not committed of a topic; its partitions are read again from the tables' positions. */
		const startOver = (topic: string): void => {
			const places = placement.forget(topic);
			for (const table of tables.of(topic)) table.reset();
			for (const place of places) placement.place(place);
		};
		const endTimer = this.#clock.every(
			Math.min(1000, Math.max(50, this.#config.batch.maxDelayMs / 5)),
			() => pressure.flushDue(),
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
		if (parts.tables.follows(topics)) return;
		await this.#drain(parts);
		parts.tables.follow(topics);
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

	/** After a rebalance nothing is known: uncommitted rows are dropped, and read again by their owner. */
	#reset({ placement, tables }: Parts): void {
		placement.reset();
		this.status.assigned(undefined);
		tables.reset();
	}

	async #consume(batch: SourceBatch, parts: Parts): Promise<void> {
		const { placement, pressure, flusher } = parts;
		const { topic, partition } = batch;
		const place = { topic, partition };
		const expected = placement.next(place);
		if (expected === undefined) {
			// Not placed yet, or its position is lost: nothing of it may be taken.
			pressure.wait(place, () => placement.next(place) === undefined);
			return;
		}
		const tables = parts.tables.of(topic);
		// A table that fails takes no more than it has, and all together no more than their bound.
		const wait = (): boolean =>
			tables.some((table) => flusher.failing(table)) || pressure.overfull;
		if (wait()) {
			pressure.bound();
			pressure.wait(place, wait);
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
		const { placement, pressure } = parts;
		const { topic, partition } = batch;
		const { moves } = placement;
		const tables = parts.tables.of(topic);
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
					if (pressure.full(table)) {
						const room = await pressure.makeRoom(table, batch);
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
		pressure.bound();
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
				parts.tables
					.all()
					// What fails is dropped, and read again.
					.filter((table) => !parts.flusher.failing(table))
					.map((table) => parts.flusher.flush(table)),
			);
		} finally {
			this.#subscription = undefined;
			await subscription.close();
			this.#reset(parts);
			await parts.tables.close();
		}
	}
}

interface Parts {
	readonly source: Source;
	readonly tables: TopicTables;
	readonly flusher: Flusher;
	readonly placement: Placement;
	readonly pressure: Backpressure;
}
