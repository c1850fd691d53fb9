import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { Engine } from "../delta/engine.ts";
import { IndexMemory } from "../index/key-index.ts";
import type { Logger } from "../observe/log.ts";
import type { WriterMetrics } from "../observe/metrics.ts";
import { openDisk } from "../storage/disk.ts";
import { fileOpener, openBelow } from "../storage/open.ts";
import type { Clock } from "./clock.ts";
import { DEFAULT_INDEX_MEMORY, type WriterConfig } from "./config.ts";
import { DEAD_LETTERS, type DeadLetter } from "./dead-letter.ts";
import { DeadLetterTable } from "./dead-letter-table.ts";
import { routesOf } from "./route.ts";
import type { TopicId } from "./source.ts";
import { type TableIndexOptions, TableWriter } from "./table-writer.ts";

/** Dead letters of a commit that the log has one by one, by code. */
const MAX_TOLD = 5;

export interface TopicTablesOptions {
	readonly clusterId: string;
	readonly config: WriterConfig;
	readonly log: Logger;
	readonly metrics: WriterMetrics;
	readonly clock: Clock;
	readonly random: () => number;
	/** The engine of the table at a path below the location; the location's store unless given. */
	readonly engineAt?: ((path: string) => Engine) | undefined;
}

/**
 * The tables that the topics of a pipeline feed, one or two of each. A topic that was made anew under
 * its name gets new ones: their positions are of another topic.
 */
export class TopicTables {
	readonly #clusterId: string;
	readonly #config: WriterConfig;
	readonly #log: Logger;
	readonly #metrics: WriterMetrics;
	readonly #clock: Clock;
	readonly #random: () => number;
	readonly #engineAt: (path: string) => Engine;
	readonly #deadLetters: DeadLetterTable;
	readonly #indexMemory: IndexMemory;
	readonly #tables = new Map<string, readonly TableWriter[]>();
	#topics: ReadonlyMap<string, TopicId> = new Map();

	constructor(options: TopicTablesOptions) {
		this.#clusterId = options.clusterId;
		this.#config = options.config;
		this.#log = options.log;
		this.#metrics = options.metrics;
		this.#clock = options.clock;
		this.#random = options.random;
		this.#engineAt = options.engineAt ?? ((path) => this.#storeEngine(path));
		this.#deadLetters = new DeadLetterTable(this.#engineAt(DEAD_LETTERS));
		this.#indexMemory = new IndexMemory(
			options.config.index?.memory ?? DEFAULT_INDEX_MEMORY,
		);
	}

	of(topic: string): readonly TableWriter[] {
		return this.#tables.get(topic) ?? [];
	}

	all(): TableWriter[] {
		return [...this.#tables.values()].flat();
	}

	/** Whether these are the topics that are followed; `topics` in the order of their names. */
	follows(topics: ReadonlyMap<string, TopicId>): boolean {
		return JSON.stringify([...topics]) === JSON.stringify([...this.#topics]);
	}

	/** Makes the tables of topics that are new; those of topics that are gone stay. */
	follow(topics: ReadonlyMap<string, TopicId>): void {
		for (const [topic, id] of topics)
			if (!this.#tables.has(topic) || this.#topics.get(topic) !== id)
				this.#tables.set(topic, this.#tablesOf(topic, id));
		this.#topics = topics;
	}

	/** Uncommitted rows are dropped, and read again by their owner. */
	reset(): void {
		for (const table of this.all()) table.reset();
	}

	/** Closes the files of key indexes; they are opened again when they are needed. */
	async close(): Promise<void> {
		await Promise.all(this.all().map((table) => table.close()));
	}

	#tablesOf(topic: string, topicId: TopicId): TableWriter[] {
		return routesOf(topic, this.#config).map(
			(route) =>
				new TableWriter({
					route,
					topic,
					topicId,
					engine: this.#engineAt(route.path),
					config: this.#config,
					clusterId: this.#clusterId,
					deadLetters: this.#deadLetters,
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
}
