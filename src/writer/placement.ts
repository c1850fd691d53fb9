import { messageOf, TributaryError } from "../errors.ts";
import type { Logger } from "../observe/log.ts";
import type { Clock } from "./clock.ts";
import type { Flusher } from "./flusher.ts";
import { nextOffset, type OnPositionLost } from "./position.ts";
import { retrying } from "./retry.ts";
import { recalled } from "./seen-changes.ts";
import type {
	PartitionOffsets,
	Source,
	Subscription,
	TopicPartition,
} from "./source.ts";
import type { WriterStatus } from "./status.ts";
import type { TableWriter } from "./table-writer.ts";

export interface PlacementOptions {
	readonly source: Source;
	readonly flusher: Flusher;
	readonly status: WriterStatus;
	readonly log: Logger;
	readonly fromBeginning: boolean;
	readonly onPositionLost: OnPositionLost;
	readonly tablesOf: (topic: string) => readonly TableWriter[];
	readonly subscription: () => Subscription | undefined;
	readonly clock: Clock;
	readonly random: () => number;
	/** Ends retries. */
	readonly signal: AbortSignal;
	readonly onFailure: (error: unknown) => void;
}

/**
 * Where each partition is read from: the tables say it, after every rebalance anew. A partition
 * that is not placed yields nothing.
 */
export class Placement {
	readonly #options: PlacementOptions;
	/** The offset that comes next, by `topic/partition`. */
	readonly #next = new Map<string, bigint>();
	/** What is under way, or done, for each partition; whatever else comes to its end counts for nothing. */
	readonly #placing = new Map<string, symbol>();
	#epoch = 0;
	#moves = 0;

	constructor(options: PlacementOptions) {
		this.#options = options;
	}

	/** Counts rebalances. */
	get epoch(): number {
		return this.#epoch;
	}

	/** Counts whatever moves a partition: a batch that was begun before counts for nothing after. */
	get moves(): number {
		return this.#moves;
	}

	/** Nothing is known any more. */
	reset(): void {
		this.#epoch++;
		this.#moves++;
		this.#next.clear();
		this.#placing.clear();
	}

	/** A topic's partitions that were placed have to be so again. */
	forget(topic: string): TopicPartition[] {
		this.#moves++;
		const places: TopicPartition[] = [];
		for (const key of new Set([
			...this.#next.keys(),
			...this.#placing.keys(),
		])) {
			const slash = key.lastIndexOf("/");
			if (key.slice(0, slash) !== topic) continue;
			this.#next.delete(key);
			this.#placing.delete(key);
			places.push({ topic, partition: Number(key.slice(slash + 1)) });
		}
		return places;
	}

	/** `undefined` while the partition is not placed. */
	next(place: TopicPartition): bigint | undefined {
		return this.#next.get(keyOf(place));
	}

	/** What was read of a partition. */
	advance(place: TopicPartition, next: bigint): void {
		if (this.#next.has(keyOf(place))) this.#next.set(keyOf(place), next);
	}

	/**
	 * Asks the tables of a partition how far they are, and moves the consumer there. A position that
	 * Kafka has no longer is a problem of this partition only.
	 */
	place(place: TopicPartition): void {
		const key = keyOf(place);
		if (this.#placing.has(key)) return;
		const token = Symbol(key);
		this.#placing.set(key, token);
		const current = (): boolean => this.#placing.get(key) === token;
		this.#seek(place, current).catch((error: unknown) => {
			if (!current() || this.#options.signal.aborted) return;
			if (
				error instanceof TributaryError &&
				error.code === "KAFKA_POSITION_LOST"
			) {
				this.#options.status.problem(key, messageOf(error));
				this.#options.log.error({ err: error, ...place }, "position lost");
			} else this.#options.onFailure(error);
		});
	}

	/**
	 * A partition whose records do not go on where the last ones ended: markers of transactions and
	 * compaction leave gaps, but so does retention.
	 * @param current - whether the batch is still this member's to read
	 * @returns whether nothing is missing; otherwise the partition is placed again, and says so
	 */
	async verifyGap(
		place: TopicPartition,
		expected: bigint,
		current: () => boolean,
	): Promise<boolean> {
		let offsets: readonly PartitionOffsets[];
		try {
			offsets = await this.#offsets(place, current);
		} catch (error) {
			if (current() && !this.#options.signal.aborted) throw error;
			return false;
		}
		this.#options.status.problem(keyOf(place), undefined);
		if (keptOf(place, offsets).low <= expected) return true;
		this.forget(place.topic);
		this.place(place);
		return false;
	}

	async #seek(place: TopicPartition, current: () => boolean): Promise<void> {
		const { tablesOf, flusher, onPositionLost, fromBeginning } = this.#options;
		const partitions = (await this.#offsets(place, current)).length;
		let wanted: bigint | undefined;
		for (const table of tablesOf(place.topic)) {
			// A commit from before the rebalance may still land: the position is read after it.
			await flusher.running(table);
			const position = await flusher.retry(table, () =>
				table.load(place.partition, partitions),
			);
			const next = position === undefined ? 0n : position + 1n;
			if (wanted === undefined || next < wanted) wanted = next;
		}
		// Read after the positions, which can't be ahead of it then.
		const kept = keptOf(place, await this.#offsets(place, current));
		const begins = (wanted ?? 0n) === 0n;
		const fresh = begins && !fromBeginning;
		const offset = fresh
			? kept.high
			: nextOffset(place, wanted ?? 0n, kept, onPositionLost);
		if (!current()) return;
		if (begins && fromBeginning && kept.low > 0n)
			// A topic may well be older than its table, or have lost what nobody had read.
			this.#options.log.warn(
				{ ...place, offset: String(kept.low) },
				"Kafka keeps only the changes from this offset on: the table begins without those before. Take a new snapshot if it should have them",
			);
		const start = fresh ? offset : this.#recall(place.topic, offset, kept.low);
		this.#options.subscription()?.seek(place, start);
		this.#next.set(keyOf(place), start);
		this.#options.status.placed(place, {
			highWatermark: kept.high,
			next: offset,
		});
		this.#options.status.problem(keyOf(place), undefined);
	}

	/** Some records before a position, by which a history tells those that Debezium sends again. */
	#recall(topic: string, offset: bigint, low: bigint): bigint {
		if (!this.#options.tablesOf(topic).some((table) => table.recalls))
			return offset;
		const start = offset - BigInt(recalled(this.#placing.size));
		return start < low ? low : start;
	}

	/** Kafka may be away for a while. */
	async #offsets(
		place: TopicPartition,
		current: () => boolean,
	): Promise<readonly PartitionOffsets[]> {
		const { source, clock, random, signal, status, log } = this.#options;
		return await retrying(() => source.offsets(place.topic), {
			clock,
			random,
			signal,
			onFailure: (error, attempt) => {
				if (!current()) throw error;
				status.problem(keyOf(place), messageOf(error));
				log.warn({ err: error, ...place, attempt }, "trying again");
			},
		});
	}
}

function keptOf(
	{ partition }: TopicPartition,
	offsets: readonly PartitionOffsets[],
): { low: bigint; high: bigint } {
	return (
		offsets.find((one) => one.partition === partition) ?? { low: 0n, high: 0n }
	);
}

function keyOf({ topic, partition }: TopicPartition): string {
	return `${topic}/${partition}`;
}
