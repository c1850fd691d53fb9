import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Consumer, EachBatchPayload } from "kafkajs";
import type { Engine } from "../delta/engine.ts";
import { messageOf, TributaryError } from "../errors.ts";
import { IndexMemory } from "../index/key-index.ts";
import type { Logger } from "../observe/log.ts";
import type { WriterMetrics } from "../observe/metrics.ts";
import { openDisk } from "../storage/disk.ts";
import { fileOpener, openBelow } from "../storage/open.ts";
import { DEFAULT_INDEX_MEMORY, type WriterConfig } from "./config.ts";
import { DEAD_LETTERS, DeadLetters } from "./dead-letter.ts";
import { connectKafka, heartbeatMs, type KafkaClients } from "./kafka.ts";
import { routesOf } from "./route.ts";
import { WriterStatus } from "./status.ts";
import {
	type FlushOutcome,
	type TableIndexOptions,
	TableWriter,
} from "./table-writer.ts";

const TOPIC_POLL_MS = 2000;
const MAX_RETRIES = 10;

export interface WriterHandle {
	readonly status: WriterStatus;
	/** Commits what was read so far, leaves the group, and resolves. */
	stop(): Promise<void>;
	/** Rejects when the writer can't go on. */
	readonly finished: Promise<void>;
}

/**
 * Consumes the topics of a pipeline and writes their tables until it is stopped.
 * @throws TributaryError when Kafka or the store can't be used at all
 */
export async function runWriter(
	config: WriterConfig,
	effects: { readonly log: Logger; readonly metrics: WriterMetrics },
): Promise<WriterHandle> {
	const writer = new Writer(config, effects.log, effects.metrics);
	const finished = writer.run();
	return {
		status: writer.status,
		stop: () => writer.stop(),
		finished,
	};
}

class Writer {
	readonly status: WriterStatus;
	readonly #config: WriterConfig;
	readonly #log: Logger;
	readonly #metrics: WriterMetrics;
	readonly #tables = new Map<string, TableWriter[]>();
	/** Partitions whose position was read since the last rebalance: `topic/partition`. */
	readonly #placed = new Set<string>();
	readonly #placing = new Map<string, Promise<void>>();
	/** Counts resets: what was under way before one must not take effect after it. */
	#epoch = 0;
	#kafka: KafkaClients | undefined;
	#consumer: Consumer | undefined;
	#topics: readonly string[] = [];
	#deadLetters: DeadLetters | undefined;
	#stopping = false;
	#stopped: (() => void) | undefined;
	/** Flushes run one after another for each table. */
	readonly #flushing = new Map<TableWriter, Promise<void>>();
	#failure: unknown;
	readonly #indexMemory: IndexMemory;

	constructor(config: WriterConfig, log: Logger, metrics: WriterMetrics) {
		this.#config = config;
		this.#indexMemory = new IndexMemory(
			config.index?.memory ?? DEFAULT_INDEX_MEMORY,
		);
		this.#log = log;
		this.#metrics = metrics;
		this.status = new WriterStatus(metrics);
		this.status.pendingRows = () =>
			Math.max(
				0,
				...[...this.#tables.values()].map((tables) =>
					Math.max(0, ...tables.map((table) => table.rows)),
				),
			);
	}

	async run(): Promise<void> {
		const kafka = await this.#connect();
		if (kafka === undefined) return;
		this.#deadLetters = new DeadLetters(
			this.#engine(DEAD_LETTERS),
			this.#config.pipeline,
			kafka.clusterId,
		);
		const timer = setInterval(
			() => this.#flushDue(),
			Math.min(1000, Math.max(50, this.#config.batch.maxDelayMs / 5)),
		);
		try {
			while (!this.#stopping) {
				await this.#followTopics(kafka);
				if (this.#failure !== undefined) throw this.#failure;
				await this.#pause(TOPIC_POLL_MS);
			}
		} finally {
			clearInterval(timer);
			await this.#drain();
			await kafka.disconnect();
			this.#stopped?.();
		}
	}

	stop(): Promise<void> {
		if (this.#stopping) return Promise.resolve();
		this.#stopping = true;
		return new Promise((done) => {
			this.#stopped = done;
			this.#wake?.();
		});
	}

	#wake: (() => void) | undefined;

	async #pause(ms: number): Promise<void> {
		if (this.#stopping) return;
		await new Promise<void>((done) => {
			const timer = setTimeout(done, ms);
			this.#wake = () => {
				clearTimeout(timer);
				done();
			};
		});
	}

	/** Kafka may come up after the writer does, so an address that does not answer is tried again. */
	async #connect(): Promise<KafkaClients | undefined> {
		for (let attempt = 0; !this.#stopping; attempt++) {
			try {
				this.#kafka = await connectKafka(this.#config.kafka, this.#log);
				this.status.problem("kafka", undefined);
				return this.#kafka;
			} catch (error) {
				this.status.problem("kafka", messageOf(error));
				this.#log.error({ err: error }, "can't connect to Kafka");
				await this.#pause(Math.min(30_000, 500 * 2 ** Math.min(attempt, 6)));
			}
		}
		this.#stopped?.();
		return undefined;
	}

	/** Subscribes again whenever a new topic matches: kafkajs looks at a pattern only once. */
	async #followTopics(kafka: KafkaClients): Promise<void> {
		let topics: string[];
		try {
			topics = (await kafka.admin.listTopics())
				.filter((topic) => this.#config.kafka.topics.test(topic))
				.sort();
			this.status.problem("kafka", undefined);
		} catch (error) {
			this.status.problem("kafka", messageOf(error));
			this.#log.warn({ err: error }, "can't list topics");
			return;
		}
		if (topics.length === 0) {
			this.status.waiting = `no topic matches ${this.#config.kafka.topics.source} yet`;
			return;
		}
		this.status.waiting = undefined;
		if (topics.join() === this.#topics.join()) return;
		if (this.#consumer !== undefined) await this.#drain();
		const consumer = kafka.newConsumer();
		this.#consumer = consumer;
		this.#topics = topics;
		for (const topic of topics)
			if (!this.#tables.has(topic))
				this.#tables.set(topic, this.#tablesOf(topic, kafka.clusterId));
		consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
			this.#reset();
			for (const [topic, partitions] of Object.entries(
				payload.memberAssignment,
			))
				for (const partition of partitions)
					this.#place(topic, partition).catch((error: unknown) =>
						this.#fail(error),
					);
		});
		await consumer.connect();
		await consumer.subscribe({
			topics,
			fromBeginning: this.#config.kafka.fromBeginning,
		});
		await consumer.run({
			autoCommit: false,
			eachBatchAutoResolve: false,
			partitionsConsumedConcurrently: 1,
			eachBatch: (payload) => this.#consume(payload),
		});
		this.#log.info({ topics }, "consuming");
	}

	#tablesOf(topic: string, clusterId: string): TableWriter[] {
		return routesOf(topic, this.#config).map(
			(route) =>
				new TableWriter({
					route,
					topic,
					engine: this.#engine(route.path),
					config: this.#config,
					clusterId,
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

	#engine(path: string): Engine {
		return {
			store: openBelow(this.#config.location, path, this.#config.credentials),
			openAt: fileOpener(this.#config.credentials),
			now: Date.now,
			uuid: randomUUID,
			sleep: (ms) => sleep(ms),
			random: Math.random,
			onCheckpointFailure: (error) =>
				this.#log.warn(
					{ err: error, table: path },
					"no checkpoint was written",
				),
		};
	}

	/** After a rebalance nothing is known: uncommitted rows are dropped, and read again by their owner. */
	#reset(): void {
		this.#epoch++;
		this.#placed.clear();
		this.#placing.clear();
		this.#deadLetters?.reset();
		for (const table of this.#all()) table.reset();
	}

	#all(): TableWriter[] {
		return [...this.#tables.values()].flat();
	}

	async #consume(payload: EachBatchPayload): Promise<void> {
		const { batch, heartbeat, isRunning, isStale, resolveOffset } = payload;
		const { topic, partition } = batch;
		const tables = this.#tables.get(topic) ?? [];
		if (!this.#placed.has(`${topic}/${partition}`)) {
			await this.#place(topic, partition);
			return;
		}
		const beat = setInterval(() => {
			heartbeat().catch((error: unknown) =>
				this.#log.debug({ err: error }, "heartbeat"),
			);
		}, heartbeatMs(this.#config.kafka));
		const epoch = this.#epoch;
		try {
			let last: string | undefined;
			for (const message of batch.messages) {
				if (!isRunning() || isStale() || epoch !== this.#epoch) return;
				const change = {
					key: message.key,
					value: message.value,
					topic,
					partition,
					offset: BigInt(message.offset),
				};
				for (const table of tables) {
					if (this.#full(table)) await this.#flush(table);
					const decoded = table.decode(change);
					if (
						decoded?.kind === "dead-letter" &&
						this.#deadLetters?.add({
							...change,
							headers: headersOf(message.headers),
							code: decoded.code,
							message: decoded.message,
						}) === true
					) {
						this.#metrics.deadLetters.inc({ code: decoded.code });
						this.#log.warn(
							{ topic, partition, offset: message.offset, code: decoded.code },
							decoded.message,
						);
					}
				}
				last = message.offset;
			}
			this.#metrics.messages.inc({ topic }, batch.messages.length);
			resolveOffset(last ?? batch.lastOffset());
			this.status.consumed(topic, partition, {
				highWatermark: BigInt(batch.highWatermark),
				next: BigInt(batch.lastOffset()) + 1n,
			});
		} finally {
			clearInterval(beat);
		}
	}

	/**
	 * After a rebalance: asks the tables of a partition how far they are, and moves the consumer there.
	 * @throws TributaryError KAFKA_POSITION_LOST when Kafka no longer has the next record
	 */
	#place(topic: string, partition: number): Promise<void> {
		const id = `${topic}/${partition}`;
		const epoch = this.#epoch;
		const under = this.#placing.get(id);
		if (under !== undefined) return under;
		const run = this.#seek(topic, partition, () => epoch === this.#epoch);
		this.#placing.set(id, run);
		return run;
	}

	async #seek(
		topic: string,
		partition: number,
		current: () => boolean,
	): Promise<void> {
		const tables = this.#tables.get(topic) ?? [];
		const partitions = (await this.#kafka?.admin.fetchTopicOffsets(topic))
			?.length;
		let next: bigint | undefined;
		for (const table of tables) {
			// A commit from before the rebalance may still land: the position is read after it.
			await this.#flushing.get(table)?.catch(() => undefined);
			const position = await this.#retrying(table, () =>
				table.load(partition, partitions),
			);
			const wanted = position === undefined ? 0n : position + 1n;
			next = next === undefined || wanted < next ? wanted : next;
		}
		// Read after the positions, which can't be ahead of it then.
		const offsets = await this.#kafka?.admin.fetchTopicOffsets(topic);
		const found = offsets?.find((one) => one.partition === partition);
		const low = BigInt(found?.low ?? 0);
		const high = BigInt(found?.high ?? 0);
		const wanted = next ?? 0n;
		if (wanted > 0n && wanted < low)
			throw new TributaryError(
				"KAFKA_POSITION_LOST",
				`${topic}, partition ${partition}: the table needs offset ${wanted}, but Kafka keeps only those from ${low} on. Take a new snapshot of the table, or delete the table to build it anew`,
			);
		if (wanted > high)
			throw new TributaryError(
				"KAFKA_POSITION_LOST",
				`${topic}, partition ${partition}: the table holds changes up to offset ${wanted - 1n}, but Kafka's next is ${high}: the topic was made anew, or lost records. Delete the table to build it anew`,
			);
		if (!current()) return;
		const fresh = wanted === 0n && !this.#config.kafka.fromBeginning;
		this.#consumer?.seek({
			topic,
			partition,
			offset: fresh ? String(high) : String(wanted > low ? wanted : low),
		});
		this.#placed.add(`${topic}/${partition}`);
	}

	#full(table: TableWriter): boolean {
		const { maxRows, maxBytes } = this.#config.batch;
		return table.rows >= maxRows || table.bytes >= maxBytes;
	}

	#flushDue(): void {
		const now = Date.now();
		for (const table of this.#all()) {
			const since = table.pendingSince;
			if (
				since !== undefined &&
				now - since >= this.#config.batch.maxDelayMs &&
				!this.#flushing.has(table)
			)
				this.#flush(table).catch((error: unknown) => this.#fail(error));
		}
	}

	#fail(error: unknown): void {
		this.#failure ??= error;
		this.status.problem("writer", messageOf(error));
		this.#wake?.();
	}

	/** Commits a table's batch; flushes of one table wait for each other. */
	async #flush(table: TableWriter): Promise<void> {
		const before = this.#flushing.get(table);
		const run = (async () => {
			await before?.catch(() => undefined); // Its own caller hears of it.
			await this.#flushNow(table);
		})();
		this.#flushing.set(table, run);
		try {
			await run;
		} finally {
			if (this.#flushing.get(table) === run) this.#flushing.delete(table);
		}
	}

	async #flushNow(table: TableWriter): Promise<void> {
		const started = performance.now();
		let outcome: FlushOutcome;
		try {
			outcome = await this.#retrying(table, async () => {
				await this.#deadLetters?.flush();
				return await table.flush();
			});
		} catch (error) {
			if (!(error instanceof TributaryError) || !error.retryable) throw error;
			this.#log.error({ err: error, table: table.url }, "starting over");
			this.#replace();
			return;
		}
		const labels = { table: table.route.path };
		switch (outcome.kind) {
			case "nothing":
				return;
			case "fenced":
				this.#log.warn({ table: table.url }, outcome.reason);
				this.#replace();
				return;
			case "committed": {
				const seconds = (performance.now() - started) / 1000;
				this.#metrics.rows.inc(labels, outcome.rows);
				this.#metrics.bytes.inc(labels, outcome.bytes);
				this.#metrics.commits.inc(labels);
				this.#metrics.commitSeconds.observe(labels, seconds);
				this.#metrics.batchRows.observe(labels, outcome.rows);
				for (const change of outcome.schemaChanges) {
					this.#metrics.schemaChanges.inc({ ...labels, kind: change.kind });
					this.#log.info(
						{ table: table.url, column: change.path.join("."), to: change.to },
						`column ${change.kind === "add" ? "added" : "widened"}`,
					);
				}
				this.status.committed(table, outcome, Date.now());
				this.#log.info(
					{
						table: table.url,
						version: outcome.version,
						rows: outcome.rows,
						bytes: outcome.bytes,
						ms: Math.round(seconds * 1000),
					},
					"committed",
				);
				await this.#commitGroupOffsets(table);
			}
		}
	}

	/** Runs with exponential backoff and jitter while the trouble is transient. */
	async #retrying<T>(table: TableWriter, run: () => Promise<T>): Promise<T> {
		for (let attempt = 1; ; attempt++) {
			try {
				const result = await run();
				this.status.problem(table.url, undefined);
				return result;
			} catch (error) {
				this.status.problem(table.url, messageOf(error));
				if (
					!(error instanceof TributaryError) ||
					!error.retryable ||
					attempt > MAX_RETRIES ||
					this.#stopping
				) {
					this.#log.error({ err: error, table: table.url }, "failed");
					// What a person has to mend (rights, a bucket) is tried again until it is mended.
					if (this.#stopping || !(error instanceof TributaryError)) throw error;
				}
				this.#metrics.retries.inc({ table: table.route.path });
				this.#log.warn(
					{ err: error, table: table.url, attempt },
					"trying again",
				);
				await this.#pause(
					Math.min(30_000, 200 * 2 ** Math.min(attempt, 8)) *
						(0.5 + Math.random() / 2),
				);
			}
		}
	}

	/** Reads every position from the tables again, and goes on from there. */
	#replace(): void {
		const placed = [...this.#placed];
		this.#reset();
		for (const id of placed) {
			const slash = id.lastIndexOf("/");
			this.#place(id.slice(0, slash), Number(id.slice(slash + 1))).catch(
				(error: unknown) => this.#fail(error),
			);
		}
	}

	/** For lag displays of other tools; the position that counts is in the table. */
	async #commitGroupOffsets(table: TableWriter): Promise<void> {
		const offsets = this.status.groupOffsets(
			table.topic,
			this.#tables.get(table.topic) ?? [],
		);
		if (offsets.length === 0) return;
		try {
			await this.#consumer?.commitOffsets(offsets);
		} catch (error) {
			this.#log.debug({ err: error }, "group offsets were not committed");
		}
	}

	async #drain(): Promise<void> {
		const consumer = this.#consumer;
		this.#consumer = undefined;
		try {
			await consumer?.stop();
			await Promise.all(this.#all().map((table) => this.#flush(table)));
		} finally {
			await consumer?.disconnect();
			this.#reset();
			await Promise.all(this.#all().map((table) => table.close()));
		}
	}
}

function headersOf(
	headers: EachBatchPayload["batch"]["messages"][number]["headers"],
): Map<string, Uint8Array> {
	const result = new Map<string, Uint8Array>();
	for (const [name, value] of Object.entries(headers ?? {})) {
		const first = Array.isArray(value) ? value[0] : value;
		if (first !== undefined)
			result.set(name, typeof first === "string" ? Buffer.from(first) : first);
	}
	return result;
}
