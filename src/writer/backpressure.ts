import type { Clock } from "./clock.ts";
import type { WriterConfig } from "./config.ts";
import type { Flusher } from "./flusher.ts";
import type { Placement } from "./placement.ts";
import type { Subscription, TopicPartition } from "./source.ts";
import type { TableWriter } from "./table-writer.ts";
import type { TopicTables } from "./topic-tables.ts";

/** How long one table's commit may hold up the batches of others. */
const PATIENCE_MS = 1000;
/** How often it is looked whether a partition that waits may go on. */
const LOOK_MS = 100;

export interface BackpressureOptions {
	readonly batch: WriterConfig["batch"];
	readonly tables: TopicTables;
	readonly flusher: Flusher;
	readonly placement: Placement;
	readonly subscription: () => Subscription | undefined;
	readonly clock: Clock;
	/** Ends waiting. */
	readonly signal: AbortSignal;
}

/**
 * Keeps what is not committed within its bounds: tables are committed when they are full, late or too
 * large together, and partitions wait as long as their tables take no more.
 */
export class Backpressure {
	readonly #options: BackpressureOptions;

	constructor(options: BackpressureOptions) {
		this.#options = options;
	}

	full(table: TableWriter): boolean {
		const { maxRows, maxBytes } = this.#options.batch;
		return table.rows >= maxRows || table.bytes >= maxBytes;
	}

	/** Whether all tables together have reached their bound. */
	get overfull(): boolean {
		return this.#held() >= this.#options.batch.maxTotalBytes;
	}

	/**
	 * Commits a full table. The commit before gets a moment to end; a table that is slow or fails gives
	 * its place up until it works, because batches of all partitions come in turns.
	 * @returns whether the batch goes on
	 */
	async makeRoom(table: TableWriter, place: TopicPartition): Promise<boolean> {
		const { flusher } = this.#options;
		while (this.full(table)) {
			const before = flusher.running(table);
			if (before !== undefined && !flusher.failing(table))
				await this.#soon(before);
			if (flusher.running(table) !== undefined) {
				this.wait(place, () => flusher.running(table) !== undefined);
				return false;
			}
			if (this.full(table)) {
				// It takes what there is at once, and commits it while more is decoded.
				void flusher.flush(table);
				await Promise.resolve();
				return true;
			}
		}
		return true;
	}

	/** No batches of a partition as long as something holds, and no rebalance comes. */
	wait(place: TopicPartition, holds: () => boolean): void {
		const { placement, subscription, clock, signal } = this.#options;
		const resume = subscription()?.pause(place);
		const { epoch } = placement;
		const end = clock.every(LOOK_MS, () => {
			if (holds() && epoch === placement.epoch && !signal.aborted) return;
			end();
			resume?.();
		});
	}

	/** Tables are committed early, the largest first, when all together are at half of their bound. */
	bound(): void {
		const { batch, tables, flusher } = this.#options;
		let excess = this.#held() - batch.maxTotalBytes / 2;
		if (excess <= 0) return;
		for (const table of tables.all().sort((a, b) => b.bytes - a.bytes)) {
			if (excess <= 0 || table.bytes === 0) return;
			excess -= table.held;
			if (flusher.running(table) === undefined) void flusher.flush(table);
		}
	}

	/** Commits the tables whose oldest record has waited for long enough. */
	flushDue(): void {
		const { batch, tables, flusher, clock } = this.#options;
		const now = clock.now();
		for (const table of tables.all()) {
			const since = table.pendingSince;
			if (
				since !== undefined &&
				now - since >= batch.maxDelayMs &&
				flusher.running(table) === undefined
			)
				void flusher.flush(table);
		}
	}

	#held(): number {
		return this.#options.tables.all().reduce((sum, { held }) => sum + held, 0);
	}

	/** Waits for something, but not long. */
	async #soon(one: Promise<void>): Promise<void> {
		const enough = new AbortController();
		await Promise.race([
			one,
			this.#options.clock.sleep(PATIENCE_MS, enough.signal),
		]);
		enough.abort();
	}
}
